cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef tuple OCTETS

@cython.locals(a=int, b=int, c=int, d=int)
cpdef str address(uint64_t high, uint64_t low)
cpdef str community_digest(text)
