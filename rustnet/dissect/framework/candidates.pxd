cimport cython
from libc.stdint cimport int64_t

cdef class Candidate:
    cdef public str name
    cdef public object probe, dissector
    cdef public Py_ssize_t least, tests, count_at, uncounted
    cdef public const int64_t[::1] offsets
    cdef public const unsigned char[::1] fitting
    @cython.locals(at=Py_ssize_t, i=Py_ssize_t, byte=int64_t)
    cpdef bint fits(self, bytes data, Py_ssize_t size, bint stream) except -1
