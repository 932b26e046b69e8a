"""The last line: keys for the present screen, and messages."""

from typing import ClassVar

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from rustnet.present.text import cut, width


class StatusLine(Widget):
    """Hints at the left, a message or the state of the question at the right."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"status--key", "status--word", "status--message", "status--error"}
    DEFAULT_CSS = """
    StatusLine { height: 1; width: 1fr; background: $panel; }
    StatusLine .status--key { color: $accent; text-style: bold; background: $panel; }
    StatusLine .status--word { color: $foreground-muted; background: $panel; }
    StatusLine .status--message { color: $foreground; background: $panel; }
    StatusLine .status--error { color: $error; text-style: bold; background: $panel; }
    StatusLine:ansi { background: ansi_default; }
    StatusLine:nocolor .status--error { text-style: reverse; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._hints: tuple[tuple[str, str], ...] = ()
        self._message = ""
        self._error = False
        self.note = ""
        """What is at the right end."""

    def set_hints(self, hints: list[tuple[str, str]]) -> None:
        """Show keys and their words."""
        if tuple(hints) != self._hints:
            self._hints = tuple(hints)
            self.refresh()

    def set_message(self, text: str, *, error: bool = False) -> None:
        """Show a message until the next one; empty: none."""
        if (text, error) != (self._message, self._error):
            self._message, self._error = text, error
            self.refresh()

    def set_note(self, text: str) -> None:
        """Show a note at the right end, such as how long a question takes; empty: none."""
        if text != self.note:
            self.note = text
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 -- there is one line
        """Lay the line out: a message takes the place of hints if both do not fit."""
        columns = self.size.width
        style = self.get_component_rich_style
        base = self.rich_style
        right = cut(self.note, columns // 3)
        message = cut(self._message, max(0, columns - width(right) - 3))
        room = columns - width(right) - (width(message) + 2 if message else 0) - 2
        segments: list[Segment] = []
        used = 0
        most = 3 if columns < 100 else 6
        for key, word in self._hints[:most]:
            size = width(key) + width(word) + 3
            if used + size > room:
                break
            segments += [Segment(f" {key}", style("status--key")), Segment(f" {word} ", style("status--word"))]
            used += size
        tail = width(message) + width(right) + (1 if right else 0) + (1 if message else 0)
        segments.append(Segment(" " * max(0, columns - used - tail), base))
        if message:
            segments.append(Segment(f"{message} ", style("status--error" if self._error else "status--message")))
        if right:
            segments.append(Segment(f"{right} ", style("status--word")))
        return Strip(segments).adjust_cell_length(columns, base)
