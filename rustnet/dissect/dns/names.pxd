cimport cython
from libc.stdint cimport int64_t

cdef int MAX_JUMPS, MAX_TARGET
cdef bytes AS_SENT, LOWER
cdef bytearray _SCRATCH

cdef int u16(bytes data, Py_ssize_t pos) except -1
@cython.locals(high=int64_t)
cdef int64_t u32(bytes data, Py_ssize_t pos) except -1
@cython.locals(step=int)
cdef Py_ssize_t skip_name(bytes data, Py_ssize_t pos) except -1

cdef class Names:
    cdef public bytes data, table
    cdef public dict known
    cdef public tuple first
    cdef public Py_ssize_t first_at
    cdef public Py_ssize_t end, length
    cdef public bint plain
    cdef int begin(self, bytes data) except -1
    cdef int keep(self, Py_ssize_t start, tuple name) except -1
    @cython.locals(data=bytes, size=Py_ssize_t, pos=Py_ssize_t, step=int, length=Py_ssize_t, text=str)
    cdef str read(self, Py_ssize_t start, int jumps=*)
    @cython.locals(data=bytes, table=bytes, text=bytearray, size=Py_ssize_t, pos=Py_ssize_t, after=Py_ssize_t, i=Py_ssize_t, byte=int, raw=bytes)
    cdef str labels(self, Py_ssize_t start, Py_ssize_t end)
    @cython.locals(data=bytes, target=Py_ssize_t, known=tuple, text=str, head=str, length=Py_ssize_t)
    cdef str pointed(self, Py_ssize_t start, Py_ssize_t pos, int jumps)
