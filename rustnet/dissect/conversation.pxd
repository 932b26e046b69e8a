from libc.stdint cimport int64_t
from rustnet.engine.flow cimport Flow
from rustnet.engine.text cimport address

cdef str end_address(Flow flow, bint of_a)

cdef class Conversation:
    cdef public object sink
    cdef public Flow flow
    cdef public int64_t flow_id, ts, packet, missing, hostname_ts
    cdef public str transport, src_text, dst_text
    cdef public int src_port, dst_port, tries, judged, messages, errors
    cdef public object parser, app, service, state, hostname, hostname_source
    cdef public bint finished
    cdef public tuple refused
    cdef public bytes pending_src, pending_dst, memo_src, memo_dst
    cpdef emit(self, object record, int64_t ts=*, int64_t packet=*)
    cpdef anomaly(self, str kind, str detail)
    cpdef name_host(self, str name, str source)
    cpdef finish(self)
    cpdef learn(self, str ip, str name, str source, object ttl=*, object client=*)

cdef class Parser:
    cdef public Conversation talk
