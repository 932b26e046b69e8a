"""TDS, the protocol of Microsoft SQL Server and Sybase (MS-TDS; no RFC): prelogin, login and its outcome.

One row per connection, stored when the server has answered the login, or when what follows is encrypted: the TLS
handshake inside the TDS packets is read by the TLS parser. Statements and passwords are not read.
"""

import struct

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.inner import InnerStream
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.reading import utf16
from rustnet.dissect.tls.parser import TlsParser
from rustnet.records import U32, FreeText, Host, ObjectName, Software, User, Word, record

MAX_MESSAGE = 65_000
_BATCH, _RESPONSE, _LOGIN, _PRELOGIN = 0x01, 0x04, 0x10, 0x12
_TYPES = frozenset({0x01, 0x02, 0x03, 0x04, 0x06, 0x07, 0x08, 0x0E, 0x0F, 0x10, 0x11, 0x12})
_LATER = _TYPES - {_LOGIN, _PRELOGIN}
_FIRST = frozenset({_RESPONSE, _LOGIN, _PRELOGIN})
_RECORDS = frozenset({b"\x14", b"\x15", b"\x16", b"\x17"})
"""First bytes of TLS records."""
_ENCRYPTION = {0: "login only", 1: "on", 2: "not supported", 3: "required"}
_VERSIONS = {0x70: "7.0", 0x71: "7.1", 0x72: "7.2", 0x73: "7.3", 0x74: "7.4", 0x08: "8.0"}
_TEXTS = {
    36: "hostname", 40: "username", 48: "application_name", 52: "server_name", 60: "client_name", 68: "database",
}  # fmt: skip
"""Offsets in LOGIN7 of the (offset, length) pairs of its strings."""
_PASSWORD = 44
"""Offset of the same pair of the password, which is only scrambled (MS-TDS 2.2.6.4)."""
_ERROR, _INFO, _LOGIN_ACK, _ENVIRONMENT = 0xAA, 0xAB, 0xAD, 0xE3
_ANSWERS = frozenset({b"\0", b"\xaa", b"\xab", b"\xad", b"\xe3"})
"""First bytes of the server's PRELOGIN response and of answers to a login."""
_PORTS = (1433, 1434)


@record("tds")
class Tds:
    """One TDS connection's login."""

    version: Word | None = None
    """Version of TDS that the client asks for, or that the server settled."""
    server_version: Software | None = None
    """Version of the server, `15.0.2000` style."""
    client_version: Software | None = None
    """Version of the client's library."""
    encryption: Word | None = None
    """Encryption that the server announces: `login only`, `on`, `not supported`, `required`."""
    instance: ObjectName | None = None
    """Instance that the client asks for."""
    hostname: Host | None = None
    """Name of the client's machine."""
    username: User | None = None
    """User who logs in; NULL with Windows authentication."""
    application_name: Software | None = None
    """Program that connects."""
    client_name: Software | None = None
    """Name of the client's library."""
    server_name: Host | None = None
    """Server that the client names in its login."""
    database: ObjectName | None = None
    """Database requested."""
    integrated: bool | None = None
    """The client logs in with Windows authentication; NULL if the login was not seen."""
    authenticated: bool | None = None
    """The server accepted the login; NULL if its answer was not seen."""
    program_name: Software | None = None
    """Program that the server names itself."""
    error_number: U32 | None = None
    """Number of the first error in the server's answer."""
    error: FreeText | None = None
    """Text of that error."""


