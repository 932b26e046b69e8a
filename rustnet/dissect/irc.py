"""IRC (RFC 1459, 2812, IRCv3): users, channels and targets, never the text.

One row per message that names a user, channel or capability; replies that list something get none. After STARTTLS the
TLS parser reads the rest of the connection.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.lines import LineParser, sasl_user
from rustnet.dissect.framework.reading import text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import U16, Mixed, ObjectName, Term, User, Word, record

_LINE = re.compile(rb"(?:@[^ ]+ +)?(?::([^ ]+) +)?([A-Za-z]+|[0-9]{3})(?: +(.*))?$", re.DOTALL).match
_NAMES = (
    "NICK USER PASS OPER JOIN PART QUIT MODE TOPIC INVITE KICK PRIVMSG NOTICE CAP AUTHENTICATE STARTTLS SERVICE SERVER "
    "WHOIS WHO LIST KILL ERROR AWAY"
)
_STORED = frozenset(_NAMES.split())
_NUMERICS = frozenset({"001", "002", "004", "900", "903", "904", "905", "906", "907", "670", "691"})
"""Replies that get a row, in addition to errors (400 to 599)."""
_CLIENT = re.compile(
    rb"(?:CAP LS(?: 30[0-9])?|CAP REQ :[^\r\n]+|NICK :?[A-Za-z\[\]\\`_^{|}][^\x00-\x20:@!]{0,31}"
    rb"|USER [^ \r\n]+ [^ \r\n]+ [^ \r\n]+ :?[^\r\n]*|PASS [^\r\n]{1,200}\r?\n(?:CAP|NICK|USER) [^\r\n]*"
    rb"|(?:JOIN|PRIVMSG) #[^\r\n]*)\r?\n"
).match
_SERVER = re.compile(
    rb":[A-Za-z0-9.:_-]+ (?:NOTICE (?:AUTH|\*|[^ ]+) :|[0-4][0-9]{2} [^ \r\n]+ )|NOTICE AUTH :|ERROR :Closing Link"
    rb"|:[^ !\r\n]+![^ @\r\n]+@[^ \r\n]+ (?:PRIVMSG|NOTICE|JOIN|PART|QUIT|MODE|NICK|KICK|TOPIC) "
).match
_WORDS = (b"CAP ", b"NICK ", b"USER ", b"PASS ", b"JOIN #", b"PRIVMSG #", b"NOTICE AUTH", b"ERROR :C", b":")
_OPENINGS = frozenset(word[:size] for word in _WORDS for size in range(1, len(word)))
"""Incomplete prefixes of these words."""
_PORTS = (6667, 6666, 6668, 6669, 7000)


@record("irc")
class Irc:
    """One IRC message."""

    command: Word | None = None
    """Command, or a reply's three digits."""
    from_server: bool | None = None
    """The server sent it."""
    origin: Mixed | None = None
    """Sender of the message, if stated: `nick!user@host`, or a server."""
    nick: User | None = None
    """The client's name at that time."""
    username: User | None = None
    """User, with USER, OPER and AUTHENTICATE."""
    real_name: User | None = None
    """Real name that the client gives itself, with USER."""
    irc_channel: ObjectName | None = None
    """Channel concerned, or several with commas."""
    target: User | None = None
    """Nick or server that the message concerns."""
    argument: Term | None = None
    """Capabilities, or the mechanism of authentication."""
    has_password: bool = False
    """A password was sent."""
    reply_code: U16 | None = None
    """Number of a reply."""


