"""Copies the tables of a session into a new one, in which the values of columns are replaced.

Each distinct value of a column is replaced once, and DuckDB puts the replacements into the rows, in their order. Where
a value has no replacement, there is none in the new session: an original can only be copied on purpose.
"""

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rustnet.columnar import Column, lists, texts
from rustnet.policy.redaction import REDACTED
from rustnet.store import objects
from rustnet.store import session as store
from rustnet.store.arrow import ArrowStream
from rustnet.store.meanings import protocol_tables
from rustnet.store.schema import quote_identifier

if typing.TYPE_CHECKING:
    import duckdb

VALUES = 65_536
"""Values that are replaced at once."""
ROWS = 245_760
"""Rows that are put in order at once."""
MEMORY = "384MB"
_STAGED = "temp.main.staged"
LINE = "^[^:]+:[1-9][0-9]{0,8}$"
"""A file and the number of a line in it, and no other colon."""
Replace = Callable[[Sequence[Any]], Sequence[Any]]
"""Replacements of distinct values, in their order."""


@dataclass(frozen=True, slots=True)
class CopiedColumn:
    """A column that is copied."""

    name: str
    sql_type: str
    required: bool = False
    """It must not be NULL in the new session."""
    replace: Replace | None = None
    """None: the values stay, but for a shift."""
    shift_ns: int = 0
    """What is added to moments."""
    absent: bool = False
    """It has no values in the new session."""
    lines: bool = False
    """Values that end with the number of a line keep it, and are replaced without it."""
    by: tuple[str, ...] = ()
    """Other columns that the replacement depends on: then tuples of the value and theirs are replaced."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many values a column has."""

    cells: int
    """Values that are not NULL."""
    distinct: int | None
    """Different ones; None: not counted, because they stay."""


class SessionCopy:
    """A new session into which tables are copied. Use it in ``with``; `finish` completes it.

    Without a ``source``, the rows come from elsewhere (`stage`).
    """

    def __init__(self, target: Path, source: Path | None) -> None:
        self.path = target
        self.con = store.create_or_open(target, protocol_tables(), memory_limit=MEMORY, source=source)
        self.con.execute("SET enable_progress_bar = false")  # DuckDB shows one in notebooks
        self._second = store.session_cursor(self.con)
        self._tables = objects.read_contents(self.con, store.ATTACHED).shapes

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._second.close()
        store.close(self.con)

    def interrupt(self) -> None:
        """Stop what is running."""
        self.con.interrupt()
        self._second.interrupt()

    def copy_whole(self, source: str, target: str, columns: Sequence[CopiedColumn]) -> dict[str, Count]:
        """Copy a table of which all values stay; on another thread, while others are copied."""
        return self._copied(self._second, source, target, columns, "true")

    def columns(self, table: str) -> dict[str, tuple[str, bool]]:
        """Columns of a table in the new session: type, and whether they may be NULL."""
        return self._tables.get(table, {})

    def stage(self, columns: Mapping[str, str], batches: Iterable[Sequence[Sequence[Any]]]) -> str:
        """Keep rows until they are copied; returns the name of their table. ``columns``: types by name."""
        described = ", ".join(f"{quote_identifier(name)} {sql_type}" for name, sql_type in columns.items())
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE staged({described})")
        places = [f"c{i}" for i in range(len(columns))]
        values = ", ".join(_from_text(place, kind) for place, kind in zip(places, columns.values(), strict=True))
        for batch in batches:
            by_column = zip(*batch, strict=True)
            filled = {
                place: _as_texts(list(cells), kind)
                for place, cells, kind in zip(places, by_column, columns.values(), strict=True)
            }
            self._insert(f"INSERT INTO {_STAGED} SELECT {values} FROM batch", filled)  # noqa: S608
        return _STAGED

    def copy(
        self, source: str, target: str, columns: Sequence[CopiedColumn], condition: str = "true"
    ) -> dict[str, Count]:
        """Copy the rows of a table, in their order; returns how many values each column has."""
        return self._copied(self.con, source, target, columns, condition)

    def _copied(
        self,
        con: "duckdb.DuckDBPyConnection",
        source: str,
        target: str,
        columns: Sequence[CopiedColumn],
        condition: str,
    ) -> dict[str, Count]:
        names = [quote_identifier(column.name) for column in columns]
        cells = ", ".join(f"count({name})" for name in names)
        last, *counted = con.execute(f"SELECT max(rowid), {cells} FROM {source} WHERE {condition}").fetchall()[0]  # noqa: S608
        counts = {column.name: Count(n, None) for column, n in zip(columns, counted, strict=True)}
        if last is None:
            return counts
        shown, joins = [], []
        for at, (column, name) in enumerate(zip(columns, names, strict=True)):
            if column.absent:
                shown.append("NULL")
                continue
            if column.replace is None:
                shown.append(_shifted(f"s.{name}", column.shift_ns))
                continue
            missing = _ABSENT.get(column.sql_type, "0") if column.required else ""
            if not counts[column.name].cells:
                shown.append(missing or "NULL")
                continue
            distinct = self._map(f"map{at}", source, column, condition)
            counts[column.name] = Count(counts[column.name].cells, distinct)
            replaced = f"m{at}.w || {_line(f's.{name}')}" if column.lines else f"m{at}.w"
            shown.append(f"coalesce({replaced}, {missing})" if missing else replaced)
            joins.append(f"LEFT JOIN map{at} AS m{at} ON m{at}.v = {_key(column, 's.')}")
        insert = f"INSERT INTO {target}({', '.join(names)}) SELECT {', '.join(shown)} FROM "  # noqa: S608
        if not joins:
            con.execute(f"{insert} {source} AS s WHERE {condition}")  # DuckDB keeps the order
            return counts
        for first in range(0, last + 1, ROWS):
            rows = f"SELECT *, rowid AS place FROM {source} WHERE rowid BETWEEN {first} AND {first + ROWS - 1}"  # noqa: S608
            self.con.execute(f"{insert} ({rows} AND {condition}) AS s {' '.join(joins)} ORDER BY s.place")
        for at in range(len(columns)):
            self.con.execute(f"DROP TABLE IF EXISTS map{at}")
        return counts

    def _map(self, table: str, source: str, column: CopiedColumn, condition: str) -> int:
        """Create a table of the distinct values of a column and their replacements; returns their number."""
        assert column.replace is not None
        present = f"{quote_identifier(column.name)} IS NOT NULL AND {condition}"
        values = f"SELECT DISTINCT {_key(column)} AS v FROM {source} WHERE {present}"  # noqa: S608
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE originals AS SELECT row_number() OVER () AS n, v FROM ({values});"  # noqa: S608
            f"CREATE OR REPLACE TEMP TABLE replacements(n BIGINT, w {column.sql_type})"
        )
        count = int(self.con.execute("SELECT count(*) FROM originals").fetchall()[0][0])
        different = count
        if column.lines:
            every = f"SELECT count(DISTINCT {quote_identifier(column.name)}) FROM {source} WHERE {present}"  # noqa: S608
            different = int(self.con.execute(every).fetchall()[0][0])
        for first in range(1, count + 1, VALUES):
            part = f"SELECT n, v FROM originals WHERE n BETWEEN {first} AND {first + VALUES - 1}"  # noqa: S608
            rows = self.con.execute(part).fetchall()
            replaced = column.replace([tuple(value.values()) if column.by else value for _, value in rows])
            batch: dict[str, Column] = {
                "n": np.array([n for n, _ in rows], np.int64),
                "w": _as_texts(list(replaced), column.sql_type),
            }
            value = _from_text("w", column.sql_type)
            self._insert(f"INSERT INTO replacements SELECT n, {value} FROM batch", batch)  # noqa: S608
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT v, w FROM originals JOIN replacements USING (n);"  # noqa: S608
            "DROP TABLE originals; DROP TABLE replacements"
        )
        return different

    def _insert(self, sql: str, columns: dict[str, Column]) -> None:
        """Run an INSERT that reads ``columns`` as ``batch``."""
        batch = ArrowStream([columns])
        try:
            self.con.register("batch", batch)
            try:
                self.con.execute(sql)
            finally:
                self.con.unregister("batch")
        finally:
            batch.close()

    def set_property(self, key: str, value: str) -> None:
        """Set a property of the new session."""
        self.con.execute("INSERT INTO meta VALUES (?, ?)", [key, value])

    def finish(self) -> None:
        """Put everything into the file, so that it needs no log."""
        self.con.execute("CHECKPOINT")


