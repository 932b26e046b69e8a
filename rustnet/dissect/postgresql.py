"""PostgreSQL's frontend/backend protocol 3 (PostgreSQL documentation, chapter "Protocol"; no RFC): the startup.

One row per connection, stored when the server is ready for a query or refuses, or when both sides switch to TLS, which
the TLS parser then reads. Statements and passwords are not read.
"""

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.reading import text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import U32, FreeText, ObjectName, Software, Term, User, record

MAX_STARTUP = 10_000
"""Maximum size of a StartupMessage that the server accepts."""
MAX_MESSAGE = 65_000
_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_REQUESTS = {_SSL: 8, _GSS: 8, _CANCEL: 16}
"""Sizes of the requests that may replace a StartupMessage."""
_METHODS = {2: "kerberos", 3: "password", 5: "md5", 7: "gss", 9: "sspi"}
_FIELDS = {
    b"user": "username",
    b"database": "database",
    b"application_name": "application_name",
    b"replication": "replication",
}
_FIRST_KEYS = (
    b"user\0", b"database\0", b"application_name\0", b"client_encoding\0", b"replication\0", b"options\0", b"_pq_.",
    b"DateStyle\0", b"datestyle\0", b"TimeZone\0", b"extra_float_digits\0", b"search_path\0", b"fallback_application_",
)  # fmt: skip
_TYPES = frozenset(b"RSKZENvAIT")
"""Types of messages that a server sends before it is ready."""
_PORTS = (5432,)


@record("postgresql")
class Postgresql:
    """One PostgreSQL connection's start."""

    username: User | None = None
    """User who connects."""
    database: ObjectName | None = None
    """Database requested; if there is none, the server uses the user's name."""
    application_name: Software | None = None
    """Name that the client gives itself."""
    replication: Term | None = None
    """Kind of replication requested."""
    server_version: Software | None = None
    """Version that the server reports."""
    auth_method: Term | None = None
    """Method of authentication that the server requested; `trust` if it requested none."""
    authenticated: bool | None = None
    """The server accepted the user; NULL if its answer was not seen."""
    tls_requested: bool = False
    """The client requested TLS."""
    tls: bool = False
    """The server agreed to TLS; what follows is then not visible."""
    gss_requested: bool = False
    """The client requested encryption by GSSAPI."""
    cancel: bool = False
    """The connection only cancels the query of another."""
    backend_pid: U32 | None = None
    """Process of the server, as it reports it to the client, or as a cancel request names it."""
    sqlstate: Term | None = None
    """SQLSTATE of the error that ended the start."""
    error: FreeText | None = None
    """Text of that error."""