class IrcParser(LineParser):
    """One connection."""

    __slots__ = ("answers", "client", "mechanism", "nick", "spoken")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.client: bool | None = None
        """Direction of the client, once a line shows it."""
        self.nick: str | None = None
        self.mechanism: str | None = None
        """Mechanism of the current authentication."""
        self.answers = 0
        self.spoken = False

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read lines; TLS's beginning ends them."""
        if data[:2] == b"\x16\x03" and self.spoken:
            self.talk.hand_over(TLS)
            return 0
        return super().stream(data, from_src)

    def line(self, line: bytes, from_src: bool) -> int:
        """Read one message."""
        match = _LINE(line.strip())
        if match is None:
            if line.strip() and not self.spoken:
                raise DissectError("expected an IRC message")
            return 0
        self.spoken = True
        prefix, word, rest = match.groups()
        command = word.decode("ascii").upper()
        if self.client is None:
            serves = prefix is not None or command in {"NOTICE", "ERROR"} or command.isdigit()
            self.client = not from_src if serves else from_src
        from_server = from_src != self.client
        row = Irc(command=command, from_server=from_server, nick=self.nick)
        row.origin = text(prefix) if prefix is not None else None
        middle, colon, trailing = b" ".join((b"", rest or b"")).partition(b" :")
        words = middle.split()[:15]
        if colon:
            words.append(trailing)
        if command.isdigit():
            self._reply(row, command, words)
        elif command in _STORED:
            self._command(row, command, words, from_server)
        return 0

    def _reply(self, row: Irc, command: str, words: list[bytes]) -> None:
        """Store a reply that begins a connection, or an error."""
        row.reply_code = int(command)
        if command not in _NUMERICS and not 400 <= row.reply_code < 600:
            return
        if command == "001" and words:
            self.nick = row.nick = text(words[0])
            if row.origin and self.client:
                self.talk.name_host(row.origin.lower(), "irc")
        row.target = text(words[1]) if row.reply_code >= 400 and len(words) > 2 else None
        self.store_row(row)
        if command == "670":
            self.talk.hand_over(TLS)

    def _command(self, row: Irc, command: str, words: list[bytes], from_server: bool) -> None:
        """Store a command without text and passwords."""
        first = words[0] if words else b""
        if command == "NICK":
            row.target = text(first)
            if not from_server:
                self.nick = row.nick = row.target
        elif command == "USER":
            row.username = text(first)
            row.real_name = text(words[3]) if len(words) > 3 else None
        elif command == "OPER":
            row.username = text(first)
            row.has_password = True
        elif command == "PASS":
            row.has_password = True
        elif command == "CAP":
            row.argument = text(b" ".join(words))
        elif command == "AUTHENTICATE":
            if from_server or not self._authenticate(row, first):
                return
        elif command not in {"QUIT", "ERROR", "AWAY"}:
            self._set_target(row, command, words)
        self.store_row(row)

    def _authenticate(self, row: Irc, first: bytes) -> bool:
        """Read a mechanism, or the user in a response; false if neither is to be stored."""
        if self.mechanism is None:
            self.mechanism = row.argument = text(first).upper()
            self.answers = 0
            return True
        self.answers += 1
        row.username, row.has_password = sasl_user(self.mechanism, first, self.answers)
        row.argument, self.mechanism = self.mechanism, None
        return True

    def _set_target(self, row: Irc, command: str, words: list[bytes]) -> None:
        """Take the channel or the name that a command is about."""
        first = words[0] if words else b""
        if first[:1] in {b"#", b"&", b"+", b"!"}:
            row.irc_channel = text(first)
            if command == "KICK" and len(words) > 1:
                row.target = text(words[1])
        elif first:
            row.target = text(first)
            if command == "INVITE" and len(words) > 1:
                row.irc_channel = text(words[1])


def _probe_irc(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the commands by which a client registers, and a server's notices and replies."""
    if not data:
        return MORE
    if data[0] not in b":CNUPJE":
        return NO
    end = data.find(b"\n")
    if end < 0:
        if len(data) > 512 or not data.isascii():
            return NO
        return MORE if data in _OPENINGS or data.startswith(_WORDS) else NO
    if data.startswith(b"PASS ") and data.find(b"\n", end + 1) < 0:
        return MORE if len(data) < 700 else NO
    return YES if _CLIENT(data) is not None or _SERVER(data) is not None else NO


IRC = Dissector(
    "irc", "Internet Relay Chat (RFC 2812)", ("tcp",), _PORTS, (Irc,), _probe_irc, IrcParser, first=b":CNUPJE"
)
