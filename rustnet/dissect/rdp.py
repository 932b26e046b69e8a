"""RDP (MS-RDPBCGR over TPKT, RFC 1006, and X.224) and its UDP transports (MS-RDPEUDP, MS-RDPEUDP2): the negotiation.

One row per connection, stored when both sides have agreed on a security protocol. If that is TLS, the TLS parser reads
what follows, over UDP too. With RDP's own security the client's first settings are in the clear and are read.
"""

import re
import struct

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Parser
from rustnet.dissect.framework.inner import InnerStream
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.reading import text, utf16
from rustnet.dissect.tls.parser import TLS, TlsParser
from rustnet.records import U16, U32, Host, Identifier, User, Word, record

MAX_TPKT = 16_384
_CONNECT, _CONFIRM, _DATA = 0xE0, 0xD0, 0xF0
_PROTOCOLS = {1: "ssl", 2: "hybrid", 4: "rdstls", 8: "hybrid_ex", 16: "rdsaad"}
_FAILURES = {
    1: "ssl required", 2: "ssl not allowed", 3: "no certificate", 4: "inconsistent flags", 5: "hybrid required",
    6: "ssl with user authentication required",
}  # fmt: skip
_CORE = b"\x01\xc0"
"""Type of the settings block that names the client."""
_SYN, _FIN, _ACK, _CARRIES, _FEC, _ACKS_OF_ACKS = 0x1, 0x2, 0x4, 0x8, 0x10, 0x100
_CORRELATION, _SYN_EX = 0x800, 0x1000
_VERSION_3 = 0x0101
MAX_EARLY = 16
"""Pieces of a stream over UDP that may wait for a missing one."""
_HEADER = struct.Struct(">IHH")
_PORTS = (3389,)


_SERVER_TOKEN = re.compile(rb"(?:Cookie: )?msts=[0-9.]{1,40}|tsv://[ -~]{1,200}").fullmatch


@record("rdp")
class Rdp:
    """One RDP connection's negotiation."""

    cookie: User | None = None
    """User, or the client's replacement for it, in the `mstshash` cookie."""
    routing_token: Identifier | None = None
    """Token for a load balancer, if its form is one that names a server (`msts=`, `tsv://`)."""
    requested_protocols: list[Word] | None = None
    """Security protocols that the client offers in addition to RDP's own."""
    protocol: Word | None = None
    """Security protocol chosen: `rdp`, `ssl`, `hybrid` (CredSSP), `hybrid_ex` …; of UDP `rdpeudp` and its version."""
    failure: Word | None = None
    """Why the server refused."""
    client_name: Host | None = None
    """Name of the client's machine, with RDP's own security."""
    client_build: U32 | None = None
    """Build number of the client, with RDP's own security."""
    keyboard_layout: Word | None = None
    """Keyboard layout of the client, hexadecimal, with RDP's own security."""
    width: U16 | None = None
    """Width of the desktop requested, in pixels, with RDP's own security."""
    height: U16 | None = None
    """Height of the desktop requested, in pixels, with RDP's own security."""


def _routing_token(raw: bytes) -> str | None:
    """A token that names a server (MS-RDPBCGR 2.2.1.1); what a gateway puts in its place may admit to a session."""
    return text(raw) if _SERVER_TOKEN(raw) is not None else None


