"""What an alert is: a saved query, the columns that identify a finding, and how loud it is. One TOML file each.

::

    title = "Scan"
    description = "A host tried many ports or hosts."
    query = "scans"
    severity = "medium"
    keys = ["src_ip", "target", "scan"]
    summary = "{src_ip} scans {target}"
    time = "first_seen"

``docs/alerts.md`` explains every key.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from rustnet.errors import RustnetError, UsageError
from rustnet.i18n import N_
from rustnet.query import catalogue, values
from rustnet.query.catalogue import SavedQuery

SEVERITIES = ("low", "medium", "high")
"""From the least to the most severe."""
ALL = "all"
"""Name of all shipped and own alerts together."""
WARM_UP = 60_000_000_000
"""Packet time at the beginning of a session in which nothing is new yet, by default; in nanoseconds."""
MAX_BYTES = 1 << 14
"""Largest file of a definition."""
MOST = 200
"""Most definitions of a user's folder."""
MOST_KEYS = 8

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_COLUMN = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_PLACE = re.compile(r"{([^{}]*)}")
_OWN = ("severity", "warm-up", "cool-down")
"""Parameters of every alert, beside those of its query."""


class AlertError(RustnetError):
    """An alert's file cannot be read, or what it says is invalid."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One alert. The text under each field is what docs/alerts.md shows."""

    name: str
    """Name of its file without `.toml`: small letters, digits and hyphens."""
    title: str
    """What it is about, in a few words."""
    description: str
    """What it notices, and what it does not."""
    query: str
    """Name of the saved query, shipped or your own."""
    severity: str
    """`low`, `medium` or `high`."""
    keys: tuple[str, ...]
    """Columns that identify a finding: rows with the same values there are the same finding, which is raised once."""
    summary: str
    """Sentence about a finding; `{column}` stands for the value of a column."""
    time: str | None = None
    """Column with the packet time of what it is about. Without it, findings have no time of their own."""
    again: str | None = None
    """Column with the time of the latest evidence: a finding is raised again once this is `cool_down` later."""
    cool_down: int | None = None
    """Least packet time between two alerts of the same finding, such as `"1h"`; needs `again`. Without it, a finding is
    raised once in a session."""
    flow: str | None = None
    """Column with the number of a flow that shows the finding."""
    new: bool = False
    """Raise only what appeared for the first time (`time`) after the warm-up, and is not in the baseline session."""
    warm_up: int | None = None
    """Packet time at the beginning of the session in which nothing counts as new, such as `"5m"`; by default 60 s, and
    none if there is a baseline session."""
    skip: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Rows that are not raised: for a column, the values that it must not have."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the query."""
    needs: tuple[str, ...] = ()
    """Tables without which the alert means nothing; where one is missing or empty it is not checked, and says so."""
    folder: str | None = None
    """Folder of a user's own definition; `None`: it is shipped with rustnet."""
    shadows: bool = False
    """It replaces a shipped one of the same name."""
    saved: SavedQuery | None = field(default=None, compare=False)
    """The query itself."""

    @property
    def warm_up_ns(self) -> int:
        """Its warm-up where there is no baseline, in nanoseconds."""
        return WARM_UP if self.warm_up is None else self.warm_up


def shipped() -> Traversable:
    """Return the folder of rustnet's own definitions: in the package, or at the top of a checkout."""
    packaged = resources.files("rustnet") / "alert_definitions"
    if packaged.is_dir():
        return packaged
    return Path(str(resources.files("rustnet"))).parent / "alerts"


def load(
    folder: Path | None = None, queries: Iterable[Path] = (), broken: dict[str, AlertError] | None = None
) -> dict[str, Definition]:
    """Return all definitions by name, those of a user's ``folder`` after the shipped ones, which they replace.

    ``queries`` are folders of the user's saved queries. What is wrong with a file is put into ``broken``, or raised.
    """
    own = {} if folder is None else _read_folder(folder, broken)
    own = {name: replace(each, folder=str(folder)) for name, each in own.items()}
    every = _read_folder(shipped(), None)
    own = {name: replace(each, shadows=name in every) for name, each in own.items()}
    problems: dict[str, catalogue.CatalogueError] = {}
    saved = catalogue.load(queries, problems)
    resolved: dict[str, Definition] = {}
    for name, each in sorted({**every, **own}.items()):
        try:
            resolved[name] = _resolved(each, saved, problems)
        except AlertError as error:
            _report(broken, name, error)
    return resolved


