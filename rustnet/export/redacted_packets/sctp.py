"""SCTP packets (RFC 9260, 5061): chunks with their sizes, addresses replaced, everything else of them removed."""

from rustnet.export.redacted_packets.base import MAX_ITEMS, Base

_POLYNOMIAL = 0x82F63B78


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_CRC32C = _table()
_FIXED = {0: 12, 1: 16, 2: 16, 3: 12, 7: 4, 12: 4, 13: 4, 192: 4, 193: 4}
"""Bytes after a chunk's head that are numbers of the protocol, by type of chunk."""
_WITH_PARAMETERS = frozenset((1, 2, 193))
_ADDRESSES = {5: 4, 6: 16}
"""Parameters that are an address, and its size."""


def crc32c(data: bytes | bytearray) -> int:
    """Checksum of Castagnoli, as SCTP stores it."""
    value = 0xFFFF_FFFF
    table = _CRC32C
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFF_FFFF


class Sctp(Base):
    """Rewrites SCTP."""

    def sctp(self, o: int, e: int, length: int) -> int:
        """Rewrite an SCTP packet."""
        if e - o < 12:
            return self.cut("transport_cut_off", self._ports(o, e))
        raw, out = self.raw, self.out
        self._ports(o, e)
        self._tag(o + 4)
        if self.quoted:
            return o + 12
        kept = self._chunks(o + 12, e)
        if kept == e and e - o == length and not self.fragment:  # of a packet that is cut nobody can compute it
            right = int.from_bytes(raw[o + 8 : o + 12], "little") == crc32c(raw[o : o + 8] + bytes(4) + raw[o + 12 : e])
            value = crc32c(out[o : o + 8] + bytes(4) + out[o + 12 : kept])
            out[o + 8 : o + 12] = (value if right else value ^ 0x5555_5555).to_bytes(4, "little")
        return kept

    def _ports(self, o: int, e: int) -> int:
        if e - o < 4:
            return o
        for at in (o, o + 2):
            port = self.u16(at)
            self.out[at : at + 2] = (self.numbers.port(port) if self.ports else port).to_bytes(2)
        return o + 4

    def _tag(self, at: int) -> None:
        """Replace the tag of an association."""
        raw = self.raw[at : at + 4]
        number = self.redactor.pseudonyms.number(f"sctp {raw.hex()}") >> 32 & 0xFFFF_FFFF if any(raw) else 0
        self.out[at : at + 4] = number.to_bytes(4)

    def _chunks(self, at: int, e: int) -> int:
        """Rewrite chunks; returns the end of the last one of which something is kept."""
        kept = at
        for _ in range(MAX_ITEMS):
            if at + 4 > e:
                break
            kind, size = self.raw[at], self.u16(at + 2)
            if size < 4:
                self.cut("malformed_transport", at)
                break
            self.copy(at, at + 4)
            stop = min(at + size, e)
            fixed = min(at + 4 + _FIXED.get(kind, 0), stop)
            self.copy(at + 4, fixed)
            if kind in {1, 2} and at + 8 <= stop:
                self._tag(at + 4)
            if kind == 3:  # gaps and duplicates: numbers
                self.copy(fixed, stop)
                fixed = stop
            if kind in _WITH_PARAMETERS:
                fixed = self._parameters(fixed, stop)
            kept = fixed
            at += (size + 3) & ~3
        return kept

    def _parameters(self, at: int, e: int) -> int:
        """Rewrite parameters: of each its type and size, and addresses."""
        kept = at
        for _ in range(MAX_ITEMS):
            if at + 4 > e:
                break
            kind, size = self.u16(at), self.u16(at + 2)
            if size < 4:
                break
            self.copy(at, at + 4)
            kept = at + 4
            if _ADDRESSES.get(kind) == size - 4 and at + size <= e:
                (self.ipv4_address if size == 8 else self.ipv6_address)(at + 4)
                kept = at + size
            at += (size + 3) & ~3
        return kept
