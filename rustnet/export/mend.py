"""What Wireshark requires of pcapng blocks: those that it would refuse are mended, or left out and counted.

It reads a file only up to the first block that it refuses, so that one odd option would cost all packets behind it.
"""

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rustnet.sources.ahead import LOOK_BYTES

MOST_BLOCK = LOOK_BYTES
"""Largest block that Wireshark reads, in bytes."""
MOST_CAPTURED = 262_144
"""Most captured bytes of a packet that it reads."""
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _NAMES, _STATISTICS, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 4, 5, 6
_JOURNAL, _SECRETS, _PROCESS = 9, 10, 0x80000001
_NUMBERED = (0xBAD, 0x40000BAD, _JOURNAL, 0x204, 0x208, 0x216, 0x217)
"""Blocks that count as packets."""
_CUSTOM = (0xBAD, 0x40000BAD)
_NETFLIX = 10_949
_CUSTOM_OPTIONS = (2988, 2989, 19372, 19373)
_PACKET_OPTIONS = {2: 4, 4: 8, 5: 8, 6: 4}
"""Length of packet options that have one."""
_VERDICT, _FILTER = 7, 11
_FIXED = {_SECTION: 24, _INTERFACE: 16, _STATISTICS: 20, _PROCESS: 12}
"""Bytes before the options."""
_ADDRESS_BYTES = {1: 4, 2: 16, 3: 6, 4: 8}
_LEAST_BLOCK = {_NAMES: 16, _JOURNAL: 36, _SECRETS: 20, 0xBAD: 16, 0x40000BAD: 16, 0x204: 36, 0x216: 40, 0x221: 44,
                _PROCESS: 16}  # fmt: skip
_JOURNAL_BYTES = range(23, MOST_CAPTURED)
_LEAST_PACKET: Mapping[int, int] = {123: 4, 139: 4, 144: 16, 177: 16, 196: 5, 197: 16, 201: 4, 204: 1, 209: 5, 245: 2,
                                    254: 4}  # fmt: skip
"""Bytes of the header that captures of a link type put before each packet."""
_COOKED = {144: 0x17, 177: 0x30}
"""Protocol that the cooked header of such packets must name."""
_ERF = 197
_UNLIMITED = (189, 220, 231, 249)
"""Link types (USB, D-Bus) of which larger packets are read."""


def most_captured(link: int) -> int:
    """Most captured bytes of a packet of a link type."""
    return MOST_BLOCK if link in _UNLIMITED else MOST_CAPTURED


