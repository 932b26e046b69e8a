"""`Outlet`: where the rows of a capture go while it is read; to the writer in this process, or to another process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rustnet.attribute.observation import Column
from rustnet.attribute.packet_statements import store_rows
from rustnet.records import table_name
from rustnet.store.batches import Batch, Columns, row_count
from rustnet.store.tables import Capture, FlowRow, Packet

if TYPE_CHECKING:
    import duckdb

    from rustnet.store.writer import Writer

Report = Callable[[int, int, int], None]
"""Receives the position in the stored input, the packets and the flows so far."""


class Outlet(Protocol):
    """Receives the rows of one capture."""

    @property
    def crowded(self) -> bool:
        """Whether a flush is due because the store holds many bytes that are not permanent."""

    def put(self, batches: list[Batch], last: bool = False) -> None:
        """Store batches; ``last`` marks the final ones of the capture."""

    def flush(self, capture: Capture, batches: list[Batch], open_flows: list[Columns]) -> None:
        """Store batches, replace the open flows, and make everything so far visible and permanent."""

    def spill(self, columns: dict[str, Column]) -> None:
        """Store rows of statements on packets that exceed the memory limit."""

    def progress(self, position: int, packets: int, flows: int) -> None:
        """Report progress."""

    def stopping(self) -> None:
        """Report that the run ends early: only the rows of what was read follow."""


@dataclass(slots=True)
class Totals:
    """Totals of the rows that were passed on."""

    packets: int = 0
    flows: int = 0
    wire_bytes: int = 0
    captured_bytes: int = 0
    truncated: int = 0
    first_ts: int | None = None
    last_ts: int | None = None

    def add(self, batch: Batch) -> None:
        """Count the rows of a batch of packets or flows."""
        if isinstance(batch, Columns) and batch.cls is FlowRow:
            self.flows += row_count(batch.batch)
        if not isinstance(batch, Columns) or batch.cls is not Packet:
            return
        captured, length, ts = (np.asarray(batch.batch[name]) for name in ("captured", "length", "ts"))
        times = ts.view(np.int64)
        self.packets += len(times)
        self.wire_bytes += int(length.sum(dtype=np.int64))
        self.captured_bytes += int(captured.sum(dtype=np.int64))
        self.truncated += int((captured < length).sum())
        first, last = int(times.min()), int(times.max())
        self.first_ts = first if self.first_ts is None else min(self.first_ts, first)
        self.last_ts = last if self.last_ts is None else max(self.last_ts, last)

    def write_to(self, capture: Capture) -> None:
        """Set the totals of a capture's row."""
        for name in ("packets", "wire_bytes", "captured_bytes", "truncated", "first_ts", "last_ts"):
            setattr(capture, name, getattr(self, name))


class WriterOutlet:
    """Passes rows to the writer of this process."""

    def __init__(self, writer: "Writer", capture_id: int, report: Report | None) -> None:
        self.writer = writer
        self.capture_id = capture_id
        self.report = report
        self.tables: set[str] = set()
        """Names of the tables with rows of this capture."""
        self.totals = Totals()

    @property
    def crowded(self) -> bool:
        """Whether a flush is due because the writer holds many bytes that are not permanent."""
        return self.writer.crowded

    def put(self, batches: list[Batch], last: bool = False) -> None:
        """Pass batches to the writer."""
        self._count(batches)
        self.writer.put(batches, last)

    def flush(self, capture: Capture, batches: list[Batch], open_flows: list[Columns]) -> None:
        """Pass a flush to the writer."""
        self._count(batches)
        self.writer.flush(capture, batches, open_flows)

    def _count(self, batches: list[Batch]) -> None:
        for batch in batches:
            self.tables.add(table_name(batch.cls))
            self.totals.add(batch)

    def spill(self, columns: dict[str, Column]) -> None:
        """Store the rows in the writer's temporary table."""

        def store(con: "duckdb.DuckDBPyConnection") -> None:
            store_rows(con, self.capture_id, columns)

        self.writer.execute_pass("ownership", store, self.capture_id)

    def progress(self, position: int, packets: int, flows: int) -> None:
        """Report progress, if it is wanted."""
        if self.report is not None:
            self.report(position, packets, flows)

    def stopping(self) -> None:
        """Do nothing."""
