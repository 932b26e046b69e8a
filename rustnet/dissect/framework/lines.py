"""Line-based protocols: lines of a stream, and commands paired with numbered replies (RFC 5321, 959).

A line longer than `MAX_LINE` is cut and its rest dropped; after a loss, reading resumes after the next line end.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Generic, Protocol, TypeVar

from rustnet.dissect.framework.conversation import Conversation, DissectError
from rustnet.dissect.framework.pairs import Pairs, elapsed
from rustnet.dissect.framework.reading import RowParser, text
from rustnet.dissect.framework.secrets import parts_of, raw_parts, reply_text, unknown_command
from rustnet.dissect.tls.parser import TLS

MAX_LINE = 4096
"""Bytes of one line that are read."""
MAX_LINES = 200_000
"""Lines of one flow that are read."""
MAX_WAITING = 64
"""Pending commands of one flow."""
GREETING, CLOSING = 220, 421
"""Codes of replies that a server sends without being asked."""
MAX_STRAY, MAX_STRAY_WORDS = 256, 2
"""Bytes and words of a line that is no command from which on it is a text rather than a password."""
MAX_REPLIES = 16
"""Lines kept of one reply."""
_DOT = re.compile(rb"\n\.\r?\n")
_REPLY = re.compile(rb"([1-6][0-9]{2})([ -]|$)").match
_WHOLE_REPLY = re.compile(rb"[1-6][0-9]{2}[ -][ -~]{2}").match
KEEP, DROP, SEARCH = range(3)
"""What happens to the bytes up to the next line end: they are a line, the rest of one, or either, after a loss."""


def unbase64(raw: bytes) -> bytes:
    """Decoded Base64 text; empty if it is invalid."""
    try:
        return b64decode(raw[:MAX_LINE], validate=True)
    except (Base64Error, ValueError):
        return b""


def plain_user(message: bytes) -> str | None:
    """User of a SASL PLAIN message (RFC 4616); the password is not returned."""
    parts = message.split(b"\0")
    return text(parts[1] or parts[0]) or None if len(parts) == 3 else None


_TOKEN_USER = re.compile(rb"(?:^user=|,a=)([^\x01,]{1,256})").search
_DIGEST = re.compile(rb"[0-9a-fA-F]{32}").fullmatch
_DIGEST_USER = re.compile(rb'username="([^"]{1,256})"').search
_SCRAM_USER = re.compile(rb"^[nyp][^,]*,[^,]*,n=([^,]{1,256})").search


def scram_user(message: bytes) -> str | None:
    """User of a SCRAM client-first-message (RFC 5802)."""
    match = _SCRAM_USER(message)
    return text(match.group(1)) if match is not None else None


def sasl_user(mechanism: str, answer: bytes, number: int) -> tuple[str | None, bool]:
    """User in a client's SASL response of this number (from 1), and whether the response contains a secret."""
    if answer in {b"*", b"="}:
        return None, False
    return raw_sasl_user(mechanism, unbase64(answer), number)


def raw_sasl_user(mechanism: str, raw: bytes, number: int) -> tuple[str | None, bool]:
    """The same for a response that is not in Base64."""
    if mechanism == "LOGIN":
        return (text(raw) or None, False) if number == 1 else (None, True)
    if mechanism == "PLAIN":
        return plain_user(raw), True
    if mechanism == "CRAM-MD5":
        user, _, digest = raw.rpartition(b" ")
        return (text(user) or None) if _DIGEST(digest) is not None else None, True
    search = _SCRAM_USER if mechanism.startswith("SCRAM-") else _TOKEN_USER
    if mechanism == "DIGEST-MD5":
        search = _DIGEST_USER
    match = search(raw)
    return (text(match.group(1)) if match is not None else None), True


_MECHANISM = re.compile(
    rb"(?i:PLAIN|LOGIN|EXTERNAL|ANONYMOUS|NTLM|GSSAPI|KERBEROS_V[45]|SECURID|OTP|SKEY|XOAUTH2?|OAUTHBEARER|OAUTH10A|MSN|NMAS"
    rb"|AMQPLAIN|TLS(?:-[CP])?|SSL|AWS_MSK_IAM|PASSDSS-3DES-1|(?:SCRAM|CRAM|DIGEST|GS2|GSS|SRP|EAP|HT|X|9798|ECDSA|ECDH"
    rb"|SAML\d*|OPENID\d*|MONGODB|RABBIT|ANON|KERBEROS)-[A-Z0-9+_-]{1,32})"
).fullmatch
LOST = 99
"""Number of a SASL response where earlier ones may be missing: whatever it is may be the secret."""


