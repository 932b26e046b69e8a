"""The one writer of a session: a thread that opens it and stores batches beside the engine.

Batches go through a short queue, so that neither side can run ahead of the other by more than a few of them: memory
stays bounded whatever the size of the input. Rows gather over captures until there are enough for one INSERT. A `flush`
brings all rows of the capture so far, the flows that are open and the capture's own row up to then; it is one
transaction, made permanent by a checkpoint: there is no log. What a killed process had made permanent is there
afterwards, and its capture's ``complete`` is false.
"""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Collection, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rustnet.columnar import Column
from rustnet.errors import SessionError
from rustnet.store.batches import Batch, Columns, Kind, as_columns, insert, owned, rows_of
from rustnet.store.cadence import BATCH, Cadence
from rustnet.store.items import Call, Closing, Flush, Item, OnFlush, Work
from rustnet.store.rows import record_batch
from rustnet.store.schema import WRITING
from rustnet.store.session import ATTACHED, create_or_open, end_open_flows
from rustnet.store.tables import FLOWS_OPEN, Capture

if TYPE_CHECKING:
    import duckdb

PLANNING = 40_000
"""Values that are stored in the time in which an INSERT is planned."""
QUEUE_LENGTH = 4
SHARED_TABLES = 8
"""Tables whose rows wait at the end of the captures that are worth a second thread."""


