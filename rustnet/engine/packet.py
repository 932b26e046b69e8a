"""`Packet`: the frame being decoded, and its header fields."""


class Packet:
    """A frame's number, time and length, and the header fields of one layer of it.

    Addresses are 128 bits in two halves, IPv4 as IPv4-mapped IPv6. Below layer 3 (``version`` 0) the low halves hold
    the MAC addresses. ``part`` counts the packets of a frame that carries several, from 1 on.
    """

    def __init__(self) -> None:
        self.ts = 0
        self.number = 0
        self.length = 0
        self.interface = 0
        self.part = 0
        self.clear()
        self.mac_at = -1
        self.src_mac = -1
        self.dst_mac = -1
        self.vlan = -1
        self.outer_vlan = -1

    def clear(self) -> None:
        """Forget the network layer and above; link-layer fields stay, since inner packets share them."""
        self.version = 0
        self.protocol = 0
        self.src_hi = 0
        self.src_lo = 0
        self.dst_hi = 0
        self.dst_lo = 0
        self.has_ports = 0
        self.src_port = 0
        self.dst_port = 0
        self.extra = 0
        self.directed = 0
        self.ttl = -1
        self.network_at = -1
        self.payload_offset = 0
        self.payload_captured = 0
        self.payload = 0
        self.seq = 0
        self.ack = 0
        self.flags = 0
        self.window = 0
        self.icmp_type = -1
        self.icmp_code = -1
        self.icmp_id = -1
        self.fragment = 0
        self.fragment_offset = 0
        self.more_fragments = 0
        self.ip_id = 0
        self.ip_payload_offset = 0
        self.ip_payload_captured = 0
        self.ip_payload = 0
        self.headers_cut = 0
        self.tunnel = 0
        self.inner_type = 0
        self.inner_offset = 0
        self.inner_end = 0
        self.tunnel_key = 0