def mechanism_name(raw: bytes, talk: Conversation) -> str:
    """A mechanism of authentication, in upper case; anything else in its place may be a response, and is not kept."""
    name = raw.strip()
    if not name or _MECHANISM(name) is not None:
        return text(name).upper()
    talk.keep_secret(*parts_of(name))
    return unknown_command(name)


def is_mechanism(raw: bytes) -> bool:
    """Whether this is a known mechanism of authentication."""
    return _MECHANISM(raw.strip()) is not None


def read_sasl(talk: Conversation, mechanism: str, answer: bytes, number: int) -> tuple[str | None, bool]:
    """The same as `sasl_user`; a secret is not repeated by what the flow records later."""
    if number >= LOST:
        talk.keep_secret(*parts_of(answer))
        return None, True
    user, secret = sasl_user(mechanism, answer, number)
    if secret:
        talk.keep_secret(*parts_of(answer))
        if mechanism == "LOGIN":
            talk.keep_secret(unbase64(answer))
    return user, secret


def read_raw_sasl(talk: Conversation, mechanism: str, raw: bytes, number: int) -> tuple[str | None, bool]:
    """The same for a response that is not in Base64."""
    user, secret = raw_sasl_user(mechanism, raw, number)
    if secret:
        talk.keep_secret(*raw_parts(raw))
    return user, secret


def stray_line(talk: Conversation, line: bytes) -> None:
    """Take a line that is no command: after a loss it may be a password, which the server then quotes."""
    if len(line) <= MAX_STRAY:
        words = line.split()
        talk.keep_secret(line, *(words if len(words) <= MAX_STRAY_WORDS else ()))


def unknown(talk: Conversation, line: bytes) -> str:
    """What is recorded of a command that the protocol does not have; no text recorded later repeats it."""
    stray_line(talk, line)
    return unknown_command(line)


class Dotted:
    """A text that ends with a line of a single dot (RFC 5321, 4.5.2), read piece by piece."""

    __slots__ = ("size", "tail")

    def __init__(self) -> None:
        self.size = 0
        """Size of the text without its last line."""
        self.tail = b"\n"

    def read(self, data: bytes, pos: int) -> int:
        """Continue at ``pos``; returns the position after the end, or -1 while it is incomplete."""
        tail = self.tail
        joined = tail + data[pos:]
        match = _DOT.search(joined)
        if match is None:
            self.size += len(data) - pos
            self.tail = joined[-3:]
            return -1
        self.size += match.start() + 1 - len(tail)
        return pos + match.end() - len(tail)

    def lose(self, size: int) -> None:
        """Count missing bytes."""
        self.size += size
        self.tail = b""


