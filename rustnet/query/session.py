"""`Session`: the interface through which commands, exports, the browser and notebooks read a session.

A `FileSession` reads the file of a finished or interrupted run; a `rustnet.query.remote.RemoteSession` asks the process
that is writing the file. `open_session` chooses between them.
"""

import functools
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rustnet.errors import SessionError
from rustnet.present.text import printable
from rustnet.query import arguments
from rustnet.query import execute as engine
from rustnet.query.arguments import Moment
from rustnet.query.execute import Caller, Params, ResultSet, RowStream
from rustnet.query.limits import READER, MemoryBound
from rustnet.store import objects
from rustnet.store import session as store
from rustnet.store.schema import COLUMNS_SQL, by_table

ForeignObjectsError = objects.ForeignObjectsError
"""Error of a session with objects that this program does not make."""

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    from rustnet.policy.redaction import Key, Policy, Redactor
    from rustnet.query.compile import Scope
    from rustnet.query.detail import FlowDetail, Messages
    from rustnet.query.diff import Difference
    from rustnet.query.partial import PartialCapture

    Connection = duckdb.DuckDBPyConnection

SECONDS = 60.0
"""Default time limit of an interactive query."""
MESSAGES = 1000
"""Most messages and packets that `Session.flow` returns."""
CHANGE_SECONDS = 2.0
"""Time to wait for a session in use: a writer begins to answer soon after it has locked the file."""
STATEMENTS = 4
"""Most simultaneous statements of a session."""


