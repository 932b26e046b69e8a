"""Protocols of lines (SMTP, FTP, POP3, IMAP, IRC): commands and status codes; what follows them in a line is hidden."""

import re
from collections.abc import Callable

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads import tls
from rustnet.export.redacted_packets.payloads.page import CutError, Page, Writer
from rustnet.export.redacted_packets.payloads.replacing import HIDDEN, replacements

MAX_LINES = 20_000
MAX_LINE = 8192
MAX_HIDDEN = 512
"""Bytes of a client's line that is hidden: a longer one is removed."""

SMTP = frozenset(
    b"HELO EHLO LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN HELP AUTH STARTTLS ETRN TURN XCLIENT".split()
)
FTP = frozenset(
    b"USER PASS ACCT CWD CDUP SMNT QUIT REIN PORT PASV EPRT EPSV TYPE STRU MODE RETR STOR STOU APPE ALLO REST RNFR "
    b"ABOR DELE RMD MKD PWD LIST NLST MLSD MLST SITE SYST STAT HELP NOOP FEAT OPTS AUTH PBSZ PROT CCC MDTM SIZE LANG "
    b"RNTO CLNT HOST XPWD XCWD XMKD XRMD".split()
)
POP3 = frozenset(b"USER PASS APOP STAT LIST RETR DELE NOOP RSET TOP UIDL QUIT CAPA STLS AUTH UTF8".split())
IMAP = frozenset(
    b"CAPABILITY NOOP LOGOUT STARTTLS AUTHENTICATE LOGIN ENABLE SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE "
    b"UNSUBSCRIBE LIST LSUB NAMESPACE STATUS APPEND IDLE DONE CHECK CLOSE UNSELECT EXPUNGE SEARCH FETCH STORE COPY "
    b"MOVE UID SORT THREAD ID GETQUOTA GETQUOTAROOT GETACL COMPRESS OK NO BAD BYE PREAUTH".split()
)
IRC = frozenset(
    b"PASS NICK USER OPER QUIT JOIN PART MODE TOPIC NAMES LIST INVITE KICK PRIVMSG NOTICE MOTD LUSERS VERSION STATS "
    b"LINKS TIME CONNECT TRACE ADMIN INFO WHO WHOIS WHOWAS KILL PING PONG ERROR AWAY CAP AUTHENTICATE STARTTLS "
    b"ISON USERHOST".split()
)
_CODE = re.compile(rb"[1-6]\d\d(?=[ -]|\r?\n|\Z)").match
_WORD = re.compile(rb"[A-Za-z]{2,12}(?=[ ]|\r?\n|\Z)").match
_SIGN = re.compile(rb"(?:\+OK|-ERR)(?=[ ]|\r?\n|\Z)").match
_TAG = re.compile(rb"([A-Za-z0-9.]{1,32}|\*) ").match
_PREFIX = re.compile(rb":[^ \r\n]{1,512} ").match
_NUMERIC = re.compile(rb"\d{3} ").match
_LITERAL = re.compile(rb"\{(\d{1,9})\+?\}\Z").search
_BDAT = re.compile(rb"BDAT (\d{1,9})", re.IGNORECASE).match

Known = Callable[[bytes, int, bool], int]
"""Where the known beginning of a line ends: its start if nothing of it is known."""


def _words(words: frozenset[bytes]) -> Callable[[bytes, int], int]:
    def known(data: bytes, pos: int) -> int:
        match = _WORD(data, pos)
        return match.end() if match and match[0].upper() in words else pos

    return known


def _commands(words: frozenset[bytes]) -> Known:
    command = _words(words)

    def known(data: bytes, pos: int, client: bool) -> int:
        match = _CODE(data, pos) if not client else None
        return match.end() if match else command(data, pos) if client else pos

    return known


def _pop3(data: bytes, pos: int, client: bool) -> int:
    match = _SIGN(data, pos)
    return match.end() if match and not client else _words(POP3)(data, pos) if client else pos


def _imap(data: bytes, pos: int, _client: bool) -> int:
    tag = _TAG(data, pos)
    after = tag.end() if tag else pos
    end = _words(IMAP)(data, after)
    return end if end > after else pos


def _irc(data: bytes, pos: int, _client: bool) -> int:
    prefix = _PREFIX(data, pos)
    after = prefix.end() if prefix else pos
    numeric = _NUMERIC(data, after)
    end = numeric.end() if numeric else _words(IRC)(data, after)
    return end if end > after else pos


def _next(data: bytes, pos: int, end: int, after: int, client: bool) -> int:
    """Where the next line of commands begins: after a message's text, or after the bytes that a line announces."""
    if client:
        if data[pos:end].upper() == b"DATA":
            ended = data.find(b"\r\n.\r\n", end)
            return len(data) if ended < 0 else ended + 2
        announced = _BDAT(data, pos, end)
        if announced:
            return after + int(announced[1])
    return after


Rest = Callable[[bytes, bytes, PayloadContext], bytes | None]
"""Replacement of what follows a known beginning; None: the line is removed."""


def _hidden(_known: bytes, rest: bytes, _context: PayloadContext) -> bytes:
    """Hide all but what separates it."""
    return rest[:1] + HIDDEN * (len(rest) - 1) if rest[:1] in (b" ", b"-") else HIDDEN * len(rest)


