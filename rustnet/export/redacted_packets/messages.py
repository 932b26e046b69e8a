"""ICMP, ICMPv6 with neighbour discovery and listener discovery, IGMP (RFC 792, 4443, 4861, 3810, 3376)."""

from ipaddress import IPv6Address

from rustnet.export.redacted_packets.base import MAX_ITEMS, Base

_ICMP_QUOTES = frozenset((3, 4, 5, 11, 12))
_ICMP_PAIRS = frozenset((13, 14, 15, 16, 17, 18))
"""Timestamps, information and masks: an identifier and a sequence number are kept."""
_LINK_ADDRESSES = frozenset((1, 2))
_ZEROED = frozenset((14, 31))
"""Options of which only type and length are kept: nonce, search list of names."""


class Messages(Base):
    """Rewrites messages about the network."""

    def icmp(self, o: int, e: int, length: int) -> int:
        """ICMP: of what it quotes the headers."""
        if e - o < 8:
            return self._short(o, e)
        raw = self.raw
        right = e - o < length or self.fragment or self.is_right(o, e)
        kind = raw[o]
        self.copy(o, o + 2)
        kept = o + 8
        if kind in _ICMP_QUOTES:
            if kind == 5:
                self.ipv4_address(o + 4)
            else:
                self.copy(o + 5, o + 8)  # length of the quote, size of the next link
            kept = self.quote(o + 8, e)
        elif kind in {0, 8} or kind in _ICMP_PAIRS:
            self.copy(o + 4, o + 8)
        elif kind == 9:
            kept = self._routers(o, e)
        elif kind != 10:
            kept = self.cut("icmp_message", o + 4)
        self.checksum(o, o + 2, kept, right=right)
        return kept

    def _short(self, o: int, e: int) -> int:
        kept = min(e, o + 2)
        self.copy(o, kept)
        return self.cut("transport_cut_off", kept)

    def _routers(self, o: int, e: int) -> int:
        """Router advertisement (RFC 1256): addresses with preferences."""
        self.copy(o + 4, o + 8)
        at = o + 8
        if self.raw[o + 5] != 2:
            return self.cut("icmp_message", at)
        for _ in range(self.raw[o + 4]):
            if at + 8 > e:
                break
            self.ipv4_address(at)
            self.copy(at + 4, at + 8)
            at += 8
        return at

    def icmpv6(self, o: int, e: int, length: int, old: int, new: int) -> int:
        """ICMPv6; ``old`` and ``new`` are remainders of the pseudo header."""
        if e - o < 8:
            return self._short(o, e)
        right = e - o < length or self.fragment or self.is_right(o, e, old)
        kind = self.raw[o]
        self.copy(o, o + 2)
        if kind in {1, 2, 3, 4}:
            self.copy(o + 4, o + 8)
            kept = self.quote(o + 8, e)
        elif kind in {128, 129}:
            self.copy(o + 4, o + 8)
            kept = o + 8
        elif 130 <= kind <= 132 or kind == 143:
            kept = self._listeners(kind, o, e)
        elif 133 <= kind <= 137:
            kept = self._neighbours(kind, o, e)
        else:
            kept = self.cut("icmp_message", o + 4)
        self.checksum(o, o + 2, kept, right=right, pseudo=new)
        return kept

    def _neighbours(self, kind: int, o: int, e: int) -> int:
        """Neighbour discovery (RFC 4861): targets, and options with addresses."""
        at = o + {133: 8, 134: 16, 135: 24, 136: 24, 137: 40}[kind]
        if at > e:
            return self.cut("transport_cut_off", o + 4)
        if kind == 134:
            self.copy(o + 4, o + 16)
        elif kind > 134:
            self.copy(o + 4, o + 5)  # flags of an advertisement
            self.ipv6_address(o + 8)
            if kind == 137:
                self.ipv6_address(o + 24)
        for _ in range(MAX_ITEMS):
            if at + 8 > e:
                break
            size = self.raw[at + 1] << 3
            if size == 0 or at + size > e or not self._neighbour_option(at, size):
                return self.cut("icmp_message", at)
            at += size
        return at

    def _neighbour_option(self, at: int, size: int) -> bool:
        """Rewrite an option; false for one that is not understood."""
        kind = self.raw[at]
        stop = at + size
        if kind in _LINK_ADDRESSES and size == 8:
            self.hardware_address(at + 2)
        elif kind == 3 and size == 32:
            self.copy(at + 2, at + 12)
            self._prefix(at + 16, 16, self.raw[at + 2])
        elif kind == 4:
            self.quote(at + 8, stop)
        elif kind == 5 and size == 8:
            self.copy(at + 4, at + 8)
        elif kind == 24 and size in {8, 16, 24}:
            self.copy(at + 2, at + 8)
            self._prefix(at + 8, size - 8, self.raw[at + 2])
        elif kind == 25:
            self.copy(at + 4, at + 8)
            for place in range(at + 8, stop - 15, 16):
                self.ipv6_address(place)
        elif kind not in _ZEROED:
            return False
        self.copy(at, at + 2)
        return True

    def _prefix(self, at: int, size: int, bits: int) -> None:
        """Replace a prefix, of which ``size`` bytes are there, as tables do: bits that are no part of it stay zero."""
        number = int.from_bytes(self.raw[at : at + size].ljust(16, b"\0"))
        host = (1 << (128 - min(bits, 128))) - 1
        replaced = int(self.redactor.names.addresses.address(IPv6Address(number)))
        self.out[at : at + size] = (replaced & ~host).to_bytes(16)[:size]

    def _listeners(self, kind: int, o: int, e: int) -> int:
        """Listener discovery (RFC 2710, 3810): groups and sources."""
        raw = self.raw
        self.copy(o + 4, o + 8)
        if kind == 143:
            return self._records(o + 8, e, self.u16(o + 6), 16)
        if o + 24 > e:
            return self.cut("transport_cut_off", o + 8)
        self.ipv6_address(o + 8)
        if kind != 130 or o + 28 > e:
            return o + 24
        self.copy(o + 24, o + 28)
        return self._sources(o + 28, e, raw[o + 26] << 8 | raw[o + 27], 16)

    def _sources(self, at: int, e: int, count: int, size: int) -> int:
        for _ in range(min(count, MAX_ITEMS)):
            if at + size > e:
                break
            if size == 4:
                self.ipv4_address(at)
            else:
                self.ipv6_address(at)
            at += size
        return at

    def _records(self, at: int, e: int, count: int, size: int) -> int:
        """Records of groups with their sources (RFC 3810, 3376)."""
        for _ in range(min(count, MAX_ITEMS)):
            if at + 4 + size > e:
                break
            self.copy(at, at + 4)
            sources, auxiliary = self.u16(at + 2), self.raw[at + 1] << 2
            self._sources(at + 4, at + 4 + size, 1, size)
            at = self._sources(at + 4 + size, e, sources, size) + auxiliary
        return min(at, e)

    def igmp(self, o: int, e: int, length: int) -> int:
        """IGMP, versions 1 to 3."""
        if e - o < 8:
            return self._short(o, e)
        right = e - o < length or self.fragment or self.is_right(o, e)
        kind = self.raw[o]
        self.copy(o, o + 2)
        kept = o + 8
        if kind in {0x11, 0x12, 0x16, 0x17}:
            self.ipv4_address(o + 4)
            if kind == 0x11 and o + 12 <= e:
                self.copy(o + 8, o + 12)
                kept = self._sources(o + 12, e, self.u16(o + 10), 4)
        elif kind == 0x22:
            self.copy(o + 4, o + 8)
            kept = self._records(o + 8, e, self.u16(o + 6), 4)
        else:
            kept = self.cut("icmp_message", o + 4)
        self.checksum(o, o + 2, kept, right=right)
        return kept
