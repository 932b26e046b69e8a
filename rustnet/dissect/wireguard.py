"""WireGuard (white paper; no RFC): the handshake, whose messages have fixed sizes.

One row per handshake message. Reading stops when data follows a handshake, so that the handshakes that renew a session
every two minutes get no rows.
"""

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector, Parser, Shape
from rustnet.dissect.framework.pairs import elapsed
from rustnet.records import U32, Word, record

MAX_ROWS = 200
PATIENCE = 100
"""Data messages that are read without a handshake."""
_INITIATION, _RESPONSE, _COOKIE, _DATA = 1, 2, 3, 4
_SIZES = {_INITIATION: 148, _RESPONSE: 92, _COOKIE: 64}
_NAMES = {_INITIATION: "initiation", _RESPONSE: "response", _COOKIE: "cookie", _DATA: "data"}
_PORT = 51820
_REMEMBERED = b"wireguard"
"""Prefix of what the probe remembers of a data message."""


@record("wireguard")
class Wireguard:
    """One handshake message, or the first data message of a session whose handshake was not captured."""

    message: Word | None = None
    """`initiation`, `response`, `cookie` (the receiver is under load) or `data`."""
    from_src: bool = True
    """Sent by the flow's `src`."""
    sender_index: U32 | None = None
    """Index by which the sender will be addressed."""
    receiver_index: U32 | None = None
    """Index of the session that the message is for."""
    under_load: bool = False
    """The message proves receipt of a cookie (its second MAC is set)."""
    response_ms: float | None = None
    """From the initiation to this response, in milliseconds."""


class WireguardParser(Parser):
    """Messages of one flow."""

    __slots__ = ("asked", "data", "rows")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.asked: dict[int, int] = {}
        self.rows = 0
        self.data = 0
        talk.memo_src = talk.memo_dst = b""

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        kind = data[0] if data else 0
        size = _SIZES.get(kind)
        if size is not None and len(data) == size:
            self._handshake(kind, data, from_src)
        elif kind == _DATA and len(data) >= 32:
            self._data(data, from_src)
        elif not self.rows:
            raise DissectError("unexpected size {size} of a message of type {kind}", size=len(data), kind=kind)

    def _handshake(self, kind: int, data: bytes, from_src: bool) -> None:
        talk = self.talk
        row = Wireguard(message=_NAMES[kind], from_src=from_src)
        index = int.from_bytes(data[4:8], "little")
        if kind == _INITIATION:
            row.sender_index = index
            row.under_load = data[132:148] != bytes(16)
            if len(self.asked) < 64:
                self.asked[index] = talk.ts
            talk.state = talk.state or "HANDSHAKE"
        elif kind == _RESPONSE:
            row.sender_index = index
            row.receiver_index = int.from_bytes(data[8:12], "little")
            row.under_load = data[76:92] != bytes(16)
            since = self.asked.pop(row.receiver_index, None)
            if since is not None:
                row.response_ms = elapsed(since, talk.ts)
            talk.state = "ESTABLISHED"
        else:
            row.receiver_index = index
        self._emit(row)

    def _data(self, data: bytes, from_src: bool) -> None:
        """Handle data, which ends the reading if a handshake was seen."""
        if not self.rows:
            self._emit(Wireguard(message="data", from_src=from_src, receiver_index=int.from_bytes(data[4:8], "little")))
        self.data += 1
        if self.talk.state == "ESTABLISHED" or self.data >= PATIENCE:
            self.talk.state = "ESTABLISHED"
            self.talk.finish()

    def _emit(self, row: Wireguard) -> None:
        self.rows += 1
        self.talk.emit(row)
        if self.rows >= MAX_ROWS:
            self.talk.finish()


def _probe_wireguard(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise type, three zeros and the type's size; data needs a second message, or the standard port."""
    if len(data) < 32 or data[1:4] != b"\0\0\0" or not 1 <= data[0] <= 4:
        return NO
    kind = data[0]
    if kind != _DATA:
        return YES if len(data) == _SIZES[kind] else NO
    if len(data) % 16 or data[12:16] != b"\0\0\0\0" or data[4:8] == b"\0\0\0\0":
        return NO
    if talk.has_port(_PORT):
        return YES
    kept = talk.memo_src if from_src else talk.memo_dst
    mark = len(_REMEMBERED)
    if kept.startswith(_REMEMBERED) and kept[mark : mark + 4] == data[4:8]:
        step = int.from_bytes(data[8:16], "little") - int.from_bytes(kept[mark + 4 :], "little")
        return YES if 1 <= step <= 64 else NO
    if from_src:
        talk.memo_src = _REMEMBERED + data[4:16]
    else:
        talk.memo_dst = _REMEMBERED + data[4:16]
    return NO


WIREGUARD = Dissector(
    "wireguard", "WireGuard (white paper)", ("udp",), (_PORT,), (Wireguard,), _probe_wireguard, WireguardParser,
    first=b"\x01\x02\x03\x04", shapes={"udp": Shape(32, {1: b"\0", 2: b"\0", 3: b"\0"})},
)  # fmt: skip
