"""The one place where SQL is run for readers: command line, browser, exports and notebooks share it.

What a person typed and what is shipped go the same way: one statement, and one that only reads; no file, no network,
no setting. Times come back exactly: DuckDB's Python values end at microseconds, so nanosecond columns are fetched as
integers.
"""

import re
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from rustnet.errors import RustnetError, UsageError
from rustnet.store.schema import quote_identifier

if typing.TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

Params = Sequence[object] | Mapping[str, object]
Row = tuple[typing.Any, ...]

MAX_SQL = 1 << 20
"""Characters of a statement."""
BATCH_ROWS = 2048
"""Rows that a stream fetches at a time: one of DuckDB's vectors."""

_READING = ("SELECT", "EXPLAIN", "LOGICAL_PLAN", "RELATION")
_EXPLAIN = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*explain\b\s*(?:analyze\b\s*)?(?:\([^()]*\)\s*)?", re.IGNORECASE | re.DOTALL
)


class QueryError(UsageError):
    """A statement that is not SQL, does not fit the session, or would do more than read."""


class QueryFailedError(RustnetError):
    """A statement that is fine, and still could not be carried out: memory, a damaged file."""


@dataclass(frozen=True, slots=True)
class ResultSet:
    """Rows in memory, and what they are."""

    columns: tuple[str, ...]
    """Names, each of them once."""
    types: tuple[str, ...]
    """DuckDB types of the columns. Of ``TIMESTAMP_NS``, the rows hold nanoseconds since 1970 UTC as integers."""
    rows: list[Row]
    truncated: bool
    """There were more rows than the limit let through."""
    elapsed: float
    """Seconds that it took."""


class RowStream:
    """Rows as they come, for results that do not fit into memory. Close it, or use it in ``with``."""

    def __init__(
        self, cursor: "Connection", columns: tuple[str, ...], types: tuple[str, ...], explain: "_Explainer"
    ) -> None:
        self.columns = columns
        self.types = types
        self._cursor = cursor
        self._explain = explain

    def fetch(self, count: int = BATCH_ROWS) -> list[Row]:
        """Take the next rows, at most ``count``; none at the end."""
        with self._explain:
            return self._cursor.fetchmany(count)

    def batches(self) -> Iterator[list[Row]]:
        """Take all rows, batch by batch."""
        while batch := self.fetch():
            yield batch

    def close(self) -> None:
        """Release the result."""
        self._cursor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def execute(con: "Connection", sql: str, params: Params = (), limit: int | None = None) -> ResultSet:
    """Run one reading statement; at most ``limit`` rows come back, and ``truncated`` says if there were more.

    ``params`` are the values of ``?``, or, as a mapping, of ``$name``. Raises `QueryError` for what is wrong with
    the statement, `QueryFailedError` for what is not its fault.
    """
    begun = time.perf_counter()
    with stream(con, sql, params) as rows:
        kept: list[Row] = []
        while limit is None or len(kept) <= limit:
            batch = rows.fetch(BATCH_ROWS if limit is None else min(BATCH_ROWS, limit + 1 - len(kept)))
            if not batch:
                break
            kept += batch
    truncated = limit is not None and len(kept) > limit
    if truncated:
        del kept[limit:]
    return ResultSet(rows.columns, rows.types, kept, truncated, time.perf_counter() - begun)


def stream(con: "Connection", sql: str, params: Params = ()) -> RowStream:
    """Run one reading statement and hand its rows out as they come; see `execute`."""
    bound = dict(params) if isinstance(params, Mapping) else list(params)
    cursor = con.cursor()
    try:
        with _Explainer(sql):
            lock(cursor)
            statement, embeddable = _reading_statement(cursor, sql)
        if not embeddable:
            with _Explainer(sql):
                cursor.execute(statement, bound)
                columns, types = _described(cursor)
            return RowStream(cursor, columns, types, _Explainer(sql))
        with _Explainer(sql, shift=1):
            cursor.execute(f"SELECT * FROM (\n{statement}\n) LIMIT 0", bound)  # noqa: S608 -- parsed and checked
            columns, types = _described(cursor)
            cursor.fetchall()
            fetched, types = _exact(statement, columns, types)
            cursor.execute(fetched, bound)
        return RowStream(cursor, columns, types, _Explainer(sql, shift=1))
    except BaseException:
        cursor.close()
        raise


def execute_own(
    con: "Connection", sql: str, params: Sequence[object] = (), limit: int | None = None, times: Sequence[str] = ()
) -> ResultSet:
    """Run a reading statement of this program's own: as `execute`, but planned once, and unchecked.

    ``times`` names the columns in which the statement itself gives times as nanoseconds. With a ``limit`` it must
    be one behind which LIMIT may stand.
    """
    begun = time.perf_counter()
    limited = sql if limit is None else f"{sql}\nLIMIT {limit + 1}"
    with _Explainer(sql):
        con.execute(limited, list(params))
        columns, types = _described(con)
        rows = con.fetchall()
    types = tuple("TIMESTAMP_NS" if name in times else kind for name, kind in zip(columns, types, strict=True))
    truncated = limit is not None and len(rows) > limit
    if truncated:
        del rows[limit:]
    return ResultSet(columns, types, rows, truncated, time.perf_counter() - begun)


def lock(con: "Connection") -> None:
    """Forbid a connection, and all that share its database, files, network and settings, for good."""
    locked = con.execute("SELECT current_setting('lock_configuration')").fetchall()
    if not locked[0][0]:
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")


