"""Writes results as Parquet with DuckDB, without Arrow or pandas.

Rows are written to temporary JSON lines, which a separate DuckDB reads with explicit types: the session's connection
stays locked, and memory does not grow with the result. Parquet readers differ in their support of nanoseconds and do
not support 128-bit integers, so a time becomes microseconds plus a ``*_ns`` BIGINT, and a huge integer becomes text.
"""

import datetime as dt
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rustnet.query.execute import Row, unique
from rustnet.store.parquet import convert
from rustnet.store.schema import quote_identifier

_PLAIN = re.compile(
    r"(?:BOOLEAN|U?(?:TINY|SMALL|BIG)INT|U?INTEGER|FLOAT|DOUBLE|VARCHAR|DATE|TIME|UUID|DECIMAL\(\d+,\d+\)"
    r"|TIMESTAMP(?:_S|_MS)?)(\[\])?"
)


def write_parquet(columns: Sequence[str], types: Sequence[str], batches: Iterable[Sequence[Row]], path: Path) -> int:
    """Write rows to ``path`` as Parquet (zstd); returns their number. ``types`` are those of a `ResultSet`."""
    plans = [_plan(f"c{i}", kind) for i, kind in enumerate(types)]
    names = unique([name for column, plan in zip(columns, plans, strict=True) for name in _names(column, plan[1])])
    shown = [sql for plan in plans for sql in plan[1]]
    select = ", ".join(f"{sql} AS {quote_identifier(name)}" for sql, name in zip(shown, names, strict=True))
    with tempfile.TemporaryDirectory(prefix="rustnet.") as folder:
        staged = Path(folder) / "rows.jsonl"
        count = _stage(batches, [plan[2] for plan in plans], staged)
        convert(staged, {f"c{i}": plan[0] for i, plan in enumerate(plans)}, select, path)
    return count


_Plan = tuple[str, tuple[str, ...], Callable[[Any], Any]]
"""Type to read from JSON; SQL of the resulting columns; conversion of a Python value to JSON."""


def _plan(column: str, kind: str) -> _Plan:
    """Choose the conversion of a column of type ``kind``."""
    if kind == "TIMESTAMP_NS":
        below = f"(({column} % 1000 + 1000) % 1000)"  # also before 1970, where // would round up
        return "BIGINT", (f"make_timestamp(({column} - {below}) // 1000)", column), int
    if kind == "BLOB":
        return "VARCHAR", (f"unhex({column})",), bytes.hex
    if kind in ("FLOAT", "DOUBLE"):
        return "VARCHAR", (f"CAST({column} AS {kind})",), repr
    if kind.startswith("DECIMAL") and _PLAIN.fullmatch(kind) and not kind.endswith("]"):
        return "VARCHAR", (f"CAST({column} AS {kind})",), str
    if _PLAIN.fullmatch(kind):
        return kind, (column,), json_value
    return "VARCHAR", (column,), lambda value: value if isinstance(value, str) else _as_text(value)


def _names(column: str, parts: Sequence[str]) -> tuple[str, ...]:
    return (column,) if len(parts) == 1 else (column, f"{column}_ns")


def _as_text(value: object) -> str:
    return json.dumps(json_value(value), ensure_ascii=False) if isinstance(value, list | dict) else str(value)


def _stage(batches: Iterable[Sequence[Row]], converters: Sequence[Callable[[Any], Any]], path: Path) -> int:
    """Write rows as JSON lines; returns their number."""
    count = 0
    keys = [f"c{i}" for i in range(len(converters))]
    with path.open("w", encoding="utf-8") as out:
        for batch in batches:
            count += len(batch)
            for row in batch:
                cells = (None if v is None else f(v) for f, v in zip(converters, row, strict=True))
                out.write(json.dumps(dict(zip(keys, cells, strict=True)), ensure_ascii=False))
                out.write("\n")
    return count


def json_value(value: Any) -> Any:
    """Convert a value to JSON types: times to ISO-8601, bytes to hex, infinite and NaN to null."""
    match value:
        case None | bool() | int() | str():
            converted: Any = value
        case float():
            converted = value if math.isfinite(value) else None
        case dict():
            converted = {str(key): json_value(item) for key, item in value.items()}
        case list() | tuple():
            converted = [json_value(item) for item in value]
        case bytes() | bytearray():
            converted = value.hex()
        case dt.datetime():
            converted = value.isoformat(timespec="microseconds")
        case _:
            converted = str(value)
    return converted
