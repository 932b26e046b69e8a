cimport cython
from libc.stdint cimport int64_t, uint64_t
from rustnet.engine.flow cimport Flow, Half, Side, half
from rustnet.engine.numbers cimport *
from rustnet.engine.packet cimport Packet
from rustnet.engine.places cimport Places, flow_hash, mapped, matches_ends, mixed, precedes
from rustnet.engine.jumps cimport wrap

cdef int MAX_ALIKE, SRC, DST, BOTH, NOBODY
cdef uint64_t MASK32, MASK64, UPPER
cdef int64_t ANSWER_NS, NEAR, SECOND


cdef inline bint joined(Flow flow, uint64_t context, bint from_src) noexcept:
    return flow.other_context == context and flow.other_side & (1 if from_src else 2) != 0


cdef class Contexts(Places):
    cdef dict alike
    cdef uint64_t low, high, extra
    cdef bint swap
    cpdef int clear(self) except -1
    cdef int enlist(self, Flow flow) except -1
    cdef list alike_to(self, uint64_t key, bint adding)
    cdef int separate(self, Flow flow) except -1
    @cython.locals(key=uint64_t)
    cdef int delist(self, Flow flow) except -1
    cdef int attach(self, Flow flow, uint64_t context, int side) except -1
    cdef int measure(self, Packet p) except -1
    @cython.locals(same=bint)
    cdef bint between(self, Flow flow, Packet p) except -1
    cdef Flow lookup(self, Packet p, uint64_t context)
    @cython.locals(key=uint64_t, at=uint64_t, place=uint64_t, flow=Flow, here=bint)
    cdef Flow measured(self, Packet p, uint64_t context)
    @cython.locals(key=uint64_t, flow=Flow)
    cdef list others(self, Packet p, uint64_t context)
    @cython.locals(flow=Flow, chosen=Flow, from_src=bint)
    cdef Flow join(self, Packet p, uint64_t context, list others)

cdef bint sent_by_src(Flow flow, Packet p) noexcept
cdef uint64_t ends_key(Flow flow) noexcept
cdef uint64_t context_hash(Flow flow, uint64_t context) noexcept
@cython.locals(known=int, near=bint, exact=bint, distance=int64_t)
cdef bint continues(Flow flow, Packet p, Half *me, Half *peer) noexcept
