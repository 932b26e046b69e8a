"""The writer of a session: a thread that opens the file and stores batches while the engine runs.

Batches go through a short queue, which bounds memory whatever the size of the input. Rows of several captures
accumulate until there are enough for one INSERT, by rows or by bytes; those that DuckDB refuses become anomalies
(`storing.py`). A `flush` stores all rows of the capture so far, its open flows and the capture's own row as of then in
one transaction, made permanent by a checkpoint: there is no log. After a kill the session holds what the last
checkpoint had, and the capture's ``complete`` is false.
"""

import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rustnet.columnar import Column
from rustnet.errors import SessionError, StoppedError
from rustnet.i18n import _
from rustnet.store import finish
from rustnet.store.batches import Batch, Columns, Layout, as_columns, byte_count, detached, row_count
from rustnet.store.cadence import BATCH, SHORT_PASSES, Cadence
from rustnet.store.failures import writing_failed
from rustnet.store.interrupts import Interrupts
from rustnet.store.items import Call, Closing, Flush, Item, OnFlush, Work
from rustnet.store.rows import Faults, fault_words, record_batch
from rustnet.store.schema import WRITING
from rustnet.store.session import close, create_or_open, end_open_flows
from rustnet.store.storing import Storing, is_fatal, is_interrupt
from rustnet.store.tables import FLOWS_OPEN, Anomaly, Capture

if TYPE_CHECKING:
    import duckdb

QUEUE_LENGTH = 4

# Owners are written by a pass that comes after a commit: who reads meanwhile gets those known before.
_OWNER = ("process_id", "process_source", "process_contested", "unowned_reason")
_KEEP_OWNERS = f"CREATE OR REPLACE TEMP TABLE owners_before AS SELECT flow_id, {', '.join(_OWNER)} FROM {FLOWS_OPEN}"  # noqa: S608
_RESTORE_OWNERS = f"""
UPDATE {FLOWS_OPEN} AS f SET {", ".join(f"{name} = o.{name}" for name in _OWNER)}
FROM owners_before o WHERE o.flow_id = f.flow_id; DROP TABLE owners_before"""  # noqa: S608 - our own names


