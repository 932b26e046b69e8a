"""Policies in files of the user's: a built-in one with other methods, and what else is to be kept or replaced."""

import dataclasses
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rustnet.errors import UsageError
from rustnet.i18n import _
from rustnet.policy.redaction.moments import DAY, MOST_DAYS, Shift
from rustnet.policy.redaction.names import Kept
from rustnet.policy.redaction.numbers import IdentifyingNumbers
from rustnet.policy.redaction.policies import POLICIES, Method, Policy
from rustnet.records import Kind

MAX_BYTES = 1 << 16
"""Largest file that is read."""

_HIDE = {"hide": Method.HIDE}
_KEEP = {"keep": Method.KEEP}
METHODS: Mapping[Kind, Mapping[str, Method]] = {
    Kind.ADDRESS: {"prefix": Method.ADDRESS} | _HIDE,
    Kind.ADDRESS_NUMBER: {"prefix": Method.ADDRESS} | _HIDE,
    Kind.MAC: {"mac": Method.MAC} | _HIDE,
    Kind.HOST: {"labels": Method.HOST} | _HIDE,
    Kind.USER: {"pseudonym": Method.USER} | _HIDE,
    Kind.PATH: {"parts": Method.PATH} | _HIDE,
    Kind.COMMAND_LINE: {"parts": Method.COMMAND_LINE} | _HIDE,
    Kind.URI: {"parts": Method.URI} | _HIDE,
    Kind.SOFTWARE: _KEEP | {"words": Method.SOFTWARE, "pseudonym": Method.SOFTWARE_WHOLE} | _HIDE,
    Kind.DISTINGUISHED_NAME: {"parts": Method.DISTINGUISHED} | _HIDE,
    Kind.FINGERPRINT: _KEEP | {"pseudonym": Method.FINGERPRINT} | _HIDE,
    Kind.DIGEST: {"pseudonym": Method.DIGEST} | _HIDE,
    Kind.IDENTIFIER: {"pseudonym": Method.IDENTIFIER} | _HIDE,
    Kind.OBJECT: {"pseudonym": Method.OBJECT} | _HIDE,
    Kind.PLACE: _KEEP | {"country": Method.PLACE} | _HIDE,
    Kind.AUTONOMOUS_SYSTEM: _KEEP | {"pseudonym": Method.SYSTEM} | _HIDE,
    Kind.TERM: {"words": Method.TERM} | _HIDE,
    Kind.SECRET: _HIDE,
    Kind.MIXED: {"words": Method.VALUE, "recognised": Method.RECOGNISED} | _HIDE,
    Kind.FREE_TEXT: {"words": Method.TEXT} | _HIDE,
}
"""Words for the methods of each kind. Numbers and moments have settings of their own; words of protocols stay."""

_SECTIONS = ("base", "kinds", "columns", "keep", "time", "numbers")
_SPAN = re.compile(r"([+-]?)(\d{1,9})(ms|s|m|h|d)", re.ASCII)
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": DAY}

EXAMPLE = """\
# A policy of redaction: rustnet export s.duckdb --redact mine.toml -o shared
base = "share"               # share, strict or timing-only; what follows changes it

[kinds]                      # by kind of column
"user" = "hide"
"fingerprint" = "pseudonym"
"free text" = "hide"

[columns]                    # by table and column, before the kind
"http.user_agent" = "hide"

[keep]
vendors = false              # first half of hardware addresses
suffixes = true              # public suffixes of names, such as com or co.uk
words = true                 # words that very many systems have

[time]
shift = "key"                # "none", a span such as "-30d" or "90m", or "key": derived from the key
days = 30                    # most days of a span that is derived, in both directions
time_of_day = true           # a derived span is one of whole days

[numbers]                    # those that identify a machine
ports = true                 # ports of clients, from 32768 on
ttl = true                   # times to live
sequence = true              # sequence numbers and time stamps of TCP
ip_id = true                 # identifiers of packets and fragments
"""


def named_policy(name: str, option: str, kind_of: Callable[[str, str], Kind | None]) -> Policy:
    """Policy of a name, or in a file NAME.toml. ``option`` is where the user has named it. Raises `UsageError`."""
    if name in POLICIES:
        return POLICIES[name]
    if not name.endswith(".toml"):
        raise UsageError(
            "{option}: {name!r} is no policy; there are {known}, and files *.toml",
            option=option,
            name=name,
            known=", ".join(POLICIES),
        )
    return policy_of_file(Path(name), kind_of)


def policy_of_file(path: Path, kind_of: Callable[[str, str], Kind | None]) -> Policy:
    """Policy in a file. ``kind_of`` is the kind of a table's column. Raises `UsageError` for what cannot be used."""
    return _File(path, _read(path)).policy(kind_of)


def _read(path: Path) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with open(handle, "rb") as file:  # noqa: PTH123 -- a descriptor
            content = file.read(MAX_BYTES + 1) or b""
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError("{path}: the policy cannot be read: {reason}", path=path, reason=reason) from None
    if len(content) > MAX_BYTES:
        raise UsageError("{path}: a policy has at most {most} bytes", path=path, most=MAX_BYTES)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("{path}: a policy is text in UTF-8", path=path) from None


