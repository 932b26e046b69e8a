"""Saved queries: ``.sql`` files with a header of title, description and parameters.

::

    -- title: DNS answers that took long
    -- description: Slowest first; the time is from question to answer.
    -- parameter: least duration 100ms Shortest time that counts
    -- parameter: host text null Only names that contain this
    SELECT … WHERE rtt_ms * 1e6 >= $least AND ($host IS NULL OR …)

A parameter has a name, a type, a default (``null`` for none, ``required`` if there must be one; quotes hold spaces)
and help. Types: ``int``, ``float``, ``text``, ``bool``, ``size`` (``10M``), ``duration`` and ``time``; the last two
reach SQL as whole nanoseconds.
"""

import difflib
import math
import re
import shlex
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from rustnet.errors import RustnetError, UsageError
from rustnet.query import values
from rustnet.query.execute import ResultSet, RowStream

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

_HEADER = re.compile(r"--\s*(title|description|parameter):\s*(.*?)\s*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class CatalogueError(RustnetError):
    """A saved query's file cannot be read, or its header is invalid."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a saved query."""

    name: str
    type: str
    """``int``, ``float``, ``text``, ``bool``, ``size``, ``duration`` or ``time``."""
    default: str | None
    """As typed by a user; ``None`` is NULL."""
    required: bool
    help: str


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """One saved query."""

    name: str
    """Name of its file without ``.sql``."""
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    sql: str

    def bind(self, given: Mapping[str, str]) -> dict[str, object]:
        """Turn arguments given as text into values for ``$name``. Raises `UsageError` for invalid ones."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise UsageError("query {name}: {name2}", name=self.name, name2=_unknown(name, known, "parameter"))
        bound: dict[str, object] = {}
        for parameter in self.parameters:
            text = given.get(parameter.name, parameter.default)
            if text is None and parameter.required:
                raise UsageError(
                    "query {name}: needs {name2} ({help}); add -p {name2}=…",
                    name=self.name,
                    name2=parameter.name,
                    help=parameter.help,
                )
            bound[parameter.name] = self._value(parameter, text)
        return bound

    def _value(self, parameter: Parameter, text: str | None) -> object:
        if text is None:
            return None
        try:
            return _TYPES[parameter.type](text)
        except ValueError as error:
            raise UsageError(
                "query {name}: {name2}={text!r} {error}", name=self.name, name2=parameter.name, text=text, error=error
            ) from None

    def execute(
        self, session: "Session", given: Mapping[str, str] | None = None, limit: int | None = None
    ) -> ResultSet:
        """Run it and return at most ``limit`` rows."""
        return session.execute(self.sql, self.bind(given or {}), limit)

    def stream(
        self, session: "Session", given: Mapping[str, str] | None = None, *, seconds: float | None = None
    ) -> RowStream:
        """Run it and stream its rows, within ``seconds``."""
        return session.stream(self.sql, self.bind(given or {}), seconds=seconds)


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise ValueError("is not a whole number")
    return int(text)


def _real(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("is not a number") from None
    if not math.isfinite(number):
        raise ValueError("is not a finite number")
    return number


def _truth(text: str) -> bool:
    answer = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(text.lower())
    if answer is None:
        raise ValueError("is neither yes nor no")
    return answer


def _text(text: str) -> str:
    if any("\ud800" <= char <= "\udfff" or char == "\0" for char in text):
        raise ValueError("is not text (a character that is not Unicode, or NUL)")
    return text


_TYPES: dict[str, Callable[[str], object]] = {
    "int": _whole,
    "float": _real,
    "text": _text,
    "bool": _truth,
    "size": values.size,
    "duration": lambda text: values.duration(text).low,
    "time": lambda text: values.time(text).low,
}


def shipped() -> Traversable:
    """Return the folder of rustnet's own queries: in the package, or at the top of a checkout."""
    packaged = resources.files("rustnet") / "queries"
    if packaged.is_dir():
        return packaged
    return Path(str(resources.files("rustnet"))).parent / "queries"


def load(folders: Sequence[Traversable] | None = None) -> dict[str, SavedQuery]:
    """Read every saved query of ``folders`` (by default, the shipped ones), by name in alphabetical order.

    A query of a later folder replaces one of the same name. Raises `CatalogueError` with the file's name.
    """
    queries: dict[str, SavedQuery] = {}
    for folder in [shipped()] if folders is None else folders:
        try:
            files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
            for file in files:
                name = file.name.removesuffix(".sql")
                queries[name] = read(name, file.read_text("utf-8"))
        except (OSError, UnicodeError) as error:
            raise CatalogueError(
                "{folder}: saved queries cannot be read: {error}", folder=folder, error=error
            ) from error
    return dict(sorted(queries.items()))


def find(name: str, queries: Mapping[str, SavedQuery] | None = None) -> SavedQuery:
    """Return one saved query. Raises `UsageError` for an unknown name, with the most similar one."""
    known = load() if queries is None else queries
    query = known.get(name)
    if query is None:
        raise UsageError("{name}; --list shows them all", name=_unknown(name, known, "saved query"))
    return query


def read(name: str, text: str) -> SavedQuery:
    """Parse one file: the header, then SQL. Raises `CatalogueError`."""
    header: dict[str, str] = {}
    parameters: list[Parameter] = []
    lines = text.splitlines()
    begin = len(lines)
    for at, line in enumerate(lines):
        match = _HEADER.fullmatch(line)
        if line.strip() and not match:
            begin = at
            break
        if not match:
            continue
        if match[1] == "parameter":
            parameters.append(_parameter(name, match[2]))
        else:
            header[match[1]] = f"{header[match[1]]} {match[2]}" if match[1] in header else match[2]
    sql = "\n".join(lines[begin:]).strip()
    if not sql or "title" not in header or "description" not in header:
        raise CatalogueError("{name}.sql: needs '-- title:' and '-- description:' before its SQL", name=name)
    if len({p.name for p in parameters}) < len(parameters):
        raise CatalogueError("{name}.sql: names a parameter twice", name=name)
    return SavedQuery(name, header["title"], header["description"], tuple(parameters), sql)


def _parameter(query: str, text: str) -> Parameter:
    """Parse ``name type default help``."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise CatalogueError("{query}.sql: parameter '{text}': {error}", query=query, text=text, error=error) from None
    if len(words) < 4 or not _NAME.fullmatch(words[0]) or words[1] not in _TYPES:
        raise CatalogueError(
            "{query}.sql: parameter '{text}' is not 'name type default help' with a type of {types}",
            query=query,
            text=text,
            types=", ".join(_TYPES),
        )
    name, kind, default = words[:3]
    parameter = Parameter(
        name, kind, None if default in ("null", "required") else default, default == "required", " ".join(words[3:])
    )
    if parameter.default is not None:
        try:
            _TYPES[kind](parameter.default)
        except ValueError as error:
            raise CatalogueError(
                "{query}.sql: default of {name} {error}", query=query, name=name, error=error
            ) from None
    return parameter


def _unknown(name: str, known: Mapping[str, object], what: str) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(list(known)[:6]) or 'none'}"
    return f"unknown {what} {name!r}: {hint}"
