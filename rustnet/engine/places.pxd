cimport cython
from libc.stdint cimport int64_t, uint64_t
from rustnet.engine.flow cimport Flow
from rustnet.engine.packet cimport Packet

cdef int64_t SWEEP_SLACK
cdef uint64_t MASK32, MASK64, MIX_A, MIX_B, UPPER


cdef inline uint64_t bits64(uint64_t number) noexcept:
    return number


cdef inline uint64_t flow_hash(uint64_t low, uint64_t high, uint64_t rest) noexcept:
    cdef uint64_t h = low * MIX_A
    h = (h ^ (h >> 32) ^ high) * MIX_B
    h = (h ^ (h >> 32) ^ rest) * MIX_A
    return h ^ (h >> 32)


cdef class Places:
    cdef public list flows, free
    cdef uint64_t[::1] places
    cdef int64_t[::1] due
    cdef uint64_t mask
    cdef public Py_ssize_t count, joints

    cpdef int clear(self) except -1
    @cython.locals(index=Py_ssize_t)
    cdef int insert(self, Flow flow) except -1
    @cython.locals(at=uint64_t)
    cdef int probe_insert(self, uint64_t place) except -1
    @cython.locals(mine=uint64_t, mask=uint64_t, gap=uint64_t, at=uint64_t, place=uint64_t)
    cdef int delete_entry(self, uint64_t key, Flow flow) except -1
    @cython.locals(places=uint64_t[::1], at=uint64_t, size=uint64_t)
    cdef int grow(self) except -1
    cdef int schedule_expiry(self, Flow flow) except -1

cpdef object extended(object column, Py_ssize_t size)
@cython.locals(number=uint64_t)
cdef uint64_t mixed(uint64_t address_hi, uint64_t address_lo, uint64_t port) noexcept
cdef bint mapped(Packet p) noexcept
cdef bint precedes(uint64_t a_hi, uint64_t a_lo, int a_port, uint64_t b_hi, uint64_t b_lo, int b_port) noexcept
@cython.locals(same=bint)
cdef bint matches_ends(Flow flow, Packet p, bint swap) noexcept
