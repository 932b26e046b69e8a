"""Secrets in command lines and in other texts about processes: a list of known habits, not a proof.

`redact` takes the words of a command line, as the recorder reads them; `redact_line` takes a line of which the words
are no longer known, as logs, sidecars and comments have it. Both hide the values of options that carry secrets,
assignments, headers, credentials in addresses, and tokens of known forms.
"""

from __future__ import annotations

import base64
import binascii
import re

from rustnet.probe.habits import (
    IMPACKET,
    KEEPS_USER,
    LOGIN_TOOLS,
    OTHERS,
    PROGRAMS,
    RUNNERS,
    SECRET_OPTIONS,
    SHELLS,
    WRAPPERS,
)
from rustnet.probe.uris import HIDDEN, names_secret, without_passwords

MAX_LINE = 8192
"""Characters of a line that are read; the rest is dropped."""
MAX_DEPTH = 3
"""Command lines within command lines."""

_LONG = (
    r"(?:pass(?:word|wd|phrase|code|wort)|kennwort|secret|(?<!max-)(?<!num-)token|credentials?|"
    r"(?:api|app|access|private|secret|shared|account|auth|encryption|signing|master|storage|subscription|license|"
    r"service|client|consumer|admin|ssh|psk|wpa|hmac|bot)[-_. ]?key|(?:secret|access|signature)[-_.]?(?:id|sig)|"
    r"connection[-_]?string|bearer|sas[-_]?token|mfa|otp|pre-?shared-?key|community"
    r"|\b_auth|(?<=--)(?:jwt|pin))"
)
_SHORT = (
    r"(?:(?:^|(?<=[^A-Za-z]))|(?-i:(?<=[a-z])(?=P))|(?<=user)|(?<=root)|(?<=admin)|(?<=db)|(?<=my)|(?<=sql)|(?<=pg)"
    r"|(?<=ftp)|(?<=smtp)|(?<=mail)|(?<=store)|(?<=key)|(?<=login)|(?<=new)|(?<=old)|(?<=bind)|(?<=proxy)|(?<=http)"
    r"|(?<=rpc)|(?<=ldap))(?:pass|pwd|pw|passw|psw|pswd|psk)"
)
SENSITIVE = r"(?:" + _LONG + r"|" + _SHORT + r")"
_NAMES_SECRET = re.compile(r"(?i)" + SENSITIVE + r"$").search
_ASKS = re.compile(
    r"(?i)^[-/]+(?:no|ask|prompt|show|require|need|use|with|without|disable|enable|skip|ignore|random|generate|reset|force"
    r"|allow|print|get|list|hide)[-_]"
).match
"""Options that are about secrets, but have none."""
_OPTION = re.compile(r"(?:--?|/)[A-Za-z][\w.-]*$").match
_VALUE = re.compile(
    r"(?i)(" + SENSITIVE + r"(?:\\?[\"'])?\]?\s?(?:=>|[=:])\s?)(\\?[\"'])?"
    r"((?(2).*?(?=\2|$)|[^\s\"'&;,}\]]+))"
)
"""An assignment: ``name=value``, ``"name": "value"``, ``/name:value``."""
_PLAIN = re.compile(
    r"(?i)(?:true|false|yes|no|none|null|nil|on|off|[01]|\*+|\$\{?\w+\}?|%\w+%|\$?\(.*|prompt|stdin|-)$"
).match
"""Values that are no secret: flags, and references to where the secret is."""
_WORKING = re.compile(r"(?:^|.*[\s\"';&|])(?:OLD)?$").match
_PATH = re.compile(r"/|[A-Za-z]:\\|~|\\\\").match
"""The names and the form of the working directory, which looks like a password's."""
_ELSEWHERE = re.compile(r"(?i)^(?:pass|env|file|fd|stdin|vault|arn|data|https?|keyring|ssm|op)?:(?!//)").match
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie2?|x-[\w-]*(?:key|token|auth|secret|signature|password)[\w-]*"
    r"|(?:api|private|access|job|deploy)-?(?:key|token)|ocp-apim-subscription-key)(\s*[:=]\s*)(?!\s*$)"
    r"(?:(?!\s(?:--?\w|[a-z]+://))[^\"'\r\n])+"
)
_HEADER_NAME = re.compile(
    r"(?i)^(?:-H|--header=?)?[\"']?((?:proxy-)?authorization|(?:set-)?cookie2?|x-[\w-]*(?:key|token|auth|secret)[\w-]*"
    r"|(?:api|private|access|job)-?(?:key|token))[\"']?:$"
).match
_SCHEME = re.compile(
    r"(?i)\b(Bearer|(?:Basic|Negotiate|NTLM|Token|ApiKey|SharedAccessSignature)(?= +(?-i:[^\s]*[0-9A-Z=])))([ :]+)"
    r"([A-Za-z0-9+/_.~|=-]{8,})"
)
_OTHER_URL = re.compile(
    r"(?i)(:(?:pserver|ext|gserver):[^\s:@]{1,64}:|\bjdbc:oracle:\w{1,8}:[^/\s:]{1,64}/)"
    r"[^\s@\"']{1,256}(?=@)"
)
_QUERY = re.compile(r"([?&;#]([\w.%\[\]-]{2,64})=)[^&\s\"'#]+")
_TOKENS = re.compile(
    r"(?<![A-Za-z0-9_+-])(?:"
    r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}"  # JSON web tokens
    r"|gh[opsur]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|gl(?:pat|dt|rt|cbt|ptt|soat)-[\w-]{12,}|npm_[A-Za-z0-9]{20,}"
    r"|(?:AKIA|ASIA|AROA|AIDA|AGPA)[A-Z0-9]{12,}|AIza[\w-]{30,}|ya29\.[\w-]{10,}|xox[abeoprs]-[\w-]{8,}|xapp-[\w-]{8,}"
    r"|sk[-_](?:live|test|ant|proj|or)?[-_]?[A-Za-z0-9_-]{16,}|(?:rk|pk)_(?:live|test)_\w{10,}|SG\.[\w-]{10,}\.[\w-]{10,}"
    r"|hv[sbr]\.[\w-]{10,}|dop_v1_\w{16,}|dckr_pat_[\w-]{10,}|pypi-[\w-]{16,}|hf_\w{16,}|AGE-SECRET-KEY-\w+"
    r"|\d{8,10}:AA[\w-]{30,}|shp(?:at|ss|ca|pa)_\w{16,}|PMAK-[\w-]{16,}|lin_api_\w{16,}|dapi[0-9a-f]{32}"
    r"|hooks\.slack\.com/services/[\w/-]+|discord(?:app)?\.com/api/webhooks/[\w/-]+"
    r"|aad3b435b51404eeaad3b435b51404ee:[0-9a-fA-F]{32}"
    r")"
)
_PEM = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL)
_SECURE_STRING = re.compile(
    r"(?i)(ConvertTo-SecureString\s+(?:-AsPlainText\s+|-Force\s+|-String\s+)*)(\\?[\"']?)(?!-|\$|\()(.{1,512}?)(\2)(?=[\s)|;\"']|$)"
)
_SECURE_PIPE = re.compile(r"(?i)(^|[\s({;|=\"])(\\?[\"'])([^\"']+)(\2\s*\|\s*ConvertTo-SecureString)")
_CREDENTIAL = re.compile(
    r"(?i)((?:PSCredential|NetworkCredential|\.auth)[\"']?\]?(?:::new)?\s*\(\s*[\"'][^\"']*[\"']\s*,\s*)([\"'])(.*?)(\2)"
)
_SQL = re.compile(
    r"(?i)((?:\bIDENTIFIED\s+(?:WITH\s+[\w'\"]+\s+)?(?:BY|AS)\s+(?:PASSWORD\s+)?|\bPASSWORD(?:\s+|\s*\(\s*)"
    r"|\bSET\s+PASSWORD\s+(?:FOR\s+\S+\s*)?=\s*))(\\?['\"])(.{1,128}?)(\2)"
)
_IMPACKET = re.compile(r"(?<![\w:/.])((?:[\w.-]{1,64}/)?[\w.$-]{1,64}:)[^\s@/:]{1,256}(?=@[\w.-]+(?:\s|$|:))")
_ECHO = re.compile(
    r"(?i)\b(echo|printf)(\s+(?:-n\s+)?)([^|]{1,128}?)(\s{0,8}\|\s*(?:sudo\s+(?:-\w+\s+){0,4}-\w*S|[^|]{0,40}(?:password-stdin|passwd|chpasswd|gpg|openssl|cryptsetup|kinit|smbpasswd)))"
)

