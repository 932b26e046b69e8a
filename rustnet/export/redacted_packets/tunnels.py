"""Headers of tunnels, whose inner packets are rewritten as others are.

Sources: RFC 2784, 2890, 2637, 8086 (GRE), 7348 (VXLAN), 8926 (GENEVE), 4380 (Teredo), 2661 (L2TP), 5415 (CAPWAP), 3378
(EtherIP), 4023, 7510 (MPLS), 9300 (LISP), 7761 (PIM), 3GPP TS 29.281 (GTP-U).
"""

from rustnet.export.redacted_packets.base import IP4, IP6, MAX_HEADERS, Base

_ETHERNET, _PPP, _MPLS, _VLAN, _ERSPAN2, _ERSPAN3 = 0x6558, 0x880B, 0x8847, 0x8100, 0x88BE, 0x22EB
_L2TP, _GTPU, _TEREDO, _VXLAN, _CAPWAP, _GENEVE, _OLD_VXLAN = 1701, 2152, 3544, 4789, 5247, 6081, 8472
_LISP, _LISP_CONTROL, _GRE, _VXLAN_GPE, _AYIYA, _MPLS_PORT, _TZSP = 4341, 4342, 4754, 4790, 5072, 6635, 37008
PORTS = frozenset((
    _L2TP, _GTPU, _TEREDO, _VXLAN, _CAPWAP, _GENEVE, _OLD_VXLAN,
    _LISP, _LISP_CONTROL, _GRE, _VXLAN_GPE, _AYIYA, _MPLS_PORT, _TZSP,
))  # fmt: skip
"""UDP ports of tunnels."""
_MPLS_MULTICAST, _SERVICE_VLAN, _ARP, _WCCP, _EOIP = 0x8848, 0x88A8, 0x0806, 0x883E, 0x6400
_ARUBA = range(0x8200, 0x8371, 16)
_CARRIED = frozenset((IP4, IP6, _MPLS, _MPLS_MULTICAST, _VLAN, _SERVICE_VLAN, _ARP))
MAX_TAGS = 64
"""Tags of a TZSP header that are passed over."""


