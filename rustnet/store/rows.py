"""Rows on their way into DuckDB: columns as NumPy arrays, and the INSERT that reads them.

DuckDB scans a dict of arrays without a copy by Arrow. What NumPy cannot say is encoded here and decoded in the
INSERT: NULL of an integer is `NULL`, a list of texts is one text with separators, 128 bits are two columns of 64.
"""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from rustnet.records import Column, columns, table_name

Array = np.ndarray[Any, np.dtype[Any]]

NULL = -(1 << 63)
"""Stands for SQL NULL in arrays of 64-bit integers; as a time it is NumPy's NaT, which DuckDB reads as NULL."""

SEPARATOR, EMPTY = "\x1f", "\x1e"
"""Between the items of a list, and in place of a list without items."""

INTEGER_TYPES = frozenset(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "INTEGER", "BIGINT"))

LEADING = ("capture_id", "flow_id", "ts", "packet")
"""Columns that stand before the fields of every protocol table."""


def expression(column: Column) -> str:
    """SQL that reads one column from the arrays, named ``batch``."""
    name = f'"{column.name}"'
    if column.sql_type in INTEGER_TYPES:
        return f"nullif(batch.{name}, {NULL + 1} - 1)" if column.nullable else f"batch.{name}"
    if column.sql_type == "UHUGEINT":
        high, low = f'batch."{column.name}_hi"', f'batch."{column.name}_lo"'
        return f"CASE WHEN {high} = 0 AND {low} = 0 THEN NULL ELSE ({high}::UHUGEINT << 64) | {low}::UHUGEINT END"
    if column.sql_type.endswith("[]"):
        split = f"CASE WHEN batch.{name} = '{EMPTY}' THEN [] ELSE string_split(batch.{name}, '{SEPARATOR}') END"
        return f"{split}::{column.sql_type}"
    if column.sql_type == "DOUBLE" and column.nullable:
        return f"CASE WHEN isnan(batch.{name}) THEN NULL ELSE batch.{name} END"
    return f"batch.{name}"


@functools.cache
def insert_sql(cls: type, protocol: bool, given: frozenset[str]) -> str:
    """INSERT of a batch into the table of ``cls``, for the columns that the batch has."""
    names: list[str] = []
    values: list[str] = []
    if protocol:
        names += LEADING
        values += ["batch.capture_id", "nullif(batch.flow_id, 0)", "batch.ts", "batch.packet"]
    for column in columns(cls):
        if column.name in given or f"{column.name}_hi" in given:
            names.append(column.name)
            values.append(expression(column))
    listed = ", ".join(f'"{name}"' for name in names)
    return f'INSERT INTO "{table_name(cls)}" ({listed}) SELECT {", ".join(values)} FROM batch'  # noqa: S608 - our names


def array(column: Column, values: Sequence[Any]) -> Array:
    """One column of Python values as the array that `expression` reads."""
    kind = column.sql_type
    if kind == "TIMESTAMP_NS":
        return integers(values).view("datetime64[ns]")
    if kind in INTEGER_TYPES:
        return integers(values)
    if kind == "DOUBLE":
        return np.array([np.nan if v is None else v for v in values], np.float64)
    if kind == "BOOLEAN" and None not in values:
        return np.array(values, np.bool_)
    if kind.endswith("[]"):
        if kind != "VARCHAR[]":
            values = [None if v is None else [str(item) for item in v] for v in values]
        values = [None if v is None else SEPARATOR.join(v) if v else EMPTY for v in values]
    return np.fromiter(values, object, len(values))


def integers(values: Sequence[int | None]) -> Array:
    """Integers of at most 64 bits; a parser's slip beyond that becomes NULL rather than a lost batch."""
    try:
        if None not in values:
            return np.array(values, np.int64)
        return np.array([NULL if v is None else v for v in values], np.int64)
    except OverflowError:
        low, high = -(1 << 63), 1 << 63
        return np.array([v if v is not None and low <= v < high else NULL for v in values], np.int64)


@functools.cache
def _getter(cls: type) -> "operator.attrgetter[tuple[Any, ...]]":
    return operator.attrgetter(*(column.name for column in columns(cls)))


Row = tuple[Any, int, int, int]
"""(record, flow_id, ts, packet)"""


def protocol_batch(cls: type, capture_id: int, rows: list[Row]) -> dict[str, Array]:
    """Arrays of one protocol table's rows of one capture."""
    records, flow_ids, times, packets = zip(*rows, strict=True)
    batch: dict[str, Array] = {
        "capture_id": np.full(len(rows), capture_id, np.int32),
        "flow_id": np.array(flow_ids, np.int64),
        "ts": np.array(times, np.int64).view("datetime64[ns]"),
        "packet": np.array(packets, np.int64),
    }
    batch.update(record_batch(cls, records))
    return batch


def record_batch(cls: type, records: Sequence[Any]) -> dict[str, Array]:
    """Arrays of records by column."""
    described = columns(cls)
    if len(described) == 1:
        values: Any = [[getattr(r, described[0].name) for r in records]]
    else:
        values = zip(*map(_getter(cls), records), strict=True)
    return {column.name: array(column, v) for column, v in zip(described, values, strict=True)}
