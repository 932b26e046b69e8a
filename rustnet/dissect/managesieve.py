"""ManageSieve (RFC 5804): commands and results, never the scripts.

One row per command with its result, and one for the greeting, which lists capabilities. Scripts are skipped and
counted. After STARTTLS the TLS parser reads the rest of the connection. Of AUTHENTICATE the mechanism and the user are
kept, no password.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.lines import (
    LOST,
    MAX_LINE,
    MAX_WAITING,
    LineParser,
    mechanism_name,
    read_sasl,
    stray_line,
    unknown,
)
from rustnet.dissect.framework.pairs import Pairs, elapsed
from rustnet.dissect.framework.reading import text
from rustnet.dissect.framework.secrets import reply_text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import U64, FreeText, ObjectName, Term, User, Word, record

_NAMES = (
    "AUTHENTICATE STARTTLS LOGOUT CAPABILITY HAVESPACE PUTSCRIPT LISTSCRIPTS SETACTIVE GETSCRIPT DELETESCRIPT "
    "RENAMESCRIPT CHECKSCRIPT NOOP UNAUTHENTICATE"
)
_COMMANDS = frozenset(_NAMES.split())
_SCRIPTS = frozenset({"HAVESPACE", "PUTSCRIPT", "SETACTIVE", "GETSCRIPT", "DELETESCRIPT", "RENAMESCRIPT"})
"""Commands that name a script first."""
_COMMAND = re.compile(rb"([A-Za-z]{4,16})(?: +(.*))?$", re.DOTALL).match
_RESULT = re.compile(rb"(OK|NO|BYE)(?: +\(([^\x00-\x1f)]{1,256})\))?(?: +(.*))?$", re.DOTALL | re.IGNORECASE).match
_LITERAL = re.compile(rb"\{([0-9]{1,18})\+?\}$").search
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)" *').match
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_CAPABILITY = re.compile(
    rb'"(?i:IMPLEMENTATION|SASL|SIEVE|STARTTLS|VERSION|NOTIFY|LANGUAGE|OWNER|MAXREDIRECTS|UNAUTHENTICATE|RENAME|XVERSION)"'
    rb'(?: "[^\x00\r\n]*")?\r?\n'
).match
_OWN_CAPABILITY = re.compile(rb'(?:^|\n)"(?i:IMPLEMENTATION|SIEVE)" "').search
_OWN = re.compile(
    rb'(?i:AUTHENTICATE "[A-Z0-9_-]{1,32}"[^\r\n]*|LISTSCRIPTS'
    rb'|(?:PUTSCRIPT|GETSCRIPT|SETACTIVE|HAVESPACE|DELETESCRIPT|RENAMESCRIPT|CHECKSCRIPT) ["{][^\r\n]*)\r\n'
).match
_PORTS = (4190,)


@record("managesieve")
class ManageSieve:
    """One ManageSieve command and its result, or the server's greeting."""

    command: Term | None = None
    """Command, upper case; NULL for the greeting and for a result whose command was not seen."""
    script: ObjectName | None = None
    """Script that the command names."""
    mechanism: Term | None = None
    """Mechanism of AUTHENTICATE."""
    user: User | None = None
    """User who logs in."""
    has_password: bool = False
    """A secret was sent with this command."""
    result: Word | None = None
    """`OK`, `NO` or `BYE`; NULL without one."""
    result_detail: Term | None = None
    """Response code of the result: `QUOTA`, `NONEXISTENT` …"""
    reply: FreeText | None = None
    """Text of the result."""
    request_bytes: U64 = 0
    """Bytes of literals that the client sent: a script."""
    response_bytes: U64 = 0
    """Bytes of literals that the server sent: a script."""
    response_ms: float | None = None
    """From the command to its result, in milliseconds; NULL if their packets have times in another order."""
    pair_unknown: bool = False
    """Bytes of the flow are missing, so that this command and its result cannot be assigned to each other."""


