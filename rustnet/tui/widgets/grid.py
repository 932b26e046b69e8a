"""A table over rows in memory, such as a query's result."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from rustnet.records import Kind
from rustnet.tui.widgets.columns import GAP, GUTTER, Column, Placed, column_at, layout
from rustnet.tui.widgets.table import Cell, Row, Table


@dataclasses.dataclass(frozen=True, slots=True)
class GridColumn:
    """A column of a grid; kind and type state how its values are shown."""

    name: str
    title: str
    kind: Kind | None = None
    sql_type: str = ""
    width: int = 10
    weight: int = 0
    right: bool = False
    drop: int = 0
    """Order in which columns are left out where the table is narrow, lowest first; 0: never."""


Text = Callable[[Any, GridColumn], str]
"""Text of a value; the app's presenter by default."""


class Grid(Table):
    """A table over rows in memory: sorted by a click on a title, with a selected column that ← and → move.

    Values become text by the app's presenter (``app.presenter.text``), unless ``text`` is given.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "column(-1)", show=False),
        Binding("right", "column(1)", show=False),
    ]

    class Moved(Table.Moved):
        """Another row is selected."""

    class Opened(Table.Opened):
        """The selected row was opened: Enter, or a double click."""

    class Sorted(Table.Sorted):
        """The title of a column was clicked."""

    class Arranged(Table.Arranged):
        """Columns have another order or width."""

    def __init__(
        self,
        *,
        text: Text | None = None,
        cell_style: Callable[[int, str], str] | None = None,
        mark: Callable[[int], str] | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        """``cell_style(row, name)`` is a style of `table.STYLES`, ``mark(row)`` the first character of a row."""
        super().__init__(id=id, classes=classes)
        self.rows: Sequence[Sequence[Any]] = ()
        self.order: list[int] = []
        """Number of the row in ``rows`` for each row on the screen."""
        self._text = text
        self._cell_style, self._mark = cell_style, mark
        self._by_name: dict[str, tuple[int, GridColumn]] = {}
        self._first = 0
        self._column = ""

    def show(self, columns: Sequence[GridColumn], rows: Sequence[Sequence[Any]], *, keep: bool = True) -> None:
        """Show these rows; ``keep``: the cursor stays at its row's number, and the sorting stays."""
        self._by_name = {c.name: (at, c) for at, c in enumerate(columns)}
        self.rows = rows
        if self.sort_key not in self._by_name or not keep:
            self.sort_key = ""
        if self._column not in self._by_name:
            self._column = columns[0].name if columns else ""
        self._first = min(self._first, max(0, len(columns) - 1)) if keep else 0
        self._order_rows()
        self.set_columns([Column(c.name, c.title, c.width, c.weight, c.right, c.drop) for c in columns])
        self.set_row_count(len(rows))
        if not keep:
            self.cursor = 0

    def update_widths(self, widths: Mapping[str, int]) -> None:
        """Take over widths that the user chose earlier."""
        self.widths = dict(widths)
        self.place_columns()

    @property
    def current(self) -> Sequence[Any] | None:
        """Row at the cursor."""
        return self.rows[self.order[self.cursor]] if self.row_count else None

    @property
    def current_number(self) -> int | None:
        """Number of the cursor's row in ``rows``, whatever the sorting."""
        return self.order[self.cursor] if self.row_count else None

    def current_value(self) -> Any:
        """Value at the cursor."""
        row = self.current
        return None if row is None or self._column not in self._by_name else row[self._by_name[self._column][0]]

    def sort_by(self, key: str, *, descending: bool) -> None:
        """Sort by a column; "" is the order of ``rows``. The cursor stays on its row."""
        number = self.current_number
        self.sort_key, self.descending = key, descending
        self._order_rows()
        if number is not None:
            self.cursor = self.order.index(number)
        self.redraw()

    def _order_rows(self) -> None:
        self.order = list(range(len(self.rows)))
        if self.sort_key:
            at = self._by_name[self.sort_key][0]
            present = [n for n in self.order if self.rows[n][at] is not None]
            missing = [n for n in self.order if self.rows[n][at] is None]
            try:
                present.sort(key=lambda n: self.rows[n][at], reverse=self.descending)
            except TypeError:  # values of several types
                present.sort(key=lambda n: str(self.rows[n][at]), reverse=self.descending)
            self.order = present + missing

    # ---- what Table asks -----------------------------------------------------------------------------------------

    def row_at(self, index: int, placed: Sequence[Placed]) -> Row | None:
        """Row ``index`` with the cells of these columns."""
        number = self.order[index]
        style = self._cell_style
        cells = [
            Cell(self._text_of(number, p.column.key), style(number, p.column.key) if style else "") for p in placed
        ]
        return Row(cells, self._mark(number) if self._mark else " ")

    def value_at(self, index: int, key: str) -> str:
        """Whole text of a cell; without a key, that of the selected column."""
        name = key or self._column
        return self._text_of(self.order[index], name) if name in self._by_name else ""

    def _text_of(self, number: int, name: str) -> str:
        at, column = self._by_name[name]
        value = self.rows[number][at]
        if self._text is not None:
            return self._text(value, column)
        text: str = self.app.presenter.text(value, column.name, column.sql_type, column.kind)  # type: ignore[attr-defined]
        return text

    def selected_column(self) -> str:
        """Key of the column that ← and → selected."""
        return self._column

    # ---- columns that do not fit ---------------------------------------------------------------------------------

    def place_columns(self) -> None:
        """Place the columns from the first shown one on."""
        self.placed = layout(self.columns[self._first :], self.size.width, self.widths)
        self.redraw()

    def action_column(self, step: int) -> None:
        """Select the next column, or the previous one; columns beyond the border come into sight."""
        keys = [c.key for c in self.columns if c.drop == 0 or any(p.column.key == c.key for p in self.placed)]
        if not keys:
            return
        at = keys.index(self._column) if self._column in keys else 0
        self.select_column(keys[max(0, min(len(keys) - 1, at + step))])

    def select_column(self, key: str) -> None:
        """Select a column, and show it whole."""
        self._column = key
        at = next((n for n, c in enumerate(self.columns) if c.key == key), 0)
        self._first = min(self._first, at)
        self.place_columns()
        while self._first < at and not self._whole(key):
            self._first += 1
            self.place_columns()

    def _whole(self, key: str) -> bool:
        place = next((p for p in self.placed if p.column.key == key), None)
        if place is None:
            return False
        wanted = self.widths.get(key, place.column.width)
        return place.width >= min(wanted, self.size.width - GUTTER - GAP)

    def clicked(self, index: int, x: int) -> None:  # noqa: ARG002
        """Select the column that was clicked."""
        place = column_at(self.placed, x)
        if place is not None and place.column.key != self._column:
            self._column = place.column.key
            self.redraw()

    def on_grid_sorted(self, event: "Grid.Sorted") -> None:
        """Sort by the clicked title; again: the other way; a third time: the rows' own order."""
        event.stop()
        if event.key != self.sort_key:
            self.sort_by(event.key, descending=False)
        elif not self.descending:
            self.sort_by(event.key, descending=True)
        else:
            self.sort_by("", descending=False)
