"""POP3 (RFC 1939, 2449, 2595, 5034): commands and replies, never the mail.

One row per command with its reply, and one for the greeting. Mail and lists are skipped and counted. After STLS the TLS
parser reads the rest of the connection. Passwords and digests are not kept.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, Dissector
from rustnet.dissect.framework.lines import mechanism_name, stray_line, unknown
from rustnet.dissect.framework.listings import ListingParser
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import text
from rustnet.dissect.framework.secrets import reply_text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import U64, FreeText, Term, User, record

_NAMES = "USER PASS APOP AUTH CAPA STLS STAT LIST UIDL RETR TOP DELE NOOP RSET LAST QUIT UTF8 LANG XTND"
_COMMANDS = frozenset(_NAMES.split())
_ALONE = frozenset({"CAPA", "STLS", "STAT", "NOOP", "RSET", "LAST", "QUIT"})
"""Commands without an argument: what follows one is something that went astray."""
_LONG = frozenset({"RETR", "TOP", "CAPA", "LIST", "UIDL", "AUTH"})
"""Commands whose positive reply may have several lines."""
_COMMAND = re.compile(rb"([A-Za-z0-9]{3,4})(?: +(.*))?$", re.DOTALL).match
_FIRST = re.compile(
    rb"(?:USER|APOP) [^\x00-\x1f\x7f]+\r?\n|(?:CAPA|STLS)\r?\n|AUTH(?: [A-Z0-9_-]+)?\r?\n", re.IGNORECASE
).match
_OWN = re.compile(rb"APOP [^ \r\n]+ [0-9a-f]{32}\r?\n|STLS\r\n|CAPA\r\n").match
_GREETING = re.compile(rb"\+OK(?: [^\x00]*)?\r?\n").match
_PORTS = (110,)
_LETTERS = frozenset({65, 67, 83, 85})


@record("pop3")
class Pop3:
    """One POP3 command and its reply, or the server's greeting."""

    command: Term | None = None
    """Command, upper case; NULL for the greeting and for a reply whose command was not seen."""
    argument: FreeText | None = None
    """Argument of the command; NULL for secrets and for unknown commands."""
    user: User | None = None
    """User who logs in."""
    has_password: bool = False
    """A password or a digest of it was sent with this command."""
    ok: bool | None = None
    """The reply was positive; NULL without one."""
    reply: FreeText | None = None
    """First line of the reply."""
    response_bytes: U64 = 0
    """Bytes of the reply's further lines: a mail, or a list."""
    response_ms: float | None = None
    """From the command to the reply's first line, in milliseconds; NULL if the packets' times are in another order."""
    pair_unknown: bool = False
    """Bytes of the flow are missing, so that this command and its reply cannot be assigned to each other."""


class Pop3Parser(ListingParser):
    """One connection."""

    __slots__ = ()

    TITLE = "POP3"
    COMMANDS = _COMMANDS
    STARTTLS = "STLS"

    def is_reply(self, line: bytes) -> bool:
        """Whether a line has the form of a reply."""
        return line.startswith((b"+OK", b"-ERR"))

    def is_whole_reply(self, line: bytes) -> bool:
        """Whether a line after a loss cannot be the end of another one."""
        return line.startswith((b"+OK ", b"-ERR "))

    def is_command(self, line: bytes) -> bool:
        """Whether a line has the form of a command."""
        return _COMMAND(line) is not None

    def _command(self, line: bytes) -> None:
        match = _COMMAND(line)
        name = match.group(1).decode("ascii").upper() if match is not None else ""
        if self.login is not None:
            if name not in _COMMANDS:
                self._credential(self.login, line)
                return
            self.login = None
        if match is None:
            stray_line(self.talk, line)
            return
        row = Pop3(command=name if name in _COMMANDS else unknown(self.talk, line))
        raw = match.group(2)
        if name == "AUTH" and raw:
            self._auth(row, raw)
        elif name in {"PASS", "APOP"}:
            row.has_password = True
            self._prove(name, raw or b"")
        elif name in _ALONE:
            stray_line(self.talk, raw or b"")
        elif name in _COMMANDS and raw is not None:
            row.argument = text(raw)
            if name == "USER":
                self.user = row.argument
        row.user = row.user or self.user
        self._add_request(row, len(line) + 2)

    def _add_request(self, row: Pop3, size: int) -> None:
        """Let a command wait for its reply."""
        if self.torn:  # the client would not go on before the end of the mail or list
            self._end_listing(bool(self.server))
        for entry in self.pairs.request(row, self.talk.ts, self.talk.packet, size, row.command == "AUTH"):
            self.store_row(*entry)

    def _prove(self, name: str, raw: bytes) -> None:
        """Keep a password or a digest out of the server's reply; of APOP the user comes first."""
        if name == "APOP":
            user, _, raw = raw.partition(b" ")
            self.user = text(user) or self.user
        self.talk.keep_secret(raw)

    def _auth(self, row: Pop3, raw: bytes) -> None:
        """Read a mechanism and an initial response, if there is one."""
        mechanism, _, initial = raw.partition(b" ")
        row.argument = mechanism_name(mechanism, self.talk)
        self.login = row
        self.answers = 0
        if initial.strip():
            self._credential(row, initial.strip())

    def _reply(self, line: bytes) -> None:
        """Read a reply's first line."""
        talk = self.talk
        entry = self.pairs.response()
        if entry is not None:
            row = entry[0]
            row.response_ms = elapsed(entry[1], talk.ts)
        else:
            row = Pop3()
            self.pairs.orphan(row)
            entry = (row, talk.ts, talk.packet)
        row.ok = line.startswith(b"+")
        row.reply = reply_text(line, _COMMANDS)
        if row is self.login:
            self.login = None
        listing = row.argument is None or row.command in {"RETR", "TOP"}
        if row.ok and row.command in _LONG and listing:
            self._begin_listing(entry)
            return
        self.store_row(*entry)
        if row.ok and row.command == "STLS":
            self.close()
            talk.hand_over(TLS)


def _probe_pop3(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a greeting that names POP3, or a command of its own; on its port also other greetings and commands."""
    if not data:
        return MORE
    first = data[0]
    if first == 43:
        return _probe_greeting(data, talk)
    if first & 0xDF not in _LETTERS or data[-1] > 127:  # letters that begin APOP, AUTH, CAPA, STLS, USER
        return NO
    end = data.find(b"\n")
    other = talk.pending_dst if from_src else talk.pending_src
    on_port = talk.has_port(*_PORTS) or other.startswith(b"+OK ")
    if end < 0:
        return MORE if on_port and len(data) < 512 and data[:4].isalpha() else NO
    if _OWN(data) is not None:
        return YES
    return YES if on_port and _FIRST(data) is not None else NO


def _probe_greeting(data: bytes, talk: Conversation) -> int:
    if len(data) < 4:
        return MORE if b"+OK ".startswith(data) else NO
    end = data.find(b"\n")
    if end < 0:
        return MORE if data.startswith((b"+OK ", b"+OK\r")) and len(data) < 1024 else NO
    if _GREETING(data[: end + 1]) is None:
        return NO
    if talk.has_port(*_PORTS) or b"POP" in data[:end].upper():
        return YES
    return MORE if data.startswith(b"+OK ") else NO


POP3 = Dissector(
    "pop3", "Post Office Protocol 3 (RFC 1939)", ("tcp",), _PORTS, (Pop3,), _probe_pop3, Pop3Parser, first=b"+ACSUacsu"
)
