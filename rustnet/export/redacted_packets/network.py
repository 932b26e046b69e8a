"""Network headers: IPv4 with options, IPv6 with extension headers, fragments, ARP (RFC 791, 8200, 826)."""

from rustnet.export.redacted_packets.base import MAX_DEPTH, MAX_HEADERS, MAX_ITEMS
from rustnet.export.redacted_packets.transport import Transport

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION, _NOTHING = 0, 43, 44, 60, 59
_OTHER_EXTENSIONS = frozenset((135, 139, 140))
"""Mobility, host identity, shim: of them type and length are kept."""
_END, _NOP, _ROUTER_ALERT, _ROUTER_ALERT6, _JUMBO, _HOME, _PADDING = 0, 1, 148, 5, 0xC2, 0xC9, 1
_SEGMENTS = 4
"""Type of the routing header of segment routing."""


class Network(Transport):
    """Rewrites network headers."""

    def ipv4(self, o: int, e: int) -> int:
        """Rewrite an IPv4 packet."""
        raw, out = self.raw, self.out
        if e - o < 20:
            return self.cut("ip_header_cut_off", o)
        header = (raw[o] & 15) << 2
        total = raw[o + 2] << 8 | raw[o + 3]
        length = (total or e - o) - header
        self.depth += 1
        if raw[o] >> 4 != 4 or header < 20 or length < 0 or self.depth > MAX_DEPTH:
            return self.cut("malformed_ip" if self.depth <= MAX_DEPTH else "too_many_headers", o)
        out[o : o + 10] = raw[o : o + 10]
        source, destination = raw[o + 12 : o + 16], raw[o + 16 : o + 20]
        ends = out[o + 12 : o + 20] = self.ipv4_of[source] + self.ipv4_of[destination]
        if self.identifying:
            out[o + 4 : o + 6] = self.numbers.ip_id(self.u16(o + 4)).to_bytes(2)
            out[o + 8] = self.numbers.ttl(raw[o + 8])
        start = o + header
        stop = min(e, o + total) if total else e
        if start > stop:
            return self.cut("ip_header_cut_off", o + 20)
        if header > 20:
            self._ipv4_options(o + 20, start)
        self.checksum(o, o + 10, start, right=int.from_bytes(raw[o:start]) % 0xFFFF == 0)
        self.ends = source, destination
        old, new = int.from_bytes(raw[o + 12 : o + 20]) % 0xFFFF, int.from_bytes(ends) % 0xFFFF
        position = (raw[o + 6] << 8 | raw[o + 7]) & 0x3FFF
        if position:
            return self._fragment(raw[o + 9], start, stop, length, position & 0x1FFF, old, new)
        return self.transport(raw[o + 9], start, stop, length, old, new)

    def _ipv4_options(self, at: int, stop: int) -> None:
        """Rewrite options: those with addresses, or that are not understood, become padding."""
        raw, out = self.raw, self.out
        while at < stop:
            kind = raw[at]
            if kind == _END:
                return
            size = 1 if kind == _NOP else raw[at + 1] if at + 1 < stop else 0
            if kind != _NOP and (size < 2 or at + size > stop):
                size = stop - at
            if kind == _ROUTER_ALERT and size == 4:
                out[at : at + 2] = raw[at : at + 2]
            else:
                self.counts.options_removed += kind != _NOP
                out[at : at + size] = b"\1" * size
            at += size

    def _fragment(self, protocol: int, o: int, e: int, length: int, offset: int, old: int, new: int) -> int:
        """A fragment: of the first one the headers are rewritten, and the rest of its bytes are zeros.

        They stay, as zeros, so that fragments can be put together as before.
        """
        if offset:
            return o if self.quoted else e
        before, self.fragment = self.fragment, True
        kept = self.transport(protocol, o, e, length, old, new)
        self.fragment = before
        return kept if self.quoted else e

    def ipv6(self, o: int, e: int) -> int:
        """Rewrite an IPv6 packet."""
        raw, out = self.raw, self.out
        if e - o < 40:
            return self.cut("ip_header_cut_off", o)
        self.depth += 1
        if raw[o] >> 4 != 6 or self.depth > MAX_DEPTH:
            return self.cut("malformed_ip" if self.depth <= MAX_DEPTH else "too_many_headers", o)
        out[o : o + 8] = raw[o : o + 8]
        source, destination = raw[o + 8 : o + 24], raw[o + 24 : o + 40]
        ends = out[o + 8 : o + 40] = self.ipv6_of[source] + self.ipv6_of[destination]
        if self.identifying:
            out[o + 7] = self.numbers.ttl(raw[o + 7])
            out[o + 1] &= 0xF0  # the label of a flow is another identifier
            out[o + 2 : o + 4] = b"\0\0"
        claimed = raw[o + 4] << 8 | raw[o + 5]
        length = claimed or e - o - 40
        stop = min(e, o + 40 + length)
        self.ends = source, destination
        old, new = int.from_bytes(raw[o + 8 : o + 40]) % 0xFFFF, int.from_bytes(ends) % 0xFFFF
        kind = raw[o + 6]
        if kind in {_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION, _NOTHING} or kind in _OTHER_EXTENSIONS:
            return self._extensions(kind, o + 40, stop, length, old, new)
        return self.transport(kind, o + 40, stop, length, old, new)

    def _extensions(self, kind: int, o: int, e: int, length: int, old: int, new: int) -> int:
        """Rewrite extension headers and what follows them."""
        raw = self.raw
        for _ in range(MAX_HEADERS):
            if kind == _NOTHING:
                return o
            if kind == _FRAGMENT:
                size = 8
            elif kind in {_HOP_BY_HOP, _ROUTING, _DESTINATION} or kind in _OTHER_EXTENSIONS:
                size = (raw[o + 1] + 1) << 3 if o + 2 <= e else 8
            else:
                return self.transport(kind, o, e, length, old, new)
            if o + size > e or size > length:
                return self.cut("ip_header_cut_off", o)
            self.copy(o, o + 2)
            position = 0
            if kind == _FRAGMENT:
                self.out[o + 1] = 0
                position = self._fragment_header(o)
            elif kind == _ROUTING:
                change = self._routing(o, size)
                old, new = old + change[0], new + change[1]
            elif kind in {_HOP_BY_HOP, _DESTINATION}:
                self._ipv6_options(o + 2, o + size)
            kind = raw[o]
            o += size
            length -= size
            if position:
                return self._ipv6_fragment(kind, o, e, length, position, old, new)
        return self.cut("too_many_headers", o)

    def _ipv6_fragment(self, kind: int, o: int, e: int, length: int, position: int, old: int, new: int) -> int:
        if position & 0xFFF8 == 0 and (kind in {_HOP_BY_HOP, _ROUTING, _DESTINATION} or kind in _OTHER_EXTENSIONS):
            return o if self.quoted else e  # more headers within the fragment
        return self._fragment(kind, o, e, length, position & 0xFFF8, old, new)

    def _fragment_header(self, o: int) -> int:
        """Rewrite the header of a fragment; returns what its offset and flag say."""
        self.copy(o + 2, o + 8)
        if self.identifying:
            number = int.from_bytes(self.raw[o + 4 : o + 8])
            self.out[o + 4 : o + 8] = self.numbers.fragment_id(number).to_bytes(4)
        return self.u16(o + 2) & 0xFFF9

    def _routing(self, o: int, size: int) -> tuple[int, int]:
        """Rewrite addresses of a routing header; returns what it changes in the sums of a pseudo header.

        There the last destination counts instead of the next one.
        """
        raw, out = self.raw, self.out
        kind, left = raw[o + 2], raw[o + 3]
        self.copy(o + 2, o + 4)
        if kind == _SEGMENTS:
            self.copy(o + 4, o + 6)
            last = o + 8
            count = min((size - 8) // 16, raw[o + 4] + 1)
        elif kind in {0, 2}:
            count = (size - 8) // 16
            last = o + 8 + 16 * (count - 1)
        else:
            return 0, 0
        for at in range(o + 8, o + 8 + 16 * count, 16):
            self.ipv6_address(at)
        if not left or not count:
            return 0, 0
        old, new = self.ends[1], self.ipv6_of[self.ends[1]]
        return (
            int.from_bytes(raw[last : last + 16]) - int.from_bytes(old),
            int.from_bytes(out[last : last + 16]) - int.from_bytes(new),
        )

    def _ipv6_options(self, at: int, stop: int) -> None:
        """Rewrite options of IPv6: those that are not understood become padding."""
        raw, out = self.raw, self.out
        for _ in range(MAX_ITEMS):
            if at >= stop or (raw[at] and at + 2 > stop):
                break
            if raw[at] == 0:
                at += 1
                continue
            kind, size = raw[at], raw[at + 1]
            if at + 2 + size > stop:
                size = stop - at - 2
                kind = _PADDING
            out[at : at + 2] = bytes((_PADDING, size))
            if kind == _HOME and size == 16:
                out[at] = kind
                self.ipv6_address(at + 2)
            elif (kind == _ROUTER_ALERT6 and size == 2) or (kind == _JUMBO and size == 4):
                out[at : at + 2 + size] = raw[at : at + 2 + size]
            elif kind != _PADDING:
                self.counts.options_removed += 1
            at += 2 + size

    def arp(self, o: int, e: int) -> int:
        """Rewrite a message of ARP or RARP."""
        raw = self.raw
        if o + 8 > e:
            return self.cut("link_protocol", o)
        self.copy(o, o + 8)
        hard, soft = raw[o + 4], raw[o + 5]
        if self.u16(o + 2) != 0x0800 or soft != 4 or o + 16 + 2 * hard > e:
            return self.cut("address_family", o + 8)
        for at in (o + 8, o + 12 + hard):
            if hard == 6:
                self.hardware_address(at)
            self.ipv4_address(at + hard)
        return o + 16 + 2 * hard
