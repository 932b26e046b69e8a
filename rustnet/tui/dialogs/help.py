"""Help: the keys of the present screen, from the table of bindings; the tabs stay usable beneath."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from rustnet.i18n import N_, _
from rustnet.present.text import pad
from rustnet.tui.bindings import ACTIONS, PLACES, bindings, keys_of
from rustnet.tui.dialogs.base import Dialog

NOTES = (
    N_("Shift and the mouse select text in most terminals; F8 releases the mouse."),
    N_("In tmux, 'set -g escape-time 10' makes Escape quick, 'set -g allow-passthrough on' lets copies through."),
)


class HelpDialog(Dialog[None]):
    """Keys and what they do."""

    ANY_CLICK_CLOSES = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "close", show=False),
        Binding("h,question_mark,f1", "close", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
        *(b for b in bindings("everywhere") if isinstance(b, Binding) and "tab" in b.action),
    ]
    DEFAULT_CSS = """
    HelpDialog > .dialog { max-width: 92; max-height: 32; }
    """

    def compose(self) -> ComposeResult:
        """Title, keys, notes."""
        with Vertical(classes="dialog"):
            yield Static(Content(""), classes="title")
            with VerticalScroll():
                yield Static(Content(""), id="keys")
            yield Static(Content(_("Esc or a click closes")), classes="hint")

    def on_mount(self) -> None:
        """Fill in the keys of the present tab."""
        self.fill()
        self.query_one(VerticalScroll).focus()

    def fill(self) -> None:
        """Show the keys of the tab that is shown."""
        place = self.browser.tab
        self.query_one(".title", Static).update(Content(_("Keys: {screen}").format(screen=_(PLACES[place]))))
        self.query_one("#keys", Static).update(Content("\n".join(self._lines(place))))

    def _lines(self, place: str) -> list[str]:
        keymap = self.browser.settings.keys
        lines: list[str] = []
        for where in dict.fromkeys((place, "table", "time", "everywhere", "filter")):
            rows = [(" ".join(keys_of(a, keymap)), _(a.help)) for a in ACTIONS if a.where == where]
            rows = [(keys, words) for keys, words in rows if keys]
            if not rows or (where == "table" and place in ("details", "graph")):
                continue
            lines += [_(PLACES[where]), *(f"  {pad(keys, 18)} {words}" for keys, words in rows), ""]
        return [*lines, *map(_, NOTES)]

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