def _resolved(
    each: Definition, saved: Mapping[str, SavedQuery], problems: Mapping[str, catalogue.CatalogueError]
) -> Definition:
    """Return a definition with its query. Raises `AlertError` if there is none, or its parameters are wrong."""
    if each.query in problems:
        raise AlertError("alert {name}: {error}", name=each.name, error=problems[each.query])
    if each.query not in saved:
        raise AlertError("alert {name}: there is no saved query {query!r}", name=each.name, query=each.query)
    query = saved[each.query]
    try:
        query.bind(each.parameters)
    except UsageError as error:
        raise AlertError("alert {name}: {error}", name=each.name, error=error) from error
    return replace(each, saved=query)


def _report(broken: dict[str, AlertError] | None, name: str, error: AlertError) -> None:
    if broken is None:
        raise error
    broken[name] = error


def _read_folder(folder: Traversable, broken: dict[str, AlertError] | None) -> dict[str, Definition]:
    """Read the files of a folder, the shipped one or the user's."""
    try:
        files = sorted((each for each in folder.iterdir() if each.name.endswith(".toml")), key=lambda each: each.name)
    except OSError as error:
        _report(broken, str(folder), AlertError("{place}: alerts cannot be read: {error}", place=folder, error=error))
        return {}
    definitions: dict[str, Definition] = {}
    for file in files[:MOST]:
        name = file.name.removesuffix(".toml")
        try:
            definitions[name] = read(name, _text_of(file, name))
        except AlertError as error:
            _report(broken, name, error)
        except (OSError, UnicodeError) as error:
            _report(broken, name, AlertError("{place}: alerts cannot be read: {error}", place=file, error=error))
    return definitions


def _text_of(file: Traversable, name: str) -> str:
    if not _NAME.fullmatch(name) or name == ALL:
        raise AlertError("{name!r}.toml: an alert's name consists of small letters, digits and hyphens", name=name)
    if not file.is_file():
        raise AlertError("{name}.toml: not a file", name=name)
    with file.open("rb") as opened:
        raw = opened.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise AlertError("{name}.toml: longer than {most} bytes", name=name, most=MAX_BYTES)
    return raw.decode("utf-8")


def read(name: str, text: str) -> Definition:
    """Parse one file. Raises `AlertError`."""
    import tomllib  # noqa: PLC0415 -- only where there are alerts

    try:
        table: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise AlertError("{name}.toml: is not TOML: {error}", name=name, error=error) from None
    given = {key.replace("-", "_"): value for key, value in table.items()}
    unknown = given.keys() - _READERS.keys()
    missing = {"title", "description", "query", "severity", "keys", "summary"} - given.keys()
    if unknown or missing:
        words = N_("{name}.toml: has no key {keys}") if missing else N_("{name}.toml: unknown key {keys}")
        raise AlertError(words, name=name, keys=", ".join(sorted(missing or unknown)))
    fields: dict[str, Any] = {}
    for key, value in given.items():
        try:
            fields[key] = _READERS[key](value)
        except (ValueError, UsageError):
            raise AlertError("{name}.toml: invalid value of {key}", name=name, key=key) from None
    definition = Definition(name=name, **fields)
    _check(definition)
    return definition


def _check(definition: Definition) -> None:
    """Raise `AlertError` for keys that do not fit each other."""
    if definition.new and definition.time is None:
        raise AlertError("{name}.toml: 'new' needs 'time'", name=definition.name)
    if (definition.again is None) != (definition.cool_down is None):
        raise AlertError("{name}.toml: 'again' and 'cool-down' need each other", name=definition.name)
    for place in _PLACE.findall(definition.summary):
        if not _COLUMN.fullmatch(place):
            raise AlertError("{name}.toml: {place!r} in 'summary' is not a column", name=definition.name, place=place)


