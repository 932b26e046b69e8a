"""DTLS (RFC 6347, 9147): headers of records and of handshake fragments, and hellos that are in one fragment."""

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads.page import CutError, Page
from rustnet.export.redacted_packets.payloads.replacing import Replacements, replacements
from rustnet.export.redacted_packets.payloads.tls import ALERT, CHANGE, CLIENT_HELLO, HANDSHAKE, SERVER_HELLO, Hello

_ACK = 26
_VERSIONS = frozenset((0xFEFF, 0xFEFD, 0xFEFC, 0x0100))
_HEADER, _FRAGMENT = 13, 12


def write(page: Page, context: PayloadContext) -> None:
    """Write the records of a datagram."""
    names = replacements(context)
    pos = 0
    if 0x20 <= page.u8(0) < 0x40:  # the unified header of DTLS 1.3: what follows has no fixed size
        page.put(0, bytes((page.data[0] & 0xEC,)))
        return
    while pos < page.size:
        kind, size = page.u8(pos), page.u16(pos + 11)
        if not CHANGE <= kind <= _ACK or page.u16(pos + 1) not in _VERSIONS:
            raise CutError
        start, stop = pos + _HEADER, pos + _HEADER + size
        page.keep(pos, start)
        if page.u16(pos + 3) == 0:
            page.need(stop)
            if kind == HANDSHAKE:
                _fragments(page, start, stop, names)
            elif (kind == CHANGE and size == 1) or (kind == ALERT and size == 2):
                page.keep(start, stop)
        pos = stop


def _fragments(page: Page, pos: int, stop: int, names: Replacements) -> None:
    """Write the handshake fragments of one record."""
    while pos + _FRAGMENT <= stop:
        start = pos + _FRAGMENT
        size, offset, part = page.u24(pos + 1), page.u24(pos + 6), page.u24(pos + 9)
        if start + part > stop or offset + part > size:
            raise CutError
        page.keep(pos, start)
        kind = page.data[pos]
        if part == size and kind in (CLIENT_HELLO, SERVER_HELLO):
            client = kind == CLIENT_HELLO
            Hello(page, start + part, names, client=client).write(start, cookie=client)
        page.blank(start, start + part)
        pos = start + part
