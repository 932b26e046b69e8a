"""The editor of the SQL screen, with completions."""

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from rustnet.query.views.console import Completion, Names, completions
from rustnet.tui.bindings import bindings

SHOWN = 8
"""Completions that are shown."""


class SqlEditor(TextArea):
    """A text area that completes names: the first as ghost text, which Tab takes; Ctrl-N goes to the next one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f6", "app.focus_next", show=False),
        Binding("ctrl+n", "next_completion", show=False),
        Binding("ctrl+c", "app.leave_now", show=False),
        *bindings("sql"),
    ]
    DEFAULT_CSS = """
    SqlEditor { height: 8; border: none; padding: 0 1; background: $surface; }
    SqlEditor:focus { border: none; }
    SqlEditor:ansi { background: ansi_default; }
    """

    class Completed(Message):
        """The completions are others."""

        def __init__(self, shown: list[Completion], at: int) -> None:
            super().__init__()
            self.shown = shown
            self.at = at

    class Chosen(Message):
        """A saved query was chosen: its statement is to take the place of the text."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self) -> None:
        super().__init__(tab_behavior="indent", highlight_cursor_line=False, soft_wrap=True)
        self.cursor_blink = False
        self.names = Names({}, {})
        self._shown: list[Completion] = []
        self._at = 0

    def before_cursor(self) -> str:
        """Text from the beginning to the cursor."""
        return self.get_text_range((0, 0), self.cursor_location)

    def complete(self) -> None:
        """Work the completions out for the word at the cursor."""
        row, column = self.cursor_location
        after = self.document.get_line(row)[column : column + 1]
        found = [] if after.isalnum() or after == "_" else completions(self.before_cursor(), self.names)
        self._shown, self._at = found[:SHOWN], 0
        self._show()

    def _show(self) -> None:
        self.suggestion = self._shown[self._at].rest if self._shown else ""
        self.post_message(self.Completed(self._shown, self._at))

    def on_text_area_changed(self) -> None:
        """Complete what was typed."""
        self.complete()

    def update_suggestion(self) -> None:
        """Complete when the cursor moves (Textual's hook)."""

    def action_next_completion(self) -> None:
        """Go to the next completion, round at the end."""
        if self._shown:
            self._at = (self._at + 1) % len(self._shown)
            self._show()

    async def on_key(self, event: events.Key) -> None:
        """Take the completion with Tab; without one, Tab goes to the next part of the screen."""
        if event.key != "tab":
            return
        event.prevent_default()
        event.stop()
        if not self._shown:
            self.app.action_focus_next()
            return
        chosen = self._shown[self._at]
        if chosen.text in self.names.queries and chosen.text not in self.names.tables:
            self.post_message(self.Chosen(chosen.text))
            return
        self.insert(chosen.rest)
