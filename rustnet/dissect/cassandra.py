"""Cassandra's native protocol (CQL binary protocol 1 to 5; no RFC): startup and login.

One row per connection, stored when the server is ready or refuses, or at the first frame that is not part of the
startup. Statements and passwords are not read.
"""

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.lines import read_raw_sasl
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.reading import text
from rustnet.records import U32, FreeText, Software, Term, User, Word, record

MAX_FRAME = 256 << 20
MAX_READ = 16_384
"""Maximum size of a frame during the startup."""
_ERROR, _STARTUP, _READY, _AUTHENTICATE, _OPTIONS, _SUPPORTED = 0x00, 0x01, 0x02, 0x03, 0x05, 0x06
_AUTH_RESPONSE, _AUTH_SUCCESS = 0x0F, 0x10
_REQUESTS = frozenset({0x01, 0x04, 0x05, 0x07, 0x09, 0x0A, 0x0B, 0x0D, 0x0F})
_RESPONSES = frozenset({0x00, 0x02, 0x03, 0x06, 0x08, 0x0C, 0x0E, 0x10})
_FIELDS = {
    "CQL_VERSION": "cql_version",
    "COMPRESSION": "compression",
    "DRIVER_NAME": "client_name",
    "DRIVER_VERSION": "client_version",
    "APPLICATION_NAME": "application_name",
}
_PORTS = (9042, 9142)


@record("cassandra")
class Cassandra:
    """One Cassandra connection's startup."""

    version: Word | None = None
    """Version of the protocol: `3`, `4`, `5` …"""
    cql_version: Term | None = None
    """Version of CQL that the client requests."""
    compression: Term | None = None
    """Compression that the client chose."""
    client_name: Software | None = None
    """Name of the client's library."""
    client_version: Software | None = None
    """Version of the client's library."""
    application_name: Software | None = None
    """Program that connects."""
    auth_method: Term | None = None
    """Class by which the server authenticates."""
    username: User | None = None
    """User who logs in."""
    has_password: bool = False
    """A password was sent."""
    authenticated: bool | None = None
    """The server accepted the login; NULL if its answer was not seen."""
    error_number: U32 | None = None
    """Number of the error by which the server refused."""
    error: FreeText | None = None
    """Text of that error."""


class CassandraParser(OneRowParser[Cassandra]):
    """One connection until the server is ready."""

    __slots__ = ()

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Cassandra())

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read frames until the server is ready."""
        pos = 0
        size = len(data)
        while size - pos >= 9 and not self.talk.finished:
            version = data[pos] & 0x7F
            head = 9 if version >= 3 else 8
            code = data[pos + head - 5]
            length = int.from_bytes(data[pos + head - 4 : pos + head], "big")
            opcodes = _RESPONSES if data[pos] & 0x80 else _REQUESTS
            if not 1 <= version <= 6 or code not in opcodes or length > MAX_FRAME:
                raise DissectError("expected a frame header")
            end = pos + head + length
            self.begin()
            self.row.version = str(version)
            if length > MAX_READ:
                self.finish()
                return size
            if end > size:
                return pos
            self._frame(code, data[pos + head : end])
            pos = end
        return pos

    def _frame(self, code: int, body: bytes) -> None:
        row = self.row
        if code == _STARTUP:
            self._startup(body)
        elif code == _AUTHENTICATE:
            row.auth_method = text(body[2:]).rpartition(".")[2]
        elif code == _AUTH_RESPONSE:
            row.username = read_raw_sasl(self.talk, "PLAIN", body[4:], 1)[0] or row.username
            row.has_password = True
        elif code in {_READY, _AUTH_SUCCESS}:
            row.authenticated = True
            self.finish()
        elif code == _ERROR and len(body) >= 6:
            row.authenticated = False
            row.error_number = int.from_bytes(body[:4], "big")
            row.error = text(body[6 : 6 + (body[4] << 8 | body[5])])
            self.finish()
        elif code not in {_OPTIONS, _SUPPORTED}:
            self.finish()

    def _startup(self, body: bytes) -> None:
        """Read the string map of a STARTUP frame."""
        parts: list[str] = []
        pos = 2
        while pos + 2 <= len(body) and len(parts) < 64:
            end = pos + 2 + (body[pos] << 8 | body[pos + 1])
            parts.append(text(body[pos + 2 : end]))
            pos = end
        for key, value in zip(parts[::2], parts[1::2], strict=False):
            field = _FIELDS.get(key)
            if field is not None:
                setattr(self.row, field, value)


def _probe_cassandra(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise OPTIONS and STARTUP; on the standard ports also any frame with a valid header."""
    if not data:
        return MORE
    version = data[0] & 0x7F
    if not 1 <= version <= 6:
        return NO
    size = len(data)
    on_port = talk.has_port(*_PORTS)
    if size < 9:
        return MORE if on_port else NO
    if data[1] & 0xE0:
        return NO
    head = 9 if version >= 3 else 8
    code = data[head - 5]
    length = int.from_bytes(data[head - 4 : head], "big")
    if code == _STARTUP and not data[0] & 0x80:
        if size < head + 4:
            return MORE
        key = data.find(b"\0\x0bCQL_VERSION", head, head + length)
        return YES if key >= 0 else MORE if size < head + length < 2048 else NO
    if code == _OPTIONS and not data[0] & 0x80:
        return YES if length == 0 and (on_port or (size == head and version >= 3)) else NO
    opcodes = _RESPONSES if data[0] & 0x80 else _REQUESTS
    return YES if on_port and code in opcodes and length < MAX_FRAME and not data[2] & 0x80 else NO


CASSANDRA = Dissector(
    "cassandra", "Cassandra native protocol (CQL binary protocol)", ("tcp",), _PORTS, (Cassandra,), _probe_cassandra,
    CassandraParser, first=bytes(range(1, 7)),
)  # fmt: skip
