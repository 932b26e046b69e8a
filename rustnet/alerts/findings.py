"""A finding: one row of an alert's query, with its key, its sentence, and the row as JSON, all bounded.

Values come from captures. What is stored and handed on is JSON in ASCII, or text without control characters.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rustnet.alerts.definitions import Definition
from rustnet.errors import RustnetError
from rustnet.i18n import N_
from rustnet.present.cells import cell
from rustnet.present.text import cut

if TYPE_CHECKING:
    from rustnet.query.execute import ResultSet

TEXT = 200
"""Most characters of a text within a finding."""
ITEMS = 20
"""Most items of a list within a finding."""
SUMMARY = 300
"""Most columns of a sentence."""
WORDS = 80
"""Most columns of one value in it."""
KEY = 1_000
"""Most characters of a key; of a longer one, a hash stands for its values."""
FINDING = 8_000
"""Most characters of a row as JSON; a longer one has its first columns only."""

_PLACE = re.compile(r"{([^{}]*)}")


class ColumnError(RustnetError):
    """The query of an alert lacks a column that the alert names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of an alert's query."""

    key: str
    """Values that identify it, as JSON."""
    ts: int | None
    """Packet time of what it is about."""
    again: int | None
    """Packet time of the latest evidence."""
    flow_id: int | None
    capture_id: int | None
    """Capture that the query names."""
    summary: str
    row: str
    """The row as JSON."""


def findings(definition: Definition, result: "ResultSet") -> list[Finding]:
    """Return the findings of a query's rows, but for those that the definition skips.

    Raises `ColumnError` if the query lacks a column that the definition names.
    """
    columns = {name: number for number, name in enumerate(result.columns)}
    named = [*definition.keys, *definition.skip, *_PLACE.findall(definition.summary)]
    named += filter(None, (definition.time, definition.again, definition.flow))
    for name in named:
        if name not in columns:
            raise ColumnError(N_("the saved query {query} has no column {column}"), query=definition.query, column=name)
    return [_finding(definition, result, columns, row) for row in result.rows if not _skipped(definition, columns, row)]


def _skipped(definition: Definition, columns: dict[str, int], row: Sequence[Any]) -> bool:
    return any(str(row[columns[name]]) in values for name, values in definition.skip.items())


def _finding(definition: Definition, result: "ResultSet", columns: dict[str, int], row: Sequence[Any]) -> Finding:
    def number(name: str | None) -> int | None:
        value = None if name is None or name not in columns else row[columns[name]]
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    return Finding(
        key_of({name: row[columns[name]] for name in definition.keys}),
        number(definition.time),
        number(definition.again),
        number(definition.flow),
        number("capture_id"),
        _sentence(definition, result, columns, row),
        _row_text(result, row),
    )


def key_of(values: dict[str, Any]) -> str:
    """Return the key of a finding as JSON: the same values have the same key."""
    text = as_json(values)
    if len(text) <= KEY:
        return text
    short = {name: _bounded(value) for name, value in values.items()}
    return as_json({"sha256": hashlib.sha256(text.encode()).hexdigest(), **short})[:KEY]


def as_json(value: object) -> str:
    """Return JSON in ASCII, in which no character does anything to a terminal."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, default=str, separators=(",", ":"))


def _bounded(value: Any) -> Any:
    """Return a value that JSON can have, with its text or list cut."""
    if isinstance(value, str):
        return value if len(value) <= TEXT else value[:TEXT] + "…"
    if isinstance(value, list | tuple):
        return [_bounded(item) for item in value[:ITEMS]] + (["…"] if len(value) > ITEMS else [])
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # JSON has no infinity
    if value is None or isinstance(value, bool | int):
        return value
    return str(value)[:TEXT]


def _row_text(result: "ResultSet", row: Sequence[Any]) -> str:
    """Return the row as JSON; times are nanoseconds since 1970 UTC."""
    values = {name: _bounded(value) for name, value in zip(result.columns, row, strict=True)}
    text = as_json(values)
    while len(text) > FINDING and values:
        values.popitem()
        text = as_json(values)
    return text


def _sentence(definition: Definition, result: "ResultSet", columns: dict[str, int], row: Sequence[Any]) -> str:
    kinds = result.kinds

    def value(match: re.Match[str]) -> str:
        at = columns[match[1]]
        kind = kinds[at]
        words = cell(_bounded(row[at]), match[1], result.types[at], kind)  # type: ignore[arg-type]
        return cut(words, WORDS) if words else "-"

    return cut(_PLACE.sub(value, definition.summary), SUMMARY)
