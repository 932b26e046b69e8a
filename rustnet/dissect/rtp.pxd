cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation, Parser

cdef int NO, YES, MAX_REPORTS, _PORT
cdef Py_ssize_t MAX_STREAMS
cdef bytes _REMEMBERED
cdef frozenset _USED

@cython.locals(kind=int)
cpdef bint is_rtp(bytes data) except -1
@cython.locals(step=int)
cpdef bint continues(bytes before, bytes data) except -1
@cython.locals(high=int64_t)
cdef int64_t _stamp(bytes data) except -1
@cython.locals(size=Py_ssize_t, pos=Py_ssize_t)
cpdef bint is_rtcp(bytes data) except -1

cdef class Media:
    cdef public Conversation talk
    cdef public set streams, encrypted
    cdef public dict candidates
    cdef public int reports, quiet
    cpdef packet(self, bytes data, bint from_src)
    @cython.locals(key=tuple, first=tuple)
    cdef _stream(self, bytes data, bint from_src)
    @cython.locals(kind=int, size=int64_t)
    cpdef confirm(self, bytes header, bint from_src, int64_t ts, int64_t packet)
    cdef _report(self, bytes data, bint from_src)

@cython.locals(pos=Py_ssize_t, kind=int, end=Py_ssize_t, body=bytes, count=int, at=Py_ssize_t, kinds=list)
cdef _compound(object row, bytes data)
cdef _block(object row, bytes body, Py_ssize_t pos, int count)
@cython.locals(pos=Py_ssize_t)
cdef _describe(object row, bytes body)

cdef class RtpParser(Parser):
    cdef public Media media
    @cython.locals(media=Media)
    cpdef datagram(self, bytes data, bint from_src)

cdef bytes _remembered(bytes pending)
cdef bytes _remember(bytes data, Conversation talk)
@cython.locals(kept=bytes)
cpdef int _probe_rtp(bytes data, Conversation talk, bint from_src) except -1
@cython.locals(after=Py_ssize_t)
cpdef int _probe_rtcp(bytes data, Conversation talk, bint from_src) except -1
