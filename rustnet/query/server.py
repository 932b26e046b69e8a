"""The process that writes a session answers readers: a socket next to the file, one statement per connection.

The socket is the user's alone (mode 0600, and the peer's uid is looked at). A request is one statement that reads, of
bounded size; its answer comes in batches, in bounded time. A closed connection ends its query. An invalid request
costs only its connection. Readers work with a lower priority than the writer.
"""

import contextlib
import os
import select
import socket
import stat
import sys
import threading
import time
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rustnet.errors import RustnetError, SessionError
from rustnet.i18n import _
from rustnet.query import wire
from rustnet.query.execute import BATCH_ROWS, Params, QueryFailedError, explained
from rustnet.query.functions import check_functions
from rustnet.query.limits import MemoryBound, resident_bytes
from rustnet.query.session import CursorSession

if typing.TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

CLIENTS = 8
"""Most simultaneous connections; further ones are refused."""
BACKLOG = 64
"""Clients whose connection waits to be accepted; further ones are refused by the system."""
SECONDS = 600.0
"""Time limit of any statement."""
ROWS = 50_000_000
"""Most rows of an answer."""
BATCH_BYTES = 1 << 20
"""Target size of a message of an answer."""
REQUEST_SECONDS = 10.0
"""Time limit for receiving a request."""
READER_SECONDS = 60.0
"""Time that an answer waits for its reader to continue reading."""
READERS_MEMORY = 256 << 20
"""Memory of all queries together, in addition to the writer's."""
READERS_UNCOUNTED = 512 << 20
"""Memory that the process may occupy in addition to when its queries began, whoever needs it."""
READERS_BOUND = 2 << 30
"""Memory that the system grants the process in addition while it answers: far more than a writer needs meanwhile, so
that only a query can meet this limit."""
READERS_SPILL = 1 << 30
"""Bytes that all queries together may write to disk."""
MEMORY_SECONDS = 0.02
"""Interval of memory checks; in between, queries may take twice that memory before anything fails."""
LAST_SECONDS = 0.5
"""Time for answers to end when the writer does."""
_NICE = 10
_FIRST_ROWS = 64


@dataclass(frozen=True, slots=True)
class _Request:
    """A request of a client."""

    sql: str
    params: Params
    own: bool
    seconds: float
    rows: int

    @classmethod
    def of(cls, message: dict[str, Any]) -> "_Request":
        """Read a request from a message. Raises `WireError` if it is invalid."""
        sql, params = message.get("sql"), message.get("params", [])
        own, seconds, rows = message.get("own", False), message.get("seconds"), message.get("rows")
        if not isinstance(sql, str) or not isinstance(own, bool) or not isinstance(params, list | dict):
            raise wire.WireError("expected a statement and its values")
        if isinstance(params, dict):
            bound: Params = {key: wire.decode(value) for key, value in params.items()}
        else:
            bound = [wire.decode(value) for value in params]
        return cls(sql, bound, own, _at_most(seconds, SECONDS), int(_at_most(rows, ROWS)))


def _at_most(value: Any, limit: float) -> float:
    if value is None:
        return limit
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise wire.WireError("expected a number that is not negative")
    return min(value, limit)


# Cached blocks of the file are evicted when memory is needed, and do not count.
_MEMORY = """
SELECT coalesce(sum(memory_usage_bytes) FILTER (tag <> 'BASE_TABLE'), 0)::BIGINT,
    coalesce(sum(temporary_storage_bytes), 0)::BIGINT FROM duckdb_memory()"""


