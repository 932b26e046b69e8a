"""Asks for a time to go to; what is typed is read at once, and what it means or why not is shown below."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from rustnet.errors import RustnetError
from rustnet.i18n import _
from rustnet.present.values import zone, zone_name
from rustnet.query.views.moments import EXAMPLES, LONGEST, Extent, Target, parse
from rustnet.tui.dialogs.base import Dialog
from rustnet.tui.widgets.time_bar import full_time


class GoToDialog(Dialog[str]):
    """The result is the text, which `parse` accepts."""

    DEFAULT_CSS = """
    GoToDialog .answer { height: 1; color: $foreground-muted; }
    GoToDialog .answer.-wrong { color: $error; }
    GoToDialog .examples { height: auto; color: $foreground-muted; margin-top: 1; }
    """

    def __init__(self, extent: Extent) -> None:
        super().__init__()
        self._extent = extent

    def compose(self) -> ComposeResult:
        """A line to fill in."""
        with Vertical(classes="dialog"):
            yield Static(Content(_("Go to a time")), classes="title")
            yield Input(id="time", max_length=LONGEST)
            yield Static(Content(self._span()), classes="answer")
            yield Static(Content(EXAMPLES), classes="examples")
            yield Static(Content(_("Enter goes there, Esc closes")), classes="hint")

    def on_mount(self) -> None:
        """Begin to type."""
        self.query_one(Input).focus()

    def _span(self) -> str:
        """The times that there are."""
        first, last = full_time(self._extent.first), full_time(self._extent.last)
        return _("{first} to {last}, times of {zone}").format(first=first, last=last, zone=zone_name())

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what the text means."""
        if not event.value.strip():
            self._answer(self._span())
            return
        try:
            self._answer(meaning(parse(event.value, self._extent, zone())))
        except RustnetError as error:
            self._answer(self.browser.presenter.error(error), wrong=True)

    def _answer(self, text: str, *, wrong: bool = False) -> None:
        line = self.query_one(".answer", Static)
        line.set_class(wrong, "-wrong")
        line.update(Content(text))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go there, if it is a time."""
        text = event.value.strip()
        try:
            parse(text, self._extent, zone())
        except RustnetError as error:
            self._answer(self.browser.presenter.error(error), wrong=True)
            return
        self.dismiss(text)


def meaning(target: Target) -> str:
    """What a typed time means, in words."""
    if target.what == "packet":
        return _("packet {number}").format(number=f"{target.number:,}")
    if target.what == "end":
        return _("the end")
    if target.what == "live":
        return _("live")
    return full_time(target.ns)
