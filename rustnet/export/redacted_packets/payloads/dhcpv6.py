"""DHCP for IPv6 (RFC 8415): types, addresses, identifiers, names, and numbers; relays' messages as well."""

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads.dhcp import wire_names
from rustnet.export.redacted_packets.payloads.dns import Message, network
from rustnet.export.redacted_packets.payloads.page import CutError, Page
from rustnet.export.redacted_packets.payloads.replacing import HIDDEN, replacements
from rustnet.records import Kind

MAX_DEPTH = 8
MAX_OPTIONS = 256
_RELAYED = (12, 13)
_TYPES = range(1, 37)
_ETHERNET = (1, 6)
_KEPT = {7: 1, 8: 2, 14: 0, 19: 1, 20: 0, 32: 4, 82: 4, 83: 4}
"""Options with numbers, and how many bytes these have."""
_NESTED = {3: 12, 4: 4, 25: 12, 5: 24, 26: 25}
"""Options that have others within, and where these begin."""


def write(page: Page, context: PayloadContext) -> None:
    """Write one message."""
    _message(page, 0, page.size, context, 0)


def _message(page: Page, pos: int, stop: int, context: PayloadContext, depth: int) -> None:
    kind = page.u8(pos)
    if kind not in _TYPES or depth > MAX_DEPTH:
        raise CutError
    if kind not in _RELAYED:
        page.keep(pos, pos + 4)
        _options(page, pos + 4, stop, context, depth)
        return
    page.need(pos + 34)
    page.keep(pos, pos + 2)
    for at in (pos + 2, pos + 18):
        page.put(at, context.addresses.ipv6[page.data[at : at + 16]])
    _options(page, pos + 34, stop, context, depth)


def _options(page: Page, pos: int, stop: int, context: PayloadContext, depth: int) -> None:
    for _ in range(MAX_OPTIONS):
        if pos + 4 > stop:
            return
        code, start = page.u16(pos), pos + 4
        end = start + page.u16(pos + 2)
        if end > stop:
            raise CutError
        page.keep(pos, start)
        if code == 9:
            _message(page, start, end, context, depth + 1)
        elif code in _NESTED and end - start >= _NESTED[code]:
            if depth > MAX_DEPTH:
                raise CutError
            _head(page, code, start, context)
            _options(page, start + _NESTED[code], end, context, depth + 1)
        else:
            _option(page, code, start, end, context)
        page.blank(start, end)
        pos = end


def _head(page: Page, code: int, start: int, context: PayloadContext) -> None:
    """Fixed part of an option that has others within."""
    if code == 5:
        page.put(start, context.addresses.ipv6[page.data[start : start + 16]])
        page.keep(start + 16, start + 24)
    elif code == 26:
        page.keep(start, start + 9)
        message = Message(b"", replacements(context), context)
        page.put(start + 9, network(message, 2, page.data[start + 8], page.data[start + 9 : start + 25]))
    else:
        page.put(start, replacements(context).opaque(page.data[start : start + 4]))
        page.keep(start + 4, start + _NESTED[code])


def _option(page: Page, code: int, start: int, end: int, context: PayloadContext) -> None:
    names, data, size = replacements(context), page.data, end - start
    if code in _KEPT:
        page.keep(start, min(end, start + _KEPT[code]))
    elif code in (1, 2):
        identifier(page, start, end, context)
    elif code == 6 and names.keeps(Kind.FINGERPRINT):
        page.keep(start, end)
    elif code in (22, 23, 27, 31, 12):
        for at in range(start, end - 15, 16):
            page.put(at, context.addresses.ipv6[data[at : at + 16]])
    elif code in (21, 24):
        page.put(start, wire_names(data[start:end], context))
    elif code == 39 and size:
        page.keep(start, start + 1)
        page.put(start + 1, wire_names(data[start + 1 : end], context))
    elif code == 13 and size >= 2:
        page.keep(start, start + 2)
        page.put(start + 2, HIDDEN * (size - 2))
    elif code == 16 and size > 6:
        page.keep(start, start + 6)
        page.put(start + 6, names.text(Kind.SOFTWARE, data[start + 6 : end]))
    elif code == 17 and size >= 4:
        page.keep(start, start + 4)
    elif code == 79 and size == 8 and page.u16(start) in _ETHERNET:  # the client's hardware address (RFC 6939)
        page.keep(start, start + 2)
        page.put(start + 2, context.addresses.hardware[data[start + 2 : end]])
    elif code == 18:
        page.put(start, names.opaque(data[start:end]))


def identifier(page: Page, start: int, end: int, context: PayloadContext) -> None:
    """DHCP's unique identifier (RFC 8415, 11): its type, a hardware address, or other bytes."""
    if end - start < 4:
        return
    kind = page.u16(start)
    page.keep(start, start + 2)
    at = {1: 8, 3: 4}.get(kind)
    if at is not None and end - start == at + 6 and page.u16(start + 2) in _ETHERNET:
        page.keep(start + 2, start + 4)
        page.blank(start + 4, start + at)
        unit = page.data[start + at : end]
        page.put(start + at, context.addresses.hardware[unit] if any(unit) else unit)
        return
    if kind == 2 and end - start >= 6:
        page.keep(start + 2, start + 6)
        page.put(start + 6, replacements(context).opaque(page.data[start + 6 : end]))
        return
    page.put(start + 2, replacements(context).opaque(page.data[start + 2 : end]))
