"""The one writer of a session: a thread that opens it and stores batches beside the engine.

Batches go through a short queue, so that neither side can run ahead of the other by more than a few of them: memory
stays bounded whatever the size of the input. Rows gather over captures until there are enough for one INSERT. A
transaction is committed every `COMMIT_ROWS` rows or `COMMIT_SECONDS`; what a killed process had committed is there
afterwards, and its capture's ``complete`` is false.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rustnet.columnar import Column, copied, length
from rustnet.errors import SessionError
from rustnet.store.arrow import ArrowStream
from rustnet.store.rows import Row, insert_sql, protocol_batch, record_batch
from rustnet.store.session import ATTACHED, create_or_open
from rustnet.store.tables import Capture

if TYPE_CHECKING:
    import duckdb

COMMIT_ROWS = 4_000_000
COMMIT_SECONDS = 10.0
BEGIN_SECONDS = 1.0
"""A capture's beginning is committed at once if the last commit is older than this."""
HOLD_ROWS = 20_000
"""Rows of one table that wait for more; small inserts are slow."""
COPY_ROWS = 5_000
"""Fewer rows are copied where they wait."""
HOLD_ALL = 100_000
"""Rows of all tables that wait."""
QUEUE_LENGTH = 4
SHARED_TABLES = 8
"""Tables whose rows wait at the end of the captures that are worth a second thread."""


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
Kind = tuple[str, tuple[str, ...]]
"""An INSERT, and the columns that its batches have, in their order."""


class Ending:
    """Says that no more batches come."""


Item = tuple[int, list[Batch], bool] | Capture | Ending | Callable[[], None]
"""What the thread takes: batches of a capture, a capture's row, or work on the connection."""


def insert(con: "duckdb.DuckDBPyConnection", sql: str, batches: "list[dict[str, Column]]") -> None:
    """Run an INSERT, which reads the batches by the name ``batch``."""
    batch = ArrowStream(batches)
    try:
        con.execute(sql)
    finally:
        batch.close()


