"""A table of any length: it draws the rows that are on the screen, and never asks for one while it draws."""

import time
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.cache import LRUCache
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rustnet.present.text import ELLIPSIS, printable
from rustnet.tui.bindings import bindings
from rustnet.tui.widgets.columns import Column, Placed, column_at
from rustnet.tui.widgets.header import Headed

STRIPS = 1024
"""Most drawn rows that are kept."""
LONGEST_CELL = 4
"""Characters of a text that are measured for each cell of its column: combining marks take no cell."""
HELD_SECONDS = 0.3
"""Two steps within this time come from a key that is held down."""
COPY_SECONDS = 0.35
"""A click on the cursor's row copies after this time, unless it becomes a double click."""

STYLES = (
    "cursor", "blurred", "header", "sorted", "dim", "ok", "warn", "error", "accent", "learned", "title", "cell",
)  # fmt: skip
"""Names of styles that a cell or row can have; each is a component class ``table--NAME``."""


class Cell(NamedTuple):
    """What a cell shows."""

    text: str
    style: str = ""
    """One of `STYLES`, or none."""


class Row(NamedTuple):
    """What a row shows: a cell for each column that was asked for."""

    cells: Sequence[Cell]
    mark: str = " "
    """One character at the row's beginning, which states what `style` does by colour."""
    style: str = ""


def fit(text: str, width: int, *, right: bool = False) -> str:
    """``text`` in exactly ``width`` cells, without control characters."""
    if text.isascii() and text.isprintable():
        if len(text) > width:
            return text[: width - 1] + ELLIPSIS
        return text.rjust(width) if right else text.ljust(width)
    text = printable(text[: width * LONGEST_CELL])
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + ELLIPSIS
    fill = " " * (width - size)
    return fill + text if right else text + fill


