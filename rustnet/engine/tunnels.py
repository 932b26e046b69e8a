"""Tunnels: their recognition, and where the inner packet begins.

A tunnel over UDP needs both its server's port and a header that fits. Sources: RFC 2784, 2890, 2637 (GRE),
7637 (NVGRE), 8086 (GRE in UDP), 2003 (IP in IP), 4213 (6in4), 3378 (EtherIP), 4023 and 7510 (MPLS in IP and UDP),
7348 (VXLAN), 8926 (GENEVE), 4380 (Teredo), 2661 and 3931 (L2TP), 5415 (CAPWAP), 9300 to 9305 (LISP), 7761 (PIM),
the drafts of VXLAN-GPE, WCCP and AYIYA, 3GPP TS 29.281 (GTP-U).
"""

import cython

from rustnet.engine.numbers import MAX_HEADERS, MIN_ETHERTYPE
from rustnet.engine.reader import Reader

if not cython.compiled:
    from rustnet.engine.numbers import (
        ARP_TYPE,
        ARUBA_FIRST,
        ARUBA_LAST,
        AYIYA_PORT,
        CAPWAP_PORT,
        CDP_TYPE,
        DOT1AD,
        DOT1Q,
        DOT11,
        EOIP_TYPE,
        ERSPAN2_TYPE,
        ERSPAN3_TYPE,
        GENEVE_PORT,
        GRE,
        GRE_PORT,
        GTPU_PORT,
        IP4,
        IP6,
        IPIP,
        IPV6_IN_IP,
        L2TP,
        L2TP_PORT,
        LINK_AVS,
        LINK_DOT11,
        LINK_PRISM,
        LINK_WITHIN,
        LISP_CONTROL_PORT,
        LISP_PORT,
        MPLS,
        MPLS_IN_IP,
        MPLS_MULTICAST,
        MPLS_PORT,
        NSH_TYPE,
        OK,
        OLD_VXLAN_PORT,
        PIM,
        PPP,
        TEB,
        TEREDO_PORT,
        TUNNEL_4IN6,
        TUNNEL_6IN4,
        TUNNEL_ARUBA,
        TUNNEL_AYIYA,
        TUNNEL_CAPWAP,
        TUNNEL_EOIP,
        TUNNEL_ERSPAN,
        TUNNEL_ETHERIP,
        TUNNEL_GENEVE,
        TUNNEL_GRE,
        TUNNEL_GTPU,
        TUNNEL_IPIP,
        TUNNEL_L2TP,
        TUNNEL_L2TPV3,
        TUNNEL_LISP,
        TUNNEL_MPLS,
        TUNNEL_PIM,
        TUNNEL_TEREDO,
        TUNNEL_TZSP,
        TUNNEL_VXLAN,
        TUNNEL_VXLAN_GPE,
        TZSP_PORT,
        VXLAN_GPE_PORT,
        VXLAN_PORT,
        WCCP_TYPE,
    )
    from rustnet.engine.reader import u16, u32


MAX_TAGS = 64
"""Tags of a TZSP header that are passed over."""

MIN_FRAME = 64
"""An Ethernet frame up to this size may be padded, so that it is longer than the packet in it."""


def carries(port: int) -> bool:
    """Whether a UDP port is one of a tunnel protocol; only these are examined."""
    return port in (
        L2TP_PORT,
        GTPU_PORT,
        TEREDO_PORT,
        VXLAN_PORT,
        CAPWAP_PORT,
        GENEVE_PORT,
        OLD_VXLAN_PORT,
        LISP_PORT,
        LISP_CONTROL_PORT,
        GRE_PORT,
        VXLAN_GPE_PORT,
        AYIYA_PORT,
        MPLS_PORT,
        TZSP_PORT,
    )


