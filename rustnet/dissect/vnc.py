"""VNC's Remote Framebuffer protocol (RFC 6143), versions 3.3 to 3.8: the handshake.

One row per connection, stored when the server has described its desktop or refuses, or when both sides agree on a
security type whose messages are not read.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.reading import text
from rustnet.records import U16, FreeText, ObjectName, Word, record

_VERSION = re.compile(rb"RFB ([0-9]{3})\.([0-9]{3})\n").match
_TYPES = {
    0: "invalid", 1: "none", 2: "vnc", 5: "ra2", 6: "ra2ne", 7: "sspi", 16: "tight", 17: "ultra", 18: "tls",
    19: "vencrypt", 20: "sasl", 21: "md5", 22: "xvp", 30: "apple", 33: "apple kerberos", 35: "apple direct",
    113: "mslogon", 129: "ra2 256",
}  # fmt: skip
_HELLO, _SECURITY, _CHALLENGE, _RESULT, _REASON, _DESKTOP = range(6)
_PORTS = (5900, 5901, 5902, 5903)


@record("vnc")
class Vnc:
    """One VNC connection's handshake."""

    server_version: Word | None = None
    """Version that the server offers, `3.8` style."""
    client_version: Word | None = None
    """Version that the client chose."""
    security_types: list[Word] | None = None
    """Security types that the server offers."""
    security_type: Word | None = None
    """Security type chosen: by the client, or by the server up to version 3.3."""
    authenticated: bool | None = None
    """The server accepted the login; NULL if its answer was not seen."""
    error: FreeText | None = None
    """Why the server refused."""
    desktop_name: ObjectName | None = None
    """Name of the desktop."""
    width: U16 | None = None
    """Width of the desktop, in pixels."""
    height: U16 | None = None
    """Height of the desktop, in pixels."""


class VncParser(OneRowParser[Vnc]):
    """One connection up to ServerInit."""

    __slots__ = ("chosen", "greeted", "server", "state", "version")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Vnc())
        self.server: bool | None = None
        """Direction of the server, which speaks first."""
        self.state = _HELLO
        """Message that the server sends next."""
        self.greeted = False
        """The client has sent its version."""
        self.chosen: int | None = None
        """Number of the security type."""
        self.version = 8
        """Minor version in use: 3, 7 or 8."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the handshake."""
        if self.server is None:
            self.server = from_src
            self.begin()
        pos = 0
        while pos < len(data) and not self.talk.finished:
            after = self._server(data, pos) if from_src == self.server else self._client(data, pos)
            if after == pos:
                break
            pos = after
        return pos

    def _protocol_version(self, data: bytes, pos: int) -> tuple[str, int]:
        """Version in a ProtocolVersion message, and the minor version whose rules apply."""
        match = _VERSION(data, pos)
        if match is None:
            raise DissectError("invalid ProtocolVersion message")
        major, minor = int(match.group(1)), int(match.group(2))
        return f"{major}.{minor}", 8 if major > 3 or minor > 7 else 7 if minor == 7 else 3

    def _client(self, data: bytes, pos: int) -> int:
        """Read the client's version and the security type that it chooses; the rest is ignored."""
        if not self.greeted:
            if len(data) - pos < 12:
                return pos
            self.row.client_version, minor = self._protocol_version(data, pos)
            self.version = min(self.version, minor)
            self.greeted = True
            return pos + 12
        if self.version > 3 and self.chosen is None:
            self._choose(data[pos])
            return pos + 1
        return len(data)

    def _choose(self, kind: int) -> None:
        self.chosen = kind
        self.row.security_type = _TYPES.get(kind, str(kind))
        if kind == 1:
            self.state = _RESULT if self.version == 8 else _DESKTOP
            if self.version != 8:
                self.row.authenticated = True
        elif kind == 2:
            self.state = _CHALLENGE
        else:
            self.finish()

    def _server(self, data: bytes, pos: int) -> int:
        """Read the server's next message."""
        left = len(data) - pos
        state = self.state
        if state == _HELLO:
            if left < 12:
                return pos
            self.row.server_version, self.version = self._protocol_version(data, pos)
            self.state = _SECURITY
            return pos + 12
        if state == _SECURITY:
            return self._security(data, pos)
        if state == _CHALLENGE:
            if left >= 16:
                self.state = _RESULT
            return pos + 16 if left >= 16 else pos
        if left < 4:
            return pos
        if state == _RESULT:
            return self._result(data, pos)
        if state == _REASON:
            return self._reason(data, pos)
        return self._desktop(data, pos)

    def _security(self, data: bytes, pos: int) -> int:
        """Read the security types offered (3.7), or the one that the server chose (3.3)."""
        if not self.greeted:
            return pos  # the format depends on the client's version
        if self.version == 3:
            if len(data) - pos < 4:
                return pos
            kind = int.from_bytes(data[pos : pos + 4], "big")
            if kind == 0:
                self.state = _REASON
            else:
                self._choose(min(kind, 255))
            return pos + 4
        count = data[pos]
        if count == 0:
            self.state = _REASON
            return pos + 1
        if len(data) - pos < 1 + count:
            return pos
        if self.row.security_types is not None:
            return pos  # the client's choice comes first
        self.row.security_types = [_TYPES.get(kind, str(kind)) for kind in data[pos + 1 : pos + 1 + count]]
        return pos + 1 + count

    def _result(self, data: bytes, pos: int) -> int:
        self.row.authenticated = data[pos : pos + 4] == bytes(4)
        self.state = _DESKTOP
        if not self.row.authenticated:
            self.state = _REASON
            if self.version < 8:
                self.finish()
        return pos + 4

    def _reason(self, data: bytes, pos: int) -> int:
        size = int.from_bytes(data[pos : pos + 4], "big")
        if size > 4096:
            raise DissectError("failure reason of {size} bytes is too long", size=size)
        if len(data) - pos < 4 + size:
            return pos
        self.row.authenticated = False
        self.row.error = text(data[pos + 4 : pos + 4 + size])
        self.finish()
        return pos + 4 + size

    def _desktop(self, data: bytes, pos: int) -> int:
        if len(data) - pos < 24:
            return pos
        size = int.from_bytes(data[pos + 20 : pos + 24], "big")
        if size > 4096:
            raise DissectError("desktop name of {size} bytes is too long", size=size)
        if len(data) - pos < 24 + size:
            return pos
        row = self.row
        row.width = data[pos] << 8 | data[pos + 1]
        row.height = data[pos + 2] << 8 | data[pos + 3]
        row.desktop_name = text(data[pos + 24 : pos + 24 + size])
        self.finish()
        return pos + 24 + size


def _probe_vnc(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the ProtocolVersion message, which both sides begin with."""
    if data and data[0] != 82:
        return NO
    if not data.startswith(b"RFB "):
        return MORE if b"RFB ".startswith(data) else NO
    if len(data) < 12:
        return MORE
    return YES if _VERSION(data) is not None else NO


VNC = Dissector(
    "vnc", "VNC, Remote Framebuffer (RFC 6143)", ("tcp",), _PORTS, (Vnc,), _probe_vnc, VncParser, first=b"R"
)