_OF_USER = ("-u", "-U", "--user", "--proxy-user", "-a", "--auth", "-E", "--cert", "-P")
"""Options whose values begin with a user."""
_POSITIONS = {"wpa_passphrase": 3, "radtest": 3, "mkpasswd": 2, "openssl": 3, "smbclient": 2}
"""Which argument is a password, the program being the first; options and what begins with a slash don't count."""
_KNOWN = PROGRAMS | WRAPPERS | SHELLS | LOGIN_TOOLS | RUNNERS
"""Programs whose arguments are understood."""
_NEVER_BARE = KEEPS_USER - {"http", "https", "xh"}
_WHOLE = re.compile(r"(?i)-{1,2}(?:password|passwd|passphrase|pass|passw|pwd|jwt|pin|askpass)$").match
_PAIR = re.compile(r"--(?:auth|basic-auth|user-?pass|userpwd|creds?|http-auth)(?:=|$)").match
"""Options that are about a password whatever the program, and those of a user with one."""
_SLASHED = re.compile(r"(?i)([-/](?:p|pw|pwd|rc4|ntlm|aes(?:128|256)?|hash|hashes):)(.+)", re.DOTALL).match
_WITH_USER = ("/u:", "/user:", "-u:", "-user:", "/ru:", "-r:")
_DOMAIN_USER = re.compile(r"((?:[\w.-]+/)?[\w.$-]+:)(?!\d+$|//)(.+)", re.DOTALL).match
_BARE = re.compile(
    r"(?i)(?:.*[_.-])?(?:pass(?:word|wd)?|requirepass|masterauth|(?:add-)?authtoken|token|key|secret|_auth)$"
).match
"""Settings whose values follow as words of their own."""
_CLUSTER = re.compile(r"-[A-Za-z]{2,6}$").match
_ENCODED = re.compile(r"(?i)^[-/]e(?:c|nc|nco|ncod|ncode|ncoded(?:c(?:ommand)?)?)?$").match
_WORDS = re.compile(r"""(?:[^\s"']|"(?:\\.|[^"\\])*(?:"|$)|'[^']*(?:'|$))+""")
_SEPARATED = re.compile(r"[;&|(]$").search
_USER = re.compile(r"[^:%]*[:%]").match
_PORT = re.compile(r"(?:[\d.\[\]a-f:]+:)?\d{1,5}(?:-\d+)?(?::\d{1,5}(?:-\d+)?)?(?:/(?:tcp|udp))?$").match


