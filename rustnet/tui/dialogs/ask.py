"""Asks for one line of text."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from rustnet.i18n import _
from rustnet.tui.dialogs.base import Dialog


class AskDialog(Dialog[str]):
    """One line; the result is its text, None if the dialog was closed."""

    def __init__(self, title: str, words: str = "", text: str = "") -> None:
        super().__init__()
        self._title = title
        self._words = words
        self._text = text

    def compose(self) -> ComposeResult:
        """Title, what to enter, the line."""
        with Vertical(classes="dialog"):
            yield Static(Content(self._title), classes="title")
            if self._words:
                yield Static(Content(self._words))
            yield Input(self._text, max_length=1000)
            yield Static(Content(_("Enter takes it, Esc closes")), classes="hint")

    def on_mount(self) -> None:
        """Begin to type."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the text."""
        if event.value.strip():
            self.dismiss(event.value.strip())
