"""Saved queries: ``.sql`` files with a header.

::

    -- title: DNS answers that took long
    -- description: Slowest first; the time is from question to answer.
    -- subject: dns
    -- parameter: least duration 100ms Shortest time that counts
    -- parameter: host text null Only names that contain this
    -- parameter: by choice:client|server client End to count by
    -- column: remark word What is unusual about the answer
    SELECT … WHERE rtt_ms * 1e6 >= $least AND ($host IS NULL OR …)

A parameter has a name, a type, a default (``null`` for none, ``required`` if there must be one; quotes hold spaces)
and help. Types: ``int``, ``float``, ``text``, ``bool``, ``size`` (``10M``), ``duration`` and ``time``, which reach SQL
as whole nanoseconds, ``address`` (in the canonical form that tables have) and ``choice:A|B`` (one of these words).

A column has a name, a kind (a name of `rustnet.records.Kind` in lower case), and perhaps help; it is declared where its
name alone does not give its kind (`rustnet.query.kinds`).
"""

import difflib
import ipaddress
import math
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from rustnet.errors import Phrase, RustnetError, UsageError
from rustnet.i18n import N_
from rustnet.query import values
from rustnet.query.execute import MAX_SQL, ResultSet, RowStream
from rustnet.query.kinds import kinds_of_saved
from rustnet.records import Kind

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

SUBJECTS = (
    "overview", "hosts", "protocols", "processes", "destinations", "dns", "tls", "http", "ssh", "quality", "security",
    "capture", "machine",
)  # fmt: skip
"""What a query is about; lists have this order."""
MAX_QUERIES = 1000
"""Most queries of a user's folder."""

_HEADER = re.compile(r"--\s*(title|description|subject|parameter|column):\s*(.*?)\s*")
_PARAMETER = re.compile(
    r"""(?P<name>[a-z][a-z0-9_]*)\s+(?P<type>\S+)\s+(?P<default>"[^"]*"|'[^']*'|[^\s"']+)\s+(?P<help>.+)"""
)
_QUERY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_KINDS = {kind.name.lower(): kind for kind in Kind}


class CatalogueError(RustnetError):
    """A saved query's file cannot be read, or its header is invalid."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a saved query."""

    name: str
    type: str
    """``int``, ``float``, ``text``, ``bool``, ``size``, ``duration``, ``time``, ``address`` or ``choice:A|B``."""
    default: str | None
    """As typed by a user; ``None`` is NULL."""
    required: bool
    help: str


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """What a header says about a column of the result."""

    kind: Kind
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
    subject: str | None = None
    """One of `SUBJECTS`; a user's own query may have none."""
    columns: Mapping[str, DeclaredColumn] = field(default_factory=dict)
    """Columns that the header declares."""
    folder: str | None = None
    """Folder of a user's own query; ``None``: it is shipped with rustnet."""
    shadows: bool = False
    """It replaces a shipped query of the same name."""

    def bind(self, given: Mapping[str, str]) -> dict[str, object]:
        """Turn arguments given as text into values for ``$name``. Raises `UsageError` for invalid ones."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise UsageError(
                    "query {name}: {name2}",
                    name=self.name,
                    name2=unknown(name, known, N_("unknown parameter {name!r}: {hint}")),
                )
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
            return _converter(parameter.type)(text)
        except ValueError as error:
            raise UsageError(
                "query {name}: {name2}={text!r} {error}", name=self.name, name2=parameter.name, text=text, error=error
            ) from None

    @property
    def default_limit(self) -> int | None:
        """Most rows by default: of a parameter `limit` that is a whole number."""
        texts = (p.default for p in self.parameters if p.name == "limit" and p.type == "int" and p.default is not None)
        return next(map(int, texts), None)

    def execute(
        self, session: "Session", given: Mapping[str, str] | None = None, limit: int | None = None
    ) -> ResultSet:
        """Run it and return at most ``limit`` rows."""
        with self.stream(session, given, limit=limit) as rows:
            return rows.result(limit)

    def stream(
        self,
        session: "Session",
        given: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
        limit: int | None = None,
    ) -> RowStream:
        """Run it and stream its rows, within ``seconds``.

        The caller fetches at most one row more than ``limit``, which also replaces the default of a parameter `limit`.
        """
        bound = self.bind(given or {})
        if limit is not None and "limit" in bound and "limit" not in (given or {}):
            bound["limit"] = limit + 1
        rows = session.stream(self.sql, bound, seconds=seconds, rows=None if limit is None else limit + 1)
        rows.own_kinds = self.kinds
        return rows

    def kinds(self, names: Sequence[str], types: Sequence[str]) -> "tuple[Kind | None, ...]":
        """Kind of each column of its result; ``None`` where neither the header nor the name gives it."""
        return kinds_of_saved(names, types, {name: column.kind for name, column in self.columns.items()})


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise Phrase("is not a whole number")
    return int(text)


def _real(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise Phrase("is not a number") from None
    if not math.isfinite(number):
        raise Phrase("is not a finite number")
    return number


def _truth(text: str) -> bool:
    answer = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(text.lower())
    if answer is None:
        raise Phrase("is neither yes nor no")
    return answer


def _text(text: str) -> str:
    if any("\ud800" <= char <= "\udfff" or char == "\0" for char in text):
        raise Phrase("is not text (a character that is not Unicode, or NUL)")
    return text


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Phrase("is not an IP address") from None


_TYPES: dict[str, Callable[[str], object]] = {
    "int": _whole,
    "float": _real,
    "text": _text,
    "bool": _truth,
    "size": values.size,
    "duration": lambda text: values.duration(text).low,
    "time": lambda text: values.time(text).low,
    "address": _address,
}


def _converter(kind: str) -> Callable[[str], object]:
    """What turns text into a value of a type. Raises `KeyError` for an unknown type."""
    choices = kind.removeprefix("choice:").split("|") if kind.startswith("choice:") else []
    if not all(choices) or len(choices) == 1:
        raise KeyError(kind)

    def choose(text: str) -> object:
        if text not in choices:
            raise Phrase("is not one of {choices}", choices=", ".join(choices))
        return text

    return choose if choices else _TYPES[kind]


def shipped() -> Traversable:
    """Return the folder of rustnet's own queries: in the package, or at the top of a checkout."""
    packaged = resources.files("rustnet") / "queries"
    if packaged.is_dir():
        return packaged
    return Path(str(resources.files("rustnet"))).parent / "queries"


