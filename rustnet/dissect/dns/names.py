r"""Names of a DNS message, compressed or not (RFC 1035, 4.1.4), and its numbers.

Names are text without the trailing dot (the root is the empty string). Those of DNS and LLMNR, which compare without
case (RFC 4343) and whose resolvers mix it at random (0x20), are in lower case; those of mDNS as sent.

A dot or a backslash inside a label is escaped with a backslash; control bytes, and bytes that are not UTF-8, become
``\DDD``.
"""

from rustnet.dissect.framework.conversation import DissectError

MAX_JUMPS = 32
MAX_TARGET = 0x3FFF
"""The largest offset that a compression pointer can have."""

AS_SENT = bytes(code if chr(code) in "-_" or (code < 128 and chr(code).isalnum()) else 0 for code in range(256))
"""For each byte that needs no escape in a name's text, the byte itself; 0 for the others."""
LOWER = AS_SENT.lower()
"""The same, in lower case (ASCII only)."""

_SCRATCH = bytearray(256)
"""Buffer for the text of a plain name, which is never longer than the 255 bytes of the longest name."""


_ESCAPES = {
    **{code: f"\\{code:03d}" for code in (*range(0x20), 0x7F)},
    **{code: "".join(f"\\{byte:03d}" for byte in chr(code).encode()) for code in range(0x80, 0xA0)},
    **{0xDC00 + byte: f"\\{byte:03d}" for byte in range(0x80, 0x100)},
    ord("."): "\\.",
    ord("\\"): "\\\\",
}
"""Translation of control characters, bytes that are not UTF-8 (surrogateescape), dots and backslashes."""


def u16(data: bytes, pos: int) -> int:
    """Big-endian 16-bit number; raises `IndexError` if the data is too short."""
    return data[pos] << 8 | data[pos + 1]


def u32(data: bytes, pos: int) -> int:
    """Big-endian 32-bit number; raises `IndexError` if the data is too short."""
    high = u16(data, pos)  # not byte by byte: in C, a byte shifted by 24 would turn negative
    return (high << 16) | u16(data, pos + 2)


def skip_name(data: bytes, pos: int) -> int:
    """Position after the name at ``pos``."""
    while True:
        step = data[pos]
        if step == 0:
            return pos + 1
        if step >= 0xC0:
            return pos + 2
        if step > 63:
            raise DissectError("unknown label type {kind}", kind=step >> 6)
        pos += step + 1


def _escaped(raw: bytes) -> str:
    """Text of length-prefixed labels of which some bytes are not letters, digits, hyphens or underscores."""
    labels = []
    pos = 0
    while pos < len(raw):
        end = pos + 1 + raw[pos]
        labels.append(raw[pos + 1 : end].decode("utf-8", "surrogateescape").translate(_ESCAPES))
        pos = end
    return ".".join(labels)


class Names:
    """Reads the names of one message. ``end`` and ``length`` describe the last name read.

    ``end`` is the position after it; ``length`` its uncompressed size in bytes, without the root.
    """

    __slots__ = ("data", "end", "first", "first_at", "known", "length", "plain", "table")

    def __init__(self, data: bytes) -> None:
        self.begin(data)

    def begin(self, data: bytes) -> None:
        """Initialise the attributes of `Names`; faster than a constructor that calls its base's."""
        self.data = data
        self.table = AS_SENT
        """Characters of plain bytes: `AS_SENT` or `LOWER`."""
        self.first_at = 0
        self.first: tuple[str, int] | None = None
        """Text and length of the first name that was read, at offset ``first_at``."""
        self.known: dict[int, tuple[str, int]] | None = None
        """By offset, those of the names that were read after it: many messages have but one."""
        self.end = 0
        self.length = 0
        self.plain = True
        """All labels consist of letters, digits, hyphens and underscores."""

    def read(self, start: int, jumps: int = 0) -> str:
        """Text of the name at ``start``.

        Compression pointers must point to an offset before their own name, so that no loop is possible.
        """
        data = self.data
        size = len(data)
        pos = start
        while pos < size:
            step = data[pos]
            if step == 0:
                length = pos - start
                if length > 254:
                    raise DissectError("name is longer than 255 bytes")
                text = self.labels(start, pos)
                self.end = pos + 1
                self.length = length
                self.keep(start, (text, length))
                return text
            if step >= 0xC0:
                return self.pointed(start, pos, jumps)
            if step > 63:
                raise DissectError("unknown label type {kind}", kind=step >> 6)
            pos += step + 1
        raise DissectError("truncated name")

    def labels(self, start: int, end: int) -> str:
        """Text of the labels between two positions at most 254 bytes apart, whose lengths were checked."""
        data = self.data
        table = self.table
        text = _SCRATCH
        size = 0
        pos = start
        while pos < end:
            after = pos + 1 + data[pos]
            if size:
                text[size] = 46  # a dot
                size += 1
            for i in range(pos + 1, after):
                byte = table[data[i]]
                if not byte:
                    self.plain = False
                    raw = data[start:end]  # whose lengths are no letters
                    return _escaped(raw.lower() if table is LOWER else raw)
                text[size] = byte
                size += 1
            pos = after
        return text[:size].decode("ascii")

    def pointed(self, start: int, pos: int, jumps: int) -> str:
        """Complete a name whose labels end in a compression pointer at ``pos``."""
        data = self.data
        if pos + 1 >= len(data):
            raise DissectError("truncated compression pointer")
        target = ((data[pos] & 0x3F) << 8) | data[pos + 1]
        known = self.first if target == self.first_at else None
        if known is None and self.known is not None:
            known = self.known.get(target)
        if target >= start or (known is None and target < 12):
            raise DissectError("compression pointer does not point to an earlier name")
        if known is None:
            if jumps >= MAX_JUMPS:
                raise DissectError("too many compression pointers in a name")
            text = self.read(target, jumps + 1)
            known = (text, self.length)
        else:
            text = known[0]
            self.length = known[1]
        if pos > start:
            length = self.length + pos - start
            if length > 254:
                raise DissectError("name is longer than 255 bytes")
            head = self.labels(start, pos)
            if text:
                head = f"{head}.{text}"
            text = head
            known = (text, length)
            self.length = length
        self.end = pos + 2
        self.keep(start, known)
        return text

    def keep(self, start: int, name: tuple[str, int]) -> None:
        """Remember a name for the pointers that may point to it."""
        if self.first is None:
            self.first = name
            self.first_at = start
        elif start <= MAX_TARGET:
            if self.known is None:
                self.known = {}
            self.known[start] = name
