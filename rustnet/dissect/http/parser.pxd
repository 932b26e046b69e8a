cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation, Parser
from rustnet.dissect.framework.pairs cimport NO_SIZE, Pairs, elapsed
from rustnet.dissect.http.fields cimport MAX_VALUE, REQUEST_SEEN, REQUEST_TEXTS, REQUEST_WANTED, RESPONSE_SEEN, RESPONSE_TEXTS, RESPONSE_WANTED, body_length, head_end, read_fields, header_text

cdef int NO, MORE, YES, MAX_HEAD, MAX_URI
cdef int _HEAD, _CHUNK, _UNTIL_CLOSE, _TRAILER, _LOST, _PAUSED, _PEEK

@cython.locals(key=bytes, value=bytes)
cdef _fill(object row, dict fields, dict texts, dict seen)

cdef class HttpParser(Parser):
    cdef public Pairs pairs
    cdef public list open, state, searched, head_seen
    cdef public bint handed_over
    cdef public int anomalies, client
    cdef public int64_t cut_off, peeked
    @cython.locals(side=int, pos=Py_ssize_t, size=Py_ssize_t, after=Py_ssize_t, state=int)
    cpdef Py_ssize_t stream(self, bytes data, bint from_src) except -1
    cdef _store(self, tuple entry)
    cdef _end_body(self, int side)
    @cython.locals(within=bint, rest=int64_t)
    cdef _resynchronise(self, int side, int64_t size=*)
    cdef _count(self, int side, Py_ssize_t size)
    cdef _report(self, str kind, str detail)
    @cython.locals(start=Py_ssize_t, size=Py_ssize_t, searched=Py_ssize_t, end=Py_ssize_t, after=Py_ssize_t)
    cdef Py_ssize_t _head(self, bytes data, Py_ssize_t pos, int side) except -1
    cdef Py_ssize_t _skip_stray(self, Py_ssize_t pos, int side) except -1
    cdef Py_ssize_t _message(self, bytes head, Py_ssize_t end, int side) except -2
    @cython.locals(talk=Conversation, method=bytes, target=bytes, version=bytes, fields=dict, ambiguous=bint, length=int64_t, size=int64_t, passed=tuple)
    cdef Py_ssize_t _request(self, object line, bytes head, Py_ssize_t end, int side) except -1
    cdef _target(self, object row, bytes method, bytes target)
    @cython.locals(talk=Conversation, version=bytes, code=bytes, reason=bytes, fields=dict, ambiguous=bint, status=int, length=int64_t, entry=tuple, orphan=bint)
    cdef Py_ssize_t _response(self, object line, bytes head, int side) except -1
    cdef Py_ssize_t _await_body(self, tuple entry, int64_t length, int side) except -1
    @cython.locals(begin=bytes, entry=tuple)
    cdef Py_ssize_t _peek(self, bytes data, Py_ssize_t pos, int side) except -1
    cdef _switch(self, tuple entry)
    cdef Py_ssize_t _chunk(self, bytes data, Py_ssize_t pos, int side) except -1
    @cython.locals(line_end=Py_ssize_t)
    cdef Py_ssize_t _trailer(self, bytes data, Py_ssize_t pos, int side) except -1
    @cython.locals(line=Py_ssize_t, keep=Py_ssize_t)
    cdef Py_ssize_t _resume(self, bytes data, Py_ssize_t pos, int side) except -1
    cdef _leave(self, Py_ssize_t size, int side)

cdef bint _plausible(bytes data, Py_ssize_t pos) except -1
cdef str _hostname(str host)
@cython.locals(line_end=Py_ssize_t)
cpdef int _probe_http(bytes data, Conversation talk, bint from_src) except -1
cpdef int _probe_http2(bytes data, Conversation talk, bint from_src) except -1
