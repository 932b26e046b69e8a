"""Credentials of a flow, so that no later text of it repeats them: a server's reply, an echo, a neighbour's column."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, TypeAlias

from rustnet.probe.uris import HIDDEN, without_secrets
from rustnet.records import Kind, columns

MAX_TEXT = 512
"""Bytes of a credential that are remembered: as many as a column keeps of a text (`reading.MAX_TEXT`)."""
MAX_SECRETS = 256
"""Credentials that are remembered of one flow: the newest ones."""
MIN_ANYWHERE = 4
"""Characters from which on a credential is looked for in every text; shorter ones are ordinary words too often."""
MIN_PREFIX = 6
"""Characters of a credential that hide it where a text was cut within it."""
MAX_PARTS = 16
"""Parts of a decoded credential."""

_SAFE = frozenset({
    Kind.WORD, Kind.ADDRESS, Kind.MAC, Kind.FINGERPRINT, Kind.DIGEST,
})  # fmt: skip
"""Kinds whose values rustnet chooses or computes itself."""
_USERS = frozenset({"user", "username"})
"""Columns of the one who logs in, who may be called like the password."""
_VERB_NAMES = (
    "ABOR ACCT ALLO APPE APOP AUTH AUTHENTICATE AUTHINFO BDAT CAPA CAPABILITY CAP CDUP CLIENT CONFIG CWD DATA "
    "DELE EHLO EPRT EPSV ERR ERROR EXPN FEAT HELLO HELO HELP IDENTIFY INFO JOIN KICK LIST LOGIN LOGON LOGOUT MAIL "
    "MDTM MKD MLSD MLST MODE NICK NLST NO NONE NOOP NOTICE NULL OK OPER OPTS PART PASS PASSWORD PASV PBSZ PING "
    "PONG PORT PRIVMSG PROT PWD QUIT RCPT REGISTER REIN REST RETR RMD RNFR RNTO RSET SITE SIZE STARTTLS STAT STLS "
    "STOR STOU STRU SYST TOP TYPE UIDL USER VRFY XCLIENT PLAIN DIGEST-MD5 CRAM-MD5 ANONYMOUS EXTERNAL GSSAPI ACL "
    "SETUSER REQUIREPASS UNKNOWN COMMAND INVALID SYNTAX THE AND FOR NOT WITH"
)
_VERBS = frozenset(_VERB_NAMES.split())
"""Words of the protocols themselves: hiding them would hide the dialogue, not a credential."""
_WORD = re.compile(r"[0-9A-Za-z_]")
_QUOTED = re.compile(
    r"(?i)(['\"`<\[(]\s*(?:[!-~]{1,64}\s+)??(?:PASS|ACCT|PSWD|(?:SITE\s+)?PSWD\s+\S+|APOP\s+\S+|LOGIN\s+\S+|OPER\s+\S+"
    r"|IDENTIFY|REGISTER|AUTHINFO\s+PASS|AUTH\s+(?:PLAIN|LOGIN|XOAUTH2|CRAM-MD5|OAUTHBEARER)|AUTHENTICATE\s+[!-~]+"
    r"|AUTH|PASSWORD|REQUIREPASS)\s+)([^'\"`>\])\r\n]{1,512})"
)
"""A command with its credential, quoted by the one who received it."""
_REPEATED = re.compile(
    r"((?:^|^[-+]?[A-Z0-9]{2,4}[ -]+)(?:PASS|ACCT|PSWD)\s+)(?!\S+\s+\S+\s*$)(\S+)(?=\s*:)", re.IGNORECASE
)
_NAMED = re.compile(
    r"(?i)(\bpass(?:word|wd|phrase)(?:\s+(?:is|was|of))?\s*[:=]?\s*)"
    r"(?:(['\"`<])[^'\"`>\r\n]{1,512}|(?<==)(?!\s)[^\s,;]{1,512})"
)
"""What a reply calls a password."""
_REFUSED = re.compile(
    r"(?i)((?:unknown|unrecogni[sz]ed|invalid|bad|illegal|unsupported|no such) (?:command|verb|keyword|cmd)"
    r"(?: (?:name|word|line))?\s*[:,]?\s*(['\"`<\[(]*))([^'\"`>\])\s,]{1,512})"
)
_NOT_UNDERSTOOD = re.compile(
    r"(?i)(['\"`<\[(])([^'\"`>\]) ]{1,512})(?=['\"`>\])][:,]? (?:is )?"
    r"(?:not understood|unknown|unrecogni[sz]ed|not recogni[sz]ed|invalid|command|not implemented|no such|bad))"
)
_TRIGGERS = (
    "pass", "not ", "auth", "login", "bad", "valid", "unknown", "oper", "pswd", "acct", "identify", "regist", "apop",
    "unrec", "legal", "unsup", "args", "no such",
)  # fmt: skip
MAX_REMEMBERED = 256
"""Characters of a text whose result is kept for the next one like it."""
_MARKS = frozenset("'\"`<[(:=")
"""Words and characters without which a reply quotes nothing."""
_ARGUMENTS = re.compile(r"(?i)(with args beginning with:\s*)(.*)")


def _text(raw: bytes) -> str:
    """Text as `reading.text` stores it."""
    return raw[:MAX_TEXT].partition(b"\0")[0].decode("utf-8", "backslashreplace")


class Secrets:
    """What was sent as a credential in one flow."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: dict[str, None] = {}
        """Credentials as a column would hold them, in lower case, the oldest first."""

    def add(self, raw: bytes) -> None:
        """Remember a credential in any form that a text may repeat."""
        shown = _text(raw.strip(b"\r\n")).strip().lower()
        if shown and shown.upper() not in _VERBS:
            self.values.pop(shown, None)
            self.values[shown] = None
            if len(self.values) > MAX_SECRETS:
                del self.values[next(iter(self.values))]

    def hide(self, shown: str, free: bool = True) -> str:
        """``shown`` without the credentials; ``free`` text is searched for short ones, too."""
        lower = shown.lower()
        for value in self.values:
            if (free or len(value) >= MIN_ANYWHERE) and value in lower:
                shown = _hide_word(shown, value)
                lower = shown.lower()
            elif len(shown) >= MAX_TEXT - 8 and len(value) > MIN_PREFIX:
                shown = _hide_cut(shown, value)
        return shown

    def clean(self, row: Any) -> None:
        """Hide the credentials in the texts of a row; a user whose name is the password remains."""
        record: type = type(row)
        for name, kind, many in _texts(record):
            value = getattr(row, name)
            if not value:
                continue
            free = kind is Kind.FREE_TEXT
            if many:
                setattr(row, name, [self.hide(one, free) if isinstance(one, str) else one for one in value])
            elif isinstance(value, str) and not (name in _USERS and value.lower() in self.values):
                setattr(row, name, self.hide(value, free))


