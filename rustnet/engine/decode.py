"""Headers of one frame, from the link layer down to the transport's payload.

`frame` fills `Decoder.pkt` up to the first tunnel, if there is one (``pkt.tunnel``); `Decoder.inner` goes on
inside it, so that the caller can account for the outer flow in between. No read goes past the captured bytes: every
length is checked, and Cython's bounds checks stay on as well.

Sources: IEEE 802.3, 802.1Q, 802.2, 802.11, RFC 3032 (MPLS), 1661 and 1662 (PPP), 2516 (PPPoE), and the link-type
pages of tcpdump.org.
"""

import sys
from typing import Any

import cython
import numpy as np

from rustnet.engine.head import HEAD, Heads
from rustnet.engine.network import Network
from rustnet.engine.numbers import MAPPED, MAX_HEADERS, MIN_ETHERTYPE

if not cython.compiled:
    # isort: off
    from rustnet.engine.numbers import ARP_TYPE, CDP, CDP_TYPE, CUT, DOT1AD, DOT1Q, DOT11, ETHERTYPE, FABRICPATH, IP4
    from rustnet.engine.numbers import IP6, IPV4_FRAGMENT, LACP, LINK_DOT11, LINK_ETHERNET, LINK_HDLC, LINK_IPV4
    from rustnet.engine.numbers import LINK_IPV6, LINK_LOOP, LINK_NFLOG, LINK_NULL, LINK_PKTAP, LINK_PKTAP_OLD
    from rustnet.engine.numbers import LINK_PPI, LINK_PPP, LINK_PPP_ETHER, LINK_PPP_HDLC, LINK_RADIOTAP, LINK_RAW
    from rustnet.engine.numbers import LINK_RAW12, LINK_RAW14, LINK_SLL, LINK_SLL2, LLC, LLDP, LLDP_TYPE, MALFORMED
    from rustnet.engine.numbers import MPLS, MPLS_MULTICAST, OK, OLD_QINQ, OLD_QINQ2, PPP, PPP_CDP, PPP_IPV4, PPP_IPV6
    from rustnet.engine.numbers import PPP_MPLS, PPPOE_SESSION, PVST_TYPE, QINQ, SLOW_TYPE, SNAP_SAP, STP, STP_SAP
    from rustnet.engine.numbers import TCP, TEB, TUNNEL_QINQ, UDP, UNKNOWN_LINK, WLAN

    # isort: on
    from rustnet.engine.reader import mac, swap16, swap32, u16, u32, u32le

    def frame(decoder: "Decoder", o: int, captured: int, link: int) -> int:
        """Decode the frame of ``captured`` bytes at ``o``, whose link type is ``link``."""
        if link == LINK_ETHERNET and decoder.common(o, captured):
            return OK
        return decoder.any_frame(o, captured, link)

    def word(decoder: "Decoder", o: int) -> int:
        """Eight bytes at ``o``, within the buffer, as a little-endian number; for digests."""
        return int.from_bytes(bytes(decoder.b[o : o + 8]), "little")


