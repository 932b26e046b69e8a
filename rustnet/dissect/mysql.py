"""MySQL and MariaDB (their client/server protocol; no RFC): greeting, login and its outcome.

One row per connection, stored when the server accepts or refuses the login, or when both sides switch to TLS, which the
TLS parser then reads. Statements are not read.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.reading import text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import U8, U16, U32, FreeText, ObjectName, Software, Term, User, record

MAX_LOGIN = 16_384
"""Maximum size of a packet during the login."""
_WITH_DB, _PROTOCOL_41, _SSL, _SECURE, _PLUGIN, _ATTRIBUTES, _LENGTH_ENCODED = (
    0x8, 0x200, 0x800, 0x8000, 0x80000, 0x100000, 0x200000,
)  # fmt: skip
"""Capability flags."""
_OK, _MORE_DATA, _SWITCH, _ERROR, _VERSION_10 = 0x00, 0x01, 0xFE, 0xFF, 0x0A
_GREETING = re.compile(rb"\n([0-9][\x20-\x7e]{1,127})\x00", re.DOTALL).match
_KEPT = {b"_client_name": "client_name", b"_client_version": "client_version", b"program_name": "program_name"}


@record("mysql")
class Mysql:
    """One MySQL connection's login."""

    server_version: Software | None = None
    """Version that the server states."""
    connection_id: U32 | None = None
    """Number that the server gives the connection."""
    username: User | None = None
    """User who logs in."""
    database: ObjectName | None = None
    """Database requested at login."""
    auth_plugin: Term | None = None
    """Method of authentication last named: by the server, by the client, or in a switch."""
    client_name: Software | None = None
    """Name of the client's library."""
    client_version: Software | None = None
    """Version of the client's library."""
    program_name: Software | None = None
    """Program that the client's library names."""
    charset: U8 | None = None
    """Number of the client's character set."""
    tls: bool = False
    """The client changed to TLS; user and outcome are then not visible."""
    authenticated: bool | None = None
    """The server accepted the login; NULL if its answer was not seen."""
    error_code: U16 | None = None
    """Error number, if the server refused."""
    error: FreeText | None = None
    """Text of that error."""


def _length(data: bytes, pos: int) -> tuple[int, int]:
    """Length-encoded integer, and the position after it."""
    if pos >= len(data):
        raise DissectError("truncated length field in a login packet")
    first = data[pos]
    if first < 0xFB:
        return first, pos + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first, 0)
    return int.from_bytes(data[pos + 1 : pos + 1 + size], "little"), pos + 1 + size


def _attributes(row: Mysql, data: bytes, pos: int) -> None:
    """Read the connection attributes."""
    total, pos = _length(data, pos)
    end = min(len(data), pos + total)
    while pos < end:
        size, pos = _length(data, pos)
        key = data[pos : pos + size]
        size, pos = _length(data, pos + size)
        field = _KEPT.get(key)
        if field is not None:
            setattr(row, field, text(data[pos : pos + size]))
        pos += size


