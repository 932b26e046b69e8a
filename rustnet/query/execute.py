"""Statements on a DuckDB connection: permission, early end, and exact values.

Users' SQL and saved queries have the same restrictions: a single statement that only reads, without access to files,
network or settings. Times are exact: DuckDB's Python values end at microseconds, so nanosecond columns are fetched as
integers. Readers use this through `rustnet.query.session`.
"""

import contextlib
import re
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from rustnet.errors import RustnetError, UsageError
from rustnet.i18n import _
from rustnet.present.text import printable
from rustnet.query import frames
from rustnet.query.kinds import kinds_of
from rustnet.store.schema import quote_identifier

if typing.TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    Connection = duckdb.DuckDBPyConnection

_T = typing.TypeVar("_T")

Params = Sequence[object] | Mapping[str, object]
Row = tuple[typing.Any, ...]
KindsOf = Callable[[Sequence[str], Sequence[str]], "tuple[object | None, ...]"]

MAX_SQL = 1 << 20
"""Most characters of a statement."""
BATCH_ROWS = 2048
"""Rows per fetch of a stream: one of DuckDB's vectors."""
_NAMED = 8
"""Most columns that the representation of a result names."""
LOOK_SECONDS = 0.1
"""Interval of checks whether the result is still wanted."""

_READING = ("SELECT", "EXPLAIN", "LOGICAL_PLAN", "RELATION")
EXPLAIN = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*explain\b\s*(?:analyze\b\s*)?(?:\([^()]*\)\s*)?", re.IGNORECASE | re.DOTALL
)


class QueryError(UsageError):
    """A statement that is not SQL, does not fit the session, or would do more than read."""


class QueryFailedError(RustnetError):
    """A valid statement that could not be executed, for lack of memory or because of a damaged file."""


class QueryTimeoutError(QueryFailedError):
    """A statement that exceeded its time limit."""


class QueryStoppedError(QueryFailedError):
    """A statement that was stopped because its client was gone or the writer needed its memory."""