def readable(link: int, packet: bytes) -> bool:
    """Whether Wireshark can read the header that a link type puts before each packet."""
    if len(packet) < _LEAST_PACKET.get(link, 0):
        return False
    if link in _COOKED:
        return int.from_bytes(packet[14:16], "big") == _COOKED[link]
    if link == _ERF:
        need, more = 16, packet[8] & 0x80
        while more and need < len(packet):
            more = packet[need] & 0x80
            need += 8
        return not more and len(packet) >= need + 4
    return True


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment for a packet."""

    text: bytes
    head: int
    """Length of the owner at its start; a comment that begins with it is not repeated."""

    def is_said_by(self, other: bytes) -> bool:
        """Whether another comment names the same owner."""
        return other.startswith(self.text[: self.head]) and other[self.head : self.head + 1] in (b"", b" ")


class Mender:
    """Mends blocks, section after section; ``counts`` says what was done."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """``options``, ``blocks`` and ``packets`` left out, packets ``cut``, simple packet blocks ``rewritten`` with
        time 0, ``versions`` of sections changed; ``unnumbered``: packet numbers that are missing then; packets
        ``commented``, or with a comment that was ``present``."""
        self.big = False
        self._links: list[tuple[int, int]] = []

    def begin_section(self, big: bool) -> None:
        """Begin a section whose header is not mended here."""
        self.big = big
        self._links = []

    def block(self, raw: bytes, comment: "Comment | None" = None) -> bytes:
        """Return a block as Wireshark reads it, with a comment if it is a packet's; empty if that cannot be."""
        kind = int.from_bytes(raw[:4], "big" if self.big else "little")
        if kind == _SECTION:
            self.begin_section(raw[8] == 0x1A)
        if len(raw) < _LEAST_BLOCK.get(kind, 12) or len(raw) > MOST_BLOCK:
            return self._left_out(kind)
        if kind in (_ENHANCED, _OLD_PACKET):
            return self._packet(kind, raw, comment)
        if kind == _SIMPLE:
            return self._simple(raw)
        body = self._body(kind, raw)
        return self._left_out(kind) if body is None else self._made(kind, body)

    def _left_out(self, kind: int) -> bytes:
        self.counts["blocks"] += 1
        self.counts["unnumbered"] += kind in _NUMBERED
        return b""

    def _body(self, kind: int, raw: bytes) -> bytes | None:
        """Return the body of a block other than a packet's, None to leave it out."""
        order = ">" if self.big else "<"
        if kind in _FIXED:
            head = raw[8 : _FIXED[kind]]
            if kind == _SECTION:
                head = self._section(head)
            elif kind == _INTERFACE:
                link, _reserved, snaplen = struct.unpack(order + "HHI", head)
                self._links.append((link, snaplen))
            return head + self._options(raw[_FIXED[kind] : -4], kind)
        if kind == _NAMES:
            return self._names(raw[8:-4])
        if kind == _SECRETS:
            size = struct.unpack_from(order + "I", raw, 12)[0]
            at = 16 + (size + 3 & ~3)
            return raw[8:at] + self._options(raw[at:-4], kind) if at <= len(raw) - 4 else None
        if kind in _CUSTOM and not _custom_is_read(raw, order):
            return None
        if kind == _JOURNAL and len(raw[8:-4].rstrip(b"\0")) not in _JOURNAL_BYTES:
            return None
        return raw[8:-4]

    def _section(self, head: bytes) -> bytes:
        """Fixed part of a section header: its length becomes unknown, its version one that is read."""
        order = ">" if self.big else "<"
        version = struct.unpack_from(order + "HH", head, 4)
        if version not in ((1, 0), (1, 2)):
            self.counts["versions"] += 1
            version = (1, 0)
        return head[:4] + struct.pack(order + "HHq", *version, -1)

    def _packet(self, kind: int, raw: bytes, comment: "Comment | None") -> bytes:
        order = ">" if self.big else "<"
        number = struct.unpack_from(order + ("H" if kind == _OLD_PACKET else "I"), raw, 8)[0]
        captured, length = struct.unpack_from(order + "II", raw, 20)
        link = self._links[number][0] if number < len(self._links) else 0
        options = self._options(raw[28 + (captured + 3 & ~3) : -4], kind)
        return self.packet(kind, raw[8:20], raw[28 : 28 + captured], length, link, options, comment)

    def _simple(self, raw: bytes) -> bytes:
        """Simple packet block: its size follows from the packet's length, and it takes no header of the link type.

        What does not fit it gets a full header.
        """
        length = struct.unpack_from(">I" if self.big else "<I", raw, 8)[0]
        link, snaplen = self._links[0] if self._links else (0, 0)
        captured = min(length, snaplen or length)
        packet = raw[12 : min(12 + captured, len(raw) - 4)]
        if len(packet) == captured and captured <= most_captured(link) and link not in _LEAST_PACKET:
            return self._made(_SIMPLE, raw[8:12] + packet)
        self.counts["rewritten"] += 1
        return self.packet(_ENHANCED, bytes(12), packet, length, link)

    def packet(
        self,
        kind: int,
        head: bytes,
        packet: bytes,
        length: int,
        link: int,
        options: bytes = b"",
        comment: "Comment | None" = None,
    ) -> bytes:
        """Write a packet with a full header, cut if it is too large; empty if it cannot be read.

        ``head`` are the interface and the time, as the block has them.
        """
        if not readable(link, packet):
            self.counts["packets"] += 1
            self.counts["unnumbered"] += 1
            return b""
        if len(packet) > most_captured(link):
            self.counts["cut"] += 1
            packet = packet[: most_captured(link)]
        sizes = struct.pack(">II" if self.big else "<II", len(packet), length)
        options = self._with(comment, options)
        return self._made(kind, head + sizes + packet + bytes(-len(packet) % 4) + options)

    def _with(self, comment: "Comment | None", options: bytes) -> bytes:
        """Put a comment before the options of a packet, unless one of them says the same."""
        if comment is None:
            return options
        if any(comment.is_said_by(value) for code, value in self._each(options) if code == 1):
            self.counts["present"] += 1
            return options
        self.counts["commented"] += 1
        text = comment.text
        head = struct.pack(">HH" if self.big else "<HH", 1, len(text))
        return head + text + bytes(-len(text) % 4) + (options or bytes(4))

    def _each(self, options: bytes) -> Iterator[tuple[int, bytes]]:
        """Code and value of each option of sound options."""
        at = 0
        while len(options) - at >= 4:
            code, size = struct.unpack_from(">HH" if self.big else "<HH", options, at)
            if code == 0:
                return
            yield code, options[at + 4 : at + 4 + size]
            at += 4 + (size + 3 & ~3)

    def _options(self, raw: bytes, kind: int) -> bytes:
        """Return options without those that Wireshark refuses; behind one that overruns the block nothing is left."""
        shape = struct.Struct(">HH" if self.big else "<HH")
        kept: list[bytes] = []
        at = dropped = 0
        while len(raw) - at >= 4:
            code, size = shape.unpack_from(raw, at)
            after = at + 4 + (size + 3 & ~3)
            if code == 0 and size == 0:
                kept.append(raw[at:])
                break
            if code == 0 or after > len(raw):
                dropped += 1
                break
            if _option_is_read(kind, code, raw[at + 4 : at + 4 + size]):
                kept.append(raw[at:after])
            else:
                dropped += 1
            at = after
        if not dropped:
            return raw
        self.counts["options"] += dropped
        options = b"".join(kept)
        return options if options.endswith(bytes(4)) or not options else options + bytes(4)

    def _names(self, raw: bytes) -> bytes:
        """Records of a name resolution block, then its options."""
        shape = struct.Struct(">HH" if self.big else "<HH")
        kept: list[bytes] = []
        at = 0
        while len(raw) - at >= 4:
            kind, size = shape.unpack_from(raw, at)
            after = at + 4 + (size + 3 & ~3)
            if kind == 0:
                self.counts["options"] += size != 0
                options = b"" if size else self._options(raw[at + 4 :], _NAMES)
                return b"".join(kept) + bytes(4) + options
            if after > len(raw):
                self.counts["options"] += 1
                break
            value = raw[at + 4 : at + 4 + size]
            least = _ADDRESS_BYTES.get(kind, 0)
            if size >= least and (size == least or kind not in _ADDRESS_BYTES or not value[-1]):
                kept.append(raw[at:after])
            else:
                self.counts["options"] += 1
            at = after
        return (b"".join(kept) or bytes(4)) if at >= len(raw) else b"".join(kept) + bytes(4)

    def _made(self, kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        order = ">" if self.big else "<"
        size = len(body) + 12
        return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)


def _custom_is_read(raw: bytes, order: str) -> bool:
    """Whether Wireshark accepts a custom block: it looks into those of Netflix."""
    if struct.unpack_from(order + "I", raw, 8)[0] != _NETFLIX:
        return True
    return len(raw) >= (24 if raw[12:16] == b"\x02\0\0\0" else 20)


def _option_is_read(kind: int, code: int, value: bytes) -> bool:
    """Whether Wireshark accepts an option of a type of block."""
    if code in _CUSTOM_OPTIONS:
        return len(value) >= 4
    if kind in (_ENHANCED, _OLD_PACKET):
        if code == _VERDICT:
            return len(value) == 9 if value[:1] in (b"\x01", b"\x02") else len(value) >= 1
        return len(value) == _PACKET_OPTIONS.get(code, len(value))
    return len(value) >= 1 if (kind, code) == (_INTERFACE, _FILTER) else True
