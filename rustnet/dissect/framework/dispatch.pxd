cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation, Parser, conversation
from rustnet.engine.flow cimport Flow
from rustnet.engine.listener cimport Listener

cdef int YES, MORE, SRC_JUDGED, DST_JUDGED, MAX_PATIENCE, MAX_CHUNKS, MAX_IDLE, HANDSHAKE, MAX_WAITING, MAX_PENDING, MAX_PROBE, MAX_TRIES, MAX_ERRORS, MAX_UNDECODED, NO_PORT, TCP, UDP

cdef class Asked:
    cdef public str name
    cdef public object probe, dissector
    cdef public Py_ssize_t least, tests, count_at, uncounted
    cdef public const int64_t[::1] offsets
    cdef public const unsigned char[::1] fitting
    @cython.locals(at=Py_ssize_t, i=Py_ssize_t, byte=int64_t)
    cpdef bint fits(self, bytes data, Py_ssize_t size, bint stream) except -1

cdef class Dispatcher(Listener):
    cdef public object sink, chosen
    cdef public bint strict, hopeful
    cdef public int64_t waiting
    cdef public dict undecoded_rows, by_port, by_transport, known, orders, near, far
    @cython.locals(known=bytes, src=int64_t, dst=int64_t, key=int64_t, orders=dict)
    cdef tuple asked(self, Conversation talk, int64_t first)
    cpdef tuple order(self, str transport, int src_port, int dst_port, int first)
    @cython.locals(talk=Conversation, protocol=int, transport=str)
    cdef Conversation converse(self, Flow flow)
    @cython.locals(talk=Conversation)
    cpdef datagram(self, Flow flow, bint from_src, bytes data, int64_t ts, int64_t number)
    @cython.locals(talk=Conversation, waiting=bytes, skip=int64_t)
    cpdef int64_t stream(self, Flow flow, bint from_src, bytes data, int64_t ts, int64_t number) except? -1
    @cython.locals(talk=Conversation)
    cpdef gap(self, Flow flow, bint from_src, int64_t size, int64_t ts, int64_t number)
    @cython.locals(talk=Conversation)
    cpdef close(self, Flow flow)
    @cython.locals(ask=Asked, answer=int, size=Py_ssize_t, stream=bint)
    cdef bint choose(self, Conversation talk, bytes data, bint from_src) except -1
    @cython.locals(other=bytes, judged=int)
    cdef bint begin(self, Conversation talk, bytes data, bint from_src) except -1
    cdef catch_up(self, Conversation talk, bytes data, bint from_src)
    @cython.locals(size=int64_t, used=int64_t, rest=bytes)
    cdef int64_t feed(self, Conversation talk, bytes data, bint from_src) except -1
    cpdef undecoded(self, int answer, int link, int64_t ts, int64_t number)
    @cython.locals(other=bytes, skip=int64_t)
    cdef int64_t handed_over(self, Conversation talk, bytes rest, bint from_src) except -1
    @cython.locals(old=bytes)
    cdef int keep(self, Conversation talk, bint from_src, bytes rest) except -1
    cdef int drop(self, Conversation talk) except -1
