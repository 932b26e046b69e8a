"""IRC (RFC 1459, 2812, IRCv3): users, channels and targets, never the text.

One row per message that names a user, channel or capability; replies that list something get none. After STARTTLS the
TLS parser reads the rest of the connection.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.lines import LOST, LineParser, is_mechanism, mechanism_name, read_sasl
from rustnet.dissect.framework.reading import text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import U16, Mixed, ObjectName, Term, User, Word, record

_LINE = re.compile(rb"(?:@[^ ]+ +)?(?::([^ ]+) +)?([A-Za-z]+|[0-9]{3})(?: +(.*))?$", re.DOTALL).match
_NAMES = (
    "NICK USER PASS OPER JOIN PART QUIT MODE TOPIC INVITE KICK PRIVMSG NOTICE CAP AUTHENTICATE STARTTLS SERVICE SERVER "
    "WHOIS WHO LIST KILL ERROR AWAY"
)
_STORED = frozenset(_NAMES.split())
_FURTHER = (
    "PING PONG NAMES LINKS MOTD VERSION ADMIN INFO STATS TRACE USERS USERHOST ISON WALLOPS WHOWAS SUMMON REHASH "
    "DIE RESTART CONNECT SQUIT LUSERS TIME SERVLIST SQUERY MONITOR METADATA TAGMSG BATCH SETNAME CHGHOST ACCOUNT "
    "KNOCK SILENCE WATCH HELP HELPOP RULES MAP NS CS MS OS HS NICKSERV CHANSERV MEMOSERV OPERSERV REGISTER VERIFY "
    "ACCEPT CHATHISTORY REDACT RENAME WEBIRC ENCAP IDENTIFY"
)
_KNOWN = _STORED | frozenset(_FURTHER.split())
_SECRET_WORDS = frozenset({
    "PASS", "OPER", "WEBIRC", "IDENTIFY", "REGISTER", "VERIFY", "NS", "NICKSERV", "CS", "CHANSERV", "DIE", "RESTART",
})  # fmt: skip
"""Commands with passwords among their words."""
_SERVICES = frozenset(
    {b"nickserv", b"chanserv", b"authserv", b"userserv", b"q", b"x", b"themis", b"quakenet", b"gameserv"}
)
_SERVICE_SECRETS = frozenset(
    b"IDENTIFY ID AUTH LOGIN REGISTER GHOST RECOVER RELEASE REGAIN SET SETPASS RESETPASS PASS PASSWORD GROUP CONFIRM "
    b"VERIFY NEWPASS DROP SASET SAREGISTER LOGOUT".split()
)
"""Commands to services, whose words may be passwords."""
_CHUNK = 400
"""Size of a piece of a SASL response that more pieces follow (IRCv3)."""
_MAX_RESPONSE = 4096
_NUMERICS = frozenset({"001", "002", "004", "900", "903", "904", "905", "906", "907", "670", "691"})
"""Replies that get a row, in addition to errors (400 to 599)."""
_SASL_ENDS = frozenset({"903", "904", "905", "906", "907"})
"""Replies that end an authentication."""
_CLIENT = re.compile(
    rb"(?:CAP LS(?: 30[0-9])?|STARTTLS|CAP REQ :[^\r\n]+|NICK :?[A-Za-z\[\]\\`_^{|}][^\x00-\x20:@!]{0,31}"
    rb"|USER [^ \r\n]+ [^ \r\n]+ [^ \r\n]+ :?[^\r\n]*|PASS [^\r\n]{1,200}\r?\n(?:CAP|NICK|USER) [^\r\n]*"
    rb"|(?:JOIN|PRIVMSG) #[^\r\n]*)\r?\n"
).match
_SERVER = re.compile(
    rb":[A-Za-z0-9.:_-]+ (?:NOTICE (?:AUTH|\*|[^ ]+) :|(?:[0-4][0-9]{2}|670|691) [^ \r\n]+ )"
    rb"|NOTICE AUTH :|ERROR :Closing Link"
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

    __slots__ = ("answers", "client", "mechanism", "nick", "pieces", "spoken")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.client: bool | None = None
        """Direction of the client, once a line shows it."""
        self.nick: str | None = None
        self.mechanism: str | None = None
        """Mechanism of the current authentication."""
        self.answers = 0
        self.pieces = b""
        """Pieces of a response that is not yet complete."""
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
        if not from_server:
            self._keep_secrets(command, words)
        if command.isdigit():
            self._reply(row, command, words)
        elif command in _STORED:
            self._command(row, command, words, from_server)
        return 0

    def gap(self, size: int, from_src: bool) -> None:
        """Forget the pieces of a response: what follows is a part of it, and not its user."""
        super().gap(size, from_src)
        if from_src == self.client:
            self.pieces = b""
            self.answers = LOST - 1

    def _keep_secrets(self, command: str, words: list[bytes]) -> None:
        """Keep passwords, keys of channels and commands that nobody knows out of the server's replies."""
        keep = self.talk.keep_secret
        if command == "OPER":
            keep(*(words[1:] or words))
        elif command in _SECRET_WORDS:
            every = [word for phrase in words for word in (phrase, *phrase.split(), phrase.partition(b":")[2])]
            keep(*[word for word in every if text(word) != self.nick])
        elif command == "JOIN":
            keep(*[key for key in b",".join(words[1:2]).split(b",") if key])
        elif command == "MODE" and len(words) > 2 and b"k" in words[1]:
            keep(*words[2:])
        elif command == "PRIVMSG" and len(words) > 1:
            service, said = words[0].partition(b"@")[0].lower(), words[1].split()
            asked = said[0].upper() if said else b""
            if asked in {b"IDENTIFY", b"AUTH"} or (service in _SERVICES and asked in _SERVICE_SECRETS):
                keep(*[word for word in said[1:5] if text(word) != self.nick])
        elif command not in _KNOWN:
            keep(command.encode("ascii"), *words[:2])

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
        if row.reply_code == 421 and (row.target or "").upper() not in _KNOWN:
            row.target = None  # what the server did not understand may be a password
        if command in _SASL_ENDS:
            self.mechanism = None
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
            row.username = text(first) if len(words) > 1 else None  # of one word alone, it may be the password
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
        if is_mechanism(first):
            self.mechanism = row.argument = mechanism_name(first, self.talk)
            self.answers, self.pieces = 0, b""
            return True
        row.argument = self.mechanism
        if first == b"*":
            self.mechanism = None
            return True
        if first == b"+":
            first = b""
        elif len(self.pieces) <= _MAX_RESPONSE:
            self.talk.keep_secret(first)
            self.pieces += first
        row.has_password = bool(self.pieces)
        if len(first) == _CHUNK:
            return False
        answer, self.pieces = self.pieces, b""
        self.answers += 1
        if answer:
            number = self.answers if self.mechanism else LOST
            row.username, row.has_password = read_sasl(self.talk, self.mechanism or "", answer, number)
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
    if data[0] not in b":CNUPJE" and not (data.startswith(b"STARTTLS") and talk.has_port(*_PORTS)):
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
