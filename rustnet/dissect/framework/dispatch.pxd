cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.candidates cimport CR, LF, Candidate, begins_within, blank_lines
from rustnet.dissect.framework.conversation cimport Conversation, Parser, conversation
from rustnet.engine.flow cimport Flow
from rustnet.engine.listener cimport Listener

cdef int YES, MORE, SRC_REJECTED, DST_REJECTED, MAX_PATIENCE, MAX_CHUNKS, MAX_KEEPALIVE, HANDSHAKE, MAX_PENDING_BYTES, MAX_PENDING, MAX_PROBE, MAX_ATTEMPTS, MAX_ERRORS, MAX_UNDECODED, NO_PORT, TCP, UDP

cdef class Dispatcher(Listener):
    cdef public object sink, chosen
    cdef public bint strict, need_more
    cdef public int64_t pending_bytes
    cdef public dict undecoded_rows, by_port, by_transport, named_ports, probe_order, on_port, off_port
    @cython.locals(named=bytes, src=int64_t, dst=int64_t, key=int64_t, cache=dict)
    cdef tuple candidates(self, Conversation talk, int64_t first)
    cpdef tuple candidate_order(self, str transport, int src_port, int dst_port, int first)
    @cython.locals(talk=Conversation, protocol=int, transport=str)
    cdef Conversation start_conversation(self, Flow flow)
    @cython.locals(talk=Conversation)
    cpdef datagram(self, Flow flow, bint from_src, bytes data, int64_t ts, int64_t number)
    cdef bint read_datagram(self, Conversation talk, bytes data, bint from_src) except -1
    @cython.locals(start=Py_ssize_t, limit=int)
    cdef first_datagram(self, Conversation talk, bytes data, bint from_src)
    @cython.locals(talk=Conversation, waiting=bytes, skip=int64_t, start=Py_ssize_t)
    cpdef int64_t stream(self, Flow flow, bint from_src, bytes data, int64_t ts, int64_t number) except? -1
    @cython.locals(talk=Conversation)
    cpdef gap(self, Flow flow, bint from_src, int64_t size, int64_t ts, int64_t number)
    @cython.locals(talk=Conversation)
    cpdef late(self, Flow flow)
    cpdef close(self, Flow flow)
    @cython.locals(candidate=Candidate, answer=int, size=Py_ssize_t, stream=bint)
    cdef bint run_probes(self, Conversation talk, bytes data, bint from_src) except -1
    @cython.locals(blank=Py_ssize_t, need_more=bint)
    cdef Py_ssize_t probe(self, Conversation talk, bytes data, bint from_src) except? -1
    @cython.locals(other=bytes, start=Py_ssize_t, side=int)
    cdef Py_ssize_t recognise(self, Conversation talk, bytes data, bint from_src, Py_ssize_t waited=*) except? -1
    cdef catch_up(self, Conversation talk, bytes data, bint from_src)
    @cython.locals(size=int64_t, used=int64_t, rest=bytes)
    cdef int64_t feed(self, Conversation talk, bytes data, bint from_src) except -1
    cpdef undecoded(self, int answer, int link, int64_t ts, int64_t number)
    @cython.locals(other=bytes, skip=int64_t, start=Py_ssize_t)
    cdef int64_t handed_over(self, Conversation talk, bytes rest, bint from_src) except -1
    @cython.locals(old=bytes)
    cdef int set_pending(self, Conversation talk, bint from_src, bytes rest) except -1
    cdef int clear_pending(self, Conversation talk) except -1
