cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation, Parser
from rustnet.dissect.framework.pairs cimport Pairs
from rustnet.dissect.http.fields cimport CHUNKED, MAX_VALUE

cdef int MAX_URI
cdef int HEAD, CHUNK, UNTIL_CLOSE, TRAILER, LOST, PAUSED, PEEK

cdef class Connection(Parser):
    cdef public Pairs pairs
    cdef public list open, state, searched, head_seen
    cdef public tuple lone
    cdef public bint handed_over, old
    cdef public int anomalies, client
    cdef public int64_t cut_off, peeked
    cdef _store(self, tuple entry)
    cdef _end_body(self, int side)
    @cython.locals(within=bint, rest=int64_t)
    cdef _resynchronise(self, int side, int64_t size=*)
    @cython.locals(entry=tuple)
    cdef _count(self, int side, Py_ssize_t size)
    cdef _mark(self, object row, int bits, int side)
    cdef _report(self, str kind, str detail)
    cdef Py_ssize_t _await_body(self, tuple entry, int64_t length, int side) except -1
    @cython.locals(begin=bytes, entry=tuple)
    cdef Py_ssize_t _peek(self, bytes data, Py_ssize_t pos, int side) except -1
    @cython.locals(digits=bytes, size=int64_t, end=Py_ssize_t, after=int)
    cdef Py_ssize_t _chunk(self, bytes data, Py_ssize_t pos, int side) except -1
    @cython.locals(text=bytes, digits=bytes, odd=int, entry=tuple)
    cdef int _odd_chunk(self, object line, int side) except -1
    @cython.locals(line_end=Py_ssize_t)
    cdef Py_ssize_t _trailer(self, bytes data, Py_ssize_t pos, int side) except -1
    @cython.locals(line=Py_ssize_t, keep=Py_ssize_t)
    cdef Py_ssize_t _resume(self, bytes data, Py_ssize_t pos, int side) except -1
    cdef _leave(self, Py_ssize_t size, int side)
