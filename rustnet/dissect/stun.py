"""STUN and TURN (RFC 8489, 8656, 5389; RFC 3489 without the magic cookie), and the protocols that share their flows.

One row per message, and one per TURN channel with data. ICE runs STUN, DTLS and SRTP over one flow, distinguished by
their first byte (RFC 7983): each gets its own reader, and the flow counts as DTLS after a DTLS handshake. Over TCP,
messages may have a length prefix (RFC 4571).
"""

import struct
from ipaddress import IPv4Address, IPv6Address

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Parser, Shape
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.rtp import MAX_QUIET, Media, Rtcp, Rtp
from rustnet.dissect.tls.dtls import DtlsParser, looks_like_dtls
from rustnet.dissect.tls.parser import Tls
from rustnet.records import U16, FreeText, Host, Identifier, Ip, Port, Seconds, Software, User, Word, record

COOKIE = b"\x21\x12\xa4\x42"
MAX_ROWS = 500
"""Messages of one flow that are rows."""
MAX_OUTSTANDING = 64
MAX_TEXT = 512
_PORTS = (3478, 3479, 5349, 19302, 19305)
_HEADER = struct.Struct(">HH")

_METHODS = {
    1: "Binding", 2: "SharedSecret", 3: "Allocate", 4: "Refresh", 6: "Send", 7: "Data", 8: "CreatePermission",
    9: "ChannelBind", 10: "Connect", 11: "ConnectionBind", 12: "ConnectionAttempt", 0x80: "GooglePing",
}  # fmt: skip
_CLASSES = ("request", "indication", "success", "error")
_USERNAME, _ERROR, _CHANNEL, _LIFETIME, _REALM = 0x06, 0x09, 0x0C, 0x0D, 0x14
_SOFTWARE, _USE_CANDIDATE, _CONTROLLED, _CONTROLLING = 0x8022, 0x25, 0x8029, 0x802A
_MAPPED = {0x01: False, 0x20: True, 0x8020: True}
_RELAYED, _PEER, _OTHER = 0x16, 0x12, {0x05, 0x802C, 0x8023}
_PLAIN_TYPES = frozenset({0x0001, 0x0101, 0x0111, 0x0002, 0x0102, 0x0112, 0x0003, 0x0103, 0x0113, 0x0004})
_PLAIN_ATTRIBUTES = frozenset({*range(0x0001, 0x0012), 0x8020, 0x8022, 0x8023, 0x8050, 0x0101, 0x0103})


@record("stun")
class Stun:
    """One STUN or TURN message."""

    method: Word | None = None
    """`Binding`, `Allocate`, `CreatePermission`, `ChannelData` …"""
    message_class: Word | None = None
    """`request`, `indication`, `success` or `error`; NULL for channel data."""
    txid_hex: Identifier | None = None
    """Transaction id, hexadecimal."""
    from_src: bool = True
    """Sent by the flow's `src`."""
    classic: bool = False
    """Of RFC 3489: without the magic cookie."""
    username: User | None = None
    """User name; in ICE both sides' fragments, with a colon."""
    realm: Host | None = None
    """Realm of the credentials."""
    software: Software | None = None
    """Software that sent it."""
    mapped_ip: Ip | None = None
    """The client's address, as the server sees it."""
    mapped_port: Port | None = None
    """Its port."""
    relayed_ip: Ip | None = None
    """Address that the TURN server allocated."""
    relayed_port: Port | None = None
    """Its port."""
    peer_ip: Ip | None = None
    """Peer that the TURN server relays to."""
    peer_port: Port | None = None
    """Its port."""
    other_ip: Ip | None = None
    """Alternate or other server."""
    other_port: Port | None = None
    """Its port."""
    channel: U16 | None = None
    """TURN channel."""
    lifetime: Seconds | None = None
    """Lifetime of the allocation in seconds."""
    error_code: U16 | None = None
    """Error code (401, 438 …)."""
    error_reason: FreeText | None = None
    """Its reason phrase."""
    ice_role: Word | None = None
    """`controlling` or `controlled`."""
    nominated: bool = False
    """ICE: this pair is to be used."""
    response_ms: float | None = None
    """From the request to this answer, in milliseconds."""


def _message_type(kind: int) -> tuple[str, str]:
    method = (kind & 0x0F) | (kind >> 1 & 0x70) | (kind >> 2 & 0xF80)
    return _METHODS.get(method) or f"0x{method:03x}", _CLASSES[kind >> 4 & 1 | kind >> 7 & 2]


def _address(value: bytes, mask: bytes) -> tuple[str | None, int | None]:
    """Address and port of an attribute, decoded with ``mask`` (cookie and transaction id; zeros if not encoded)."""
    if len(value) < 8:
        return None, None
    port = (value[2] << 8 | value[3]) ^ (mask[0] << 8 | mask[1])
    size = 16 if value[1] == 2 else 4
    raw = value[4 : 4 + size]
    if len(raw) < size or value[1] not in {1, 2}:
        return None, None
    number = int.from_bytes(raw, "big") ^ int.from_bytes(mask[:size], "big")
    if size == 4:
        return str(IPv4Address(number)), port
    ip = IPv6Address(number)
    return str(ip.ipv4_mapped or ip), port


