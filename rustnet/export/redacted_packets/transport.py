"""Transport headers: TCP with options, UDP, and what else runs over IP (RFC 9293, 768, 4302, 4303)."""

from rustnet.export.redacted_packets.base import (
    ICMP,
    ICMPV6,
    IGMP,
    SCTP,
    TCP,
    UDP,
    remainder,
)
from rustnet.export.redacted_packets.messages import Messages
from rustnet.export.redacted_packets.sctp import Sctp
from rustnet.export.redacted_packets.tunnels import PORTS, Tunnels

_IPIP, _IPV6_IN_IP, _GRE, _ESP, _AH, _ETHERIP, _OLD_IPIP, _PIM, _MPLS = 4, 41, 47, 50, 51, 97, 94, 103, 137
_SIZES = {2: 4, 3: 3, 4: 2, 8: 10}
"""Options of TCP that are kept, by size: largest segment, window scale, selective acknowledgements, time stamps."""
_SACK, _TIMESTAMPS = 5, 8
_SACK_SIZES = frozenset((10, 18, 26, 34))
_NOP = 1
MOST_SHIFTS = 1 << 16
"""Directions of flows whose shift of sequence numbers is remembered."""


class Transport(Messages, Tunnels, Sctp):
    """Rewrites what an IP packet carries."""

    def transport(self, protocol: int, o: int, e: int, length: int, old: int, new: int) -> int:
        """Rewrite the payload of an IP packet, of which ``length`` bytes are claimed.

        ``old`` and ``new`` are the sums of both addresses, modulo 65535, before and after.
        """
        if protocol == TCP:
            return self.tcp(o, e, length, old + TCP + length, new + TCP + length)
        if protocol == UDP:
            return self.udp(o, e, length, old + UDP, new + UDP)
        if protocol == ICMP:
            return self.icmp(o, e, length)
        if protocol == ICMPV6:
            return self.icmpv6(o, e, length, old + ICMPV6 + length, new + ICMPV6 + length)
        if protocol == IGMP:
            return self.igmp(o, e, length)
        if protocol == SCTP:
            return self.sctp(o, e, length)
        if protocol == _GRE:
            return self.gre(o, e)
        if protocol in {_IPIP, _IPV6_IN_IP, _OLD_IPIP}:
            return self.raw_ip(o, e)
        if protocol == _ETHERIP:
            return self.ether_ip(o, e)
        if protocol == _MPLS:
            return self.network(0x8847, o, e)
        if protocol == _PIM:
            return self.register(o, e, o + length)
        if protocol == _ESP:
            return self._esp(o, e)
        if protocol == _AH:
            return self._authenticated(o, e, length, old, new)
        return self.cut("unknown_ip_protocol", o)

    def _esp(self, o: int, e: int) -> int:
        """Encapsulated payload: its association, replaced, and its number."""
        if o + 8 > e:
            return self.cut("transport_cut_off", o)
        self.identifier(o, "spi")
        self.copy(o + 4, o + 8)
        return o + 8

    def _authenticated(self, o: int, e: int, length: int, old: int, new: int) -> int:
        """Authentication header: the value is removed, and what follows is rewritten."""
        size = (self.raw[o + 1] + 2) << 2 if o + 12 <= e else 0
        if size < 12 or o + size > e or self.raw[o] in {_AH, _ESP}:
            return self.cut("transport_cut_off", o)
        self.copy(o, o + 2)
        self.identifier(o + 4, "spi")
        self.copy(o + 8, o + 12)
        return self.transport(self.raw[o], o + size, e, length - size, old, new)

    # ---- TCP ---------------------------------------------------------------------------------------------------------

    def tcp(self, o: int, e: int, length: int, old: int, new: int) -> int:
        """TCP; ``old`` and ``new`` are remainders of the pseudo header."""
        raw, out = self.raw, self.out
        if e - o < 20:
            return self._part_of_tcp(o, e)
        out[o : o + 20] = raw[o : o + 20]
        source, destination = raw[o] << 8 | raw[o + 1], raw[o + 2] << 8 | raw[o + 3]
        header = (raw[o + 12] >> 4) << 2
        options = o + header
        if header < 20 or header > length:
            options = o + 20
        right = e - o < length or self.fragment or (remainder(raw, o, e) + old) % 0xFFFF == 0
        kept = options
        if options > e:
            kept = o + 20
        elif options > o + 20:
            self._options(o + 20, options)
        if self.ports:
            self._replace_ports(o, source, destination)
        if self.sequences:
            self._shift(o, options if options <= e else o + 20)
        if header < 20 or header > length:
            self.cut("malformed_transport", kept)
        elif e > options and not self.quoted and not self.fragment:
            kept = self.segment(options, e, source, destination, int.from_bytes(raw[o + 4 : o + 8]), raw[o + 13])
        elif raw[o + 13] & 2 and not self.quoted:
            self.segment(options, options, source, destination, int.from_bytes(raw[o + 4 : o + 8]), raw[o + 13])
        self.checksum(o, o + 16, kept, right=right, pseudo=new)
        return kept

    def _part_of_tcp(self, o: int, e: int) -> int:
        """A header that was not captured whole, or is quoted: ports and numbers, as far as they reach."""
        size = e - o
        kept = o + (16 if size >= 16 else 14 if size >= 14 else size & ~3)
        self.copy(o, kept)
        if size >= 4 and self.ports:
            self._replace_ports(o, self.u16(o), self.u16(o + 2))
        if size >= 8 and self.sequences:
            self._shift(o, kept)
        return kept if self.quoted else self.cut("transport_cut_off", kept)

    def _replace_ports(self, o: int, source: int, destination: int) -> None:
        port = self.numbers.port
        self.out[o : o + 4] = (port(source) << 16 | port(destination)).to_bytes(4)

    def _options(self, at: int, stop: int) -> None:
        """Rewrite TCP's options: those that identify, or are not understood, become padding."""
        raw, out = self.raw, self.out
        if stop - at == 12 and raw[at : at + 4] == b"\1\1\x08\x0a":  # most are
            out[at:stop] = raw[at:stop]
            return
        while at < stop:
            kind = raw[at]
            if kind == 0:
                return  # the rest is zeros
            if kind == _NOP:
                out[at] = _NOP
                at += 1
                continue
            size = raw[at + 1] if at + 1 < stop else 0
            if size < 2 or at + size > stop:
                self.counts.options_removed += 1
                out[at:stop] = b"\1" * (stop - at)
                return
            if _SIZES.get(kind) == size or (kind == _SACK and size in _SACK_SIZES):
                out[at : at + size] = raw[at : at + size]
            else:
                self.counts.options_removed += 1
                out[at : at + size] = b"\1" * size
            at += size

    def _shift(self, o: int, stop: int) -> None:
        """Shift sequence numbers and time stamps, each by a number of its sender."""
        raw, out = self.raw, self.out
        here = self.ends[0] + raw[o : o + 2], self.ends[1] + raw[o + 2 : o + 4]
        shift, other = self._shift_of(here[0] + here[1]), self._shift_of(here[1] + here[0])
        self._add(o + 4, shift)
        if stop < o + 12:
            return
        if stop < o + 14 or raw[o + 13] & 16:
            self._add(o + 8, other)
        else:
            out[o + 8 : o + 12] = bytes(4)
        at = o + 20
        while at + 1 < stop:
            kind = out[at]
            if kind <= _NOP:
                at += 1
                continue
            size = out[at + 1]
            if kind == _SACK:
                for place in range(at + 2, at + size, 4):
                    self._add(place, other)
            elif kind == _TIMESTAMPS:
                self._add(at + 2, self.numbers.timestamp_shift(self.ends[0]))
                if any(out[at + 6 : at + 10]):
                    self._add(at + 6, self.numbers.timestamp_shift(self.ends[1]))
            at += max(size, 2)

    def _shift_of(self, direction: bytes) -> int:
        known = self.shifts.get(direction)
        if known is None:
            if len(self.shifts) >= MOST_SHIFTS:
                self.shifts.clear()
            known = self.shifts[direction] = self.numbers.sequence_shift(direction)
        return known

    def _add(self, at: int, number: int) -> None:
        out = self.out
        out[at : at + 4] = ((int.from_bytes(out[at : at + 4]) + number) & 0xFFFF_FFFF).to_bytes(4)

    # ---- UDP ---------------------------------------------------------------------------------------------------------

    def udp(self, o: int, e: int, length: int, old: int, new: int) -> int:
        """UDP; ``old`` and ``new`` are remainders of the pseudo header without the length."""
        raw, out = self.raw, self.out
        if e - o < 8:
            size = (e - o) & ~1
            self.copy(o, o + min(size, 6))
            if size >= 4 and self.ports:
                self._replace_ports(o, self.u16(o), self.u16(o + 2))
            kept = o + min(size, 6)
            return kept if self.quoted else self.cut("transport_cut_off", kept)
        source, destination = raw[o] << 8 | raw[o + 1], raw[o + 2] << 8 | raw[o + 3]
        claimed = raw[o + 4] << 8 | raw[o + 5]
        out[o : o + 6] = raw[o : o + 6]
        if self.ports:
            self._replace_ports(o, source, destination)
        if 8 <= claimed < length:
            length = claimed
            e = min(e, o + claimed)
        summed = raw[o + 6] or raw[o + 7]
        right = e - o < length or self.fragment or (remainder(raw, o, e) + old + length) % 0xFFFF == 0
        kept = o + 8
        if e > kept and not self.fragment:
            inner = -1
            if destination in PORTS or source in PORTS:
                inner = self.udp_tunnel(source, destination, kept, e, o + length)
            if inner >= 0:
                kept = inner
            elif not self.quoted:
                kept = self.payload(kept, e, source, destination)
        if summed:
            self.checksum(
                o, o + 6, kept, right=right, pseudo=new + (claimed if claimed >= 8 else length), never_zero=True
            )
        return kept
