"""Headers of the link layer, from the frame down to the network protocol.

Sources: IEEE 802.3, 802.1Q, 802.2, 802.11, RFC 3032 (MPLS), 1661 and 1662 (PPP), 2516 (PPPoE), and the link-type pages
of tcpdump.org.
"""

from rustnet.export.redacted_packets.base import IP4, IP6, MAX_DEPTH, MAX_HEADERS
from rustnet.export.redacted_packets.network import Network

_ARP, _RARP, _MPLS, _MPLS_MULTICAST, _PPPOE_DISCOVERY, _PPPOE, _FABRICPATH, _BRIDGED = (
    0x0806, 0x8035, 0x8847, 0x8848, 0x8863, 0x8864, 0x8903, 0x6558
)  # fmt: skip
_VLANS = frozenset((0x8100, 0x88A8, 0x9100, 0x9200))
_KNOWN = frozenset((0x88CC, 0x8809, 0x2000, _PPPOE_DISCOVERY))
"""Protocols of the link layer of which nothing is kept."""
_FIRST_TYPE = 0x600
"""Smaller numbers in the place of an ethertype are lengths."""
_SNAP = 0xAA
_FAMILIES6 = frozenset((10, 23, 24, 28, 30))
_DOT11_LINK, _ETHERNET_LINK = 105, 1
_PKTAP = frozenset((149, 258))
_PKTAP_HEADER = 108
_PACKET_TYPES, _ADDRESS = 7, 32
"""Largest type of a packet, and largest size of an address, in Linux's cooked captures."""
_NFLOG_ITEMS = 64
_NFLOG_PAYLOAD = 9