class _Memory:
    """Bounds the memory of readers' queries: DuckDB has one limit for all connections of a database.

    While queries work, the limit is raised by their share and a margin. If they exceed their share, all are stopped, so
    that the writer's allocations never fail. As a context, it counts a query.
    """

    def __init__(self, new_cursor: "Callable[[], Connection]", end_all: Callable[[str], int]) -> None:
        self._new_cursor = new_cursor
        self._end_all = end_all
        self._working = 0
        self._changed = threading.Condition()
        self._closed = False
        self._bound = MemoryBound(READERS_BOUND)
        self._thread = threading.Thread(target=self._watch, name="rustnet-memory", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def __enter__(self) -> None:
        with self._changed:
            self._working += 1
            self._changed.notify_all()

    def __exit__(self, *_args: object) -> None:
        with self._changed:
            self._working -= 1
            self._changed.notify_all()

    def _watch(self) -> None:
        cursor = self._new_cursor()
        (usual,) = cursor.execute("SELECT current_setting('memory_limit')").fetchall()[0]
        writers = cursor.execute("SELECT parse_formatted_bytes(?)", [usual]).fetchall()[0][0]
        try:
            while not self._closed:
                with self._changed:
                    self._changed.wait_for(lambda: self._working or self._closed)
                self._bound.begin()
                try:
                    cursor.execute(f"SET memory_limit = '{writers + 2 * READERS_MEMORY}B'")
                    self._watch_queries(cursor, writers + READERS_MEMORY)
                except Exception:  # noqa: BLE001 -- no memory to ask, or a failed write made the database unusable
                    self._end_all(_needs_memory())
                    time.sleep(MEMORY_SECONDS)
                finally:
                    self._bound.end()
                with contextlib.suppress(Exception):  # what is in use cannot be taken away; it is tried again next time
                    cursor.execute(f"SET memory_limit = '{usual}'")
        finally:
            cursor.close()

    def _watch_queries(self, cursor: "Connection", most: int) -> None:
        """Check the memory in use until no query works."""
        occupied = resident_bytes() + most + READERS_UNCOUNTED
        spilled = cursor.execute(_MEMORY).fetchall()[0][1] + READERS_SPILL
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._working or self._closed, MEMORY_SECONDS)
                if not self._working or self._closed:
                    return
            memory, disk = cursor.execute(_MEMORY).fetchall()[0]
            if memory > most or disk > spilled or resident_bytes() > occupied:
                self._end_all(_needs_memory())


def _needs_memory() -> str:
    return _("the query needs more memory than is left while the session is being written; ask for less, or later")


class _Served(CursorSession):
    """The writer's session for its readers: every statement is checked, including this program's own."""

    def check(self, sql: str) -> None:
        """Raise `QueryError` for a statement that does more than read this session."""
        cursor = self._new_cursor()
        try:
            check_functions(cursor, sql)
        except RustnetError:
            raise
        except Exception as error:
            raise explained(error, sql) from error
        finally:
            cursor.close()


