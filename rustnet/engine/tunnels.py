"""Tunnels: what carries another packet, how to tell, and where the inner one begins.

A tunnel over UDP needs both its server's port and a header that fits. Sources: RFC 2784, 2890, 2637 (GRE),
2003 (IP in IP), 4213 (6in4), 3378 (EtherIP), 7348 (VXLAN), 8926 (GENEVE), 4380 (Teredo), 2661 (L2TP), 5415 (CAPWAP),
3GPP TS 29.281 (GTP-U).
"""

import cython

from rustnet.engine.numbers import MAX_HEADERS
from rustnet.engine.reader import Reader

if not cython.compiled:
    from rustnet.engine.numbers import (
        CAPWAP_PORT,
        DOT1Q,
        DOT11,
        ERSPAN2_TYPE,
        ERSPAN3_TYPE,
        GENEVE_PORT,
        GRE,
        GTPU_PORT,
        IP4,
        IP6,
        IPIP,
        IPV6_IN_IP,
        L2TP_PORT,
        MPLS,
        OK,
        OLD_VXLAN_PORT,
        PPP,
        TEB,
        TEREDO_PORT,
        TUNNEL_4IN6,
        TUNNEL_6IN4,
        TUNNEL_CAPWAP,
        TUNNEL_ERSPAN,
        TUNNEL_ETHERIP,
        TUNNEL_GENEVE,
        TUNNEL_GRE,
        TUNNEL_GTPU,
        TUNNEL_IPIP,
        TUNNEL_L2TP,
        TUNNEL_TEREDO,
        TUNNEL_VXLAN,
        VXLAN_PORT,
    )
    from rustnet.engine.reader import u16, u32


def carries(port: int) -> bool:
    """Whether tunnels use a UDP port; no other is looked at."""
    return port in (
        L2TP_PORT,
        GTPU_PORT,
        TEREDO_PORT,
        VXLAN_PORT,
        CAPWAP_PORT,
        GENEVE_PORT,
        OLD_VXLAN_PORT,
    )


class Tunnels(Reader):
    """Recognises tunnels."""

    def set_inner(self, tunnel: int, kind: int, o: int, e: int, key: int) -> None:
        """Note what the tunnel carries and where."""
        p = self.pkt
        p.tunnel = tunnel
        p.inner_type = kind
        p.inner_offset = o
        p.inner_end = e
        p.tunnel_key = key

    def ip_tunnel(self, protocol: int, o: int, e: int) -> int:
        """Tunnels directly over IP: GRE, IP-in-IP, 6in4, EtherIP."""
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
        elif o + 16 <= e and self.b[o] == 0x30:
            self.set_inner(TUNNEL_ETHERIP, TEB, o + 2, e, 0)
        return OK

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
                at += 20 if self.b[at + 11] & 1 else 12
                self.set_inner(TUNNEL_ERSPAN, TEB, at, e, 0)
        elif kind in (IP4, IP6, TEB, PPP, MPLS, DOT1Q):
            self.set_inner(TUNNEL_GRE, kind, at, e, 0)

    def udp_tunnel(self, o: int, e: int) -> None:
        """Tunnels over UDP, by the server's port and a header that fits."""
        p = self.pkt
        port = p.dst_port
        if not (carries(port) or carries(p.src_port)):
            pass
        elif port == VXLAN_PORT or port == OLD_VXLAN_PORT:
            if o + 22 <= e and self.b[o] & 0x77 == 0 and self.b[o] & 8:  # bit 0x80: group policy
                self.set_inner(TUNNEL_VXLAN, TEB, o + 8, e, u32(self, o + 4) >> 8)
        elif port == GENEVE_PORT:
            size = 8 + ((self.b[o] & 0x3F) << 2) if o < e else 0
            if size and o + size + 14 <= e and self.b[o] >> 6 == 0:
                kind = u16(self, o + 2)
                if kind in (TEB, IP4, IP6):
                    self.set_inner(TUNNEL_GENEVE, kind, o + size, e, u32(self, o + 4) >> 8)
        elif port == GTPU_PORT or p.src_port == GTPU_PORT:
            self.gtp_user(o, e)
        elif port == TEREDO_PORT or p.src_port == TEREDO_PORT:
            self.teredo(o, e)
        elif port == L2TP_PORT or p.src_port == L2TP_PORT:
            self.l2tp(o, e)
        elif port == CAPWAP_PORT or p.src_port == CAPWAP_PORT:
            self.capwap(o, e)

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
        """L2TP version 2 data messages (RFC 2661): optional length, sequence and offset fields, then PPP."""
        if o + 6 > e:
            return
        flags = u16(self, o)
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
