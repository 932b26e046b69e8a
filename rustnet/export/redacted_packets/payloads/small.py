"""Protocols of which little is kept: types, versions, and numbers of messages."""

import re

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads.page import CutError, Page
from rustnet.export.redacted_packets.payloads.replacing import HIDDEN, replacements

_CLOCKS = frozenset((
    b"GPS\0", b"PPS\0", b"LOCL", b"GOES", b"GAL\0", b"IRIG", b"WWVB", b"DCF\0", b"DCFa", b"DCFp", b"HBG\0", b"MSF\0",
    b"JJY\0", b"TDF\0", b"CHU\0", b"WWV\0", b"WWVH", b"NIST", b"ACTS", b"USNO", b"PTB\0", b"GNSS", b"GLON", b"BDS\0",
    b"PTP\0", b"ATOM", b"CDMA", b"LORC", b"GOOG", b"SHM\0", b"NMEA", b"FREQ", b"INIT", b"STEP", b"RATE", b"DENY",
    b"RSTR", b"DROP", b"ACST", b"AUTH", b"AUTO", b"BCST", b"CRYP", b"MCST", b"NKEY", b"NTSN", b"RMOT", bytes(4),
))  # fmt: skip
"""Reference clocks and kiss codes of NTP."""
_PRIORITY = re.compile(rb"<\d{1,3}>").match
_SIP_REQUEST = re.compile(
    rb"(?:INVITE|ACK|BYE|CANCEL|OPTIONS|REGISTER|PRACK|SUBSCRIBE|NOTIFY|PUBLISH|INFO|REFER|MESSAGE|UPDATE) "
).match
_SIP_STATUS = re.compile(rb"SIP/2\.0 \d{3} ").match


def write_ntp(page: Page, context: PayloadContext) -> None:
    """NTP (RFC 5905): all of the header; the reference by what it is, times shifted as others, keys cut."""
    mode = page.u8(0) & 7
    if mode >= 6:
        page.keep(0, min(page.size, 12 if mode == 6 else 8))
        return
    page.need(48)
    page.keep(0, 12)
    reference = page.data[12:16]
    if page.data[1] > 1:
        page.put(12, context.addresses.ipv4[reference])
    else:
        page.put(12, reference if reference in _CLOCKS else HIDDEN * 4)
    for at in range(16, 48, 8):
        page.put(at, _moment(page.data[at : at + 8], context))


def _moment(raw: bytes, context: PayloadContext) -> bytes:
    """Shift a moment by as much as others are shifted; zero, which stands for none, stays."""
    span = context.redactor.moments.span_ns
    if not span or not any(raw):
        return raw
    return ((int.from_bytes(raw) + (span << 32) // 1_000_000_000) % (1 << 64)).to_bytes(8)


def write_snmp(page: Page, _context: PayloadContext) -> None:
    """SNMP (RFC 3416): version, type, number, and status of a message; the community is hidden, objects are cut."""
    pos, _ = _ber(page, 0, 0x30)
    pos, end = _ber(page, pos, 0x02)
    if end - pos != 1:
        raise CutError
    page.keep(pos, end)
    if page.data[pos] > 1:
        return
    pos, end = _ber(page, end, 0x04)
    page.put(pos, HIDDEN * (end - pos))
    pos, _ = _ber(page, end, None)
    if not 0xA0 <= page.data[end] <= 0xA8 or page.data[end] == 0xA4:
        return
    for _field in range(3):
        pos, end = _ber(page, pos, 0x02)
        if end - pos > 5:
            raise CutError
        page.keep(pos, end)
        pos = end


def _ber(page: Page, pos: int, tag: int | None) -> tuple[int, int]:
    """Keep a tag and a length; return where the value begins and ends."""
    if tag is not None and page.u8(pos) != tag:
        raise CutError
    first = page.u8(pos + 1)
    start = pos + 2
    if first & 0x80:
        if not 1 <= first & 0x7F <= 4:
            raise CutError
        start += first & 0x7F
    page.need(start)
    size = int.from_bytes(page.data[pos + 2 : start]) if first & 0x80 else first
    page.need(start + size)
    page.keep(pos, start)
    return start, start + size


def write_syslog(page: Page, _context: PayloadContext) -> None:
    """Syslog (RFC 5424): the priority."""
    match = _PRIORITY(page.data)
    if match:
        page.keep(0, match.end())


def write_sip(page: Page, _context: PayloadContext) -> None:
    """SIP (RFC 3261): the method, or the status."""
    match = _SIP_REQUEST(page.data) or _SIP_STATUS(page.data)
    if match:
        page.keep(0, match.end() - 1)


def write_wireguard(page: Page, context: PayloadContext) -> None:
    """WireGuard: the type, and the first index as another."""
    if not 1 <= page.u8(0) <= 4:
        raise CutError
    page.keep(0, 1)
    page.blank(1, 4)
    page.put(4, replacements(context).opaque(page.data[4:8]))


def write_openvpn(page: Page, context: PayloadContext) -> None:
    """OpenVPN: the type, and of a control message the session as another."""
    kind = page.u8(0) >> 3
    page.keep(0, 1)
    if kind in (1, 2, 3, 4, 5, 7, 8, 10, 11) and page.size >= 9:
        page.put(1, replacements(context).opaque(page.data[1:9]))


def write_ipsec(page: Page, context: PayloadContext) -> None:
    """IKE (RFC 7296): the header, with other indexes of the association; of ESP nothing."""
    pos = 4 if page.data[:4] == bytes(4) and 4500 in (context.source_port, context.destination_port) else 0
    page.need(pos + 28)
    if page.data[pos + 17] not in (0x10, 0x20, 0x21):
        raise CutError
    names = replacements(context)
    page.keep(0, pos)
    for at in (pos, pos + 8):
        page.put(at, names.opaque(page.data[at : at + 8]))
    page.keep(pos + 16, pos + 28)


def write_radius(page: Page, _context: PayloadContext) -> None:
    """RADIUS (RFC 2865): code, identifier, and length."""
    page.keep(0, 4)


def write_coap(page: Page, context: PayloadContext) -> None:
    """CoAP (RFC 7252): type, code and number, and the token as another."""
    if page.u8(0) >> 6 != 1 or page.data[0] & 15 > 8:
        raise CutError
    page.keep(0, 4)
    page.put(4, replacements(context).opaque(page.data[4 : 4 + (page.data[0] & 15)]))


def write_tftp(page: Page, _context: PayloadContext) -> None:
    """TFTP (RFC 1350): the type, and of data and acknowledgements the number."""
    kind = page.u16(0)
    if not 1 <= kind <= 6:
        raise CutError
    page.keep(0, 4 if kind in (3, 4) else 2)


def write_mqtt(page: Page, _context: PayloadContext) -> None:
    """MQTT: type and length of the messages at the start of a connection, up to the first with a content."""
    pos = 0
    while page.u8(pos) >> 4 in (12, 13) and page.u8(pos + 1) == 0:  # pings
        page.keep(pos, pos + 2)
        pos += 2
    page.keep(pos, pos + 1)
