cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t
from rustnet.engine.flow cimport Flow, Half, Side, half, note
from rustnet.engine.jumps cimport foreign, hole, jumps, keep_holes, sequence_size, wrap
from rustnet.engine.packet cimport Packet
from rustnet.engine.tally cimport add_rtt
from rustnet.engine.numbers cimport *

cdef uint32_t MOST_NOTED
cdef bytes LETTERS
cdef int64_t MASK32
cdef int64_t COPY_NS, FAST_NS, LATE_NS, MAX_LATE, REORDER_NS


# int where the .py file has None: the exception check that a void function needs costs more than the function.

@cython.locals(flags=int, size=int64_t, plain=bint, late=int, other=int, due=int)
cdef int segment(Flow flow, Half *me, Half *peer, Packet p, bint from_src) except -1
@cython.locals(soon=bint, known=bint, ahead=int64_t)
cdef bint new_connection(Flow flow, Half *me, Packet p) except -1
cdef int try_to_open(Flow flow, Packet p) except -1
@cython.locals(again=bint)
cdef int synchronise(Flow flow, Half *me, Half *peer, Packet p, bint from_src) except -1
@cython.locals(distance=int64_t)
cdef int sequence(Flow flow, Half *me, Half *peer, Packet p, int64_t size, bint from_src) except -1
cdef int start_sample(Half *me, int64_t ts) except -1
@cython.locals(holes=list, start=int64_t, end=int64_t, fills=bint, reordered=bint, limit=double, begin=int64_t, stop=int64_t, seen=int64_t, shown=int64_t, low=int64_t, high=int64_t)
cdef int repeated(Flow flow, Half *me, Half *peer, Packet p, int64_t size, int64_t distance, bint from_src) except -1
@cython.locals(rtt=int64_t, distance=int64_t, due=int)
cdef int acknowledge(Flow flow, Half *me, Half *peer, Packet p, bint from_src) except -1
@cython.locals(new=int, bit=int)
cdef int marks(Flow flow, Half *me, int flags, int64_t payload, bint from_src) except -1
@cython.locals(power=uint32_t)
cdef int note_count(Flow flow, uint32_t count, int letter, bint from_src) except -1
cdef void advance_state(Flow flow, Half *me, int flags, Packet p, bint from_src) except *
cdef void closing_state(Flow flow, int64_t ts) except *
cdef void close_connection(Flow flow, unsigned char state, int64_t ts) except *
@cython.locals(src=Side, dst=Side)
cpdef str connection_state(Flow flow)
