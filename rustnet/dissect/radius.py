"""RADIUS (RFC 2865, 2866, 5176): access requests, their origin, changes of authorization, and the answers.

One row per message, on any port. Of passwords, challenges and other secrets only the presence is recorded.
"""

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector, Parser, Shape
from rustnet.dissect.framework.pairs import elapsed
from rustnet.records import U8, U32, Bytes64, FreeText, Host, Identifier, Ip, Mixed, User, Word, record

MAX_ROWS = 2_000
MAX_OUTSTANDING = 256
_CODES = {
    1: "Access-Request", 2: "Access-Accept", 3: "Access-Reject", 4: "Accounting-Request", 5: "Accounting-Response",
    11: "Access-Challenge", 12: "Status-Server", 13: "Status-Client", 40: "Disconnect-Request", 41: "Disconnect-ACK",
    42: "Disconnect-NAK", 43: "CoA-Request", 44: "CoA-ACK", 45: "CoA-NAK",
}  # fmt: skip
"""Codes of messages that are recognised on any port."""
_NAMES = {
    **_CODES, 6: "Accounting-Status", 7: "Password-Request", 8: "Password-Ack", 9: "Password-Reject",
    10: "Accounting-Message", 21: "Resource-Free-Request", 22: "Resource-Free-Response", 23: "Resource-Query-Request",
    24: "Resource-Query-Response", 25: "Alternate-Resource-Reclaim-Request", 26: "NAS-Reboot-Request",
    27: "NAS-Reboot-Response", 29: "Next-Passcode", 30: "New-Pin", 31: "Terminate-Session", 32: "Password-Expired",
    33: "Event-Request", 34: "Event-Response", 50: "IP-Address-Allocate", 51: "IP-Address-Release",
    52: "Protocol-Error",
}  # fmt: skip
_REQUESTS = {
    1: (2, 3, 11, 52), 4: (5, 52), 7: (8, 9), 12: (2, 5), 13: (), 21: (22,), 23: (24,), 26: (27,), 33: (34,),
    40: (41, 42, 52), 43: (44, 45, 52),
}  # fmt: skip
"""By request: its answers."""
_PORTS = (1812, 1813, 1645, 1646, 3799)
_CISCO_COA = 1700
"""Port of changes of authorization in Cisco's devices; other protocols use it too."""
_ENOUGH = 3
"""Attributes that fill a message exactly and are enough to recognise it on any port."""
_REMEMBERED = b"radius\0"
_STAMP = struct.Struct("<qq")
MAX_REMEMBERED = 512
"""Bytes of a message that is kept until another one shows that both are RADIUS."""
_ERROR_CAUSES = {
    201: "Residual-Session-Context-Removed", 202: "Invalid-EAP-Packet-Ignored", 401: "Unsupported-Attribute",
    402: "Missing-Attribute", 403: "NAS-Identification-Mismatch", 404: "Invalid-Request", 405: "Unsupported-Service",
    406: "Unsupported-Extension", 407: "Invalid-Attribute-Value", 501: "Administratively-Prohibited",
    502: "Request-Not-Routable", 503: "Session-Context-Not-Found", 504: "Session-Context-Not-Removable",
    505: "Other-Proxy-Processing-Error", 506: "Resources-Unavailable", 507: "Request-Initiated",
    508: "Multiple-Session-Selection-Unsupported", 509: "Location-Info-Required", 601: "Response-Too-Big",
}  # fmt: skip
_STATUS = {1: "Start", 2: "Stop", 3: "Interim-Update", 7: "Accounting-On", 8: "Accounting-Off"}
_PROOFS = {2: "pap", 3: "chap", 79: "eap"}
"""Attributes that carry the user's credentials."""
_FIXED = {**dict.fromkeys((4, 5, 6, 7, 8, 9, 10, 12, 27, 28, 40, 41, 42, 43, 46, 47, 48, 49, 55, 61, 101), 4), 80: 16}
"""Lengths of attributes that have one."""