_SUSPECT = re.compile(
    r"(?i)pass|pwd|pw\b|psk|secret|token|key|auth|cookie|bearer|basic |credential|secure|identified|kennwort|connection"
    r"|eyj|akia|asia|gh[opsur]_|xox|sk[-_]|aiza|hv[sbr]\.|aad3b|[?&;]|@|jwt|\bpin\b|[-/]u(?:ser)?:|slack|discord|community|otp|mfa|[-/]e(?:c|nc\w*)?\b|private"
    r"|\bnet1?(?:\.exe)?[\"']? |\becho\b|glpat|npm_|sg\.|dop_|pypi|hf_|age-|shp|dckr|ya29|xapp|pmak|lin_|dapi|signature"
).search
"""Whether a text may contain any of this: most have nothing of it."""
_TOKEN = re.compile(r"[\w-]+").findall


def _is_suspect(line: str) -> bool:
    """Whether a line has to be read word by word."""
    return _SUSPECT(line) is not None or not PROGRAMS.isdisjoint(_TOKEN(line.lower()))


def redact(words: list[str]) -> list[str]:
    """Hide what looks like a secret in a command line; the number of words and the program stay the same."""
    if not words:
        return []
    return words[:1] + _Command(words, 0).hidden()[1:]


def redact_line(line: str, depth: int = 0) -> str:
    """Hide what looks like a secret in a text that contains a command line, or says something about one."""
    line = line[:MAX_LINE]
    if not _is_suspect(line):
        return line
    spans = list(_WORDS.finditer(line))
    words = [_unquoted(span.group()) for span in spans]
    hidden = _Command(words, depth).hidden()
    pieces: list[str] = []
    pos = 0
    for span, word, shown in zip(spans, words, hidden):
        pieces.append(line[pos : span.start()])
        pieces.append(span.group() if shown == word else _quoted(shown, span.group()))
        pos = span.end()
    return _patterns("".join(pieces) + line[pos:])


