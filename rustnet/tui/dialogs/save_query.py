"""Asks for the name of a statement that is to become a saved query."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from rustnet.i18n import _
from rustnet.tui.dialogs.base import Dialog


class SaveQueryDialog(Dialog[tuple[str, str]]):
    """Name and title; the result is both."""

    def compose(self) -> ComposeResult:
        """Two lines to fill in."""
        with Vertical(classes="dialog"):
            yield Static(Content(_("Save as a named query")), classes="title")
            yield Static(Content(_("Name (small letters, digits, - and _):")))
            yield Input(id="name", max_length=64)
            yield Static(Content(_("Title, which lists show:")))
            yield Input(id="title", max_length=200)
            yield Static(Content(_("Enter saves, Esc closes")), classes="hint")

    def on_mount(self) -> None:
        """Begin with the name."""
        self.query_one("#name", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on to the title, or end."""
        name = self.query_one("#name", Input).value.strip()
        if event.input.id == "name" or not name:
            self.query_one("#title" if name else "#name", Input).focus()
            return
        self.dismiss((name, self.query_one("#title", Input).value))