class MysqlParser(OneRowParser[Mysql]):
    """One connection up to the end of its login."""

    __slots__ = ("logged_in", "server")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Mysql())
        self.server: bool | None = None
        """Direction of the server."""
        self.logged_in = False
        """The client has sent its login."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the packets of the login."""
        pos = 0
        size = len(data)
        talk = self.talk
        while size - pos >= 4 and talk.parser is self and not talk.finished:
            length = data[pos] | data[pos + 1] << 8 | data[pos + 2] << 16
            if not 0 < length <= MAX_LOGIN:
                self.reject(DissectError("login packet length {length} is out of range", length=length))
                return size
            end = pos + 4 + length
            if end > size:
                return pos
            self._read(data[pos + 3], data[pos + 4 : end], from_src)
            pos = end
        return pos

    def _read(self, number: int, body: bytes, from_src: bool) -> None:
        """Read one packet according to its sender."""
        if self.server is None:
            self.server = from_src if number == 0 else not from_src
        self.begin()
        try:
            if from_src != self.server:
                self._client(body)
            elif number == 0 and not self.logged_in:
                self._greeting(body)
            else:
                self._result(body)
        except DissectError as error:
            self.reject(error)

    def _greeting(self, body: bytes) -> None:
        row = self.row
        if body[0] == _ERROR:
            self._result(body)
            return
        match = _GREETING(body)
        if match is None or len(body) < match.end() + 13:
            raise DissectError("truncated server greeting")
        row.server_version = text(match.group(1))
        pos = match.end()
        row.connection_id = int.from_bytes(body[pos : pos + 4], "little")
        if len(body) > pos + 31:
            pos += 31 + max(13, body[pos + 20] - 8)
            row.auth_plugin = text(body[pos:].partition(b"\0")[0]) or None

    def _client(self, body: bytes) -> None:
        """Read the login, or the request for TLS, which is only the fixed part of a login."""
        if self.logged_in:
            self.talk.keep_secret(body)  # with mysql_clear_password the password itself
            return
        if len(body) < 6:
            raise DissectError("truncated client login")
        flags = int.from_bytes(body[:4], "little")
        if not flags & _PROTOCOL_41:
            self.logged_in = True
            self.row.username = text(body[5:].partition(b"\0")[0])
            return
        if len(body) < 32:
            raise DissectError("truncated client login")
        self.row.charset = body[8]
        if flags & _SSL and len(body) == 32:
            self.row.tls = True
            self.hand_over(TLS)
            return
        self.logged_in = True
        self._login(flags, body)

    def _login(self, flags: int, body: bytes) -> None:
        row = self.row
        end = body.find(b"\0", 32)
        if end < 0:
            raise DissectError("expected a NUL after the user name")
        row.username = text(body[32:end])
        pos = end + 1
        if flags & _LENGTH_ENCODED:
            size, pos = _length(body, pos)
            pos += size
        elif flags & _SECURE:
            pos += 1 + (body[pos] if pos < len(body) else 0)
        else:
            pos = body.find(b"\0", pos) + 1 or len(body)
        if flags & _WITH_DB:
            name, _, rest = body[pos:].partition(b"\0")
            row.database = text(name) or None
            pos = len(body) - len(rest)
        if flags & _PLUGIN:
            name, _, rest = body[pos:].partition(b"\0")
            row.auth_plugin = text(name) or row.auth_plugin
            pos = len(body) - len(rest)
        if flags & _ATTRIBUTES and pos < len(body):
            _attributes(row, body, pos)

    def _result(self, body: bytes) -> None:
        """Read the server's answer to a login; more authentication data is ignored."""
        row = self.row
        if body[0] == _ERROR and len(body) >= 3:
            row.authenticated = False
            row.error_code = body[1] | body[2] << 8
            row.error = text(body[9:] if body[3:4] == b"#" else body[3:])
            self.finish()
        elif body[0] == _OK:
            row.authenticated = True
            self.finish()
        elif body[0] == _SWITCH:
            row.auth_plugin = text(body[1:].partition(b"\0")[0]) or row.auth_plugin
        elif body[0] != _MORE_DATA:
            raise DissectError("unexpected answer {code:#x} to a login", code=body[0])


def _probe_mysql(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a server's greeting or a client's login, of which all fixed parts must fit."""
    size = len(data)
    if size < 5:
        on_port = talk.has_port(*_PORTS) and (size < 4 or data[3] < 2)
        return MORE if size < 4 and on_port else MORE if on_port else NO
    number = data[3]
    if number > 1 or data[2] or data[0] | data[1] << 8 > MAX_LOGIN:
        return NO
    length = data[0] | data[1] << 8
    if number == 1:
        return _probe_login(data, length, talk)
    if data[4] == _ERROR:
        refused = talk.has_port(*_PORTS) and 6 < length < 512 and size >= 8 and data[6] == 4 and data[7] in b"#HT"
        return YES if refused else NO
    if data[4] != _VERSION_10 or length < 20:
        return NO
    if size < 4 + length:
        return MORE
    match = _GREETING(data, 4)
    if match is None or match.end() + 12 >= 4 + length:
        return NO
    return YES if data[match.end() + 12] == 0 else NO


def _probe_login(data: bytes, length: int, talk: Conversation) -> int:
    if length < 32:
        return NO
    if len(data) < 36:
        return MORE if talk.has_port(*_PORTS) else NO
    flags = int.from_bytes(data[4:8], "little")
    fits = flags & _PROTOCOL_41 and not any(data[13:32]) and (length == 32 or length > 33)
    return YES if fits and len(data) <= 4 + length + 512 else NO


_PORTS = (3306, 3307)
MYSQL = Dissector(
    "mysql", "MySQL client/server protocol (MySQL 8.4 internals)", ("tcp",), _PORTS, (Mysql,),
    _probe_mysql, MysqlParser,
    shapes={"tcp": Shape(at={2: b"\0", 3: b"\0\1"})},
)  # fmt: skip