def redact_text(text: str) -> str:
    """Hide assignments, headers, addresses and tokens in a text that is no command line."""
    return _patterns(text[:MAX_LINE]) if _SUSPECT(text) else text


def _unquoted(word: str) -> str:
    """A word without the quotes around it."""
    if len(word) > 1 and word[0] in "\"'" and word[-1] == word[0]:
        return word[1:-1]
    return word


def _quoted(shown: str, original: str) -> str:
    """A word with the quotes that the original has."""
    quote = original[0] if len(original) > 1 and original[0] in "\"'" and original[-1] == original[0] else ""
    return quote + shown + quote


def program_name(word: str) -> str:
    """Name of a program without its path and ending, in lower case."""
    name = re.split(r"[/\\]", word)[-1].lower()
    return re.sub(r"(?:\.(?:exe|py|com|cmd|bat|sh|pl)|-impacket)$|^impacket-", "", name)


class _Command:
    """The words of a command line, read once from left to right."""

    def __init__(self, words: list[str], depth: int) -> None:
        self.words = words
        self.depth = depth
        self.program = ""
        self.options: tuple[str, ...] = ()
        self.place = True
        """The next word may be a program's name."""
        self.arguments = 0
        """Arguments of the current program that are no options."""
        self.mentioned = False
        """The program's name is a word of another text."""
        self.logs_in = False
        """A container tool was told to log in."""

    def hidden(self) -> list[str]:
        """Return the words with their secrets hidden."""
        shown: list[str] = []
        mode = ""
        for i, word in enumerate(self.words):
            if mode == "header":
                if word[:1] == "-" or "://" in word:
                    mode = ""
                else:
                    keep = len(word) < 12 and _SCHEME_NAME(word) is not None and i + 1 < len(self.words)
                    shown.append(word if keep else HIDDEN)
                    mode = "header" if keep or word.endswith(";") else ""
                    continue
            if mode in ("value", "user", "pair") and not self._is_option(word):
                shown.append(self._value(word, mode))
                mode = ""
                continue
            if mode == "encoded":
                shown.append(self._decoded(word))
                mode = ""
                continue
            text, mode = self._word(word, i)
            shown.append(text)
        return shown

    def _is_option(self, word: str) -> bool:
        return word[:1] == "-" and len(word) > 1 and self.program != "net"

    def _value(self, word: str, mode: str) -> str:
        """Hide the value of an option."""
        if not word or _PLAIN(word) or (_ELSEWHERE(word) and not word.lower().startswith("pass:")):
            return word
        if (self.program in LOGIN_TOOLS or self.mentioned) and _PORT(word):
            return word
        if word.lower().startswith("pass:"):
            return word[:5] + HIDDEN
        if mode == "user" and self.program in _NEVER_BARE and _USER(word) is None and "," not in word:
            return word  # a user alone, who is asked for the password
        if mode == "pair" and (":" not in word or "//" in word):
            return _patterns(word)
        return HIDDEN if mode == "value" else _hide(word)

    def _word(self, word: str, at: int) -> tuple[str, str]:  # noqa: PLR0911 - a rule for each kind of word
        """One word with its secrets hidden, and what the next one is."""
        self._enter(word, at)
        if _HEADER_NAME(word):
            return word, "header"
        if self.program in SHELLS and _ENCODED(word):
            return word, "encoded"
        if at and _WHOLE(word):
            return word, "value"
        option = self._option(word)
        if option:
            return self._optional(word, option)
        if at and _OPTION(word) and _NAMES_SECRET(word) and not _ASKS(word):
            return word, "value"
        if at and _PAIR(word) and "=" not in word:
            return word, "pair"
        if _CLUSTER(word) and "-" + word[-1] in self.options:
            if self.program in KEEPS_USER:
                return word, "user"
            if self.options == ("-w",):
                return word, "value"
        return self._argument(word, at), ""

    def _enter(self, word: str, at: int) -> None:
        """Follow where programs begin."""
        named = self.program not in _KNOWN and program_name(word) in PROGRAMS
        if at == 0 or self.place or named or self.program in WRAPPERS or self.program in SHELLS:
            self._place(word, at)
        if _SEPARATED(word):
            self.place = True
        if self.program in LOGIN_TOOLS and word == "login":
            self.logs_in = True
        elif self.program in RUNNERS and word in ("exec", "--"):
            self.program, self.options = "exec", ()

    def _optional(self, word: str, option: str) -> tuple[str, str]:
        """An option that carries a secret, with its value or before it."""
        mode = "user" if self.program in KEEPS_USER and option in _OF_USER else "value"
        rest = word[len(option) :].lstrip("=:")
        if not rest:
            return word, mode
        return word[: len(word) - len(rest)] + self._value(rest, mode), ""

    def _argument(self, word: str, at: int) -> str:
        """A word that is no option of the program's that carries a secret."""
        slashed = _SLASHED(word)
        if slashed is not None and any(one.lower().startswith(_WITH_USER) for one in self.words[:16]):
            return slashed.group(1) + HIDDEN
        if at and self.program in IMPACKET and (pair := _DOMAIN_USER(word)) and "@" not in word:
            return pair.group(1) + HIDDEN
        if _PAIR(word) and ":" in word:
            return word[: word.index("=") + 1] + self._value(word[word.index("=") + 1 :], "pair")
        if word[:1] not in ("-", "/"):
            self.arguments += 1
            if self._is_positional(word, self.words[at - 1].lower() if at else ""):
                return HIDDEN
        if " " in word and self.depth < MAX_DEPTH:
            return redact_line(word, self.depth + 1)
        return _patterns(word)

    def _place(self, word: str, at: int) -> None:
        """Take a word as the program's name, if it can be one."""
        name = program_name(word)
        known = name in SECRET_OPTIONS or name in WRAPPERS or name in SHELLS or name in OTHERS
        if self.place or at == 0 or known:
            if "=" in word and at != 0 and not known:
                return  # an assignment before the program
            if not known and word[:1] == "-":
                return
            self.mentioned = self.program != "" and self.program not in _KNOWN and not self.place
            self.program = name
            self.options = SECRET_OPTIONS.get(name, ())
            self.place = False
            self.arguments = 0
            self.logs_in = False

    def _option(self, word: str) -> str:
        """Option of the current program that the word is, or begins with."""
        for option in self.options:
            bare = option.rstrip(":")
            if option != bare and word == bare:
                return ""
            if self.program in LOGIN_TOOLS and not self.logs_in:
                continue
            if bare[0] == "/":
                word, bare = word.lower(), bare.lower()
            if word == bare or (word.startswith(bare) and word[len(bare)] in "=:"):
                return bare
            if len(bare) == 2 and bare[0] == "-" and word.startswith(bare) and bare != "-b":
                return bare
            if bare == "-hp" and word.startswith(bare):
                return bare
        return ""

    def _is_positional(self, word: str, before: str) -> bool:  # noqa: C901, PLR0911 - a rule for each program
        """Whether an argument without an option is a password; ``before`` is the word before it."""
        program, number = self.program, self.arguments
        if program in ("net", "net1"):
            kind = next((one.lower() for one in self.words[:4] if one.lower() in ("use", "user")), "")
            if kind == "user":
                return number == 4 and word != "*"
            return kind == "use" and number >= 3 and word[:2] != "\\\\" and word[-1:] not in (":", "*")
        if program == "htpasswd":
            flags = "".join(one for one in self.words[1:4] if one[:1] == "-")
            return "b" in flags and number == (3 if "n" in flags else 4)
        if program == "rabbitmqctl":
            return number == 4 and self.words[1] in ("add_user", "change_password", "authenticate_user")
        if program in _POSITIONS:
            return number == _POSITIONS[program] and (program != "openssl" or "passwd" in self.words[1:3])
        if program == "redis-cli":
            return before in ("auth", "requirepass", "masterauth") or (
                self.words[-3:-2] == ["AUTH"] and word == self.words[-1]
            )
        if program in ("vault", "cargo"):
            return before == "login"
        if program in ("aws", "npm", "yarn", "ngrok", "rclone"):
            return number > 2 and _BARE(before) is not None
        if program == "bitsadmin":
            return word == self.words[-1] and "/setcredentials" in (one.lower() for one in self.words[1:3])
        if program == "reg":
            return before == "/d" and any(_NAMES_SECRET(one) for one in self.words[:12])
        if program in ("mysqladmin", "nmcli"):
            return before in ("password", "wifi-sec.psk", "802-11-wireless-security.psk")
        return program in ("sqlplus", "rman") and number == 2 and "/" in word

    def _decoded(self, word: str) -> str:
        """Hide an encoded script that contains a secret."""
        try:
            script = base64.b64decode(word + "=" * (-len(word) % 4)).decode("utf-16-le", "replace")
        except (binascii.Error, ValueError):
            return word
        return HIDDEN if redact_line(script, MAX_DEPTH) != script else word


