"""Records as columns (`rustnet.columnar`), and the INSERT that reads these as an Arrow stream.

Whatever a parser put into a record, its row can be stored: a value that its column cannot have becomes NULL, or
zero in the core tables, which have NOT NULL columns, and is counted (`Faults`); a value of another type becomes text.
"""

import functools
from collections import Counter
from typing import Any

import cython
import numpy as np

from rustnet.bounds import LIST_BYTES
from rustnet.columnar import LEAST, MOST, NULL, doubles, integers, integers_within, lists, texts
from rustnet.columnar import Column as Values
from rustnet.records import Column, columns, table_name
from rustnet.store.tables import CORE_TABLES, stored_in

if not cython.compiled:  # compiled, the .pxd has it as an inline function

    def values_of(records: list[Any], cls: type, names: list[str]) -> list[list[Any]]:  # noqa: ARG001
        """Attributes of the records, by name."""
        return [[getattr(record, name) for record in records] for name in names]


RANGES = {
    "UTINYINT": (0, 0xFF), "USMALLINT": (0, 0xFFFF), "UINTEGER": (0, 0xFFFFFFFF), "UBIGINT": (0, MOST),
    "INTEGER": (-(1 << 31), (1 << 31) - 1), "BIGINT": (LEAST, MOST), "TIMESTAMP_NS": (LEAST, MOST - 1),
    "BOOLEAN": (0, 1),
}  # fmt: skip
"""Least and greatest value by type of column; a time of `MOST` would be DuckDB's infinity."""

MOST_WORD = (1 << 64) - 1

MOST_NUMBERS = LIST_BYTES // 32
"""Most elements of a list of numbers."""

Faults = Counter[tuple[type, str]]
"""Number of values that could not be stored, by record class and column."""


def expression(column: Column) -> str:
    """SQL that reads one column from the stream ``batch``; a 128-bit integer is two columns of 64 bits there."""
    if column.sql_type == "UHUGEINT":
        high, low = f'batch."{column.name}_hi"', f'batch."{column.name}_lo"'
        number = f"({high}::UHUGEINT << 64) | {low}::UHUGEINT"
        return f"CASE WHEN {high} = 0 AND {low} = 0 THEN NULL ELSE {number} END" if column.nullable else number
    return f'batch."{column.name}"'


@functools.cache
def insert_sql(cls: type, given: tuple[str, ...], table: str | None = None) -> str:
    """INSERT of batches with the columns ``given`` into the table of ``cls``, or into ``table`` with the same columns.

    BY NAME is the form that DuckDB plans fastest.
    """
    table = table or stored_in(cls)
    if not any(column.sql_type == "UHUGEINT" for column in columns(cls)):
        return f'INSERT INTO "{table}" BY NAME FROM batch'
    present = [c for c in columns(cls) if c.name in given or f"{c.name}_hi" in given]
    names = ", ".join(f'"{c.name}"' for c in present)
    values = ", ".join(map(expression, present))
    return f'INSERT INTO "{table}" ({names}) SELECT {values} FROM batch'  # noqa: S608 - our names


def values_column(cls: type, column: Column, values: list[Any], faults: Faults) -> Values:
    """Array of a column from Python values."""
    sql_type = column.sql_type
    invalid = 0
    array: Any
    if not column.nullable and cls in CORE_TABLES and None in values:
        zero: Any = [] if sql_type.endswith("[]") else "" if sql_type == "VARCHAR" else 0
        values = [zero if value is None else value for value in values]
    if sql_type == "BOOLEAN" and not column.nullable:
        return _booleans(values)
    if sql_type in RANGES:
        array, invalid = integers_within(values, *RANGES[sql_type])
        if invalid and not column.nullable and cls in CORE_TABLES:
            array[array == NULL] = 0
        if sql_type == "TIMESTAMP_NS":
            array = array.view("datetime64[ns]")
    elif sql_type == "DOUBLE":
        array, invalid = doubles(values)
        if not column.nullable and cls in CORE_TABLES:
            array[np.isnan(array)] = 0.0
    elif sql_type.endswith("[]"):
        return _lists(values, sql_type)
    else:
        return _texts(values)
    if invalid:
        faults[cls, column.name] += invalid
    return array  # type: ignore[no-any-return]


