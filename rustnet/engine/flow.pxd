from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef class Half:
    cdef public int64_t packets, bytes, payload
    cdef public int flags, ttl, marks
    cdef public bint started
    cdef public uint32_t isn, next_seq
    cdef public int64_t position
    cdef public uint32_t highest_ack
    cdef public bint has_ack
    cdef public int window
    cdef public uint32_t duplicate_run
    cdef public int64_t duplicate_ts
    cdef public uint32_t retransmissions, fast_retransmissions, out_of_order, duplicate_acks, zero_windows
    cdef public int64_t missed
    cdef public list holes
    cdef public bint fin, fin_acked
    cdef public uint32_t fin_end
    cdef public bint sampling
    cdef public uint32_t sample_end
    cdef public int64_t sample_ts
    cdef public double srtt, min_rtt
    cdef public object stream

cdef class Flow:
    cdef public int64_t flow_id
    cdef public uint64_t hash
    cdef public int32_t next, index
    cdef public uint32_t generation
    cdef public int protocol, version
    cdef public uint64_t a_hi, a_lo, b_hi, b_lo
    cdef public int a_port, b_port
    cdef public bint has_ports
    cdef public uint64_t extra, context
    cdef public bint src_is_a
    cdef public int64_t first_ts, last_ts, timeout, first_packet
    cdef public uint32_t interface
    cdef public int vlan, outer_vlan
    cdef public int64_t src_mac, dst_mac
    cdef public int state
    cdef public bint closed
    cdef public int reset_by
    cdef public int64_t syn_ts, synack_ts
    cdef public double handshake_rtt, synack_rtt
    cdef public int first_closer
    cdef public int icmp_type, icmp_code, icmp_id
    cdef public uint32_t fragments
    cdef public int64_t missing
    cdef public int tunnel, carries
    cdef public int64_t outer_flow_id
    cdef public bint wants
    cdef public Half src, dst
    cdef public str history
    cdef public str end_reason
    cdef public object talk
