"""Rows on their way into DuckDB: columns (`rustnet.columnar`), and the INSERT that reads them as an Arrow stream."""

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
    """SQL that reads one column from the stream, named ``batch``; 128 bits come as two columns of 64."""
    if column.sql_type == "UHUGEINT":
        high, low = f'batch."{column.name}_hi"', f'batch."{column.name}_lo"'
        return f"CASE WHEN {high} = 0 AND {low} = 0 THEN NULL ELSE ({high}::UHUGEINT << 64) | {low}::UHUGEINT END"
    return f'batch."{column.name}"'


@functools.cache
def insert_sql(cls: type, given: tuple[str, ...], table: str | None = None) -> str:
    """INSERT of batches with the columns ``given`` into the table of ``cls``: by their names, quickest to plan.

    ``table`` names another one of the same columns.
    """
    table = table or stored_in(cls)
    if not any(described.sql_type == "UHUGEINT" for described in columns(cls)):
        return f'INSERT INTO "{table}" BY NAME FROM batch'
    named = [c for c in columns(cls) if c.name in given or f"{c.name}_hi" in given]
    listed = ", ".join(f'"{c.name}"' for c in named)
    values = ", ".join(map(expression, named))
    return f'INSERT INTO "{table}" ({listed}) SELECT {values} FROM batch'  # noqa: S608 - our names


def column(described: Column, values: list[Any]) -> Values:
    """One column of Python values."""
    kind = described.sql_type
    if kind == "TIMESTAMP_NS":
        return integers(values).view("datetime64[ns]")
    if kind in INTEGER_TYPES or (kind == "BOOLEAN" and described.nullable):
        return integers(values)
    if kind == "DOUBLE":
        return doubles(values)
    if kind == "BOOLEAN":
        return np.array(values, np.bool_)
    if kind.endswith("[]"):
        return lists(values if kind == "VARCHAR[]" else [None if v is None else list(map(str, v)) for v in values])
    return _texts(values)


def _texts(values: list[Any]) -> Values:
    """Column of texts; a parser's slip of type does not lose the batch."""
    try:
        return texts(values)
    except TypeError:
        return texts([None if v is None else str(v) for v in values])


Row = tuple[Any, int, int, int]
"""(record, flow_id, ts, packet)"""


def protocol_batch(cls: type, capture_id: int, rows: list[Row]) -> dict[str, Values]:
    """Columns of one protocol table's rows of one capture."""
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
    described = columns(cls)
    names = [each.name for each in described]
    values = values_of(records, cls, names)
    return {each.name: column(each, made) for each, made in zip(described, values, strict=True)}
