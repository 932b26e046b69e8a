cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.conversation cimport Conversation, Parser

cdef int NO, MORE, YES, MAX_HEADERS, MAX_HEAD, MAX_VALUE, MAX_URI, MAX_WAITING
cdef int _HEAD, _CHUNK, _UNTIL_CLOSE, _TRAILER, _LOST, _PAUSED

cpdef str text(bytes raw)
@cython.locals(strict=Py_ssize_t, bare=Py_ssize_t)
cpdef Py_ssize_t head_end(bytes data, Py_ssize_t since) except? -2
@cython.locals(lines=list, found=dict, ambiguous=bint, line=bytes, name=bytes, value=bytes, colon=Py_ssize_t)
cdef tuple _fields(bytes head, dict wanted)
@cython.locals(coding=bytes, stated=bytes)
cdef int64_t _length(dict found) except? -3
cdef int _fill(row, dict found, dict texts, dict seen) except -1

cdef class HttpParser(Parser):
    cdef public object waiting
    cdef public list open, state, searched, spoken
    cdef public bint over, doubtful
    cdef public int anomalies
    @cython.locals(side=int, pos=int64_t, size=int64_t, state=int, after=int64_t)
    cpdef stream(self, bytes data, bint from_src)
    @cython.locals(ts=int64_t, packet=int64_t)
    cdef int _emit(self, tuple entry) except -1
    cdef int _leave(self, int side) except -1
    cdef int _lose(self, int side) except -1
    cdef int _count(self, int side, int64_t size) except -1
    cdef _strange(self, str kind, str detail)
    @cython.locals(start=int64_t, size=int64_t, searched=int64_t, end=int64_t)
    cdef int64_t _head(self, bytes data, int64_t pos, int side) except -1
    cdef int64_t _stray(self, int64_t pos, int side) except -1
    cdef int64_t _message(self, bytes head, int64_t end, int side) except -1
    @cython.locals(talk=Conversation, found=dict, ambiguous=bint, length=int64_t, method=bytes, target=bytes, version=bytes)
    cdef int64_t _request(self, line, bytes head, int side) except -1
    cdef int _target(self, row, bytes method, bytes target) except -1
    cdef int _let_go(self) except -1
    @cython.locals(talk=Conversation, found=dict, ambiguous=bint, length=int64_t, status=int, version=bytes)
    cdef int64_t _response(self, line, bytes head, int side) except -1
    cdef int _switch(self, tuple entry) except -1
    @cython.locals(size=int64_t)
    cdef int64_t _chunk(self, bytes data, int64_t pos, int side) except -1
    @cython.locals(line_end=int64_t)
    cdef int64_t _trailer(self, bytes data, int64_t pos, int side) except -1
    @cython.locals(line=int64_t, keep=int64_t)
    cdef int64_t _resume(self, bytes data, int64_t pos, int side) except -1

cdef bint _plausible(bytes data, int64_t pos) except -1
@cython.locals(line_end=Py_ssize_t)
cpdef int _probe_http(bytes data, Conversation talk, bint from_src) except -1
