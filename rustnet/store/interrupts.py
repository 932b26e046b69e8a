"""`Interrupts`: lets another thread interrupt work on a connection, but no statement that stores rows."""

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


class Interrupts:
    """Which connection may be interrupted at the moment, if any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._con: duckdb.DuckDBPyConnection | None = None

    @contextlib.contextmanager
    def allowed(self, con: "duckdb.DuckDBPyConnection | None") -> Iterator[None]:
        """Within the block, `interrupt` interrupts the statements of ``con``."""
        with self._lock:
            self._con = con
        try:
            yield
        finally:
            with self._lock:
                self._con = None

    def interrupt(self) -> None:
        """Interrupt the statement that is running, if that is allowed."""
        with self._lock:
            if self._con is not None:
                self._con.interrupt()