class Tunnels(Base):
    """Rewrites headers of tunnels."""

    def identifier(self, at: int, purpose: str) -> None:
        """Replace a number of 32 bits that identifies a session or an association."""
        raw = self.raw[at : at + 4]
        number = self.redactor.pseudonyms.number(f"{purpose} {raw.hex()}") >> 32 & 0xFFFF_FFFF if any(raw) else 0
        self.out[at : at + 4] = number.to_bytes(4)

    def gre(self, o: int, e: int) -> int:
        """GRE, versions 0 and 1, with ERSPAN inside it."""
        if o + 4 > e:
            return self.cut("transport_cut_off", o)
        flags, kind = self.u16(o), self.u16(o + 2)
        self.copy(o, o + 4)
        at = o + 4
        summed = at if flags & 0xC000 else 0
        at += 4 if summed else 0
        right = not summed or self.fragment or self.is_right(o, e)
        for bit in (0x2000, 0x1000):
            if flags & bit:
                if at + 4 > e:
                    return self.cut("transport_cut_off", at)
                self.copy(at, at + 4)
                at += 4
        if flags & 7 == 1 and flags & 0x80:
            if at + 4 > e:
                return self.cut("transport_cut_off", at)
            self.copy(at, at + 4)
            at += 4
        if at > e or flags & 0x4000:
            return self.cut("malformed_transport", o + 4)
        kept = max(self._within_gre(kind, at, e, numbered=bool(flags & 0x1000)), min(at + 1, e))
        if summed:
            self.checksum(o, summed, kept, right=right)
        return kept

    def _within_gre(self, kind: int, at: int, e: int, *, numbered: bool) -> int:
        if kind == _ERSPAN2:
            if numbered:
                if at + 8 > e:
                    return self.cut("transport_cut_off", at)
                self.copy(at, at + 8)
                at += 8
            return self.ethernet(at, e)
        if kind == _ERSPAN3:
            if at + 12 > e:
                return self.cut("transport_cut_off", at)
            self.copy(at, at + 4)
            self.copy(at + 10, at + 12)
            at += 20 if self.raw[at + 11] & 1 else 12
            return self.ethernet(at, e) if at <= e else self.cut("transport_cut_off", at - 8)
        if kind in {_ETHERNET, _EOIP}:
            return self.ethernet(at, e)
        if kind == _PPP:
            return self.ppp(at, e)
        if kind in _ARUBA:
            return self.dot11(at, e)
        if kind == _WCCP and at + 5 <= e:
            if self.raw[at] >> 4 != 4 or self.raw[at + 4] == 0x45:  # a header that names the service
                self.copy(at, at + 4)
                at += 4
            return self.raw_ip(at, e)
        return self.network(kind, at, e) if kind in _CARRIED else self.cut("unknown_ethertype", at)

    def ether_ip(self, o: int, e: int) -> int:
        """Ethernet in IP."""
        if o + 2 > e or self.raw[o] != 0x30:
            return self.cut("malformed_transport", o)
        self.copy(o, o + 2)
        return self.ethernet(o + 2, e)

    def register(self, o: int, e: int, end: int) -> int:
        """PIM: a register with the first packet of a source; the checksum covers 8 bytes."""
        if o + 8 > e or self.raw[o] != 0x21 or not self._fits(o + 8, e, end):
            return self.cut("unknown_ip_protocol", o)
        if self.is_right(o, o + 8):
            self.copy(o, o + 8)
        else:
            self.copy(o, o + 2)
            self.copy(o + 4, o + 8)
        return self.raw_ip(o + 8, e)

    def udp_tunnel(self, source: int, destination: int, o: int, e: int, end: int) -> int:
        """A tunnel over UDP, by its port and a header that fits; -1 for what is none.

        The datagram was captured up to ``e`` and claims to reach up to ``end``.
        """
        if destination in {_VXLAN, _OLD_VXLAN, _VXLAN_GPE}:
            return self._vxlan(o, e, end)
        if destination == _GENEVE:
            return self._geneve(o, e)
        if destination == _TZSP:
            return self._tzsp(o, e)
        for port, with_end in ((_LISP, self._lisp), (_LISP_CONTROL, self._lisp_control), (_GRE, self._gre_in_udp)):
            if port == destination:
                return with_end(o, e, end)
        if destination == _MPLS_PORT:
            return self._labels(o, e, end)
        ports = (source, destination)
        if _AYIYA in ports:
            return self._ayiya(o, e, end)
        for port, method in (
            (_GTPU, self._gtp_user), (_TEREDO, self._teredo), (_L2TP, self._l2tp), (_CAPWAP, self._capwap)
        ):  # fmt: skip
            if port in ports:
                return method(o, e)
        return -1

    def _fits(self, o: int, e: int, end: int) -> bool:
        """Whether an IP packet is at ``o`` whose length is all that is left."""
        if o + 20 > e:
            return False
        version = self.raw[o] >> 4
        size = self.u16(o + 2) if version == 4 else 40 + self.u16(o + 4)
        return version in {4, 6} and size == end - o

    def _vxlan(self, o: int, e: int, end: int) -> int:
        if o + 22 > e:
            return -1
        flags = self.raw[o]
        if flags & 0xF5 == 4 and self.u16(o + 1) == 0 and self.raw[o + 7] == 0:
            return self._next_protocol(self.raw[o + 3], o, e, end)
        if flags & 0x77 or not flags & 8:
            return -1
        self.copy(o, o + 8)
        return self.ethernet(o + 8, e)

    def _next_protocol(self, code: int, o: int, e: int, end: int) -> int:
        """What follows a header of 8 bytes, by the number of VXLAN-GPE and LISP-GPE."""
        at = o + 8
        if code == 3 and at + 14 <= e:
            self.copy(o, at)
            return self.ethernet(at, e)
        if code == 5:
            kept = self._labels(at, e, end)
        else:
            kept = self.raw_ip(at, e) if code in {1, 2} and self._fits(at, e, end) else -1
        if kept >= 0:
            self.copy(o, at)
        return kept

    def _labels(self, o: int, e: int, end: int) -> int:
        """Labels of MPLS around an IP packet."""
        for at in range(o, o + 4 * MAX_HEADERS, 4):
            if at + 4 > e:
                break
            if self.raw[at + 2] & 1:
                return self.network(_MPLS, o, e) if self._fits(at + 4, e, end) else -1
        return -1

    def _lisp(self, o: int, e: int, end: int) -> int:
        if o + 28 > e or self.raw[o] & 3:  # encrypted with this key
            return -1
        if self.raw[o] & 4:
            kept = self._next_protocol(self.raw[o + 3], o, e, end)
            self.out[o + 1 : o + 3] = b"\0\0"  # of a nonce
            return kept
        if not self._fits(o + 8, e, end):
            return -1
        self.copy(o, o + 1)
        self.copy(o + 4, o + 8)
        return self.raw_ip(o + 8, e)

    def _lisp_control(self, o: int, e: int, end: int) -> int:
        if self.raw[o] & 0xF8 != 0x80 or not self._fits(o + 4, e, end):
            return -1
        self.copy(o, o + 1)
        return self.raw_ip(o + 4, e)

    def _gre_in_udp(self, o: int, e: int, end: int) -> int:
        if o + 8 > e or self.u16(o) & 0x4FFF:
            return -1
        kind = self.u16(o + 2)
        at = o + 4 + 4 * (self.u16(o) >> 12).bit_count()
        fits = at + 14 <= e if kind == _ETHERNET else kind in {IP4, IP6} and self._fits(at, e, end)
        return self.gre(o, e) if fits else -1

    def _ayiya(self, o: int, e: int, end: int) -> int:
        """Neither the identity nor the signature is kept."""
        if o + 24 > e or self.raw[o] >> 4 != 4 or self.raw[o + 2] & 15 != 1 or self.raw[o + 3] not in {4, 41}:
            return -1
        at = o + 24 + ((self.raw[o + 1] >> 4) << 2)
        if not self._fits(at, e, end):
            return -1
        self.copy(o, o + 4)
        return self.raw_ip(at, e)

    def _tzsp(self, o: int, e: int) -> int:
        """Of tags nothing but their types and lengths is kept."""
        raw = self.raw
        if o + 5 > e or raw[o] != 1 or raw[o + 1] > 1:
            return -1
        kind, at = self.u16(o + 2), o + 4
        places: list[int] = []
        for _ in range(MAX_TAGS):
            if at + 2 > e:
                return -1
            if raw[at] == 1:
                break
            if raw[at]:
                places.append(at)
            at += 2 + raw[at + 1] if raw[at] else 1
        else:
            return -1
        start = at + 1
        if start + 14 > e or kind not in {1, 18}:
            return -1
        self.copy(o, o + 4)
        for place in places:
            self.copy(place, place + 2)
        self.copy(at, start)
        return self.ethernet(start, e) if kind == 1 else self.dot11(start, e)

    def _geneve(self, o: int, e: int) -> int:
        size = 8 + ((self.raw[o] & 0x3F) << 2) if o < e else 0
        if not size or o + size + 14 > e or self.raw[o] >> 6:
            return -1
        kind = self.u16(o + 2)
        if kind not in {_ETHERNET, IP4, IP6, _ARP, _MPLS}:
            return -1
        self.copy(o, o + 8)
        at = o + 8
        while at + 4 <= o + size:  # of an option its class, type and length
            self.copy(at, at + 4)
            at += 4 + ((self.raw[at + 3] & 0x1F) << 2)
        if at > o + size:  # options that do not fit
            self.out[o + 8 : o + size] = bytes(size - 8)
        return self.ethernet(o + size, e) if kind == _ETHERNET else self.network(kind, o + size, e)

    def _gtp_user(self, o: int, e: int) -> int:
        if o + 8 > e or self.raw[o] & 0xF0 != 0x30 or self.raw[o + 1] != 255:
            return -1
        raw = self.raw
        at = o + 8
        ends: list[int] = []
        if raw[o] & 7:
            at += 4
            if at > e:
                return -1
            following = raw[at - 1] if raw[o] & 4 else 0
            for _ in range(MAX_HEADERS):
                if not following:
                    break
                if at >= e or raw[at] == 0 or at + (raw[at] << 2) > e:
                    return -1
                ends.append(at)
                at += raw[at] << 2
                following = raw[at - 1]
        if at >= e or raw[at] >> 4 not in {4, 6}:
            return -1
        self.copy(o, o + 4)
        self.identifier(o + 4, "teid")
        if raw[o] & 7:
            self.copy(o + 8, o + 12)
        for place in ends:  # of an extension its length and the type of the next
            self.copy(place, place + 1)
            last = place + (raw[place] << 2)
            self.copy(last - 1, last)
        return self.raw_ip(at, e)

    def _teredo(self, o: int, e: int) -> int:
        raw = self.raw
        start, at = o, o
        if at + 4 <= e and self.u16(at) == 1:
            at += 13 + raw[at + 2] + raw[at + 3]
        origin = at if at + 8 <= e and self.u16(at) == 0 else 0
        at += 8 if origin else 0
        if at + 40 > e or raw[at] >> 4 != 6 or at + 40 + self.u16(at + 4) > e:
            return -1
        if self.u16(start) == 1:
            self.copy(start, start + 4)
        if origin:  # port and address with all bits inverted
            self.out[origin + 2 : origin + 4] = (self.port(self.u16(origin + 2) ^ 0xFFFF) ^ 0xFFFF).to_bytes(2)
            plain = bytes(byte ^ 0xFF for byte in raw[origin + 4 : origin + 8])
            self.out[origin + 4 : origin + 8] = bytes(byte ^ 0xFF for byte in self.ipv4_of[plain])
        size = 40 + self.u16(at + 4)
        return max(self.ipv6(at, e), at + size)  # it is recognised by its size, so what is removed stays as zeros

    def port(self, port: int) -> int:
        """Replacement of a port."""
        return self.numbers.port(port) if self.ports else port

    def _l2tp(self, o: int, e: int) -> int:
        if o + 6 > e:
            return -1
        flags = self.u16(o)
        if flags & 0x800F != 2:
            return -1
        at = o + 6 + (2 if flags & 0x4000 else 0) + (4 if flags & 0x0800 else 0)
        stop = at
        if flags & 0x0200:
            if at + 2 > e:
                return -1
            stop = at + 2
            at = stop + self.u16(stop - 2)
        if at + 4 > e:
            return -1
        self.copy(o, stop)
        return max(self.ppp(at, e), at + 4)

    def _capwap(self, o: int, e: int) -> int:
        if o + 8 > e or self.raw[o] != 0:
            return -1
        size = (self.raw[o + 1] >> 3) << 2
        flags = self.u16(o + 2)
        if size < 8 or o + size + 14 > e or flags & 0x0088:
            return -1
        self.copy(o, o + 8)
        at = o + 8
        for bit in (0x10, 0x20):  # the radio's hardware address, what is known of its signal: each with a length
            if flags & bit and at + 1 + self.raw[at] <= o + size:
                self.copy(at, at + 1)
                if bit == 0x10 and self.raw[at] == 6:
                    self.hardware_address(at + 1)
                at += 1 + self.raw[at]
        if flags & 0x0100 == 0:
            return max(self.ethernet(o + size, e), o + size + 14)
        swapped = self.raw[o + size] & 0x0C != 0x08 and self.raw[o + size + 1] & 0x0C == 0x08
        kept = self.dot11_swapped(o + size, e) if swapped else self.dot11(o + size, e)
        return max(kept, o + size + 14)

    def dot11_swapped(self, o: int, e: int) -> int:
        """IEEE 802.11 with the bytes of its first field swapped."""
        raise NotImplementedError