class Writer:
    """Stores one capture after another in a session.

    An existing session is open when the constructor returns. A new one is created by the thread, which with
    ``deferred`` starts at `start` or with the first batch. `query` and `execute` wait until the thread has stored
    everything that was put before. An error of the thread (such as a full disk) is raised by the next call.
    """

    def __init__(  # noqa: PLR0915 one attribute each
        self,
        path: str,
        tables: Sequence[type],
        *,
        deferred: bool = False,
        cadence: Cadence = BATCH,
        on_flush: OnFlush | None = None,
        on_rows: OnFlush | None = None,
        on_open: "Callable[[duckdb.DuckDBPyConnection], Closing] | None" = None,
    ) -> None:
        self.path = path
        self.cadence = cadence
        self.on_flush = on_flush
        self.on_rows = on_rows
        """Stores rows that belong to those of a flush, before both are committed; it must not fail."""
        self.on_open = on_open
        """Called in the thread with the open session; its result is closed first."""
        self.tables = tables
        self.is_new = not Path(path).exists()
        self.capture_id = 0
        self.error: BaseException | None = None
        self.raised = False
        self.pending = 0
        self.committed_at = -cadence.seconds
        self.held: dict[Layout, list[dict[str, Column]]] = {}
        """Batches that wait for an INSERT."""
        self.waiting: dict[Layout, int] = {}
        """Number of rows in `held`."""
        self.waiting_bytes: dict[Layout, int] = {}
        """Number of bytes in `held`."""
        self.crowded = False
        """DuckDB holds many bytes that a flush would write: one is due."""
        self.losses: list[str] = []
        """A sentence for everything that could not be stored or worked out."""
        self.anomalies: list[Anomaly] = []
        """What of it is not in the session yet."""
        self.faults: Faults = Counter()
        self.disk_flush = finish.DiskFlush()
        self.borrowed = False
        """The last batches of a capture are in `held`; they may be parts of larger blocks of memory."""
        self.captures: dict[int, Capture] = {}
        """Captures whose row has to be stored."""
        self.stored: dict[int, Capture] = {}
        """Captures' rows that were stored since the last commit."""
        self.stored_incomplete: set[int] = set()
        """Captures whose stored row is not final."""
        self.committed: tuple[set[int], int] = (set(), 0)
        """`stored_incomplete` and `open_flows` as of the last commit."""
        self.reading = False
        """A capture is being read: only a flush commits."""
        self.open_flows = 0
        """Number of rows in the table of open flows."""
        self.pass_seconds = float("inf")  # of the last flush; the first ones take long
        self.interrupts = Interrupts()
        self.queue: queue.Queue[Item | None] = queue.Queue(QUEUE_LENGTH)
        self.thread = threading.Thread(target=self._run, name="rustnet-writer", daemon=True)
        if not (deferred and self.is_new):
            self.start()
        if not self.is_new:
            try:
                self._execute_and_wait(lambda: None)
            except BaseException:
                self.queue.put(None)
                raise

    def start(self) -> None:
        """Start the thread unless it runs: it imports DuckDB and opens the session."""
        if self.thread.ident is None:
            self.thread.start()

    def next_ids(self) -> tuple[int, int]:
        """First free capture id and flow id of the session as it was opened."""
        if self.is_new:
            return 1, 1
        captures, flows, packets = self.query(
            "SELECT (SELECT coalesce(max(capture_id), 0) + 1 FROM captures), "
            "(SELECT coalesce(max(flow_id), 0) + 1 FROM flows), (SELECT coalesce(max(flow_id), 0) + 1 FROM packets)"
        )[0]
        return captures, max(flows, packets)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement after everything that was put before it, and return its rows."""
        rows: list[tuple[Any, ...]] = []
        self._execute_and_wait(lambda: rows.extend(self.con.execute(sql, list(parameters)).fetchall()))
        return rows

    def begin_capture(self, capture: Capture) -> None:
        """Store the row of a capture that is about to be read, not yet complete."""
        self.capture_id = capture.capture_id
        self._send(copy(capture))

    def end_capture(self, capture: Capture) -> None:
        """Replace a capture's row by the final one."""
        self._send(copy(capture))

    def put(self, batches: list[Batch], last: bool = False) -> None:
        """Queue batches of the current capture; blocks while `QUEUE_LENGTH` items are queued.

        The ``last`` batches of a capture are held until the next item: if that is `finish`, two threads share them.
        """
        self._send((self.capture_id, batches, last))

    def flush(self, capture: Capture, batches: list[Batch], open_flows: list[Columns]) -> None:
        """Make everything of the current capture so far visible and permanent; does not wait for that.

        ``capture`` is its row as of now, ``batches`` are all rows that were not put before, ``open_flows`` replace
        those of the previous flush.
        """
        self._send(Flush(copy(capture), batches, open_flows))

    def commit(self) -> None:
        """Make everything so far permanent."""
        self._execute_and_wait(self.commit_all)

    def finish(
        self, first: Sequence[finish.NamedWork], second: Sequence[finish.NamedWork], tables: Collection[type]
    ) -> None:
        """Store all rows after the last capture, and run passes that change different columns; does not wait.

        If rows of many tables wait, two threads share this. Then the ``first`` ones see only the rows of ``tables`` for
        certain, and none sees the changes of those of the other thread.
        """
        self._send(Call(lambda: finish.finish(self, first, second, tables), held=True))

    def execute(self, work: Work) -> Any:
        """Run ``work`` on the connection after everything that was put before it, and return its result."""
        results: list[Any] = []

        def run() -> None:
            results.append(work(self.con))
            self._commit_due(self.cadence.seconds)

        self._execute_and_wait(run)
        return results[0]

    def execute_pass(
        self, name: str, work: Work, capture_id: int | None = None, stopped: Callable[[], bool] | None = None
    ) -> Any:
        """As `execute`, but a failure is an anomaly and one of `losses`; the result is None then.

        Once ``stopped`` is true the work is interrupted and undone; raises `StoppedError`.
        """
        results: list[Any] = []
        given_up: list[StoppedError] = []

        def run() -> None:
            if not self.reading:
                self.commit_all(checkpoint=False)
            try:
                with self.interrupts.allowed(None if stopped is None else self.con):
                    results.append(self.attempt(name, work, capture_id, stopped))
            except Exception as error:
                if stopped is None or not stopped():
                    raise
                self.storing.give_up()
                given_up.append(StoppedError("{name}: stopped", name=name))
                if is_fatal(error) and not is_interrupt(error):
                    raise
            self._commit_due(self.cadence.seconds)

        self._execute_and_wait(run, stopped)
        if given_up:
            raise given_up[0]
        return results[0]

    def execute_last(self, work: Work) -> None:
        """Run work that reads everything stored while that is made permanent; nothing may be put after it."""
        self._execute_and_wait(lambda: finish.execute_last(self, work))

    def close(self) -> None:
        """Commit what can be committed and close the session; raises an error that was not raised before."""
        if not self.queue.empty():
            self.start()  # only the beginning of a capture was put
        if self.thread.is_alive():
            self.queue.put(None)
            self.thread.join()
        if not self.raised:
            self._check()

    def _run(self) -> None:
        try:
            self.con: duckdb.DuckDBPyConnection = create_or_open(self.path, self.tables, threads=1, small_groups=True)
        except BaseException as error:  # noqa: BLE001 - raised in the ingesting thread
            self.error = error
            while self.queue.get() is not None:
                pass
            return
        service: Closing | None = None
        try:
            if self.on_open is not None:
                service = self.on_open(self.con)
            self.con.execute(f"SET VARIABLE {WRITING} = true; BEGIN")
            self.storing = Storing(self.con, self._aborted)
            self._serve()
            if self.error is None:
                self.insert_all()
                if self.open_flows:  # the capture was not read to its end
                    end_open_flows(self.con)
                self.commit_all()
        except BaseException as error:  # noqa: BLE001
            self.error = error
        finally:
            if service is not None:
                service.close()
            self._close_session()

    def _serve(self) -> None:
        """Process items until the end mark."""
        while True:
            item = self.queue.get()
            if item is None:
                return
            if self.error is not None:  # keep emptying the queue so that the other thread does not block
                continue
            try:
                self._process(item)
            except BaseException as error:  # noqa: BLE001 - raised in the ingesting thread
                self.error = error

    def _close_session(self) -> None:
        try:
            if self.error is None:
                self.storing.finish()
            close(self.con)
        except Exception as error:  # noqa: BLE001
            self.error = self.error or error
        self.disk_flush.close()

    def _process(self, item: Item) -> None:
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
            begins = item.capture_id not in self.captures and item.capture_id not in self.stored_incomplete
            if begins and self.borrowed:  # the previous capture was not the last one
                self.held = {layout: [detached(batch) for batch in held] for layout, held in self.held.items()}
                self.borrowed = False
            self.captures[item.capture_id] = item
            self.reading = False
            self._commit_due(self.cadence.begin_seconds if begins else self.cadence.seconds)
            self.reading = begins
        elif isinstance(item, Flush):
            self._store_flush(item)
        else:
            if not item.held:
                self.insert_all()
            item.run()

    def _store_flush(self, item: Flush) -> None:
        """Store a flush, and do what is to be done at each."""
        for batch in item.batches:
            self._hold(item.capture.capture_id, batch, borrow=True)
        self.captures[item.capture.capture_id] = item.capture
        self.insert_all()
        self._replace_open_flows(item)
        if self.on_rows is not None:
            self.on_rows(self.con, item.capture.capture_id)
        if self.on_flush is not None:
            on_flush, capture_id = self.on_flush, item.capture.capture_id
            # What the passes change is not worth these rows; nor is their permanence, if they take their time.
            self.commit_all(checkpoint=self.pass_seconds > SHORT_PASSES)
            begun = time.monotonic()
            self.attempt("live", lambda con: on_flush(con, capture_id), capture_id)
            self.pass_seconds = time.monotonic() - begun
        self.commit_all()

    def _commit_due(self, seconds: float) -> None:
        """Commit if it is time and no capture is stored in part."""
        late = time.monotonic() - self.committed_at >= seconds
        if (late or self.pending >= self.cadence.rows) and not (self.borrowed or self.reading):
            self.commit_all()

    def _replace_open_flows(self, flush: Flush | None) -> None:
        """Replace the rows of the table of open flows by those of a flush, or by none."""
        kept = self.open_flows and flush is not None
        if kept:  # what is stored now is read before the owners are written again
            self.con.execute(_KEEP_OWNERS)
        if self.open_flows:
            self.con.execute(f"DELETE FROM {FLOWS_OPEN}")  # noqa: S608 - our own name
        self.open_flows = 0
        if flush is not None:
            for batch in flush.open_flows:
                columns = as_columns(batch, flush.capture.capture_id)
                # Refused, they are missing until the next flush, and stored when they end.
                if self.storing.insert_once((batch.cls, tuple(columns)), columns, FLOWS_OPEN):
                    self.open_flows += row_count(columns)
                else:  # the table of owners was undone with them
                    kept = False
        if kept:
            self.con.execute(_RESTORE_OWNERS)

    def _hold(self, capture_id: int, item: Batch, *, borrow: bool) -> None:
        """Keep a batch until there are enough rows for its table; ``borrow`` its memory if that will be soon."""
        batch = as_columns(item, capture_id, self.faults)
        for (cls, name), number in self.faults.items():
            self.report("value_not_stored", fault_words(cls, name, number), capture_id, number)
        self.faults.clear()
        if not batch or not row_count(batch):
            return
        if isinstance(item, Columns) and not borrow:
            batch = detached(batch)
        layout = (item.cls, tuple(batch))
        count = row_count(batch)
        self.held.setdefault(layout, []).append(batch)
        self.waiting[layout] = self.waiting.get(layout, 0) + count
        self.waiting_bytes[layout] = self.waiting_bytes.get(layout, 0) + byte_count(batch)
        self.pending += count

    def _insert_due(self) -> None:
        """Insert the rows of tables that have enough of them."""
        cadence = self.cadence
        for layout, count in list(self.waiting.items()):
            if count >= cadence.held_rows or self.waiting_bytes[layout] >= cadence.held_bytes:
                self.insert_held(layout)
        too_many = sum(self.waiting_bytes.values()) >= cadence.held_total_bytes
        if too_many or sum(self.waiting.values()) >= cadence.held_total:
            self.insert_all()
        self.crowded = self.storing.loose_bytes >= cadence.loose_bytes

    def take_held(self, layout: Layout) -> list[dict[str, Column]]:
        """Remove and return the held batches of one layout."""
        del self.waiting[layout], self.waiting_bytes[layout]
        return self.held.pop(layout)

    def insert_held(self, layout: Layout) -> None:
        """Insert the held batches of one layout."""
        self.storing.insert(layout, self.take_held(layout))

    def insert_all(self) -> None:
        """Insert all held batches, what was lost of them, and the rows of captures."""
        self.borrowed = False
        for layout in list(self.held):
            self.insert_held(layout)
        self._report_losses()
        if self.captures and not self._insert_captures():
            self._insert_captures()

    def _insert_captures(self) -> bool:
        """Insert the rows of captures, instead of incomplete ones; false if that was refused."""
        replaced = self.stored_incomplete & self.captures.keys()
        if replaced:
            self.con.execute("DELETE FROM captures WHERE capture_id IN (SELECT unnest(?))", [sorted(replaced)])
        batch = record_batch(Capture, list(self.captures.values()))
        if not self.storing.insert_once((Capture, tuple(batch)), batch):
            return False
        self.stored_incomplete -= self.captures.keys()
        self.stored_incomplete |= {number for number, capture in self.captures.items() if not capture.complete}
        self.stored |= self.captures
        self.captures = {}
        return True

    def _aborted(self) -> None:
        """Take back what an aborted transaction had changed beside its rows, so that it is done again."""
        incomplete, open_flows = self.committed
        self.stored_incomplete = set(incomplete)
        self.captures = {**self.stored, **self.captures}
        self.stored = {}
        self.open_flows = 0
        if open_flows:
            self.con.execute(f"DELETE FROM {FLOWS_OPEN}")  # noqa: S608 - our own name

    def report(self, kind: str, detail: str, capture_id: int | None, count: int) -> None:
        """Keep an anomaly that the writer itself found for the next INSERT of all tables."""
        self.anomalies.append(Anomaly(None, capture_id or self.capture_id, None, None, kind, detail, None, count))

    def _report_losses(self) -> None:
        """Store what could not be stored as anomalies."""
        losses, self.storing.losses = self.storing.losses, Counter()
        for loss, count in losses.items():
            self.report("row_not_stored", f"{loss.table}: {loss.why}", loss.capture_id, count)
            sentence = _("{name}: {count:,} rows of {table} could not be stored ({why})")
            self.losses.append(sentence.format(name=self.path, count=count, table=loss.table, why=loss.why))
        if self.anomalies:
            batch = record_batch(Anomaly, self.anomalies)
            self.anomalies = []
            self.storing.insert((Anomaly, tuple(batch)), [batch])
            self.storing.losses.clear()  # of anomalies alone: they are in the summary

    def attempt(
        self, name: str, work: Work, capture_id: int | None = None, stopped: Callable[[], bool] | None = None
    ) -> Any:
        """Run a pass; if it fails, that is reported and the result is None."""
        results: list[Any] = []
        why = self.storing.attempt(lambda con: results.append(work(con)), stopped)
        if why is None:
            return results[0]
        self.report_pass(name, why, capture_id)
        return None

    def report_pass(self, name: str, why: str, capture_id: int | None = None) -> None:
        """Report a pass that failed."""
        self.report("pass_failed", f"{name}: {why}", capture_id, 1)
        sentence = _("{path}: the pass {name} could not be completed ({why}); try `rustnet refresh {path}`")
        self.losses.append(sentence.format(path=self.path, name=name, why=why))

    def commit_all(self, checkpoint: bool = True) -> None:
        """Insert everything that is held and commit, permanently with ``checkpoint``."""
        for _attempt in range(2):  # after an aborted transaction the captures' rows have to be stored again
            self.insert_all()
            if self.commit_transaction(checkpoint):
                break

    def commit_transaction(self, checkpoint: bool) -> bool:
        """Commit what is inserted and begin the next transaction; false if that was refused (`Storing.commit`)."""
        done = self.storing.commit(checkpoint)
        if done:
            self.stored = {}
            self.committed = (set(self.stored_incomplete), self.open_flows)
        self.crowded = False
        self.pending = 0
        self.committed_at = time.monotonic()
        return done

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

    def _execute_and_wait(self, work: Callable[[], None], stopped: Callable[[], bool] | None = None) -> None:
        """Run ``work`` in the thread and wait for it to end; interrupt its statements once ``stopped`` is true."""
        done = threading.Event()

        def run() -> None:
            try:
                work()
            finally:
                done.set()

        self._send(Call(run, held=False))
        while not done.wait(0.1):
            if stopped is not None and stopped():
                self.interrupts.interrupt()
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
        raise writing_failed(os.fspath(self.path), error) from error
