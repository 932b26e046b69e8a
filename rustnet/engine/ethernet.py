"""Ethernet frames, and the tags, labels and encapsulations down to a network protocol.

Sources: IEEE 802.3, 802.1Q, 802.2, RFC 3032 (MPLS), 1661 and 1662 (PPP), 2516 (PPPoE).
"""

import cython

from rustnet.engine.network import Network
from rustnet.engine.numbers import MAX_HEADERS, MIN_ETHERTYPE

if not cython.compiled:
    from rustnet.engine.numbers import (
        ARP_TYPE,
        CDP,
        CDP_TYPE,
        CUT,
        DOT1AD,
        DOT1Q,
        ETHERTYPE,
        FABRICPATH,
        IP4,
        IP6,
        LACP,
        LLC,
        LLDP,
        LLDP_TYPE,
        MALFORMED,
        MPLS,
        MPLS_MULTICAST,
        OLD_QINQ,
        OLD_QINQ2,
        PPP,
        PPP_CDP,
        PPP_IPV4,
        PPP_IPV6,
        PPP_MPLS,
        PPPOE_SESSION,
        PVST_TYPE,
        QINQ,
        SLOW_TYPE,
        SNAP_SAP,
        STP,
        STP_SAP,
        TEB,
        TUNNEL_QINQ,
    )
    from rustnet.engine.reader import mac, u16


class Ethernet(Network):
    """Decodes Ethernet and what follows an ethertype."""

    def ethernet(self, o: int, e: int) -> int:
        """Ethernet II and 802.3 with LLC."""
        if e - o < 14:
            return CUT
        p = self.pkt
        p.dst_mac = mac(self, o)
        p.src_mac = mac(self, o + 6)
        kind = u16(self, o + 12)
        if kind >= MIN_ETHERTYPE:
            return self.network(kind, o + 14, e)
        stop = o + 14 + kind
        if kind == 0 or stop > e:
            stop = e
        return self.llc(o + 14, stop)

    def llc(self, o: int, e: int) -> int:
        """IEEE 802.2 LLC, with SNAP."""
        if e - o < 3:
            return self.link_only(LLC)
        dsap = self.b[o]
        if dsap == SNAP_SAP and self.b[o + 1] == SNAP_SAP and e - o >= 8:
            oui = (self.b[o + 3] << 16) | u16(self, o + 4)
            kind = u16(self, o + 6)
            if oui in (0, 0x0000F8):
                return self.network(kind, o + 8, e)
            if oui == 0x00000C and kind == CDP_TYPE:
                return self.link_payload(CDP, o + 8, e)
            if oui == 0x00000C and kind == PVST_TYPE:
                return self.link_payload(STP, o + 8, e)
            return self.link_payload(LLC, o + 8, e)
        if dsap == STP_SAP and self.b[o + 1] == STP_SAP:
            return self.link_payload(STP, o + 3, e)
        return self.link_payload(LLC, o, e)

    def network(self, kind: int, o: int, e: int) -> int:
        """Follow tags and labels from ethertype ``kind`` at ``o`` down to a network protocol."""
        p = self.pkt
        for _ in range(MAX_HEADERS):
            if kind == IP4:
                return self.ipv4(o, e)
            if kind == IP6:
                return self.ipv6(o, e)
            if kind in (DOT1Q, DOT1AD, OLD_QINQ, OLD_QINQ2):
                if o + 4 > e:
                    return CUT
                tag = u16(self, o) & 0xFFF
                kind = u16(self, o + 2)
                o += 4
                if tag:  # 0 is a priority tag, which names no VLAN
                    if p.vlan >= 0:  # stacked tags: the outer VLAN carries the inner one
                        self.set_inner(TUNNEL_QINQ, kind, o, e, tag)
                        return self.link_only(QINQ)
                    p.vlan = tag
                if kind < MIN_ETHERTYPE:
                    return MALFORMED if self.too_deep() else self.llc(o, o + kind if 0 < kind < e - o else e)
                continue
            if kind in (MPLS, MPLS_MULTICAST):
                return MALFORMED if self.too_deep() else self.mpls(o, e)
            if kind == PPPOE_SESSION:
                if self.too_deep():
                    return MALFORMED
                if o + 8 > e:
                    return CUT
                return self.ppp(o + 6, e)
            if kind == ARP_TYPE:
                return self.arp(o, e)
            if kind == FABRICPATH:  # Cisco's outer Ethernet header: a two-byte tag, then the frame
                return MALFORMED if self.too_deep() else self.ethernet(o + 2, e)
            if kind == TEB:
                return MALFORMED if self.too_deep() else self.ethernet(o, e)
            return self.other_ethertype(kind, o, e)
        return MALFORMED

    def other_ethertype(self, kind: int, o: int, e: int) -> int:
        """Layer-2 protocols known by ethertype."""
        if kind == LLDP_TYPE:
            return self.link_payload(LLDP, o, e)
        if kind == SLOW_TYPE and o < e and self.b[o] == 1:
            return self.link_payload(LACP, o, e)
        return self.link_payload(CDP if kind == CDP_TYPE else ETHERTYPE + kind, o, e)  # CDP: in Cisco's HDLC

    def too_deep(self) -> bool:
        """Count one more header that may contain a whole frame; true beyond `MAX_HEADERS`."""
        self.depth += 1
        return self.depth > MAX_HEADERS

    def ppp(self, o: int, e: int) -> int:
        """PPP in HDLC-like framing or bare, with a compressed protocol field if need be."""
        if e - o >= 2 and self.b[o] == 0xFF and self.b[o + 1] == 0x03:
            o += 2
        elif e - o >= 4 and self.b[o] == 0x0F and self.b[o + 1] == 0x00:  # Cisco HDLC inside DLT 50
            return self.network(u16(self, o + 2), o + 4, e)
        if e - o < 2:
            return CUT
        if self.b[o] & 1:
            kind = self.b[o]
            o += 1
        else:
            kind = u16(self, o)
            o += 2
        if kind == PPP_IPV4:
            return self.network(IP4, o, e)
        if kind == PPP_IPV6:
            return self.network(IP6, o, e)
        if kind == PPP_MPLS:
            return self.network(MPLS, o, e)
        return self.link_payload(CDP if kind == PPP_CDP else ETHERTYPE + PPP, o, e)

    def mpls(self, o: int, e: int) -> int:
        """Skip the MPLS label stack; the first nibble after it identifies the payload (RFC 4928)."""
        for _ in range(MAX_HEADERS):
            if o + 4 > e:
                return CUT
            bottom = self.b[o + 2] & 1
            o += 4
            if bottom:
                break
        else:
            return MALFORMED
        if o >= e:
            return CUT
        nibble = self.b[o] >> 4
        if nibble == 4:
            return self.ipv4(o, e)
        if nibble == 6:
            return self.ipv6(o, e)
        if nibble == 0 and o + 18 <= e:  # pseudowire control word, then Ethernet
            return self.ethernet(o + 4, e)
        if o + 14 <= e and u16(self, o + 12) >= MIN_ETHERTYPE:
            return self.ethernet(o, e)
        return self.link_payload(ETHERTYPE + MPLS, o, e)