@dataclass(frozen=True, slots=True, repr=False)
class ResultSet:
    """Rows in memory, with names and types of their columns. Notebooks show it as a table.

    >>> result = s.flows("app:http", columns="flow_id,hostname,bytes")
    >>> result.columns
    ('flow_id', 'hostname', 'bytes')
    >>> result.rows
    [(10, 'www.shop.example', 6303), (12, 'www.shop.example', 1014)]
    >>> result.types
    ('BIGINT', 'VARCHAR', 'BIGINT')
    >>> len(result), result.truncated
    (2, False)
    """

    columns: tuple[str, ...]
    """Distinct names."""
    types: tuple[str, ...]
    """DuckDB types of the columns. Of ``TIMESTAMP_NS``, the rows hold nanoseconds since 1970 UTC as integers."""
    rows: list[Row]
    """Values as Python has them, a tuple for each row."""
    truncated: bool
    """There were more rows than the limit."""
    elapsed: float
    """Duration in seconds."""
    own_kinds: KindsOf | None = None
    """A saved query's kinds of columns, by their names and types."""

    @property
    def kinds(self) -> "tuple[object | None, ...]":
        """Kinds of the columns: a saved query's own, or of the names that mean the same in every table."""
        return kinds_of(self.columns) if self.own_kinds is None else self.own_kinds(self.columns, self.types)

    def df(self) -> "pd.DataFrame":
        """Return a pandas frame: times in UTC with all nanoseconds, integers that may be missing, words as categories.

        >>> s.flows("app:http", columns="app,started_at,bytes").df().dtypes
        app                      category
        started_at    datetime64[ns, UTC]
        bytes                       Int64
        dtype: object
        """
        return frames.to_pandas(self)

    def arrow(self) -> "pa.Table":
        """Return an Arrow table, where pyarrow is installed."""
        return frames.to_arrow(self)

    def pl(self) -> "pl.DataFrame":
        """Return a Polars frame, where polars is installed."""
        return frames.to_polars(self)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the rows."""
        return iter(self.rows)

    def __bool__(self) -> bool:
        """Return True, for a result without rows, too."""
        return True

    def __repr__(self) -> str:
        """Numbers of rows and columns, and the first names."""
        names = ", ".join(self.columns[:_NAMED]) + (", …" if len(self.columns) > _NAMED else "")
        first = "first " if self.truncated else ""
        rows = f"{first}{len(self.rows):,} {'row' if len(self.rows) == 1 else 'rows'}"
        columns = f"{len(self.columns)} {'column' if len(self.columns) == 1 else 'columns'}"
        return printable(f"<ResultSet: {rows}, {columns}: {names}>")

    def _repr_html_(self) -> str:
        """Return a table for notebooks: its first rows, sizes and times readable, all text escaped."""
        from rustnet.query.html import result_html  # noqa: PLC0415 -- needed by notebooks only

        return result_html(self)


class RowStream:
    """A stream of rows, for results larger than memory. Close it, or use it in ``with``."""

    def __init__(
        self,
        columns: tuple[str, ...],
        types: tuple[str, ...],
        fetch: Callable[[int], list[Row]],
        close: Callable[[], None],
    ) -> None:
        self.columns = columns
        self.types = types
        self.own_kinds: KindsOf | None = None
        """A saved query's kinds of columns, by their names and types."""
        self._fetch = fetch
        self._close = close

    @property
    def kinds(self) -> "tuple[object | None, ...]":
        """Kinds of the columns: a saved query's own, or of the names that mean the same in every table."""
        return kinds_of(self.columns) if self.own_kinds is None else self.own_kinds(self.columns, self.types)

    def fetch(self, count: int = BATCH_ROWS) -> list[Row]:
        """Take the next rows, at most ``count``; none at the end."""
        return self._fetch(count)

    def batches(self) -> Iterator[list[Row]]:
        """Take all rows, batch by batch."""
        while batch := self.fetch():
            yield batch

    def result(self, limit: int | None = None, begun: float | None = None) -> ResultSet:
        """Take all rows, or the first ``limit`` and whether there are more. ``begun``: start by `time.perf_counter`."""
        since = time.perf_counter() if begun is None else begun
        rows: list[Row] = []
        while limit is None or len(rows) <= limit:
            batch = self.fetch(BATCH_ROWS if limit is None else min(BATCH_ROWS, limit + 1 - len(rows)))
            if not batch:
                break
            rows += batch
        truncated = limit is not None and len(rows) > limit
        if truncated:
            del rows[limit:]
        elapsed = time.perf_counter() - since
        return ResultSet(self.columns, self.types, rows, truncated, elapsed, self.own_kinds)

    def close(self) -> None:
        """Release the result."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Call(Protocol):
    """Makes one call and returns its result, in whatever way."""

    def __call__(self, work: "Callable[[], _T]") -> "_T":
        """Do ``work``."""


def call_here(work: "Callable[[], _T]") -> "_T":
    """Do ``work`` on this thread: nobody can end it early."""
    return work()


class Caller:
    """Runs the calls of one statement on another thread, so that they can be interrupted.

    DuckDB does not check for signals while it works: without this, Ctrl-C would wait for the end of a query.
    ``seconds`` limits the time of all calls together; ``gone`` reports, during a call, whether the client is gone.
    """

    def __init__(
        self,
        pool: "Executor",
        interrupt: Callable[[], None],
        seconds: float | None,
        gone: Callable[[], bool] | None = None,
    ) -> None:
        self._pool = pool
        self._interrupt = interrupt
        self._seconds = seconds
        self._left = seconds
        self._gone = gone
        self._stopped = ""

    def __call__(self, work: "Callable[[], _T]") -> "_T":
        """Run ``work`` and return its result. Raises `QueryTimeoutError`, `QueryStoppedError`, or its own error."""
        begun = time.monotonic()
        future = self._pool.submit(work)
        try:
            while not self._done(future, begun):
                pass
        except BaseException:
            self._stop(future)
            raise
        if self._left is not None:
            self._left -= time.monotonic() - begun
        if self._stopped:
            raise QueryStoppedError(self._stopped)
        return future.result()

    def stop(self, words: str | None = None) -> None:
        """Stop the statement, from any thread: the current or next call raises `QueryStoppedError`."""
        self._stopped = words or _("the query was stopped before its end; ask again, or ask for less")
        self._interrupt()

    def _done(self, future: "Future[_T]", begun: float) -> bool:
        """Wait briefly. Raises `QueryTimeoutError` after the time limit, `QueryStoppedError` if the client is gone."""
        if self._stopped:
            raise QueryStoppedError(self._stopped)
        left = LOOK_SECONDS if self._left is None else max(0.0, self._left - (time.monotonic() - begun))
        try:
            future.exception(min(left, LOOK_SECONDS))
        except TimeoutError:
            if self._left is not None and time.monotonic() - begun >= self._left:
                words = _("the query took longer than {seconds:g} s and was stopped; ask for less, or allow more time")
                raise QueryTimeoutError(words.format(seconds=self._seconds)) from None
            if self._gone is not None and self._gone():
                raise QueryStoppedError(_("the query was stopped: its client has closed the connection")) from None
            return False
        return True

    def _stop(self, future: "Future[_T]") -> None:
        """Interrupt the call until it has ended: an interrupt before DuckDB starts has no effect."""
        if future.cancel():
            return
        while not future.done():
            self._interrupt()
            with contextlib.suppress(Exception):
                future.exception(LOOK_SECONDS)


def stream(
    cursor: "Connection",
    sql: str,
    params: Params,
    call: Call,
    close: Callable[[], None],
    *,
    own: bool = False,
) -> RowStream:
    """Run one reading statement on its own cursor, and stream the rows.

    ``params`` are the values of ``?``, or, as a mapping, of ``$name``. An ``own`` statement, part of this program, is
    planned once without checks, and its values are DuckDB's. ``close`` releases the cursor. Raises `QueryError` for an
    invalid statement, `QueryFailedError` if a valid one cannot be executed.
    """
    bound = dict(params) if isinstance(params, Mapping) else list(params)
    shift = 0

    def begin() -> tuple[tuple[str, ...], tuple[str, ...]]:
        nonlocal shift
        statement, embeddable = (sql, False) if own else _reading_statement(cursor, sql)
        if not embeddable:
            cursor.execute(statement, bound)
            return _described(cursor)
        shift = 1
        cursor.execute(f"SELECT * FROM (\n{statement}\n) LIMIT 0", bound)  # noqa: S608 -- parsed and checked
        columns, types = _described(cursor)
        cursor.fetchall()
        fetched, types = _exact(statement, columns, types)
        cursor.execute(fetched, bound)
        return columns, types

    def fetch(count: int) -> list[Row]:
        return guarded(call, sql, lambda: cursor.fetchmany(count), lambda: shift)

    try:
        columns, types = guarded(call, sql, begin, lambda: shift)
    except BaseException:
        close()
        raise
    return RowStream(columns, types, fetch, close)


def guarded(call: Call, sql: str, work: "Callable[[], _T]", shift: Callable[[], int] = int) -> "_T":
    """Do ``work`` on a statement; what goes wrong is an error in one line."""
    try:
        return call(work)
    except RustnetError:
        raise
    except MemoryError as error:
        raise QueryFailedError("the query needs more memory than it may have; ask for less") from error
    except Exception as error:
        raise explained(error, sql, shift()) from error


def _described(cursor: "Connection") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return unique names and the types of a cursor's columns."""
    described = [(str(d[0]), str(d[1])) for d in cursor.description or []]
    return unique([name for name, _ in described]), tuple(kind for _, kind in described)


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Make names distinct: a second ``a`` becomes ``a_1``, as DuckDB itself does in subqueries."""
    seen: set[str] = set()
    distinct = []
    for name in names:
        candidate, number = name, 0
        while candidate in seen:
            number += 1
            candidate = f"{name}_{number}"
        seen.add(candidate)
        distinct.append(candidate)
    return tuple(distinct)


def _exact(statement: str, columns: Sequence[str], types: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Wrap a statement so that Python gets exact values, in types that need no time zone package."""
    names = [f"c{number}" for number in range(len(columns))]
    exact = [_exact_column(f"t.{name}", kind) for name, kind in zip(names, types, strict=True)]
    shown = ", ".join(f"{sql} AS {quote_identifier(name)}" for (sql, _), name in zip(exact, columns, strict=True))
    wrapped = f"SELECT {shown} FROM (\n{statement}\n) AS t({', '.join(names)})"  # noqa: S608 -- parsed and checked
    return wrapped, tuple(kind for _, kind in exact)


