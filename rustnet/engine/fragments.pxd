cimport cython
from libc.stdint cimport int64_t

cdef int64_t MAX_BYTES, MAX_DATAGRAM, MAX_HELD, TIMEOUT
cdef Py_ssize_t MAX_PENDING, MAX_PIECES

cdef class Datagram:
    cdef public int64_t ts, total, size
    cdef public int protocol
    cdef public dict pieces
    cdef public bint overlaps

cdef class Fragments:
    cdef public dict pending
    cdef public int64_t dropped, overlapping, size
    cdef public int protocol
    @cython.locals(known=Datagram)
    cpdef int first_protocol(self, tuple key)
    @cython.locals(found=Datagram)
    cpdef Datagram datagram(self, tuple key, int64_t ts)
    @cython.locals(gone=Datagram)
    cpdef drop(self, tuple key)
    @cython.locals(datagram=Datagram)
    cpdef bytes add(self, tuple key, int protocol, int64_t offset, bint more, bytes data, int64_t claimed, int64_t ts)
    @cython.locals(parts=list, at=int64_t, offset=int64_t, piece=bytes)
    cpdef bytes join(self, tuple key, Datagram datagram)
