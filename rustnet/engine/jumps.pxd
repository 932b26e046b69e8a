cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t
from rustnet.engine.flow cimport Flow, Half, Side, half, note
from rustnet.engine.packet cimport Packet
from rustnet.engine.numbers cimport *

cdef double BYTES_PER_NS
cdef int CONFIRMED
cdef int64_t HALF32, MASK32, TWO32


cdef inline int64_t wrap(int64_t difference) noexcept:
    return <int32_t> (difference & 0xFFFFFFFFLL)

# int where the .py file has None, as in tcp.pxd.

@cython.locals(distance=int64_t, far=bint, lost=bint)
cdef bint jumps(Flow flow, Half *me, Packet p, bint from_src) except -1
@cython.locals(ahead=int64_t)
cdef int foreign(Flow flow, Half *me, Half *peer, Packet p, bint from_src) except -1
@cython.locals(before=uint32_t)
cdef int acknowledges(Flow flow, Half *me, Half *peer, Packet p, bint from_src) except -1
@cython.locals(lost=bint, alone=bint, start=uint32_t, after=uint32_t)
cdef int continues(Flow flow, Half *me, Half *peer, Packet p, bint from_src) except -1
@cython.locals(shift=int64_t)
cdef int renumber(Half *me, Half *peer, uint32_t expected, int64_t ignored) except -1
@cython.locals(skipped=int64_t)
cdef int go_on(Flow flow, Half *me, Packet p, uint32_t expected, bint from_src) except -1
@cython.locals(distance=int64_t)
cdef bint possible_loss(Half *me, Packet p) except -1
cdef int64_t sequence_size(Packet p) except -1
cdef int note_jump(Flow flow, Packet p) except -1
@cython.locals(me=Side, peer=Side, acked=int64_t, missed=int64_t, begin=int64_t, stop=int64_t, shown=int64_t)
cpdef int64_t missed_bytes(Flow flow, bint from_src) except -1
@cython.locals(holes=list, stop=int64_t)
cdef int hole(Flow flow, Half *me, int64_t size, Packet p, bint from_src) except -1
cdef int keep_holes(Flow flow, list holes, bint from_src) except -1
