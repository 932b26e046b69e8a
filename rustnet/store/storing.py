"""`Storing`: INSERTs in long transactions, and what follows from a statement that DuckDB refuses.

Any error aborts the whole transaction. What was inserted in it is kept, up to `KEPT_BYTES`, until it is committed:
after an error these rows are stored once more, and the refused ones in ever smaller parts, each in a transaction of its
own. Rows that cannot be stored are counted (`Loss`). A full or failing disk is not a matter of single rows: it is
raised.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rustnet.columnar import Column
from rustnet.errors import SessionError, StoppedError
from rustnet.records import table_name
from rustnet.store.batches import Layout, byte_count, halves, insert, pieces, row_count
from rustnet.store.session import ROW_GROUP

if TYPE_CHECKING:
    import duckdb

KEPT_BYTES = 16 << 20
"""Bytes of uncommitted rows that are kept, to be stored again."""
MOST_ATTEMPTS = 4_000
"""INSERTs that are tried for the rows of one aborted transaction; the rest is lost."""
CHECKPOINT_SECONDS = 0.1
"""Time for which a checkpoint is tried that statements of readers prevent; the next commit tries it again."""
LAST_CHECKPOINT_SECONDS = 30.0
"""The same for the last one of a run, when no reader is served any more."""
WHY = 200
"""Characters of DuckDB's message in an anomaly."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Rows of a table and a capture that were not stored, and why."""

    capture_id: int | None
    table: str
    why: str


@dataclass(frozen=True, slots=True)
class _Inserted:
    """Batches of one INSERT."""

    layout: Layout
    batches: list[dict[str, Column]]

    def owners(self) -> Counter[tuple[int | None, str]]:
        """Number of rows by capture and table."""
        name = table_name(self.layout[0])
        counted: Counter[tuple[int | None, str]] = Counter()
        for batch in self.batches:
            captures = batch.get("capture_id")
            capture_id = int(captures[0]) if captures is not None else None
            counted[capture_id, name] += row_count(batch)
        return counted


def is_fatal(error: BaseException) -> bool:
    """Whether an error is one of the disk, of the whole database, or an interrupt, not of the rows of a statement."""
    import duckdb  # noqa: PLC0415 - costs 40 ms

    if not isinstance(error, Exception) or isinstance(error, OSError | StoppedError):
        return True
    if isinstance(error, duckdb.IOException | duckdb.InterruptException | duckdb.FatalException):
        return True
    words = str(error)
    return "No space left" in words or "has been invalidated" in words


def is_interrupt(error: BaseException) -> bool:
    """Whether an error only means that work was stopped."""
    import duckdb  # noqa: PLC0415 - costs 40 ms

    return isinstance(error, StoppedError | duckdb.InterruptException)


def make_permanent(con: "duckdb.DuckDBPyConnection", seconds: float = CHECKPOINT_SECONDS) -> bool:
    """Write all that is committed into the file; false if readers prevented it for some seconds.

    DuckDB keeps the earlier versions of changed rows as long as a statement works that began before the change, and
    refuses a checkpoint meanwhile. The next one includes what this one would have written.
    """
    import duckdb  # noqa: PLC0415 - costs 40 ms

    until = time.monotonic() + seconds
    while True:
        try:
            con.execute("CHECKPOINT")
        except duckdb.TransactionException as error:
            if "other write transactions" not in str(error):
                raise
            if time.monotonic() >= until:
                return False
            time.sleep(0.005)
        else:
            return True


def one_line(error: BaseException) -> str:
    """The beginning of an error's message, on one line."""
    return " ".join(f"{error}".split())[:WHY] or type(error).__name__


