"""Ethernet frames, and the tags, labels and encapsulations down to a network protocol.

Sources: IEEE 802.3, 802.1Q, 802.2, 802.1AE (MACsec), 802.1ah (provider backbones), 802.1BR (E-tag), 802.1CB (R-tag),
IEC 62439-3 (HSR), RFC 1042, 2427, 2684 (SNAP), 1661 and 1662 (PPP), 2516 (PPPoE), 3032 (MPLS), 4385 (pseudowires),
6325 (TRILL), 8300 (NSH).
Where a frame contains a whole frame, the inner one's addresses count; its tags come after those outside.
"""

import cython

from rustnet.engine.network import Network
from rustnet.engine.numbers import MAX_HEADERS, MIN_ETHERTYPE

if not cython.compiled:
    from rustnet.engine.numbers import (
        ARP_TYPE,
        BRIDGED,
        BRIDGED_FCS,
        BRIDGED_STP,
        CDP,
        CDP_TYPE,
        CISCO_METADATA,
        CISCO_SNAP,
        CUT,
        DOT1AD,
        DOT1Q,
        EDSA,
        ETAG,
        ETHERTYPE,
        FABRICPATH,
        HSR,
        IP4,
        IP6,
        IP_SAP,
        JUMBO_LLC,
        LACP,
        LINK_BROADCOM_PREPEND,
        LINK_DSA,
        LLC,
        LLC_SAP,
        LLDP,
        LLDP_TYPE,
        MACSEC,
        MACSEC_CHANGED,
        MACSEC_CHECK,
        MACSEC_SCI,
        MACSEC_VERSION,
        MALFORMED,
        MPLS,
        MPLS_MULTICAST,
        NSH_TYPE,
        OLD_QINQ,
        OLD_QINQ2,
        OLD_QINQ3,
        PBB,
        PPP_CDP,
        PPP_IPV4,
        PPP_IPV6,
        PPP_MPLS,
        PPP_PROTOCOL,
        PPPOE_SESSION,
        PVST_TYPE,
        PWACH_IPV4,
        PWACH_IPV6,
        QINQ,
        REDUNDANCY_TAG,
        SLOW_TYPE,
        SNAP,
        SNAP_SAP,
        STP,
        STP_SAP,
        TEB,
        TRILL,
        TUNNEL_QINQ,
        VNTAG,
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
        if self.b[o + 2] == 0x0C and e - o >= 40 and self.inter_switch(o):
            stop = o + 14 + kind
            tag = (u16(self, o + 20) >> 1) & 0xFFF
            if tag and p.vlan < 0:
                p.vlan = tag
            return MALFORMED if self.too_deep() else self.ethernet(o + 26, stop if o + 40 <= stop < e else e)
        return self.typed(o + 12, e)

    def typed(self, o: int, e: int) -> int:
        """Decode what follows the type or length field at ``o``."""
        if o + 2 > e:
            return CUT
        kind = u16(self, o)
        if kind >= MIN_ETHERTYPE:
            return self.network(kind, o + 2, e)
        stop = o + 2 + kind
        if kind == 0 or stop > e:
            stop = e
        return self.llc(o + 2, stop)

    def inter_switch(self, o: int) -> bool:
        """Whether a frame is one of Cisco's ISL with an Ethernet frame inside: its group address, and its SNAP."""
        b = self.b
        return (
            (b[o] == 1 or b[o] == 3)
            and b[o + 1] == 0
            and b[o + 3] == 0
            and b[o + 4] == 0
            and b[o + 5] >> 4 == 0
            and b[o + 14] == SNAP_SAP
            and b[o + 15] == SNAP_SAP
            and b[o + 16] == 3
        )

    def switch_tag(self, o: int, e: int, link: int) -> int:
        """Frames with a switch chip's tag: in front, or between the addresses and the type."""
        if link == LINK_BROADCOM_PREPEND:
            return self.ethernet(o + 4, e)
        if e - o < 18:
            return CUT
        p = self.pkt
        p.dst_mac = mac(self, o)
        p.src_mac = mac(self, o + 6)
        if link == LINK_DSA:
            self.switch_vlan(o + 12)
        return self.typed(o + 16, e)

    def switch_vlan(self, o: int) -> None:
        """Marvell's tag at ``o`` stands in for the frame's VLAN tag, if it had one."""
        p = self.pkt
        tag = u16(self, o + 2) & 0xFFF
        if self.b[o] & 0x20 and tag and p.vlan < 0:
            p.vlan = tag

    def llc(self, o: int, e: int) -> int:
        """IEEE 802.2 LLC, with SNAP; the control field has one byte in unnumbered frames, two in others."""
        if e - o < 3:
            return self.link_only(LLC)
        sap = self.b[o]
        source = self.b[o + 1] & 0xFE  # its lowest bit marks a response
        at = o + 3 if self.b[o + 2] & 3 == 3 else o + 4
        if sap == SNAP_SAP and source == SNAP_SAP and e - at >= 5:
            return self.snap_protocol(at, e)
        if sap == STP_SAP and source == STP_SAP:
            return self.link_payload(STP, o + 3, e)
        if sap == IP_SAP and source == IP_SAP and at < e and self.b[at] >> 4 == 4:
            return MALFORMED if self.too_deep() else self.network(IP4, at, e)
        return self.link_payload(LLC_SAP + sap, o, e)

    def snap_protocol(self, o: int, e: int) -> int:
        """SNAP: an organization's number and its protocol identifier, which is an ethertype for some of them."""
        oui = (self.b[o] << 16) | u16(self, o + 1)
        kind = u16(self, o + 3)
        o += 5
        if oui in (0, 0x0000F8, 0x080007):  # the latter: AppleTalk
            return MALFORMED if self.too_deep() else self.network(kind, o, e)
        if oui == 0x00000C:
            if kind == CDP_TYPE:
                return self.link_payload(CDP, o, e)
            if kind == PVST_TYPE:
                return self.link_payload(STP, o, e)
            return self.link_payload(CISCO_SNAP + kind, o, e)
        if oui == 0x0080C2:
            if kind == BRIDGED or kind == BRIDGED_FCS:
                if o + 14 <= e and u16(self, o) == 0 and u16(self, o + 12) not in (IP4, IP6, ARP_TYPE, DOT1Q):
                    o += 2  # padding, which RFC 2684 has and RFC 2427 has not
                return MALFORMED if self.too_deep() else self.ethernet(o, e)
            if kind == BRIDGED_STP:
                return self.link_payload(STP, o, e)
        return self.link_payload(SNAP, o, e)

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
        """Rarer tags and encapsulations, and layer-2 protocols known by ethertype."""
        if kind == LLDP_TYPE:
            return self.link_payload(LLDP, o, e)
        if kind == SLOW_TYPE and o < e and self.b[o] == 1:
            return self.link_payload(LACP, o, e)
        if kind == CDP_TYPE:  # in Cisco's HDLC
            return self.link_payload(CDP, o, e)
        if self.too_deep():
            return MALFORMED
        if kind == OLD_QINQ3:
            return self.network(DOT1Q, o, e)
        if kind == VNTAG or kind == REDUNDANCY_TAG or kind == HSR:
            return self.typed(o + 4, e)
        if kind == ETAG:
            return self.typed(o + 6, e)
        if kind == CISCO_METADATA and o + 2 <= e and u16(self, o) == 0x0101:  # version and length
            return self.typed(o + 6, e)
        if kind == EDSA and o + 8 <= e and u16(self, o) == 0:
            self.switch_vlan(o + 2)
            return self.typed(o + 6, e)
        if kind == MACSEC:
            return self.macsec(o, e)
        if kind == PBB:  # flags and the service's number
            return self.ethernet(o + 4, e)
        if kind == TRILL and o + 6 <= e and self.b[o] >> 6 == 0:
            options = (u16(self, o) >> 6) & 31
            return self.ethernet(o + 6 + (options << 2), e)
        if kind == NSH_TYPE:
            return self.service_header(o, e)
        if kind == JUMBO_LLC:
            return self.llc(o, e)
        return self.link_payload(ETHERTYPE + kind, o, e)

    def macsec(self, o: int, e: int) -> int:
        """MACsec (IEEE 802.1AE): without encryption only a tag, and a check value at the end."""
        if o + 6 > e:
            return CUT
        tag = self.b[o]
        if tag & MACSEC_VERSION:
            return MALFORMED
        if tag & MACSEC_CHANGED:
            return self.link_payload(ETHERTYPE + MACSEC, o, e)
        short = self.b[o + 1] & 0x3F
        start = o + 14 if tag & MACSEC_SCI else o + 6
        if start + 2 > e:
            return CUT
        if short:
            if start + short < e:
                e = start + short
        elif u16(self, start) not in (IP4, IP6) and e - MACSEC_CHECK >= start + 2:  # IP has a length of its own
            e -= MACSEC_CHECK
        return self.typed(start, e)

    def service_header(self, o: int, e: int) -> int:
        """Network service header (RFC 8300) around an IP packet, a frame, labels or another such header."""
        if o + 8 > e:
            return CUT
        size = (u16(self, o) & 0x3F) << 2
        following = self.b[o + 3]
        if self.b[o] >> 6 or size < 8:
            return MALFORMED
        if following == 1:
            return self.network(IP4, o + size, e)
        if following == 2:
            return self.network(IP6, o + size, e)
        if following == 3:
            return self.ethernet(o + size, e)
        if following == 4:
            return self.network(NSH_TYPE, o + size, e)
        if following == 5:
            return self.network(MPLS, o + size, e)
        return self.link_payload(ETHERTYPE + NSH_TYPE, o, e)

    def too_deep(self) -> bool:
        """Count one more header that may contain a whole frame; true beyond `MAX_HEADERS`."""
        self.depth += 1
        return self.depth > MAX_HEADERS

    def ppp(self, o: int, e: int) -> int:
        """PPP in HDLC-like framing or bare, with a compressed protocol field if need be."""
        if e - o >= 2 and self.b[o] == 0xFF and self.b[o + 1] == 0x03:
            o += 2
        elif e - o >= 4 and (self.b[o] == 0x0F or self.b[o] == 0x8F) and self.b[o + 1] == 0x00:  # Cisco HDLC in DLT 50
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
        return self.link_payload(CDP if kind == PPP_CDP else PPP_PROTOCOL + kind, o, e)

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
        if self.b[o] == 0x10 and o + 4 <= e:  # a pseudowire's associated channel
            kind = u16(self, o + 2)
            if kind == PWACH_IPV4:
                return self.ipv4(o + 4, e)
            if kind == PWACH_IPV6:
                return self.ipv6(o + 4, e)
        if nibble == 0 and o + 18 <= e:  # pseudowire control word, then Ethernet
            return self.ethernet(o + 4, e)
        if o + 14 <= e and u16(self, o + 12) >= MIN_ETHERTYPE:
            return self.ethernet(o, e)
        return self.link_payload(ETHERTYPE + MPLS, o, e)