def own_folders(configuration: Path | None = None) -> list[Path]:
    """Return the user's own folder of queries, if there is one: `queries` in the folder of the configuration."""
    if configuration is None:
        import platformdirs  # noqa: PLC0415 -- only where queries are looked for

        configuration = platformdirs.user_config_path("rustnet", appauthor=False)
    folder = configuration / "queries"
    return [folder] if folder.is_dir() else []


def load(folders: Iterable[Path] = (), broken: dict[str, CatalogueError] | None = None) -> dict[str, SavedQuery]:
    """Read the shipped queries and those of ``folders``, by name in alphabetical order.

    A query of a later folder replaces one of the same name. What is wrong with a file or a folder is put into
    ``broken``, by the name of the query or the folder; without it, raises `CatalogueError`.
    """
    queries = _read_folder(shipped(), None)
    ours = frozenset(queries)
    for folder in folders:
        for name, query in _read_folder(folder, broken).items():
            queries[name] = replace(query, folder=str(folder), shadows=name in ours)
    return dict(sorted(queries.items()))


def _read_folder(folder: Traversable, broken: dict[str, CatalogueError] | None) -> dict[str, SavedQuery]:
    queries: dict[str, SavedQuery] = {}
    try:
        files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    except OSError as error:
        _report(broken, str(folder), error, folder)
        return queries
    if len(files) > MAX_QUERIES:
        many = CatalogueError("{folder}: more than {most} queries", folder=folder, most=MAX_QUERIES)
        _report(broken, str(folder), many, folder)
    for file in files[:MAX_QUERIES]:
        name = file.name.removesuffix(".sql")
        try:
            queries[name] = read(name, _text_of(file, name))
        except (OSError, UnicodeError, CatalogueError) as error:
            _report(broken, name, error, file)
    return queries


def _report(broken: dict[str, CatalogueError] | None, name: str, error: Exception, place: Traversable) -> None:
    """Put what is wrong with a file or folder into ``broken``, or raise `CatalogueError`."""
    known = error if isinstance(error, CatalogueError) else None
    wrong = known or CatalogueError("{place}: saved queries cannot be read: {error}", place=place, error=error)
    if broken is None:
        raise wrong from error
    broken[name] = wrong


