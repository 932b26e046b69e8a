"""Secrets in URIs, and in texts that contain them: passwords of users, and parameters that are named like a secret.

They are recognised by their place, not by their form: ``user:password@`` in an authority, and what follows the name
of a parameter, whether in a query, a fragment or a path, and however often it is percent-encoded. The rest of a text
stays as it is.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"
MAX_SHOWN = 8192
"""Characters of a text that are read; the rest is dropped."""
MIN_CUT = 400
"""Characters from which on a text may have been cut within its authority."""
MAX_NAMES = 4096
"""Names of parameters whose meaning is remembered."""
MAX_NAME = 64
"""Characters of a name that are read; of longer ones the last."""
MIN_CODE = 6
"""Characters of a secret value of a parameter named `code`: shorter ones are countries, states, numbers of errors."""

_NAME_WORDS = (
    "pass passwd password pwd pw passw psw pswd pin kennwort passwort contrasena motdepasse token auth key secret sig "
    "signature session sessionid sessid sess sid jwt assertion ticket otp totp mfa credential credentials creds cred "
    "bearer authorization code authcode authorizationcode verificationcode phpsessid jsessionid sessionkey "
    "samlresponse basicauth httpauth userpwd community psk"
)
_SECRET_NAMES = frozenset(_NAME_WORDS.split())
"""Names, without signs and digits at the end, whose values are secrets."""
_SECRET_ENDS = re.compile(
    r"(?:password|passwd|passphrase|passcode|passwort|kennwort|pwd|secret|token|sessionid|sessid|signature|credentials?"
    r"|(?<!by)(?<!com)pass|otp|jwt|authorization"
    r"|(?:api|app|access|private|secret|shared|account|auth|encryption|signing|master|storage|subscription|license"
    r"|service|client|consumer|admin|ssh|user|server|session|pass|torrentpass|stream|webhook)key(?:id)?)$"
).search
"""Ends of such names."""
_NO_SECRETS = frozenset({"", "true", "false", "yes", "no", "null", "none", "undefined", "on", "off", "0", "1", HIDDEN})
"""Values that are no secrets."""

_EQUAL_SIGN = re.compile(r"=|%(?:25){0,3}3[Dd]").search
_SIGNS = re.compile(r"[?&;#=/,\s\"'<>(){}|\\]|%(?:25){0,3}(?:3[DdFfBb]|2[36Ff])").split
_UNENCODED_SIGNS = re.compile(r"[?&;#/,\s\"'<>(){}|\\]").split
_ENCODED_EQUAL = re.compile(r"%(?:25){0,3}3[Dd]").search
_QUOTED_VALUE = re.compile(r"([\"'])(?:(?!\1).)*").match
_TO_AMPERSAND = re.compile(r"[^&\s\"'<>]*").match
_TO_SIGN = re.compile(r"[^&;,/?#\s\"'<>]*").match
_TO_FIELD = re.compile(r"(?:[^&\s\"'<>,]|,(?![\w.-]+=))*").match
_ENCODED_VALUE = re.compile(r"(?:[^&\s\"'<>%]|%(?!(?:25){0,3}2[36]))*").match
"""Values: of a query, of parameters in a path or a header, and of those within an encoded value."""
_COLON = r"(?::|%(?:25){0,3}3[Aa])"
_SLASHES = r"(?:/|\\|%(?:25){0,3}(?:2[Ff]|5[Cc]))"
_URI_USER = re.compile(
    rf"{_SLASHES}{{2}}[^\s:@/?#%\[\]\"'<>\\]{{0,256}}{_COLON}"
    r"(?!\d{1,5}(?:[/?#\\\s\"'<>),;&]|%(?:25){0,3}2[Ff]|$))"
).search
"""Beginning of an authority up to the colon after a user; no colon before a port."""
_AT_SIGN = re.compile(r"@|%(?:25){0,3}40").search
_AUTHORITY_END = re.compile(r"[\s\"'<>/?#&]|%(?:25){0,3}(?:2[Ff36]|3[Ff])|$").search
_URI_SPACE = re.compile(r"[\s\"'<>]").search
MIN_KEPT = 6
"""Characters of a value that is worth looking for in other texts; without a digit it may be any word."""
MAX_ODD = 256
"""Characters of a password with signs that end an authority."""
_CUT = re.compile(r"([A-Za-z][\w+.-]{0,31}://[^\s:@/?#\[\]\"'<>]{0,256}:)(?!\d{0,5}(?:[/?#\s]|$))([^\s/?#@\"'<>]+)$")
"""An authority at the end of a text that was cut there."""
_OPAQUE = re.compile(
    r"((?<![\w+.-])(?:sips?|tel|xmpp|pres|im|acct|h323|mailto|ftp|pserver|ext):[^\s:@/?#\[\]\"'<>;]{0,256}:)"
    r"([^\s\"'<>;?]{1,128})(?=@)",
    re.IGNORECASE,
)
"""A user with a password without slashes: ``sip:user:password@host``."""
_BARE_USER = re.compile(r"^([\w.+!#$%&*~\\/-]{0,256}:)(?!//)([^\s@]+(?:@[^\s@]+)*)(?=@[\w.\[\]:-]+(?:[/?#]|$))")
"""A user with a password before a host, which are the whole text."""
_SCHEMES = frozenset(
    ("sip:", "sips:", "tel:", "xmpp:", "pres:", "im:", "acct:", "h323:", "mailto:", "urn:", "cid:", "mid:", "uuid:")
)
_SERVICE_BINDING = re.compile(r"\d{1,5} [^\s=:?&/]+ ").match
"""Beginning of a service binding of DNS (RFC 9460)."""
_NUMBERED_KEY = re.compile(r"key\d{1,5}").fullmatch
"""Parameter of a service binding whose number has no name: no secret."""
_TOKEN_USER = re.compile(r"(\bhttps?://)(?:[A-Za-z0-9_]{24,}|gh[a-z]_\w+|glpat-[\w-]+)(?=@)")
"""A token in place of the user."""

known_names: dict[str, bool] = {}
"""Names that were asked for, and whether they are those of secrets."""


def names_secret(name: str) -> bool:
    """Whether a parameter of this name, as it is in a URI, has a secret as its value."""
    name = name[-MAX_NAME:]
    known = known_names.get(name)
    if known is None:
        plain = unquote(unquote(unquote(name))) if "%" in name else name
        plain = re.sub(r"[^a-z0-9]", "", plain.lower().rpartition("[")[2]) or re.sub(r"[^a-z0-9]", "", plain.lower())
        plain = plain.rstrip("0123456789") or plain
        known = plain in _SECRET_NAMES or _SECRET_ENDS(plain) is not None
        if len(known_names) >= MAX_NAMES:
            known_names.clear()
        known_names[name] = known
    return known


def may_hide(text: str) -> bool:
    """Whether a text has a sign without which it contains no secret."""
    return "=" in text or "@" in text or "%" in text or len(text) >= MIN_CUT


def without_secrets(text: str, *, bare: bool = False, cut: list[str] | None = None) -> str:
    """``text`` with its secrets hidden; ``cut`` gets those that other texts may repeat, as they are and decoded.

    ``bare``: the text may be ``user:password@host`` alone.
    """
    if not may_hide(text):
        return text
    text = text[:MAX_SHOWN]
    secrets: list[str] = []
    if "@" in text or len(text) >= MIN_CUT or ("%" in text and "40" in text):
        text = without_passwords(text, bare, secrets)
    if "=" in text or "%" in text:
        text = _without_values(text, secrets, bare and _SERVICE_BINDING(text) is not None)
    if cut is not None and secrets:
        cut += secrets
        cut += [unquote(unquote(secret)) for secret in secrets if "%" in secret]
    return text


def without_passwords(text: str, bare: bool, secrets: list[str]) -> str:
    """``text`` with the passwords of users in URIs hidden; ``secrets`` gets them."""

    def hide(match: re.Match[str]) -> str:
        secret = match.group(match.lastindex or 0)
        if HIDDEN not in secret:
            secrets.append(secret)
        return match.group()[: -len(secret)] + HIDDEN

    if "//" in text or "%" in text or "\\" in text:
        text = _TOKEN_USER.sub(rf"\1{HIDDEN}", _without_authorities(text, secrets))
        if len(text) >= MIN_CUT:
            text = _CUT.sub(hide, text)
    if text.count(":", 0, text.rfind("@") + 1) > 1 or (bare and "@" in text and ":" in text):
        opaque = _OPAQUE.sub(hide, text)
        if opaque != text:
            return opaque
        if bare and "://" not in text and text[: text.index(":") + 1].lower() not in _SCHEMES:
            text = _BARE_USER.sub(hide, text)
    return text


def _without_authorities(text: str, secrets: list[str]) -> str:
    """Hide passwords after ``//user:``."""
    shown: list[str] = []
    done = pos = 0
    at: re.Match[str] | None = None
    while match := _URI_USER(text, pos):
        pos = match.end()
        if at is None or at.start() < pos:
            at = _AT_SIGN(text, pos)
        if at is None:
            break
        end = _AUTHORITY_END(text, pos)
        assert end
        stop = at.start()
        if stop < end.start():  # the last at sign of the authority ends it
            while (later := _AT_SIGN(text, at.end(), end.start())) is not None:
                at, stop = later, later.start()
        elif stop - pos > MAX_ODD or _URI_SPACE(text, pos, stop):
            continue
        if stop > pos:
            secrets.append(text[pos:stop])
            shown += (text[done:pos], HIDDEN)
            done = pos = stop
    return "".join(shown) + text[done:] if shown else text


