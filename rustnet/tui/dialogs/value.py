"""One value, whole: without borders, so that the terminal's own selection takes it as it is."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from rustnet.i18n import _
from rustnet.tui.dialogs.base import Dialog

LONGEST = 65_536
"""Most characters that are shown."""


class ValueDialog(Dialog[None]):
    """Shows a text that is safe already, line by line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,q,C,v", "close", show=False),
        Binding("c", "copy", show=False),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]
    DEFAULT_CSS = """
    ValueDialog > .dialog { width: 100%; max-width: 100%; height: 100%; max-height: 100%; border: none; padding: 0 1; }
    """

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text[:LONGEST]

    def compose(self) -> ComposeResult:
        """Title, text, and what the keys do."""
        with Vertical(classes="dialog"):
            yield Static(Content(self._title), classes="title")
            with VerticalScroll():
                yield Static(Content(self._text))
            yield Static(Content(_("c copies, Esc closes; the mouse selects text")), classes="hint")

    def on_mount(self) -> None:
        """Leave the mouse to the terminal."""
        self.browser.release_mouse(released=True)
        self.query_one(VerticalScroll).focus()

    def on_unmount(self) -> None:
        """Take the mouse back."""
        self.browser.release_mouse(released=self.browser.mouse_released)

    def action_copy(self) -> None:
        """Copy the text."""
        self.browser.copy(self._text)

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
