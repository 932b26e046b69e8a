"""What the writer's thread takes from the ingesting one, and what is run in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rustnet.store.batches import Batch, Columns
from rustnet.store.tables import Capture

if TYPE_CHECKING:
    import duckdb

Work = Callable[["duckdb.DuckDBPyConnection"], Any]
"""What is done with a connection."""


class Closing(Protocol):
    """What is closed before the session."""

    def close(self) -> None:
        """Let go of the session."""


@dataclass(frozen=True, slots=True)
class Call:
    """Something to run, after what came before was stored or, with ``held``, while some of it may wait."""

    run: Callable[[], None]
    held: bool


@dataclass(frozen=True, slots=True)
class Flush:
    """All rows of a capture since the last flush, and its flows that are open."""

    capture: Capture
    batches: list[Batch]
    open_flows: Columns


Item = tuple[int, list[Batch], bool] | Capture | Flush | Call
"""What the thread takes: batches of a capture, a capture's row, a flush, or work on the connection."""

OnFlush = Callable[["duckdb.DuckDBPyConnection", int], None]
"""What is run within each flush, before it is committed: with the connection and the number of the capture."""