class PostgresqlParser(OneRowParser[Postgresql]):
    """One connection until the server is ready."""

    __slots__ = ("client", "request", "started")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Postgresql())
        self.client: bool | None = None
        """Direction of the client."""
        self.started = False
        """The client has sent its StartupMessage."""
        self.request = 0
        """Code of the pending request, which the server answers with a single byte."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read messages until the server is ready."""
        if self.client is None:
            self._roles(data, from_src)
        pos = 0
        size = len(data)
        talk = self.talk
        while pos < size and talk.parser is self and not talk.finished:
            after = self._client(data, pos) if from_src == self.client else self._server(data, pos)
            if after == pos:
                break
            pos = after
        return pos

    def _roles(self, data: bytes, from_src: bool) -> None:
        self.client = from_src if data[0] == 0 else not from_src
        self.begin()

    def _client(self, data: bytes, pos: int) -> int:
        """Read a request or the StartupMessage; what follows it is not read."""
        if self.started:
            self._keep_password(data[pos:])
            return len(data)
        if self.request == _SSL and data[pos] == 0x16:
            self._encrypt()  # the server's answer was not captured, or is reordered
            return pos
        if len(data) - pos < 8:
            return pos
        length = int.from_bytes(data[pos : pos + 4], "big")
        code = int.from_bytes(data[pos + 4 : pos + 8], "big")
        if code >> 16 != 3 and _REQUESTS.get(code) != length:
            error = DissectError("not a StartupMessage")
            if not (self.row.tls_requested or self.row.gss_requested):
                raise error
            self.reject(error)
            return len(data)
        if not 8 <= length <= MAX_STARTUP:
            raise DissectError("StartupMessage length {length} is out of range", length=length)
        end = pos + length
        if end > len(data):
            return pos
        if code >> 16 == 3:
            self._startup(data[pos + 8 : end])
        elif code == _CANCEL:
            self.row.cancel = True
            self.row.backend_pid = int.from_bytes(data[pos + 8 : pos + 12], "big")
            self.finish()
        else:
            self.request = code
            self.row.tls_requested |= code == _SSL
            self.row.gss_requested |= code == _GSS
        return end

    def _keep_password(self, message: bytes) -> None:
        """Keep a password, in the clear or as a digest, out of the server's error."""
        if message[:1] == b"p":
            self.talk.keep_secret(message[5:].partition(b"\0")[0])

    def _startup(self, body: bytes) -> None:
        self.started = True
        parts = body.split(b"\0")[:200]
        for key, value in zip(parts[::2], parts[1::2], strict=False):
            field = _FIELDS.get(key)
            if field is not None:
                setattr(self.row, field, text(value) or None)

    def _encrypt(self) -> None:
        """Let TLS read what follows."""
        self.row.tls = True
        self.hand_over(TLS)

    def _server(self, data: bytes, pos: int) -> int:
        """Read a server's answer."""
        kind = data[pos]
        if self.request and kind in b"SNG":
            request, self.request = self.request, 0
            if kind == 83 and request == _SSL:
                self._encrypt()
            elif kind == 71:
                self.finish()
            return pos + 1
        if len(data) - pos < 5:
            return pos
        length = int.from_bytes(data[pos + 1 : pos + 5], "big")
        if kind not in _TYPES or not 4 <= length <= MAX_MESSAGE:
            error = DissectError("expected a backend message of the startup phase")
            if self.row.auth_method is None and not self.started:
                raise error
            self.reject(error)
            return len(data)
        end = pos + 1 + length
        if end > len(data):
            return pos
        self._message(kind, data[pos + 5 : end])
        return end

    def _message(self, kind: int, body: bytes) -> None:
        row = self.row
        if kind == 82 and len(body) >= 4:  # R: authentication
            self._authentication(int.from_bytes(body[:4], "big"), body[4:])
        elif kind == 83:  # S: a parameter's value
            name, _, value = body.partition(b"\0")
            if name == b"server_version":
                row.server_version = text(value)
        elif kind == 75:  # K: BackendKeyData
            row.backend_pid = int.from_bytes(body[:4], "big")
        elif kind == 69:  # E: an error
            for part in body.split(b"\0")[:40]:
                if part[:1] == b"C":
                    row.sqlstate = text(part[1:])
                elif part[:1] == b"M":
                    row.error = text(part[1:])
            row.authenticated = row.authenticated or False
            self.finish()
        elif kind == 90:  # Z: ready
            self.finish()

    def _authentication(self, code: int, more: bytes) -> None:
        row = self.row
        if code == 0:
            row.authenticated = True
            row.auth_method = row.auth_method or "trust"
        elif code == 10:
            row.auth_method = text(more.partition(b"\0")[0]).lower() or "sasl"
        elif code in _METHODS:
            row.auth_method = _METHODS[code]


def _probe_postgresql(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a client's first message; on the standard port also a server's."""
    size = len(data)
    if size == 0:
        return MORE
    if data[0]:
        return _probe_server(data, talk) if data[0] in b"RENS" else NO
    if size < 8:
        return MORE if data[:2] == b"\0\0"[:size] else NO
    if data[1]:
        return NO
    length = data[2] << 8 | data[3]
    code = int.from_bytes(data[4:8], "big")
    if code in _REQUESTS:
        return YES if _REQUESTS[code] == length else NO
    if code >> 16 != 3 or code & 0xFFFF > 9 or not 10 <= length <= MAX_STARTUP:
        return NO
    return _probe_startup(data[8:])


def _probe_startup(first: bytes) -> int:
    if first.startswith(_FIRST_KEYS):
        return YES
    return MORE if any(key.startswith(first) for key in _FIRST_KEYS) else NO


def _probe_server(data: bytes, talk: Conversation) -> int:
    if not talk.has_port(*_PORTS):
        return NO
    if len(data) < 9:
        return MORE
    length = int.from_bytes(data[1:5], "big")
    if data[0] == 82:
        return YES if 8 <= length < 4096 and int.from_bytes(data[5:9], "big") < 13 else NO
    return YES if data[0] == 69 and 10 < length < 4096 and data[5:6] in b"SC" else NO


POSTGRESQL = Dissector(
    "postgresql", "PostgreSQL frontend/backend protocol (version 3)", ("tcp",), _PORTS, (Postgresql,),
    _probe_postgresql, PostgresqlParser, first=b"\0",
)  # fmt: skip