def _imap_rest(_known: bytes, rest: bytes, _context: PayloadContext) -> bytes:
    """Hide all words: a command has as many as before."""
    return b" ".join(HIDDEN * len(word) for word in rest.split(b" "))


def _pop3_rest(known: bytes, rest: bytes, context: PayloadContext) -> bytes:
    """Keep a number of messages and a size, hide all else."""
    numbers = _SIZES(rest) if known == b"+OK" else None
    end = numbers.end() if numbers else 0
    return rest[:end] + _hidden(known, rest[end:], context)


def _ftp_rest(known: bytes, rest: bytes, context: PayloadContext) -> bytes | None:
    """Ends of a data connection by their kind, if the replacement is as long; the quotes around a directory."""
    command = known.upper()
    hidden = _hidden(known, rest, context)
    if command == b"257" and len(rest) >= 4:
        return hidden[:1] + b'"' + hidden[2:-1] + b'"'
    if command not in _FTP_ENDS or rest[:1] == b"-":
        return hidden
    match = _FTP_ENDS[command](rest)
    if match is None:
        return None if command in (b"229", b"EPRT") else hidden
    start, end = match.span(1)
    shown = _ftp_end(command, match, context)
    return hidden[:start] + shown + hidden[end:] if len(shown) == end - start else None


def _ftp_end(command: bytes, match: re.Match[bytes], context: PayloadContext) -> bytes:
    port, address = context.redactor.numbers.port, context.redactor.names.address
    if command == b"229":
        return b"(|||%d|)" % port(int(match[2]))
    if command == b"EPRT":
        return b"|%s|%s|%d|" % (match[2], address(match[3].decode("ascii")).encode("ascii"), port(int(match[4])))
    numbers = list(map(int, match[1].split(b",")))
    shown = address(".".join(map(str, numbers[:4]))).encode("ascii").replace(b".", b",")
    return shown + b",%d,%d" % divmod(port(numbers[4] << 8 | numbers[5]), 256)


_SIZES = re.compile(rb"(?: \d{1,10}){1,2}(?= |\Z)").match
_FTP_PORT = re.compile(rb"\D*((?:\d{1,3},){5}\d{1,3})(?!\d)").match
_FTP_ENDS = {
    b"PORT": _FTP_PORT,
    b"227": _FTP_PORT,
    b"229": re.compile(rb"[^(|]*(\(\|\|\|(\d{1,5})\|\))").match,
    b"EPRT": re.compile(rb" *(\|([12])\|([0-9A-Fa-f.:]{2,45})\|(\d{1,5})\|)").match,
}
"""Arguments of commands and replies that name an end of a data connection."""


def writer(known: Known, *, mail: bool = False, tags: bool = False, rest: Rest = _hidden) -> Writer:
    """Writer of a protocol of lines, of which ``known`` knows the beginnings; ``tags`` are IMAP's, and its literals."""

    def write(page: Page, context: PayloadContext) -> None:
        data, pos = page.data, 0
        for _ in range(MAX_LINES):
            if pos >= page.size:
                return
            if tls.is_record(page, pos):
                tls.write_from(page, context, pos)
                return
            feed = data.find(b"\n", pos, min(pos + MAX_LINE, page.size))
            if feed < 0:
                raise CutError
            end = feed - (feed > pos and data[feed - 1] == 13)
            start = known(data, pos, context.from_client)
            shown = rest(data[pos:start], data[start:end], context) if pos < start <= end else None
            if shown is not None:
                _line(page, _sender(page, pos, context, tags=tags), start, shown, feed + 1)
            elif context.from_client and end - pos <= MAX_HIDDEN:  # credentials, for instance
                page.put(pos, b"." if data[pos:end] == b"." else HIDDEN * (end - pos))
                page.keep(end, feed + 1)
            following = feed + 1
            if mail:
                following = _next(data, pos, end, following, context.from_client)
            if tags and (literal := _LITERAL(data, pos, end)):
                following += int(literal[1])
            pos = following

    return write


def _sender(page: Page, pos: int, context: PayloadContext, *, tags: bool) -> int:
    """Write what is before a command: a tag as another one, a sender hidden; return where the command begins."""
    tag = _TAG(page.data, pos) if tags else None
    if tag and tag[1] != b"*":
        page.put(pos, replacements(context).symbols(tag[1]) + b" ")
        return tag.end()
    prefix = _PREFIX(page.data, pos) if not tags else None
    if prefix:
        page.put(pos, b":" + HIDDEN * (prefix.end() - pos - 2) + b" ")
        return prefix.end()
    return pos


def _line(page: Page, pos: int, start: int, shown: bytes, after: int) -> None:
    """Keep the known beginning of a line, and its end."""
    page.keep(pos, start)
    page.put(start, shown)
    page.keep(start + len(shown), after)


write_smtp = writer(_commands(SMTP), mail=True)
write_ftp = writer(_commands(FTP), rest=_ftp_rest)
write_pop3 = writer(_pop3, rest=_pop3_rest)
write_imap = writer(_imap, tags=True, rest=_imap_rest)
write_irc = writer(_irc)
