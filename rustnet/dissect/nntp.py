"""NNTP (RFC 3977, 4642, 4643, 4644): commands and replies, never the articles.

One row per command with its reply, and one for the greeting. Articles and lists are skipped and counted. After STARTTLS
the TLS parser reads the rest of the connection. Of AUTHINFO the user and the mechanism are kept, no password.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, Dissector, Shape
from rustnet.dissect.framework.lines import Dotted, mechanism_name, stray_line, unknown
from rustnet.dissect.framework.listings import ListingParser
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import text
from rustnet.dissect.framework.secrets import reply_text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import U16, U64, FreeText, Term, User, record

_NAMES = (
    "ARTICLE AUTHINFO BODY CAPABILITIES CHECK COMPRESS DATE GROUP HDR HEAD HELP IHAVE LAST LIST LISTGROUP MODE "
    "NEWGROUPS NEWNEWS NEXT OVER POST QUIT SLAVE STARTTLS STAT TAKETHIS XHDR XOVER XPAT XREPLIC XROVER XGTITLE XZVER "
    "XZHDR XFEATURE"
)
_COMMANDS = frozenset(_NAMES.split())
_COMMAND = re.compile(rb"([A-Za-z]{3,12})(?:[ \t]+(.*))?$", re.DOTALL).match
_REPLY = re.compile(rb"([1-5][0-9]{2})(?: |$)").match
_WHOLE_REPLY = re.compile(rb"[1-5][0-9]{2} [ -~]{2}").match
_LONG = frozenset({100, 101, 215, 220, 221, 222, 224, 225, 230, 231})
"""Codes of replies that a list or an article follows; 211 is one after LISTGROUP."""
_FURTHER = frozenset({335, 340, 383})
"""Codes that ask for an article, or for a response of SASL."""
_UPGRADE, _COMPRESS = 382, 206
_GREETING = re.compile(rb"20[01] [^\x00\r\n]*\r?\n").match
_NAMED = re.compile(rb"(?i)NNTP|InterNetNews|NNRP|\bINN\b").search
_OWN = re.compile(
    rb"(?i:MODE (?:READER|STREAM)|AUTHINFO (?:USER|SASL) [!-~][^\r\n]*|(?:IHAVE|TAKETHIS|CHECK) <[!-~]+>|CAPABILITIES"
    rb"|LISTGROUP(?: [!-~]+)?(?: [0-9-]+)?|XOVER [0-9]+(?:-[0-9]*)?)\r\n"
).match
_ON_PORT = re.compile(rb"[A-Za-z]{3,12}(?: [^\x00-\x08\x0e-\x1f]*)?\r?\n").match
_PORTS = (119, 433)


@record("nntp")
class Nntp:
    """One NNTP command and its reply, or the server's greeting."""

    command: Term | None = None
    """Command, upper case, with the second word of MODE and AUTHINFO; NULL for the greeting and for a reply whose
    command was not seen."""
    argument: FreeText | None = None
    """Argument of the command: a group, a message's identifier, a range; NULL for secrets and for unknown commands."""
    user: User | None = None
    """User who logs in."""
    has_password: bool = False
    """A secret was sent with this command."""
    reply_code: U16 | None = None
    """Code of the reply; NULL without one."""
    reply: FreeText | None = None
    """First line of the reply."""
    request_bytes: U64 = 0
    """Bytes of an article that the client sent."""
    response_bytes: U64 = 0
    """Bytes of the reply's further lines: an article, or a list."""
    response_ms: float | None = None
    """From the command to the reply's first line, in milliseconds; NULL if the packets' times are in another order."""
    pair_unknown: bool = False
    """Bytes of the flow are missing, so that this command and its reply cannot be assigned to each other."""


