cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

# Fields stand in the order in which a packet touches them: what every packet needs shares a cache line or two.

# Flows come and go by the hundred thousand: those that went give their memory to those that come. Halves are in no cycle.

@cython.final
@cython.no_gc
@cython.freelist(8192)
cdef class Half:
    cdef public int64_t packets, bytes, payload, position
    cdef public uint32_t next_seq, highest_ack
    cdef public int window
    cdef public short ttl
    cdef public unsigned char flags, marks, has_ack, started, sampling, fin, fin_acked
    cdef public uint32_t sample_end
    cdef public int64_t sample_ts
    cdef public double srtt, min_rtt
    cdef public object stream
    cdef public uint32_t isn, fin_end
    cdef public uint32_t duplicate_run
    cdef public int64_t duplicate_ts
    cdef public uint32_t retransmissions, fast_retransmissions, out_of_order, duplicate_acks, zero_windows
    cdef public int64_t missed
    cdef public list holes

@cython.final
@cython.freelist(4096)
cdef class Flow:
    cdef public uint64_t hash
    cdef public uint64_t a_lo, b_lo, ends, a_hi, b_hi
    cdef public uint64_t extra, context
    cdef public int64_t last_ts, timeout
    cdef public int32_t next
    cdef public unsigned char state, closed, src_is_a, wants, foreign
    cdef public Half src, dst
    cdef public int64_t first_ts, flow_id
    cdef public int a_port, b_port
    cdef public int protocol
    cdef public bint has_ports
    cdef public int64_t outer_flow_id
    cdef public int tunnel, carries
    cdef public object talk
    cdef public int32_t index
    cdef public uint32_t generation
    cdef public int version
    cdef public int64_t first_packet
    cdef public uint32_t interface
    cdef public int vlan, outer_vlan
    cdef public int64_t src_mac, dst_mac
    cdef public int reset_by
    cdef public int64_t syn_ts, synack_ts
    cdef public double handshake_rtt, synack_rtt
    cdef public int first_closer
    cdef public int icmp_type, icmp_code, icmp_id
    cdef public uint32_t fragments
    cdef public int64_t missing
    cdef public str history
    cdef public str end_reason


cdef inline Half new_half():
    cdef Half made = Half.__new__(Half)
    made.ttl = -1
    made.srtt = -1.0
    made.min_rtt = -1.0
    return made


cdef inline Flow new_flow():
    """What `Flow.__init__` makes; a class that is called takes three times as long. What is not named here is zero."""
    cdef Flow made = Flow.__new__(Flow)
    made.next = -1
    made.index = -1
    made.src_is_a = 1
    made.vlan = -1
    made.outer_vlan = -1
    made.src_mac = -1
    made.dst_mac = -1
    made.syn_ts = -1
    made.synack_ts = -1
    made.handshake_rtt = -1.0
    made.synack_rtt = -1.0
    made.icmp_type = -1
    made.icmp_code = -1
    made.icmp_id = -1
    made.src = new_half()
    made.dst = new_half()
    made.history = ""
    made.end_reason = "end"
    return made
