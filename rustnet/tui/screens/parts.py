"""Base of screens with several lists, of which one is shown: a line of their names, a sentence, and a grid."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from rustnet.i18n import _
from rustnet.query.views.listed import Listing
from rustnet.query.views.spec import Statement
from rustnet.tui.pane import Pane
from rustnet.tui.widgets.listing_grid import ListingGrid, Shown
from rustnet.tui.widgets.part_line import PartLine


class PartsPane(Pane):
    """A screen with a line of parts and a grid."""

    PARTS: ClassVar[tuple[tuple[str, str], ...]]
    """Name and title of each part."""
    COLUMNS: ClassVar[Mapping[str, Sequence[Shown]]]
    """Columns of the list of each part."""
    SCOPED_CSS: ClassVar[bool] = False
    DEFAULT_CSS = """
    PartsPane { layout: vertical; }
    PartsPane > .summary { height: auto; max-height: 3; padding: 0 1; color: $foreground-muted; }
    PartsPane > ListingGrid { margin-top: 1; }
    .-low PartsPane > ListingGrid, .-short PartsPane > ListingGrid { margin-top: 0; }
    .-low PartsPane > .summary { max-height: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.part = self.PARTS[0][0]
        self.listing: Listing | None = None
        self._shown_part = ""
        self._line = PartLine(tuple((name, _(title)) for name, title in self.PARTS))

    def compose(self) -> ComposeResult:
        """Names of the parts, a sentence, the list."""
        yield self._line
        yield Static(Content(""), classes="summary")
        yield ListingGrid()

    @property
    def grid(self) -> ListingGrid:
        """The list."""
        return self.query_one(ListingGrid)

    def request(self) -> Any:
        """Which part is shown."""
        return self.part

    def statement(self) -> Statement | None:
        """The SQL of the list."""
        return None if self.listing is None else self.listing.statement

    def focus_first(self) -> None:
        """Give the focus to the list."""
        self.grid.focus()

    def summarise(self, words: str) -> None:
        """Show a sentence above the list."""
        self.query_one(".summary", Static).update(Content(words))

    def show_listing(self, part: str, listing: Listing, words: str = "") -> None:
        """Show the list of a part; the cursor stays if it was shown before."""
        self.listing = listing
        more = _("the first {n}; there are more").format(n=f"{len(listing.rows):,}") if listing.truncated else ""
        self.summarise(" · ".join(filter(None, (words, more))))
        self.grid.show_listing(listing, self.COLUMNS[part], keep=part == self._shown_part)
        self._shown_part = part
        self._line.set(part)

    def choose_part(self, name: str) -> None:
        """Show another part."""
        self.part = name
        self._line.set(name)
        self.refresh_if_old()

    def action_part(self, step: int) -> None:
        """Show the next part."""
        names = [name for name, _title in self.PARTS]
        self.choose_part(names[(names.index(self.part) + step) % len(names)])

    def on_part_line_chosen(self, event: PartLine.Chosen) -> None:
        """Show the part that was clicked."""
        event.stop()
        self.part_clicked(event.name)

    def part_clicked(self, name: str) -> None:
        """Show the part of that name."""
        self.choose_part(name)

    def reset(self) -> None:
        """Show the first part, in its own order."""
        self.part = self.PARTS[0][0]
        self.grid.sort_by("", descending=False)

    def cursor_place(self) -> object:
        """Part and row of the cursor."""
        return self.part, self.grid.cursor

    def restore_cursor(self, place: object) -> None:
        """Show that part, with the cursor where it was."""
        if isinstance(place, tuple):
            part, row = place
            if part != self.part:
                self.choose_part(part)
            else:
                self.grid.cursor = row