def _parameters(text: str) -> list[str]:
    """Names of parameters whose equal signs are not encoded."""
    return [name for piece in _UNENCODED_SIGNS(text) if "=" in piece for name in piece.split("=")[:-1]]


def _value_at(text: str, pos: int, before: str, equal: str) -> str:
    """The value at ``pos``, after a name and ``equal``; ``before`` is the sign before the name."""
    match = _QUOTED_VALUE(text, pos)
    if match is None:
        if equal != "=":
            match = _ENCODED_VALUE(text, pos)
        elif before in ("?", "&", "#"):
            match = _TO_AMPERSAND(text, pos)
        else:
            match = _TO_SIGN(text, pos) if before in (";", "/") else _TO_FIELD(text, pos)
    return match.group() if match else ""


def _without_values(text: str, secrets: list[str], binding: bool) -> str:
    """Hide the values of parameters that are named like a secret; in a ``binding`` keys with a number are not."""
    if not any(map(names_secret, _parameters(text))) and ("%" not in text or _ENCODED_EQUAL(text) is None):
        return text
    shown: list[str] = []
    done = pos = 0
    while match := _EQUAL_SIGN(text, pos):
        name = _SIGNS(text[max(pos, match.start() - MAX_NAME) : match.start()])[-1]
        before = match.start() - len(name) - 1
        pos = match.end()
        if not names_secret(name) or (binding and _NUMBERED_KEY(name)):
            continue
        value = _value_at(text, pos, text[before : before + 1] if before >= 0 else "", match.group())
        secret = value.lstrip("\"'")
        if secret.lower() in _NO_SECRETS or (len(secret) < MIN_CODE and name.lower().endswith("code")):
            continue
        if len(secret) >= MIN_KEPT and any(map(str.isdigit, secret)):
            secrets.append(secret)
        shown += (text[done : pos + len(value) - len(secret)], HIDDEN)
        done = pos = pos + len(value)
    return "".join(shown) + text[done:] if shown else text