class Storing:
    """The INSERTs of the writer's connection, and its transaction, which the caller begins."""

    def __init__(self, con: "duckdb.DuckDBPyConnection", on_abort: Callable[[], None]) -> None:
        self.con = con
        self.on_abort = on_abort
        """Called after an aborted transaction was made up for: other changes of it have to be repeated."""
        self.aborts = 0
        self.permanent = True
        """All that is committed is in the file."""
        self.losses: Counter[Loss] = Counter()
        """Numbers of rows that were not stored."""
        self.begin()

    def begin(self) -> None:
        """Forget what was inserted: it is committed."""
        self.kept: list[_Inserted] | None = []
        """The INSERTs of this transaction; None if they are too many to keep."""
        self.kept_bytes = 0
        self.uncommitted: Counter[tuple[int | None, str]] = Counter()
        self.loose: dict[Layout, tuple[int, int]] = {}
        """Rows and bytes by layout that are in no full row group yet."""

    @property
    def loose_bytes(self) -> int:
        """Bytes of rows that DuckDB has not written yet, as their row groups are not full."""
        return sum(size for _, size in self.loose.values())

    def insert(self, layout: Layout, batches: list[dict[str, Column]]) -> None:
        """Insert batches, or as many of their rows as DuckDB takes."""
        for piece in pieces(batches):
            each = _Inserted(layout, piece)
            try:
                insert(self.con, layout, piece)
            except Exception as error:
                if is_fatal(error):
                    raise
                self.recover(error, each)
            else:
                self._keep(each)

    def insert_once(self, layout: Layout, batch: dict[str, Column], table: str | None = None) -> bool:
        """Insert rows that the caller can produce again, into ``table`` if given; false if DuckDB refuses them."""
        try:
            for piece in pieces([batch]):
                insert(self.con, layout, piece, table)
        except Exception as error:
            if is_fatal(error):
                raise
            self.recover(error)
            return False
        return True

    def _keep(self, each: _Inserted) -> None:
        size = sum(map(byte_count, each.batches))
        owners = each.owners()
        self.uncommitted.update(owners)
        rows, loose = self.loose.get(each.layout, (0, 0))
        rows += owners.total()
        loose += size
        if rows >= ROW_GROUP:
            rows, loose = rows % ROW_GROUP, loose * (rows % ROW_GROUP) // rows
        self.loose[each.layout] = rows, loose
        self.kept_bytes += size
        if self.kept is not None and self.kept_bytes <= KEPT_BYTES:
            self.kept.append(each)
        else:
            self.kept = None

    def commit(self, checkpoint: bool = True) -> bool:
        """Commit, make that permanent with ``checkpoint``, and begin a transaction; false if it was refused.

        Then its rows were stored again, in other transactions.
        """
        try:
            self.con.execute("COMMIT")
        except Exception as error:
            if is_fatal(error):
                raise
            self.recover(error)
            return False
        self.begin()
        self.permanent = checkpoint and make_permanent(self.con)
        self.con.execute("BEGIN")
        return True

    def finish(self) -> None:
        """Make permanent what statements of readers prevented, which have ended now."""
        if not self.permanent:
            self.con.execute("ROLLBACK")
            self.permanent = make_permanent(self.con, LAST_CHECKPOINT_SECONDS)
            if not self.permanent:
                raise SessionError("the last rows could not be written into the session's file")

    def recover(self, error: Exception, refused: _Inserted | None = None) -> None:
        """Store an aborted transaction's rows in transactions of their own, without those that DuckDB refuses."""
        self.aborts += 1
        with contextlib.suppress(Exception):  # there is none after a COMMIT that failed
            self.con.execute("ROLLBACK")
        why = one_line(error)
        again = self.kept or []
        if self.kept is None:
            for (capture_id, table), count in self.uncommitted.items():
                self.losses[Loss(capture_id, table, why)] += count
        self.begin()
        attempts = MOST_ATTEMPTS
        for each in again if refused is None else [*again, refused]:
            attempts = self._store_alone(each, attempts, why)
        self.con.execute("BEGIN")
        self.on_abort()

    def _store_alone(self, each: _Inserted, attempts: int, why: str) -> int:
        """Store rows in transactions of their own, divided where DuckDB refuses them; returns the attempts left."""
        waiting = list(reversed(each.batches))
        while waiting:
            batch = waiting.pop()
            if attempts > 0:
                attempts -= 1
                refused = self._try_alone(each, batch)
                if refused is None:
                    continue
                why = refused
                if row_count(batch) > 1:
                    waiting += reversed(halves(batch))
                    continue
            for (capture_id, table), count in _Inserted(each.layout, [batch]).owners().items():
                self.losses[Loss(capture_id, table, why)] += count
        return attempts

    def _try_alone(self, each: _Inserted, batch: dict[str, Column]) -> str | None:
        """Store one batch in a transaction of its own; returns why DuckDB refused it."""
        self.con.execute("BEGIN")
        try:
            insert(self.con, each.layout, [batch])
            self.con.execute("COMMIT")
        except Exception as error:
            if is_fatal(error):
                raise
            with contextlib.suppress(Exception):
                self.con.execute("ROLLBACK")
            return one_line(error)
        return None

    def give_up(self) -> None:
        """Undo everything since the last commit, and begin a transaction."""
        with contextlib.suppress(Exception):  # an error may have ended it
            self.con.execute("ROLLBACK")
        self.begin()
        self.con.execute("BEGIN")

    def attempt(
        self, work: "Callable[[duckdb.DuckDBPyConnection], object]", stopped: "Callable[[], bool] | None" = None
    ) -> str | None:
        """Run work in the transaction; returns why DuckDB refused it; the rows before it are stored again.

        Once it is ``stopped``, every error is raised: an interrupted statement makes others fail.
        """
        try:
            work(self.con)
        except Exception as error:
            if is_fatal(error) or (stopped is not None and stopped()):
                raise
            self.recover(error)
            return one_line(error)
        return None