_ABSENT = {"VARCHAR": f"'{REDACTED}'", "TIMESTAMP_NS": "make_timestamp_ns(0)", "BOOLEAN": "false", "VARCHAR[]": "[]"}
"""What a column that must not be NULL has where nothing is shown; 0 for numbers."""


def _line(column: str) -> str:
    """Expression of the number of a line at the end of a text, with its colon; else empty."""
    return f"CASE WHEN regexp_matches({column}, '{LINE}') THEN regexp_extract({column}, ':[0-9]+$') ELSE '' END"


def _key(column: CopiedColumn, prefix: str = "") -> str:
    """Expression by which a replacement is looked up."""
    if column.lines:
        text = f"{prefix}{quote_identifier(column.name)}"
        return f"left({text}, length({text}) - length({_line(text)}))"
    parts = [f"{prefix}{quote_identifier(name)}" for name in (column.name, *column.by)]
    fields = ", ".join(f"'k{at}': {part}" for at, part in enumerate(parts))
    return f"{{{fields}}}" if column.by else parts[0]


def _shifted(column: str, span_ns: int) -> str:
    """Expression of a column of moments after a shift; zero, which stands for no time, stays."""
    if not span_ns:
        return column
    moved = f"least(greatest(epoch_ns({column})::HUGEINT + {span_ns}, -9223372036854775806), 9223372036854775806)"
    return f"CASE WHEN epoch_ns({column}) <> 0 THEN make_timestamp_ns({moved}::BIGINT) ELSE {column} END"


def _as_texts(values: list[Any], sql_type: str) -> Column:
    """Values as texts, or as lists of texts."""
    if sql_type.endswith("[]"):
        return lists([None if value is None else [_text(item) for item in value] for value in values])  # type: ignore[misc]
    return texts([_text(value) for value in values])


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def _from_text(column: str, sql_type: str) -> str:
    """Expression that reads a value of a type from its text; NULL where it is not of that type."""
    if sql_type in ("VARCHAR", "VARCHAR[]"):
        return column
    if sql_type == "TIMESTAMP_NS":
        return f"make_timestamp_ns(TRY_CAST({column} AS BIGINT))"
    return f"TRY_CAST({column} AS {sql_type})"
