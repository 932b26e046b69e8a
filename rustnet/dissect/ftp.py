"""FTP's control connection (RFC 959, 2228, 2428, 4217).

One row per command with its final reply, and one for the greeting. If a command or its reply opens a data connection,
the row names the listening end. After AUTH TLS the TLS parser reads the rest. Passwords are not kept, nor the arguments
of unknown commands.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, Dissector, Shape
from rustnet.dissect.framework.lines import ReplyParser, mechanism_name, stray_line, unknown
from rustnet.dissect.framework.reading import text
from rustnet.records import U16, FilePath, FreeText, Ip, Port, Term, User, record

_SECRET = frozenset({"PASS", "ACCT", "ADAT", "MIC", "CONF", "ENC"})
_ALONE = frozenset(
    {"PASV", "QUIT", "SYST", "FEAT", "NOOP", "ABOR", "REIN", "CDUP", "PWD", "XPWD", "XCUP", "CCC", "LPSV"}
)
"""Commands without an argument: what follows one is something that went astray."""
_SITE_NAMES = (
    b"CHMOD UMASK IDLE HELP UTIME CPFR CPTO CHGRP CHOWN MKDIR RMDIR SYMLINK LINK QUOTA WHO NAMEFMT ATTRIB DIRSTYLE "
    b"CHECKMETHOD CHECKSUM INDEX MINFO NEWER ALIAS CDPATH GROUPS ZONE MSG SETFACL COPY TOUCH LISTFMT TRIM STAT FILETYPE"
    b" JES SEQ BLKSIZE LRECL RECFM PRIMARY SECONDARY CYLINDERS TRACKS UNIT VOLUME"
)
_SITE = frozenset(_SITE_NAMES.split())
"""Commands of SITE whose arguments contain no credentials."""
_SITE_SECRET = frozenset(b"PSWD PASSWD PASSWORD PASS CHPASS CHANGEPASS GPASS GROUP ADDUSER GADDUSER USERADD".split())
_NAMES = (
    "USER PASS ACCT CWD CDUP SMNT REIN QUIT PORT PASV TYPE STRU MODE RETR STOR STOU APPE ALLO REST RNFR RNTO ABOR "
    "DELE RMD XRMD MKD XMKD PWD XPWD LIST NLST SITE SYST STAT HELP NOOP FEAT OPTS AUTH ADAT PROT PBSZ CCC MIC "
    "CONF ENC LANG EPRT EPSV SIZE MDTM MFMT MLST MLSD CLNT HOST XCUP AVBL CSID DSIZ XCRC XMD5 XSHA1 HASH RMDA "
    "LPRT LPSV"
)
_COMMANDS = frozenset(_NAMES.split())
_WORDS = frozenset(name.encode("ascii") for name in _COMMANDS)
_TRANSFERS = frozenset({"RETR", "STOR", "STOU", "APPE", "LIST", "NLST", "MLSD"})
_TRANSFERRED = frozenset({225, 226, 250})
"""Positive codes that end a transfer."""
_OWN = frozenset({b"FEAT", b"SYST", b"PASV", b"EPSV", b"PORT", b"EPRT", b"STOR", b"MLSD", b"NLST", b"PBSZ", b"XPWD"})
"""Commands that no other text protocol has."""
_COMMAND = re.compile(rb"([A-Za-z]{3,5})(?: +(.*))?$", re.DOTALL).match
_UNPRINTABLE = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]").search
_PLACE = re.compile(rb"([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3})")
_EXTENDED = re.compile(rb"([\x21-\x7e])([12]?)\1([0-9A-Fa-f.:]{0,45})\1([0-9]{1,5})\1")
_GREETING = re.compile(rb"(?:220[ -]|120 |421 )[^\x00]*").match
_PORTS = (21, 2121)


_LATER_REPLY = re.compile(
    rb"(?:150|200|211|213|215|221|226|227|229|230|250|257|331|425|426|450|530|550)[ -][ -~]{2,200}\r\n"
).match


@record("ftp")
class Ftp:
    """One FTP command and its reply, or the server's greeting."""

    command: Term | None = None
    """Command, upper case; NULL for the greeting and for a reply whose command was not seen."""
    argument: FilePath | None = None
    """Argument of the command; NULL for secrets and for unknown commands."""
    user: User | None = None
    """User named by the last USER command."""
    has_password: bool = False
    """A password was sent with this command."""
    reply_code: U16 | None = None
    """Code of the final reply; NULL without one."""
    replies: list[FreeText] | None = None
    """Lines of the final reply, 16 at most."""
    preliminary_code: U16 | None = None
    """Code of the preliminary reply before the final one (`150`)."""
    data_ip: Ip | None = None
    """Address that listens for the data connection."""
    data_port: Port | None = None
    """Port that listens for the data connection."""
    response_ms: float | None = None
    """From the command to its final reply, in milliseconds; NULL if their packets have times in another order."""
    pair_unknown: bool = False
    """Bytes of the flow are missing, so that this command and its reply cannot be assigned to each other."""


