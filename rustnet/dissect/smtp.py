"""SMTP (RFC 5321), submission, and LMTP (RFC 2033): the envelope, never the message.

One row per command with its final reply, and one for the greeting. Message data is skipped and counted. After STARTTLS
(RFC 3207) the TLS parser reads the rest of the connection. Of AUTH (RFC 4954) the mechanism is kept, and the user if
the mechanism sends it in the clear; no password.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, Dissector, Shape
from rustnet.dissect.framework.lines import LOST, Dotted, ReplyParser, mechanism_name, read_sasl, stray_line, unknown
from rustnet.dissect.framework.reading import text
from rustnet.records import U16, U64, FreeText, Host, Term, User, record

_NAMES = (
    "HELO EHLO LHLO MAIL RCPT DATA BDAT RSET VRFY EXPN HELP NOOP QUIT AUTH STARTTLS ETRN TURN SEND SOML SAML "
    "XCLIENT XFORWARD BURL ATRN"
)
_COMMANDS = frozenset(_NAMES.split())
_COMMAND = re.compile(rb"([A-Za-z]{3,8})(?: *$| +(.*)$)", re.DOTALL).match
_PATH = re.compile(rb"(?i:FROM|TO): *<?([^<> ]*)>?(.*)$", re.DOTALL).match
_SIZE = re.compile(rb" (?i:SIZE)=([0-9]{1,18})").search
_CHUNK = re.compile(rb"([0-9]{1,18})(?: +(?i:LAST))?$").match
_PARAMETER = re.compile(rb"(?i)([ ;]AUTH=|;URLAUTH=[^:;\s]*:[^:;\s]*:)[^\s;]+")
"""Of MAIL on whose behalf a message is sent (RFC 4954, 5), of BURL the token that opens a mail (RFC 4467)."""
_WITH_ARGUMENT = "EHLO HELO LHLO MAIL RCPT VRFY EXPN ETRN BDAT XCLIENT XFORWARD BURL ATRN HELP NOOP"
_DESCRIBED = frozenset(_WITH_ARGUMENT.split())
"""Commands that have an argument."""
_HOST = re.compile(rb"220[ -]([A-Za-z0-9._-]{1,255})").match
_FIRST = re.compile(rb"(?i:EHLO|HELO|LHLO) [\x21-\x7e][^\x00-\x08\x0e-\x1f]*\r?\n").match
_PORTS = (25, 587, 2525)
_LMTP_PORTS = (24,)
_UPGRADE = b"STARTTLS\r\n"
_LATER = (b"MAIL FROM:", b"RCPT TO:<", b"AUTH LOGIN", b"AUTH PLAIN", b"XCLIENT ")
"""Commands that identify a connection whose beginning was not captured."""


_LATER_REPLY = re.compile(rb"(?:221|235|250|334|354|451|452|503|535|550|554)[ -][ -~]{2,200}\r\n").match


@record("smtp")
class Smtp:
    """One SMTP command and its reply, or the server's greeting."""

    command: Term | None = None
    """Command, upper case; NULL for the greeting and for a reply whose command was not seen."""
    argument: FreeText | None = None
    """Argument of the command; NULL for unknown commands; of AUTH the mechanism only."""
    helo: Host | None = None
    """Name by which the client last introduced itself."""
    mail_from: User | None = None
    """Sender in the envelope, with MAIL and all that follows it up to the message's end."""
    rcpt_to: User | None = None
    """Recipient in the envelope, with RCPT."""
    user: User | None = None
    """User who authenticates, with AUTH."""
    has_password: bool = False
    """A secret was sent with this command."""
    reply_code: U16 | None = None
    """Code of the final reply; NULL without one."""
    replies: list[FreeText] | None = None
    """Lines of the final reply, 16 at most."""
    declared_bytes: U64 | None = None
    """Size of the message as MAIL announced it."""
    mail_bytes: U64 | None = None
    """Bytes of message data that followed DATA or BDAT."""
    response_ms: float | None = None
    """From the command to its final reply, in milliseconds; NULL if their packets have times in another order."""
    pair_unknown: bool = False
    """Bytes of the flow are missing, so that this command and its reply cannot be assigned to each other."""