class Decoder(Network):
    """Decodes one frame after another."""

    def attach_frames(self, data: memoryview) -> None:
        """As `attach`, for whole frames: prepares what `common` needs, too."""
        self.attach(data)
        size = self.size - HEAD.itemsize + 1
        if size > 0 and sys.byteorder == "little":
            heads = np.ndarray((size,), HEAD, data, strides=(1,))
            self.heads: Any = heads if cython.compiled else Heads(heads)
            self.framed = 1
        self.prepared = self.framed

    def resume_frames(self, data: memoryview) -> None:
        """Return to the ``data`` of the last `attach_frames`, after a reassembled datagram was decoded."""
        self.attach(data)
        self.framed = self.prepared

    def any_frame(self, o: int, captured: int, link: int) -> int:
        """As `frame`, for frames that `common` does not decode."""
        e = o + captured
        self.begin()
        if e > self.size:
            return MALFORMED
        if link == LINK_ETHERNET:
            return self.ethernet(o, e)
        return self.other_link(o, e, link)

    def begin(self) -> None:
        """Reset the packet for the next frame."""
        p = self.pkt
        p.clear()
        self.depth = 0
        self.uncommon = 1
        p.mac_at = -1
        p.src_mac = -1
        p.dst_mac = -1
        p.vlan = -1
        p.outer_vlan = -1

    def common(self, o: int, captured: int) -> int:
        """Fast path for the most frequent frames: Ethernet, IPv4 without options, TCP or UDP, fully captured.

        Returns 0 for any other frame without writing anything. MAC addresses are read on demand (`macs`).
        It sets the same fields for each frame; the others are cleared only after a frame of the general path.
        """
        if not self.framed or captured < 54 or o + captured > self.size:
            return 0
        head = self.heads[o]
        if swap16(head.kind) != IP4 or head.first != 0x45 or swap16(head.fragment) & IPV4_FRAGMENT:
            return 0
        if head.protocol != TCP:
            return self.common_udp(o, captured) if head.protocol == UDP else 0
        header = (head.offset >> 4) << 2
        payload = swap16(head.total) - 20 - header
        if header < 20 or payload < 0 or captured - 34 - header < payload:
            return 0
        self.common_ends(head, o, o + 34 + header, payload)
        p = self.pkt
        p.seq = swap32(head.seq)
        p.ack = swap32(head.ack)
        p.flags = head.flags
        p.window = swap16(head.window)
        return 1

    def common_udp(self, o: int, captured: int) -> int:
        """As `common`, for UDP; the datagram may carry a tunnel."""
        head = self.heads[o]
        length = swap16(head.total) - 20
        claimed = swap32(head.seq) >> 16  # the UDP length is at the offset of the TCP sequence number
        if claimed < 8 or claimed > length or length > captured - 34:
            return 0
        self.common_ends(head, o, o + 42, claimed - 8)
        p = self.pkt
        p.seq, p.ack, p.flags, p.window = 0, 0, 0, 0
        self.udp_tunnel(o + 42, o + 34 + claimed)
        if p.tunnel:
            self.macs()  # the inner packet may have MAC addresses of its own
        return 1

    def common_ends(self, head: Any, o: int, at: int, payload: int) -> None:
        """Set the fields that `common` TCP and UDP frames share; the payload begins at ``at``."""
        if self.uncommon:
            self.begin()
            self.uncommon = 0
        p = self.pkt
        p.mac_at = o
        p.network_at = o + 14
        p.version = 4
        p.protocol = head.protocol
        p.src_lo = MAPPED | swap32(head.src)
        p.dst_lo = MAPPED | swap32(head.dst)
        p.ttl = head.ttl
        p.has_ports = 1
        p.src_port = swap16(head.src_port)
        p.dst_port = swap16(head.dst_port)
        p.payload_offset = at
        p.payload_captured, p.payload = payload, payload

    def other_link(self, o: int, e: int, link: int) -> int:
        """Decode a frame of any link type but Ethernet."""
        n = e - o
        if link in (LINK_RAW, LINK_RAW12, LINK_RAW14):  # raw IP; the latter two are what some systems wrote for it
            return self.raw_ip(o, e)
        if link == LINK_IPV4:
            return self.network(IP4, o, e)
        if link == LINK_IPV6:
            return self.network(IP6, o, e)
        if link in (LINK_NULL, LINK_LOOP):
            return self.loopback(o, e)
        if link in (LINK_SLL, LINK_SLL2):
            return self.cooked(o, e, link)
        if link in (LINK_PPP, LINK_PPP_HDLC, LINK_PPP_ETHER):
            if link == LINK_PPP_ETHER and n >= 6:  # PPPoE session header first
                return self.ppp(o + 6, e)
            return self.ppp(o, e)
        if link == LINK_HDLC:  # Cisco HDLC: address, control, ethertype
            if n < 4:
                return CUT
            return self.network(u16(self, o + 2), o + 4, e)
        if link == LINK_DOT11:
            return self.dot11(o, e)
        if link in (
            LINK_RADIOTAP,
            LINK_PPI,
        ):  # radiotap and PPI begin alike: version, flags, little-endian header length
            return self.radio(o, e, link)
        if link == LINK_NFLOG:
            return self.nflog(o, e)
        if link in (LINK_PKTAP_OLD, LINK_PKTAP):
            return self.pktap(o, e)
        return UNKNOWN_LINK

    def raw_ip(self, o: int, e: int) -> int:
        """Decode an IP packet; its first nibble is the version."""
        if o >= e:
            return CUT
        nibble = self.b[o] >> 4
        if nibble == 4:
            return self.network(IP4, o, e)
        if nibble == 6:
            return self.network(IP6, o, e)
        return MALFORMED

    def loopback(self, o: int, e: int) -> int:
        """BSD loopback: four bytes of address family in either byte order (AF_INET6 differs by system)."""
        if e - o < 4:
            return CUT
        family = u32(self, o)
        if family > 0xFFFF:
            family = ((family >> 24) & 0xFF) | ((family >> 8) & 0xFF00)
        if family == 2:
            return self.network(IP4, o + 4, e)
        if family in (10, 23, 24, 28, 30):
            return self.network(IP6, o + 4, e)
        return MALFORMED

    def cooked(self, o: int, e: int, link: int) -> int:
        """Linux cooked capture, version 1 (link type 113) and 2 (276)."""
        if link == LINK_SLL:
            if e - o < 16:
                return CUT
            if u16(self, o + 4) == 6:
                self.pkt.src_mac = mac(self, o + 6)
            kind = u16(self, o + 14)
            start = o + 16
        else:
            if e - o < 20:
                return CUT
            if self.b[o + 11] == 6:
                self.pkt.src_mac = mac(self, o + 12)
            kind = u16(self, o)
            start = o + 20
        if kind == 4:  # LINUX_SLL_P_802_2
            return self.llc(start, e)
        if kind < MIN_ETHERTYPE:
            return self.link_only(LLC)
        return self.network(kind, start, e)

    def radio(self, o: int, e: int, link: int) -> int:
        """Radiotap and PPI headers: skip them and decode the frame that follows."""
        if e - o < 8:
            return CUT
        size = self.b[o + 2] | (self.b[o + 3] << 8)
        if size < 8:
            return MALFORMED
        if o + size > e:
            return CUT
        if link == LINK_PPI:
            inner = u32le(self, o + 4)
            if inner == LINK_DOT11:
                return self.dot11(o + size, e)
            if inner == LINK_ETHERNET:
                return self.ethernet(o + size, e)
            return UNKNOWN_LINK
        return self.dot11(o + size, e)

    def nflog(self, o: int, e: int) -> int:
        """Linux NFLOG: family, version, resource id, then type-length-value items in host byte order."""
        if e - o < 4:
            return CUT
        family = self.b[o]
        at = o + 4
        for _ in range(64):
            if at + 4 > e:
                return CUT
            size = self.b[at] | (self.b[at + 1] << 8)
            kind = self.b[at + 2] | (self.b[at + 3] << 8)
            if kind > 0xFF:  # written by a big-endian host
                size = u16(self, at)
                kind = u16(self, at + 2)
            if size < 4:
                return MALFORMED
            if kind == 9:  # NFULA_PAYLOAD
                stop = at + size
                if stop > e:
                    stop = e
                if family == 2:
                    return self.network(IP4, at + 4, stop)
                if family == 10:
                    return self.network(IP6, at + 4, stop)
                return self.raw_ip(at + 4, stop)
            at += (size + 3) & ~3
        return MALFORMED

    def pktap(self, o: int, e: int) -> int:
        """Apple PKTAP, versions 1 and 2: a header that names the inner link type."""
        if e - o < 40:
            return CUT
        if self.b[o] >= 40 and self.b[o + 1] <= self.b[o] and self.b[o + 38] & 0x08:  # version 2: flag 0x80000
            size = self.b[o]
            link = self.b[o + 6] | (self.b[o + 7] << 8)
        else:
            size = u32le(self, o)
            link = u32le(self, o + 8)
            if size < 108:
                return MALFORMED
        if link in (LINK_PKTAP_OLD, LINK_PKTAP):
            return MALFORMED
        if o + size > e:
            return CUT
        if link == LINK_ETHERNET:
            return self.ethernet(o + size, e)
        return self.other_link(o + size, e, link)

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

    def dot11(self, o: int, e: int) -> int:
        """IEEE 802.11: data frames down to LLC; other and encrypted frames stay on layer 2."""
        if e - o < 10:
            return CUT
        p = self.pkt
        control = self.b[o]
        flags = self.b[o + 1]
        p.dst_mac = mac(self, o + 4)
        if e - o < 24:
            return self.link_only(WLAN)
        p.src_mac = mac(self, o + 10)
        if (control >> 2) & 3 != 2:
            return self.link_only(WLAN)
        size = 24
        to_ds = flags & 1
        from_ds = flags & 2
        if to_ds and from_ds:
            size = 30
            if e - o >= 30:
                p.src_mac = mac(self, o + 24)
        if to_ds:
            p.dst_mac = mac(self, o + 16)
        elif from_ds:
            p.src_mac = mac(self, o + 16)
        if control & 0x80:  # QoS data carries two more bytes
            size += 2
            if flags & 0x80:
                size += 4
        if control & 0x40 or flags & 0x40 or o + size + 8 > e:  # no data, encrypted, or too short for SNAP
            return self.link_only(WLAN)
        if self.b[o + size] != SNAP_SAP:
            return self.link_only(WLAN)
        return self.llc(o + size, e)

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

    def too_deep(self) -> bool:
        """Count one more header that may contain a whole frame; true beyond `MAX_HEADERS`."""
        self.depth += 1
        return self.depth > MAX_HEADERS

    def other_ethertype(self, kind: int, o: int, e: int) -> int:
        """Layer-2 protocols known by ethertype."""
        if kind == LLDP_TYPE:
            return self.link_payload(LLDP, o, e)
        if kind == SLOW_TYPE and o < e and self.b[o] == 1:
            return self.link_payload(LACP, o, e)
        return self.link_payload(CDP if kind == CDP_TYPE else ETHERTYPE + kind, o, e)  # CDP: in Cisco's HDLC

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

    def inner(self) -> int:
        """Decode the inner packet of the tunnel at which `frame` or the last `inner` stopped."""
        p = self.pkt
        kind = p.inner_type
        o = p.inner_offset
        e = p.inner_end
        p.outer_vlan = -1
        if p.tunnel == TUNNEL_QINQ:
            p.outer_vlan = p.vlan
            p.vlan = p.tunnel_key & 0xFFF
            p.clear()
            return (
                self.llc(o, o + kind if 0 < kind < e - o else e) if kind < MIN_ETHERTYPE else self.network(kind, o, e)
            )
        p.vlan = -1
        p.clear()
        self.depth = 0
        if kind == TEB:
            return self.ethernet(o, e)
        if kind == PPP:
            return self.ppp(o, e)
        if kind == DOT11:
            return self.dot11_swapped(o, e)
        return self.network(kind, o, e)

    def dot11_swapped(self, o: int, e: int) -> int:
        """802.11 inside CAPWAP; some controllers send the frame control field with its bytes swapped."""
        if o + 2 <= e and self.b[o] & 0x0C != 0x08 and self.b[o + 1] & 0x0C == 0x08:
            p = self.pkt
            if o + 32 > e:
                return self.link_only(WLAN)
            size = 24 + (2 if self.b[o + 1] & 0x80 else 0)
            if self.b[o] & 3 == 3:
                size += 6
            p.dst_mac = mac(self, o + 4)
            p.src_mac = mac(self, o + 10)
            if o + size + 8 <= e and self.b[o + size] == SNAP_SAP:
                return self.llc(o + size, e)
            return self.link_only(WLAN)
        return self.dot11(o, e)