class _Beside(threading.Thread):
    """Work over a cursor, beside the block that this is the context of; what goes wrong is raised at the block's end.

    Planning, small commits and a checkpoint use one core, whatever DuckDB may use.
    """

    def __init__(self, con: "duckdb.DuckDBPyConnection", work: Work) -> None:
        super().__init__(name="rustnet-writer-2", daemon=True)
        self.con = con.cursor()
        self.work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do the work."""
        try:
            self.con.execute(f"USE {ATTACHED}")
            self.work(self.con)
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

    def __init__(
        self,
        path: str,
        tables: Sequence[type],
        *,
        later: bool = False,
        cadence: Cadence = BATCH,
        on_flush: OnFlush | None = None,
        opened: "Callable[[duckdb.DuckDBPyConnection], Closing] | None" = None,
    ) -> None:
        self.path = path
        self.cadence = cadence
        self.on_flush = on_flush
        self.opened = opened
        """Called in the thread when the session is open; what it returns is closed before the session."""
        self.tables = tables
        self.fresh = not Path(path).exists()
        self.capture_id = 0
        self.error: BaseException | None = None
        self.raised = False
        self.pending = 0
        self.committed_at = -cadence.seconds
        self.held: dict[Kind, list[dict[str, Column]]] = {}
        """Batches that wait."""
        self.waiting: dict[Kind, int] = {}
        """Rows that wait."""
        self.ahead: threading.Thread | None = None
        """What lets the system write ahead of the last checkpoint, and through which descriptor."""
        self.descriptor = -1
        self.borrowed = False
        """The last batches of a capture wait; they may be parts of larger blocks."""
        self.captures: dict[int, Capture] = {}
        """Captures whose row is to be stored."""
        self.noted: set[int] = set()
        """Captures whose stored row is not the final one."""
        self.reading = False
        """A capture has begun and not ended: only a flush commits."""
        self.open_flows = 0
        """Rows of the table of open flows."""
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

        The ``last`` ones of a capture wait for what follows: if that is `end`, two threads may share them.
        """
        self._send((self.capture_id, batches, last))

    def flush(self, capture: Capture, batches: list[Batch], open_flows: Columns) -> None:
        """Have everything of the present capture so far become visible and permanent; does not wait for that.

        ``capture`` is its row as of now, ``batches`` all rows that were not put before, ``open_flows`` replace those of
        the flush before.
        """
        self._send(Flush(copy(capture), batches, open_flows))

    def commit(self) -> None:
        """Make everything so far permanent."""
        self._call(self._commit)

    def end(self, first: Work, second: Work, tables: Collection[type]) -> None:
        """The captures are over: store what waits, and run two works that change different tables; does not wait.

        Where much waits, two threads share this. ``first`` may not see the rows of others than ``tables`` then, and
        neither sees what the other one changes.
        """
        self._send(Call(lambda: self._end_captures(first, second, tables), held=True))

    def run(self, work: Work) -> Any:
        """Run ``work`` on the connection, after everything that was put before it, and return its result."""
        results: list[Any] = []

        def run() -> None:
            results.append(work(self.con))
            self._commit_due(self.cadence.seconds)

        self._call(run)
        return results[0]

    def ask(self, question: Work) -> None:
        """Run a question over all that is stored, while that is made permanent: nothing comes after it."""
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

    def _run(self) -> None:
        try:
            self.con: duckdb.DuckDBPyConnection = create_or_open(self.path, self.tables, threads=1, small_groups=True)
        except BaseException as error:  # noqa: BLE001 - handed to the ingesting thread
            self.error = error
            while self.queue.get() is not None:
                pass
            return
        service: Closing | None = None
        try:
            if self.opened is not None:
                service = self.opened(self.con)
            self.con.execute(f"SET VARIABLE {WRITING} = true; BEGIN")
            self._serve()
            if self.error is None:
                self._flush()
                if self.open_flows:  # the capture was given up
                    end_open_flows(self.con)
                self.con.execute("COMMIT; CHECKPOINT")
        except BaseException as error:  # noqa: BLE001
            self.error = error
        finally:
            if service is not None:
                service.close()
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
        """Close the session."""
        try:
            self.con.close()
        except Exception as error:  # noqa: BLE001
            self.error = self.error or error
        if self.ahead is not None:
            self.ahead.join()
            os.close(self.descriptor)

    def _take(self, item: Item) -> None:
        if isinstance(item, tuple):
            capture_id, batches, last = item
            self._insert_due()
            for batch in batches:
                self._hold(capture_id, batch, borrow=last)
            self.borrowed = last
            if not last:
                self._insert_due()
            else:
                self._replace_open_flows(None)
        elif isinstance(item, Capture):
            begins = item.capture_id not in self.captures and item.capture_id not in self.noted
            if begins and self.borrowed:  # the capture before was not the last one
                self.held = {kind: [owned(batch) for batch in held] for kind, held in self.held.items()}
                self.borrowed = False
            self.captures[item.capture_id] = item
            self.reading = False
            self._commit_due(self.cadence.begin_seconds if begins else self.cadence.seconds)
            self.reading = begins
        elif isinstance(item, Flush):
            for batch in item.batches:
                self._hold(item.capture.capture_id, batch, borrow=True)
            self.captures[item.capture.capture_id] = item.capture
            self._flush()
            self._replace_open_flows(item)
            if self.on_flush is not None:
                self.on_flush(self.con, item.capture.capture_id)
            self._commit()
        else:
            if not item.held:
                self._flush()
            item.run()

    def _commit_due(self, patience: float) -> None:
        """Make permanent what there is, if it is time for that and no capture is only half there."""
        late = time.monotonic() - self.committed_at >= patience
        if (late or self.pending >= self.cadence.rows) and not (self.borrowed or self.reading):
            self._commit()

    def _replace_open_flows(self, flush: Flush | None) -> None:
        """Have the table of open flows hold those of a flush, or none."""
        if self.open_flows:
            self.con.execute(f"DELETE FROM {FLOWS_OPEN}")  # noqa: S608 - our own name
        self.open_flows = 0
        if flush is not None:
            columns = as_columns(flush.open_flows, flush.capture.capture_id)
            self.open_flows = rows_of(columns)
            if self.open_flows:
                insert(self.con, (flush.open_flows.cls, tuple(columns)), [columns], FLOWS_OPEN)

    def _hold(self, capture_id: int, item: Batch, *, borrow: bool) -> None:
        """Keep a batch until there are enough rows for its table; ``borrow`` if that should not be long."""
        batch = as_columns(item, capture_id)
        if not batch or not rows_of(batch):
            return
        if isinstance(item, Columns) and not borrow:
            batch = owned(batch)
        kind = (item.cls, tuple(batch))
        count = rows_of(batch)
        self.held.setdefault(kind, []).append(batch)
        self.waiting[kind] = self.waiting.get(kind, 0) + count
        self.pending += count

    def _insert_due(self) -> None:
        """Insert what has waited long enough."""
        for kind, count in list(self.waiting.items()):
            if count >= self.cadence.held_rows:
                self._insert(kind)
        if sum(self.waiting.values()) >= self.cadence.held_total:
            self._flush()

    def _insert(self, kind: "Kind") -> None:
        """Insert the batches that wait for one INSERT."""
        self.waiting.pop(kind)
        insert(self.con, kind, self.held.pop(kind))

    def _flush(self) -> None:
        """Insert everything that waits."""
        self.borrowed = False
        for kind in list(self.held):
            self._insert(kind)
        if not self.captures:
            return
        again = self.noted & self.captures.keys()
        if again:
            self.con.execute("DELETE FROM captures WHERE capture_id IN (SELECT unnest(?))", [sorted(again)])
        batch = record_batch(Capture, list(self.captures.values()))
        insert(self.con, (Capture, tuple(batch)), [batch])
        self.noted = {number for number, capture in self.captures.items() if not capture.complete}
        self.captures = {}

    def _end_captures(self, first: Work, second: Work, tables: Collection[type]) -> None:
        """Store what waits, and run both works; on two threads where rows of many tables wait.

        This thread stores those of ``tables`` and about half of all, and does not wait for the others. That the
        captures are complete is stored later: not before all their rows are.
        """
        if len(self.waiting) < SHARED_TABLES:
            self._flush()
            second(self.con)
            first(self.con)
            return
        self.borrowed = False
        self.con.execute("SET checkpoint_threshold = '1TB'")  # once, beside the question or at the end: not per commit
        theirs = self._divided(tables)
        beside = [(kind, self.held.pop(kind)) for kind in theirs]
        for kind in theirs:
            del self.waiting[kind]
        done = threading.Event()
        stored = False

        def share(con: "duckdb.DuckDBPyConnection") -> None:
            con.execute("BEGIN")
            while beside:
                insert(con, *beside.pop())
            done.wait()  # commits wait for each other, and nothing waits for this one
            con.execute("COMMIT")
            if stored:
                con.execute("BEGIN")
                second(con)
                con.execute("COMMIT")

        with _Beside(self.con, share):
            try:
                for kind in list(self.held):
                    self._insert(kind)
                # The next transaction begins by reading: it could not while the other thread commits.
                self.con.execute("COMMIT; BEGIN; FROM meta LIMIT 0")
                stored = True
            finally:
                done.set()
            if hasattr(os, "fdatasync"):
                self._write_ahead()
            first(self.con)
        self.con.execute("COMMIT")
        self._begin()

    def _divided(self, tables: Collection[type]) -> list[Kind]:
        """What waits and is not of ``tables``, as far as that is about half of the work."""
        cost = {kind: count * len(kind[1]) + PLANNING for kind, count in self.waiting.items()}
        mine = sum(value for kind, value in cost.items() if kind[0] in tables)
        others: list[Kind] = []
        theirs = 0
        for kind in sorted(cost, key=cost.__getitem__, reverse=True):
            if kind[0] in tables:
                continue
            if mine < theirs:
                mine += cost[kind]
            else:
                others.append(kind)
                theirs += cost[kind]
        return others

    def _write_ahead(self) -> None:
        """Let the system write to the disk what the session's file has got so far: the checkpoint waits for that.

        The descriptor stays open until DuckDB has closed the file: closing any of them gives up the process's lock.
        """

        def write(descriptor: int) -> None:
            with contextlib.suppress(OSError):  # the checkpoint will say it
                os.fdatasync(descriptor)

        with contextlib.suppress(OSError):
            self.descriptor = os.open(self.path, os.O_RDONLY)
            self.ahead = threading.Thread(target=write, args=(self.descriptor,), name="rustnet-flush", daemon=True)
            self.ahead.start()

    def _ask(self, question: Work) -> None:
        self._flush()
        self.con.execute("COMMIT")
        self._begin()
        # More threads would take the core from the checkpoint, which uses one; then they are for the question.
        with _Beside(self.con, lambda con: con.execute("CHECKPOINT; RESET threads")):
            question(self.con)

    def _commit(self) -> None:
        self._flush()
        self.con.execute("COMMIT; CHECKPOINT")
        self._begin()

    def _begin(self) -> None:
        """Begin the next transaction."""
        self.con.execute("BEGIN")
        self.pending = 0
        self.committed_at = time.monotonic()

    def _send(self, item: Item) -> None:
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

        self._send(Call(run, held=False))
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
        raise SessionError(
            "{name}: writing failed ({words}): {advice}", name=name, words=words[:300], advice=advice
        ) from error
