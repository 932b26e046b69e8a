"""BGP 4 (RFC 4271), with its capabilities (RFC 5492), 4-octet AS numbers (RFC 6793) and other families (RFC 4760).

One row per OPEN, UPDATE, NOTIFICATION and ROUTE-REFRESH; KEEPALIVE messages get none.
"""

import struct
from socket import AF_INET, AF_INET6, inet_ntoa, inet_ntop

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import RowParser, need, text
from rustnet.records import U16, U32, FreeText, Host, Id32, Identifier, Ip, Word, record

_MARKER = b"\xff" * 16
_MAX_PREFIXES = 64
"""Prefixes of one UPDATE that are kept; all are counted."""
_MAX_PATH = 64
_OPEN, _UPDATE, _NOTIFICATION, _KEEPALIVE, _REFRESH = 1, 2, 3, 4, 5
_LEAST = {_OPEN: 29, _UPDATE: 23, _NOTIFICATION: 21, _KEEPALIVE: 19, _REFRESH: 23}
_ORIGINS = ("IGP", "EGP", "INCOMPLETE")
_ERRORS = {
    1: ("message header", ("", "connection not synchronized", "bad message length", "bad message type")),
    2: ("open", (
        "", "unsupported version number", "bad peer AS", "bad BGP identifier", "unsupported optional parameter", "",
        "unacceptable hold time", "unsupported capability",
    )),
    3: ("update", (
        "", "malformed attribute list", "unrecognized well-known attribute", "missing well-known attribute",
        "attribute flags error", "attribute length error", "invalid origin", "", "invalid next hop",
        "optional attribute error", "invalid network field", "malformed AS_PATH",
    )),
    4: ("hold timer expired", ()),
    5: ("finite state machine", ("", "in OpenSent", "in OpenConfirm", "in Established")),
    6: ("cease", (
        "", "maximum number of prefixes reached", "administrative shutdown", "peer de-configured",
        "administrative reset", "connection rejected", "other configuration change", "collision resolution",
        "out of resources", "hard reset",
    )),
    7: ("route refresh", ("", "invalid message length")),
}  # fmt: skip
_CAPABILITIES = {
    1: "multiprotocol", 2: "route_refresh", 5: "extended_next_hop", 6: "extended_message", 64: "graceful_restart",
    65: "as4", 69: "add_path", 70: "enhanced_route_refresh", 71: "llgr", 73: "fqdn", 128: "route_refresh_cisco",
}  # fmt: skip


@record("bgp")
class Bgp:
    """One BGP message."""

    message: Word | None = None
    """`OPEN`, `UPDATE`, `NOTIFICATION` or `ROUTE-REFRESH`."""
    version: Word | None = None
    """Version in an OPEN."""
    asn: Id32 | None = None
    """Autonomous system of the sender, in an OPEN."""
    hold_seconds: U16 | None = None
    """Hold time that the sender proposes."""
    router_id: Ip | None = None
    """BGP identifier of the sender."""
    capabilities: list[Word] | None = None
    """Capabilities in an OPEN."""
    hostname: Host | None = None
    """Name of the router, from its FQDN capability."""
    prefixes: list[Ip] | None = None
    """Networks announced, the first of them."""
    prefix_count: U32 | None = None
    """Networks announced."""
    withdrawn: list[Ip] | None = None
    """Networks withdrawn, the first of them."""
    withdrawn_count: U32 | None = None
    """Networks withdrawn."""
    as_path: Identifier | None = None
    """Path, sets in braces: `64500 64501 {64502,64503}`."""
    origin: Word | None = None
    """`IGP`, `EGP` or `INCOMPLETE`."""
    next_hop: Ip | None = None
    """Router to send to."""
    med: U32 | None = None
    """Multi-exit discriminator."""
    local_preference: U32 | None = None
    """Preference within the autonomous system."""
    communities: list[Identifier] | None = None
    """Communities, as `64500:100`."""
    error: Word | None = None
    """Error of a NOTIFICATION, with its subcode."""
    error_text: FreeText | None = None
    """Text of a shutdown (RFC 9003)."""