class LineParser(RowParser):
    """Splits both directions of a stream into lines; a subclass reads them in `line`."""

    __slots__ = ("count", "cut_off", "dropping", "in_body")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.dropping = [KEEP, KEEP]
        """By direction: whether everything up to the next line end is skipped."""
        self.cut_off = 0
        """Bytes of an incomplete line ahead of a loss."""
        self.count = 0
        """Lines read."""
        self.in_body = [False, False]
        """By direction: whether the following bytes belong to `body`, not to a line."""

    def line(self, line: bytes, from_src: bool) -> int:
        """Read one line, without its end; return how many of the bytes after it to skip."""
        raise NotImplementedError

    def body(self, data: bytes, pos: int, from_src: bool) -> int:
        """Read from ``pos`` while `in_body`; return the new position, ``pos`` to wait for more."""
        return len(data)

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read all complete lines; may skip beyond ``data``."""
        pos = 0
        size = len(data)
        talk = self.talk
        current = talk.parser
        while pos < size and talk.parser is current and not talk.finished:
            if self.dropping[from_src]:
                pos = self.resume(data, pos, from_src)
                if self.dropping[from_src]:
                    return pos
            elif self.in_body[from_src]:
                after = self.body(data, pos, from_src)
                if after == pos and self.in_body[from_src]:
                    return pos
                pos = after
            else:
                end = data.find(b"\n", pos, pos + MAX_LINE)
                if end < 0 and size - pos < MAX_LINE:
                    return pos
                if end < 0:
                    end = pos + MAX_LINE - 1
                    self.dropping[from_src] = DROP
                self.count += 1
                if self.count > MAX_LINES:
                    self.close()
                    talk.finish()
                    return size
                line = data[pos : end + 1].rstrip(b"\r\n")
                if b"\r" in line:
                    line = self._first_lines(line, from_src)
                pos = end + 1 + self.line(line, from_src)
        return pos

    def resume(self, data: bytes, pos: int, from_src: bool) -> int:
        """Find the beginning of the next line; while there is none, the position up to which bytes are consumed."""
        end = data.find(b"\n", pos)
        searched = self.dropping[from_src] == SEARCH
        if end < 0:
            return pos if searched and len(data) - pos < MAX_LINE else len(data)
        self.dropping[from_src] = KEEP
        if searched and self.resumes(data[pos:end].rstrip(b"\r"), from_src):
            return pos
        return end + 1

    def _first_lines(self, line: bytes, from_src: bool) -> bytes:
        """Read the lines that end with a bare CR; return the last one."""
        *earlier, last = line.split(b"\r")
        for one in earlier:
            if one and not self.in_body[from_src] and not self.talk.finished and self.talk.parser is self:
                self.count += 1
                self.line(one, from_src)
        return b"" if self.in_body[from_src] or self.talk.parser is not self else last

    def resumes(self, line: bytes, from_src: bool) -> bool:
        """Whether the first line after a loss is a whole one, rather than the rest of one."""
        return False

    def search(self) -> None:
        """Begin like after a loss where bytes were lost before the parser existed."""
        self.dropping = [SEARCH if self.talk.lost_dst else KEEP, SEARCH if self.talk.lost_src else KEEP]

    def cut(self, data: bytes, from_src: bool) -> None:
        """Drop an incomplete line."""
        self.cut_off = len(data)

    def gap(self, size: int, from_src: bool) -> None:
        """Resume after the next line end, or at a line that is whole; a body goes on."""
        self.cut_off = 0
        if not self.in_body[from_src]:
            self.dropping[from_src] = SEARCH


class Replied(Protocol):
    """Row of a command that gets a numbered reply."""

    command: str | None
    reply_code: int | None
    replies: list[str] | None
    response_ms: float | None
    pair_unknown: bool


_R = TypeVar("_R", bound=Replied)


class ReplyParser(LineParser, Generic[_R]):
    """Commands and numbered replies (``250-text``, ``250 text``), paired in order.

    A subclass creates the row of a command in `command` and reads a final reply in `answered`.
    """

    UPGRADE = ""
    """The command that requests TLS."""
    VERBS: frozenset[str] = frozenset()
    """The protocol's commands."""
    TITLE = ""
    """Its name, to show."""
    WELCOMED = frozenset({"REIN", "AUTH", "STARTTLS"})
    """Commands whose reply may have the code of a greeting."""

    __slots__ = ("code", "greeted", "lines", "pairs", "replied", "server")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.server: bool | None = None
        """Direction of the server, once a first line shows it."""
        self.search()
        self.pairs = Pairs(MAX_WAITING)
        self.greeted = False
        """The server has sent a final reply."""
        self.replied = False
        """The server has sent a line."""
        self.code = 0
        """Code of the multi-line reply being read, else 0."""
        self.lines: list[str] = []

    def command(self, line: bytes) -> _R | None:
        """Create the row of a command; `None` if the line is not a command."""
        raise NotImplementedError

    def blank(self) -> _R:
        """Create the row of a reply without a command, such as a greeting."""
        raise NotImplementedError

    def answered(self, row: _R, code: int) -> bool:
        """Read a reply into ``row``; false if it is not a final one."""
        return True

    def preliminary(self, code: int) -> bool:
        """Whether a reply of which the command is not known is not a final one."""
        return False

    def overtakes(self, row: _R, code: int) -> bool:
        """Whether the reply answers a later command than ``row``, the oldest one."""
        return False

    def expects_more(self, row: _R) -> bool:
        """Whether other replies may come ahead of the final one."""
        return False

    def line(self, line: bytes, from_src: bool) -> int:
        """Read a command or a line of a reply, depending on the sender."""
        if self.server is None:
            if not line:
                return 0
            self.server = from_src if _REPLY(line) is not None else not from_src
            self.pairs.begin(self.talk, not self.server)
        if from_src == self.server:
            self._reply(line)
            return 0
        row = self.command(line)
        if row is not None:
            more = self.expects_more(row)
            for entry in self.pairs.request(row, self.talk.ts, self.talk.packet, len(line) + 2, more):
                self.store_row(*entry)
        return 0

    def resumes(self, line: bytes, from_src: bool) -> bool:
        """Whether the first line after a loss is a whole one; if it is not, a message began in what is missing."""
        reply = _WHOLE_REPLY(line) is not None
        command = text(line.partition(b" ")[0]).upper() in self.VERBS
        whole = reply or command if self.server is None else reply if from_src == self.server else command
        if not whole:
            self._lose(len(line) + 2, from_src, False)
        return whole

    def _lose(self, size: int, from_src: bool, within: bool) -> None:
        """Take into account that commands or replies may be missing."""
        if self.server is None:
            self.talk.count_lost(size, from_src)
        elif from_src == self.server:
            self.pairs.lose_responses(within)
        else:
            self.pairs.lose_requests(size, within)

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read lines; TLS that arrives before the reply that permits it waits, unless the server never replies."""
        if data[:2] == b"\x16\x03" and any(row.command == self.UPGRADE for row, _, _ in self.pairs.waiting):
            if not self.replied:
                self.upgrade()
            return 0
        return super().stream(data, from_src)

    def upgrade(self) -> None:
        """Let TLS read what follows."""
        self.close()
        self.talk.hand_over(TLS)

    def late(self) -> None:
        """State no more pairs."""
        self.pairs.give_up()

    def close(self) -> None:
        """Store the commands that got no reply."""
        for entry in self.pairs.drain():
            self.store_row(*entry)
        self.pairs.report(self.talk, self.TITLE)

    def gap(self, size: int, from_src: bool) -> None:
        """Take into account what may be missing, and resume."""
        within = self.in_body[from_src] or (from_src == self.server and self.code != 0)
        self._lose(size + self.cut_off, from_src, within)
        super().gap(size, from_src)
        if from_src == self.server:
            self.code = 0

    def _reply(self, line: bytes) -> None:
        """Collect the lines of a reply; the last one completes the oldest pending command."""
        first = not self.replied
        self.replied = True
        match = _REPLY(line)
        if self.code:
            self._keep(line)
            if match is None or match.group(2) == b"-" or int(match.group(1)) != self.code:
                return
        else:
            if match is None:
                if first:
                    raise DissectError("expected a numbered reply")
                return
            self.lines = []
            self._keep(line)
            if match.group(2) == b"-":
                self.code = int(match.group(1))
                return
        self.code = 0
        self._final(int(match.group(1)))

    def _keep(self, line: bytes) -> None:
        if len(self.lines) < MAX_REPLIES:
            self.lines.append(reply_text(line, self.VERBS))

    def _final(self, code: int) -> None:
        """Complete a command with its reply."""
        talk = self.talk
        pairs = self.pairs
        unasked = code == CLOSING
        known = pairs.first(unasked)
        greeting = code == GREETING and not self.greeted and (known is None or known.command not in self.WELCOMED)
        second = pairs.second() if known is not None and not greeting and self.overtakes(known, code) else None
        row = second[0] if second is not None else self.blank() if known is None or greeting else known
        row.reply_code = code
        row.replies = self.lines
        final = self.answered(row, code)
        if not final and row is known:
            pairs.preliminary()
            return
        if row.command is None and pairs.doubt and self.preliminary(code):
            pairs.preliminary(row)
            self.store_row(row)
            return
        self.greeted = True
        entry = second or (None if greeting else pairs.response(unasked))
        if entry is None:
            if not greeting:
                pairs.orphan(row)
            self.store_row(row, talk.ts, talk.packet)
            return
        row.response_ms = elapsed(entry[1], talk.ts)
        self.store_row(row, entry[1], entry[2])
        if row.command == self.UPGRADE and code in {220, 234}:
            self.upgrade()
