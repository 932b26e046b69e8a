"""A grid over a list of a view: titles and widths by the name of a column, texts by its kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rustnet.i18n import _
from rustnet.present.values import humanised, moment, short_moment
from rustnet.query.views.listed import Listing
from rustnet.records import Kind
from rustnet.tui.presenter import Presenter
from rustnet.tui.widgets.grid import Grid, GridColumn

NOTHING = "-"
"""In the place of a value that is not known."""
TIME = 25
"""Columns of a time to the second with the offset of any zone."""
UTC_TIME = 20
EXACT_TIME = 27
STATE_STYLES = {"title": "accent", "ok": ""}
"""Styles of rows by their state, where they are called otherwise."""
MARKS = {"warn": "!", "error": "x"}
"""First characters of rows by their state: colour is never alone."""


WORDS = ("fact", "kind")
"""Columns with words that are joined by underscores."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a column of a list is shown; its title is translated when it is."""

    name: str
    title: str
    width: int = 10
    weight: int = 0
    right: bool = False
    drop: int = 0
    """Order in which columns are left out where there is no room, the lowest first; 0: never."""


def rate(bytes_per_second: float) -> str:
    """Text of a rate."""
    return _("{size}/s").format(size=humanised(bytes_per_second))


_FORMATS: dict[str, Callable[[Any], str]] = {
    "rate": rate,
    "received_rate": rate,
    "sent_rate": rate,
    "sent_again_percent": lambda value: f"{value:.1f} %",
    "received_again_percent": lambda value: f"{value:.1f} %",
}


def value_text(presenter: Presenter, value: Any, name: str, kind: Kind | None) -> str:
    """Text of a value of a list."""
    if value is None or value == []:
        return NOTHING
    if kind is Kind.TIME:
        return moment(value) if name == "ts" else short_moment(value)
    if name in _FORMATS:
        return _FORMATS[name](value)
    if kind is Kind.COUNT and isinstance(value, float):
        return f"{value:,.1f}"
    text = presenter.text(value, name, kind=kind)
    return text.replace("_", " ") if name in WORDS else text


def _width(column: Shown) -> int:
    """Width of a column; a time in UTC needs less."""
    return UTC_TIME if column.width == TIME and short_moment(0).endswith("Z") else column.width


class ListingGrid(Grid):
    """A grid that shows a `Listing`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(text=self._value_text, cell_style=self._style, mark=self._mark_of, id=id, classes=classes)
        self.listing: Listing | None = None
        self._states: Sequence[str] = ()

    def show_listing(self, listing: Listing, columns: Sequence[Shown], *, keep: bool = True) -> None:
        """Show the columns of a list that are named."""
        places = {field.name: at for at, field in enumerate(listing.fields)}
        shown = []
        for c in columns:
            field = listing.fields[places[c.name]]
            shown.append(GridColumn(c.name, _(c.title), field.kind, field.sql_type, c.width, c.weight, c.right, c.drop))
        self.listing = listing
        self.show(shown, [[row[places[c.name]] for c in columns] for row in listing.rows], keep=keep)

    def field(self, name: str) -> Any:
        """Value of the cursor's row, also of a column that is not shown; None without rows."""
        number = self.current_number
        if self.listing is None or number is None or name not in {field.name for field in self.listing.fields}:
            return None
        return self.listing.value(self.listing.rows[number], name)

    def _value_text(self, value: Any, column: GridColumn) -> str:
        presenter: Presenter = self.app.presenter  # type: ignore[attr-defined]
        return value_text(presenter, value, column.name, column.kind)

    def set_states(self, states: Sequence[str]) -> None:
        """State of each row for the next list: ``ok``, ``warn``, ``error``, ``dim``, ``title`` or none."""
        self._states = states

    def _style(self, number: int, name: str) -> str:
        state = self._states[number] if number < len(self._states) else ""
        if state:
            return STATE_STYLES.get(state, state)
        at, _column = self._by_name[name]
        return "dim" if self.rows[number][at] in (None, []) else ""

    def _mark_of(self, number: int) -> str:
        return MARKS.get(self._states[number], " ") if number < len(self._states) else " "
