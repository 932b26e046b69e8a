cimport cython
from libc.stdint cimport uint32_t

cdef uint32_t MASK32, H0, H1, H2, H3, H4, K0, K1, K2, K3

@cython.final
cdef class ShortSha1:
    cdef uint32_t[::1] words
    cdef readonly bytearray digest
    @cython.locals(words=uint32_t[::1], size=Py_ssize_t, i=Py_ssize_t, word=uint32_t)
    cpdef int hash(self, bytearray text) except -1
    @cython.locals(words=uint32_t[::1], digest=bytearray, a=uint32_t, b=uint32_t, c=uint32_t, d=uint32_t, e=uint32_t, mixed=uint32_t, turned=uint32_t, i=Py_ssize_t, shift=int)
    cdef int rounds(self) except -1