def _text_of(file: Traversable, name: str) -> str:
    """Text of a query's file. Raises `CatalogueError` for what is none, without reading it."""
    if not _QUERY.fullmatch(name):
        raise CatalogueError("{name!r}.sql: a query's name consists of letters, digits, - and _", name=name)
    if not file.is_file():
        raise CatalogueError("{name}.sql: not a file", name=name)
    with file.open("rb") as opened:
        raw = opened.read(MAX_SQL + 1)
    if len(raw) > MAX_SQL:
        raise CatalogueError("{name}.sql: longer than {most} bytes", name=name, most=MAX_SQL)
    return raw.decode("utf-8")


def find(name: str, folders: Iterable[Path] | None = None) -> SavedQuery:
    """Return one saved query, shipped or of ``folders`` (by default, the user's own).

    Raises `UsageError` for an unknown name, with the most similar one, and `CatalogueError` if its file is invalid.
    """
    broken: dict[str, CatalogueError] = {}
    known = load(own_folders() if folders is None else folders, broken)
    if name in broken:
        raise broken[name]
    query = known.get(name)
    if query is None:
        raise UsageError(
            "{name}; --list shows them all", name=unknown(name, known, N_("unknown saved query {name!r}: {hint}"))
        )
    return query


def read(name: str, text: str) -> SavedQuery:
    """Parse one file: the header, then SQL. Raises `CatalogueError`."""
    header: dict[str, str] = {}
    parameters: list[Parameter] = []
    declared: dict[str, DeclaredColumn] = {}
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
        elif match[1] == "column":
            _declare(declared, name, match[2])
        else:
            header[match[1]] = f"{header[match[1]]} {match[2]}" if match[1] in header else match[2]
    sql = "\n".join(lines[begin:]).strip()
    if not sql or "title" not in header or "description" not in header:
        raise CatalogueError("{name}.sql: needs '-- title:' and '-- description:' before its SQL", name=name)
    if len({p.name for p in parameters}) < len(parameters):
        raise CatalogueError("{name}.sql: names a parameter twice", name=name)
    subject = header.get("subject")
    if subject is not None and subject not in SUBJECTS:
        raise CatalogueError(
            "{name}.sql: subject {subject!r} is none of {all}", name=name, subject=subject, all=", ".join(SUBJECTS)
        )
    return SavedQuery(name, header["title"], header["description"], tuple(parameters), sql, subject, declared)


def _declare(declared: dict[str, DeclaredColumn], query: str, text: str) -> None:
    """Parse ``name kind help``, where the help may be missing."""
    name, _, rest = text.partition(" ")
    kind, _, help_text = rest.strip().partition(" ")
    if kind not in _KINDS or name in declared:
        raise CatalogueError(
            "{query}.sql: column '{text}' is not 'name kind help' of a further column, with a kind of {kinds}",
            query=query,
            text=text,
            kinds=", ".join(_KINDS),
        )
    declared[name] = DeclaredColumn(_KINDS[kind], help_text.strip())


def _parameter(query: str, text: str) -> Parameter:
    """Parse ``name type default help``."""
    match = _PARAMETER.fullmatch(text)
    try:
        if match is not None:
            _converter(match["type"])
    except KeyError:
        match = None
    if match is None:
        raise CatalogueError(
            "{query}.sql: parameter '{text}' is not 'name type default help' with a type of {types}",
            query=query,
            text=text,
            types=", ".join((*_TYPES, "choice:A|B")),
        )
    name, kind, word = match["name"], match["type"], match["default"]
    default = None if word in ("null", "required") else word.strip("'\"")
    parameter = Parameter(name, kind, default, word == "required", match["help"])
    if parameter.default is not None:
        try:
            _converter(kind)(parameter.default)
        except ValueError as error:
            raise CatalogueError(
                "{query}.sql: default of {name} {error}", query=query, name=name, error=error
            ) from None
    return parameter


def unknown(name: str, known: Mapping[str, object], words: str) -> Phrase:
    """``words`` with the name and the nearest one, else some that there are."""
    near = difflib.get_close_matches(name, known, 1, 0.5)
    if near:
        hint = Phrase("did you mean {name}?", name=near[0])
    else:
        hint = Phrase("there is {known}", known=", ".join(list(known)[:6])) if known else Phrase("there is none")
    return Phrase(words, name=name, hint=hint)