class _File:
    """A file of a policy, while it is read."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.split("\n")
        try:
            self._content = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise UsageError("{path}: is not TOML: {reason}", path=path, reason=error) from None

    def policy(self, kind_of: Callable[[str, str], Kind | None]) -> Policy:
        """The policy. Raises `UsageError` for the first thing that is wrong."""
        for section in self._content:
            if section not in _SECTIONS:
                raise self._wrong("", section, _SECTIONS)
        base = POLICIES[self._choice("", "base", self._content.get("base", "share"), tuple(POLICIES))]
        kept = dataclasses.asdict(base.kept) | self._flags("keep", Kept)
        numbers = dataclasses.asdict(base.numbers) | self._flags("numbers", IdentifyingNumbers)
        methods = dict(base.methods)
        for name, word in self._table("kinds").items():
            kind = next((kind for kind in METHODS if kind.value == name.replace("_", " ")), None)
            if kind is None:
                raise self._wrong("kinds", name, [kind.value for kind in METHODS])
            methods[kind] = METHODS[kind][self._choice("kinds", name, word, tuple(METHODS[kind]))]
        return Policy(
            self._path.stem, _("the policy {name}, with changes").format(name=base.name), methods, Kept(**kept),
            IdentifyingNumbers(**numbers), self._shift(), self._columns(kind_of),
        )  # fmt: skip

    def _columns(self, kind_of: Callable[[str, str], Kind | None]) -> dict[str, Method]:
        methods = {}
        for name, word in self._table("columns").items():
            table, _dot, column = name.partition(".")
            kind = kind_of(table, column)
            if kind is None:
                raise self._error("columns", name, _('there is no such column; write "table.column" = …'))
            if kind not in METHODS:
                template = _("its kind is {kind}, which has settings of its own: [time] and [numbers]")
                raise self._error("columns", name, template.format(kind=kind.value))
            methods[name] = METHODS[kind][self._choice("columns", name, word, tuple(METHODS[kind]))]
        return methods

    def _shift(self) -> Shift | None:
        table = self._table("time")
        for name in table:
            if name not in ("shift", "days", "time_of_day"):
                raise self._wrong("time", name, ("shift", "days", "time_of_day"))
        word, days, of_day = table.get("shift", "none"), table.get("days", 365), table.get("time_of_day", False)
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MOST_DAYS:
            raise self._error("time", "days", _("expected a number from 1 to {most}").format(most=MOST_DAYS))
        if not isinstance(of_day, bool):
            raise self._error("time", "time_of_day", _("expected true or false"))
        if word == "none":
            return None
        if word == "key":
            return Shift(0, days, of_day)
        match = _SPAN.fullmatch(word) if isinstance(word, str) else None
        span = int(match[2]) * _UNITS[match[3]] if match else 0
        if match is None or not 0 < span <= MOST_DAYS * DAY:
            words = _('expected "none", "key" or a span of at most {most} days, such as "-30d", "12h" or "90m"')
            raise self._error("time", "shift", words.format(most=MOST_DAYS))
        return Shift(-span if match[1] == "-" else span)

    def _table(self, section: str) -> dict[str, Any]:
        table = self._content.get(section, {})
        if not isinstance(table, dict):
            raise self._error("", section, _("expected a table: [{name}]").format(name=section))
        flat: dict[str, Any] = {}
        for key, value in table.items():
            if isinstance(value, dict):  # table.column without quotes
                flat |= {f"{key}.{inner}": each for inner, each in value.items()}
            else:
                flat[key] = value
        return flat

    def _flags(self, section: str, cls: type[Kept] | type[IdentifyingNumbers]) -> dict[str, bool]:
        names = [field.name for field in dataclasses.fields(cls)]
        table = self._table(section)
        for name, value in table.items():
            if name not in names:
                raise self._wrong(section, name, names)
            if not isinstance(value, bool):
                raise self._error(section, name, _("expected true or false"))
        return table

    def _choice(self, section: str, name: str, word: object, words: tuple[str, ...]) -> str:
        if isinstance(word, str) and word in words:
            return word
        template = _("possible are {words}, not {word!r}")
        raise self._error(section, name, template.format(words=", ".join(words), word=str(word)[:80]))

    def _wrong(self, section: str, name: str, known: "tuple[str, ...] | list[str]") -> UsageError:
        return self._error(section, name, _("is not known here; there are {words}").format(words=", ".join(known)))

    def _error(self, section: str, name: str, words: str) -> UsageError:
        key = f"{section}: {name}" if section else name
        line = self._line(section, name)
        if line is None:
            return UsageError("{path}: {key}: {words}", path=self._path, key=key[:80], words=words)
        return UsageError("{path}, line {line}: {key}: {words}", path=self._path, line=line, key=key[:80], words=words)

    def _line(self, section: str, name: str) -> int | None:
        """Line of a key, where the file is written as usual: a header for each table, a line for each key."""
        key = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=|\s*\[\s*{re.escape(name)}\s*\]")
        within = ""
        for number, line in enumerate(self._lines, 1):
            header = re.match(r"\s*\[\s*([\w.-]+)\s*\]", line)
            if (within == section or (header and not section)) and key.match(line):
                return number
            within = header[1] if header else within
        return None
