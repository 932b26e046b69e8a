"""OpenVPN over UDP and TCP (draft-openvpn-spec; no RFC): sessions, and the TLS handshake inside.

One row per session. The reset packets that begin a session show how its control channel is protected: not at all or
with an HMAC (`tls-auth`), in which case the TLS handshake is read too, or encrypted (`tls-crypt`). Reading stops at the
first data packet.
"""

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.inner import InnerStream
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.tls.parser import Tls, TlsParser
from rustnet.records import U16, Identifier, Word, record

MAX_PACKETS = 200
"""Packets of a flow that are read."""
MAX_WAITING = 64
"""Control packets per direction that may wait for earlier ones."""
_PORT = 1194

_RESET_CLIENT_1, _RESET_SERVER_1, _SOFT_RESET, _CONTROL, _ACK, _DATA_1 = 1, 2, 3, 4, 5, 6
_RESET_CLIENT_2, _RESET_SERVER_2, _DATA_2, _RESET_CLIENT_3, _WKC = 7, 8, 9, 10, 11
_CLIENT_RESETS = frozenset({_RESET_CLIENT_1, _RESET_CLIENT_2, _RESET_CLIENT_3})
_SERVER_RESETS = frozenset({_RESET_SERVER_1, _RESET_SERVER_2})
_NAMES = {
    _RESET_CLIENT_1: "client-reset-v1", _RESET_SERVER_1: "server-reset-v1", _RESET_CLIENT_2: "client-reset-v2",
    _RESET_SERVER_2: "server-reset-v2", _RESET_CLIENT_3: "client-reset-v3",
}  # fmt: skip
_HMACS = (0, 20, 32, 64, 16, 48, 28)
"""Sizes of an HMAC in bytes, the most frequent first."""
_CRYPT = 49
"""Overhead of tls-crypt: opcode and session 9, packet id and time 8, HMAC 32."""


@record("openvpn")
class Openvpn:
    """One OpenVPN session."""

    transport: Word = "udp"
    """`udp` or `tcp`."""
    reset: Word | None = None
    """Packet that began it: `client-reset-v2`, `server-reset-v2`, `client-reset-v3` (tls-crypt-v2) …"""
    client_session: Identifier | None = None
    """The client's session id, hexadecimal."""
    server_session: Identifier | None = None
    """The server's session id, hexadecimal."""
    control_channel: Word | None = None
    """`plain`, `tls-auth`, `tls-crypt` or `tls-crypt-v2`."""
    hmac_bits: U16 | None = None
    """Size of tls-auth's HMAC."""
    established: bool = False
    """Data packets were seen."""
    response_ms: float | None = None
    """From the client's reset to the server's, in milliseconds."""


class OpenvpnParser(OneRowParser[Openvpn]):
    """One flow's session."""

    __slots__ = (
        "client_reset_ts",
        "expected",
        "overhead",
        "packets",
        "tls",
        "waiting",
    )

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Openvpn(transport=talk.transport))
        self.client_reset_ts = 0
        self.packets = 0
        self.overhead = 0
        """Bytes between session id and acknowledgements: tls-auth's HMAC, packet id and time."""
        self.tls: InnerStream | None = InnerStream(TlsParser(talk))
        """Reads the handshake inside, until it is complete."""
        self.expected = [0, 0]
        """By direction: number of the next control packet."""
        self.waiting: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one packet."""
        if not data:
            return
        code = data[0] >> 3
        self.packets += 1
        if code in _CLIENT_RESETS or code in _SERVER_RESETS:
            self._reset(code, data, from_src)
        elif not self.begun:
            raise DissectError("expected a reset at the beginning of a session, got opcode {code}", code=code)
        elif code in {_DATA_1, _DATA_2}:
            self._data()
        elif code == _CONTROL and self.row.control_channel in {"plain", "tls-auth"}:
            self._control(data, from_src)
        if self.packets >= MAX_PACKETS:
            self.finish()

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the complete packets, each preceded by its length."""
        pos = 0
        size = len(data)
        while size - pos >= 2:
            end = pos + 2 + (data[pos] << 8 | data[pos + 1])
            if end > size:
                break
            self.datagram(data[pos + 2 : end], from_src)
            if self.talk.finished:
                return size
            pos = end
        return pos

    def finish(self) -> None:
        """Store the row of the handshake, then that of the session."""
        tls = self.tls
        self.tls = None
        if tls is not None:
            tls.parser.close()
        super().finish()

    def _data(self) -> None:
        """Handle a data packet: the session is up."""
        self.row.established = True
        self.talk.state = "ESTABLISHED"
        self.finish()

    def _reset(self, code: int, data: bytes, from_src: bool) -> None:
        """Read a reset, which begins a session."""
        talk = self.talk
        channel = _channel(data)
        if channel is None:
            if not self.begun:
                raise DissectError("reset size fits no kind of control channel")
            return
        row = self.row
        if not self.begun:
            self.begin()
            row.reset = _NAMES[code]
            talk.state = "HANDSHAKE"
        row.control_channel, hmac = channel
        if row.control_channel == "tls-auth":
            row.hmac_bits = hmac * 8
            self.overhead = hmac + 8
        if code in _CLIENT_RESETS:
            row.client_session = row.client_session or data[1:9].hex()
            self.client_reset_ts = self.client_reset_ts or talk.ts
        elif row.server_session is None:
            row.server_session = data[1:9].hex()
            if self.client_reset_ts:
                row.response_ms = elapsed(self.client_reset_ts, talk.ts)
        self.expected[from_src] = max(self.expected[from_src], 1)

    def _control(self, data: bytes, from_src: bool) -> None:
        """Read a control packet: a piece of the TLS handshake, put in order."""
        pos = 9 + self.overhead
        if len(data) <= pos:
            return
        acknowledged = data[pos]
        pos += 1 + 4 * acknowledged + (8 if acknowledged else 0)
        if acknowledged > 8 or len(data) <= pos + 4:
            return
        number = int.from_bytes(data[pos : pos + 4], "big")
        waiting = self.waiting[from_src]
        if number < self.expected[from_src] or len(waiting) >= MAX_WAITING:
            return
        waiting[number] = data[pos + 4 :]
        while (piece := waiting.pop(self.expected[from_src], None)) is not None:
            self.expected[from_src] += 1
            self._tls(piece, from_src)

    def _tls(self, piece: bytes, from_src: bool) -> None:
        """Let TLS read a piece of the handshake, which gets a row of its own."""
        tls = self.tls
        if tls is None:
            return
        try:
            tls.feed(piece, from_src)
        except DissectError:
            self.tls = None
            return
        if self.talk.finished:
            self.tls = None
            self.talk.finished = self.stored  # the handshake is over, the session is not


