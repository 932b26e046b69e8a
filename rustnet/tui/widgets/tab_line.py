"""The first two lines: names of the tabs, chips with source, filter, time and redaction, and a rule below."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual.events import Click
from textual.strip import Strip
from textual.widget import Widget

from rustnet.present.text import cut, width

if TYPE_CHECKING:
    from rustnet.tui.app import Browser

BRAND = "rustnet"
NARROW = 100
"""Columns below which only the active tab has its name."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A short text at the right end of the first line."""

    text: str
    style: str = "plain"
    """``plain``, ``accent`` or ``alert``."""
    action: str = ""
    """What a click does; empty: nothing."""


def _width_of(chip: Chip) -> int:
    """Width of a chip, with the space before it."""
    return width(chip.text) + 2 + (2 if chip.style == "alert" else 0)


class TabLine(Widget):
    """Tabs and chips."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "tabs--brand", "tabs--tab", "tabs--active", "tabs--rule", "tabs--plain", "tabs--accent", "tabs--alert",
    }  # fmt: skip
    DEFAULT_CSS = """
    TabLine { height: 2; width: 1fr; background: $background; }
    TabLine .tabs--brand { color: $foreground-muted; }
    TabLine .tabs--tab { color: $foreground; }
    TabLine .tabs--active { color: $accent; text-style: bold; }
    TabLine .tabs--rule { color: $panel-lighten-2; }
    TabLine .tabs--plain { color: $foreground-muted; }
    TabLine .tabs--accent { color: $accent; text-style: bold; }
    TabLine .tabs--alert { color: $background; background: $error; text-style: bold; }
    TabLine:ansi .tabs--rule { color: ansi_bright_black; }
    TabLine:nocolor .tabs--active, TabLine:nocolor .tabs--alert { text-style: reverse; }
    """

    def __init__(self, tabs: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self._tabs = tabs
        self._chips: tuple[Chip, ...] = ()
        self._active = tabs[0][0]
        self._places: list[tuple[int, int, str]] = []
        self._actions: list[tuple[int, int, str]] = []
        self._strips: tuple[Strip, Strip] | None = None

    def set(self, active: str, chips: tuple[Chip, ...]) -> None:
        """Show the active tab and the chips."""
        if (active, chips) != (self._active, self._chips):
            self._active, self._chips = active, chips
            self._forget()

    def _forget(self) -> None:
        self._strips = None
        self.refresh()

    def on_resize(self) -> None:
        """Lay the tabs out anew."""
        self._forget()

    def notify_style_update(self) -> None:
        """Take the colours of another theme."""
        super().notify_style_update()
        self._strips = None

    def _build(self) -> tuple[Strip, Strip]:
        columns = self.size.width
        style = self.get_component_rich_style
        narrow = columns < NARROW or self._width_of_titles() + self._width_of_warnings() > columns
        segments = [Segment(f" {BRAND} ", style("tabs--brand"))] if columns >= 60 else []
        at = sum(len(segment.text) for segment in segments)
        self._places = []
        for number, (name, title) in enumerate(self._tabs, 1):
            active = name == self._active
            text = f" {number} {title} " if active or not narrow else f" {number} "
            segments.append(Segment(text, style("tabs--active" if active else "tabs--tab")))
            self._places.append((at, at + width(text), name))
            at += width(text)
        segments += self._chip_segments(at, columns - at)
        base = self.rich_style
        first = Strip(segments).adjust_cell_length(columns, base)
        rule = style("tabs--rule")
        start, end = next(((a, b) for a, b, name in self._places if name == self._active), (0, 0))
        second = Strip([
            Segment("─" * start, rule), Segment("━" * (end - start), style("tabs--active")),
            Segment("─" * max(0, columns - end), rule),
        ]).adjust_cell_length(columns, base)  # fmt: skip
        return first, second

    def _width_of_titles(self) -> int:
        """Width of brand and tabs with all titles."""
        return width(f" {BRAND} ") + sum(
            width(f" {number} {title} ") for number, (_, title) in enumerate(self._tabs, 1)
        )

    def _width_of_warnings(self) -> int:
        """Width of the chips without which the screen would be misunderstood: all but the name of the source."""
        return 1 + sum(_width_of(chip) for chip in self._chips if chip.style != "plain")

    def _chip_segments(self, begin: int, room: int) -> list[Segment]:
        """Return the chips that fit between ``begin`` and the end, the last ones (source) dropped first."""
        chosen: list[Chip] = []
        used = 1
        for chip in self._chips:
            size = _width_of(chip)
            if used + size > room:
                if not chosen and room > 12:
                    chosen.append(Chip(cut(chip.text, room - 6), chip.style, chip.action))
                    used += width(chosen[-1].text) + 2
                break
            chosen.append(chip)
            used += size
        base = self.rich_style
        segments = [Segment(" " * max(0, room - used), base)]
        at = begin + max(0, room - used)
        self._actions = []
        for chip in chosen:
            text = f" {chip.text} " if chip.style == "alert" else chip.text
            self._actions.append((at + 2, at + 2 + width(text), chip.action))
            at += 2 + width(text)
            segments += [Segment("  ", base), Segment(text, self.get_component_rich_style(f"tabs--{chip.style}"))]
        return segments

    def render_line(self, y: int) -> Strip:
        """One of the two lines."""
        if self._strips is None:
            self._strips = self._build()
        return self._strips[min(y, 1)]

    async def on_click(self, event: Click) -> None:
        """Show the tab that was clicked, or do what the chip stands for."""
        for start, end, action in self._actions:
            if start <= event.x < end and action and event.y == 0:
                await self.app.run_action(action)
        for start, end, name in self._places:
            if start <= event.x < end:
                cast("Browser", self.app).action_show_tab(name)