@record("radius")
class Radius:
    """One RADIUS message."""

    message: Word | None = None
    """`Access-Request`, `Access-Accept`, `Accounting-Request` …"""
    identifier: U8 = 0
    """Number that ties an answer to its request."""
    username: User | None = None
    """User-Name."""
    auth_method: Word | None = None
    """Method of the user's authentication: `pap`, `chap`, `eap` or `mschap`; the credentials are not kept."""
    nas_ip: Ip | None = None
    """Address of the network access server."""
    nas_identifier: Host | None = None
    """Name of the network access server."""
    nas_port: U32 | None = None
    """Its physical port."""
    calling_station: Mixed | None = None
    """Calling-Station-Id: the client's hardware address or number."""
    called_station: Mixed | None = None
    """Called-Station-Id: the access point and network, or the number called."""
    framed_ip: Ip | None = None
    """Address given to the user."""
    accounting_session: Identifier | None = None
    """Acct-Session-Id."""
    accounting_status: Word | None = None
    """`Start`, `Stop`, `Interim-Update` …"""
    session_seconds: U32 | None = None
    """Acct-Session-Time."""
    input_octets: Bytes64 | None = None
    """Octets received from the user."""
    output_octets: Bytes64 | None = None
    """Octets sent to the user."""
    reply_message: FreeText | None = None
    """Text for the user."""
    error_cause: Word | None = None
    """Error-Cause of a refusal: `Session-Context-Not-Found`, `Unsupported-Attribute` … (RFC 5176), or its number."""
    vendors: list[Word] | None = None
    """Vendors of vendor-specific attributes, by enterprise number."""
    response_ms: float | None = None
    """From the request to this answer, in milliseconds."""


def _text(value: bytes) -> str:
    """Text, which some senders end with a zero byte."""
    return value.partition(b"\0")[0].decode("utf-8", "replace")


def _ipv4(value: bytes) -> str | None:
    return str(IPv4Address(value)) if len(value) == 4 else None


def _ipv6(value: bytes) -> str | None:
    return str(IPv6Address(value)) if len(value) == 16 else None


def _number(value: bytes) -> int | None:
    return int.from_bytes(value, "big") if len(value) == 4 else None


def _status(value: bytes) -> str | None:
    number = _number(value)
    return None if number is None else _STATUS.get(number) or str(number)


def _cause(value: bytes) -> str | None:
    number = _number(value)
    return None if number is None else _ERROR_CAUSES.get(number) or str(number)


_FIELDS: dict[int, tuple[str, Callable[[bytes], object]]] = {
    1: ("username", _text),
    4: ("nas_ip", _ipv4),
    5: ("nas_port", _number),
    8: ("framed_ip", _ipv4),
    18: ("reply_message", _text),
    30: ("called_station", _text),
    31: ("calling_station", _text),
    32: ("nas_identifier", _text),
    40: ("accounting_status", _status),
    42: ("input_octets", _number),
    43: ("output_octets", _number),
    44: ("accounting_session", _text),
    46: ("session_seconds", _number),
    95: ("nas_ip", _ipv6),
    101: ("error_cause", _cause),
}


class RadiusParser(Parser):
    """Messages of one flow, and its pending requests."""

    __slots__ = ("asked", "rows")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.asked: dict[tuple[int, bool], tuple[bytes, int]] = {}
        """Authenticator and time of pending requests, by identifier and direction."""
        self.rows = 0
        for kept, from_src in ((talk.memo_src, True), (talk.memo_dst, False)):
            if kept.startswith(_REMEMBERED):
                start = len(_REMEMBERED)
                ts, packet = _STAMP.unpack_from(kept, start)
                self._message(kept[start + _STAMP.size :], from_src, ts, packet)
        talk.memo_src = talk.memo_dst = b""

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        self._message(data, from_src, self.talk.ts, self.talk.packet)

    def _message(self, data: bytes, from_src: bool, ts: int, packet: int) -> None:
        size = len(data)
        code = data[0] if size >= 20 else 0
        length = data[2] << 8 | data[3] if size >= 20 else 0
        if code not in _NAMES or length < 20:
            raise DissectError("expected a RADIUS header")
        talk = self.talk
        row = Radius(message=_NAMES[code], identifier=data[1])
        key = (data[1], from_src)
        if code in _REQUESTS:
            if len(self.asked) >= MAX_OUTSTANDING:
                del self.asked[next(iter(self.asked))]
            authenticator = data[4:20]
            earlier = self.asked.get(key)
            if earlier is None or earlier[0] != authenticator:  # else the same request, sent again
                self.asked[key] = authenticator, ts
        else:
            since = self.asked.pop((data[1], not from_src), None)
            if since is not None:
                row.response_ms = elapsed(since[1], ts)
        fault = _attributes(row, data, min(length, size))
        if fault or length > size:
            talk.anomaly("malformed_radius", fault or f"message length is {length} bytes, of which {size} are present")
        talk.emit(row, ts, packet)
        self.rows += 1
        if self.rows >= MAX_ROWS:
            talk.finish()