_BARE = frozenset({Kind.HOST, Kind.USER, Kind.PATH, Kind.URI, Kind.OBJECT, Kind.MIXED})
"""Kinds of columns in which ``user:password@host`` may be all of a text."""


Screened: TypeAlias = tuple[Callable[[Any], tuple[Any, ...]], tuple[tuple[str, bool, bool], ...]]
"""Getter of a record's columns that are searched; of each the name, and whether it is bare, and free."""


@cache
def screened(cls: type) -> Screened:
    """Columns of a record that may hold a sender's text."""
    found = [(name, kind in _BARE, kind is Kind.FREE_TEXT) for name, kind, _ in _texts(cls)]
    return (attrgetter(*(name for name, *_ in found), "__class__") if found else _nothing), tuple(found)


def _nothing(row: Any) -> tuple[Any, ...]:
    return ()


def screen(shown: str, bare: bool, free: bool, cut: list[str]) -> str:
    """A text of a sender without the secrets that its form shows; ``cut`` gets them."""
    if len(shown) > MAX_REMEMBERED:
        return _screen(shown, bare, free, cut)
    shown, secrets = _screened_before(shown, bare, free)
    cut += secrets
    return shown


def _may_quote(shown: str) -> bool:
    """Whether a text has a word without which a reply quotes nothing."""
    lower = shown.lower()
    return any(word in lower for word in _TRIGGERS)  # much faster than an expression


@lru_cache(4096)
def _screened_before(shown: str, bare: bool, free: bool) -> tuple[str, tuple[str, ...]]:
    """Result of `_screen` for a short text: senders repeat many of theirs."""
    cut: list[str] = []
    return _screen(shown, bare, free, cut), tuple(cut)


def _screen(shown: str, bare: bool, free: bool, cut: list[str]) -> str:
    shown = without_secrets(shown, bare=bare, cut=cut)
    if free and _may_quote(shown):
        shown = _QUOTED.sub(rf"\1{HIDDEN}", shown)
        shown = _NAMED.sub(lambda match: match.group(1) + (match.group(2) or "") + HIDDEN, shown)
    return shown


@cache
def _texts(cls: type) -> tuple[tuple[str, Kind, bool], ...]:
    """Names, kinds and whether they are lists of the columns of a record that may hold a sender's text."""
    return tuple(
        (column.name, column.kind, column.sql_type.endswith("[]"))
        for column in columns(cls)
        if column.sql_type.startswith("VARCHAR") and column.kind not in _SAFE
    )