_SCHEME_NAME = re.compile(
    r"(?i)(?:Bearer|Basic|Digest|Negotiate|NTLM|Token|ApiKey|AWS4-HMAC-SHA256|SharedKey|OAuth)$"
).match


def _hide(secret: str) -> str:
    """Replace a secret, but keep the user name in front of it."""
    user = _USER(secret)
    if user is None:
        return HIDDEN
    return (user.group() if "/" not in user.group() or "\\" in user.group() else "") + HIDDEN


def _value_of(match: re.Match[str]) -> str:
    """An assignment without its value; a directory in PWD is none."""
    name, quote, value = match.group(1), match.group(2) or "", match.group(3)
    before = match.string[max(0, match.start(1) - 5) : match.start(1)]
    directory = name == "PWD=" and _WORKING(before) is not None and _PATH(value) is not None
    if not value or _PLAIN(value) or directory or (name.endswith(":") and value.startswith("//")):
        return match.group()
    lead = re.match(r"(?i)pass:", value)
    return name + quote + (lead.group() if lead else "") + HIDDEN


def _patterns(text: str) -> str:
    """Replace the secrets that show by themselves: headers, addresses, assignments, tokens."""
    if not _SUSPECT(text):
        return text
    lower = text.lower()
    for marks, pattern, shown in _RULES:
        if any(mark in lower for mark in marks):
            text = pattern.sub(shown, text)
    text = _QUERY.sub(_parameter, without_passwords(text, bare=False, secrets=[]))
    text = _VALUE.sub(_value_of, text)
    return _TOKENS.sub(HIDDEN, text)


