"""The list that a flow was opened from: details walk it in its order, and the cursor of the list goes along."""

from collections.abc import Sequence
from typing import Protocol

from rustnet.tui.widgets.columns import Column, Placed
from rustnet.tui.widgets.table import Row


class Neighbours(Protocol):
    """A list of flows with a cursor."""

    @property
    def flow_id(self) -> int | None:
        """Flow at the cursor; None while it is being read, and on a row that is no flow."""

    @property
    def columns(self) -> Sequence[Column]:
        """Columns of the list."""

    def walk(self, step: int) -> None:
        """Move the cursor by some rows, at most to the first or last."""

    def walk_end(self, direction: int) -> None:
        """Move the cursor to the first row, or the last."""

    def row(self, offset: int, placed: Sequence[Placed]) -> Row | None:
        """Row ``offset`` rows from the cursor; None beyond the ends, or while it is being read."""


class ListedFlowLike(Protocol):
    """What a list knows of a flow."""

    @property
    def flow_id(self) -> int:
        """Its number."""


class FlowList(Protocol):
    """What `TableNeighbours` needs of a table of flows (`rustnet.tui.widgets.flow_table.FlowTable`)."""

    cursor: int
    row_count: int

    @property
    def columns(self) -> Sequence[Column]:
        """Columns of the table."""

    @property
    def current(self) -> ListedFlowLike | None:
        """Flow at the cursor, if it has been read."""

    def row_at(self, index: int, placed: Sequence[Placed]) -> Row | None:
        """Row of the table."""

    def action_last(self) -> None:
        """Select the last row."""


class TableNeighbours:
    """A table of flows as a list that can be walked; titles of groups are passed over."""

    def __init__(self, table: FlowList) -> None:
        self._table = table

    @property
    def flow_id(self) -> int | None:
        """Flow at the table's cursor."""
        flow = self._table.current
        return None if flow is None else flow.flow_id

    @property
    def columns(self) -> Sequence[Column]:
        """Columns of the table."""
        return self._table.columns

    def walk(self, step: int) -> None:
        """Move the table's cursor."""
        self._table.cursor = max(0, min(self._table.row_count - 1, self._table.cursor + step))

    def walk_end(self, direction: int) -> None:
        """Move the table's cursor to the first row, or the last."""
        if direction < 0:
            self._table.cursor = 0
        else:
            self._table.action_last()

    def row(self, offset: int, placed: Sequence[Placed]) -> Row | None:
        """Row of the table near its cursor."""
        index = self._table.cursor + offset
        return self._table.row_at(index, placed) if 0 <= index < self._table.row_count else None