class Session(ABC):
    """A session that is open for reading. Close it, or use it in ``with``."""

    path: str
    """Path of the session's file, as given."""

    seconds: float | None = None
    """Time limit of statements that have none of their own."""

    replaces_values = False
    """Values are replaced as they are read, which takes time for each."""

    def __init__(self) -> None:
        self._scope: Scope | None = None

    # ---- for notebooks and programs --------------------------------------------------------------------------------

    @property
    def being_written(self) -> bool:
        """Whether another process is writing the session, as far as its last answer showed."""
        return False

    def sql(
        self, text: str, params: Params = (), *, limit: int | None = None, seconds: float | None = SECONDS
    ) -> ResultSet:
        """Run one statement that reads; ``params`` are the values of ``?``, or as a mapping those of ``$name``.

        At most ``limit`` rows are returned, and ``truncated`` is set if there were more. Raises `QueryError` for an
        invalid statement, `QueryTimeoutError` if it takes longer than ``seconds``.

        >>> s.sql("SELECT app, count(*) AS flows FROM flows GROUP BY app ORDER BY flows DESC LIMIT 2").rows
        [('arp', 8), ('icmpv6', 4)]
        >>> s.sql("SELECT count(*) FROM http WHERE method = ?", ["POST"]).rows
        [(1,)]
        """
        return self.execute(
            arguments.statement(text),
            arguments.values(params),
            arguments.limit(limit),
            seconds=arguments.time_limit(seconds),
        )

    def flows(
        self,
        filter: str = "",  # noqa: A002 -- the usual word
        *,
        columns: Sequence[str] | str | None = None,
        sort: Sequence[str] | str = ("flow_id",),
        limit: int | None = None,
        seconds: float | None = SECONDS,
    ) -> ResultSet:
        """Flows that match a filter (see filters.md), with all columns or those in ``columns``.

        ``-`` before a column in ``sort`` puts the largest first. Both may be one text with commas.

        >>> s.flows("app:tls", columns="hostname,bytes", sort="-bytes").rows
        [('www.shop.example', 8411), ('api.shop.example', 2566)]
        """
        from rustnet.query import listing  # noqa: PLC0415 -- needed for this only

        scope = self.scope()
        shown = listing.all_columns(scope) if columns is None else arguments.names(columns)
        most = None if (limit := arguments.limit(limit)) is None else limit + 1
        text, order = arguments.filter_text(filter), arguments.names(sort)
        seconds = arguments.time_limit(seconds)
        with listing.list_flows(self, text, scope, shown, order, most, seconds=seconds) as rows:
            return rows.result(limit)

    def query(
        self, name: str, /, *, limit: int | None = None, seconds: float | None = SECONDS, **params: object
    ) -> ResultSet:
        """Run a saved query, shipped or the user's own (see `queries`), with its parameters.

        They may be texts as on the command line, numbers, times or spans of time. Most queries have a parameter
        ``limit`` with a default; ``truncated`` is set if there were more rows.

        >>> slow = s.query("slow-dns", least="1ms", limit=1)
        >>> len(slow), slow.truncated
        (1, True)
        """
        from rustnet.query import catalogue  # noqa: PLC0415

        saved = catalogue.find(name)
        given = {key: arguments.parameter(value) for key, value in params.items() if value is not None}
        most = arguments.limit(limit)
        if most is None and "limit" not in given:
            most = saved.default_limit
        with saved.stream(self, given, seconds=arguments.time_limit(seconds), limit=most) as rows:
            return rows.result(most)

    def flow(self, flow_id: int) -> "FlowDetail":
        """One flow: its row, its messages, the claims on it, its first packets. Notebooks show it as a page.

        >>> detail = s.flow(20)
        >>> detail.flow["hostname"], [message.table for message in detail.messages]
        ('api.shop.example', ['tls'])
        """
        from rustnet.query import detail  # noqa: PLC0415

        return detail.flow_detail(self, self._existing(flow_id), MESSAGES, MESSAGES)

    def messages(self, flow_id: int, *, limit: int = MESSAGES) -> "Messages":
        """First messages of a flow over all protocols, in time order: a list that is also a result.

        >>> [(message.table, message.fields["status"]) for message in s.messages(10)]
        [('http', 200), ('http', 200), ('http', 404)]
        """
        from rustnet.query import detail  # noqa: PLC0415

        return detail.Messages(*detail.messages(self, self._existing(flow_id), arguments.limit(limit) or 0))

    def packets(self, flow_id: int, *, limit: int | None = None) -> ResultSet:
        """Packets of a flow, as the index has them.

        >>> s.packets(20, limit=1).df()[["number", "length", "from_src"]]
           number  length  from_src
        0      82      74      True
        """
        from rustnet.query import detail  # noqa: PLC0415

        return detail.packets(self, self._existing(flow_id), arguments.limit(limit))

    def _existing(self, flow_id: int) -> int:
        """Check that there is a flow of this number. Raises `UsageError` or `RustnetError`."""
        from rustnet.query import detail  # noqa: PLC0415

        return detail.find_flows(self, str(arguments.flow_number(flow_id)))[0]

    def processes(self, filter: str = "") -> ResultSet:  # noqa: A002
        """Processes that own flows which match a filter, each after its parent."""
        from rustnet.query.processes import process_tree  # noqa: PLC0415

        return process_tree(self, arguments.filter_text(filter), self.scope())[0]

    def hosts(self, *, local: bool = False) -> ResultSet:
        """Hosts that sent packets; ``local``: those whose hardware address is known."""
        from rustnet.query.hosts import list_hosts  # noqa: PLC0415

        with list_hosts(self, local=local) as rows:
            return rows.result()

    def sockets(self, filter: str = "", *, at: Moment | None = None, listening: bool = False) -> ResultSet:  # noqa: A002
        """Sockets of the machine that was captured live, with their owners; ``at``: as they were at a time.

        A time is text such as `12:03`, `+30s`, `50%` or `end`, a time of Python's, or nanoseconds since 1970 UTC.
        ``listening``: only sockets that wait for peers.
        """
        from rustnet.query.machine import sockets  # noqa: PLC0415

        return sockets(self, arguments.filter_text(filter), at, listening=listening)

    def routes(self, *, at: Moment | None = None) -> ResultSet:
        """Routes of the machine that was captured live; ``at``: those that there were at a time, as for `sockets`."""
        from rustnet.query.machine import routes  # noqa: PLC0415

        return routes(self, at)

    def diff(self, other: "Session | str | PathLike[str]", **rules: Any) -> "Difference":
        """What is new, gone or changed in ``other``; ``rules`` are the other arguments of `rustnet.diff`.

        >>> s.diff("web.duckdb").rows
        []
        """
        from rustnet.query.diff import diff  # noqa: PLC0415 -- needed for this only

        return diff(self, other, **rules)

    def captures(self) -> ResultSet:
        """Captures that were read into the session."""
        return self.execute("SELECT * FROM captures ORDER BY capture_id")

    def originals(self) -> "Session":
        """The session itself; of one whose values are replaced, that with its own values."""
        return self

    def partial_captures(self) -> "list[PartialCapture]":
        """Captures whose replay was killed: only some of their packets are stored."""
        return []  # in a session that is being written, they are not at their end yet

    def tables(self, *, empty: bool = False) -> ResultSet:
        """Tables and views with their number of rows, which views other than `flows` lack; ``empty``: also empty ones.

        >>> [row[:2] for row in s.tables().rows if row[0] in ("dns", "flows", "http", "tls")]
        [('dns', 16), ('flows', 20), ('http', 4), ('tls', 2)]
        """
        from rustnet.query import contents  # noqa: PLC0415

        return contents.list_tables(self, empty=empty)

    def describe(self, table: str) -> ResultSet:
        """Columns of a table or view: type, kind and meaning of each.

        >>> s.describe("tls").rows[4]
        ('sni', 'VARCHAR', 'host', 'Server name that the client requested.')
        """
        from rustnet.query import contents  # noqa: PLC0415

        return contents.describe_table(self, table)

    def queries(self) -> ResultSet:
        """Saved queries that `query` runs, by subject, with the parameters of each.

        >>> [row[0] for row in s.queries().rows if row[1] == "ssh"]
        ['ssh-attempts', 'ssh-servers']
        """
        from rustnet.query import contents  # noqa: PLC0415

        return contents.list_queries()

    def __repr__(self) -> str:
        """Name of the class and of the file."""
        return f"<{type(self).__name__} {printable(Path(self.path).name)}>"

    def _repr_html_(self) -> str:
        """Return an overview for notebooks."""
        from rustnet.query.html import session_html  # noqa: PLC0415

        return session_html(self)

    # ---- for the other modules -------------------------------------------------------------------------------------

    @abstractmethod
    def stream(
        self,
        sql: str,
        params: Params = (),
        *,
        own: bool = False,
        seconds: float | None = None,
        rows: int | None = None,
    ) -> RowStream:
        """Run one reading statement and stream its rows.

        An ``own`` statement, written in this program, is planned once, and its values are DuckDB's. ``seconds`` is its
        time limit. The caller fetches at most ``rows``.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the session."""

    def interrupt_all(self, words: str | None = None) -> int:  # noqa: ARG002 -- for those that can
        """Stop every running statement, with ``words`` as its error; returns their number."""
        return 0

    def execute(
        self, sql: str, params: Params = (), limit: int | None = None, *, seconds: float | None = None
    ) -> ResultSet:
        """Run one reading statement; returns at most ``limit`` rows, and ``truncated`` is set if there were more."""
        begun = time.perf_counter()
        with self.stream(sql, params, seconds=seconds, rows=None if limit is None else limit + 1) as rows:
            return rows.result(limit, begun)

    def execute_own(
        self, sql: str, params: Params = (), limit: int | None = None, times: Sequence[str] = ()
    ) -> ResultSet:
        """Run a statement of this program. ``times`` names columns with times in nanoseconds.

        With a ``limit``, LIMIT is appended to the statement.
        """
        begun = time.perf_counter()
        with self.stream(sql if limit is None else f"{sql}\nLIMIT {limit + 1}", params, own=True) as rows:
            result = rows.result(limit, begun)
        types = ("TIMESTAMP_NS" if n in times else t for n, t in zip(result.columns, result.types, strict=True))
        return ResultSet(result.columns, tuple(types), result.rows, result.truncated, result.elapsed)

    def arrays(self, sql: str, params: Params = ()) -> "dict[str, np.ndarray[Any, Any]]":
        """Run a statement of this program whose result has no NULLs, and return its columns as NumPy arrays."""
        import numpy as np  # noqa: PLC0415 -- costs 100 ms, and few readers need it

        result = self.execute_own(sql, params)
        return {
            name: np.array([row[at] for row in result.rows], object if kind == "VARCHAR" else np.int64)
            for at, (name, kind) in enumerate(zip(result.columns, result.types, strict=True))
        }

    def columns(self) -> dict[str, dict[str, str]]:
        """Tables and views: name to columns, column to type."""
        return by_table(self.execute_own(COLUMNS_SQL).rows)

    def scope(self) -> "Scope":
        """Tables and columns of the session that a filter can use."""
        if self._scope is None:
            from rustnet.query.compile import Scope  # noqa: PLC0415 -- the filter language

            self._scope = Scope.of(self)
        return self._scope

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_args: object) -> None:
        self.close()


