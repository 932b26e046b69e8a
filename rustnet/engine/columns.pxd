cimport cython
from libc.stdint cimport int64_t, uint64_t
from rustnet.engine.flow cimport Flow, Half, Side, half
from rustnet.engine.tcp cimport connection_state
from rustnet.engine.jumps cimport missed_bytes
from rustnet.columnar cimport TextBuilder
from rustnet.engine.sha1 cimport ShortSha1
from rustnet.engine.text cimport write_address, write_digest, write_mac
from rustnet.engine.numbers cimport *

cdef tuple STATE_NAMES, TUNNEL_NAMES
cdef enum:  # positions in `INTEGERS`
    FLOW_ID, GENERATION, STARTED_AT, ENDED_AT, SRC_PORT, DST_PORT, VLAN_ID, OUTER_VLAN_ID, SRC_PACKETS,
    DST_PACKETS, SRC_BYTES, DST_BYTES, SRC_PAYLOAD, DST_PAYLOAD, SRC_RETRANSMISSIONS, DST_RETRANSMISSIONS,
    SRC_FAST_RETRANSMISSIONS, DST_FAST_RETRANSMISSIONS, SRC_OUT_OF_ORDER, DST_OUT_OF_ORDER, SRC_DUPLICATE_ACKS,
    DST_DUPLICATE_ACKS, SRC_ZERO_WINDOWS, DST_ZERO_WINDOWS, SRC_MISSED_BYTES, DST_MISSED_BYTES, SRC_FLAGS,
    DST_FLAGS, SRC_TTL, DST_TTL, ICMP_TYPE, ICMP_CODE, ICMP_ID, FRAGMENTS, OUTER_FLOW_ID, INTERFACE,
    FIRST_PACKET, HOSTNAME_TS, IDLE_TIMEOUT_MS, CLOSED_AT, SYN_TRIES, DST_VLAN_ID, DST_OUTER_VLAN_ID, DUPLICATES,
    PROXIED_SRC_PORT

cdef enum:  # in `WORDS`
    SRC_NUM_HI, SRC_NUM_LO, DST_NUM_HI, DST_NUM_LO

cdef enum:  # in `TIMES`
    RTT_MS, MIN_RTT_MS, HANDSHAKE_RTT_MS, OPEN_MS

cdef int GLOBAL, PRIVATE, LOCAL, MULTICAST, BROADCAST
cdef int64_t IDLE, MILLISECOND, NULL, SWEEP_SLACK
cdef str OPEN
cdef uint64_t MASK32

@cython.locals(a=int, b=int, first=int)
cdef int scope(uint64_t high, uint64_t low) except -1
cdef str direction(int src, int dst)
@cython.locals(talk=object)
cdef object state_name(Flow flow, int64_t now, bint still_open)
@cython.locals(src=Side, dst=Side)
cdef Half *round_trip(Flow flow) except NULL
cdef str other_state(Flow flow)
@cython.locals(at=int)
cdef int write_history(TextBuilder column, Flow flow) except -1

cdef class FlowColumns:
    cdef public TextBuilder community_id, protocol, src_ip, dst_ip, src_mac, dst_mac, direction, state, conn_state, history, end_reason, service, app, app_source, hostname, hostname_source, tunnel, unowned_reason, app_state, proxied_src_ip
    cdef dict tcp_services, udp_services, guesses, reasons, protocols
    cdef bytearray hashed
    cdef bint still_open
    cdef ShortSha1 sha1
    @cython.locals(n=Py_ssize_t, i=Py_ssize_t, flow=Flow, best=Side, table=int64_t[:, ::1], numbers=uint64_t[:, ::1], rtts=double[:, ::1])
    cpdef dict build(self, list flows, int64_t now, bint still_open=*)
    cdef int integers(self, int64_t[:, ::1] table, Py_ssize_t i, Flow flow) except -1
    cdef int side(self, int64_t[:, ::1] table, Py_ssize_t i, Half *half, Py_ssize_t dst) except -1
    @cython.locals(src_hi=uint64_t, src_lo=uint64_t, dst_hi=uint64_t, dst_lo=uint64_t, src_port=int, dst_port=int, protocol=int)
    cdef int text(self, uint64_t[:, ::1] words, int64_t[:, ::1] table, Py_ssize_t i, Flow flow, int64_t now) except -1
    cdef tuple described(self, int protocol)
    @cython.locals(protocol=int, fast=bint, at=int, raw=bytearray)
    cdef int community(self, Flow flow, uint64_t src_hi, uint64_t src_lo, int src_port, uint64_t dst_hi, uint64_t dst_lo, int dst_port) except -1
    @cython.locals(services=dict, service=str, app=str, source=str)
    cdef int application(self, int64_t[:, ::1] table, Py_ssize_t i, Flow flow, dict guesses, int src_port, int dst_port) except -1