class SmtpParser(ReplyParser[Smtp]):
    """One connection."""

    UPGRADE = "STARTTLS"
    VERBS = _COMMANDS
    TITLE = "SMTP"

    __slots__ = ("accepted", "answers", "data", "further", "helo", "login", "mail_from")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.helo: str | None = None
        self.mail_from: str | None = None
        self.data: tuple[Smtp, Dotted] | None = None
        """Row of the DATA command whose message is being skipped, and the message."""
        self.login: Smtp | None = None
        """Row of the pending AUTH command: the client\'s next lines are credentials."""
        self.answers = 0
        """Lines that the client has sent since AUTH."""
        self.accepted = -1
        """With LMTP, recipients that the server has accepted: each gets a reply to the message (RFC 2033, 4.2)."""
        self.further = 0
        """Of those replies, how many are still to come after the first one."""

    def blank(self) -> Smtp:
        """Create the row of a greeting."""
        return Smtp()

    def command(self, line: bytes) -> Smtp | None:
        """Create the row of a command."""
        match = _COMMAND(line)
        name = match.group(1).decode("ascii").upper() if match is not None else ""
        if self.login is not None:
            if name not in _COMMANDS:
                self._credential(self.login, line)
                return None
            self.login = None
        if match is None:
            stray_line(self.talk, line)
            return None
        name = name if name in _COMMANDS else unknown(self.talk, line)
        row = Smtp(command=name, helo=self.helo, mail_from=self.mail_from)
        raw = match.group(2) or b""
        if name == "AUTH":
            self._auth(row, raw)
        elif name in _COMMANDS:
            self._describe(row, name, raw)
        return row

    def _describe(self, row: Smtp, name: str, raw: bytes) -> None:
        """Fill a row from a command's argument."""
        if name in _DESCRIBED:
            row.argument = text(_PARAMETER.sub(rb"\1***", raw)) or None
        else:
            stray_line(self.talk, raw)
        if name in {"EHLO", "HELO", "LHLO"}:
            row.helo = self.helo = row.argument
            row.mail_from = self.mail_from = None
            self.accepted = 0 if name == "LHLO" else -1
            if name == "LHLO":
                self.talk.app = LMTP.name
        elif name == "MAIL" and (path := _PATH(raw)) is not None:
            row.mail_from = self.mail_from = text(path.group(1))
            size = _SIZE(path.group(2))
            row.declared_bytes = int(size.group(1)) if size is not None else None
        elif name == "RCPT" and (path := _PATH(raw)) is not None:
            row.rcpt_to = text(path.group(1))
        elif name == "DATA":
            row.mail_bytes = 0
            self.data = (row, Dotted())
            self.in_body[not self.server] = True
        elif name == "BDAT" and (chunk := _CHUNK(raw)) is not None:
            row.mail_bytes = int(chunk.group(1))
        elif name == "RSET":
            self.mail_from = None

    def line(self, line: bytes, from_src: bool) -> int:
        """Read a line; the bytes that follow BDAT (RFC 3030) are skipped."""
        waiting = self.pairs.waiting
        before = waiting[-1][0] if waiting else None
        super().line(line, from_src)
        if from_src == self.server or not waiting:
            return 0
        row = waiting[-1][0]
        return row.mail_bytes or 0 if row is not before and row.command == "BDAT" else 0

    def _auth(self, row: Smtp, raw: bytes) -> None:
        """Read a mechanism and an initial response, if there is one."""
        mechanism, _, initial = raw.partition(b" ")
        row.argument = mechanism_name(mechanism, self.talk)
        self.login = row
        self.answers = 0
        if initial.strip():
            self._credential(row, initial.strip())

    def _credential(self, row: Smtp, line: bytes) -> None:
        """Read the user, and whether there is a secret, in what a client sends after AUTH."""
        self.answers += 1
        user, secret = read_sasl(self.talk, row.argument or "", line, self.answers)
        row.user = row.user or user
        row.has_password = row.has_password or secret

    def body(self, data: bytes, pos: int, from_src: bool) -> int:
        """Skip a message up to the line of a single dot."""
        if self.data is None:
            self.in_body[from_src] = False
            return pos
        row, message = self.data
        after = message.read(data, pos)
        row.mail_bytes = message.size
        if after >= 0:
            self._end_message(from_src)
        return after if after >= 0 else len(data)

    def gap(self, size: int, from_src: bool) -> None:
        """Count missing bytes of a message."""
        if self.in_body[from_src] and self.data is not None:
            self.data[1].lose(size)
        if from_src != self.server:
            self.answers = LOST - 1
        super().gap(size, from_src)

    def _end_message(self, from_src: bool) -> None:
        self.in_body[from_src] = False
        self.data = None
        self.mail_from = None

    def preliminary(self, code: int) -> bool:
        """Whether the reply asks for a message, or for credentials."""
        return code in {334, 354}

    def expects_more(self, row: Smtp) -> bool:
        """Whether the command is completed in two steps."""
        return row.command in {"DATA", "AUTH"}

    def _count_replies(self) -> None:
        """Expect the further replies to a message that LMTP has."""
        self.further = max(0, self.accepted - 1)
        self.accepted = min(self.accepted, 0)

    def _final(self, code: int) -> None:
        """Complete a command with its reply."""
        if self.further:
            self.further -= 1
            self.store_row(Smtp(reply_code=code, replies=self.lines))
            return
        super()._final(code)

    def answered(self, row: Smtp, code: int) -> bool:
        """Read a reply: 354 and 334 ask for more; a refused DATA has no message."""
        if row.command == "AUTH" and code == 334:
            return False
        if row.command == "DATA":
            if code == 354:
                return False
            if self.data is not None and row is self.data[0]:
                self._end_message(not self.server)
            self._count_replies()
        elif row.command == "BDAT" and (row.argument or "").upper().endswith(" LAST"):
            self._count_replies()
        elif row.command == "RCPT" and self.accepted >= 0 and code < 300:
            self.accepted += 1
        elif row.command is None and self.data is not None and self.pairs.doubt and not self.preliminary(code):
            self._end_message(not self.server)
        if row is self.login:
            self.login = None
        if row.command is None and code == 220 and not self.server:
            self._name_host()
        return True

    def _name_host(self) -> None:
        """Name the server by its greeting."""
        host = _HOST(self.lines[0].encode("utf-8"))
        if host is not None and b"." in host.group(1):
            self.talk.name_host(host.group(1).decode("ascii").lower(), "smtp")