class RdpParser(OneRowParser[Rdp]):
    """One connection over TCP."""

    __slots__ = ("client",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Rdp())
        self.client: bool | None = None
        """Direction of the client."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read TPKT packets until both sides agree on a security protocol."""
        pos = 0
        size = len(data)
        talk = self.talk
        while size - pos >= 4 and talk.parser is self and not talk.finished:
            if data[pos] != 3:
                return self._not_tpkt(data, pos)
            length = data[pos + 2] << 8 | data[pos + 3]
            if not 7 <= length <= MAX_TPKT:
                self.reject(DissectError("TPKT length {length} is out of range", length=length))
                return size
            end = pos + length
            if end > size:
                return pos
            self._packet(data[pos + 4 : end], from_src)
            pos = end
        return pos

    def _not_tpkt(self, data: bytes, pos: int) -> int:
        """Let the TLS parser take over if the client begins TLS and the server's confirmation was not captured."""
        if data[pos] == 0x16 and self.begun and self.row.requested_protocols:
            self.hand_over(TLS)
            return pos
        self.reject(DissectError("expected a TPKT header"))
        return len(data)

    def _packet(self, body: bytes, from_src: bool) -> None:
        kind = body[1] & 0xF0 if len(body) > 1 else 0
        if kind in {_CONNECT, _CONFIRM} and len(body) < 7:
            self.reject(DissectError("truncated X.224 packet"))
            return
        if not self.begun:
            if kind not in {_CONNECT, _CONFIRM}:
                raise DissectError("expected an X.224 connection request or confirm")
            self.begin()
            self.client = from_src if kind == _CONNECT else not from_src
        if kind == _CONNECT:
            self._request(body[7:])
        elif kind == _CONFIRM:
            self._confirm(body[7:])
        elif kind == _DATA and from_src == self.client:
            self._settings(body)

    def _request(self, more: bytes) -> None:
        row = self.row
        if more.startswith(b"Cookie: "):
            cookie, _, more = more[8:].partition(b"\r\n")
            if cookie.startswith(b"mstshash="):
                row.cookie = text(cookie[9:])
            else:
                row.routing_token = _routing_token(cookie)
        elif b"\r\n" in more:
            token, _, more = more.partition(b"\r\n")
            row.routing_token = _routing_token(token)
        if len(more) >= 8 and more[0] == 1:
            offered = int.from_bytes(more[4:8], "little")
            row.requested_protocols = [name for bit, name in _PROTOCOLS.items() if offered & bit]

    def _confirm(self, more: bytes) -> None:
        row = self.row
        if len(more) < 8 or more[0] not in {2, 3}:
            row.protocol = "rdp"
            return
        number = int.from_bytes(more[4:8], "little")
        if more[0] == 3:
            row.failure = _FAILURES.get(number, str(number))
            self.finish()
        elif number == 0:
            row.protocol = "rdp"
        else:
            row.protocol = _PROTOCOLS.get(number, str(number))
            self.hand_over(TLS)

    def _settings(self, body: bytes) -> None:
        """Read the client's core settings out of the MCS Connect Initial (MS-RDPBCGR, 2.2.1.3)."""
        settings = body.find(b"Duca")
        pos = body.find(_CORE, settings, settings + 32) if settings >= 0 else -1
        if pos >= 0 and len(body) >= pos + 56:
            row = self.row
            row.width, row.height = struct.unpack_from("<HH", body, pos + 8)
            layout, build = struct.unpack_from("<II", body, pos + 16)
            row.keyboard_layout = f"{layout:08x}"
            row.client_build = build
            row.client_name = utf16(body[pos + 24 : pos + 56]) or None
        self.finish()