def _parameter(match: re.Match[str]) -> str:
    """A parameter of a URI, without its value if its name is a secret's."""
    return match.group(1) + HIDDEN if names_secret(match.group(2)) else match.group()


_KEEP_FIRST, _KEEP_QUOTES = r"\1" + HIDDEN, r"\1\2" + HIDDEN + r"\4"
_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (("private key",), _PEM, _KEEP_FIRST + r"\2"),
    (("auth", "cookie", "x-", "key", "token"), _HEADER, r"\1\2" + HIDDEN),
    (("@",), _OTHER_URL, _KEEP_FIRST),
    (("convertto-",), _SECURE_STRING, _KEEP_QUOTES),
    (("convertto-",), _SECURE_PIPE, _KEEP_QUOTES),
    (("credential", ".auth"), _CREDENTIAL, _KEEP_QUOTES),
    (("identified", "password"), _SQL, _KEEP_QUOTES),
    (("echo", "printf"), _ECHO, _KEEP_QUOTES),
    (("bearer", "basic", "negotiate", "ntlm", "token", "apikey", "sharedaccess"), _SCHEME, r"\1\2" + HIDDEN),
    (("@",), _IMPACKET, _KEEP_FIRST),
)
"""What one of the texts must be in, in lower case, for a pattern to be tried, and what replaces it."""
