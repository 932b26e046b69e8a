"""BSON (bsonspec.org; no RFC), as far as MongoDB's commands need it: the elements of a document, level by level."""

from collections.abc import Iterator

from rustnet.dissect.framework.conversation import DissectError

MAX_ELEMENTS = 64
"""Elements of a document that are read."""
_STRING, _DOCUMENT, _ARRAY, _BINARY, _REGEX = 0x02, 0x03, 0x04, 0x05, 0x0B
_SIZES = {
    0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0xFF: 0, 0x7F: 0,
}  # fmt: skip
"""Bytes of the values of fixed size."""
_COUNTED = {0x02: 4, 0x0D: 4, 0x0E: 4, 0x03: 0, 0x04: 0, 0x0F: 0, 0x05: 5}
"""Size of a value in addition to the length at its beginning."""


def elements(data: bytes, pos: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Type, name and value of the elements of the document at ``pos``, up to the first truncated one.

    A string is without its length and end, a binary is its content, a document or array is complete.
    """
    total = int.from_bytes(data[pos : pos + 4], "little")
    if total < 5:
        raise DissectError("BSON document length {length} is too small", length=total)
    end = min(len(data), pos + total)
    pos += 4
    for _ in range(MAX_ELEMENTS):
        name_end = data.find(b"\0", pos + 1, end)
        if pos >= end or data[pos] == 0 or name_end < 0:
            return
        kind = data[pos]
        name = data[pos + 1 : name_end]
        start = name_end + 1
        size = _SIZES.get(kind)
        if size is None:
            more = _COUNTED.get(kind)
            if more is None or start + 4 > end:
                return
            size = int.from_bytes(data[start : start + 4], "little") + more
        pos = start + size
        if pos > end:
            return
        if kind == _STRING:
            yield kind, name, data[start + 4 : max(start + 4, pos - 1)]
        elif kind == _BINARY:
            yield kind, name, data[start + 5 : pos]
        else:
            yield kind, name, data[start:pos]