class ManageSieveParser(LineParser):
    """One connection."""

    __slots__ = ("answers", "continued", "current", "literal", "login", "pairs", "server", "user")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.server: bool | None = None
        """Direction of the server, once a line shows it."""
        self.search()
        self.pairs = Pairs(MAX_WAITING)
        self.current: ManageSieve | None = None
        """The command last sent."""
        self.continued = [False, False]
        """By direction: the next line continues one that a literal interrupted."""
        self.literal = 0
        """Size of a literal that is a credential."""
        self.login: ManageSieve | None = None
        """Row of the pending AUTHENTICATE: the client's next strings are credentials."""
        self.answers = 0
        self.user: str | None = None

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read lines; TLS that arrives before the result that permits it waits."""
        if data[:2] == b"\x16\x03" and any(row.command == "STARTTLS" for row, _, _ in self.pairs.waiting):
            return 0
        return super().stream(data, from_src)

    def line(self, line: bytes, from_src: bool) -> int:
        """Read one line; a literal at its end is skipped."""
        if self.server is None:
            if not line:
                return 0
            self.server = self._role(line, from_src)
            self.pairs.begin(self.talk, not self.server)
        again = self.continued[from_src]
        literal = _LITERAL(line)
        size = int(literal.group(1)) if literal is not None else 0
        self.continued[from_src] = literal is not None
        if from_src == self.server:
            if not again:
                self._result(line)
            first = self.pairs.first()
            if size and first is not None:
                first.response_bytes += size
            return size
        if not again and (self.login is None or line[:1] not in {b'"', b"{"}):
            self._command(line, literal is not None)
        elif literal is None and (not again or line.strip()):
            self._credential(_unquoted(line.strip()))
        if self.login is not None and 0 < size < MAX_LINE:
            self.literal = size
            self.in_body[from_src] = True
            return 0
        if self.current is not None:
            self.current.request_bytes += size
        return size

    def body(self, data: bytes, pos: int, from_src: bool) -> int:
        """Read a credential that is a literal."""
        end = pos + self.literal
        if end > len(data):
            return pos
        self.in_body[from_src] = False
        self._credential(data[pos:end])
        return end

    def late(self) -> None:
        """State no more pairs."""
        self.pairs.give_up()

    def close(self) -> None:
        """Store the commands that got no result."""
        for entry in self.pairs.drain():
            self.store_row(*entry)
        self.pairs.report(self.talk, "ManageSieve")

    def gap(self, size: int, from_src: bool) -> None:
        """Take into account that commands or results may be missing."""
        super().gap(size, from_src)
        self.in_body[from_src] = self.continued[from_src] = False
        if self.server is None:
            self.talk.count_lost(size, from_src)
        elif from_src == self.server:
            self.pairs.lose_responses()
        else:
            self.answers = LOST - 1
            self.pairs.lose_requests(size)

    def resumes(self, line: bytes, from_src: bool) -> bool:
        """Whether the first line after a loss is a whole one."""
        command = text(line.partition(b" ")[0]).upper() in _COMMANDS
        result = _RESULT(line) is not None
        return result or command if self.server is None else result if from_src == self.server else command

    def _role(self, line: bytes, from_src: bool) -> bool:
        """Direction of the server, by the first line."""
        if line[:1] == b'"' or _RESULT(line) is not None:
            return from_src
        if _COMMAND(line) is None:
            raise DissectError("expected a command or a capability")
        return not from_src

    def _command(self, line: bytes, literal: bool) -> None:
        match = _COMMAND(line)
        if match is None:
            stray_line(self.talk, line)
            return
        name = match.group(1).decode("ascii").upper()
        raw = match.group(2) or b""
        self.login = None
        row = ManageSieve(command=name if name in _COMMANDS else unknown(self.talk, line), user=self.user)
        self.current = row
        if name == "AUTHENTICATE":
            self._authenticate(row, raw)
        elif name in _SCRIPTS and (quoted := _QUOTED(raw)) is not None:
            row.script = text(_ESCAPED.sub(rb"\1", quoted.group(1)))
            if name == "PUTSCRIPT" and not literal:
                row.request_bytes = max(0, len(raw) - quoted.end() - 2)
        for entry in self.pairs.request(row, self.talk.ts, self.talk.packet, len(line) + 2, name == "AUTHENTICATE"):
            self.store_row(*entry)

    def _authenticate(self, row: ManageSieve, raw: bytes) -> None:
        """Read a mechanism and an initial response, if there is one."""
        self.login = row
        self.answers = 0
        quoted = _QUOTED(raw)
        if quoted is None:
            if _LITERAL(raw) is None:
                stray_line(self.talk, raw)
                self.login = None
            return
        row.mechanism = mechanism_name(quoted.group(1), self.talk)
        if raw[quoted.end() : quoted.end() + 1] == b'"':
            self._credential(_unquoted(raw[quoted.end() :]))

    def _credential(self, raw: bytes) -> None:
        """Read the user, and whether there is a secret, in a response."""
        row = self.login
        if row is None:
            return
        if row.mechanism is None:  # it is a literal, too
            row.mechanism = mechanism_name(raw, self.talk)
            return
        self.answers += 1
        user, secret = read_sasl(self.talk, row.mechanism or "", raw, self.answers)
        if user is not None:
            row.user = self.user = user
        row.has_password = row.has_password or secret

    def _result(self, line: bytes) -> None:
        """Complete a command with its result; other lines are data."""
        match = _RESULT(line)
        if match is None:
            return
        word, detail, reply = match.groups()
        entry = self.pairs.response(word.upper() == b"BYE")
        row = entry[0] if entry is not None else ManageSieve()
        row.result = text(word).upper()
        row.result_detail = text(detail.split()[0]) if detail and detail.split() else None
        if reply and _LITERAL(reply) is None:
            row.reply = reply_text(_unquoted(reply), _COMMANDS)
        if row is self.login:
            self.login = None
        if entry is None:
            self.pairs.orphan(row)
            self.store_row(row)
            return
        row.response_ms = elapsed(entry[1], self.talk.ts)
        self.store_row(*entry)
        if row.result == "OK" and row.command == "STARTTLS":
            self.close()
            self.talk.hand_over(TLS)


def _unquoted(raw: bytes) -> bytes:
    """Content of a quoted string; other text as it is."""
    quoted = _QUOTED(raw)
    return raw if quoted is None else _ESCAPED.sub(rb"\1", quoted.group(1))


def _probe_managesieve(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a server's capabilities, or a command of its own; on its registered port also the common commands."""
    if not data:
        return MORE
    on_port = talk.has_port(*_PORTS)
    end = data.find(b"\n")
    if data[:1] == b'"':
        if end < 0:
            known = any(word.startswith(data[1:16].upper()) for word in (b'IMPLEMENTATION" "', b'SASL" "', b'SIEVE" "',
                        b'STARTTLS"', b'VERSION" "'))  # fmt: skip
            return MORE if known or (b'" "' in data and len(data) < 512) else NO
        if _CAPABILITY(data) is None:
            return NO
        if _OWN_CAPABILITY(data) is not None or on_port:
            return YES
        return MORE if len(data) < 1024 else NO
    if not data[:1].isalpha():
        return NO
    if end < 0:
        return MORE if on_port and len(data) < 512 and data[:4].isalpha() else NO
    if _OWN(data) is not None:
        return YES
    word = text(data[:end].split(b" ")[0].rstrip(b"\r")).upper()
    return YES if on_port and (word in _COMMANDS or word in {"OK", "NO", "BYE"}) else NO


MANAGESIEVE = Dissector(
    "managesieve",
    "ManageSieve (RFC 5804)",
    ("tcp",),
    _PORTS,
    (ManageSieve,),
    _probe_managesieve,
    ManageSieveParser,
    first=b'"APGSHDRCLapgshdrcl',
)