def _channel(data: bytes) -> tuple[str, int] | None:
    """How a reset packet is protected, and the size of tls-auth's HMAC; None if it is not a reset."""
    code = data[0] >> 3
    size = len(data)
    if code == _RESET_CLIENT_3:
        return ("tls-crypt-v2", 0) if size >= _CRYPT + 5 + 100 and _stamped(data, 9) else None
    if size == _CRYPT + 5 + (12 if code in _SERVER_RESETS else 0) and _stamped(data, 9):
        return "tls-crypt", 0
    if code in _SERVER_RESETS and size == _CRYPT + 5 and _stamped(data, 9):
        return "tls-crypt", 0
    for hmac in _HMACS:
        at = 9 + (hmac + 8 if hmac else 0)
        if at >= size:
            continue
        acknowledged = data[at]
        if acknowledged > 4 or size != at + 1 + 4 * acknowledged + (8 if acknowledged else 0) + 4:
            continue
        if data[size - 4 :] != b"\0\0\0\0" or (hmac and not _stamped(data, 9 + hmac)):
            continue
        return ("tls-auth", hmac) if hmac else ("plain", 0)
    return None


def _stamped(data: bytes, pos: int) -> bool:
    """Whether there are a low packet id and a time after 2001 at ``pos``."""
    return (
        data[pos : pos + 3] == b"\0\0\0"
        and 1 <= data[pos + 3] <= 64
        and int.from_bytes(data[pos + 4 : pos + 8], "big") >= 0x3B9ACA00
    )


def _probe_openvpn(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a reset: its opcode, then session id, HMAC, packet id and acknowledgements that fill the packet."""
    if talk.transport == "tcp":
        if len(data) < 3:
            return MORE if len(data) < 2 or data[0] < 4 else NO
        size = data[0] << 8 | data[1]
        if not 14 <= size <= 1400 or data[2] not in {0x38, 0x40, 0x50, 0x08, 0x10}:
            return NO
        if len(data) < 2 + size:
            return MORE
        data = data[2 : 2 + size]
    elif len(data) < 14 or data[0] not in {0x38, 0x40, 0x50, 0x08, 0x10}:
        return NO
    if data[1:9] == bytes(8) or _channel(data) is None:
        return NO
    return YES


_RESETS = b"\x08\x10\x38\x40\x50"
"""Opcodes, with key id 0, that begin a session."""
OPENVPN = Dissector(
    "openvpn", "OpenVPN (draft-openvpn-spec)", ("udp", "tcp"), (_PORT,), (Openvpn, Tls), _probe_openvpn, OpenvpnParser,
    first=b"\0\x01\x02\x03\x04\x05\x08\x10\x38\x40\x50",
    shapes={"udp": Shape(14, {0: _RESETS}), "tcp": Shape(at={0: bytes(range(6)), 2: _RESETS})},
)  # fmt: skip
