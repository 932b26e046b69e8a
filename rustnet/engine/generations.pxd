cimport cython
from libc.stdint cimport uint32_t, uint64_t

@cython.final
cdef class Generations:
    cdef uint64_t[::1] hashes
    cdef uint32_t[::1] counts
    cdef public Py_ssize_t size, count
    cpdef int clear(self) except -1
    @cython.locals(mask=uint64_t, at=uint64_t)
    cdef Py_ssize_t place(self, uint64_t flow_hash) except -1
    cpdef uint32_t get(self, uint64_t flow_hash) except? 0xFFFFFFFF
    @cython.locals(known=uint64_t, at=Py_ssize_t)
    cpdef int put(self, uint64_t flow_hash, uint32_t count) except -1
    @cython.locals(hashes=uint64_t[::1], counts=uint32_t[::1], size=Py_ssize_t, i=Py_ssize_t, at=Py_ssize_t)
    cdef int grow(self) except -1
