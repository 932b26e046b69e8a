"""DHCP for IPv4 (RFC 2131, 2132): header, addresses, names, and options that identify nobody."""

from collections.abc import Callable

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads.dns import Message, network
from rustnet.export.redacted_packets.payloads.page import CutError, Page
from rustnet.export.redacted_packets.payloads.replacing import HIDDEN, Replacements, replacements
from rustnet.records import Kind

COOKIE = b"\x63\x82\x53\x63"
MAX_OPTIONS = 512
_SERVER_NAME, _FILE, _OPTIONS = 44, 108, 236
_END = 255
_ETHERNET = 1

Option = Callable[[Page, int, int, PayloadContext], None]


def write(page: Page, context: PayloadContext) -> None:
    """Write one message."""
    page.need(_OPTIONS)
    data = page.data
    if data[0] not in (1, 2):
        raise CutError
    page.keep(0, 12)
    for at in range(12, 28, 4):
        page.put(at, context.addresses.ipv4[data[at : at + 4]])
    _hardware(page, 28, 16, data[2], context)
    overload = _overload(page)
    _text_field(page, _SERVER_NAME, _FILE, context, Kind.HOST, options=bool(overload & 2))
    _text_field(page, _FILE, _OPTIONS, context, Kind.PATH, options=bool(overload & 1))
    if data[_OPTIONS : _OPTIONS + 4] == COOKIE:
        page.keep(_OPTIONS, _OPTIONS + 4)
        options(page, _OPTIONS + 4, page.size, context)


def _overload(page: Page) -> int:
    """Which of the header's texts have options instead (option 52)."""
    pos = _OPTIONS + 4
    for _ in range(MAX_OPTIONS):
        if pos + 2 >= page.size or page.data[pos] == _END:
            return 0
        if page.data[pos] == 52:
            return page.data[pos + 2]
        pos += 1 if page.data[pos] == 0 else 2 + page.data[pos + 1]
    return 0


def _hardware(page: Page, pos: int, room: int, size: int, context: PayloadContext) -> None:
    if size == 6:
        unit = page.data[pos : pos + 6]
        page.put(pos, context.addresses.hardware[unit] if any(unit) else unit)
    page.blank(pos, pos + room)


def _text_field(page: Page, start: int, stop: int, context: PayloadContext, kind: Kind, *, options: bool) -> None:
    """Write a text of the header that ends with a zero, or the options in its place."""
    if options:
        options_in(page, start, stop, context)
    else:
        text = page.data[start:stop].split(b"\0")[0]
        names = replacements(context)
        page.put(start, names.host(text) if kind is Kind.HOST else names.text(kind, text))
    page.blank(start, stop)


def options_in(page: Page, start: int, stop: int, context: PayloadContext) -> None:
    """Write options of the header as far as they are understood."""
    try:
        options(page, start, stop, context)
    except CutError:
        return


def options(page: Page, pos: int, stop: int, context: PayloadContext) -> None:
    """Write options up to the end mark; what follows it are zeros."""
    for _ in range(MAX_OPTIONS):
        if pos >= stop:
            return
        code = page.u8(pos)
        if code == 0:
            page.keep(pos, pos + 1)
            pos += 1
            continue
        if code == _END:
            page.keep(pos, pos + 1)
            page.blank(pos, stop)
            return
        start = pos + 2
        end = start + page.u8(pos + 1)
        if end > stop:
            raise CutError
        page.keep(pos, start)
        _option(page, code, start, end, context)
        page.blank(start, end)
        pos = end
    raise CutError


def _option(page: Page, code: int, start: int, end: int, context: PayloadContext) -> None:
    names = replacements(context)
    if code in _KEPT and end - start <= _KEPT[code]:
        page.keep(start, end)
    elif code in _ADDRESSES:
        for at in range(start, end - 3, 4):
            page.put(at, context.addresses.ipv4[page.data[at : at + 4]])
    elif code in _TEXTS:
        text = page.data[start:end].rstrip(b"\0")
        page.put(start, names.host(text) if _TEXTS[code] is Kind.HOST else names.text(_TEXTS[code], text))
    elif code in _OTHERS:
        _OTHERS[code](page, start, end, context)


def _parameters(page: Page, start: int, end: int, context: PayloadContext) -> None:
    if replacements(context).keeps(Kind.FINGERPRINT):
        page.keep(start, end)


def _client_id(page: Page, start: int, end: int, context: PayloadContext) -> None:
    if end - start == 7 and page.data[start] == _ETHERNET:
        page.keep(start, start + 1)
        page.put(start + 1, context.addresses.hardware[page.data[start + 1 : end]])
    elif end > start:
        page.keep(start, start + 1)
        page.put(start + 1, replacements(context).opaque(page.data[start + 1 : end]))


