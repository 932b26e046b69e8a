"""NetBIOS name, datagram and session service (RFC 1001, 1002): headers, names and addresses."""

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads.page import CutError, Page
from rustnet.export.redacted_packets.payloads.replacing import fit, replacements
from rustnet.policy.redaction import REDACTED
from rustnet.records import Kind

NAME_BYTES = 15
"""Characters of a name, which is followed by a suffix."""
MAX_LABELS = 16
_BROWSE = b"\1\2__MSBROWSE__\2"
_NB, _NBSTAT = 0x20, 0x21
_SESSION_REQUEST, _KEEPALIVE = 0x81, 0x85


def write_datagram(page: Page, context: PayloadContext) -> None:
    """Write a message of the name or of the datagram service."""
    if 138 in (context.source_port, context.destination_port):
        _datagram(page, context)
    else:
        _name_service(page, context)


def write_stream(page: Page, context: PayloadContext) -> None:
    """Write the packets of a session before its first message."""
    pos = 0
    while True:
        kind, size = page.u8(pos), page.u16(pos + 2)
        if kind not in (_SESSION_REQUEST, 0x82, 0x83, _KEEPALIVE) or page.u8(pos + 1):
            raise CutError
        page.keep(pos, pos + 4)
        if kind == _SESSION_REQUEST:
            end = _name(page, _name(page, pos + 4, context), context)
            if end > pos + 4 + size:
                raise CutError
        elif kind == 0x83:
            page.keep(pos + 4, pos + 5)
        pos += 4 + size


def plain_name(raw: bytes, context: PayloadContext) -> bytes:
    """Replacement of a name's 15 characters."""
    if not raw.strip(b" \0") or (raw.startswith(_BROWSE) and context.redactor.policy.kept.words):
        return raw
    end = len(raw.rstrip(b" \0"))
    text = raw[:end].decode("latin-1")
    shown = context.redactor.value(Kind.HOST, text)
    if shown == REDACTED:
        return b"X" * end + raw[end:]
    size = min(len(shown), NAME_BYTES)
    return fit(shown, size).ljust(NAME_BYTES, raw[NAME_BYTES - 1 :] if raw[-1:] in (b" ", b"\0") else b" ")


def _name(page: Page, pos: int, context: PayloadContext) -> int:
    """Write a name with its scope, or a pointer; return the position after it."""
    if page.u8(pos) >= 0xC0:
        page.keep(pos, pos + 2)
        return pos + 2
    letters = page.data[pos + 1 : pos + 33]
    if page.data[pos] != 32 or any(not 65 <= letter <= 80 for letter in letters) or len(letters) < 32:
        raise CutError
    raw = bytes((letters[at] - 65) << 4 | (letters[at + 1] - 65) for at in range(0, 32, 2))
    page.keep(pos, pos + 1)
    replaced = plain_name(raw[:NAME_BYTES], context) + raw[NAME_BYTES:]
    page.put(pos + 1, bytes(65 + half for byte in replaced for half in (byte >> 4, byte & 15)))
    return _scope(page, pos + 33, context)


def _scope(page: Page, pos: int, context: PayloadContext) -> int:
    """Write the labels after a name; return the position after them."""
    names = replacements(context)
    for _ in range(MAX_LABELS):
        size = page.u8(pos)
        if size == 0:
            page.keep(pos, pos + 1)
            return pos + 1
        if size >= 0xC0:
            page.keep(pos, pos + 2)
            return pos + 2
        if size > 63:
            raise CutError
        page.need(pos + 1 + size)
        page.keep(pos, pos + 1)
        page.put(pos + 1, names.name((page.data[pos + 1 : pos + 1 + size],))[0])
        pos += 1 + size
    raise CutError


def _name_service(page: Page, context: PayloadContext) -> None:
    page.keep(0, 12)
    asked = page.u16(4)
    records = page.u16(6) + page.u16(8) + page.u16(10)
    if asked > 1 or records > 2:
        raise CutError
    pos = 12
    for _ in range(asked):
        pos = _name(page, pos, context)
        page.keep(pos, pos + 4)
        pos += 4
    for _ in range(records):
        pos = _name(page, pos, context)
        page.need(pos + 10)
        start = pos + 10
        stop = start + page.u16(pos + 8)
        page.need(stop)
        page.keep(pos, start)
        kind = page.u16(pos)
        if kind == _NB:
            for at in range(start, stop - 5, 6):
                page.keep(at, at + 2)
                page.put(at + 2, context.addresses.ipv4[page.data[at + 2 : at + 6]])
        elif kind == _NBSTAT and stop > start:
            _status(page, start, stop, context)
        page.blank(start, stop)
        pos = stop


def _status(page: Page, pos: int, stop: int, context: PayloadContext) -> None:
    """Names of a node, and its hardware address."""
    count = page.u8(pos)
    end = pos + 1 + 18 * count
    if end > stop:
        raise CutError
    page.keep(pos, pos + 1)
    for at in range(pos + 1, end, 18):
        page.put(at, plain_name(page.data[at : at + NAME_BYTES], context))
        page.keep(at + NAME_BYTES, at + 18)
    if end + 6 <= stop:
        unit = page.data[end : end + 6]
        page.put(end, context.addresses.hardware[unit] if any(unit) else unit)


def _datagram(page: Page, context: PayloadContext) -> None:
    """Write the header and the names of a datagram; its content is cut."""
    kind = page.u8(0)
    if not 0x10 <= kind <= 0x16:
        raise CutError
    page.keep(0, 4)
    page.put(4, context.addresses.ipv4[page.data[4:8]] if page.size >= 8 else b"")
    page.put(8, context.redactor.numbers.port(page.u16(8)).to_bytes(2))
    if kind == 0x13:
        page.keep(10, 11)
    elif kind > 0x13:
        _name(page, 10, context)
    else:
        page.keep(10, 14)
        _name(page, _name(page, 14, context), context)