def _probe_smtp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a greeting that names SMTP, or a HELO; on the standard ports any greeting."""
    if not data:
        return MORE
    first = data[0]
    if first not in b"2EeHhLl53MRSAX4":
        return NO
    end = data.find(b"\n")
    if first in {50, 51, 52, 53}:
        return _probe_greeting(data, end, talk, from_src)
    if data[:10].upper() == _UPGRADE:  # other protocols have this command, too: their replies are others
        return YES if talk.has_port(*_PORTS) or _replied(talk, from_src) else MORE
    if data[:10].upper().startswith(_LATER):
        return YES if end >= 0 else MORE
    if end >= 0:
        return YES if _FIRST(data) is not None else NO
    head = data[:10].upper()
    opening = any(word.startswith(head[: len(word)]) for word in (b"EHLO ", b"HELO ", b"LHLO ", _UPGRADE, *_LATER))
    return MORE if opening and len(data) < 1024 else NO


def _replied(talk: Conversation, from_src: bool) -> bool:
    """Whether the other direction began with a reply that this protocol sends ahead of STARTTLS."""
    return (talk.pending_dst if from_src else talk.pending_src)[:4] in {b"220 ", b"220-", b"250 ", b"250-"}


def _probe_lmtp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a greeting that names LMTP, or LHLO; on its port what SMTP's probe takes on SMTP's."""
    if data[:1] == b"2":
        end = data.find(b"\n")
        if end < 0:
            return MORE if len(data) < 1024 and b"220 ".startswith(data[:4]) else NO
        named = b"LMTP" in data[:end].upper()
        return YES if data[:4] in {b"220 ", b"220-"} and (named or talk.has_port(*_LMTP_PORTS)) else NO
    if data[:5].upper() == b"LHLO ":
        return _probe_smtp(data, talk, from_src)
    return _probe_smtp(data, talk, from_src) if talk.has_port(*_LMTP_PORTS) else NO


def _probe_greeting(data: bytes, end: int, talk: Conversation, from_src: bool) -> int:
    head = data[:4]
    asked = talk.pending_dst if from_src else talk.pending_src
    if head == b"220 " and end >= 0 and asked.upper() == _UPGRADE:
        return YES
    if _LATER_REPLY(data) is not None and talk.has_port(25, 587):
        return YES  # of a session that began earlier
    if not any(word.startswith(head) for word in (b"220 ", b"220-", b"554 ", b"554-", b"421 ", b"421-")):
        return NO
    if end < 0:
        return MORE if len(data) < 1024 else NO
    if b"\0" in data[:end]:
        return NO
    return YES if talk.has_port(*_PORTS) or (head[0] == 50 and b"SMTP" in data[:512].upper()) else NO


_START = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
"""Bytes of a command or a reply's code."""
LMTP = Dissector(
    "lmtp", "Local Mail Transfer Protocol (RFC 2033)", ("tcp",), _LMTP_PORTS, (Smtp,), _probe_lmtp, SmtpParser,
    first=b"2Ll", shapes={"tcp": Shape(at={1: b"2Hh", 2: b"0Ll", 3: b" -Oo"})},
)  # fmt: skip
SMTP = Dissector(
    "smtp", "Simple Mail Transfer Protocol (RFC 5321)", ("tcp",), _PORTS, (Smtp,), _probe_smtp, SmtpParser,
    first=b"2EeHhLl5MRSAX4", shapes={"tcp": Shape(at={1: _START, 2: _START, 3: _START + b" -\r\n"})},
)  # fmt: skip