class FtpParser(ReplyParser[Ftp]):
    """One control connection."""

    UPGRADE = "AUTH"
    VERBS = _COMMANDS
    TITLE = "FTP"

    __slots__ = ("user",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.user: str | None = None

    def blank(self) -> Ftp:
        """Create the row of a greeting."""
        return Ftp(user=self.user)

    def command(self, line: bytes) -> Ftp | None:
        """Create the row of a command."""
        line = line.lstrip(b"\xff\xf4\xf2\xf1")  # Telnet's interrupt and synch ahead of ABOR
        match = _COMMAND(line)
        if match is None:
            stray_line(self.talk, line)
            return None
        word, raw = match.groups()
        name = word.decode("ascii").upper()
        row = Ftp(command=name if name in _COMMANDS else unknown(self.talk, line))
        if name in _SECRET:
            row.has_password = name in {"PASS", "ACCT"}
            if raw:
                self.talk.keep_secret(raw, raw.lstrip(b"-"))
        elif name == "SITE" and raw is not None:
            self._site(row, raw)
        elif name == "AUTH" and raw is not None:
            row.argument = mechanism_name(raw, self.talk)
        elif name in _ALONE:
            stray_line(self.talk, raw or b"")
        elif raw is not None and name in _COMMANDS:
            self._argument(row, name, raw)
        row.user = self.user
        return row

    def _argument(self, row: Ftp, name: str, raw: bytes) -> None:
        """Keep the argument of a command, and what it says of users and data connections."""
        row.argument = text(raw)
        if name == "USER":
            self.user = row.argument
        elif name == "PORT":
            self._place(row, raw)
        elif name == "EPRT":
            self._extended(row, raw)

    def _site(self, row: Ftp, raw: bytes) -> None:
        """Keep a command of the server's own, unless it may change a password."""
        words = raw.split()
        name = words[0].upper() if words else b""
        if name in _SITE:
            row.argument = text(raw)
            return
        row.has_password = name in _SITE_SECRET
        row.argument = text(name) if row.has_password else unknown(self.talk, raw)
        self.talk.keep_secret(*words[1:8])

    def answered(self, row: Ftp, code: int) -> bool:
        """Read a reply, which may contain the address of a data connection."""
        if code < 200 and row.command is not None:
            row.preliminary_code = code
            row.reply_code = row.replies = None
            return False
        last = self.lines[-1].encode("utf-8") if self.lines else b""
        if code == 227:
            self._place(row, last[3:])
        elif code == 229:
            self._extended(row, last[3:])
        return True

    def preliminary(self, code: int) -> bool:
        """Whether a transfer begins, whose final reply follows."""
        return code < 200

    def overtakes(self, row: Ftp, code: int) -> bool:
        """Whether a command sent during a transfer is answered before the transfer ends (RFC 959, 5.4)."""
        return row.preliminary_code is not None and code // 100 == 2 and code not in _TRANSFERRED

    def expects_more(self, row: Ftp) -> bool:
        """Whether the command begins a transfer."""
        return row.command in _TRANSFERS

    def _place(self, row: Ftp, raw: bytes) -> None:
        """Read ``h1,h2,h3,h4,p1,p2`` (RFC 959, 3.2.1)."""
        match = _PLACE.search(raw)
        if match is not None:
            numbers = [int(part) for part in match.groups()]
            if max(numbers) < 256:
                row.data_ip = ".".join(map(str, numbers[:4]))
                row.data_port = numbers[4] << 8 | numbers[5]

    def _extended(self, row: Ftp, raw: bytes) -> None:
        """Read ``|1|address|port|``, or ``|||port|`` for the server itself (RFC 2428)."""
        match = _EXTENDED.search(raw)
        if match is not None and int(match.group(4)) < 65536:
            own = self.talk.src_ip if self.server else self.talk.dst_ip
            row.data_ip = match.group(3).decode("ascii").lower() or own
            row.data_port = int(match.group(4))


def _probe_ftp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a greeting that names FTP, or a command; a port of FTP's makes up for a greeting that names nothing."""
    if not data:
        return MORE
    first = data[0]
    if 49 <= first <= 53:  # digits that begin a reply
        return _probe_greeting(data, talk)
    if not 65 <= first & 0xDF <= 90:
        return NO
    end = data.find(b"\n")
    if end < 0:
        word = data[:5].partition(b" ")[0].upper()
        return MORE if len(data) < 512 and (len(word) == len(data) or word in _WORDS) else NO
    word = data[:end].partition(b" ")[0].rstrip(b"\r").upper()
    if word not in _WORDS or _UNPRINTABLE(data, 0, end) is not None:
        return NO
    other = talk.pending_dst if from_src else talk.pending_src
    if talk.has_port(*_PORTS) or other.startswith(b"220"):
        return YES
    if word == b"AUTH":
        return YES if data[5:8].upper() in {b"TLS", b"SSL"} else NO
    return YES if word in _OWN else NO


def _probe_greeting(data: bytes, talk: Conversation) -> int:
    if _LATER_REPLY(data) is not None and talk.has_port(21):
        return YES  # of a session that began earlier
    if len(data) < 4:
        return MORE if b"220 ".startswith(data) or b"220-".startswith(data) else NO
    end = data.find(b"\n")
    match = _GREETING(data[: end if end >= 0 else len(data)])
    if match is None or b"SMTP" in data[:512].upper():
        return NO
    if end < 0:
        return MORE if len(data) < 1024 else NO
    return YES if talk.has_port(*_PORTS) or b"FTP" in data[:512].upper() else MORE


_START = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
"""Bytes of a command or a reply's code."""
FTP = Dissector(
    "ftp", "File Transfer Protocol (RFC 959)", ("tcp",), _PORTS, (Ftp,), _probe_ftp, FtpParser,
    first=b"124" + bytes((*range(65, 91), *range(97, 123))),
    shapes={"tcp": Shape(at={1: _START, 2: _START, 3: _START + b" -\r\n"})},
)  # fmt: skip
