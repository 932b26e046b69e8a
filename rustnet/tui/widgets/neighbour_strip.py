"""Three rows of the list that a flow was opened from: the one before, the flow itself, the one after."""

from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from rustnet.tui.neighbours import Neighbours
from rustnet.tui.widgets.columns import layout
from rustnet.tui.widgets.table import Cell, Row, fit


class NeighbourStrip(Widget):
    """Draws the rows as the list does; a click walks to one of them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"strip--current", "strip--other"}
    DEFAULT_CSS = """
    NeighbourStrip {
        height: 3; width: 1fr;
        & > .strip--current { background: $primary; color: $background; text-style: bold; }
        & > .strip--other { color: $foreground-muted; }
    }
    NeighbourStrip:nocolor { & > .strip--current { text-style: reverse; } & > .strip--other { text-style: dim; } }
    """

    class Walked(Message):
        """A neighbour was clicked."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self) -> None:
        super().__init__()
        self.neighbours: Neighbours | None = None
        self.alone = ""
        """What stands in the place of the rows of a flow that was opened from no list."""

    def show(self, neighbours: Neighbours | None, alone: str) -> None:
        """Show the rows near the cursor of a list."""
        self.neighbours, self.alone = neighbours, alone
        self.styles.height = 1 if neighbours is None else 3
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        width = self.size.width
        if self.neighbours is None:
            y = 1
        style = self.get_component_rich_style("strip--current" if y == 1 else "strip--other")
        row: Row | None = None
        placed = layout(self.neighbours.columns, width) if self.neighbours is not None else ()
        if self.neighbours is not None:
            row = self.neighbours.row(y - 1, placed)
        elif y == 1:
            row = Row([Cell(self.alone)])
        if row is None or not row.cells:
            return Strip.blank(width, self.rich_style)
        mark = "▌" if y == 1 and row.mark == " " else row.mark
        segments = [Segment(fit(mark, 1), style)]
        if not placed:
            segments.append(Segment(fit(row.cells[0].text, max(1, width - 1)), style))
        for place, cell in zip(placed, row.cells, strict=False):
            segments += (Segment(fit(cell.text, place.width, right=place.column.right), style), Segment(" ", style))
        return Strip(segments).adjust_cell_length(width, style if y == 1 else self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Walk to the row that was clicked."""
        if self.neighbours is not None and event.y != 1:
            self.post_message(self.Walked(event.y - 1))