def _exact_column(column: str, kind: str) -> tuple[str, str]:
    """Return the expression that fetches a column, and the type of its values."""
    if kind in ("TIMESTAMP_NS", "TIMESTAMPTZ_NS", "TIMESTAMP_NS WITH TIME ZONE"):
        return f"epoch_ns({column})", "TIMESTAMP_NS"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"make_timestamp(epoch_us({column}))", "TIMESTAMP"
    simple = kind == "TIME" or (kind.startswith("TIMESTAMP") and not kind.endswith("]")) or kind.startswith("ENUM")
    if simple or ("TIME" not in kind and kind != "INTERVAL"):
        return column, kind
    text = "VARCHAR[]" if kind.endswith("[]") and kind.count("[") == 1 and "(" not in kind else "VARCHAR"
    return f"CAST({column} AS {text})", text


def _reading_statement(cursor: "Connection", sql: str) -> tuple[str, bool]:
    """Check a statement; return it without its end mark, and whether it can be a subquery."""
    kind = check_reading(cursor, sql)
    return _bare(sql), kind != "EXPLAIN"


def check_reading(cursor: "Connection", sql: str) -> str:
    """Check that ``sql`` is one statement that reads, and return its kind. Raises `QueryError`."""
    if len(sql) > MAX_SQL:
        raise QueryError("SQL: longer than {max_sql} characters", max_sql=MAX_SQL)
    if any("\ud800" <= char <= "\udfff" or char == "\0" for char in sql):
        raise QueryError("SQL: not text (a character that is not Unicode, or NUL)")
    kinds = _kinds(cursor, sql)
    if not kinds:
        raise QueryError("SQL: there is no statement; write for example SELECT * FROM connections LIMIT 10")
    if len(kinds) > 1 or kinds[0] == "MULTI":
        if re.search(r"\bpivot\b", sql, re.IGNORECASE):
            raise QueryError("SQL: PIVOT needs its values here: PIVOT … ON column IN (…)")
        raise QueryError("SQL: one statement at a time, not {kinds}", kinds=len(kinds))
    if kinds[0] == "EXPLAIN":
        inner = _kinds(cursor, EXPLAIN.sub("", sql, count=1))
        if inner != ["SELECT"]:
            raise _refusal(inner[0] if inner else "this")
    elif kinds[0] not in _READING:
        raise _refusal(kinds[0])
    return kinds[0]