def _hide_word(shown: str, value: str) -> str:
    """Replace a credential wherever it is not a part of a longer word."""
    before = r"(?<![0-9A-Za-z_])" if _WORD.match(value) else ""
    after = r"(?![0-9A-Za-z_])" if _WORD.match(value[-1]) else ""
    if len(value) >= 2 * MIN_ANYWHERE:  # nothing but the credential has so many characters in common with it
        before = after = ""
    return re.sub(f"{before}{re.escape(value)}{after}", HIDDEN, shown, flags=re.IGNORECASE)


def _hide_cut(shown: str, value: str) -> str:
    """Replace the beginning of a credential at the end of a text that was cut there."""
    lower = shown.lower()
    for size in range(min(len(value), len(shown)) - 1, MIN_PREFIX - 1, -1):
        if lower.endswith(value[:size]):
            return shown[:-size] + HIDDEN
    return shown


def reply_text(raw: bytes, known: frozenset[str] = frozenset()) -> str:
    """Text of a server's reply without the credentials that it quotes, whether or not they were seen in the flow.

    Of a command that it refuses the name remains if it is ``known``, or one that text protocols have.
    """
    shown = _text(raw)
    if not _MARKS.isdisjoint(shown) and _may_quote(shown):
        shown = _QUOTED.sub(rf"\1{HIDDEN}", shown)
        shown = _REPEATED.sub(rf"\1{HIDDEN}", shown)
        shown = _NAMED.sub(lambda match: match.group(1) + (match.group(2) or "") + HIDDEN, shown)
        shown = _REFUSED.sub(lambda match: _refused(match, known), shown)
        shown = _NOT_UNDERSTOOD.sub(lambda match: _understood(match, known), shown)
        shown = _ARGUMENTS.sub(rf"\1{HIDDEN}", shown)
    return shown


def _is_verb(word: str, known: frozenset[str]) -> bool:
    upper = word.rstrip(".:;!").upper()
    return not upper or upper in _VERBS or upper in known or not any(char.isalnum() for char in upper)


def _refused(match: re.Match[str], known: frozenset[str]) -> str:
    """Name of a refused command; a word that merely follows in the sentence is not one."""
    quoted = bool(match.group(2)) or ":" in match.group(1)
    return match.group() if not quoted or _is_verb(match.group(3), known) else match.group(1) + HIDDEN


def _understood(match: re.Match[str], known: frozenset[str]) -> str:
    return match.group() if _is_verb(match.group(2), known) else match.group(1) + HIDDEN


def unknown_command(line: bytes) -> str:
    """What is recorded of a command that its protocol does not have: it may be a credential that went astray."""
    return f"unknown ({len(line)} bytes)"


def parts_of(answer: bytes) -> list[bytes]:
    """A credential, what it is in Base64, and the parts of that: any of them would be enough to log in."""
    bare = answer.strip().rstrip(b"=")
    try:
        raw = b64decode(bare + b"=" * (-len(bare) % 4))
    except (Base64Error, ValueError):
        return [bare]
    return [bare, *raw_parts(raw)]


def raw_parts(raw: bytes) -> list[bytes]:
    """A decoded SASL response and the parts of it that prove something: passwords, tokens, digests; not the users."""
    if b"\0" in raw:
        return raw.split(b"\0")[2:3]
    parts = [raw]
    for part in re.split(rb"[\x00\x01,]", raw)[:MAX_PARTS]:
        name, _, value = part.partition(b"=")
        if name.lower() in {b"auth", b"p", b"response", b"v", b"r", b"cnonce", b"nonce"}:
            parts.append(value.strip(b'"').rpartition(b" ")[2])
    user, _, digest = raw.rpartition(b" ")
    if user and len(digest) in {32, 40, 64}:
        parts.append(digest)
    return parts


_PROOFS = re.compile(rb"(?i)(?:response|opaque|token|signature|mac|api[-_]?key)=\"?([^\",\s]+)").findall


def authorization_parts(value: bytes) -> list[bytes]:
    """What proves something in a value of Authorization (RFC 9110, 11.4): a token, a password, a digest."""
    scheme, _, proof = value.strip().partition(b" ")
    proof = proof.strip()
    if not proof:
        return [scheme]
    if scheme.lower() == b"basic":
        bare, *more = parts_of(proof)
        return [bare, *(raw.partition(b":")[2] for raw in more[:1])]
    return [*_PROOFS(proof)[:MAX_PARTS], *([] if b'="' in proof else [proof])]
