cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.framework.pairs cimport NO_SIZE, Pairs, elapsed
from rustnet.dissect.http.connection cimport CHUNK, HEAD, LOST, PAUSED, PEEK, TRAILER, UNTIL_CLOSE, Connection
from rustnet.dissect.http.fields cimport CHUNKED, MAX_VALUE, NO_LENGTH, REQUEST_WANTED, RESPONSE_WANTED, UNCERTAIN, body_length, fill, framing, head_end, header_text, hostname, read_fields, same_host
from rustnet.dissect.http.lines cimport answers_old, lone_request, plausible, request_line, request_oddities, response_line, response_oddities

cdef int MAX_HEAD, NO, YES
cdef str OLD

cdef str _version(bytes raw)

cdef class HttpParser(Connection):
    @cython.locals(side=int, pos=Py_ssize_t, size=Py_ssize_t, after=Py_ssize_t, state=int)
    cpdef Py_ssize_t stream(self, bytes data, bint from_src) except -1
    @cython.locals(start=Py_ssize_t, size=Py_ssize_t, searched=Py_ssize_t, end=Py_ssize_t, after=Py_ssize_t, answer=int)
    cdef Py_ssize_t _head(self, bytes data, Py_ssize_t pos, int side) except -1
    @cython.locals(talk=Conversation)
    cdef _keep_lone(self, bytes head, int side)
    @cython.locals(talk=Conversation, head=bytes, side=int)
    cdef _take_lone(self)
    @cython.locals(entry=tuple)
    cdef Py_ssize_t _old_answer(self, Py_ssize_t pos, int side) except -1
    cdef Py_ssize_t _skip_stray(self, bytes data, Py_ssize_t pos, int side) except -1
    cdef Py_ssize_t _message(self, bytes head, Py_ssize_t end, int side) except -2
    @cython.locals(talk=Conversation, method=bytes, target=bytes, version=bytes, fields=dict, odd=int, length=int64_t, size=int64_t, passed=tuple)
    cdef Py_ssize_t _request(self, object line, bytes head, Py_ssize_t end, int side) except -1
    cdef Py_ssize_t _request_body(self, object row, int64_t length, int side) except -1
    cdef _keep_credentials(self, dict fields)
    @cython.locals(odd=int, asked=str)
    cdef int _target(self, object row, bytes method, bytes target) except -1
    @cython.locals(talk=Conversation, version=bytes, code=bytes, reason=bytes, fields=dict, odd=int, status=int, length=int64_t, entry=tuple, orphan=bint)
    cdef Py_ssize_t _response(self, object line, bytes head, int side) except -1
    cdef Py_ssize_t _response_body(self, tuple entry, int64_t length, bint orphan, int side) except -1
    cdef _switch(self, tuple entry)