def _kinds(cursor: "Connection", sql: str) -> list[str]:
    return [str(statement.type).rpartition(".")[2] for statement in cursor.extract_statements(sql)]


def _refusal(kind: str) -> QueryError:
    return QueryError(
        "SQL: {kind} is not possible here: a query only reads its session; use SELECT, FROM, "
        "WITH, VALUES, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN",
        kind=kind,
    )


def _bare(sql: str) -> str:
    """Remove the semicolons at a statement's end and comments after them, so that it fits into parentheses."""
    import duckdb  # noqa: PLC0415 -- costs 40 ms, which `rustnet --help` must not pay

    raw = sql.encode()
    end = len(raw)
    for position, kind in reversed(duckdb.tokenize(sql)):
        comment = str(kind).rpartition(".")[2].startswith("comment")
        if not comment and raw[position : position + 1] != b";":
            break
        end = position
    return raw[:end].decode()


def explained(error: Exception, sql: str, shift: int = 0) -> Exception:
    """Turn an error of DuckDB into one line with the position in the statement; return others unchanged."""
    import duckdb  # noqa: PLC0415

    return explain(str(error), sql, shift) if isinstance(error, duckdb.Error | UnicodeError) else error


_ELSEWHERE: tuple[tuple[str, Callable[[str], RustnetError]], ...] = (
    (
        "^INTERRUPT Error",
        lambda _first: QueryStoppedError(_("the query was stopped before its end; ask again, or ask for less")),
    ),
    (
        "file system operations are disabled|Loading external extensions|stored_secrets",
        lambda _first: QueryError("SQL: a query reads its session only: no files, no extensions, no network"),
    ),
    (
        "configuration has been locked|read-only mode",
        lambda _first: QueryError("SQL: a query only reads: it changes neither its session nor settings"),
    ),
    (
        "^Out of Memory|failed to allocate|max_temp_directory_size|No space left",
        lambda first: QueryFailedError(
            "the query needs more memory or disk than it may have ({first}); ask for less",
            first=first.partition(" Database ")[0],
        ),
    ),
    (
        "Corrupt|Could not read enough bytes|checksum|INTERNAL Error",
        lambda first: QueryFailedError("the session is damaged ({first}); recreate it from its capture", first=first),
    ),
)
"""Errors without a position in the statement."""


def explain(message: str, sql: str, shift: int = 0) -> RustnetError:
    """Return the error for a DuckDB ``message`` about ``sql`` with ``shift`` lines put before it."""
    kind, _, rest = message.partition(": ")
    text, _, place = rest.partition("\n\nLINE ")
    first = " ".join(text.split())
    for pattern, make in _ELSEWHERE:
        if re.search(pattern, message):
            return make(first.partition(" Possible solutions")[0][:300])
    where = _place(place, sql, shift) if place else ""
    if kind.endswith("Error") and first:
        return QueryError("SQL{where}: {lower}{first}", where=where, lower=first[0].lower(), first=first[1:])
    return QueryError("SQL{where}: {join}", where=where, join=" ".join(message.split()))


def _place(place: str, sql: str, shift: int) -> str:
    """Line and column of DuckDB's caret; it shows only the part of a long line around the position."""
    match = re.match(r"(\d+): (.*)\n( *)\^", place)
    if not match:
        return ""
    line = int(match[1]) - shift
    shown, caret = match[2], len(match[3]) - len(f"LINE {match[1]}: ")
    lines = sql.split("\n")
    if not 1 <= line <= len(lines):
        return ""
    if shown.startswith("..."):
        begins = lines[line - 1].find(shown[3:].removesuffix("..."))
        if begins < 0:
            return f", line {line}"
        caret += begins - 3
    return f", line {line}, column {caret + 1}"
