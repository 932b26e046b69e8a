from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t


cdef class Packet:
    cdef public int64_t ts, number, length
    cdef public uint32_t interface
    cdef public int part
    cdef public int version
    cdef public int protocol
    cdef public uint64_t src_hi, src_lo, dst_hi, dst_lo
    cdef public bint has_ports
    cdef public int src_port, dst_port
    cdef public uint64_t extra
    cdef public bint directed
    cdef public int ttl
    cdef public Py_ssize_t network_at, payload_offset, payload_captured, payload
    cdef public uint32_t seq, ack
    cdef public int flags, window
    cdef public int icmp_type, icmp_code, icmp_id
    cdef public bint fragment, more_fragments, headers_cut
    cdef public int fragment_offset
    cdef public uint32_t ip_id
    cdef public Py_ssize_t ip_payload_offset, ip_payload_captured, ip_payload
    cdef public Py_ssize_t mac_at
    cdef public int64_t src_mac, dst_mac
    cdef public int vlan, outer_vlan
    cdef public int tunnel, inner_type
    cdef public Py_ssize_t inner_offset, inner_end
    cdef public uint64_t tunnel_key
    cpdef clear(self)