class CursorSession(Session):
    """A session over a DuckDB connection; each statement has its own cursor and runs on another thread."""

    def __init__(
        self,
        path: str,
        new_cursor: "Callable[[], Connection]",
        *,
        statements: int = STATEMENTS,
        prepare: Callable[[], None] | None = None,
        bound: MemoryBound | None = None,
    ) -> None:
        super().__init__()
        self.path = path
        self._new_cursor = new_cursor
        self._bound = bound
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 -- brings logging along, for a pool only

        self._pool = ThreadPoolExecutor(statements, "rustnet-query", prepare)
        self._working: set[Caller] = set()
        self._lock = threading.Lock()
        self._closed = False

    def stream(
        self,
        sql: str,
        params: Params = (),
        *,
        own: bool = False,
        seconds: float | None = None,
        rows: int | None = None,  # noqa: ARG002 -- rows are computed as they are fetched
        gone: Callable[[], bool] | None = None,
    ) -> RowStream:
        """Run one reading statement; ``gone`` reports, while it works, whether the client is gone."""
        if self._closed:
            raise SessionError("{path}: the session is closed", path=self.path)
        cursor = self._new_cursor()
        call = self._begun(cursor, seconds, gone)

        def close() -> None:
            self._ended(call)
            cursor.close()

        stream = engine.stream(cursor, sql, params, call, close, own=own)
        weakref.finalize(stream, self._ended, call).atexit = False  # one that nobody closes bounds memory no longer
        return stream

    def _begun(self, cursor: "Connection", seconds: float | None, gone: Callable[[], bool] | None = None) -> Caller:
        """Count a statement, and return what runs its calls."""
        call = Caller(self._pool, cursor.interrupt, self.seconds if seconds is None else seconds, gone)
        with self._lock:
            self._working.add(call)
            if self._bound is not None:
                self._bound.begin()
        return call

    def _ended(self, call: Caller) -> None:
        """Count a statement no more, if it has not been."""
        with self._lock:
            if call in self._working:
                self._working.discard(call)
                if self._bound is not None:
                    self._bound.end()

    def interrupt_all(self, words: str | None = None) -> int:
        """Stop every running statement, with ``words`` as its error; returns their number."""
        with self._lock:
            working = list(self._working)
        for call in working:
            call.stop(words)
        return len(working)

    def close(self) -> None:
        """Stop running statements and end the threads."""
        self._closed = True
        self.interrupt_all()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for call in list(self._working):
            self._ended(call)