def _one_line(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 2000:
        raise ValueError
    return " ".join(value.split())


def _column(value: object) -> str:
    if not isinstance(value, str) or not _COLUMN.fullmatch(value):
        raise ValueError
    return value


def _columns(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_KEYS:
        raise ValueError
    return tuple(map(_column, value))


def _severity(value: object) -> str:
    if value not in SEVERITIES:
        raise ValueError
    return str(value)


def _duration(value: object) -> int:
    if value == "0":
        return 0
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 -- one error for all that is wrong
    return values.duration(value).low


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004 -- as above
    return value


def _parameters(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 -- as above
    if not all(isinstance(each, str | int | float) and not isinstance(each, bool) for each in value.values()):
        raise ValueError
    return {key: str(each) for key, each in value.items()}


def _skip(value: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 -- as above
    for each in value.values():
        if not isinstance(each, list) or not all(isinstance(item, str) for item in each):
            raise ValueError
    return {_column(key): tuple(each) for key, each in value.items()}


_READERS: Mapping[str, Any] = {
    "title": _one_line, "description": _one_line, "query": _one_line, "summary": _one_line, "severity": _severity,
    "keys": _columns, "needs": _columns, "time": _column, "again": _column, "flow": _column, "cool_down": _duration,
    "warm_up": _duration, "new": _flag, "parameters": _parameters, "skip": _skip,
}  # fmt: skip


def choose(known: Mapping[str, Definition], wanted: Sequence[str]) -> tuple[Definition, ...]:
    """Return the definitions that ``NAME``, ``NAME:param=value,…`` and ``all`` name, each once, the last one counts.

    Raises `UsageError` for unknown names and parameters.
    """
    chosen: dict[str, Definition] = {}
    for text in wanted:
        name, colon, rest = text.strip().partition(":")
        if name == ALL and not colon:
            chosen = {**known, **chosen}
        elif name not in known:
            near = catalogue.unknown(name, known, N_("unknown alert {name!r}: {hint}"))
            raise UsageError("{name}; 'rustnet alerts --list' shows them all", name=near)
        else:
            chosen[name] = _changed(known[name], rest) if colon else chosen.get(name, known[name])
    return tuple(chosen.values())


def _changed(definition: Definition, text: str) -> Definition:
    """Return a definition with other parameters, its query's or its own."""
    given = dict(definition.parameters)
    fields: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not key:
            raise UsageError(
                "alert {name}: expected parameters as name=value, not {part!r}", name=definition.name, part=part
            )
        if key in _OWN:
            try:
                fields[key.replace("-", "_")] = _READERS[key.replace("-", "_")](value)
            except (ValueError, UsageError):
                raise UsageError(
                    "alert {name}: invalid {key} {value!r}", name=definition.name, key=key, value=value
                ) from None
        else:
            given[key] = value
    changed = replace(definition, parameters=given, **fields)
    if changed.cool_down is not None and changed.again is None:
        raise UsageError("alert {name}: its findings are raised once, so it has no cool-down", name=definition.name)
    if changed.saved is not None:
        changed.saved.bind(given)
    return changed


def properties(definition: Definition) -> dict[str, str]:
    """What a definition says beside its title and description, as in its file."""
    shown: dict[str, object] = {
        "query": definition.query,
        "severity": definition.severity,
        "keys": ", ".join(definition.keys),
        "summary": definition.summary,
        "time": definition.time,
        "again": definition.again,
        "cool-down": None if definition.cool_down is None else f"{definition.cool_down / 1e9:g} s",
        "flow": definition.flow,
        "new": definition.new or None,
        "warm-up": f"{definition.warm_up_ns / 1e9:g} s" if definition.new else None,
        "needs": ", ".join(definition.needs) or None,
    }
    shown |= {f"skip.{column}": ", ".join(values) for column, values in definition.skip.items()}
    shown |= {f"parameters.{name}": text for name, text in definition.parameters.items()}
    return {name: str(text).replace("True", "true") for name, text in shown.items() if text is not None}
