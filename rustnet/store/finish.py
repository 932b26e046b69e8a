"""The end of a run: store the remaining rows and run the final passes, on two threads where that is faster."""

import contextlib
import os
import threading
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from rustnet.columnar import Column
from rustnet.store.batches import Layout, insert, pieces
from rustnet.store.items import Work
from rustnet.store.session import session_cursor
from rustnet.store.storing import is_fatal, make_permanent, one_line

if TYPE_CHECKING:
    import duckdb

    from rustnet.store.writer import Writer

PLANNING = 40_000
"""Values that are stored in the time in which an INSERT is planned."""
NamedWork = tuple[str, Work]
"""A pass: its name, and its function."""
SHARED_TABLES = 8
"""Number of tables with waiting rows from which a second thread saves time."""


class SecondConnection(threading.Thread):
    """Runs work over a cursor while the context block runs; raises the work's error when the block ends.

    Planning, small commits and a checkpoint use one core, whatever DuckDB may use.
    """

    def __init__(self, con: "duckdb.DuckDBPyConnection", work: Work) -> None:
        super().__init__(name="rustnet-writer-2", daemon=True)
        self.con = session_cursor(con)
        self.work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        """Run the work and keep its error."""
        try:
            self.work(self.con)
        except BaseException as error:  # noqa: BLE001 - raised in the writer's thread
            self.error = error
        finally:
            self.con.close()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.join()
        if error is None and self.error is not None:
            raise self.error


class DiskFlush:
    """Starts writing a file's cached pages to disk, so that the checkpoint does not wait for them.

    The descriptor stays open until DuckDB has closed the file: closing any descriptor of a file gives up the
    process's lock on it.
    """

    def __init__(self) -> None:
        self._descriptor = -1
        self._thread: threading.Thread | None = None

    def start(self, path: str) -> None:
        """Begin in a thread."""
        if not hasattr(os, "fdatasync"):
            return
        with contextlib.suppress(OSError):
            self._descriptor = os.open(path, os.O_RDONLY)
            self._thread = threading.Thread(target=self._sync, name="rustnet-flush", daemon=True)
            self._thread.start()

    def _sync(self) -> None:
        with contextlib.suppress(OSError):  # the checkpoint reports it
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Wait for the thread and close the descriptor."""
        if self._thread is not None:
            self._thread.join()
            os.close(self._descriptor)


def finish(writer: "Writer", first: Sequence[NamedWork], second: Sequence[NamedWork], tables: Collection[type]) -> None:
    """Store the waiting rows and run all passes, on two threads where rows of many tables wait.

    The writer's thread stores the rows of ``tables`` and about half of the others, and runs ``first`` without waiting
    for the second thread. The captures' rows are marked complete only after all their rows are stored. A pass that
    fails costs no row: these are committed before.
    """
    if len(writer.waiting) < SHARED_TABLES:
        writer.commit_all(checkpoint=False)
        run_passes(writer, [*second, *first])
        return
    writer.borrowed = False
    writer.con.execute("SET checkpoint_threshold = '1TB'")  # one checkpoint at the end instead of one per commit
    share = SecondShare([(layout, writer.take_held(layout)) for layout in second_share(writer.waiting, tables)], second)
    with SecondConnection(writer.con, share.work):
        try:
            for layout in list(writer.held):
                writer.insert_held(layout)
            writer.commit_transaction(checkpoint=False)
            # The next transaction begins by reading: it could not while the other thread commits.
            writer.con.execute("FROM meta LIMIT 0")
            share.others_stored = True
        finally:
            share.first_done.set()
        writer.disk_flush.start(writer.path)
        run_passes(writer, first)
    writer.commit_transaction(checkpoint=False)
    if share.refused is not None:
        for layout, batches in share.batches:
            writer.storing.insert(layout, batches)
        writer.commit_transaction(checkpoint=False)
        run_passes(writer, second)
    for name, why in share.passes_refused:
        writer.report_pass(name, why)


def run_passes(writer: "Writer", passes: Sequence[NamedWork]) -> None:
    """Run passes one after another, each after the commit of what the one before changed."""
    for number, (name, work) in enumerate(passes):
        if number:
            writer.commit_transaction(checkpoint=False)
        writer.attempt(name, work)


class SecondShare:
    """What the second thread does at the end: store batches, then run its passes."""

    def __init__(self, batches: list[tuple[Layout, list[dict[str, Column]]]], passes: Sequence[NamedWork]) -> None:
        self.batches = batches
        self.passes = passes
        self.first_done = threading.Event()
        self.others_stored = False
        """The first thread has stored its share."""
        self.refused: str | None = None
        """Why none of the batches was stored; the first thread stores what it can of them."""
        self.passes_refused: list[tuple[str, str]] = []
        """Names of the passes that DuckDB refused, and why."""

    def work(self, con: "duckdb.DuckDBPyConnection") -> None:
        """Run on a connection of its own."""
        self.refused = refusal(con, self._store)
        if not self.others_stored or self.refused is not None:
            return
        for name, work in self.passes:
            why = refusal(con, work)
            if why is not None:
                self.passes_refused.append((name, why))

    def _store(self, con: "duckdb.DuckDBPyConnection") -> None:
        try:
            for layout, batches in reversed(self.batches):
                for piece in pieces(batches):
                    insert(con, layout, piece)
        finally:
            self.first_done.wait()  # commits wait for each other, and nothing waits for this one


def refusal(con: "duckdb.DuckDBPyConnection", work: Work) -> str | None:
    """Run work in a transaction; returns why DuckDB refused it, with nothing changed."""
    con.execute("BEGIN")
    try:
        work(con)
        con.execute("COMMIT")
    except Exception as error:
        if is_fatal(error):
            raise
        with contextlib.suppress(Exception):  # there is none after a COMMIT that failed
            con.execute("ROLLBACK")
        return one_line(error)
    return None


def second_share(waiting: Mapping[Layout, int], tables: Collection[type]) -> list[Layout]:
    """Layouts that the second thread stores: none of ``tables``, and about half of the work."""
    cost = {layout: count * len(layout[1]) + PLANNING for layout, count in waiting.items()}
    first_cost = sum(value for layout, value in cost.items() if layout[0] in tables)
    share: list[Layout] = []
    second_cost = 0
    for layout in sorted(cost, key=cost.__getitem__, reverse=True):
        if layout[0] in tables:
            continue
        if first_cost < second_cost:
            first_cost += cost[layout]
        else:
            share.append(layout)
            second_cost += cost[layout]
    return share


def execute_last(writer: "Writer", work: Work) -> None:
    """Run work that reads what is stored while a checkpoint makes that permanent."""
    writer.commit_all(checkpoint=False)
    # More threads would take the core from the checkpoint, which uses one; afterwards the work may use them.

    def checkpoint(con: "duckdb.DuckDBPyConnection") -> None:
        writer.storing.permanent = make_permanent(con)
        con.execute("RESET threads")

    with SecondConnection(writer.con, checkpoint):
        work(writer.con)