class TdsParser(OneRowParser[Tds]):
    """One connection up to the answer to its login."""

    __slots__ = ("inner", "partial")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Tds())
        self.inner: InnerStream | None = None
        """The TLS handshake inside, once it has begun."""
        self.partial = [b"", b""]
        """By direction: packets of an incomplete message."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read packets, and the TLS records around them."""
        pos = 0
        size = len(data)
        talk = self.talk
        while size - pos >= 8 and talk.parser is self and not talk.finished:
            kind = data[pos]
            if self.inner is not None and data[pos : pos + 1] in _RECORDS:
                self.inner.feed(data[pos:], from_src)
                return size
            length = data[pos + 2] << 8 | data[pos + 3]
            if kind not in _TYPES or length < 8:
                self.reject(DissectError("expected a packet header"))
                return size
            end = pos + length
            if end > size:
                return pos
            self._packet(kind, data[pos + 1], data[pos + 8 : end], from_src)
            pos = end
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Store what is known of the login and of the TLS handshake inside."""
        if self.inner is not None:
            self.inner.parser.gap(size, from_src)
        self.finish()

    def close(self) -> None:
        """Store what is known of the login and of the TLS handshake inside."""
        if self.inner is not None:
            self.inner.parser.close()
        self.finish()

    def _packet(self, kind: int, status: int, body: bytes, from_src: bool) -> None:
        """Read one packet; the last one of a message has the end-of-message bit set."""
        if kind == _PRELOGIN and self.begun and body[:1] in {b"\x14", b"\x15", b"\x16", b"\x17"}:
            self._handshake(body, from_src)
            return
        if self.inner is not None and kind == _RESPONSE and body[:2] == b"\x16\x03":
            self.inner.feed(body, from_src)
            return
        message = self.partial[from_src] + body
        if len(message) > MAX_MESSAGE:
            self.reject(DissectError("login message of {size} bytes is too long", size=len(message)))
            return
        self.partial[from_src] = b"" if status & 1 else message
        if not status & 1:
            return
        if not self.begun:
            if kind in _LATER and not (kind == _RESPONSE and body[:1] in _ANSWERS):
                self.finish()  # the login was not captured
                return
            self.begin()
        try:
            self._message(kind, message)
        except DissectError as error:
            self.reject(error)

    def _handshake(self, body: bytes, from_src: bool) -> None:
        if self.inner is None:
            self.inner = InnerStream(TlsParser(self.talk))
            self.store()
        self.inner.feed(body, from_src)

    def _message(self, kind: int, message: bytes) -> None:
        if kind == _PRELOGIN:
            self._prelogin(message, from_client=True)
        elif kind == _LOGIN:
            self._login(message)
        elif kind == _RESPONSE and message[:1] == b"\0":
            self._prelogin(message, from_client=False)
        elif kind == _RESPONSE:
            self._tokens(message)
        elif kind == _BATCH:
            self.finish()

    def _prelogin(self, message: bytes, from_client: bool) -> None:
        """Read the options (MS-TDS 2.2.6.5)."""
        pos = 0
        row = self.row
        while pos + 5 <= len(message) and message[pos] != 0xFF:
            option = message[pos]
            start, size = struct.unpack_from(">HH", message, pos + 1)
            value = message[start : start + size]
            if len(value) < size:
                raise DissectError("PRELOGIN option exceeds its message")
            if option == 0 and size >= 4:
                version = f"{value[0]}.{value[1]}.{value[2] << 8 | value[3]}"
                if from_client:
                    row.client_version = version
                else:
                    row.server_version = version
            elif option == 1 and size and not from_client:
                row.encryption = _ENCRYPTION.get(value[0], str(value[0]))
            elif option == 2 and from_client:
                row.instance = value.partition(b"\0")[0].decode("utf-8", "backslashreplace")[:512] or None
            pos += 5

    def _login(self, message: bytes) -> None:
        """Read the fixed part and the texts of a login (MS-TDS 2.2.6.4)."""
        if len(message) < 86:
            raise DissectError("truncated LOGIN7 message")
        row = self.row
        row.version = _VERSIONS.get(message[7])
        row.integrated = bool(message[25] & 0x80)
        start, size = struct.unpack_from("<HH", message, _PASSWORD)
        hidden = message[start : start + 2 * size]
        clear = bytes((byte ^ 0xA5) >> 4 | ((byte ^ 0xA5) & 15) << 4 for byte in hidden)
        self.talk.keep_secret(utf16(clear).encode("utf-8"))
        for offset, field in _TEXTS.items():
            start, size = struct.unpack_from("<HH", message, offset)
            if start + 2 * size > len(message):
                raise DissectError("LOGIN7 string exceeds its message")
            if size:
                setattr(row, field, utf16(message[start : start + 2 * size]))

    def _tokens(self, message: bytes) -> None:
        """Read the tokens of the answer to a login, up to the first of an unknown type."""
        pos = 0
        row = self.row
        while pos + 3 <= len(message):
            token = message[pos]
            if token not in {_ERROR, _INFO, _LOGIN_ACK, _ENVIRONMENT}:
                break
            end = pos + 3 + (message[pos + 1] | message[pos + 2] << 8)
            body = message[pos + 3 : end]
            if token == _ERROR and len(body) >= 8 and row.error_number is None:
                row.error_number = int.from_bytes(body[:4], "little")
                row.error = utf16(body[8 : 8 + 2 * (body[6] | body[7] << 8)])
                row.authenticated = row.authenticated or False
            elif token == _LOGIN_ACK and len(body) >= 6:
                row.authenticated = True
                row.version = _VERSIONS.get(body[1], row.version)
                row.program_name = utf16(body[6 : 6 + 2 * body[5]])
            pos = end
        if row.authenticated is not None:
            self.finish()


def _probe_tds(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a PRELOGIN or LOGIN7 message; on the standard port any message, as the login may not be captured."""
    size = len(data)
    if size >= 8 and talk.has_port(1433) and _continues(data):
        return YES
    if size and data[0] not in _FIRST:
        return NO
    if size < 8:
        opening = not size or data[0] in {_PRELOGIN, _LOGIN} or (data[0] == _RESPONSE and talk.has_port(*_PORTS))
        return MORE if opening and data[1:2] in {b"", b"\0", b"\x01"} else NO
    kind = data[0]
    length = data[2] << 8 | data[3]
    if kind not in {_PRELOGIN, _LOGIN, _RESPONSE} or data[1] > 1 or data[7] or length < 16 or length > 33_000:
        return NO
    if kind == _LOGIN:
        if size < 16:
            return MORE
        total = int.from_bytes(data[8:12], "little")
        return YES if data[15] in _VERSIONS and total >= 86 and (data[1] == 0 or total == length - 8) else NO
    if kind == _RESPONSE and not talk.has_port(*_PORTS):
        return NO
    if size < length:
        return MORE
    return YES if _fits_prelogin(data[8:length]) else NO


def _continues(data: bytes) -> bool:
    """Whether the data begins with a packet of a connection whose login was not captured."""
    length = data[2] << 8 | data[3]
    if data[0] not in _LATER or data[1] & ~0x1F or data[7] or length < 8:
        return False
    if length == len(data):
        return True
    if length > len(data):  # all packets but the last have the negotiated size
        return length >= 512 and len(data) >= 512 and data[1] & 1 == 0
    return data[length] == data[0] and data[length + 1 : length + 2] < b"\x20"


def _fits_prelogin(message: bytes) -> bool:
    """Whether a PRELOGIN begins with its version, and its option table ends where the first value begins."""
    if message[:1] != b"\0" or len(message) < 12:
        return False
    start, size = struct.unpack_from(">HH", message, 1)
    return bool(size == 6 and start % 5 == 1 and start + 6 <= len(message) and message[start - 1] == 0xFF)


TDS = Dissector(
    "tds", "Tabular Data Stream, SQL Server (MS-TDS)", ("tcp",), _PORTS, (Tds,), _probe_tds, TdsParser,
    first=bytes((_PRELOGIN, _LOGIN)),
)  # fmt: skip
