"""QUIC (RFC 8999, 9000): first bytes, versions, and connection ids as others of the same length; the rest is cut."""

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads.page import CutError, Page
from rustnet.export.redacted_packets.payloads.replacing import replacements

MAX_ID = 20


def write(page: Page, context: PayloadContext) -> None:
    """Write the beginning of the first packet of a datagram."""
    first = page.u8(0)
    if first < 0x80:
        page.put(0, bytes((first & 0xE0,)))  # form and spin bit; the others are encrypted, ids have no length here
        return
    page.put(0, bytes((first & 0xF0,)))
    page.keep(1, 5)
    names = replacements(context)
    pos = 5
    for _ in range(2):
        size = page.u8(pos)
        if size > MAX_ID:
            raise CutError
        page.need(pos + 1 + size)
        page.keep(pos, pos + 1)
        page.put(pos + 1, names.opaque(page.data[pos + 1 : pos + 1 + size]))
        pos += 1 + size