class Table(Headed, can_focus=True):
    """Rows below a header. A subclass has the rows: `row_at`, `value_at`, and `row_count`."""

    WRAPS: ClassVar[bool] = False
    """Whether a single step beyond the last row goes to the first one."""
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"table--{name}" for name in STYLES}
    DEFAULT_CSS = """
    Table {
        height: 1fr; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1;
        & > .table--cursor { background: $primary; color: $background; text-style: bold; }
        & > .table--blurred { background: $surface; text-style: bold; }
        & > .table--header { color: $foreground 70%; }
        & > .table--sorted { color: $foreground; text-style: underline; }
        & > .table--dim { color: $foreground 50%; }
        & > .table--ok { color: $success; }
        & > .table--warn { color: $warning; }
        & > .table--error { color: $error; }
        & > .table--accent { color: $primary; }
        & > .table--learned { color: $secondary; }
        & > .table--title { text-style: bold; }
        & > .table--cell { background: $primary; color: $background; text-style: bold underline; }
    }
    Table:nocolor {
        & > .table--cursor { text-style: reverse; }
        & > .table--cell { text-style: reverse underline; }
        & > .table--blurred { text-style: bold; }
        & > .table--dim { text-style: dim; }
        & > .table--error { text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("table")]
    cursor: reactive[int] = reactive(0, repaint=False)
    """Number of the selected row, from 0."""

    class Moved(Message):
        """Another row is selected."""

        def __init__(self, table: "Table", row: int) -> None:
            super().__init__()
            self.table, self.row = table, row

        @property
        def control(self) -> "Table":
            """The table."""
            return self.table

    class Opened(Moved):
        """The selected row was opened: Enter, or a double click."""

    class Sorted(Headed.Sorted):
        """The title of a column was clicked."""

    class Arranged(Headed.Arranged):
        """Columns have another order or width."""

    def __init__(
        self,
        columns: Sequence[Column] = (),
        *,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(columns, id=id, classes=classes)
        self.sort_key = ""
        self.descending = False
        self.row_count = 0
        self.empty = ""
        """What is shown in the place of rows while there are none."""
        self._strips: LRUCache[tuple[int, bool, bool], Strip] = LRUCache(STRIPS)
        self._styles: dict[str, Style] = {}
        self._stepped = 0.0
        self._copying = ""
        """Column that a click will copy."""

    # ---- for subclasses ------------------------------------------------------------------------------------------

    def row_at(self, index: int, placed: Sequence[Placed]) -> Row | None:  # noqa: ARG002
        """Row ``index`` with the cells of these columns; ``None`` if it has not been read yet."""
        return None

    def value_at(self, index: int, key: str) -> str:
        """Whole text of a cell, which copying takes; ``key`` may be "", for the row's main value."""
        row = self.row_at(index, self.placed)
        if row is None:
            return ""
        at = next((i for i, p in enumerate(self.placed) if p.column.key == key), 0)
        return row.cells[at].text if at < len(row.cells) else ""

    def selected_column(self) -> str:
        """Key of the column whose value `c` copies; "" for the row's main value."""
        return ""

    # ---- contents ------------------------------------------------------------------------------------------------

    def set_row_count(self, count: int) -> None:
        """Change the number of rows, and draw all again; the cursor stays within them."""
        self.recount(count)
        self.redraw()

    def recount(self, count: int) -> None:
        """Change the number of rows where those that are on the screen stay."""
        old, self.row_count = self.row_count, count
        self._measure()
        if self.cursor >= count:
            self.cursor = max(0, count - 1)
        if min(old, count) <= self.top + self.page_rows:
            self.redraw()

    def _measure(self) -> None:
        """Tell the scrollbar how many lines there are. Their number changes no other widget, so nothing is laid out."""
        size = Size(self.size.width, self.row_count + 1)
        if size != self.virtual_size:
            self.set_reactive(ScrollView.virtual_size, size)
            if self.is_mounted:
                self._scroll_update(size)

    def set_sort(self, key: str, *, descending: bool) -> None:
        """Mark the column by which rows are sorted."""
        self.sort_key, self.descending = key, descending
        self.refresh(Region(0, 0, self.size.width, 1))

    def redraw(self) -> None:
        """Draw every row again."""
        self._strips.clear()
        self.refresh()

    def shown_texts(self, place: Placed) -> Iterable[str]:
        """Texts of a column in the rows that are on the screen."""
        at = self.placed.index(place)
        rows = (self.row_at(index, self.placed) for index in self.visible_rows())
        return [row.cells[at].text for row in rows if row is not None and at < len(row.cells)]

    @property
    def page_rows(self) -> int:
        """Rows that fit below the header."""
        return max(1, self.size.height - 1)

    @property
    def top(self) -> int:
        """Number of the first visible row."""
        return self.scroll_offset.y

    def visible_rows(self) -> range:
        """Numbers of the rows that are on the screen."""
        return range(self.top, min(self.row_count, self.top + self.page_rows))

    # ---- drawing -------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Place the columns for the new width, and keep the cursor on the screen."""
        self._measure()
        self.place_columns()
        self.call_after_refresh(self.show_cursor)

    def notify_style_update(self) -> None:
        """Forget what depends on the theme."""
        super().notify_style_update()
        self._styles.clear()
        self._strips.clear()

    def style_of(self, name: str) -> Style:
        """Style of that name, over the table's own."""
        style = self._styles.get(name)
        if style is None:
            style = self.get_component_rich_style(f"table--{name}") if name in STYLES else self.rich_style
            self._styles[name] = style
        return style

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen: the header, or a row."""
        width = self.size.width
        if y == 0:
            return self.header_strip(width)
        index = y - 1 + self.top
        if index >= self.row_count:
            note = fit(self.empty, width - self.GUTTER) if y == 1 and self.empty else ""
            return Strip([Segment(" " * self.GUTTER + note, self.style_of("dim"))]).adjust_cell_length(
                width, self.rich_style
            )
        selected = index == self.cursor
        key = (index, selected, self.has_focus)
        strip = self._strips.get(key)
        if strip is None:
            row = self.row_at(index, self.placed)
            if row is None:
                return Strip([Segment(" ·", self.style_of("dim"))]).adjust_cell_length(width, self.rich_style)
            strip = self._strip(row, width, selected=selected)
            self._strips[key] = strip
        return strip

    def _strip(self, row: Row, width: int, *, selected: bool) -> Strip:
        chosen = self.style_of("cursor" if self.has_focus else "blurred") if selected else None
        base = chosen or self.style_of(row.style)
        mark = "▌" if selected and row.mark == " " else row.mark
        segments = [Segment(fit(mark, self.GUTTER), base)]
        focus = self.selected_column() if selected and self.has_focus else ""
        for place, cell in zip(self.placed, row.cells, strict=False):
            style = chosen or (self.style_of(cell.style) if cell.style else base)
            if focus == place.column.key and focus:
                style = self.style_of("cell")
            text = fit(cell.text, place.width, right=place.column.right)
            segments += (Segment(text, style), Segment(" ", base))
        return Strip(segments).adjust_cell_length(width, base)

    def header_strip(self, width: int) -> Strip:
        """Draw the titles; the sorted column's has an arrow and a line below."""
        plain = self.style_of("header")
        segments = [Segment(" " * self.GUTTER, plain)]
        for place in self.placed:
            title, style = place.column.title, plain
            if place.column.key == self.sort_key:
                arrow = "↓" if self.descending else "↑"
                gap = " " if cell_len(title) + 2 <= place.width else ""
                room = min(cell_len(title), place.width - len(gap) - 1)
                title, style = f"{fit(title, room)}{gap}{arrow}", self.style_of("sorted")
            shown = fit(title, min(cell_len(title), place.width))
            fill = Segment(" " * (place.width - cell_len(shown)), plain)
            text = Segment(shown, style)
            segments += (fill, text) if place.column.right else (text, fill)
            segments.append(Segment(" ", plain))
        return Strip(segments).adjust_cell_length(width, plain)

    # ---- cursor --------------------------------------------------------------------------------------------------

    def validate_cursor(self, row: int) -> int:
        """Keep the cursor within the rows."""
        return max(0, min(self.row_count - 1, row))

    def watch_cursor(self, old: int, new: int) -> None:
        """Draw both rows, and report the move."""
        for row in (old, new):
            self.refresh_line(row + 1)
        self.show_cursor()
        self.post_message(self.Moved(self, new))

    def show_cursor(self) -> None:
        """Scroll until the cursor is on the screen; the terminal's own cursor goes there too, for screen readers."""
        if self.cursor < self.top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= self.top + self.page_rows:
            self.scroll_to(y=self.cursor - self.page_rows + 1, animate=False)
        self._place_terminal_cursor()

    def _place_terminal_cursor(self) -> None:
        line = self.cursor - self.top + 1
        if self.has_focus and 0 < line <= self.page_rows:
            self.app.cursor_position = Offset(self.content_region.x, self.content_region.y + line)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scroll, and move the terminal's cursor along."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._place_terminal_cursor()

    def on_focus(self) -> None:
        """Draw the cursor's row as one that keys act on."""
        self.refresh_line(self.cursor + 1)
        self._place_terminal_cursor()

    def on_blur(self) -> None:
        """Draw the cursor's row as one that keys do not act on."""
        self.refresh_line(self.cursor + 1)

    def action_move(self, step: int) -> None:
        """Select the next row, or the previous one."""
        now = time.monotonic()
        held, self._stepped = now - self._stepped < HELD_SECONDS, now
        target = self.cursor + step
        if self.WRAPS and not held and self.row_count:
            target %= self.row_count
        self.cursor = target

    def action_page(self, step: int) -> None:
        """Select the row one page on."""
        self.cursor += step * max(1, self.page_rows - 1)

    def action_first(self) -> None:
        """Select the first row."""
        self.cursor = 0

    def action_last(self) -> None:
        """Select the last row."""
        self.cursor = self.row_count - 1

    def action_open(self) -> None:
        """Open the selected row."""
        if self.row_count:
            self.post_message(self.Opened(self, self.cursor))

    def action_copy(self) -> None:
        """Copy the selected value."""
        self.copy_value(self.selected_column())

    def action_view(self) -> None:
        """Show the selected value whole."""
        from rustnet.tui.dialogs.value import ValueDialog  # noqa: PLC0415 -- a dialog

        key = self.selected_column() or (self.placed[0].column.key if self.placed else "")
        text = self.value_at(self.cursor, key) if self.row_count else ""
        if text:
            title = next((p.column.title for p in self.placed if p.column.key == key), key)
            self.app.push_screen(ValueDialog(title, text))

    def action_sort_next(self) -> None:
        """Sort by the column after the one that the rows are sorted by; after the last one, by none."""
        keys = [*(place.column.key for place in self.placed), ""]
        at = keys.index(self.sort_key) if self.sort_key in keys else -1
        self.sort_by(keys[(at + 1) % len(keys)], descending=False)

    def action_sort_reverse(self) -> None:
        """Sort the other way round."""
        self.sort_by(self.sort_key, descending=not self.descending)

    def sort_by(self, key: str, *, descending: bool) -> None:
        """Sort by a column; "" is the rows' own order. A subclass has the rows."""

    def copy_value(self, key: str) -> None:
        """Copy a value of the cursor's row."""
        text = self.value_at(self.cursor, key) if self.row_count else ""
        if text:
            copy = getattr(self.app, "copy", self.app.copy_to_clipboard)
            copy(text)

    # ---- mouse on rows -------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """Select a row; a second click opens it, one on the selected row copies the cell."""
        index = event.y - 1 + self.top
        if event.y == 0 or event.button != 1 or index >= self.row_count:
            return
        self._copying = ""
        if event.chain > 1:
            self.post_message(self.Opened(self, self.cursor))
        elif index != self.cursor:
            self.cursor = index
        else:
            self._copy_later(event.x)
        self.clicked(index, event.x)

    def _copy_later(self, x: int) -> None:
        place = column_at(self.placed, x)
        if place is None:
            return
        self._copying = key = place.column.key

        def copy() -> None:
            if self._copying == key:
                self._copying = ""
                self.copy_value(key)

        self.set_timer(COPY_SECONDS, copy)

    def clicked(self, index: int, x: int) -> None:
        """Called for a click on row ``index``."""
