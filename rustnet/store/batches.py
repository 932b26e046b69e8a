"""Batches of rows on their way to the writer: columns, or records that become columns there; and their INSERT."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rustnet.columnar import Column, copied, length
from rustnet.store.arrow import ArrowStream
from rustnet.store.rows import Row, insert_sql, protocol_batch, record_batch

if TYPE_CHECKING:
    import duckdb

COPY_ROWS = 5_000
"""Fewer rows are copied where they wait."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A batch of one table, by column."""

    cls: type
    batch: dict[str, Column]
    protocol: bool = False
    """It is a protocol's table: what stands before its fields is in the batch."""


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
Kind = tuple[type, tuple[str, ...]]
"""A table's rows, and the columns that its batches have, in their order."""


def as_columns(batch: Batch, capture_id: int) -> dict[str, Column]:
    """Columns of a batch of one capture, those ahead of a table's own included; empty if it has no rows."""
    if isinstance(batch, Columns):
        if not batch.protocol:
            batch.batch["capture_id"] = np.full(rows_of(batch.batch), capture_id, np.int32)
        return batch.batch
    if isinstance(batch, Rows):
        return protocol_batch(batch.cls, capture_id, batch.rows) if batch.rows else {}
    return record_batch(batch.cls, batch.records) if batch.records else {}


def rows_of(columns: dict[str, Column]) -> int:
    """How many rows these columns have."""
    return length(next(iter(columns.values())))


def owned(columns: dict[str, Column]) -> dict[str, Column]:
    """The columns, without keeping blocks of memory that are much larger than they are."""
    if rows_of(columns) >= COPY_ROWS:
        return columns
    return {name: copied(column) for name, column in columns.items()}


def count(batch: Batch) -> int:
    """How many rows a batch has."""
    if isinstance(batch, Columns):
        return rows_of(batch.batch)
    return len(batch.rows) if isinstance(batch, Rows) else len(batch.records)


def insert(
    con: "duckdb.DuckDBPyConnection", kind: Kind, batches: list[dict[str, Column]], table: str | None = None
) -> None:
    """Run the INSERT of batches of one kind, which reads them by the name ``batch``; ``table`` if not into its own."""
    batch = ArrowStream(batches)
    try:
        con.register("batch", batch)  # by name alone DuckDB would look for it only while files are open to it, too
        con.execute(insert_sql(*kind, table))
        con.unregister("batch")
    finally:
        batch.close()