class NntpParser(ListingParser):
    """One connection."""

    __slots__ = ("article", "sent")

    TITLE = "NNTP"
    COMMANDS = _COMMANDS
    STARTTLS = "STARTTLS"

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.sent: Nntp | None = None
        """Row of the command whose article is being read."""
        self.article = Dotted()

    def is_reply(self, line: bytes) -> bool:
        """Whether a line has the form of a reply."""
        return _REPLY(line) is not None

    def is_whole_reply(self, line: bytes) -> bool:
        """Whether a line after a loss cannot be the end of another one."""
        return _WHOLE_REPLY(line) is not None

    def is_command(self, line: bytes) -> bool:
        """Whether a line has the form of a command."""
        return _COMMAND(line) is not None

    def gap(self, size: int, from_src: bool) -> None:
        """Count missing bytes of an article or a list, and take into account what else may be missing."""
        super().gap(size, from_src)
        if from_src != self.server and self.sent is not None:
            self.article.lose(size)

    def _sends_message(self) -> bool:
        return self.sent is not None

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
        row = Nntp(command=name if name in _COMMANDS else unknown(self.talk, line))
        raw = match.group(2) or b""
        if name == "AUTHINFO":
            self._auth(row, raw)
        elif name == "MODE":
            row.command = f"MODE {text(raw).upper()}" if raw.isalpha() else name
        elif name in _COMMANDS and raw:
            row.argument = text(raw)
        row.user = row.user or self.user
        if self.torn:  # the client would not go on before the end of the article or list
            self._end_listing(bool(self.server))
        interim = name in {"POST", "IHAVE"} or row is self.login
        for entry in self.pairs.request(row, self.talk.ts, self.talk.packet, len(line) + 2, interim):
            self.store_row(*entry)
        if name == "TAKETHIS":
            self._expect_article(row)

    def _expect_article(self, row: Nntp) -> None:
        """Let the client's next bytes be an article."""
        self.sent = row
        self.article = Dotted()
        self.in_body[not self.server] = True

    def _auth(self, row: Nntp, raw: bytes) -> None:
        """Read a login: a user, a password, or a mechanism with its initial response."""
        kind, _, rest = raw.replace(b"\t", b" ").partition(b" ")
        word = text(kind).upper()
        if word == "USER":
            name, _, more = rest.strip().partition(b" ")  # a user is one word: a second one may be the password
            self.user = text(name) or self.user
            self.talk.keep_secret(more, *more.split())
        elif word == "SASL":
            mechanism, _, initial = rest.strip().partition(b" ")
            row.argument = mechanism_name(mechanism, self.talk)
            self.login = row
            self.answers = 0
            if initial.strip():
                self._credential(row, initial.strip())
        else:
            row.has_password = True
            words = rest.split()  # of GENERIC the first one names the kind of login
            self.talk.keep_secret(rest, *(words if word in {"PASS", "SIMPLE"} else (raw, *words[1:])))
        row.command = f"AUTHINFO {word}" if word in {"USER", "PASS", "SASL", "SIMPLE", "GENERIC"} else "AUTHINFO"

    def _reply(self, line: bytes) -> None:
        """Read a reply's first line."""
        talk = self.talk
        code = int(line[:3])
        if code in _FURTHER:
            row = self.pairs.first()
            self.pairs.preliminary()
            if code != 383 and row is not None:
                self._expect_article(row)
            return
        entry = self.pairs.response(code == 400)
        if entry is not None:
            row = entry[0]
            row.response_ms = elapsed(entry[1], talk.ts)
        else:
            row = Nntp()
            self.pairs.orphan(row)
            entry = (row, talk.ts, talk.packet)
        row.reply_code = code
        row.reply = reply_text(line, _COMMANDS)
        if row is self.login:
            self.login = None
        if row.command is not None and (code in _LONG or (code == 211 and row.command == "LISTGROUP")):
            self._begin_listing(entry)
            return
        self.store_row(*entry)
        if code == _UPGRADE and row.command == "STARTTLS":
            self.close()
            talk.hand_over(TLS)
        elif code == _COMPRESS and row.command == "COMPRESS":
            self.close()
            talk.finish()

    def body(self, data: bytes, pos: int, from_src: bool) -> int:
        """Skip an article or a list up to the line of a single dot."""
        if from_src == self.server:
            return super().body(data, pos, from_src)
        after = self.article.read(data, pos)
        if self.sent is not None:
            self.sent.request_bytes = self.article.size
        if after >= 0:
            self.in_body[from_src] = False
            self.sent = None
        return after if after >= 0 else len(data)


def _probe_nntp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a greeting that names NNTP, or a command of its own; on its ports other greetings and commands too."""
    if not data:
        return MORE
    on_port = talk.has_port(*_PORTS)
    end = data.find(b"\n")
    if data[:1] == b"2":
        if end < 0:
            head = data[:4]
            return MORE if (b"200 ".startswith(head) or b"201 ".startswith(head)) and len(data) < 1024 else NO
        if _GREETING(data) is None:
            return NO
        return YES if on_port or _NAMED(data[:end]) is not None else NO
    if not data[:1].isalpha() or data[-1] > 127:
        return NO
    if end < 0:
        return MORE if on_port and len(data) < 512 and data[:3].isalpha() else NO
    if _OWN(data) is not None:
        return YES
    word = text(data[:end].split()[0]).upper() if data[:end].split() else ""
    return YES if on_port and word in _COMMANDS and _ON_PORT(data) is not None else NO


_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NNTP = Dissector(
    "nntp", "Network News Transfer Protocol (RFC 3977)", ("tcp",), _PORTS, (Nntp,), _probe_nntp, NntpParser,
    first=b"2MAITCLXmaitclx", shapes={"tcp": Shape(at={1: _LETTERS + b"0", 2: _LETTERS + b"01", 3: _LETTERS + b" "})},
)  # fmt: skip