class RdpUdpParser(OneRowParser[Rdp]):
    """One connection over UDP: the SYN datagrams, and the TLS handshake inside those that follow."""

    __slots__ = ("early", "expected", "inner", "second")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Rdp(protocol="rdpeudp"))
        self.inner = InnerStream(TlsParser(talk))
        self.second = False
        """The datagrams follow MS-RDPEUDP2."""
        self.expected: list[int | None] = [None, None]
        """By direction: number of the next piece of the stream."""
        self.early: list[dict[int, bytes]] = [{}, {}]
        """By direction: pieces that arrived ahead of the expected one."""

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one datagram."""
        if len(data) < 8:
            return
        first, _, flags = _HEADER.unpack_from(data)
        self.begin()
        if flags & _SYN and (first == 0xFFFFFFFF or flags & _ACK) and len(data) >= 1000:
            self._syn(data, flags)
        elif self.second:
            self._second(data, from_src)
        else:
            self._first(data, flags, from_src)

    def finish(self) -> None:
        """Store the row, and that of the handshake."""
        self.store()
        self.inner.parser.close()
        self.talk.finish()

    def _syn(self, data: bytes, flags: int) -> None:
        """Read a SYN datagram; the responder's decides the version."""
        if not flags & _ACK:
            return
        pos = 16 + (32 if flags & _CORRELATION else 0)
        version = 1
        if flags & _SYN_EX and len(data) >= pos + 4 and data[pos + 1] & 1:
            version = data[pos + 2] << 8 | data[pos + 3]
        self.second = version == _VERSION_3
        self.row.protocol = "rdpeudp 3" if self.second else f"rdpeudp {version}"
        self.store()

    def _first(self, data: bytes, flags: int, from_src: bool) -> None:
        """Read a datagram of versions 1 and 2: acknowledgements, then a piece of the stream."""
        if not flags & _CARRIES or flags & _FEC:
            return
        pos = 8
        if flags & _ACK:
            if len(data) < 10:
                return
            pos += 2 + (data[8] << 8 | data[9])
            pos += -pos % 4
        if flags & _ACKS_OF_ACKS:
            pos += 4
        if len(data) < pos + 8:
            return
        self._piece(int.from_bytes(data[pos + 4 : pos + 8], "big"), data[pos + 8 :], from_src)

    def _second(self, data: bytes, from_src: bool) -> None:
        """Read a datagram of version 3 (MS-RDPEUDP2, 2.2.1), whose first and eighth byte are swapped."""
        if data[7] >> 1 & 0xF:
            return  # a dummy
        data = data[1:7] + data[:1] + data[8:]
        flags = data[0] | data[1] << 8
        pos = 2
        if flags & 0x1:
            pos += 7 + (data[pos + 6] & 0xF if len(data) > pos + 6 else 0)
        pos += 1 if flags & 0x40 else 0
        pos += 3 if flags & 0x100 else 0
        pos += 2 if flags & 0x10 else 0
        if not flags & 0x4 or flags & 0x8 or len(data) < pos + 4:
            return
        self._piece(int.from_bytes(data[pos + 2 : pos + 4], "little"), data[pos + 4 :], from_src)

    def _piece(self, number: int, data: bytes, from_src: bool) -> None:
        """Feed the pieces of a direction's stream in order; one that does not arrive in time is lost."""
        expected = self.expected[from_src]
        early = self.early[from_src]
        if expected is None:
            if data[:2] != b"\x16\x03":  # the middle of a handshake, DTLS, or something else
                self.finish()
                return
            expected = number
        if number > expected:
            early[number] = data
            if len(early) <= MAX_EARLY:
                return
            self.inner.lose(1, from_src)
            number = min(early)
            data = early.pop(number)
        elif number < expected:
            return
        while not self.talk.finished:
            self.inner.feed(data, from_src)
            number += 1
            if number not in early:
                break
            data = early.pop(number)
        self.expected[from_src] = number
        self.store()


def _parser(talk: Conversation) -> Parser:
    """Create the parser for the flow's transport."""
    return RdpParser(talk) if talk.transport == "tcp" else RdpUdpParser(talk)


def _probe_rdp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise an X.224 connection request or confirm with RDP's negotiation; over UDP a SYN datagram."""
    if talk.transport != "tcp":
        return _probe_udp(data, talk)
    size = len(data)
    if size < 6:
        return MORE if data == b"\x03\0\0\0"[:size] or (size > 2 and data[:3] == b"\x03\0\0") else NO
    if data[0] != 3 or data[1]:
        return NO
    kind = data[5] & 0xF0
    length = data[2] << 8 | data[3]
    if kind not in {_CONNECT, _CONFIRM} or data[4] != length - 5 or length > 512:
        return NO
    if size < length:
        return MORE
    more = data[11:length]
    if kind == _CONFIRM:
        negotiation = len(more) == 8 and more[0] in {2, 3} and more[2:4] == b"\x08\0"
        return YES if negotiation or (not more and talk.has_port(*_PORTS)) else NO
    negotiates = len(more) >= 8 and more[-8:-7] == b"\x01" and more[-6:-4] == b"\x08\0"
    if more.startswith(b"Cookie: msts") or negotiates or (b"\x01" in more[:-36] and more[-36:-35] == b"\x06"):
        return YES
    return YES if not more and talk.has_port(*_PORTS) else NO


def _probe_udp(data: bytes, talk: Conversation) -> int:
    if len(data) < 1000 or len(data) > 1232 or not talk.has_port(*_PORTS):
        return NO
    first, _, flags = _HEADER.unpack_from(data)
    if not flags & _SYN or flags & 0xE0F8:
        return NO
    return YES if (first == 0xFFFFFFFF) != bool(flags & _ACK) else NO


RDP = Dissector(
    "rdp", "Remote Desktop Protocol (MS-RDPBCGR, RFC 1006)", ("tcp", "udp"), _PORTS, (Rdp,), _probe_rdp, _parser,
    first=b"\x03",
)  # fmt: skip
