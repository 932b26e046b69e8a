"""Items that the ingesting thread puts into the writer's queue, and types of its callbacks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rustnet.store.batches import Batch, Columns
from rustnet.store.tables import Capture

if TYPE_CHECKING:
    import duckdb

Work = Callable[["duckdb.DuckDBPyConnection"], Any]
"""Work on a connection."""


class Closing(Protocol):
    """A service that is closed before the session."""

    def close(self) -> None:
        """End the service."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function to run once all previous rows are inserted or, with ``held``, while some may still wait."""

    run: Callable[[], None]
    held: bool


@dataclass(frozen=True, slots=True)
class Flush:
    """All rows of a capture since the last flush, and its open flows."""

    capture: Capture
    batches: list[Batch]
    open_flows: list[Columns]


Item = tuple[int, list[Batch], bool] | Capture | Flush | Call
"""Batches of a capture (its id, the batches, whether they are its last), a capture's row, a flush, or a call."""

OnFlush = Callable[["duckdb.DuckDBPyConnection", int], None]
"""Called with the connection and the capture's id within each flush, before the commit."""
