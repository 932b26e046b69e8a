"""Transport headers: TCP, UDP, SCTP, ICMP, ICMPv6, AH (RFC 9293, 768, 9260, 792, 4443, 4302).

Headers that the snap length cut off still give what they reach: a packet is counted by the lengths that its IP
header claims, not by the bytes that were captured.
"""

import cython

from rustnet.engine.numbers import MAX_HEADERS
from rustnet.engine.tunnels import Tunnels

if not cython.compiled:
    from rustnet.engine.numbers import (
        AH,
        DESTINATION,
        ECHO6_REPLY,
        ECHO6_REQUEST,
        ECHO_REPLY,
        ECHO_REQUEST,
        ESP,
        ETHERIP,
        GRE,
        HIP,
        HOPOPT,
        ICMP,
        ICMPV6,
        INFORMATION_REPLY,
        IPIP,
        IPV6_IN_IP,
        L2TP,
        MASK_REPLY,
        MOBILITY,
        MPLS_IN_IP,
        OK,
        PIM,
        ROUTING,
        SCTP,
        SHIM6,
        TCP,
        TIMESTAMP_REPLY,
        UDP,
    )
    from rustnet.engine.reader import u16, u32


class Transport(Tunnels):
    """Decodes transport headers."""

    def transport(self, protocol: int, o: int, e: int, length: int) -> int:
        """Decode transport headers at ``o``; ``length`` bytes are claimed, those up to ``e`` were captured."""
        p = self.pkt
        if protocol == TCP:
            return self.tcp(o, e, length)
        if protocol == UDP:
            return self.udp(o, e, length)
        self.set_payload(o, e, length)
        if protocol in (ICMP, ICMPV6):
            return self.icmp(protocol, o, e, length)
        if protocol == SCTP:
            if o + 12 > e:
                return self.cut(o, e, length - 12)
            p.has_ports = 1
            p.src_port = u16(self, o)
            p.dst_port = u16(self, o + 2)
            self.set_payload(o + 12, e, length - 12)
            return OK
        if protocol in (GRE, IPIP, IPV6_IN_IP, ETHERIP, PIM, L2TP, MPLS_IN_IP):
            return self.ip_tunnel(protocol, o, e)
        if protocol == AH and o + 12 <= e:
            return self.authenticated(o, e, length)
        return OK

    def cut(self, o: int, e: int, payload: int) -> int:
        """Account for a transport header that was not captured whole: ports if it reaches, the claimed payload."""
        p = self.pkt
        p.headers_cut = 1
        p.flags = -1
        p.payload = payload if payload > 0 else 0
        if o + 4 <= e:
            p.has_ports = 1
            p.src_port = u16(self, o)
            p.dst_port = u16(self, o + 2)
        return OK

    def tcp(self, o: int, e: int, length: int) -> int:
        """TCP header (RFC 9293). Cut-off headers still give ports and lengths, as far as they reach."""
        p = self.pkt
        if o + 14 > e:
            return self.cut(o, e, length - 20)
        p.has_ports = 1
        p.src_port = u16(self, o)
        p.dst_port = u16(self, o + 2)
        p.seq = u32(self, o + 4)
        p.ack = u32(self, o + 8)
        header = (self.b[o + 12] >> 4) << 2
        p.flags = self.b[o + 13]
        if header < 20 or header > length:
            p.headers_cut = 1
            p.flags = -1
            return OK
        if o + 16 <= e:
            p.window = u16(self, o + 14)
        else:
            p.window = 1
        self.set_payload(o + header, e, length - header)
        return OK

    def udp(self, o: int, e: int, length: int) -> int:
        """UDP header (RFC 768), and the tunnels that run over it."""
        p = self.pkt
        if o + 8 > e:
            return self.cut(o, e, length - 8)
        p.has_ports = 1
        p.src_port = u16(self, o)
        p.dst_port = u16(self, o + 2)
        claimed = u16(self, o + 4)
        if 8 <= claimed < length:
            length = claimed
            if o + claimed < e:
                e = o + claimed
        self.set_payload(o + 8, e, length - 8)
        self.udp_tunnel(o + 8, e)
        return OK

    def icmp(self, protocol: int, o: int, e: int, length: int) -> int:
        """ICMP and ICMPv6: type, code and the identifier of echoes, by which pings differ."""
        p = self.pkt
        if o + 2 > e:
            p.headers_cut = 1
            return OK
        kind = self.b[o]
        p.icmp_type = kind
        p.icmp_code = self.b[o + 1]
        fold = kind
        if protocol == ICMP:
            if kind == ECHO_REPLY:
                fold = ECHO_REQUEST
            elif kind in (TIMESTAMP_REPLY, INFORMATION_REPLY, MASK_REPLY):
                fold = kind - 1
        elif kind == ECHO6_REPLY:
            fold = ECHO6_REQUEST
        p.extra = fold + 1
        if (fold == ECHO_REQUEST and protocol == ICMP) or (fold == ECHO6_REQUEST and protocol == ICMPV6):
            if o + 6 <= e:
                p.icmp_id = u16(self, o + 4)
                p.extra = p.icmp_id
                p.extra = (p.extra << 16) | (fold + 1)
            if o + 8 > e:
                p.headers_cut = 1
            self.set_payload(o + 8, e, length - 8)
        else:
            self.set_payload(o, e, length)
        return OK

    def authenticated(self, o: int, e: int, length: int) -> int:
        """IP Authentication Header (RFC 4302): it does not encrypt, so its payload is decoded."""
        size = (self.b[o + 1] + 2) << 2
        kind = self.b[o]
        if o + size > e or kind in (AH, ESP):
            return OK
        self.pkt.protocol = kind
        return self.transport(kind, o + size, e, length - size)

    def reassembled(self, protocol: int, size: int) -> int:
        """Decode the transport of a reassembled datagram that `attach` was given; addresses stay as they are."""
        p = self.pkt
        o = 0
        if p.version == 6:
            for _ in range(MAX_HEADERS):
                if protocol not in (HOPOPT, ROUTING, DESTINATION, MOBILITY, HIP, SHIM6) or o + 2 > size:
                    break
                protocol = self.b[o]
                o += (self.b[o + 1] + 1) << 3
        p.fragment = 0
        p.protocol = protocol
        return self.transport(protocol, o, size, size - o)
