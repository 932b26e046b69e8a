"""Records as columns (`rustnet.columnar`), and the INSERT that reads these as an Arrow stream."""

import functools
from typing import Any

import cython
import numpy as np

from rustnet.columnar import NULL, doubles, integers, lists, texts
from rustnet.columnar import Column as Values
from rustnet.records import Column, columns
from rustnet.store.tables import stored_in

if not cython.compiled:  # compiled, the .pxd has it as an inline function

    def values_of(records: list[Any], cls: type, names: list[str]) -> list[list[Any]]:  # noqa: ARG001
        """Attributes of the records, by name."""
        return [[getattr(record, name) for record in records] for name in names]


INTEGER_TYPES = frozenset(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "INTEGER", "BIGINT"))


def expression(column: Column) -> str:
    """SQL that reads one column from the stream ``batch``; a 128-bit integer is two columns of 64 bits there."""
    if column.sql_type == "UHUGEINT":
        high, low = f'batch."{column.name}_hi"', f'batch."{column.name}_lo"'
        return f"CASE WHEN {high} = 0 AND {low} = 0 THEN NULL ELSE ({high}::UHUGEINT << 64) | {low}::UHUGEINT END"
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


def values_column(column: Column, values: list[Any]) -> Values:
    """Array of a column from Python values."""
    sql_type = column.sql_type
    if sql_type == "TIMESTAMP_NS":
        return integers(values).view("datetime64[ns]")
    if sql_type in INTEGER_TYPES or (sql_type == "BOOLEAN" and column.nullable):
        return integers(values)
    if sql_type == "DOUBLE":
        return doubles(values)
    if sql_type == "BOOLEAN":
        return np.array(values, np.bool_)
    if sql_type.endswith("[]"):
        return lists(values if sql_type == "VARCHAR[]" else [None if v is None else list(map(str, v)) for v in values])
    return _texts(values)


def _texts(values: list[Any]) -> Values:
    """Column of strings; other values are converted, so that a parser's wrong type does not lose the batch."""
    try:
        return texts(values)
    except TypeError:
        return texts([None if v is None else str(v) for v in values])


Row = tuple[Any, int, int, int]
"""(record, flow_id, ts, packet)"""


def protocol_batch(cls: type, capture_id: int, rows: list[Row]) -> dict[str, Values]:
    """Columns of rows of one protocol table and one capture."""
    records, flow_ids, times, packets = map(list, zip(*rows, strict=True))
    flows = integers(flow_ids)
    flows[flows == 0] = NULL
    batch: dict[str, Values] = {
        "capture_id": np.full(len(rows), capture_id, np.int32),
        "flow_id": flows,
        "ts": integers(times).view("datetime64[ns]"),
        "packet": integers(packets),
    }
    batch.update(record_batch(cls, records))
    return batch


def record_batch(cls: type, records: list[Any]) -> dict[str, Values]:
    """Columns of records."""
    names = [column.name for column in columns(cls)]
    values = zip(columns(cls), values_of(records, cls, names), strict=True)
    return {column.name: values_column(column, attributes) for column, attributes in values}
