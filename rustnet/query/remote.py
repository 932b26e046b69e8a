"""A session that is being written, read through the process that writes it."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rustnet.errors import RustnetError, SessionError
from rustnet.i18n import _
from rustnet.query import wire
from rustnet.query.execute import (
    Params,
    QueryError,
    QueryFailedError,
    QueryStoppedError,
    QueryTimeoutError,
    ResultSet,
    Row,
    RowStream,
)
from rustnet.query.session import Session

CONNECT_SECONDS = 10.0
GRACE_SECONDS = 30.0
"""Time that an answer may take in addition to its statement's limit."""

_ERRORS: dict[str, type[RustnetError]] = {
    "QueryError": QueryError,
    "QueryFailedError": QueryFailedError,
    "QueryStoppedError": QueryStoppedError,
    "QueryTimeoutError": QueryTimeoutError,
}


class NoWriterError(Exception):
    """No process answers for this session."""


class RefusedError(SessionError):
    """The process that writes the session answers another user only."""


class BusyError(QueryFailedError):
    """The process that writes the session answers as many readers as it can."""


class AnswerEndedError(QueryStoppedError):
    """The connection was closed before an answer was whole."""


class RemoteSession(Session):
    """A session that another process is writing; after its end, queries go to the session that ``reopen`` returns."""

    def __init__(self, path: "str | os.PathLike[str]", reopen: Callable[[], Session]) -> None:
        super().__init__()
        self.path = os.fspath(path)
        self._reopen = reopen
        self._next: Session | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._links: dict[socket.socket, bool] = {}
        """Connections whose answer is not whole, and whether it was interrupted."""
        self._forget(self._ask({"sql": "SELECT 1"})[1])

    @property
    def being_written(self) -> bool:
        """Whether the writer answered the last query; after its end, the file does."""
        return self._next is None or self._next.being_written

    def stream(
        self,
        sql: str,
        params: Params = (),
        *,
        own: bool = False,
        seconds: float | None = None,
        rows: int | None = None,
    ) -> RowStream:
        """Run one reading statement in the writer's process."""
        if self._closed:
            raise SessionError("{path}: the session is closed", path=self.path)
        seconds = self.seconds if seconds is None else seconds
        if self._next is None:
            bound: Any = (
                {key: wire.encode(value) for key, value in params.items()}
                if isinstance(params, Mapping)
                else [wire.encode(value) for value in params]
            )
            try:
                head, link = self._ask({"sql": sql, "params": bound, "own": own, "seconds": seconds, "rows": rows})
            except NoWriterError:
                self._next = self._reopen()
                self._scope = None
            else:
                answer = _Answer(link, self.path, self._forget)
                return RowStream(tuple(head["columns"]), tuple(head["types"]), answer.fetch, answer.close)
        return self._next.stream(sql, params, own=own, seconds=seconds, rows=rows)

    def execute(
        self, sql: str, params: Params = (), limit: int | None = None, *, seconds: float | None = None
    ) -> ResultSet:
        """Run one reading statement, once more if the writer ended meanwhile."""
        try:
            return super().execute(sql, params, limit, seconds=seconds)
        except AnswerEndedError:
            return super().execute(sql, params, limit, seconds=seconds)

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], socket.socket]:
        """Send a request; returns the head of its answer, and the connection for the rows.

        Raises `NoWriterError` if no process answers, `RefusedError`, or the error of the statement.
        """
        message = wire.pack(request)
        if len(message) > wire.MAX_REQUEST:
            raise QueryError("SQL: a statement and its values may have {n} bytes", n=f"{wire.MAX_REQUEST:,}")
        link = _connected(self.path)
        with self._lock:
            self._links[link] = False
        try:
            try:
                link.settimeout(None if (seconds := request.get("seconds")) is None else seconds + GRACE_SECONDS)
                link.sendall(message)
                head = wire.receive(link, wire.MAX_MESSAGE)
            except TimeoutError:
                raise QueryTimeoutError(_("the process that writes the session does not answer")) from None
            except (OSError, wire.EndOfMessagesError) as error:
                if self._links.get(link):
                    raise QueryStoppedError(_("the query was stopped")) from None
                raise NoWriterError from error
            _check(head)
        except BaseException:
            self._forget(link)
            raise
        return head, link

    def _forget(self, link: socket.socket) -> bool:
        """Close a connection, which ends its query; returns whether it was interrupted."""
        with self._lock:
            interrupted = self._links.pop(link, False)
        link.close()
        return interrupted

    def interrupt_all(self, words: str | None = None) -> int:
        """Stop every running statement; returns their number."""
        with self._lock:
            links = list(self._links)
            self._links.update(dict.fromkeys(links, True))
            for link in links:
                with contextlib.suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)
        return len(links) + (0 if self._next is None else self._next.interrupt_all(words))

    def close(self) -> None:
        """Close the session."""
        self._closed = True
        if self._next is not None:
            self._next.close()


class _Answer:
    """The rows of an answer, received over a connection."""

    def __init__(self, link: socket.socket, path: str, forget: Callable[[socket.socket], bool]) -> None:
        self._link = link
        self._path = path
        self._forget = forget
        self._rows: list[Row] = []
        self._at = 0
        self._ended = False

    def fetch(self, count: int) -> list[Row]:
        """Take the next rows, at most ``count``; fewer only at the end."""
        taken = self._take(count)
        while len(taken) < count and not self._ended:
            self._receive()
            taken += self._take(count - len(taken))
        return taken

    def _take(self, count: int) -> list[Row]:
        taken = self._rows[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def _receive(self) -> None:
        try:
            message = wire.receive(self._link, wire.MAX_MESSAGE)
        except TimeoutError:
            raise QueryTimeoutError(_("the process that writes the session does not answer")) from None
        except (OSError, wire.EndOfMessagesError):
            if self._forget(self._link):
                raise QueryStoppedError(_("the query was stopped")) from None
            words = _(
                "{path}: the answer ended early: the writer is done, or waited too long for its reader; ask again"
            )
            raise AnswerEndedError(words.format(path=self._path)) from None
        _check(message)
        self._ended = "rows" not in message
        self._rows = [tuple(wire.decode(value) for value in row) for row in message.get("rows", ())]
        self._at = 0

    def close(self) -> None:
        """Close the connection, which ends the query."""
        self._forget(self._link)


def _connected(path: str) -> socket.socket:
    """Connect to the writer of a session."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(CONNECT_SECONDS)
    try:
        with wire.address(wire.socket_path(path)) as name:
            link.connect(name)
        trusted = wire.peer_user(link) in (None, os.geteuid(), 0, Path(path).stat().st_uid)
    except PermissionError:
        link.close()
        raise RefusedError(wire.refusal(path)) from None
    except OSError as error:
        link.close()
        raise NoWriterError from error
    if not trusted:
        link.close()
        raise RefusedError("{path}: the process that answers for it is another user's than the file", path=path)
    return link


def _check(message: dict[str, Any]) -> None:
    """Raise the error of an answer, if it has one."""
    if "error" not in message:
        return
    kind, text = str(message["error"]), str(message.get("text", ""))
    if kind == "refused":
        raise RefusedError(text)
    if kind == "busy":
        raise BusyError(text)
    raise _ERRORS.get(kind, QueryFailedError)(text)