def _described(cursor: "Connection") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names (made unique) and types of a cursor's columns."""
    described = [(str(d[0]), str(d[1])) for d in cursor.description or []]
    return unique([name for name, _ in described]), tuple(kind for _, kind in described)


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Make names differ: a second ``a`` becomes ``a_1``, as DuckDB itself does in subqueries."""
    seen: set[str] = set()
    made = []
    for name in names:
        candidate, number = name, 0
        while candidate in seen:
            number += 1
            candidate = f"{name}_{number}"
        seen.add(candidate)
        made.append(candidate)
    return tuple(made)


def _exact(statement: str, columns: Sequence[str], types: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Wrap a statement so that Python gets exact values, and types that need no time zone package."""
    names = [f"c{number}" for number in range(len(columns))]
    made = [_exact_column(f"t.{name}", kind) for name, kind in zip(names, types, strict=True)]
    shown = ", ".join(f"{sql} AS {quote_identifier(name)}" for (sql, _), name in zip(made, columns, strict=True))
    wrapped = f"SELECT {shown} FROM (\n{statement}\n) AS t({', '.join(names)})"  # noqa: S608 -- parsed and checked
    return wrapped, tuple(kind for _, kind in made)


def _exact_column(column: str, kind: str) -> tuple[str, str]:
    """Return how a column is fetched, and the type that its values then have."""
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
    """Check that ``sql`` is one statement that reads; return it bare, and whether it may stand in a subquery."""
    if len(sql) > MAX_SQL:
        raise QueryError(f"SQL: longer than {MAX_SQL} characters")
    if any("\ud800" <= char <= "\udfff" or char == "\0" for char in sql):
        raise QueryError("SQL: not text (a character that is not Unicode, or NUL)")
    kinds = _kinds(cursor, sql)
    if not kinds:
        raise QueryError("SQL: there is no statement; write for example SELECT * FROM connections LIMIT 10")
    if len(kinds) > 1 or kinds[0] == "MULTI":
        if re.search(r"\bpivot\b", sql, re.IGNORECASE):
            raise QueryError("SQL: PIVOT needs its values here: PIVOT … ON column IN (…)")
        raise QueryError(f"SQL: one statement at a time, not {len(kinds)}")
    if kinds[0] == "EXPLAIN":
        inner = _kinds(cursor, _EXPLAIN.sub("", sql, count=1))
        if inner != ["SELECT"]:
            raise _refusal(inner[0] if inner else "this")
    elif kinds[0] not in _READING:
        raise _refusal(kinds[0])
    return _bare(sql), kinds[0] != "EXPLAIN"


def _kinds(cursor: "Connection", sql: str) -> list[str]:
    return [str(statement.type).rpartition(".")[2] for statement in cursor.extract_statements(sql)]


def _refusal(kind: str) -> QueryError:
    return QueryError(
        f"SQL: {kind} is not possible here: a query only reads its session; "
        "use SELECT, FROM, WITH, VALUES, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN"
    )


def _bare(sql: str) -> str:
    """Cut the semicolons off a statement's end, and comments behind them, so that it can stand in parentheses."""
    import duckdb  # noqa: PLC0415 -- costs 40 ms, which `rustnet --help` must not pay

    raw = sql.encode()
    end = len(raw)
    for position, kind in reversed(duckdb.tokenize(sql)):
        comment = str(kind).rpartition(".")[2].startswith("comment")
        if not comment and raw[position : position + 1] != b";":
            break
        end = position
    return raw[:end].decode()


class _Explainer:
    """A ``with`` block that turns DuckDB's errors into one line each, with the place in the text that was typed."""

    def __init__(self, sql: str, shift: int = 0) -> None:
        self.sql = sql
        self.shift = shift

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, RustnetError):
            return
        import duckdb  # noqa: PLC0415

        if isinstance(error, (duckdb.Error, UnicodeError)):
            raise explain(str(error), self.sql, self.shift) from error


_ELSEWHERE: tuple[tuple[str, Callable[[str], RustnetError]], ...] = (
    (
        "file system operations are disabled|Loading external extensions|stored_secrets",
        lambda _: QueryError("SQL: a query reads its session only: no files, no extensions, no network"),
    ),
    (
        "configuration has been locked|read-only mode",
        lambda _: QueryError("SQL: a query only reads: it changes neither its session nor settings"),
    ),
    (
        "^Out of Memory|failed to allocate|max_temp_directory_size|No space left",
        lambda first: QueryFailedError(
            f"the query needs more memory or disk than it may have ({first.partition(' Database ')[0]}); ask for less"
        ),
    ),
    (
        "Corrupt|Could not read enough bytes|checksum|INTERNAL Error",
        lambda first: QueryFailedError(f"the session is damaged ({first}); make it anew from its capture"),
    ),
)
"""Errors that are not about a place in the statement."""


def explain(message: str, sql: str, shift: int = 0) -> RustnetError:
    """Make the error for a DuckDB ``message`` over ``sql``, before which ``shift`` lines were put."""
    kind, _, rest = message.partition(": ")
    text, _, place = rest.partition("\n\nLINE ")
    first = " ".join(text.split())
    for pattern, make in _ELSEWHERE:
        if re.search(pattern, message):
            return make(first.partition(" Possible solutions")[0][:300])
    where = _place(place, sql, shift) if place else ""
    if kind.endswith("Error") and first:
        return QueryError(f"SQL{where}: {first[0].lower()}{first[1:]}")
    return QueryError(f"SQL{where}: {' '.join(message.split())}")


def _place(place: str, sql: str, shift: int) -> str:
    """Find line and column that DuckDB points at; it shows only the part of a long line around the place."""
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