def _full_name(page: Page, start: int, end: int, context: PayloadContext) -> None:
    """Client FQDN (RFC 4702): flags and results, then a text, or labels."""
    if end - start < 3:
        return
    page.keep(start, start + 3)
    raw = page.data[start + 3 : end]
    if page.data[start] & 4:
        page.put(start + 3, wire_names(raw, context))
    else:
        page.put(start + 3, replacements(context).host(raw.rstrip(b"\0")))


def wire_names(raw: bytes, context: PayloadContext) -> bytes:
    """Replacement of names as DNS has them, one after the other; the last may be incomplete."""
    message = Message(raw, replacements(context), context)
    pos = 0
    try:
        while pos < len(raw):
            pos = message.name(pos)
    except (CutError, IndexError):
        return bytes(message.out[:pos]) + _open_name(raw[pos:], message.names)
    return bytes(message.out)


def _open_name(raw: bytes, names: Replacements) -> bytes:
    """Replacement of a name without its end; zeros for anything else."""
    labels, pos = [], 0
    while pos < len(raw) and 0 < raw[pos] < 64 and pos + 1 + raw[pos] <= len(raw):
        labels.append(raw[pos + 1 : pos + 1 + raw[pos]])
        pos += 1 + raw[pos]
    if pos != len(raw):
        return bytes(len(raw))
    return b"".join(bytes((len(label),)) + label for label in names.name(tuple(labels)))


def _domains(page: Page, start: int, end: int, context: PayloadContext) -> None:
    page.put(start, wire_names(page.data[start:end], context))


def _routes(page: Page, start: int, end: int, context: PayloadContext) -> None:
    """Classless routes (RFC 3442): prefix length, the octets that it covers, and a router."""
    message = Message(b"", replacements(context), context)
    pos = start
    while pos < end:
        bits = page.u8(pos)
        router = pos + 1 + (bits + 7) // 8
        if bits > 32 or router + 4 > end:
            return
        page.keep(pos, pos + 1)
        page.put(pos + 1, network(message, 1, bits, page.data[pos + 1 : router]))
        page.put(router, context.addresses.ipv4[page.data[router : router + 4]])
        pos = router + 4


def _user_class(page: Page, start: int, end: int, context: PayloadContext) -> None:
    raw = page.data[start:end]
    at = start + 1 if raw and raw[0] == len(raw) - 1 else start
    page.keep(start, at)
    page.put(at, replacements(context).text(Kind.OBJECT, page.data[at:end]))


def _error(page: Page, start: int, end: int, _context: PayloadContext) -> None:
    page.put(start, HIDDEN * (end - start))


def _relay(page: Page, start: int, end: int, context: PayloadContext) -> None:
    """Relay agent (RFC 3046): codes and lengths, identifiers of circuits and of relays."""
    pos = start
    while pos + 2 <= end:
        after = pos + 2 + page.data[pos + 1]
        if after > end:
            return
        page.keep(pos, pos + 2)
        page.put(pos + 2, replacements(context).opaque(page.data[pos + 2 : after]))
        pos = after


_KEPT = {
    1: 4, 2: 4, 13: 2, 19: 1, 20: 1, 22: 2, 23: 1, 24: 4, 26: 2, 27: 1, 29: 1, 30: 1, 31: 1, 34: 1, 35: 4, 36: 1, 37: 1,
    38: 4, 39: 1, 46: 1, 51: 4, 52: 1, 53: 1, 57: 2, 58: 4, 59: 4, 80: 0, 93: 2, 94: 3, 108: 4, 116: 1,
}  # fmt: skip
"""Options with numbers, and how many bytes these have."""
_ADDRESSES = frozenset(
    (3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 28, 32, 33, 41, 42, 44, 45, 48, 49, 50, 54, 65, 68, 69, 70, 71, 118, 138, 150)
)
_TEXTS = {
    12: Kind.HOST, 15: Kind.HOST, 66: Kind.HOST, 60: Kind.SOFTWARE, 67: Kind.PATH, 17: Kind.PATH, 252: Kind.URI,
    114: Kind.URI, 100: Kind.FREE_TEXT, 101: Kind.FREE_TEXT,
}  # fmt: skip
_OTHERS: dict[int, Option] = {
    55: _parameters,
    56: _error,
    61: _client_id,
    77: _user_class,
    81: _full_name,
    82: _relay,
    97: _client_id,
    119: _domains,
    121: _routes,
    249: _routes,
}