def _attributes(row: Stun, data: bytes) -> None:
    """Read the attributes after the header; stop at a length that does not fit, as some senders do not pad."""
    pos = 20
    size = len(data)
    mask = data[4:20]
    unpack = _HEADER.unpack_from
    while pos + 4 <= size:
        kind, length = unpack(data, pos)
        value = data[pos + 4 : pos + 4 + length]
        pos += 4 + (length + 3 & ~3)
        if len(value) < length:
            break
        if kind in _MAPPED:
            if row.mapped_ip is None:
                row.mapped_ip, row.mapped_port = _address(value, mask if _MAPPED[kind] else bytes(16))
        elif kind in _READERS:
            _READERS[kind](row, value)
        elif kind == _RELAYED:
            row.relayed_ip, row.relayed_port = _address(value, mask)
        elif kind == _PEER:
            row.peer_ip, row.peer_port = _address(value, mask)
        elif kind in _OTHER:
            row.other_ip, row.other_port = _address(value, bytes(16))


def _text(value: bytes) -> str:
    return value[:MAX_TEXT].rstrip(b"\0").decode("utf-8", "backslashreplace")


def _set_username(row: Stun, value: bytes) -> None:
    row.username = _text(value)


def _set_realm(row: Stun, value: bytes) -> None:
    row.realm = _text(value)


def _set_software(row: Stun, value: bytes) -> None:
    row.software = _text(value)


def _set_error(row: Stun, value: bytes) -> None:
    if len(value) >= 4:
        row.error_code = (value[2] & 7) * 100 + value[3]
        row.error_reason = _text(value[4:]) or None


def _set_channel(row: Stun, value: bytes) -> None:
    row.channel = int.from_bytes(value[:2], "big")


def _set_lifetime(row: Stun, value: bytes) -> None:
    row.lifetime = int.from_bytes(value[:4], "big")


def _set_nominated(row: Stun, value: bytes) -> None:
    row.nominated = True


def _set_controlled(row: Stun, value: bytes) -> None:
    row.ice_role = "controlled"


def _set_controlling(row: Stun, value: bytes) -> None:
    row.ice_role = "controlling"


_READERS = {
    _USERNAME: _set_username,
    _REALM: _set_realm,
    _SOFTWARE: _set_software,
    _ERROR: _set_error,
    _CHANNEL: _set_channel,
    _LIFETIME: _set_lifetime,
    _USE_CANDIDATE: _set_nominated,
    _CONTROLLED: _set_controlled,
    _CONTROLLING: _set_controlling,
}


