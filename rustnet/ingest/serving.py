"""Serves readers of a session while it is being written."""

import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING

from rustnet.errors import SessionError
from rustnet.store.session import reading_cursor

if TYPE_CHECKING:
    import duckdb

    from rustnet.query.server import SessionServer

DELAY = 0.8
"""Seconds before the server starts, so that short runs do not pay for it."""


class Serving:
    """Serves readers of the session at ``path``, which ``con`` has open for writing, until it is closed."""

    def __init__(self, path: str, con: "duckdb.DuckDBPyConnection", *, at_once: bool = False) -> None:
        self._path = path
        self._con = con.cursor()
        self.server: SessionServer | None = None
        self._timer = threading.Timer(0.0 if at_once else DELAY, self._start)
        self._timer.daemon = True
        self._timer.start()

    def _start(self) -> None:
        from rustnet.query.server import SessionServer  # noqa: PLC0415 -- short runs do not need it

        server = SessionServer(self._path, partial(reading_cursor, self._con))
        with contextlib.suppress(SessionError):  # without a server, readers get the error that the session is in use
            server.start()
            self.server = server

    def close(self) -> None:
        """Stop serving; called before the session is closed."""
        self._timer.cancel()
        self._timer.join()
        if self.server is not None:
            self.server.close()
        self._con.close()
