"""Telnet (RFC 854): options, terminal, window, and the name typed at a login prompt.

One row per connection, stored when a password was typed, after a while without a prompt, or when the flow ends. Of the
text only the user name is kept.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, Dissector
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.reading import text
from rustnet.records import U16, Term, User, Word, record

MAX_SUBNEGOTIATION = 1024
MAX_OPTIONS = 64
"""Options kept per direction."""
MAX_TYPED = 64
"""Bytes of a user name that are kept."""
PATIENCE = 200_000
"""Bytes of text after which the parser no longer waits for a login; a command counts as 16."""
_IAC, _SB, _SE = 0xFF, 0xFA, 0xF0
_WORDS = {0xFB: "WILL", 0xFC: "WONT", 0xFD: "DO", 0xFE: "DONT"}
_OPTIONS = {
    0: "BINARY", 1: "ECHO", 3: "SUPPRESS-GO-AHEAD", 5: "STATUS", 6: "TIMING-MARK", 24: "TERMINAL-TYPE",
    25: "END-OF-RECORD", 31: "WINDOW-SIZE", 32: "TERMINAL-SPEED", 33: "REMOTE-FLOW-CONTROL", 34: "LINEMODE",
    35: "X-DISPLAY-LOCATION", 36: "ENVIRON", 37: "AUTHENTICATION", 38: "ENCRYPT", 39: "NEW-ENVIRON", 40: "TN3270E",
    42: "CHARSET", 44: "COM-PORT", 46: "START-TLS", 69: "MSDP", 70: "MSSP", 85: "MCCP1", 86: "MCCP2", 91: "MXP",
    201: "GMCP",
}  # fmt: skip
_TERMINAL, _WINDOW, _NEW_ENVIRON, _ENVIRON = 24, 31, 39, 36
_USER_PROMPT = re.compile(rb"(?i:login|user ?name|user|account|logon)[^\r\n:>]{0,24}:\s*$").search
_SECRET_WORDS = (
    rb"pass(?:w|code|phrase|e\b|:)|secret|\bpin\b|kennwort|contrase|\bclave|senha|parola|palavra|wachtwoord|has[l\xc5]|"
    rb"l(?:o|\xf6|\xc3\xb6)senord|salasana|adgangskode|jelsz|heslo|token|otp\b|\bcode\b|verification|"
    + "парол|密码|密碼|口令|パスワード|暗証|비밀번호|암호".encode()
)
"""How logins ask for a password, in the languages that systems have."""
_SECRET_PROMPT = re.compile(rb"(?i:" + _SECRET_WORDS + rb")[^\r\n]{0,40}[:>]\s*$").search
_USER_VARIABLE = re.compile(rb"[\x00\x03]USER\x01([^\x00-\x03\xff]{1,64})").search
_PROMPT = re.compile(rb"(?i:login|username|password)\s*:\s*$").search
_NOTHING, _USER, _SECRET = range(3)
_PORTS = (23, 2323)


@record("telnet")
class Telnet:
    """One Telnet connection."""

    client_options: list[Word] | None = None
    """Option negotiation of the client, `WILL ECHO` style, in order."""
    server_options: list[Word] | None = None
    """Option negotiation of the server, in order."""
    terminal: Term | None = None
    """Type of the client's terminal."""
    width: U16 | None = None
    """Columns of the client's window."""
    height: U16 | None = None
    """Rows of the client's window."""
    username: User | None = None
    """Name typed at the last prompt for one, or sent in the environment."""
    has_password: bool = False
    """Something was typed at a password prompt."""