class StunParser(Parser):
    """Messages of one flow, its pending requests, and the readers of the protocols that share it."""

    __slots__ = ("asked", "channels", "dtls", "framed", "media", "rows")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.asked: dict[bytes, int] = {}
        self.channels: set[tuple[int, bool]] = set()
        self.rows = 0
        self.media = Media(talk)
        self.dtls: DtlsParser | None = None
        self.framed: bool | None = None
        """Over TCP: messages have a length prefix (RFC 4571)."""

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one datagram of the protocol that its first byte shows."""
        if not data:
            return
        first = data[0]
        media = self.media
        if first < 64 and _is_stun(data):
            self._message(data, from_src)
        elif 20 <= first < 64:
            media.quiet += 1
            self._dtls(data, from_src)
        elif first >= 128:
            media.packet(data, from_src)
        elif 64 <= first < 80 and len(data) >= 4:
            self._channel(data, from_src)
        elif first < 4 and len(data) >= 20:
            self._message(data, from_src)
        elif not self.rows:
            raise DissectError("expected a STUN message")
        if media.quiet >= MAX_QUIET:
            self.talk.finish()

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read complete messages."""
        pos = 0
        size = len(data)
        while size - pos >= 4:
            if self.framed is None:
                if size - pos < 10:
                    break
                self.framed = data[pos + 6 : pos + 10] == COOKIE and data[pos + 4 : pos + 8] != COOKIE
            if self.framed:
                begin = pos + 2
                end = begin + (data[pos] << 8 | data[pos + 1])
            else:
                begin = pos
                end = pos + self._bare(data, pos)
            if end > size:
                break
            if end > begin:
                self.datagram(data[begin:end], from_src)
            pos = end
            if self.talk.finished:
                return size
        return pos

    def _bare(self, data: bytes, pos: int) -> int:
        """Size of the message at ``pos`` of a stream: STUN, or channel data with its padding."""
        length = data[pos + 2] << 8 | data[pos + 3]
        if data[pos] < 64:
            return 20 + length
        if data[pos] < 80:
            return 4 + (length + 3 & ~3)
        if not self.rows:
            raise DissectError("expected a STUN message")
        self.talk.finish()
        return len(data) - pos

    def close(self) -> None:
        """Store the row of the DTLS handshake."""
        if self.dtls is not None:
            self.dtls.close()

    def _message(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        talk = self.talk
        media = self.media
        if self.rows >= MAX_ROWS:
            media.quiet += 1
            return
        kind, length = _HEADER.unpack_from(data)
        if len(data) < 20 or kind > 0x3FFF:
            raise DissectError("truncated STUN message")
        row = Stun(txid_hex=data[8:20].hex(), from_src=from_src)
        row.method, row.message_class = _message_type(kind)
        if data[4:8] != COOKIE:
            row.classic = True
            row.txid_hex = data[4:20].hex()
        self._match(row, data[4:20], kind)
        _attributes(row, data[: 20 + length])
        self.rows += 1
        media.quiet = 0
        talk.emit(row)

    def _match(self, row: Stun, transaction: bytes, kind: int) -> None:
        """Remember a request, or find the one that an answer is for."""
        asked = self.asked
        answer = kind & 0x0100
        if answer:
            since = asked.pop(transaction, None)
            if since is not None:
                row.response_ms = elapsed(since, self.talk.ts)
        elif not kind & 0x0010:
            if len(asked) >= MAX_OUTSTANDING:
                del asked[next(iter(asked))]
            asked.setdefault(transaction, self.talk.ts)

    def _channel(self, data: bytes, from_src: bool) -> None:
        """Store a row for the first data of a TURN channel in each direction."""
        number = data[0] << 8 | data[1]
        key = (number, from_src)
        self.media.quiet += 1
        if key in self.channels or len(self.channels) >= 64 or (data[2] << 8 | data[3]) > len(data):
            return
        self.channels.add(key)
        self.talk.emit(Stun(method="ChannelData", channel=number, from_src=from_src))

    def _dtls(self, data: bytes, from_src: bool) -> None:
        """Let DTLS read its datagrams until its row is stored; STUN and media continue."""
        reader = self.dtls
        talk = self.talk
        if reader is None:
            if not looks_like_dtls(data):
                return
            reader = self.dtls = DtlsParser(talk)
            talk.app = "dtls"
        elif reader.finished:
            return
        try:
            reader.datagram(data, from_src)
        except DissectError as error:
            talk.anomaly("malformed_dtls", str(error))
        if talk.finished:
            talk.finished = False
            reader.finished = True


def _is_stun(data: bytes) -> bool:
    """Whether a datagram is one message with the magic cookie."""
    return len(data) >= 20 and data[4:8] == COOKIE and 20 + (data[2] << 8 | data[3]) <= len(data)


def _probe_stun(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the magic cookie and the exact length; without it, attributes of RFC 3489 that fill the message."""
    size = len(data)
    if talk.transport == "tcp":
        return _probe_stream(data, talk)
    if size < 20 or data[0] > 0x3F:
        return NO
    length = data[2] << 8 | data[3]
    if data[4:8] == COOKIE:
        return YES if 20 + length == size else NO
    if 20 + length != size or (data[0] << 8 | data[1]) not in _PLAIN_TYPES:
        return NO
    on_port = talk.has_port(3478, 3479)
    if not length:
        return YES if on_port and data[:2] == b"\0\x01" else NO
    return YES if _is_classic(data, on_port) else NO


def _is_classic(data: bytes, on_port: bool) -> bool:
    """Whether known attributes fill a message; on other ports, one must be distinctive of RFC 3489."""
    pos = 20
    size = len(data)
    strong = False
    while pos + 4 <= size:
        kind, length = _HEADER.unpack_from(data, pos)
        if kind not in _PLAIN_ATTRIBUTES or length % 4:
            return False
        strong = strong or _is_distinctive(kind, data[pos + 4 : pos + 4 + length])
        pos += 4 + length
    return pos == size and (strong or on_port)


def _is_distinctive(kind: int, value: bytes) -> bool:
    """Whether an attribute of RFC 3489 has a distinctive value: an IPv4 address, or a change request."""
    if kind == 3:
        return len(value) == 4 and value[:3] == b"\0\0\0"
    return kind in {1, 2, 4, 5} and len(value) == 8 and value[:2] == b"\0\x01"


def _probe_stream(data: bytes, talk: Conversation) -> int:
    """Recognise the cookie at its offset, with or without a length prefix."""
    size = len(data)
    if not size or data[0] > 0x3F:
        return NO
    if size < 10:
        plausible = talk.has_port(*_PORTS) and data[0] < 4
        return MORE if plausible else NO
    if data[4:8] == COOKIE:
        return YES
    if data[6:10] == COOKIE and data[2] <= 0x3F:
        return YES if 20 + (data[4] << 8 | data[5]) == (data[0] << 8 | data[1]) else NO
    return NO


_TITLE = "Session Traversal Utilities for NAT (RFC 8489)"
STUN = Dissector(
    "stun", _TITLE, ("udp", "tcp"), _PORTS, (Stun, Rtp, Rtcp, Tls), _probe_stun, StunParser,
    first=bytes(range(0x40)), shapes={"udp": Shape(20, {2: bytes(range(8))}, (2, 20))},
)  # fmt: skip
