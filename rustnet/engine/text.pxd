cimport cython
from libc.stdint cimport int64_t, uint64_t
from rustnet.columnar cimport TextBuilder

cdef tuple OCTETS
cdef bytes HEX, BASE64

@cython.locals(a=int, b=int, c=int, d=int)
cpdef str address(uint64_t high, uint64_t low)
cpdef str community_digest(text)
@cython.locals(shift=int, octet=int)
cdef int write_address(TextBuilder column, uint64_t high, uint64_t low) except -1
@cython.locals(shift=int)
cdef int write_mac(TextBuilder column, int64_t number) except -1
@cython.locals(at=int, three=int, shift=int)
cdef int write_digest(TextBuilder column, bytearray digest) except -1
