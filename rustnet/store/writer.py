"""The one writer of a session: a thread that stores batches beside the engine.

Batches go through a short queue, so that neither side can run ahead of the other by more than a few of them: memory
stays bounded whatever the size of the input. A transaction is committed every `COMMIT_ROWS` rows; what a killed
process had committed is there afterwards, and its capture's ``complete`` is false.
"""

import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rustnet.errors import SessionError
from rustnet.store.rows import Array, Row, insert_sql, protocol_batch, record_batch
from rustnet.store.session import create_or_open
from rustnet.store.tables import Capture

if TYPE_CHECKING:
    import duckdb

COMMIT_ROWS = 500_000
QUEUE_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Columns:
    """A batch of one core table, by column."""

    cls: type
    batch: dict[str, Array]


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


class Writer:
    """Stores one capture after another in a session.

    Everything but `put` waits for the thread to have stored what came before. An error of the thread (a full disk,
    say) is raised by the next call.
    """

    def __init__(self, path: str, tables: Sequence[type]) -> None:
        self.path = path
        self.con: duckdb.DuckDBPyConnection = create_or_open(path, tables, threads=1)
        self.capture_id = 0
        self.error: BaseException | None = None
        self.pending = 0
        self.queue: queue.Queue[list[Batch] | Callable[[], None] | None] = queue.Queue(QUEUE_LENGTH)
        self.thread = threading.Thread(target=self._run, name="rustnet-writer", daemon=True)
        self.con.execute("BEGIN")
        self.thread.start()

    # ---- called by the ingesting thread --------------------------------------------------------------------------

    def next_ids(self) -> tuple[int, int]:
        """The capture id and the flow id that come next in this session."""
        captures, flows = self.query(
            "SELECT (SELECT coalesce(max(capture_id), 0) + 1 FROM captures), "
            "(SELECT coalesce(max(flow_id), 0) + 1 FROM flows)"
        )[0]
        packets = self.query("SELECT coalesce(max(flow_id), 0) + 1 FROM packets")[0][0]
        return captures, max(flows, packets)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement that runs after everything that was put before it."""
        rows: list[tuple[Any, ...]] = []
        self._call(lambda: rows.extend(self.con.execute(sql, list(parameters)).fetchall()))
        return rows

    def begin_capture(self, capture: Capture) -> None:
        """Store a capture's row, not yet complete, and make that permanent."""
        self.capture_id = capture.capture_id
        self.put([Records(Capture, [capture])])
        self.commit()

    def end_capture(self, capture: Capture) -> None:
        """Replace a capture's row by the final one."""

        def replace() -> None:
            self.con.execute("DELETE FROM captures WHERE capture_id = ?", [capture.capture_id])

        self._call(replace)
        self.put([Records(Capture, [capture])])
        self.commit()

    def put(self, batches: list[Batch]) -> None:
        """Hand batches to the thread; waits while it is `QUEUE_LENGTH` behind."""
        self._check()
        while True:
            try:
                self.queue.put(batches, timeout=0.5)
            except queue.Full:
                self._check()
            else:
                return

    def commit(self) -> None:
        """Make everything so far permanent."""
        self._call(self._commit)

    def run(self, work: "Callable[[duckdb.DuckDBPyConnection], Any]") -> Any:  # noqa: ANN401 - whatever work returns
        """Run ``work`` on the connection, after everything that was put before it, and return its result."""
        results: list[Any] = []
        self._call(lambda: results.append(work(self.con)))
        return results[0]

    def close(self) -> None:
        """Commit what can be committed and close the session; never raises for an error that was raised before."""
        reported = self.error is not None
        if self.thread.is_alive():
            self.queue.put(None)
            self.thread.join()
        try:
            if self.error is None:
                self._commit()
        except Exception as error:  # noqa: BLE001 - reported below, after the file is closed
            self.error = error
        finally:
            self.con.close()
        if self.error is not None and not reported:
            self._check()

    # ---- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            item = self.queue.get()
            if item is None:
                return
            if self.error is not None:  # keep the queue moving so that nobody waits for ever
                continue
            try:
                if callable(item):
                    item()
                else:
                    for batch in item:
                        self._store(batch)
                    if self.pending >= COMMIT_ROWS:
                        self._commit()
            except BaseException as error:  # noqa: BLE001 - handed to the ingesting thread
                self.error = error

    def _store(self, item: Batch) -> None:
        if isinstance(item, Columns):
            batch = item.batch
            sql = insert_sql(item.cls, self.capture_id, protocol=False, given=frozenset(batch))
        elif isinstance(item, Rows):
            batch = protocol_batch(item.cls, item.rows)
            sql = insert_sql(item.cls, self.capture_id, protocol=True)
        else:
            batch = record_batch(item.cls, item.records)
            sql = insert_sql(item.cls, self.capture_id, protocol=False)
        if not len(next(iter(batch.values()))):
            return
        self.pending += len(next(iter(batch.values())))
        self.con.execute(sql)

    def _commit(self) -> None:
        self.con.execute("COMMIT")
        self.con.execute("BEGIN")
        self.pending = 0

    def _call(self, work: Callable[[], None]) -> None:
        """Run ``work`` in the thread and wait for it."""
        self._check()
        done = threading.Event()

        def run() -> None:
            try:
                work()
            finally:
                done.set()

        self.queue.put(run)
        while not done.wait(0.2):
            if self.error is not None or not self.thread.is_alive():
                break
        self._check()

    def _check(self) -> None:
        if self.error is None:
            return
        error = self.error
        if isinstance(error, SessionError):
            raise error
        words = " ".join(str(error).split())
        if isinstance(error, MemoryError) or "Out of Memory" in words:
            advice = "more memory than the writer may use was needed; please report this"
        elif "No space" in words or "disk" in words.lower():
            advice = "free some space or write the session elsewhere with --db"
        else:
            advice = "what was committed before is kept; `rustnet verify` tells what is missing"
        name = os.fspath(self.path)
        raise SessionError(f"{name}: writing failed ({words[:300]}): {advice}") from error
