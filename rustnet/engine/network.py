"""Network headers: IPv4 with options, IPv6 with extension headers, fragments, ARP (RFC 791, 8200, 826)."""

import cython

from rustnet.engine.numbers import MAPPED, MAX_HEADERS
from rustnet.engine.transport import Transport

if not cython.compiled:
    from rustnet.engine.numbers import (
        ARP,
        CUT,
        DESTINATION,
        FRAGMENT,
        HIP,
        HOPOPT,
        IP4,
        IPV4_FRAGMENT,
        IPV4_OFFSET,
        IPV6_FRAGMENT,
        IPV6_OFFSET,
        MALFORMED,
        MOBILITY,
        OK,
        ROUTING,
        SHIM6,
    )
    from rustnet.engine.reader import u16, u32, u64


class Network(Transport):
    """Decodes network headers."""

    def ipv4(self, o: int, e: int) -> int:
        """IPv4 (RFC 791) with options and fragments."""
        p = self.pkt
        if o + 20 > e:
            return CUT
        first = self.b[o]
        header = (first & 15) << 2
        if first >> 4 != 4 or header < 20:
            return MALFORMED
        total = u16(self, o + 2)
        stop = o + total
        length = total - header
        if total == 0:  # segmentation offload: the card fills the length in
            stop = e
            length = e - o - header
        if length < 0:
            return MALFORMED
        if stop > e:
            stop = e
        p.version = 4
        p.network_at = o
        p.ttl = self.b[o + 8]
        p.src_hi = 0
        p.dst_hi = 0
        p.src_lo = MAPPED | u32(self, o + 12)
        p.dst_lo = MAPPED | u32(self, o + 16)
        protocol = self.b[o + 9]
        p.protocol = protocol
        start = o + header
        if start > stop:
            p.headers_cut = 1
            p.flags = -1
            return OK
        flags = u16(self, o + 6)
        if flags & IPV4_FRAGMENT:
            p.ip_id = u16(self, o + 4)
            if self.fragmented(start, stop, length, (flags & IPV4_OFFSET) << 3, (flags >> 13) & 1):
                return OK
        return self.transport(protocol, start, stop, length)

    def ipv6(self, o: int, e: int) -> int:
        """IPv6 (RFC 8200) with extension headers."""
        p = self.pkt
        if o + 40 > e:
            return CUT
        if self.b[o] >> 4 != 6:
            return MALFORMED
        length = u16(self, o + 4)
        stop = o + 40 + length
        if length == 0:  # jumbogram or segmentation offload
            stop = e
            length = e - o - 40
        if stop > e:
            stop = e
        p.version = 6
        p.network_at = o
        p.ttl = self.b[o + 7]
        p.src_hi = u64(self, o + 8)
        p.src_lo = u64(self, o + 16)
        p.dst_hi = u64(self, o + 24)
        p.dst_lo = u64(self, o + 32)
        kind = self.b[o + 6]
        start = o + 40
        for _ in range(MAX_HEADERS):
            if kind in (HOPOPT, ROUTING, DESTINATION, MOBILITY, HIP, SHIM6):
                if start + 2 > stop:
                    p.protocol = kind
                    p.headers_cut = 1
                    return OK
                size = (self.b[start + 1] + 1) << 3
            elif kind == FRAGMENT:
                if start + 8 > stop:
                    p.protocol = kind
                    p.headers_cut = 1
                    return OK
                flags = u16(self, start + 2)
                if flags & IPV6_FRAGMENT:
                    p.ip_id = u32(self, start + 4)
                    p.protocol = self.b[start]
                    if self.fragmented(start + 8, stop, length - 8, flags & IPV6_OFFSET, flags & 1):
                        return OK
                size = 8
            else:
                p.protocol = kind
                return self.transport(kind, start, stop, length)
            kind = self.b[start]
            start += size
            length -= size
            if start > stop or length < 0:
                p.protocol = kind
                p.headers_cut = 1
                p.flags = -1
                return OK
        return MALFORMED

    def fragmented(self, o: int, e: int, length: int, offset: int, more: int) -> int:
        """Set the fragment fields; false for a truncated first fragment, which is decoded as it is."""
        p = self.pkt
        if offset == 0 and e - o < length:
            return 0
        p.fragment = 1
        p.fragment_offset = offset
        p.more_fragments = more
        p.ip_payload_offset = o
        p.ip_payload_captured = e - o
        p.ip_payload = length
        p.payload = length
        p.flags = -1
        return 1

    def arp(self, o: int, e: int) -> int:
        """ARP (RFC 826): a flow goes from the sender's to the target's protocol address."""
        p = self.pkt
        if o + 8 > e:
            return CUT
        if u16(self, o + 2) != IP4 or self.b[o + 5] != 4:
            return self.link_payload(ARP, o, e)
        hard = self.b[o + 4]
        if o + 16 + 2 * hard > e:
            return CUT
        p.version = 4
        p.network_at = o
        p.protocol = ARP
        p.src_lo = MAPPED | u32(self, o + 8 + hard)
        p.dst_lo = MAPPED | u32(self, o + 12 + 2 * hard)
        p.directed = 1
        p.icmp_type = -1
        p.flags = 0
        p.payload_offset = o
        p.payload_captured = e - o
        p.payload = 16 + 2 * hard
        p.ack = u16(self, o + 6)  # the operation, for the flow's state
        return OK
