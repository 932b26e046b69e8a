cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.engine.flow cimport half
from rustnet.engine.numbers cimport MARK_ISN

cdef int CR, LF

@cython.locals(size=Py_ssize_t, at=Py_ssize_t)
cdef Py_ssize_t blank_lines(bytes data) except -1
cdef bint begins_within(Conversation talk, bint from_src) except -1

cdef class Candidate:
    cdef public str name
    cdef public object probe, dissector
    cdef public Py_ssize_t least, tests, count_at, uncounted
    cdef public const int64_t[::1] offsets
    cdef public const unsigned char[::1] fitting
    @cython.locals(at=Py_ssize_t, i=Py_ssize_t, byte=int64_t)
    cpdef bint fits(self, bytes data, Py_ssize_t size, bint stream) except -1
