"""QUIC (RFC 8999, 9000, 9369): long headers with other connection ids of the same length; contents are zeros.

Whoever has the connection id of an Initial packet can decrypt it, so nothing of its content stays. Of packets with a
short header only the first bits are kept.
"""

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads.page import CutError, Page
from rustnet.export.redacted_packets.payloads.replacing import Replacements, replacements

MAX_ID = 20
MAX_PACKETS = 16
"""Packets in one datagram."""
MAX_VERSIONS = 64
_VERSION_2 = frozenset((0x6B3343CF, 0x709A50C4))
_Q046 = 0x51303436
_INITIAL, _RETRY = 0, 3
_KINDS_2 = (3, 0, 1, 2)
"""Kinds of packets by their number in version 2."""


def write(page: Page, context: PayloadContext) -> None:
    """Write the packets of a datagram."""
    names = replacements(context)
    pos = 0
    for _ in range(MAX_PACKETS):
        if pos >= page.size:
            return
        first = page.data[pos]
        if first < 0x80:
            # The form and the spin bit; the others are encrypted, and the connection id has no length here.
            page.put(pos, bytes((first & 0xE0,)))
            return
        pos = _long(page, pos, names)


def _long(page: Page, pos: int, names: Replacements) -> int:
    """Write a packet with a long header; return the position after it."""
    first, version = page.u8(pos), page.u32(pos + 1)
    page.put(pos, bytes((first & 0xF0,)))
    page.keep(pos + 1, pos + 5)
    if version == _Q046:
        raise CutError
    at = pos + 5
    for _ in range(2):
        size = page.u8(at)
        if size > MAX_ID:
            raise CutError
        page.need(at + 1 + size)
        page.keep(at, at + 1)
        page.put(at + 1, names.opaque(page.data[at + 1 : at + 1 + size]))
        at += 1 + size
    if version == 0:
        page.keep(at, at + min((page.size - at) & ~3, 4 * MAX_VERSIONS))
        return page.size
    number = first >> 4 & 3
    kind = _KINDS_2[number] if version in _VERSION_2 else number
    if kind == _RETRY:
        page.blank(at, page.size)
        return page.size
    if kind == _INITIAL:
        token, start = _number(page, at)
        page.keep(at, start)
        page.blank(start, start + token)
        at = start + token
    size, start = _number(page, at)
    page.keep(at, start)
    end = min(start + size, page.size)
    page.blank(start, end)
    return end


def _number(page: Page, pos: int) -> tuple[int, int]:
    """Integer of variable length (RFC 9000, 16), and the position after it."""
    first = page.u8(pos)
    end = pos + (1 << (first >> 6))
    page.need(end)
    return int.from_bytes(page.data[pos:end]) & ((1 << (8 * (end - pos) - 2)) - 1), end
