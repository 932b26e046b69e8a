"""STUN and TURN (RFC 8489, 8656), RTP and RTCP (RFC 3550), and DTLS in the same flow, told apart as RFC 7983 does."""

from zlib import crc32

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads import dtls
from rustnet.export.redacted_packets.payloads.page import CutError, Page
from rustnet.export.redacted_packets.payloads.replacing import HIDDEN, replacements
from rustnet.records import Kind

COOKIE = b"\x21\x12\xa4\x42"
MAX_ATTRIBUTES = 128
_PLAIN = frozenset((0x01, 0x02, 0x04, 0x05, 0x0B, 0x802B, 0x802C, 0x8023))
"""Attributes with an address."""
_MASKED = frozenset((0x12, 0x16, 0x20, 0x8020))
"""Attributes with an address that is combined with the cookie and the transaction."""
_KEPT = {0x0C: 4, 0x0D: 4, 0x03: 4, 0x17: 4, 0x18: 1, 0x19: 4, 0x24: 4, 0x25: 0, 0x26: 0, 0x27: 4, 0x1A: 0}
_TEXTS = {0x06: Kind.USER, 0x14: Kind.HOST, 0x8022: Kind.SOFTWARE}
_NONCE, _ERROR, _FINGERPRINT = 0x15, 0x09, 0x8028
_TIEBREAKERS = (0x8029, 0x802A)


def write(page: Page, context: PayloadContext) -> None:
    """Write one datagram."""
    first = page.u8(0)
    if first < 4:
        _stun(page, context)
    elif 20 <= first < 64:
        dtls.write(page, context)
    elif 64 <= first < 80:
        page.keep(0, 4)  # data of a TURN channel
    elif 128 <= first < 192:
        _rtp(page, context)


def write_stream(page: Page, _context: PayloadContext) -> None:
    """Keep the header of the first message over TCP."""
    if page.u8(0) < 4 and page.data[4:8] == COOKIE:
        page.keep(0, 8)


def _stun(page: Page, context: PayloadContext) -> None:
    page.need(20)
    page.keep(0, 4)
    cookie = page.data[4:8] == COOKIE
    names = replacements(context)
    if cookie:
        page.keep(4, 8)
    page.put(8 if cookie else 4, names.opaque(page.data[8 if cookie else 4 : 20]))
    pos, end = 20, 20 + page.u16(2)
    page.need(end)
    for _ in range(MAX_ATTRIBUTES):
        if pos + 4 > end:
            return
        kind, start = page.u16(pos), pos + 4
        stop = start + page.u16(pos + 2)
        if stop > end:
            raise CutError
        page.keep(pos, start)
        if kind == _FINGERPRINT and stop - start == 4:
            page.put(start, (crc32(page.out[:pos]) ^ 0x5354554E).to_bytes(4))
        else:
            _attribute(page, kind, start, stop, context)
        pos = min(end, start + ((stop - start + 3) & ~3))
        page.blank(start, pos)


def _attribute(page: Page, kind: int, start: int, stop: int, context: PayloadContext) -> None:
    names, size = replacements(context), stop - start
    if kind in _KEPT:
        page.keep(start, min(stop, start + _KEPT[kind]))
    elif kind in _PLAIN or kind in _MASKED:
        _address(page, start, size, context, masked=kind in _MASKED)
    elif kind in _TEXTS:
        text = page.data[start:stop].rstrip(b"\0")
        page.put(start, names.host(text) if _TEXTS[kind] is Kind.HOST else names.text(_TEXTS[kind], text))
    elif kind == _NONCE:
        page.put(start, HIDDEN * size)
    elif kind == _ERROR and size >= 4:
        page.keep(start, start + 4)
        page.put(start + 4, HIDDEN * (size - 4))
    elif kind in _TIEBREAKERS:
        page.put(start, names.opaque(page.data[start:stop]))


def _address(page: Page, start: int, size: int, context: PayloadContext, *, masked: bool) -> None:
    """Replace an address and its port, which may be combined with the bytes of the header."""
    family = page.u8(start + 1) if size >= 8 else 0
    width = {1: 4, 2: 16}.get(family, 0)
    if not width or size < 4 + width:
        return
    before = int.from_bytes(page.data[4 : 4 + width]) if masked else 0
    after = int.from_bytes(page.out[4 : 4 + width]) if masked else 0
    known = context.addresses.ipv4 if width == 4 else context.addresses.ipv6
    original = (int.from_bytes(page.data[start + 4 : start + 4 + width]) ^ before).to_bytes(width)
    mask = int.from_bytes(COOKIE[:2]) if masked else 0
    page.keep(start, start + 2)
    page.put(start + 2, (context.redactor.numbers.port(page.u16(start + 2) ^ mask) ^ mask).to_bytes(2))
    page.put(start + 4, (int.from_bytes(known[original]) ^ after).to_bytes(width))


def _rtp(page: Page, context: PayloadContext) -> None:
    """Header of a media packet, or the first one of a report (RFC 5761 tells them apart)."""
    names = replacements(context)
    page.need(8)
    if 192 <= page.data[1] <= 223:
        page.keep(0, 4)
        page.put(4, names.opaque(page.data[4:8]))
        return
    sources = page.data[0] & 15
    page.need(12 + 4 * sources)
    page.keep(0, 8)
    for at in range(8, 12 + 4 * sources, 4):
        page.put(at, names.opaque(page.data[at : at + 4]))
    if page.data[0] & 0x10 and page.size >= 16 + 4 * sources:
        page.keep(12 + 4 * sources, 16 + 4 * sources)
