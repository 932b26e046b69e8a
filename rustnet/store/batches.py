"""Batches of rows for the writer, as columns or as records that it turns into columns; and their INSERT."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rustnet.columnar import Column, copied, length
from rustnet.store.arrow import ArrowStream
from rustnet.store.rows import Row, insert_sql, protocol_batch, record_batch

if TYPE_CHECKING:
    import duckdb

COPY_ROWS = 5_000
"""Waiting batches of fewer rows are copied, so that they do not keep larger blocks of memory alive."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A batch of one table, by column."""

    cls: type
    batch: dict[str, Column]
    protocol: bool = False
    """It is a protocol's table, and the batch has its leading columns."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch of one protocol table, as records."""

    cls: type
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Records:
    """A batch of one core table, as records."""

    cls: type
    records: list[Any]


Batch = Columns | Rows | Records
Layout = tuple[type, tuple[str, ...]]
"""A record class, and the names of a batch's columns in order: batches of one layout fit one INSERT."""


def as_columns(batch: Batch, capture_id: int) -> dict[str, Column]:
    """Columns of a batch of one capture, leading ones included; empty if it has no rows."""
    if isinstance(batch, Columns):
        if not batch.protocol:
            batch.batch["capture_id"] = np.full(row_count(batch.batch), capture_id, np.int32)
        return batch.batch
    if isinstance(batch, Rows):
        return protocol_batch(batch.cls, capture_id, batch.rows) if batch.rows else {}
    return record_batch(batch.cls, batch.records) if batch.records else {}


def row_count(columns: dict[str, Column]) -> int:
    """Number of rows that these columns have."""
    return length(next(iter(columns.values())))


def detached(columns: dict[str, Column]) -> dict[str, Column]:
    """The columns, copied if they would keep a much larger block of memory alive."""
    if row_count(columns) >= COPY_ROWS:
        return columns
    return {name: copied(column) for name, column in columns.items()}


def count(batch: Batch) -> int:
    """Number of rows of a batch."""
    if isinstance(batch, Columns):
        return row_count(batch.batch)
    return len(batch.rows) if isinstance(batch, Rows) else len(batch.records)


def insert(
    con: "duckdb.DuckDBPyConnection", layout: Layout, batches: list[dict[str, Column]], table: str | None = None
) -> None:
    """Insert batches of one layout into their table, or into ``table``; the INSERT reads them as ``batch``."""
    batch = ArrowStream(batches)
    try:
        con.register("batch", batch)  # DuckDB finds Python variables only while external access is on
        con.execute(insert_sql(*layout, table))
        con.unregister("batch")
    finally:
        batch.close()