class TelnetParser(OneRowParser[Telnet]):
    """One connection up to its login."""

    __slots__ = ("asked", "client", "output", "patience", "typed")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Telnet())
        self.client = talk.dst_port in _PORTS or talk.src_port not in _PORTS
        """Direction of the client: the flow's initiator, unless only its port is a standard one."""
        self.output = b""
        """The last bytes of the server's text."""
        self.asked = _NOTHING
        """What the server's last prompt asks for: `_NOTHING`, `_USER` or `_SECRET`."""
        self.typed = bytearray()
        self.patience = PATIENCE

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read commands and text."""
        self.begin()
        pos = 0
        size = len(data)
        while pos < size and not self.talk.finished:
            if data[pos] == _IAC:
                after = self._command(data, pos, from_src)
                if after == pos:
                    return pos
                pos = after
                continue
            end = data.find(b"\xff", pos)
            end = size if end < 0 else end
            self._text(data[pos:end], from_src)
            pos = end
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Drop what was being typed, as it may be incomplete."""
        self.asked = _NOTHING
        self.typed.clear()

    def _command(self, data: bytes, pos: int, from_src: bool) -> int:
        """Read a command, which begins with IAC."""
        left = len(data) - pos
        if left < 2:
            return pos
        self.patience -= 16
        if self.patience <= 0:
            self.finish()
        kind = data[pos + 1]
        if kind in _WORDS:
            if left < 3:
                return pos
            self._option(f"{_WORDS[kind]} {_OPTIONS.get(data[pos + 2], data[pos + 2])}", from_src)
            return pos + 3
        if kind != _SB:
            return pos + 2
        end = data.find(b"\xff\xf0", pos + 2, pos + MAX_SUBNEGOTIATION)
        if end < 0:
            return pos if left < MAX_SUBNEGOTIATION else pos + 2
        self._subnegotiation(data[pos + 2 : end], from_src)
        return end + 2

    def _option(self, negotiation: str, from_src: bool) -> None:
        row = self.row
        if from_src == self.client:
            row.client_options = options = row.client_options or []
        else:
            row.server_options = options = row.server_options or []
        if len(options) < MAX_OPTIONS:
            options.append(negotiation)

    def _subnegotiation(self, body: bytes, from_src: bool) -> None:
        """Read the client's terminal type, window size and environment (RFC 1091, 1073, 1572)."""
        if len(body) < 2 or from_src != self.client:
            return
        row = self.row
        if body[0] == _TERMINAL and body[1] == 0:
            row.terminal = text(body[2:])
        elif body[0] == _WINDOW and len(body) == 5:
            row.width = body[1] << 8 | body[2]
            row.height = body[3] << 8 | body[4]
        elif body[0] in {_NEW_ENVIRON, _ENVIRON} and body[1] in {0, 2}:
            user = _USER_VARIABLE(body, 2)
            if user is not None:
                row.username = text(user.group(1))

    def _text(self, data: bytes, from_src: bool) -> None:
        """Follow prompts and the answers typed at them."""
        self.patience -= len(data)
        if self.patience <= 0:
            self.finish()
        elif from_src == self.client:
            if self.asked != _NOTHING:
                self._type(data)
        else:
            self.output = (self.output + data)[-80:]
            if _SECRET_PROMPT(self.output) is not None:
                self.asked = _SECRET
                self.typed.clear()
            elif self.asked == _NOTHING and _USER_PROMPT(self.output) is not None:
                self.asked = _USER
                self.typed.clear()

    def _type(self, keys: bytes) -> None:
        """Collect a line typed at a prompt."""
        for byte in keys[: 4 * MAX_TYPED]:
            if byte in {10, 13}:
                self._entered()
                return
            if self.asked == _USER:
                if byte in {8, 127}:
                    del self.typed[-1:]
                elif byte >= 32 and len(self.typed) < MAX_TYPED:
                    self.typed.append(byte)

    def _entered(self) -> None:
        asked, self.asked = self.asked, _NOTHING
        self.output = b""
        if asked == _USER:
            self.row.username = text(bytes(self.typed)) or self.row.username
            self.typed.clear()
        else:
            self.row.has_password = True
            self.finish()


def _negotiates(data: bytes) -> int:
    """Number of option commands that the data begins with; -1 if one of them is invalid."""
    count = 0
    pos = 0
    while pos + 3 <= len(data) and data[pos] == _IAC and count < 16:
        if data[pos + 1] == _SB:
            end = data.find(b"\xff\xf0", pos, pos + MAX_SUBNEGOTIATION)
            if end < 0:
                break
            pos = end + 2
        elif data[pos + 1] in _WORDS and data[pos + 2] in _OPTIONS:
            pos += 3
        else:
            return -1
        count += 1
    return count


def _probe_telnet(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise option commands: three, or one on the standard ports, where a login prompt is enough, too."""
    if not data:
        return MORE
    on_port = talk.dst_port in _PORTS or talk.src_port in _PORTS
    if data[0] != _IAC:
        if not on_port:
            return NO
        return YES if _PROMPT(data[-80:]) is not None or b"\xff\xfb\x01" in data else MORE
    if len(data) < 3:
        return MORE if len(data) < 2 or data[1] in _WORDS or data[1] == _SB else NO
    count = _negotiates(data)
    if count < 0:
        return NO
    return YES if count >= 3 or (on_port and count) else MORE if on_port or len(data) < 9 else NO


TELNET = Dissector(
    "telnet", "Telnet (RFC 854)", ("tcp",), _PORTS, (Telnet,), _probe_telnet, TelnetParser, first=b"\xff"
)