class InlineSession(Session):
    """A session over one cursor of the writer's own process, for questions of this program that nobody ends early."""

    def __init__(self, path: str, cursor: "Connection") -> None:
        super().__init__()
        self.path = path
        self._cursor = cursor

    def stream(
        self,
        sql: str,
        params: Params = (),
        *,
        own: bool = False,
        seconds: float | None = None,  # noqa: ARG002 -- nothing ends a statement here
        rows: int | None = None,  # noqa: ARG002 -- rows are computed as they are fetched
    ) -> RowStream:
        """Run one reading statement; its rows must have been fetched before the next one."""
        return engine.stream(self._cursor, sql, params, engine.call_here, lambda: None, own=own)

    def close(self) -> None:
        """Close the cursor."""
        self._cursor.close()


class FileSession(CursorSession):
    """A session's file, open for reading; no process can write it meanwhile."""

    def __init__(
        self, path: "str | PathLike[str]", *, threads: int | None = None, memory_limit: str = store.READER_MEMORY
    ) -> None:
        self._con = store.open_readonly(path, threads=threads, memory_limit=memory_limit)
        super().__init__(fspath(path), functools.partial(store.session_cursor, self._con), bound=READER)

    def arrays(self, sql: str, params: Params = ()) -> "dict[str, np.ndarray[Any, Any]]":
        """Run a statement of this program and return its columns as NumPy arrays, fetched directly."""
        bound = dict(params) if isinstance(params, Mapping) else list(params)
        cursor = self._new_cursor()
        call = self._begun(cursor, None)
        try:
            columns: dict[str, Any] = engine.guarded(call, sql, lambda: cursor.execute(sql, bound).fetchnumpy())
        finally:
            self._ended(call)
            cursor.close()
        return columns

    def partial_captures(self) -> "list[PartialCapture]":
        """Captures whose replay was killed: only some of their packets are stored."""
        from rustnet.query.partial import list_partial  # noqa: PLC0415 -- needed for this only

        return list_partial(self)

    def close(self) -> None:
        """Close the file."""
        super().close()
        store.close(self._con)