class BgpParser(RowParser):
    """Both directions of one session."""

    __slots__ = ("wide",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.wide = [False, False]
        """By direction: the sender announced 4-octet AS numbers."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read complete messages."""
        pos = 0
        while len(data) - pos >= 19 and not self.talk.finished:
            if data[pos : pos + 16] != _MARKER:
                raise DissectError("expected a message marker")
            size = (data[pos + 16] << 8) | data[pos + 17]
            kind = data[pos + 18]
            if size < 19:
                raise DissectError("message length {size} is too small", size=size)
            if len(data) - pos < size:
                break
            if kind != _KEEPALIVE:
                self._message(data[pos + 19 : pos + size], kind, from_src)
            pos += size
        return pos

    def _message(self, body: bytes, kind: int, from_src: bool) -> None:
        if kind == _OPEN:
            row = self._open(body, from_src)
        elif kind == _UPDATE:
            row = self._update(body)
        elif kind == _NOTIFICATION:
            row = _notification(body)
        elif kind == _REFRESH:
            row = Bgp(message="ROUTE-REFRESH")
        else:
            raise DissectError("unknown message type {kind}", kind=kind)
        self.store_row(row)

    def _open(self, body: bytes, from_src: bool) -> Bgp:
        need(body, 10, "OPEN")
        row = Bgp(message="OPEN", version=str(body[0]), asn=(body[1] << 8) | body[2])
        row.hold_seconds = (body[3] << 8) | body[4]
        row.router_id = inet_ntoa(body[5:9])
        names: list[str] = []
        pos, end = 10, min(10 + body[9], len(body))
        while pos + 2 <= end:
            kind, size = body[pos], body[pos + 1]
            if kind == 2:
                self._capabilities(body[pos + 2 : min(pos + 2 + size, end)], row, names, from_src)
            pos += 2 + size
        row.capabilities = names or None
        if row.hostname:
            self.learn_name(self.talk.src_ip if from_src else self.talk.dst_ip, row.hostname, "bgp")
        return row

    def _capabilities(self, raw: bytes, row: Bgp, names: list[str], from_src: bool) -> None:
        pos = 0
        while pos + 2 <= len(raw) and len(names) < 64:
            code, size = raw[pos], raw[pos + 1]
            value = raw[pos + 2 : pos + 2 + size]
            pos += 2 + size
            name = _CAPABILITIES.get(code) or f"capability{code}"
            if code == 1 and len(value) == 4:
                name = f"{name} {(value[0] << 8) | value[1]}/{value[3]}"
            elif code == 65 and len(value) == 4:
                row.asn = int.from_bytes(value, "big")
                self.wide[from_src] = True
            elif code == 73 and value:
                row.hostname = text(value[1 : 1 + value[0]]) or None
            names.append(name)

    def _update(self, body: bytes) -> Bgp:
        need(body, 4, "UPDATE")
        row = Bgp(message="UPDATE")
        end = 2 + ((body[0] << 8) | body[1])
        need(body, end + 2, "UPDATE")
        withdrawn, gone = _prefixes(body[2:end], 4)
        start = end + 2
        end = start + ((body[start - 2] << 8) | body[start - 1])
        need(body, end, "UPDATE attributes")
        prefixes, count = _prefixes(body[end:], 4)
        pos = start
        while pos + 3 <= end:
            flags, kind = body[pos], body[pos + 1]
            if flags & 0x10:
                need(body, pos + 4, "attribute")
                size, first = (body[pos + 2] << 8) | body[pos + 3], pos + 4
            else:
                size, first = body[pos + 2], pos + 3
            value = body[first : min(first + size, end)]
            pos = first + size
            if kind == 14:
                row.next_hop, more, extra = _reachable(value)
                prefixes, count = prefixes + more, count + extra
            elif kind == 15:
                more, extra = _prefixes(value[3:], _family(value)) if _plain(value) else ([], 0)
                withdrawn, gone = withdrawn + more, gone + extra
            else:
                _attribute(kind, value, row, self.wide[0] or self.wide[1])
        row.prefixes, row.prefix_count = prefixes[:_MAX_PREFIXES] or None, count
        row.withdrawn, row.withdrawn_count = withdrawn[:_MAX_PREFIXES] or None, gone
        return row


def _family(value: bytes) -> int:
    """Bytes of an address of a multiprotocol attribute's family."""
    return 16 if value[1:2] == b"\2" else 4


def _plain(value: bytes) -> bool:
    """Whether a multiprotocol attribute is about unicast or multicast addresses of IPv4 or IPv6."""
    return len(value) >= 3 and value[0] == 0 and value[1] in {1, 2} and value[2] in {1, 2}


def _reachable(value: bytes) -> tuple[str | None, list[str], int]:
    """Next hop and networks of MP_REACH_NLRI."""
    if not _plain(value) or len(value) < 5:
        return None, [], 0
    size = value[3]
    hop = value[4 : 4 + size]
    name = None
    if len(hop) in {16, 32}:
        name = inet_ntop(AF_INET6, hop[:16])
    elif len(hop) == 4:
        name = inet_ntop(AF_INET, hop)
    prefixes, count = _prefixes(value[5 + size :], _family(value))
    return name, prefixes, count


def _prefixes(raw: bytes, width: int) -> tuple[list[str], int]:
    """Networks, the first `_MAX_PREFIXES` of them as text, and their count."""
    texts: list[str] = []
    pos = count = 0
    while pos < len(raw):
        bits = raw[pos]
        size = (bits + 7) >> 3
        if size > width or pos + 1 + size > len(raw):
            break  # path identifiers (RFC 7911) or malformed, which cannot be distinguished here
        if count < _MAX_PREFIXES:
            address = raw[pos + 1 : pos + 1 + size].ljust(width, b"\0")
            texts.append(f"{inet_ntop(AF_INET if width == 4 else AF_INET6, address)}/{bits}")
        count += 1
        pos += 1 + size
    return texts, count


def _attribute(kind: int, value: bytes, row: Bgp, wide: bool) -> None:
    """Read one path attribute (RFC 4271, 5.1)."""
    if kind == 1 and value:
        row.origin = _ORIGINS[value[0]] if value[0] < 3 else f"origin{value[0]}"
    elif kind == 2 or (kind == 17 and not wide):
        row.as_path = _path(value, wide or kind == 17)
    elif kind == 3 and len(value) == 4:
        row.next_hop = inet_ntoa(value)
    elif kind == 4 and len(value) == 4:
        row.med = int.from_bytes(value, "big")
    elif kind == 5 and len(value) == 4:
        row.local_preference = int.from_bytes(value, "big")
    elif kind == 8:
        pairs = struct.iter_unpack(">HH", value[: min(len(value) & ~3, 4 * 64)])
        row.communities = [f"{a}:{b}" for a, b in pairs] or None


def _path(raw: bytes, wide: bool) -> str | None:
    """Segments of an AS path; the other width of AS numbers is tried if the negotiated one does not fit."""
    for width in (4, 2) if wide else (2, 4):
        texts = []
        pos = 0
        while pos + 2 <= len(raw) and raw[pos] in {1, 2, 3, 4}:
            end = pos + 2 + width * raw[pos + 1]
            if end > len(raw):
                break
            numbers = [str(int.from_bytes(raw[i : i + width], "big")) for i in range(pos + 2, end, width)][:_MAX_PATH]
            texts.append(" ".join(numbers) if raw[pos] == 2 else "{" + ",".join(numbers) + "}")
            pos = end
        if pos == len(raw):
            return " ".join(texts) or None
    return None


def _notification(body: bytes) -> Bgp:
    need(body, 2, "NOTIFICATION")
    name, subcodes = _ERRORS.get(body[0], (f"error {body[0]}", ()))
    detail = subcodes[body[1]] if body[1] < len(subcodes) else str(body[1]) if body[1] else ""
    row = Bgp(message="NOTIFICATION", error=f"{name}: {detail}" if detail else name)
    if body[0] == 6 and body[1] in {2, 4} and len(body) >= 3 and body[2]:
        row.error_text = text(body[3 : 3 + body[2]]) or None
    return row


def _probe_bgp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the marker, a valid length and a known type."""
    if not data or data[0] != 0xFF:
        return NO
    if len(data) < 19:
        return MORE if data[:16] == _MARKER[: min(len(data), 16)] else NO
    size = (data[16] << 8) | data[17]
    return YES if data.startswith(_MARKER) and _LEAST.get(data[18], 65_536) <= size <= 4096 else NO


BGP = Dissector(
    "bgp", "Border Gateway Protocol 4 (RFC 4271)", ("tcp",), (179,), (Bgp,), _probe_bgp, BgpParser, first=b"\xff"
)
