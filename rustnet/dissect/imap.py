"""IMAP4rev1 and rev2 (RFC 3501, 9051): commands and their results, never the mail.

One row per command with its tagged response, and one for the greeting. Literals are skipped and counted. After STARTTLS
the TLS parser reads the rest; after COMPRESS (RFC 4978) nothing is read. Arguments are kept only of commands that name
mailboxes, flags or parts of messages; of logins the user is kept, not the password.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.lines import (
    DROP,
    LOST,
    MAX_WAITING,
    LineParser,
    mechanism_name,
    read_sasl,
    stray_line,
    unknown,
)
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import text
from rustnet.dissect.framework.secrets import reply_text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import U64, FilePath, FreeText, Identifier, Term, User, Word, record

_NAMES = (
    "CAPABILITY NOOP LOGOUT STARTTLS AUTHENTICATE LOGIN ENABLE SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE "
    "UNSUBSCRIBE LIST LSUB XLIST NAMESPACE STATUS APPEND IDLE CHECK CLOSE UNSELECT EXPUNGE SEARCH FETCH STORE COPY "
    "MOVE UID ID SORT THREAD COMPRESS GETQUOTA GETQUOTAROOT SETQUOTA GETACL SETACL MYRIGHTS LISTRIGHTS DELETEACL "
    "NOTIFY GETMETADATA SETMETADATA XAPPLEPUSHSERVICE UNAUTHENTICATE GENURLAUTH RESETKEY URLFETCH SCAN ESEARCH "
    "CANCELUPDATE CONVERT LISTRIGHTS PROXYAUTH"
)
_KNOWN = frozenset(_NAMES.split())
_PRIVATE_NAMES = (
    "LOGIN AUTHENTICATE SEARCH SORT THREAD SETMETADATA XAPPLEPUSHSERVICE GENURLAUTH RESETKEY URLFETCH SCAN ESEARCH "
    "CONVERT PROXYAUTH NOOP CHECK LOGOUT CAPABILITY STARTTLS CLOSE EXPUNGE IDLE UNSELECT"
)
_PRIVATE = frozenset(_PRIVATE_NAMES.split())
"""Commands whose arguments may contain secrets or message content."""
_COMMAND = re.compile(rb"([!#$&',./0-9:;<=>?@A-Z\[^_`a-z|~-]{1,64}) ([A-Za-z]{2,20})(?: (.*))?$", re.DOTALL).match
_TAGGED = re.compile(
    rb"([!-)./0-9:;<=>?@A-Z\[^_`a-z|~-]{1,64}) (OK|NO|BAD)(?: (.*))?$", re.DOTALL | re.IGNORECASE
).match
_UNTAGGED = re.compile(rb"\* (OK|PREAUTH|BYE)(?: (.*))?$", re.DOTALL | re.IGNORECASE).match
_LITERAL = re.compile(rb"~?\{([0-9]{1,18})\+?\}$").search
_ASTRING = re.compile(rb'"((?:[^"\\]|\\.)*)"|([^ "{]+)').match
_OPENING = re.compile(rb"[!#$&',./0-9:;<=>?@A-Z\[^_`a-z|~-]{1,64}(?: [A-Za-z]{0,20}(?: [^\r\n]*\r?)?)?").fullmatch
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_MAX_CREDENTIAL = 256
"""Bytes of a literal that is read: a user name, or a password."""
_ID_SECRET = re.compile(rb'(?i)("(?:pass[a-z]*|token|secret|auth[a-z]*)" +)"(?:[^"\\]|\\.)*"')
_PORTS = (143,)


@record("imap")
class Imap:
    """One IMAP command and its result, or the server's greeting or farewell."""

    tag: Identifier | None = None
    """Tag of the command."""
    command: Term | None = None
    """Command, upper case and without UID; NULL for a greeting and for a response whose command was not seen."""
    by_uid: bool = False
    """The command was prefixed by UID."""
    argument: FilePath | None = None
    """Argument of the command; NULL if it may contain secrets or message content."""
    user: User | None = None
    """User who logs in, with LOGIN and AUTHENTICATE."""
    has_password: bool = False
    """A secret was sent with this command."""
    result: Word | None = None
    """`OK`, `NO`, `BAD`, of greetings also `PREAUTH` and `BYE`; NULL without a response."""
    reply: FreeText | None = None
    """Text of the tagged response."""
    request_bytes: U64 = 0
    """Bytes of literals that the client sent: an appended message."""
    response_bytes: U64 = 0
    """Bytes of literals that the server sent while this command was the oldest: messages and their parts."""
    response_ms: float | None = None
    """From the command to its tagged response, in milliseconds; NULL if their packets have times in another order."""
    pair_unknown: bool = False
    """A later command has the same tag, so that it cannot be known which of them a response belongs to."""


