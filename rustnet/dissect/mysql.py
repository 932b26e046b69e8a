"""MySQL and MariaDB (their client/server protocol; no RFC): greeting, login and its outcome, changes of the user.

One row per login, stored when the server accepts or refuses it, or when both sides switch to TLS, which the TLS parser
then reads; one per later change of the user or the database. Statements are not read, nor commands in compressed
connections.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.reading import text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import U8, U16, U32, FreeText, ObjectName, Software, Term, User, Word, record

MAX_LOGIN = 16_384
"""Maximum size of a packet during the login."""
MAX_COMMANDS = 100_000
"""Commands of a connection among which changes of the user are looked for."""
_WITH_DB, _PROTOCOL_41, _SSL, _SECURE, _PLUGIN, _ATTRIBUTES, _LENGTH_ENCODED = (
    0x8, 0x200, 0x800, 0x8000, 0x80000, 0x100000, 0x200000,
)  # fmt: skip
_COMPRESS, _ZSTD = 0x20, 0x400_0000
"""Capability flags."""
MAX_CHANGES = 1000
"""Changes of the user or the database of a connection."""
_CLEAR = "mysql_clear_password"
_USE, _CHANGE_USER = 0x02, 0x11
"""Commands that change a connection's database, and its user with it."""
_SILENT = frozenset({0x01, 0x18, 0x19})
"""Commands that the server does not answer."""
_OK, _MORE_DATA, _SWITCH, _ERROR, _VERSION_10 = 0x00, 0x01, 0xFE, 0xFF, 0x0A
_GREETING = re.compile(rb"\n([0-9][\x20-\x7e]{1,127})\x00", re.DOTALL).match
_KEPT = {b"_client_name": "client_name", b"_client_version": "client_version", b"program_name": "program_name"}