class Tunnels(Reader):
    """Recognises tunnels."""

    def set_inner(self, tunnel: int, kind: int, o: int, e: int, key: int) -> None:
        """Set the tunnel's inner type and range."""
        p = self.pkt
        p.tunnel = tunnel
        p.inner_type = kind
        p.inner_offset = o
        p.inner_end = e
        p.tunnel_key = key

    def ip_tunnel(self, protocol: int, o: int, e: int) -> int:
        """Tunnels directly over IP: GRE, IP-in-IP, 6in4, EtherIP, MPLS, L2TP version 3, PIM's registers."""
        p = self.pkt
        if o >= e:
            return OK
        if protocol == GRE:
            self.gre(o, e)
        elif protocol == IPIP:
            if self.b[o] >> 4 == 4:
                self.set_inner(TUNNEL_IPIP if p.version == 4 else TUNNEL_4IN6, IP4, o, e, 0)
        elif protocol == IPV6_IN_IP:
            if self.b[o] >> 4 == 6:
                self.set_inner(TUNNEL_6IN4, IP6, o, e, 0)
        elif protocol == MPLS_IN_IP:
            if o + 4 <= e:
                self.set_inner(TUNNEL_MPLS, MPLS, o, e, 0)
        elif protocol == L2TP:
            self.pseudowire(o, e)
        elif protocol == PIM:
            if self.b[o] == 0x21:  # version 2, a register: flags, then the first packet of a source
                self.set_ip(TUNNEL_PIM, o + 8, e, 0)
        elif o + 16 <= e and self.b[o] == 0x30:
            self.set_inner(TUNNEL_ETHERIP, TEB, o + 2, e, 0)
        return OK

    def ip_kind(self, o: int, e: int) -> int:
        """Ethertype of the IP packet at ``o`` whose length is all that is left of the tunnel's packet, or 0."""
        if o + 20 > e:
            return 0
        left = self.pkt.payload_offset + self.pkt.payload - o
        version = self.b[o] >> 4
        if version == 4:
            return IP4 if self.b[o] & 15 >= 5 and u16(self, o + 2) == left else 0
        return IP6 if version == 6 and o + 40 <= e and u16(self, o + 4) == left - 40 else 0

    def set_ip(self, tunnel: int, o: int, e: int, key: int) -> None:
        """Set an inner IP packet, if one is there that fits."""
        kind = self.ip_kind(o, e)
        if kind:
            self.set_inner(tunnel, kind, o, e, key)

    def is_frame(self, o: int, e: int) -> bool:
        """Whether an Ethernet header fits what is left: an ethertype, or a length that is not too large."""
        if o + 14 > e:
            return False
        kind = u16(self, o + 12)
        return kind >= MIN_ETHERTYPE or o + 14 + kind <= self.pkt.payload_offset + self.pkt.payload

    def is_certain_frame(self, o: int, e: int) -> bool:
        """Whether a frame is Ethernet beyond doubt: ARP, or IP by its length and checksum, with a tag or without."""
        at = o + 14
        if at + 4 > e:
            return False
        kind = u16(self, o + 12)
        if kind == DOT1Q or kind == DOT1AD:
            kind = u16(self, at + 2)
            at += 4
        if kind == ARP_TYPE:
            return at + 8 <= e and u16(self, at) == 1 and u16(self, at + 2) == IP4 and u16(self, at + 4) == 0x0604
        end = self.pkt.payload_offset + self.pkt.payload
        if kind == IP6:
            return at + 40 <= e and self.b[at] >> 4 == 6 and at + 40 + u16(self, at + 4) == end
        if kind != IP4 or at + 20 > e or self.b[at] >> 4 != 4:
            return False
        size = (self.b[at] & 15) << 2
        stop = at + u16(self, at + 2)
        if size < 20 or at + size > e or (stop != end and (stop > end or end - o > MIN_FRAME)):
            return False
        total = 0
        for i in range(at, at + size, 2):
            total += u16(self, i)
        return total % 0xFFFF == 0

    def gre(self, o: int, e: int) -> None:
        """GRE versions 0 and 1 (RFC 2784, 2890, 2637) and ERSPAN types I to III inside it."""
        if o + 4 > e:
            return
        flags = u16(self, o)
        kind = u16(self, o + 2)
        at = o + 4
        if flags & 0xC000:
            at += 4  # checksum and offset
        if flags & 0x2000:
            at += 4  # key
        if flags & 0x1000:
            at += 4  # sequence number
        if flags & 7 == 1 and flags & 0x80:
            at += 4  # PPTP's acknowledgement
        if at >= e or flags & 0x4000:
            return
        if kind == ERSPAN2_TYPE:
            if flags & 0x1000:
                at += 8
            self.set_inner(TUNNEL_ERSPAN, TEB, at, e, 0)
        elif kind == ERSPAN3_TYPE:
            if at + 12 <= e:
                size = 20 if self.b[at + 11] & 1 else 12
                is_ip = (self.b[at + 10] >> 2) & 0x1F == 2  # frame type 2; 0 is Ethernet
                self.set_inner(TUNNEL_ERSPAN, TEB, at + size, e, 0)
                if is_ip and at + size < e:
                    self.pkt.inner_type = IP6 if self.b[at + size] >> 4 == 6 else IP4
        elif kind == TEB:
            network = u32(self, o + 4) >> 8 if flags == 0x2000 else 0  # NVGRE; the key's last byte differs by flow
            self.set_inner(TUNNEL_GRE, kind, at, e, network)
        elif kind in (IP4, IP6, PPP, MPLS, MPLS_MULTICAST, DOT1Q, DOT1AD, ARP_TYPE, CDP_TYPE, NSH_TYPE):
            self.set_inner(TUNNEL_GRE, kind, at, e, 0)
        else:
            self.vendor_gre(kind, flags, at, e)

    def vendor_gre(self, kind: int, flags: int, o: int, e: int) -> None:
        """What web caches (WCCP), MikroTik's bridges (EoIP) and Aruba's controllers put into GRE."""
        if kind == WCCP_TYPE:
            if self.ip_kind(o + 4, e) or not (self.ip_kind(o, e) or self.b[o] >> 4 == 4):
                o += 4  # version 2 has a header that names the service
            if o < e:
                self.set_inner(TUNNEL_GRE, IP6 if self.b[o] >> 4 == 6 else IP4, o, e, 0)
        elif kind == EOIP_TYPE:  # the key is a length and the tunnel's number, the latter with its low byte first
            end = self.pkt.payload_offset + self.pkt.payload
            if flags == 0x2001 and u16(self, o - 4) == end - o:
                self.set_inner(TUNNEL_EOIP, TEB, o, e, self.b[o - 2] | (self.b[o - 1] << 8))
        elif ARUBA_FIRST <= kind <= ARUBA_LAST and kind & 15 == 0 and self.b[o] & 3 == 0:
            self.set_inner(TUNNEL_ARUBA, LINK_WITHIN + LINK_DOT11, o, e, 0)

    def udp_tunnel(self, o: int, e: int) -> None:
        """Tunnels over UDP, by the server's port and a header that fits."""
        p = self.pkt
        port = p.dst_port
        if not (carries(port) or carries(p.src_port)):
            pass
        elif port == VXLAN_PORT or port == OLD_VXLAN_PORT or port == VXLAN_GPE_PORT:
            self.vxlan(o, e)
        elif port == GENEVE_PORT:
            self.geneve(o, e)
        elif port == GTPU_PORT or p.src_port == GTPU_PORT:
            self.gtp_user(o, e)
        elif port == TEREDO_PORT or p.src_port == TEREDO_PORT:
            self.teredo(o, e)
        elif port == L2TP_PORT or p.src_port == L2TP_PORT:
            self.l2tp(o, e)
        elif port == CAPWAP_PORT or p.src_port == CAPWAP_PORT:
            self.capwap(o, e)
        elif port == TZSP_PORT:
            self.tzsp(o, e)
        elif port == LISP_PORT:
            self.lisp(o, e)
        elif port == LISP_CONTROL_PORT:
            if o < e and self.b[o] & 0xF8 == 0x80:  # an encapsulated control message without security data
                self.set_ip(TUNNEL_LISP, o + 4, e, 0)
        elif port == GRE_PORT:
            self.gre_in_udp(o, e)
        elif port == MPLS_PORT:
            if self.labels_end(o, e):
                self.set_inner(TUNNEL_MPLS, MPLS, o, e, 0)
        elif port == AYIYA_PORT or p.src_port == AYIYA_PORT:
            self.ayiya(o, e)

    def vxlan(self, o: int, e: int) -> None:
        """VXLAN with a network identifier, and its extension for other protocols than Ethernet (GPE)."""
        if o + 22 > e:
            return
        flags = self.b[o]
        if flags & 0xF5 == 4:  # next protocol present, no operations message
            if u16(self, o + 1) == 0 and self.b[o + 7] == 0:
                self.next_protocol(TUNNEL_VXLAN_GPE, self.b[o + 3], o + 8, e, u32(self, o + 4) >> 8)
        elif flags & 0x77 == 0 and flags & 8:  # bit 0x80: group policy
            if self.pkt.dst_port != VXLAN_GPE_PORT or u32(self, o) == 0x0800_0000:
                self.set_inner(TUNNEL_VXLAN, TEB, o + 8, e, u32(self, o + 4) >> 8)

    def next_protocol(self, tunnel: int, code: int, o: int, e: int, key: int) -> None:
        """The inner packet by the number that VXLAN-GPE and LISP-GPE have for its protocol."""
        if code == 1 or code == 2:
            if self.ip_kind(o, e) == (IP4 if code == 1 else IP6):
                self.set_inner(tunnel, IP4 if code == 1 else IP6, o, e, key)
        elif code == 3:
            if self.is_frame(o, e):
                self.set_inner(tunnel, TEB, o, e, key)
        elif code == 4:
            if o + 8 <= e and self.b[o] & 0xC0 == 0 and self.b[o + 1] & 0x3F >= 2 and 1 <= self.b[o + 2] & 15 <= 2:
                self.set_inner(tunnel, NSH_TYPE, o, e, key)
        elif code == 5 and self.labels_end(o, e):
            self.set_inner(tunnel, MPLS, o, e, key)

    def labels_end(self, o: int, e: int) -> int:
        """End of an MPLS label stack that an IP packet or an Ethernet frame follows, or 0."""
        for _ in range(MAX_HEADERS):
            if o + 4 > e:
                return 0
            bottom = self.b[o + 2] & 1
            o += 4
            if bottom:
                if self.ip_kind(o, e) or self.is_certain_frame(o, e):
                    return o
                return o if o + 4 <= e and u16(self, o) == 0 and self.is_certain_frame(o + 4, e) else 0
        return 0

    def geneve(self, o: int, e: int) -> None:
        """GENEVE (RFC 8926) with its options."""
        size = 8 + ((self.b[o] & 0x3F) << 2) if o < e else 0
        if size and o + size + 14 <= e and self.b[o] >> 6 == 0:
            kind = u16(self, o + 2)
            if kind in (TEB, IP4, IP6, ARP_TYPE, MPLS, NSH_TYPE):
                self.set_inner(TUNNEL_GENEVE, kind, o + size, e, u32(self, o + 4) >> 8)

    def tzsp(self, o: int, e: int) -> None:
        """TZSP version 1: frames of a remote capture, after tags with what is known of their reception."""
        if o + 5 > e or self.b[o] != 1 or self.b[o + 1] > 1:
            return
        kind = u16(self, o + 2)
        at = o + 4
        for _ in range(MAX_TAGS):
            if at + 2 > e:
                return
            if self.b[at] == 1:  # the last tag
                break
            at += 1 if self.b[at] == 0 else 2 + self.b[at + 1]
        else:
            return
        at += 1
        if kind == 1:
            if self.is_frame(at, e):
                self.set_inner(TUNNEL_TZSP, TEB, at, e, 0)
        elif kind == 18:
            if at + 10 <= e and self.b[at] & 3 == 0:
                self.set_inner(TUNNEL_TZSP, LINK_WITHIN + LINK_DOT11, at, e, 0)
        elif kind == 119 and at + 24 <= e:
            self.set_inner(TUNNEL_TZSP, LINK_WITHIN + LINK_PRISM, at, e, 0)
        elif kind == 127 and at + 24 <= e:
            self.set_inner(TUNNEL_TZSP, LINK_WITHIN + LINK_AVS, at, e, 0)

    def lisp(self, o: int, e: int) -> None:
        """LISP's data packets (RFC 9300), and those of other protocols than IP (RFC 9305)."""
        if o + 28 > e or self.b[o] & 3:  # encrypted with this key
            return
        flags = self.b[o]
        key = u32(self, o + 4) >> 8 if flags & 8 else 0
        if flags & 4:
            self.next_protocol(TUNNEL_LISP, self.b[o + 3], o + 8, e, key)
        else:
            self.set_ip(TUNNEL_LISP, o + 8, e, key)

    def gre_in_udp(self, o: int, e: int) -> None:
        """GRE in UDP (RFC 8086): version 0 without routing, and an inner packet that fits."""
        if o + 8 > e or u16(self, o) & 0x4FFF:
            return
        self.gre(o, e)
        p = self.pkt
        if not p.tunnel:
            return
        if p.inner_type == TEB:
            fits = self.is_frame(p.inner_offset, e)
        elif p.inner_type == MPLS or p.inner_type == MPLS_MULTICAST:
            fits = self.labels_end(p.inner_offset, e) != 0
        else:
            fits = self.ip_kind(p.inner_offset, e) == p.inner_type
        if not fits:
            p.tunnel = 0

    def ayiya(self, o: int, e: int) -> None:
        """AYIYA: forwarded packets after an identity of 16 bytes and a signature."""
        if o + 24 > e or self.b[o] >> 4 != 4 or self.b[o + 2] & 15 != 1:
            return
        if self.b[o + 3] == IPV6_IN_IP or self.b[o + 3] == IPIP:
            self.set_ip(TUNNEL_AYIYA, o + 24 + ((self.b[o + 1] >> 4) << 2), e, 0)

    def pseudowire(self, o: int, e: int) -> None:
        """L2TP version 3 (RFC 3931) from its session on, if it carries Ethernet.

        The ends agree on a cookie of 0, 4 or 8 bytes, and whether 4 more follow: the frame must be beyond doubt.
        """
        if o + 4 > e or u32(self, o) == 0:  # 0: a control message
            return
        for at in range(o + 4, o + 20, 4):
            if self.is_certain_frame(at, e):
                self.set_inner(TUNNEL_L2TPV3, TEB, at, e, u32(self, o))
                return

    def gtp_user(self, o: int, e: int) -> None:
        """GTP-U version 1, message type 255 (3GPP TS 29.281), with its extension headers."""
        if o + 8 > e or self.b[o] & 0xF0 != 0x30 or self.b[o + 1] != 255:
            return
        at = o + 8
        if self.b[o] & 7:
            at += 4
            if at > e:
                return
            following = self.b[at - 1] if self.b[o] & 4 else 0
            for _ in range(MAX_HEADERS):
                if not following:
                    break
                if at >= e or self.b[at] == 0:
                    return
                at += self.b[at] << 2
                if at > e:
                    return
                following = self.b[at - 1]
        if at < e and self.b[at] >> 4 == 4:
            self.set_inner(TUNNEL_GTPU, IP4, at, e, 0)
        elif at < e and self.b[at] >> 4 == 6:
            self.set_inner(TUNNEL_GTPU, IP6, at, e, 0)

    def teredo(self, o: int, e: int) -> None:
        """Teredo (RFC 4380): authentication and origin indications, then an IPv6 packet that fits exactly."""
        if o + 4 <= e and u16(self, o) == 1:
            o += 13 + self.b[o + 2] + self.b[o + 3]
        if o + 8 <= e and u16(self, o) == 0:
            o += 8
        if o + 40 <= e and self.b[o] >> 4 == 6 and o + 40 + u16(self, o + 4) <= e:
            self.set_inner(TUNNEL_TEREDO, IP6, o, e, 0)

    def l2tp(self, o: int, e: int) -> None:
        """L2TP data messages: version 3, and 2 (RFC 2661): optional length, sequence and offset fields, then PPP."""
        if o + 6 > e:
            return
        flags = u16(self, o)
        if flags & 0x800F == 3:
            self.pseudowire(o + 4, e)
            return
        if flags & 0x800F != 2:  # control message, or another version
            return
        at = o + 6
        if flags & 0x4000:
            at += 2
        if flags & 0x0800:
            at += 4
        if flags & 0x0200:
            if at + 2 > e:
                return
            at += 2 + u16(self, at)
        if at + 4 <= e:
            self.set_inner(TUNNEL_L2TP, PPP, at, e, 0)

    def capwap(self, o: int, e: int) -> None:
        """CAPWAP data channel (RFC 5415): unencrypted and unfragmented frames of the native wireless binding."""
        if o + 8 > e or self.b[o] != 0:
            return
        size = (self.b[o + 1] >> 3) << 2
        flags = u16(self, o + 2)
        if size < 8 or o + size + 14 > e or flags & 0x0088:  # fragment or keep-alive
            return
        self.set_inner(TUNNEL_CAPWAP, DOT11 if flags & 0x0100 else TEB, o + size, e, 0)
