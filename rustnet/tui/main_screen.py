"""The one screen: tabs at the top, the screen that is chosen, and the status at the bottom."""

import importlib
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import ContentSwitcher

from rustnet.i18n import N_, _
from rustnet.tui.bindings import bindings
from rustnet.tui.pane import Pane
from rustnet.tui.widgets.filter_line import FilterLine
from rustnet.tui.widgets.status_line import StatusLine
from rustnet.tui.widgets.tab_line import TabLine

if TYPE_CHECKING:
    from rustnet.tui.app import Browser

TABS: tuple[tuple[str, str], ...] = (
    ("overview", N_("Overview")),
    ("details", N_("Details")),
    ("activity", N_("Activity")),
    ("graph", N_("Graph")),
    ("hosts", N_("Hosts")),
    ("health", N_("Health")),
    ("network", N_("Network")),
    ("sql", N_("SQL")),
)
"""Names and titles of the tabs. The module of each is `rustnet.tui.screens.<name>`, the class in it `PANE`."""


class MainScreen(Screen[None]):
    """Frame around the tabs, which are made when they are first shown."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]  # noqa: RUF012 -- as Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-short"), (30, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("everywhere", "time")]
    DEFAULT_CSS = """
    MainScreen { layout: vertical; background: $background; overflow: hidden; }
    MainScreen ContentSwitcher { height: 1fr; width: 1fr; }
    MainScreen.-short TimeBar { height: 1; }
    MainScreen.-low TimeBar { display: none; }
    """

    def compose(self) -> ComposeResult:
        """Tabs, content, status."""
        yield TabLine(tuple((name, _(title)) for name, title in TABS))
        yield ContentSwitcher(id="tabs")
        yield FilterLine()
        yield self.browser.make_time_bar()
        yield StatusLine()

    @property
    def browser(self) -> "Browser":
        """The app."""
        return cast("Browser", self.app)

    async def on_mount(self) -> None:
        """Show the first tab."""
        await self.show_tab(self.browser.tab)

    async def pane(self, name: str) -> Pane:
        """Return a tab, made if it was not there yet."""
        switcher = self.query_one("#tabs", ContentSwitcher)
        for child in switcher.children:
            if child.id == name:
                return cast("Pane", child)
        pane: Pane = importlib.import_module(f"rustnet.tui.screens.{name}").PANE()
        pane.display = False
        await switcher.mount(pane)
        return pane

    def pane_if_made(self, name: str) -> Pane | None:
        """Return a tab if it has been made."""
        for child in self.query_one("#tabs", ContentSwitcher).children:
            if child.id == name:
                return cast("Pane", child)
        return None

    async def rebuild(self) -> None:
        """Make everything again, in another language."""
        await self.recompose()
        await self.show_tab(self.browser.tab)

    async def show_tab(self, name: str) -> None:
        """Show a tab, asking the session if what it shows is old."""
        pane = await self.pane(name)
        self.query_one("#tabs", ContentSwitcher).current = name
        pane.refresh_if_old()
        pane.focus_first()
        self.browser.update_frame()