def _attributes(row: Radius, data: bytes, end: int) -> str:
    """Read the attributes up to ``end``; return a description of the error in them, if there is one."""
    pos = 20
    vendors: list[str] = []
    high = [0, 0]
    fault = ""
    while pos < end:
        size = data[pos + 1] if pos + 1 < end else 0
        if size < 2 or pos + size > end:
            fault = "attribute exceeds its message"
            break
        kind = data[pos]
        value = data[pos + 2 : pos + size]
        pos += size
        field = _FIELDS.get(kind)
        if field is not None:
            if getattr(row, field[0]) is None:
                setattr(row, field[0], field[1](value))
        elif kind in _PROOFS:
            row.auth_method = _PROOFS[kind]
        elif kind == 26 and len(value) >= 4:
            _vendor(row, value, vendors)
        elif kind in {52, 53} and len(value) == 4:
            high[kind - 52] = int.from_bytes(value, "big")
    row.vendors = vendors or None
    if row.input_octets is not None:
        row.input_octets += high[0] << 32
    if row.output_octets is not None:
        row.output_octets += high[1] << 32
    return fault


def _vendor(row: Radius, value: bytes, vendors: list[str]) -> None:
    """Record the vendor of an attribute; Microsoft's may carry MS-CHAP."""
    number = int.from_bytes(value[:4], "big")
    if number == 311 and len(value) > 4 and value[4] in {1, 11, 25}:
        row.auth_method = "mschap"
    if str(number) not in vendors and len(vendors) < 16:
        vendors.append(str(number))


def _walk(data: bytes) -> tuple[int, bool] | None:
    """Count the attributes, which must fill a message, and whether one authenticates it; None if they do not fit."""
    pos = 20
    size = len(data)
    count = 0
    proven = False
    while pos + 2 <= size:
        length = data[pos + 1]
        if length < 2 or not data[pos] or _FIXED.get(data[pos], length - 2) != length - 2:
            return None
        proven = proven or data[pos] == 80
        pos += length
        count += 1
    return (count, proven) if pos == size else None


def _answers(data: bytes, other: bytes) -> bool:
    """Whether one of two messages, the second of which was remembered, is the answer to the other."""
    start = len(_REMEMBERED) + _STAMP.size
    if not other.startswith(_REMEMBERED) or other[start + 1] != data[1]:
        return False
    return data[0] in _REQUESTS.get(other[start], ()) or other[start] in _REQUESTS.get(data[0], ())


def _probe_radius(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a known code and the exact length; on other ports valid attributes must fill the message.

    Few attributes are enough there if one authenticates the message, or if it and another one are request and answer.
    """
    size = len(data)
    if size < 20 or data[0] not in _NAMES or (data[2] << 8 | data[3]) != size:
        return NO
    if talk.has_port(*_PORTS):
        return YES
    found = _walk(data) if data[0] in _CODES else None
    if found is None:
        return NO
    count, proven = found
    if count >= _ENOUGH or proven or talk.has_port(_CISCO_COA):
        return YES
    if _answers(data, talk.memo_dst if from_src else talk.memo_src):
        return YES
    if size <= MAX_REMEMBERED:
        kept = _REMEMBERED + _STAMP.pack(talk.ts, talk.packet) + data
        if from_src:
            talk.memo_src = kept
        else:
            talk.memo_dst = kept
    return NO


RADIUS = Dissector(
    "radius", "RADIUS (RFC 2865)", ("udp",), _PORTS, (Radius,), _probe_radius, RadiusParser, first=bytes(_CODES),
    shapes={"udp": Shape(20, {2: bytes(range(17))}, (2, 0))},
)  # fmt: skip
