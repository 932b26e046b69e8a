"""A table's header: a click sorts, borders of columns drag, titles reorder, a double click on a border fits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.scroll_view import ScrollView

from rustnet.tui.widgets.columns import GUTTER, LEAST_WIDTH, WIDEST, Column, Placed, border_at, column_at, layout, moved

DRAG_CELLS = 2
"""The mouse moves at least this far before a title is dragged."""


class Headed(ScrollView):
    """Columns with a header in the first line of the widget."""

    ALLOW_SELECT: ClassVar[bool] = False
    GUTTER: ClassVar[int] = GUTTER
    """Cells before the first column."""

    class Sorted(Message):
        """The title of a column was clicked."""

        def __init__(self, table: "Headed", key: str) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> "Headed":
            """The table."""
            return self.table

    class Arranged(Message):
        """Columns have another order or width."""

        def __init__(self, table: "Headed", order: tuple[str, ...], widths: Mapping[str, int]) -> None:
            super().__init__()
            self.table, self.order, self.widths = table, order, widths

        @property
        def control(self) -> "Headed":
            """The table."""
            return self.table

    def __init__(self, columns: Sequence[Column], *, id: str | None, classes: str | None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.columns: tuple[Column, ...] = tuple(columns)
        self.widths: dict[str, int] = {}
        """Widths that the user chose, by key of the column."""
        self.placed: tuple[Placed, ...] = ()
        self._border: Placed | None = None
        """Column whose right border is dragged."""
        self._title: Placed | None = None
        """Column whose title is pressed."""
        self._pressed_x = 0
        self._resized = False

    def redraw(self) -> None:
        """Draw everything again."""
        self.refresh()

    def shown_texts(self, place: Placed) -> Iterable[str]:  # noqa: ARG002
        """Texts of a column in the rows that are on the screen."""
        return ()

    def set_columns(self, columns: Sequence[Column], widths: Mapping[str, int] | None = None) -> None:
        """Show other columns, or the same in another order; ``widths`` are those that the user chose."""
        self.columns = tuple(columns)
        if widths is not None:
            self.widths = dict(widths)
        self.place_columns()

    def place_columns(self) -> None:
        """Place the columns in the width that there is."""
        self.placed = layout(self.columns, self.size.width, self.widths, self.GUTTER)
        self.redraw()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Begin a drag in the header."""
        if event.y != 0 or event.button != 1:
            return
        self._border = border_at(self.placed, event.x)
        self._title = None if self._border else column_at(self.placed, event.x)
        self._pressed_x, self._resized = event.x, False
        if self._border or self._title:
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move the border; without a drag, show whether there is one."""
        if self._border is not None:
            key = self._border.column.key
            width = max(LEAST_WIDTH, min(WIDEST, event.x - self._border.x))
            if width != self.widths.get(key, self._border.width):
                self._resized = True
                self.widths[key] = width
                self.place_columns()
        elif self._title is None:
            over = event.y == 0 and border_at(self.placed, event.x) is not None
            self._show_pointer("ew-resize" if over else "default")

    def _show_pointer(self, shape: str) -> None:
        if self.styles.pointer != shape:
            self.styles.pointer = shape  # type: ignore[assignment]

    def on_leave(self) -> None:
        """Show the usual pointer elsewhere."""
        self._show_pointer("default")

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """End a drag: report the new widths or order; a press without one sorts."""
        border, title, self._border, self._title = self._border, self._title, None, None
        if border is None and title is None:
            return
        self.release_mouse()
        if title is not None:
            self._title_released(title, event.x)
        elif self._resized:
            self._report()

    def _report(self) -> None:
        self.post_message(self.Arranged(self, tuple(c.key for c in self.columns), dict(self.widths)))

    def _title_released(self, title: Placed, x: int) -> None:
        target = column_at(self.placed, x) or (self.placed[-1] if x > 0 else self.placed[0])
        if abs(x - self._pressed_x) < DRAG_CELLS or target.column.key == title.column.key:
            if title.column.sortable:
                self.post_message(self.Sorted(self, title.column.key))
            return
        by_key = {c.key: c for c in self.columns}
        self.set_columns([by_key[key] for key in moved(tuple(by_key), title.column.key, target.column.key)])
        self._report()

    def on_click(self, event: events.Click) -> None:
        """Fit a column to the visible rows at a double click on its border."""
        place = border_at(self.placed, event.x) if event.y == 0 and event.chain == 2 else None
        if place is not None:
            self.fit_column(place)

    def fit_column(self, place: Placed) -> None:
        """Make a column as wide as its title and the visible rows need."""
        sizes = [cell_len(text[:WIDEST]) for text in self.shown_texts(place)]
        self.widths[place.column.key] = max(LEAST_WIDTH, min(WIDEST, max([cell_len(place.column.title) + 2, *sizes])))
        self.place_columns()
        self._report()