def _booleans(values: list[Any]) -> Values:
    """Column of booleans without NULL; what is neither true nor 1 is false."""
    try:
        return np.array(values, np.bool_)
    except (ValueError, TypeError, OverflowError):
        return np.array([value is True or (isinstance(value, int) and value == 1) for value in values], np.bool_)


def _texts(values: list[Any]) -> Values:
    """Column of strings; other values are converted, so that a parser's wrong type does not lose the batch."""
    try:
        return texts(values)
    except (TypeError, AttributeError):
        return texts(list(map(_text, values)))


def _text(value: object) -> str | None:
    """A value as text, or NULL."""
    return value if value is None or type(value) is str else str(value)


def _lists(values: list[Any], sql_type: str) -> Values:
    """Column of lists of strings, which DuckDB converts if the table's are numbers; other values become such lists."""
    if sql_type == "VARCHAR[]":
        try:
            return lists(values)
        except (TypeError, AttributeError):
            items = [None if value is None else [_text(item) for item in _list(value)] for value in values]
            return lists(items)  # type: ignore[arg-type]  # an element may be NULL
    least, most = RANGES[sql_type.removesuffix("[]")]
    kept = [
        None if value is None else [str(x) for x in _list(value) if isinstance(x, int) and least <= x <= most]
        for value in values
    ]
    return lists([None if items is None else items[:MOST_NUMBERS] for items in kept])


def _list(value: object) -> list[Any]:
    """A value as a list."""
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


Row = tuple[Any, int, int, int]
"""(record, flow_id, ts, packet)"""


def protocol_batch(cls: type, capture_id: int, rows: list[Row], faults: Faults | None = None) -> dict[str, Values]:
    """Columns of rows of one protocol table and one capture; values that cannot be stored are added to ``faults``."""
    records, flow_ids, times, packets = map(list, zip(*rows, strict=True))
    flows = integers(flow_ids)
    flows[flows == 0] = NULL
    batch: dict[str, Values] = {
        "capture_id": np.full(len(rows), capture_id, np.int32),
        "flow_id": flows,
        "ts": integers(times).view("datetime64[ns]"),
        "packet": integers(packets),
    }
    batch.update(record_batch(cls, records, faults))
    return batch


def record_batch(cls: type, records: list[Any], faults: Faults | None = None) -> dict[str, Values]:
    """Columns of records; values that cannot be stored are added to ``faults``."""
    names = [column.name for column in columns(cls)]
    counted: Faults = Counter() if faults is None else faults
    batch: dict[str, Values] = {}
    for column, attributes in zip(columns(cls), values_of(records, cls, names), strict=True):
        if column.sql_type == "UHUGEINT":
            batch[f"{column.name}_hi"], batch[f"{column.name}_lo"] = _words(attributes)
        else:
            batch[column.name] = values_column(cls, column, attributes, counted)
    return batch


def _words(values: list[Any]) -> tuple[Values, Values]:
    """Columns of the two halves of integers of 128 bits, which `expression` reads; NULL and 0 are both NULL there."""
    numbers = [value if isinstance(value, int) and 0 <= value >> 64 <= MOST_WORD else 0 for value in values]
    return (
        np.array([number >> 64 for number in numbers], np.uint64),
        np.array([number & MOST_WORD for number in numbers], np.uint64),
    )


def fault_words(cls: type, name: str, count: int) -> str:
    """What an anomaly says about values that could not be stored."""
    return f"{table_name(cls)}.{name}: {count} values are out of range or of another type"