@record("mysql")
class Mysql:
    """One login of a MySQL connection, or a change of its user or its database."""

    command: Word | None = None
    """`login`, `change_user` or `init_db`."""
    server_version: Software | None = None
    """Version that the server states."""
    connection_id: U32 | None = None
    """Number that the server gives the connection."""
    username: User | None = None
    """User who logs in."""
    database: ObjectName | None = None
    """Database requested at login, or changed to."""
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
    compression: Term | None = None
    """Compression that both sides use after the login: `zlib` or `zstd`; NULL if none, or the greeting was not seen."""
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
    """One connection: its login, and those of its commands that change the user or the database."""

    __slots__ = ("answered", "changes", "commands", "flags", "idle", "logged_in", "offered", "server")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Mysql(command="login"))
        self.server: bool | None = None
        """Direction of the server."""
        self.logged_in = False
        """The client has sent its login."""
        self.flags = 0
        """Capabilities of the client."""
        self.offered: int | None = None
        """Those of the server."""
        self.idle = False
        """The login is over, and the server's answers are of no interest."""
        self.answered = True
        """The server has sent something since the last command."""
        self.commands = 0
        self.changes = 0
        """Commands that became rows."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the packets of a login; of other commands only the first byte."""
        pos = 0
        size = len(data)
        talk = self.talk
        while size - pos >= 4 and talk.parser is self and not talk.finished:
            if self.idle and from_src == self.server:
                self.answered = True
                return size
            length = data[pos] | data[pos + 1] << 8 | data[pos + 2] << 16
            end = pos + 4 + length
            if self.commands and from_src != self.server:
                if size - pos < 5:
                    return pos
                if length == 0 or self._is_other(data, pos, length):
                    pos = end
                    continue
            if not 0 < length <= MAX_LOGIN:
                self._refuse(DissectError("login packet length {length} is out of range", length=length))
                return size
            if end > size:
                return pos
            self._read(data[pos + 3], data[pos + 4 : end], from_src)
            pos = end
        return pos

    def _is_other(self, data: bytes, pos: int, length: int) -> bool:
        """Whether a client's packet after the login has nothing to do with the user or the database."""
        if data[pos + 3]:  # a part of an exchange: proofs, or the contents of a file to load
            return self.idle
        command = data[pos + 4]
        if command in {_USE, _CHANGE_USER} and length <= MAX_LOGIN:
            return False
        self._count(command)
        return True

    def _count(self, command: int) -> None:
        """Count a command that begins; the server's answer to the one before it is not of interest any more."""
        if not self.idle:
            self._wait()
        self.answered = command in _SILENT and self.answered
        self.commands += 1
        if self.commands > MAX_COMMANDS or self.changes >= MAX_CHANGES:
            self.finish()

    def gap(self, size: int, from_src: bool) -> None:
        """Missing answers of the server do no harm unless one is awaited."""
        if not self.idle or from_src != self.server:
            self.finish()

    def _wait(self) -> None:
        """Store the row, and begin one for what the connection may do later."""
        self.store()
        before = self.row
        self.row = Mysql(server_version=before.server_version, connection_id=before.connection_id)
        self.begun = self.stored = False
        self.idle = True

    def _read(self, number: int, body: bytes, from_src: bool) -> None:
        """Read one packet according to its sender."""
        if self.server is None:
            self.server = from_src if number == 0 else not from_src
        if self.commands and from_src != self.server and number == 0:
            self._command(body)
            return
        self.begin()
        try:
            if from_src != self.server:
                self._client(body)
            elif number == 0 and not self.logged_in:
                self._greeting(body)
            else:
                self._result(body)
        except DissectError as error:
            self._refuse(error)

    def _refuse(self, error: DissectError) -> None:
        """Stop reading at a malformed message of a login; later ones may be of a kind that is not known."""
        if self.commands:
            self.finish()
        else:
            self.reject(error)

    def _command(self, body: bytes) -> None:
        """Read a command that changes the database, or the user too."""
        certain = self.answered
        self._count(body[0])
        if self.talk.finished:
            return
        self.changes += 1
        row = self.row
        row.command = "init_db" if body[0] == _USE else "change_user"
        self.begin()
        if body[0] == _USE:
            row.database = text(body[1:]) or None
        elif not self._change_user(body):
            self.talk.anomaly("malformed_mysql", "expected a user name that ends with NUL")
        self.idle = False
        if not certain:  # the next answer may be that to an earlier command
            self._wait()

    def _change_user(self, body: bytes) -> bool:
        """Read COM_CHANGE_USER; false if it has no user."""
        row = self.row
        end = body.find(b"\0", 1)
        if end < 0:
            return False
        row.username = text(body[1:end])
        size = body[end + 1] if end + 1 < len(body) else 0
        pos = end + 2 + size
        proof = body[end + 2 : pos]
        name, _, rest = body[pos:].partition(b"\0")
        row.database = text(name) or None
        if len(rest) >= 2:
            row.charset = rest[0] if not rest[1] else None
        name, _, more = rest[2:].partition(b"\0")
        if self.flags & _PLUGIN:
            row.auth_plugin = text(name) or None
            self._hide(proof)
            if self.flags & _ATTRIBUTES and more:
                try:
                    _attributes(row, more, 0)
                except DissectError:
                    return True
        return True

    def _hide(self, proof: bytes) -> None:
        """Keep out of all texts a password that is sent in the clear."""
        if self.row.auth_plugin == _CLEAR:
            self.talk.keep_secret(proof.rstrip(b"\0"))

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
        self.offered = int.from_bytes(body[pos + 13 : pos + 15] + body[pos + 18 : pos + 20], "little")
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
        flags = self.flags = int.from_bytes(body[:4], "little")
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
        both = flags & (self.offered or 0)
        self.row.compression = "zlib" if both & _COMPRESS else "zstd" if both & _ZSTD else None
        self._login(flags, body)

    def _login(self, flags: int, body: bytes) -> None:
        row = self.row
        end = body.find(b"\0", 32)
        if end < 0:
            raise DissectError("expected a NUL after the user name")
        row.username = text(body[32:end])
        start = pos = end + 1
        if flags & _LENGTH_ENCODED:
            size, start = _length(body, pos)
            pos = start + size
        elif flags & _SECURE:
            start = pos + 1
            pos = start + (body[pos] if pos < len(body) else 0)
        else:
            pos = body.find(b"\0", pos) + 1 or len(body)
        proof = body[start:pos]
        if flags & _WITH_DB:
            name, _, rest = body[pos:].partition(b"\0")
            row.database = text(name) or None
            pos = len(body) - len(rest)
        if flags & _PLUGIN:
            name, _, rest = body[pos:].partition(b"\0")
            row.auth_plugin = text(name) or row.auth_plugin
            pos = len(body) - len(rest)
            self._hide(proof)
        if flags & _ATTRIBUTES and pos < len(body):
            _attributes(row, body, pos)

    def _result(self, body: bytes) -> None:
        """Read the server's answer to a login or change; more authentication data is ignored."""
        row = self.row
        login = row.command != "init_db"
        if body[0] == _ERROR and len(body) >= 3:
            row.authenticated = False if login else None
            row.error_code = body[1] | body[2] << 8
            row.error = text(body[9:] if body[3:4] == b"#" else body[3:])
            self._done(going_on=self.commands > 0)
        elif body[0] == _OK:
            row.authenticated = True if login else None
            self._done(going_on=True)
        elif body[0] == _SWITCH:
            row.auth_plugin = text(body[1:].partition(b"\0")[0]) or "mysql_old_password"
        elif body[0] != _MORE_DATA:
            raise DissectError("unexpected answer {code:#x} to a login", code=body[0])

    def _done(self, *, going_on: bool) -> None:
        """Store the row; read the commands that follow if their form is known and not compressed."""
        packed = self.flags & (_COMPRESS | _ZSTD) and (self.row.compression or self.offered is None)
        if not going_on or packed or not self.flags & _PROTOCOL_41:
            self.finish()
            return
        self._wait()
        self.answered = True
        self.commands = max(self.commands, 1)


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