class ImapParser(LineParser):
    """One connection."""

    __slots__ = ("answers", "continued", "current", "literal", "login", "server", "waiting")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.server: bool | None = None
        """Direction of the server, once a line shows it."""
        self.waiting: dict[bytes, tuple[Imap, int, int]] = {}
        """Commands without response, by tag, the oldest first."""
        self.current: Imap | None = None
        """The command last sent."""
        self.continued = [False, False]
        """By direction: the next line continues one that a literal interrupted."""
        self.literal = 0
        """Size of a literal that is the user name, or the password."""
        self.login: Imap | None = None
        """Row of the pending AUTHENTICATE command: the client\'s next lines are credentials."""
        self.answers = 0

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read lines; TLS that arrives before the response that permits it waits."""
        if data[:2] == b"\x16\x03" and self.current is not None and self.current.command == "STARTTLS":
            return 0
        return super().stream(data, from_src)

    def line(self, line: bytes, from_src: bool) -> int:
        """Read one line; a literal at its end is skipped."""
        if self.server is None:
            if not line:
                return 0
            self.server = self._role(line, from_src)
        again = self.continued[from_src]
        literal = _LITERAL(line)
        size = int(literal.group(1)) if literal is not None else 0
        self.continued[from_src] = literal is not None
        if from_src == self.server:
            self._response(line, again, size)
            return size
        if again:
            if self.current is not None and self.current.command == "LOGIN":
                return self._login_rest(line, size, from_src)
            if self.current is not None:
                self.current.request_bytes += size
            return size
        self._command(line)
        if self.current is None or size == 0:
            return size
        if self.current.command == "LOGIN" and size <= _MAX_CREDENTIAL:
            self.literal = size
            self.in_body[from_src] = True
            return 0
        self.current.request_bytes += size
        return size

    def _login_rest(self, line: bytes, size: int, from_src: bool) -> int:
        """Read what follows a literal of LOGIN: the password, or the size of another literal."""
        if not size:
            self._keep_astring(line.strip())
        elif size <= _MAX_CREDENTIAL:
            self.literal = size
            self.in_body[from_src] = True
            return 0
        return size

    def _keep_astring(self, raw: bytes) -> None:
        """Keep a password out of what is recorded, with its quotes and without."""
        bare = raw[1:-1] if raw[:1] == b'"' and raw[-1:] == b'"' else raw
        self.talk.keep_secret(raw, bare, _ESCAPED.sub(rb"\1", bare))

    def body(self, data: bytes, pos: int, from_src: bool) -> int:
        """Read a user name or a password that is a literal."""
        end = pos + self.literal
        if end > len(data):
            return pos
        self.in_body[from_src] = False
        if self.current is not None and self.current.user is None:
            self.current.user = text(data[pos:end])
        else:
            self.talk.keep_secret(data[pos:end])
        return end

    def close(self) -> None:
        """Emit the commands that got no response."""
        for entry in self.waiting.values():
            self.store_row(*entry)
        self.waiting.clear()

    def gap(self, size: int, from_src: bool) -> None:
        """Resume after the next line end; tags show which commands later responses belong to."""
        super().gap(size, from_src)
        self.in_body[from_src] = self.continued[from_src] = False
        self.dropping[from_src] = DROP
        if from_src != self.server:
            self.answers = LOST - 1

    def _role(self, line: bytes, from_src: bool) -> bool:
        """Direction of the server, by the first line."""
        if line.startswith((b"* ", b"+ ")) or _TAGGED(line) is not None:
            return from_src
        if _COMMAND(line) is None:
            raise DissectError("expected a command or a response")
        return not from_src

    def _command(self, line: bytes) -> None:
        if self.login is not None:
            self._credential(self.login, line)
            return
        match = _COMMAND(line)
        if match is None:  # DONE, which ends IDLE, or an invalid line
            stray_line(self.talk, line)
            return
        tag, word, raw = match.groups()
        name = word.decode("ascii").upper()
        row = Imap(tag=text(tag))
        if name == "UID" and raw:
            row.by_uid = True
            word, _, raw = raw.partition(b" ")
            name = text(word).upper()
        row.command = name
        if name not in _KNOWN:  # the tag may be a part of the credential, too
            row.command, row.tag = unknown(self.talk, line), None
        elif name == "LOGIN":
            self._login(row, raw or b"")
        elif name == "AUTHENTICATE" and raw:
            self._authenticate(row, raw)
        elif raw is not None and name in _KNOWN and name not in _PRIVATE:
            row.argument = text(_ID_SECRET.sub(rb'\1"***"', raw) if name == "ID" else raw)
        self.current = row
        earlier = self.waiting.pop(tag, None)
        if earlier is not None:
            earlier[0].pair_unknown = True
            self.talk.anomaly("pair_unknown", "two pending commands of IMAP have the same tag")
            self.store_row(*earlier)
        elif len(self.waiting) >= MAX_WAITING:
            self.store_row(*self.waiting.pop(next(iter(self.waiting))))
        self.waiting[tag] = (row, self.talk.ts, self.talk.packet)

    def _login(self, row: Imap, raw: bytes) -> None:
        """Read the user of LOGIN; a user or password that is a literal follows."""
        row.has_password = True
        raw = raw.lstrip(b" ")
        user = _ASTRING(raw)
        row.user = text(user.group(1) or user.group(2) or b"") if user is not None else None
        if user is not None and _LITERAL(raw) is None:
            self._keep_astring(raw[user.end() :].strip())

    def _authenticate(self, row: Imap, raw: bytes) -> None:
        """Read a mechanism and an initial response, if there is one."""
        mechanism, _, initial = raw.partition(b" ")
        row.argument = mechanism_name(mechanism, self.talk)
        self.login = row
        self.answers = 0
        if initial:
            self._credential(row, initial)

    def _credential(self, row: Imap, line: bytes) -> None:
        """Read the user, and whether there is a secret, in what a client sends after AUTHENTICATE."""
        self.answers += 1
        user, secret = read_sasl(self.talk, row.argument or "", line, self.answers)
        row.user = row.user or user
        row.has_password = row.has_password or secret

    def _response(self, line: bytes, again: bool, literal: int) -> None:
        """Read a line of the server."""
        oldest = next(iter(self.waiting.values()), None)
        if literal and oldest is not None:
            oldest[0].response_bytes += literal
        if again:
            return
        match = _TAGGED(line)
        if match is not None:
            self._result(*match.groups())
            return
        match = _UNTAGGED(line)
        if match is not None and ((self.rows == 0 and oldest is None) or match.group(1).upper() == b"BYE"):
            word, reply = match.groups()
            row = Imap(result=text(word).upper(), reply=reply_text(reply, _KNOWN) if reply else None)
            self.store_row(row, self.talk.ts, self.talk.packet)

    def _result(self, tag: bytes, word: bytes, reply: bytes | None) -> None:
        """Complete a command with its tagged response."""
        entry = self.waiting.pop(tag, None)
        if entry is None:
            return
        row, ts, packet = entry
        row.result = text(word).upper()
        row.reply = reply_text(reply, _KNOWN) if reply else None
        row.response_ms = elapsed(ts, self.talk.ts)
        if row is self.login:
            self.login = None
        self.store_row(row, ts, packet)
        if row.result == "OK" and row.command == "STARTTLS":
            self.close()
            self.talk.hand_over(TLS)
        elif row.result == "OK" and row.command == "COMPRESS":
            self.close()
            self.talk.finish()


def _probe_imap(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a greeting that names IMAP, or a tag with a command; on port 143 any greeting."""
    if not data:
        return MORE
    first = data[0]
    if first < 33 or first > 126 or (data[-1] > 127 and first != 42):
        return NO
    on_port = talk.has_port(*_PORTS)
    end = data.find(b"\n")
    if first == 42:
        if end < 0:
            head = data[:5].upper()
            opening = any(word.startswith(head) for word in (b"* OK ", b"* PRE", b"* BYE", b"* OK\r"))
            return MORE if opening and len(data) < 1024 else NO
        if _UNTAGGED(data[:end].rstrip(b"\r")) is None or b"\0" in data[:end]:
            return NO
        return YES if on_port or b"IMAP" in data[:end].upper() else NO
    if end < 0:
        return MORE if on_port and len(data) < 80 and _OPENING(data) is not None else NO
    match = _COMMAND(data[:end].rstrip(b"\r"))
    if match is None or data[end - 1 : end] != b"\r":
        return NO
    word = match.group(2).decode("ascii").upper()
    if word not in _KNOWN:
        return NO
    return YES if on_port or word in {"CAPABILITY", "AUTHENTICATE"} else NO


_TEXT = bytes(range(0x20, 0x7F)) + b"\r\n"
"""Bytes that a line may begin with."""
IMAP = Dissector(
    "imap", "Internet Message Access Protocol (RFC 3501, 9051)", ("tcp",), _PORTS, (Imap,), _probe_imap, ImapParser,
    first=bytes(range(0x21, 0x7F)), shapes={"tcp": Shape(at={1: _TEXT, 2: _TEXT, 3: _TEXT})},
)  # fmt: skip