class PacketRewriter(Network):
    """Rewrites packets, one after another, of any link type."""

    def rewrite(self, raw: bytes, link: int) -> bytes | memoryview:
        """Rewrite a captured packet; what is not kept of its end is cut."""
        self.begin(raw)
        try:
            return memoryview(self.out)[: self._frame(raw, link)]
        except Exception:  # noqa: BLE001 -- hostile bytes; nothing of them is kept
            self.counts.cut["failed"] += 1
            return memoryview(b"")

    def _frame(self, raw: bytes, link: int) -> int:
        return self.ethernet(0, len(raw)) if link == _ETHERNET_LINK else self.any_link(link, 0, len(raw))

    def any_link(self, link: int, o: int, e: int) -> int:
        """Rewrite a packet of any link type; one whose headers are not understood is cut to nothing."""
        if link == _ETHERNET_LINK:
            return self.ethernet(o, e)
        method = _LINKS.get(link)
        return method(self, o, e) if method else self.cut("unknown_link_type", o)

    def _ipv4_link(self, o: int, e: int) -> int:
        return self.ipv4(o, e)

    def _ipv6_link(self, o: int, e: int) -> int:
        return self.ipv6(o, e)

    def loopback(self, o: int, e: int) -> int:
        """BSD loopback: an address family in either byte order."""
        if e - o < 4:
            return self.cut("link_header_cut_off", o)
        family = int.from_bytes(self.raw[o : o + 4])
        if family > 0xFFFF:
            family = int.from_bytes(self.raw[o : o + 4], "little")
        if family != 2 and family not in _FAMILIES6:
            return self.cut("address_family", o)
        self.copy(o, o + 4)
        return self.ipv4(o + 4, e) if family == 2 else self.ipv6(o + 4, e)

    def cooked(self, o: int, e: int) -> int:
        """Linux's cooked capture, version 1."""
        if e - o < 16:
            return self.cut("link_header_cut_off", o)
        if self.u16(o) > _PACKET_TYPES or self.u16(o + 4) > _ADDRESS:
            return self.cut("malformed_link_header", o)
        self.copy(o, o + 6)
        if self.u16(o + 4) == 6:
            self.hardware_address(o + 6)
        self.copy(o + 14, o + 16)
        return self._cooked_payload(self.u16(o + 14), self.u16(o + 2), o + 16, e)

    def cooked2(self, o: int, e: int) -> int:
        """Linux's cooked capture, version 2."""
        if e - o < 20:
            return self.cut("link_header_cut_off", o)
        if self.u16(o + 2) or self.raw[o + 10] > _PACKET_TYPES or self.raw[o + 11] > _ADDRESS:
            return self.cut("malformed_link_header", o)
        self.copy(o, o + 2)
        self.copy(o + 4, o + 12)
        if self.raw[o + 11] == 6:
            self.hardware_address(o + 12)
        return self._cooked_payload(self.u16(o), self.u16(o + 8), o + 20, e)

    def _cooked_payload(self, kind: int, hardware: int, o: int, e: int) -> int:
        if hardware in {778, 803, 824}:  # GRE, radiotap, netlink: other things than an ethertype
            return self.raw_ip(o, e) if hardware == 778 and kind in {IP4, IP6} else self.cut("link_protocol", o)
        if kind == 4:
            return self.llc(o, e)
        return self.network(kind, o, e) if kind >= _FIRST_TYPE else self.cut("link_protocol", o)

    def cisco_hdlc(self, o: int, e: int) -> int:
        """Cisco's HDLC: address, control, ethertype."""
        if e - o < 4:
            return self.cut("link_header_cut_off", o)
        self.copy(o, o + 4)
        return self.network(self.u16(o + 2), o + 4, e)

    def radiotap(self, o: int, e: int) -> int:
        """Radiotap: a header without any of its fields, then the frame."""
        size = self._radio_header(o, e)
        return self.dot11(o + size, e) if size else o

    def ppi(self, o: int, e: int) -> int:
        """Per-packet information: a header without any of its fields, then the frame."""
        size = self._radio_header(o, e)
        if not size:
            return o
        link = int.from_bytes(self.raw[o + 4 : o + 8], "little")
        if link not in {_DOT11_LINK, _ETHERNET_LINK}:
            return self.cut("unknown_link_type", o)
        self.copy(o + 4, o + 8)
        return self.dot11(o + size, e) if link == _DOT11_LINK else self.ethernet(o + size, e)

    def _radio_header(self, o: int, e: int) -> int:
        """Copy version and length of a header; returns its size, or 0 for one that is cut."""
        size = int.from_bytes(self.raw[o + 2 : o + 4], "little") if e - o >= 8 else 0
        if size < 8 or o + size > e:
            self.cut("link_header_cut_off", o)
            return 0
        self.copy(o + 2, o + 4)
        return size

    def nflog(self, o: int, e: int) -> int:
        """Linux's NFLOG: items, of which only types and lengths are kept, and the packet."""
        if e - o < 4:
            return self.cut("link_header_cut_off", o)
        raw = self.raw
        self.copy(o, o + 2)
        at = o + 4
        for _ in range(_NFLOG_ITEMS):
            if at + 4 > e:
                break
            size, kind = (int.from_bytes(raw[place : place + 2], "little") for place in (at, at + 2))
            if kind > 0xFF:
                size, kind = self.u16(at), self.u16(at + 2)
            if size < 4:
                break
            self.copy(at, at + 4)
            if kind == _NFLOG_PAYLOAD:
                stop = min(at + size, e)
                kept = {2: self.ipv4, 10: self.ipv6}.get(raw[o], self.raw_ip)(at + 4, stop)
                return max(kept, at + 4)
            at += (size + 3) & ~3
        return self.cut("malformed_link_header", o + 4)

    def pktap(self, o: int, e: int) -> int:
        """Apple's PKTAP: of its header the size and the link type, nothing of the process; then the frame."""
        raw = self.raw
        if e - o < 40:
            return self.cut("link_header_cut_off", o)
        if raw[o] >= 40 and raw[o + 1] <= raw[o] and raw[o + 38] & 0x08:
            size, link = raw[o], int.from_bytes(raw[o + 6 : o + 8], "little")
            self.copy(o, o + 2)
            self.copy(o + 6, o + 8)
            self.out[o + 38] = 0x08
        else:
            size, link = (int.from_bytes(raw[place : place + 4], "little") for place in (o, o + 8))
            if size < _PKTAP_HEADER:
                return self.cut("malformed_link_header", o)
            self.copy(o, o + 12)
        if link in _PKTAP or o + size > e:
            self.out[o:e] = bytes(e - o)
            return self.cut("malformed_link_header", o)
        return self.any_link(link, o + size, e)

    def ethernet(self, o: int, e: int) -> int:
        """Ethernet II, and IEEE 802.3 with LLC."""
        if e - o < 14:
            return self.cut("link_header_cut_off", o)
        raw = self.raw
        kind = raw[o + 12] << 8 | raw[o + 13]
        hardware = self.hardware_of
        self.out[o : o + 14] = hardware[raw[o : o + 6]] + hardware[raw[o + 6 : o + 12]] + raw[o + 12 : o + 14]
        if kind == IP4:
            return self.ipv4(o + 14, e)
        if kind >= _FIRST_TYPE:
            return self.network(kind, o + 14, e)
        stop = o + 14 + kind
        return self.llc(o + 14, e if kind == 0 or stop > e else stop)

    def llc(self, o: int, e: int) -> int:
        """IEEE 802.2 LLC, with SNAP."""
        if e - o < 3:
            return self.cut("link_header_cut_off", o)
        raw = self.raw
        self.copy(o, o + 3)
        if raw[o] == _SNAP and raw[o + 1] == _SNAP and e - o >= 8:
            self.copy(o + 3, o + 8)
            if raw[o + 3 : o + 6] in {b"\0\0\0", b"\0\0\xf8"}:
                return self.network(self.u16(o + 6), o + 8, e)
            return self.cut("link_protocol", o + 8)
        return self.cut("link_protocol", o + 3)

    def dot11(self, o: int, e: int) -> int:
        """IEEE 802.11: addresses of all frames, data down to LLC; bodies of other frames are cut."""
        raw = self.raw
        if e - o < 10:
            return self.cut("link_header_cut_off", o)
        control, flags = raw[o], raw[o + 1]
        self.copy(o, o + 4)
        self.hardware_address(o + 4)
        if e - o < 24:
            if e - o < 16:
                return self.cut("link_protocol", o + 10)
            self.hardware_address(o + 10)
            return self.cut("link_protocol", o + 16)
        if control >> 2 & 3 == 1:  # control frames have an address or two
            self.hardware_address(o + 10)
            return self.cut("link_protocol", o + 16)
        for at in (o + 10, o + 16):
            self.hardware_address(at)
        self.copy(o + 22, o + 24)
        if control >> 2 & 3 != 2:
            return self.cut("link_protocol", o + 24)
        return self._dot11_data(o, e, control, flags)

    def _dot11_data(self, o: int, e: int, control: int, flags: int) -> int:
        size = 24
        if flags & 3 == 3:
            size = 30
            if e - o < 30:
                return self.cut("link_header_cut_off", o + 24)
            self.hardware_address(o + 24)
        if control & 0x80:
            size += 2
            if o + size > e:
                return self.cut("link_header_cut_off", o + size - 2)
            self.copy(o + size - 2, o + size)
            size += 4 if flags & 0x80 else 0
        if control & 0x40 or flags & 0x40 or o + size + 8 > e or self.raw[o + size] != _SNAP:
            return self.cut("link_protocol", min(o + size, e))
        return self.llc(o + size, e)

    def dot11_swapped(self, o: int, e: int) -> int:
        """IEEE 802.11 with the bytes of its first field swapped."""
        raw = self.raw
        if o + 32 > e:
            return self.cut("link_header_cut_off", o)
        self.copy(o, o + 4)
        for at in (o + 4, o + 10, o + 16):
            self.hardware_address(at)
        self.copy(o + 22, o + 24)
        size = 24
        if raw[o] & 3 == 3:
            self.hardware_address(o + 24)
            size = 30
        if raw[o + 1] & 0x80:
            self.copy(o + size, o + size + 2)
            size += 2
        if o + size + 8 > e or raw[o + size] != _SNAP:
            return self.cut("link_protocol", min(o + size, e))
        return self.llc(o + size, e)

    def ppp_ethernet(self, o: int, e: int) -> int:
        """A session header of PPPoE, then PPP."""
        if e - o < 6:
            return self.ppp(o, e)
        self.copy(o, o + 6)
        return self.ppp(o + 6, e)

    def ppp(self, o: int, e: int) -> int:
        """PPP, bare or in HDLC-like framing; of its own protocols nothing is kept."""
        raw = self.raw
        if e - o >= 2 and raw[o] == 0xFF and raw[o + 1] == 0x03:
            self.copy(o, o + 2)
            o += 2
        elif e - o >= 4 and raw[o] == 0x0F and raw[o + 1] == 0x00:
            return self.cisco_hdlc(o, e)
        if e - o < 2:
            return self.cut("link_header_cut_off", o)
        size = 1 if raw[o] & 1 else 2
        kind = int.from_bytes(raw[o : o + size])
        self.copy(o, o + size)
        o += size
        if kind == 0x0021:
            return self.ipv4(o, e)
        if kind == 0x0057:
            return self.ipv6(o, e)
        if kind == 0x0281:
            return self._mpls(o, e)
        return self.cut("link_protocol", o)

    def network(self, kind: int, o: int, e: int) -> int:
        """Rewrite tags and labels down to a network protocol."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            return self.cut("too_many_headers", o)
        for _ in range(MAX_HEADERS):
            if kind == IP4:
                return self.ipv4(o, e)
            if kind == IP6:
                return self.ipv6(o, e)
            if kind not in _VLANS:
                return self._other_ethertype(kind, o, e)
            if o + 4 > e:
                return self.cut("link_header_cut_off", o)
            self.copy(o, o + 4)
            kind = self.u16(o + 2)
            o += 4
            if kind < _FIRST_TYPE:
                return self.llc(o, o + kind if 0 < kind < e - o else e)
        return self.cut("too_many_headers", o)

    def _other_ethertype(self, kind: int, o: int, e: int) -> int:
        if kind in {_ARP, _RARP}:
            return self.arp(o, e)
        if kind in {_MPLS, _MPLS_MULTICAST}:
            return self._mpls(o, e)
        if kind == _BRIDGED:
            return self.ethernet(o, e)
        if kind in {_PPPOE, _PPPOE_DISCOVERY}:
            if o + 6 > e:
                return self.cut("link_header_cut_off", o)
            self.copy(o, o + 6)
            return self.ppp(o + 6, e) if kind == _PPPOE else self.cut("link_protocol", o + 6)
        if kind == _FABRICPATH and o + 2 <= e:
            self.copy(o, o + 2)
            return self.ethernet(o + 2, e)
        return self.cut("link_protocol" if kind in _KNOWN else "unknown_ethertype", o)

    def _mpls(self, o: int, e: int) -> int:
        """Labels of MPLS; the first bits after them say what follows (RFC 4928)."""
        raw = self.raw
        for _ in range(MAX_HEADERS):
            if o + 4 > e:
                return self.cut("link_header_cut_off", o)
            self.copy(o, o + 4)
            o += 4
            if raw[o - 2] & 1:
                break
        else:
            return self.cut("too_many_headers", o)
        if o >= e:
            return o
        self.depth += 1
        nibble = raw[o] >> 4
        if nibble in {4, 6}:
            return self.raw_ip(o, e)
        if self.depth > MAX_DEPTH:
            return self.cut("too_many_headers", o)
        if nibble == 0 and o + 18 <= e:
            self.copy(o, o + 4)
            return self.ethernet(o + 4, e)
        if o + 14 <= e and self.u16(o + 12) >= _FIRST_TYPE:
            return self.ethernet(o, e)
        return self.cut("link_protocol", o)


_LINKS = {
    0: PacketRewriter.loopback, 108: PacketRewriter.loopback, 12: PacketRewriter.raw_ip, 14: PacketRewriter.raw_ip,
    101: PacketRewriter.raw_ip, 228: PacketRewriter._ipv4_link, 229: PacketRewriter._ipv6_link,
    9: PacketRewriter.ppp, 50: PacketRewriter.ppp, 51: PacketRewriter.ppp_ethernet, 104: PacketRewriter.cisco_hdlc,
    105: PacketRewriter.dot11, 113: PacketRewriter.cooked, 276: PacketRewriter.cooked2,
    127: PacketRewriter.radiotap, 192: PacketRewriter.ppi, 239: PacketRewriter.nflog,
    149: PacketRewriter.pktap, 258: PacketRewriter.pktap,
}  # fmt: skip