def open_session(
    path: "str | PathLike[str]",
    *,
    seconds: float | None = None,
    threads: int | None = None,
    memory_limit: str = store.READER_MEMORY,
    redact: "str | PathLike[str] | Policy | Redactor | None" = None,
    key: "str | PathLike[str] | Key | None" = None,
) -> Session:
    """Open a session for reading, whether it is finished or is being written; ``seconds`` limit each statement.

    ``threads`` and ``memory_limit`` are DuckDB's, for a file that nobody writes. Waits for a writer that has just
    started or ended. ``redact`` replaces all values, by a policy (`share`, `strict`, `timing-only` or a file NAME.toml)
    and a ``key``: a file, by default the one in the folder of the user's configuration, or `new` for a random key.
    Filters and statements are over replacements then. Raises `SessionError`.
    """
    if redact is not None:
        from rustnet.query.redacted import open_redacted  # noqa: PLC0415 -- if wanted

        return _limited(open_redacted(path, redact, key, threads=threads, memory_limit=memory_limit), seconds)
    from rustnet.query.remote import NoWriterError, RefusedError, RemoteSession  # noqa: PLC0415 -- it is one of these

    again = functools.partial(open_session, path, seconds=seconds, threads=threads, memory_limit=memory_limit)
    until = time.monotonic() + CHANGE_SECONDS
    while True:
        refused: RefusedError | None = None
        try:
            return _limited(RemoteSession(path, again), seconds)
        except NoWriterError:
            pass
        except RefusedError as error:  # or a crashed writer of another user left the socket
            refused = error
        try:
            return _limited(FileSession(path, threads=threads, memory_limit=memory_limit), seconds)
        except store.SessionLockedError:
            if refused is not None:
                raise refused from None
            if time.monotonic() >= until:
                raise
        time.sleep(CHANGE_SECONDS / 40)


def _limited(session: Session, seconds: float | None) -> Session:
    session.seconds = seconds
    return session
