"""Parts of a screen, as a line of names of which one is active; a click chooses another."""

from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from rustnet.present.text import width


class PartLine(Widget):
    """Names of parts."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"parts--active", "parts--other"}
    DEFAULT_CSS = """
    PartLine {
        height: 1; width: 1fr;
        & > .parts--active { color: $accent; text-style: bold underline; }
        & > .parts--other { color: $foreground-muted; }
    }
    PartLine:nocolor { & > .parts--active { text-style: reverse; } & > .parts--other { text-style: none; } }
    """

    class Chosen(Message):
        """A part was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, parts: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self._parts = parts
        self.active = parts[0][0]
        self._places: list[tuple[int, int, str]] = []

    def set(self, active: str) -> None:
        """Show another part as the active one."""
        if active != self.active:
            self.active = active
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 -- there is one
        """Draw the names; where there is no room for all of them, others than the active one are cut to a letter."""
        total = sum(width(title) + 3 for _name, title in self._parts)
        short = total > self.size.width
        segments: list[Segment] = []
        self._places = []
        at = 0
        for name, title in self._parts:
            active = name == self.active
            text = f" {title} " if active or not short else f" {title[:3]} "
            style = self.get_component_rich_style("parts--active" if active else "parts--other")
            segments += [Segment(text, style), Segment(" ", self.rich_style)]
            self._places.append((at, at + width(text), name))
            at += width(text) + 1
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Choose the part that was clicked."""
        for start, end, name in self._places:
            if start <= event.x < end:
                self.post_message(self.Chosen(name))
