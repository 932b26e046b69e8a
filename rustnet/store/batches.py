"""Batches of rows for the writer, as columns or as records that it turns into columns; and their INSERT."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rustnet.columnar import Column, Lists, Texts, copied, length, part
from rustnet.store.arrow import ArrowStream
from rustnet.store.rows import Faults, Row, insert_sql, protocol_batch, record_batch
from rustnet.store.tables import InterfaceRow

if TYPE_CHECKING:
    import duckdb

COPY_ROWS = 5_000
"""Waiting batches of fewer rows are copied, so that they do not keep larger blocks of memory alive."""


INSERT_BYTES = 16 << 20
"""Most bytes of one INSERT."""


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


def as_columns(batch: Batch, capture_id: int, faults: Faults | None = None) -> dict[str, Column]:
    """Columns of a batch of one capture, leading ones included; empty if it has no rows.

    Values that cannot be stored are added to ``faults``.
    """
    if isinstance(batch, Columns):
        if not batch.protocol:
            batch.batch["capture_id"] = np.full(row_count(batch.batch), capture_id, np.int32)
        return batch.batch
    if isinstance(batch, Rows):
        return protocol_batch(batch.cls, capture_id, batch.rows, faults) if batch.rows else {}
    return record_batch(batch.cls, batch.records, faults) if batch.records else {}


def row_count(columns: dict[str, Column]) -> int:
    """Number of rows that these columns have."""
    return length(next(iter(columns.values())))


def detached(columns: dict[str, Column]) -> dict[str, Column]:
    """The columns, copied if they would keep a much larger block of memory alive."""
    if row_count(columns) >= COPY_ROWS:
        return columns
    return {name: copied(column) for name, column in columns.items()}


def byte_count(columns: dict[str, Column]) -> int:
    """Number of bytes that these columns have."""
    return sum(map(_bytes, columns.values()))


def _bytes(column: Column) -> int:
    if isinstance(column, Lists):
        return column.ends.nbytes + _bytes(column.items)
    return column.ends.nbytes + column.data.nbytes if isinstance(column, Texts) else column.nbytes


def pieces(batches: list[dict[str, Column]], most: int = INSERT_BYTES) -> Iterator[list[dict[str, Column]]]:
    """The batches in groups of at most ``most`` bytes, or of one row; a larger batch is divided."""
    group: list[dict[str, Column]] = []
    size = 0
    waiting = batches[::-1]
    while waiting:
        batch = waiting.pop()
        own = byte_count(batch)
        if own > most and row_count(batch) > 1:
            waiting += reversed(halves(batch))
            continue
        if group and size + own > most:
            yield group
            group, size = [], 0
        group.append(batch)
        size += own
    if group:
        yield group


def halves(columns: dict[str, Column]) -> list[dict[str, Column]]:
    """The first and the second half of at least two rows."""
    count = row_count(columns)
    spans = ((0, count // 2), (count // 2, count))
    return [{name: part(column, start, stop) for name, column in columns.items()} for start, stop in spans]


def count(batch: Batch) -> int:
    """Number of rows of a batch."""
    if isinstance(batch, Columns):
        return row_count(batch.batch)
    return len(batch.rows) if isinstance(batch, Rows) else len(batch.records)


def insert(
    con: "duckdb.DuckDBPyConnection", layout: Layout, batches: list[dict[str, Column]], table: str | None = None
) -> None:
    """Insert batches of one layout into their table, or into ``table``; the INSERT reads them as ``batch``.

    Rows of interfaces replace earlier ones of the same interface.
    """
    if layout[0] is InterfaceRow:
        captures = [int(batch["capture_id"][0]) for batch in batches]
        if len(set(captures)) < len(captures):
            for each in batches:
                insert(con, layout, [each], table)
            return
        _remove_interfaces(con, batches)
    batch = ArrowStream(batches)
    try:
        con.register("batch", batch)  # DuckDB finds Python variables only while external access is on
        try:
            con.execute(insert_sql(*layout, table))
        finally:
            con.unregister("batch")
    finally:
        batch.close()


def _remove_interfaces(con: "duckdb.DuckDBPyConnection", batches: list[dict[str, Column]]) -> None:
    """Delete the rows of these interfaces."""
    keys = [np.concatenate([batch[name] for batch in batches]).tolist() for name in ("capture_id", "interface")]
    con.execute(
        "DELETE FROM interfaces WHERE (capture_id, interface) IN (SELECT unnest(?::INTEGER[]), unnest(?::INTEGER[]))",
        keys,
    )