class _Beside(threading.Thread):
    """Work over a cursor, beside the block that this is the context of; what goes wrong is raised at the block's end.

    Planning, small commits and a checkpoint use one core, whatever DuckDB may use. With ``commit`` the work is a
    transaction of its own.
    """

    def __init__(
        self, con: "duckdb.DuckDBPyConnection", work: "Callable[[duckdb.DuckDBPyConnection], Any]", *, commit: bool
    ) -> None:
        super().__init__(name="rustnet-writer-2", daemon=True)
        self.con = con.cursor()
        self.work = work
        self.commit = commit
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do the work."""
        try:
            self.con.execute(f"USE {ATTACHED}" + ("; BEGIN" if self.commit else ""))
            self.work(self.con)
            if self.commit:
                self.con.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - handed to the writer's thread
            self.error = error
        finally:
            self.con.close()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.join()
        if error is None and self.error is not None:
            raise self.error


class Writer:
    """Stores one capture after another in a session.

    An existing session is open when the constructor returns; a new one is made by the thread meanwhile, which with
    ``later`` begins at `start` or when there is something to store. `query` and `run` wait for the thread to have
    stored what came before. An error of the thread (a full disk, say) is raised by the next call.
    """

    def __init__(self, path: str, tables: Sequence[type], *, later: bool = False) -> None:
        self.path = path
        self.tables = tables
        self.fresh = not Path(path).exists()
        self.capture_id = 0
        self.error: BaseException | None = None
        self.raised = False
        self.pending = 0
        self.committed_at = -COMMIT_SECONDS
        self.held: dict[Kind, list[dict[str, Column]]] = {}
        """Batches that wait."""
        self.waiting: dict[Kind, int] = {}
        """Rows that wait."""
        self.shared = False
        """The last rows were stored by two threads, and are committed."""
        self.captures: dict[int, Capture] = {}
        """Captures whose row is to be stored."""
        self.noted: set[int] = set()
        """Captures whose stored row is not the final one."""
        self.queue: queue.Queue[Item | None] = queue.Queue(QUEUE_LENGTH)
        self.thread = threading.Thread(target=self._run, name="rustnet-writer", daemon=True)
        if not (later and self.fresh):
            self.start()
        if not self.fresh:
            try:
                self._call(lambda: None)
            except BaseException:
                self.queue.put(None)
                raise

    # ---- called by the ingesting thread --------------------------------------------------------------------------

    def start(self) -> None:
        """Begin, if that has not happened: import DuckDB and open the session."""
        if self.thread.ident is None:
            self.thread.start()

    def next_ids(self) -> tuple[int, int]:
        """The capture id and the flow id that come next in the session as it was opened."""
        if self.fresh:
            return 1, 1
        captures, flows, packets = self.query(
            "SELECT (SELECT coalesce(max(capture_id), 0) + 1 FROM captures), "
            "(SELECT coalesce(max(flow_id), 0) + 1 FROM flows), (SELECT coalesce(max(flow_id), 0) + 1 FROM packets)"
        )[0]
        return captures, max(flows, packets)

    def earlier(self) -> list[tuple[int, str, int, str]]:
        """Captures that the session had when it was opened: id, source, size, SHA-256 (those that have one)."""
        if self.fresh:
            return []
        return self.query(
            "SELECT capture_id, source, bytes, sha256 FROM captures WHERE bytes IS NOT NULL AND sha256 IS NOT NULL"
        )

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement that runs after everything that was put before it."""
        rows: list[tuple[Any, ...]] = []
        self._call(lambda: rows.extend(self.con.execute(sql, list(parameters)).fetchall()))
        return rows

    def begin_capture(self, capture: Capture) -> None:
        """Store a capture's row, not yet complete."""
        self.capture_id = capture.capture_id
        self._send(copy(capture))

    def end_capture(self, capture: Capture) -> None:
        """Replace a capture's row by the final one."""
        self._send(copy(capture))

    def put(self, batches: list[Batch], last: bool = False) -> None:
        """Hand batches of the present capture to the thread; waits while it is `QUEUE_LENGTH` behind.

        The ``last`` ones of a capture wait for what follows: if that is the end, they are stored beside each other.
        """
        self._send((self.capture_id, batches, last))

    def commit(self) -> None:
        """Make everything so far permanent."""
        self._call(self._commit)

    def ending(self) -> None:
        """The captures are over: store what waits."""
        self._send(Ending())

    def run(self, work: "Callable[[duckdb.DuckDBPyConnection], Any]") -> Any:
        """Run ``work`` on the connection, after everything that was put before it, and return its result."""
        results: list[Any] = []
        self._call(lambda: results.append(work(self.con)))
        return results[0]

    def run_both(
        self,
        work: "Callable[[duckdb.DuckDBPyConnection], Any]",
        other: "Callable[[duckdb.DuckDBPyConnection], Any]",
    ) -> None:
        """Run two works that change different tables; beside each other where much was stored."""
        self._call(lambda: self._both(work, other))

    def ask(self, question: "Callable[[duckdb.DuckDBPyConnection], None]") -> None:
        """Run a question over what is committed, while the log is folded into the file: all else is done."""
        self._call(lambda: self._ask(question))

    def close(self) -> None:
        """Commit what can be committed and close the session; raises an error that was not raised before."""
        if not self.queue.empty():
            self.start()  # a capture began, and nothing more came
        if self.thread.is_alive():
            self.queue.put(None)
            self.thread.join()
        if not self.raised:
            self._check()

    # ---- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self.con: duckdb.DuckDBPyConnection = create_or_open(self.path, self.tables, threads=1, small_groups=True)
        except BaseException as error:  # noqa: BLE001 - handed to the ingesting thread
            self.error = error
            while self.queue.get() is not None:
                pass
            return
        try:
            self.con.execute("BEGIN")
            self._serve()
            if self.error is None:
                self._flush()
                self.con.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001
            self.error = error
        finally:
            self._end()

    def _serve(self) -> None:
        """Take what comes until the end is announced."""
        while True:
            item = self.queue.get()
            if item is None:
                return
            if self.error is not None:  # keep the queue moving so that nobody waits for ever
                continue
            try:
                self._take(item)
            except BaseException as error:  # noqa: BLE001 - handed to the ingesting thread
                self.error = error

    def _end(self) -> None:
        """Close the session, which folds its log into the file."""
        try:
            self.con.close()
        except Exception as error:  # noqa: BLE001
            self.error = self.error or error

    def _take(self, item: "Item") -> None:
        patience = COMMIT_SECONDS
        if isinstance(item, tuple):
            capture_id, batches, last = item
            self._insert_due()
            for batch in batches:
                self._hold(capture_id, batch)
            if not last:
                self._insert_due()
        elif isinstance(item, Capture):
            if item.capture_id not in self.captures and item.capture_id not in self.noted:
                patience = BEGIN_SECONDS
            self.captures[item.capture_id] = item
        elif isinstance(item, Ending):
            self._end_captures()
        else:
            self._flush()
            item()
        if self.pending >= COMMIT_ROWS or time.monotonic() - self.committed_at >= patience:
            self._commit()

    def _hold(self, capture_id: int, item: Batch) -> None:
        """Keep a batch until there are enough rows for its table."""
        if isinstance(item, Columns):
            batch = item.batch
            count = length(next(iter(batch.values())))
            if count < COPY_ROWS:  # it may be part of a much larger block, all of which it would keep
                batch = {name: copied(column) for name, column in batch.items()}
            if not item.protocol:
                batch["capture_id"] = np.full(count, capture_id, np.int32)
        elif isinstance(item, Rows):
            count = len(item.rows)
            batch = protocol_batch(item.cls, capture_id, item.rows) if count else {}
        else:
            count = len(item.records)
            batch = record_batch(item.cls, item.records) if count else {}
        if not count:
            return
        names = tuple(batch)
        kind = (insert_sql(item.cls, names), names)
        self.held.setdefault(kind, []).append(batch)
        self.waiting[kind] = self.waiting.get(kind, 0) + count
        self.pending += count

    def _insert_due(self) -> None:
        """Insert what has waited long enough."""
        for kind, count in list(self.waiting.items()):
            if count >= HOLD_ROWS:
                self._insert(kind)
        if sum(self.waiting.values()) >= HOLD_ALL:
            self._flush()

    def _insert(self, kind: "Kind") -> None:
        """Insert the batches that wait for one INSERT."""
        self.waiting.pop(kind)
        insert(self.con, kind[0], self.held.pop(kind))

    def _flush(self) -> None:
        """Insert everything that waits."""
        for kind in list(self.held):
            self._insert(kind)
        if not self.captures:
            return
        again = self.noted & self.captures.keys()
        if again:
            self.con.execute("DELETE FROM captures WHERE capture_id IN (SELECT unnest(?))", [sorted(again)])
        batch = record_batch(Capture, list(self.captures.values()))
        insert(self.con, insert_sql(Capture, tuple(batch)), [batch])
        self.noted = {number for number, capture in self.captures.items() if not capture.complete}
        self.captures = {}

    def _end_captures(self) -> None:
        """Store what waits; of many tables, on two threads and committed, because neither sees what the other did.

        That the captures are complete is committed later: not before all their rows are.
        """
        if len(self.waiting) < SHARED_TABLES:
            return
        self.con.execute("SET checkpoint_threshold = '1TB'")  # once, beside the question or at the end: not per commit
        most = max(self.waiting, key=lambda kind: self.waiting[kind] * len(kind[1]))
        small = [kind for kind, count in self.waiting.items() if count < HOLD_ROWS and kind != most]
        beside = [(kind[0], self.held.pop(kind)) for kind in small]
        for kind in small:
            del self.waiting[kind]

        def store(con: "duckdb.DuckDBPyConnection") -> None:
            for sql, batches in beside:
                insert(con, sql, batches)

        with _Beside(self.con, store, commit=True):
            for kind in list(self.held):
                self._insert(kind)
            self.con.execute("COMMIT")
        self._begin()
        self.shared = True

    def _both(
        self,
        work: "Callable[[duckdb.DuckDBPyConnection], Any]",
        other: "Callable[[duckdb.DuckDBPyConnection], Any]",
    ) -> None:
        if self.shared:
            with _Beside(self.con, other, commit=True):
                work(self.con)
        else:
            other(self.con)
            work(self.con)

    def _ask(self, question: "Callable[[duckdb.DuckDBPyConnection], None]") -> None:
        self.con.execute("RESET threads")
        with _Beside(self.con, lambda con: con.execute("CHECKPOINT"), commit=False):
            question(self.con)

    def _commit(self) -> None:
        self._flush()
        self.con.execute("COMMIT")
        self._begin()

    def _begin(self) -> None:
        """Begin the next transaction."""
        self.con.execute("BEGIN")
        self.pending = 0
        self.committed_at = time.monotonic()

    def _send(self, item: "Item") -> None:
        self._check()
        if not isinstance(item, Capture):
            self.start()
        while True:
            try:
                self.queue.put(item, timeout=0.5)
            except queue.Full:
                self._check()
            else:
                return

    def _call(self, work: Callable[[], None]) -> None:
        """Run ``work`` in the thread and wait for it."""
        done = threading.Event()

        def run() -> None:
            try:
                work()
            finally:
                done.set()

        self._send(run)
        while not done.wait(0.2):
            if self.error is not None or not self.thread.is_alive():
                break
        self._check()

    def _check(self) -> None:
        if self.error is None:
            return
        self.raised = True
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