class SessionServer:
    """Answers readers of a session until it is closed. ``new_cursor`` may be called from any thread."""

    def __init__(self, path: "str | os.PathLike[str]", new_cursor: "Callable[[], Connection]") -> None:
        self.path = wire.socket_path(path)
        self._session = _Served(os.fspath(path), new_cursor, statements=CLIENTS, prepare=_lower_priority)
        self._memory = _Memory(new_cursor, self._session.interrupt_all)
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._inode: tuple[int, int] | None = None
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._accept, name="rustnet-server", daemon=True)

    def start(self) -> None:
        """Create the socket, replacing one that a crashed writer left, and start to answer.

        The caller has the session's file open for writing, so no other process answers here. Raises `SessionError` if
        another file has the socket's name, or the socket cannot be created.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if sys.platform.startswith("linux"):
                os.fchmod(listener.fileno(), 0o600)  # so that bind creates it with this mode
            self._remove_stale()
            with wire.address(self.path) as name:
                listener.bind(name)
            created = os.lstat(self.path)
            if not sys.platform.startswith("linux"):
                self.path.chmod(0o600)  # connections are impossible before `listen`
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            self._session.close()
            words = error.strerror or error
            raise SessionError("{path}: readers cannot be answered: {words}", path=self.path, words=words) from error
        except BaseException:
            listener.close()
            self._session.close()
            raise
        self._inode = created.st_dev, created.st_ino
        self._listener = listener
        self._memory.start()
        self._thread.start()

    def _remove_stale(self) -> None:
        """Remove the socket of an earlier writer, but no other file."""
        try:
            status = os.lstat(self.path)
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid not in (os.geteuid(), 0):
            raise SessionError("{path}: readers cannot be answered: another file has this name", path=self.path)
        self.path.unlink()

    @contextlib.contextmanager
    def own_questions(self) -> Iterator[CursorSession]:
        """Ask questions of this process within the block: with the priority, and in the memory, of readers."""
        with self._memory:
            yield self._session

    def interrupt_all(self) -> int:
        """Stop every current query, so that the writer gets the memory; returns their number."""
        return self._session.interrupt_all()

    def close(self) -> None:
        """Remove the socket and stop answering; current answers may end within `LAST_SECONDS`."""
        if self._listener is None:
            return
        self._closing.set()
        with contextlib.suppress(OSError):
            status = os.lstat(self.path)
            if (status.st_dev, status.st_ino) == self._inode:
                self.path.unlink()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        self._listener = None
        self._thread.join()
        until = time.monotonic() + LAST_SECONDS
        while self._clients and time.monotonic() < until:
            time.sleep(0.01)
        with self._lock:
            clients = list(self._clients.items())
        for link, _thread in clients:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        self._session.close()
        for _link, thread in clients:
            thread.join()
        self._memory.close()

    def _accept(self) -> None:
        listener = self._listener
        while listener is not None and not self._closing.is_set():
            try:
                link, _peer = listener.accept()
            except OSError:
                continue
            if not _trusted(link):
                _send_last(link, {"error": "refused", "text": wire.refusal(self._session.path)})
                link.close()
                continue
            with self._lock:
                room = len(self._clients) < CLIENTS
                if room:
                    thread = threading.Thread(target=self._answer, args=(link,), name="rustnet-reader", daemon=True)
                    self._clients[link] = thread
            if room:
                thread.start()
            else:
                _send_last(link, {"error": "busy", "text": _("too many readers use this session at once; try again")})
                link.close()

    def _answer(self, link: socket.socket) -> None:
        """Read a request and answer it; any error ends with the connection."""
        _lower_priority()
        try:
            request = _Request.of(wire.receive(link, wire.MAX_REQUEST, time.monotonic() + REQUEST_SECONDS))
            link.settimeout(READER_SECONDS)
            try:
                with self._memory:
                    self._send(link, request)
            except RustnetError as error:
                _send_last(link, {"error": type(error).__name__, "text": str(error)})
        except wire.EndOfMessagesError:
            pass
        except wire.WireError as error:
            _send_last(link, {"error": "QueryError", "text": str(error)})
        except Exception as error:  # noqa: BLE001 -- an attacker's bytes must not end the writer
            _send_last(link, {"error": "QueryFailedError", "text": f"{type(error).__name__}: {error}"})
        finally:
            link.close()
            with self._lock:
                self._clients.pop(link, None)

    def _send(self, link: socket.socket, request: _Request) -> None:
        self._session.check(request.sql)
        answer = self._session.stream(
            request.sql, request.params, own=request.own, seconds=request.seconds, gone=lambda: _gone(link)
        )
        with answer:
            link.sendall(wire.pack({"columns": answer.columns, "types": answer.types}))
            left, count = request.rows, _FIRST_ROWS
            while rows := answer.fetch(min(count, left)) if left else []:
                left -= len(rows)
                count = self._send_rows(link, rows, count)
            if not left and request.rows == ROWS and answer.fetch(1):
                raise QueryFailedError("more than {n} rows: ask for fewer", n=f"{ROWS:,}")
            link.sendall(wire.pack({"end": True}))

    @staticmethod
    def _send_rows(link: socket.socket, rows: list[Any], count: int) -> int:
        """Send a batch; returns the number of rows for the next one."""
        message = wire.pack({"rows": [[wire.encode(value) for value in row] for row in rows]})
        if len(message) <= wire.MAX_MESSAGE:
            link.sendall(message)
            per_row = len(message) / len(rows)
            return max(1, min(BATCH_ROWS, 2 * count, int(BATCH_BYTES / per_row)))
        if len(rows) == 1:
            raise QueryFailedError("a row is larger than {n} bytes: ask for less", n=f"{wire.MAX_MESSAGE:,}")
        middle = len(rows) // 2
        SessionServer._send_rows(link, rows[:middle], count)
        SessionServer._send_rows(link, rows[middle:], count)
        return 1


def _lower_priority() -> None:
    """Give the calling thread a lower priority than the writer's (on Linux)."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _trusted(link: socket.socket) -> bool:
    """Whether the other side is this user or root, by the peer credentials or, without those, by the socket's mode."""
    try:
        return wire.peer_user(link) in (None, os.geteuid(), 0)
    except OSError:
        return False


def _gone(link: socket.socket) -> bool:
    """Whether a reader has closed its connection, or sent anything after its request."""
    poller = select.poll()
    poller.register(link, select.POLLIN | select.POLLHUP)
    return bool(poller.poll(0))


def _send_last(link: socket.socket, message: dict[str, Any]) -> None:
    """Send a last message, if the connection is still open."""
    with contextlib.suppress(OSError):
        link.settimeout(1.0)
        link.sendall(wire.pack(message))
