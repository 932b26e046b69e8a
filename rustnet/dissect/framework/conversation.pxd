cimport cython
from libc.stdint cimport int64_t
from rustnet.engine.flow cimport Flow
from rustnet.engine.text cimport address

cdef int64_t MAX_IDLE, MIN_IDLE
cdef Py_ssize_t MIN_CUT, MAX_NAME, SHORT
cdef str SIGNS
cdef dict SCREENED

@cython.locals(start=Py_ssize_t, size=Py_ssize_t, i=Py_ssize_t, c=Py_UCS4, slashes=bint)
cpdef bint may_hide(str text) except -1

cdef str end_address(Flow flow, bint of_a)

@cython.freelist(4096)
cdef class Conversation:
    cdef public object sink
    cdef public Flow flow
    cdef public int64_t flow_id, ts, packet, missing, lost_src, lost_dst, hostname_ts
    cdef public str transport, src_text, dst_text
    cdef public int src_port, dst_port, attempts, rejected, messages, errors
    cdef public object parser, secrets, peeler, proxied, app, service, state, hostname, hostname_source
    cdef public bint finished, lost_between, truncated
    cdef public tuple withdrawn
    cdef public bytes pending_src, pending_dst, memo_src, memo_dst
    cpdef emit(self, object record, int64_t ts=*, int64_t packet=*)
    @cython.locals(entry=tuple, values=tuple, texts=tuple, i=Py_ssize_t, text=str)
    cpdef screen(self, object record)
    cpdef str screened(self, str shown, bint bare, bint free)
    cpdef anomaly(self, str kind, str detail, int64_t count=*)
    cpdef name_host(self, str name, str source)
    cpdef set_idle_timeout(self, int64_t timeout)
    cpdef count_lost(self, int64_t size, bint from_src)
    cpdef finish(self)
    cpdef learn(self, str ip, str name, str source, object ttl=*, object client=*)

cdef inline Conversation conversation(object sink, Flow flow, str transport):
    """Same result as `Conversation.__init__`; attributes that are not set here are zero or None."""
    cdef Conversation talk = Conversation.__new__(Conversation)
    talk.sink = sink
    talk.flow = flow
    talk.flow_id = flow.flow_id
    talk.transport = transport
    talk.src_text = ""
    talk.dst_text = ""
    if flow.src_is_a:
        talk.src_port = flow.a_port
        talk.dst_port = flow.b_port
    else:
        talk.src_port = flow.b_port
        talk.dst_port = flow.a_port
    talk.withdrawn = ()
    talk.memo_src = b""
    talk.memo_dst = b""
    talk.pending_src = b""
    talk.pending_dst = b""
    return talk


cdef class Parser:
    cdef public Conversation talk
