"""Cards of values: groups of rows with a label, a value, and where it was learned from; each value can be selected."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rustnet.tui.widgets.table import fit

LABEL = 24
"""Cells of a label where there is room."""
NARROW_LABEL = 16
TWO_COLUMNS = 100
"""Width from which on cards stand in two columns."""
WIDEST = 140
"""Cells that two columns take at most."""
LEAST_NOTE = 12
"""Cells that a remark needs at the right of a value; in less it is left out."""


@dataclass(frozen=True, slots=True)
class Item:
    """A row of a card: a value that can be selected."""

    name: str
    label: str
    text: str
    note: str = ""
    """Where it was learned from and when, and remarks."""
    style: str = ""
    """``dim``, ``ok``, ``warn``, ``error`` or ``accent``; empty for the usual one."""
    whole: str = ""
    """The whole value, where ``text`` is shortened or rounded."""
    term: str = ""
    """Filter of the flows with this value; empty if there is none."""
    flow_id: int | None = None
    """Flow that it leads to."""

    @property
    def full(self) -> str:
        """The value as it is copied and viewed."""
        return self.whole or self.text


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence over the whole width of a card, over as many lines as it needs."""

    text: str
    style: str = "dim"


@dataclass(frozen=True, slots=True)
class Block:
    """A card: its title, and what is below it. ``chart`` is a number of lines that the owner draws."""

    title: str
    lines: "Sequence[Item | Sentence]"
    chart: int = 0


STYLES = ("title", "label", "note", "selected", "blurred", "dim", "ok", "warn", "error", "accent")
NOTHING = "-"
"""In the place of a value that is not known."""


class Cards(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows cards in one column or two."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"cards--{name}" for name in STYLES}
    DEFAULT_CSS = """
    Cards {
        height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; scrollbar-gutter: stable;
        & > .cards--title { color: $heading; text-style: bold; }
        & > .cards--label { color: $foreground-muted; }
        & > .cards--note { color: $foreground-muted; }
        & > .cards--selected { background: $primary; color: $background; text-style: bold; }
        & > .cards--blurred { background: $surface; }
        & > .cards--dim { color: $foreground-muted; }
        & > .cards--ok { color: $success; }
        & > .cards--warn { color: $warning; }
        & > .cards--error { color: $error; }
        & > .cards--accent { color: $accent; }
    }
    Cards:nocolor {
        & > .cards--selected { text-style: reverse; }
        & > .cards--blurred { text-style: bold; }
        & > .cards--dim, & > .cards--note, & > .cards--label { text-style: dim; }
        & > .cards--error, & > .cards--warn { text-style: bold; }
    }
    """

    class Viewed(Message):
        """A value is to be shown whole."""

        def __init__(self, item: Item) -> None:
            super().__init__()
            self.item = item

    class Copied(Message):
        """A value was clicked, so that it is copied."""

        def __init__(self, item: Item) -> None:
            super().__init__()
            self.item = item

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.blocks: tuple[Block, ...] = ()
        self.cursor = 0
        self._items: list[tuple[int, int, Item]] = []
        """Column, line and item of each value, in the order in which the cursor takes them."""
        self._lines: list[list[tuple[object, ...]]] = [[], []]
        self._charts: dict[str, list[Strip]] = {}
        self._strips: dict[int, Strip] = {}
        self._styles: dict[str, Style] = {}
        self._columns = 1

    # ---- contents ------------------------------------------------------------------------------------------------

    def show(self, blocks: Iterable[Block]) -> None:
        """Show these cards; the cursor stays on the row of the same name."""
        selected = self.selected
        self.blocks = tuple(blocks)
        self._place()
        if selected is not None:
            self.cursor = next((at for at, (_c, _l, item) in enumerate(self._items) if item.name == selected.name), 0)
        self.cursor = max(0, min(self.cursor, len(self._items) - 1))

    def set_chart(self, title: str, strips: list[Strip]) -> None:
        """Draw the lines that a block left for a chart."""
        self._charts[title] = strips
        self._strips.clear()
        self.refresh()

    @property
    def selected(self) -> Item | None:
        """Value at the cursor."""
        return self._items[self.cursor][2] if self.cursor < len(self._items) else None

    @property
    def room(self) -> int:
        """Cells of a line, without the bar for scrolling."""
        return self.scrollable_content_region.width or self.size.width

    @property
    def column_width(self) -> int:
        """Cells of one column."""
        if self.room < TWO_COLUMNS - 1:
            return max(10, self.room)
        return (min(WIDEST, self.room) - 2) // 2

    def _place(self) -> None:
        """Distribute the cards over the columns: in their order, so that both are about as long."""
        self._columns = 2 if self.room >= TWO_COLUMNS - 1 else 1
        built = [self._built(block) for block in self.blocks]
        split = len(built)
        total = sum(map(len, built))
        if self._columns == 2:
            split = min(range(1, len(built) + 1), key=lambda at: abs(2 * sum(map(len, built[:at])) - total), default=0)
        if self._columns == 2 and len(built) == 1 and total > self.size.height:
            half = -(-(total + 1) // 2)
            built = [built[0][:half], [("blank",), *built[0][half:]]]
        self._lines = [[line for block in built[:split] for line in block], [line for b in built[split:] for line in b]]
        self._items = [
            (column, at, line[1])
            for column, lines in enumerate(self._lines)
            for at, line in enumerate(lines)
            if line[0] == "item" and isinstance(line[1], Item)
        ]
        self.virtual_size = Size(self.room, max(map(len, self._lines)))
        self.cursor = max(0, min(self.cursor, len(self._items) - 1))
        self._strips.clear()
        self.refresh()

    def _built(self, block: Block) -> list[tuple[object, ...]]:
        lines: list[tuple[object, ...]] = [("title", block.title)]
        for line in block.lines:
            if isinstance(line, Item):
                lines.append(("item", line))
            else:
                lines += [("text", part, line.style) for part in wrapped(line.text, self.column_width - 3)]
        lines += [("chart", block.title, at) for at in range(block.chart)]
        return [*lines, ("blank",)]

    # ---- drawing -------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Place the cards for the new width."""
        self._place()

    def notify_style_update(self) -> None:
        """Forget what depends on the theme."""
        super().notify_style_update()
        self._styles.clear()
        self._strips.clear()

    def style_of(self, name: str) -> Style:
        """Style of a part."""
        if name not in self._styles:
            self._styles[name] = self.get_component_rich_style(f"cards--{name}") if name else self.rich_style
        return self._styles[name]

    def render_line(self, y: int) -> Strip:
        """Draw one line of both columns."""
        at = y + self.scroll_offset.y
        strip = self._strips.get(at)
        if strip is None:
            strip = self._strips[at] = self._drawn(at)
        return strip

    def _drawn(self, at: int) -> Strip:
        width = self.column_width
        segments: list[Segment] = []
        for column in range(self._columns):
            lines = self._lines[column]
            if column:
                segments.append(Segment("  ", self.rich_style))
            segments += self._line(column, at, lines[at] if at < len(lines) else ("blank",), width)
        return Strip(segments).adjust_cell_length(self.room, self.rich_style)

    def _line(self, column: int, at: int, line: tuple[object, ...], width: int) -> list[Segment]:
        if line[0] == "title":
            return [Segment(fit(f" {line[1]}", width), self.style_of("title"))]
        if line[0] == "text":
            return [Segment(fit(f"   {line[1]}", width), self.style_of(str(line[2])))]
        if line[0] == "chart":
            strips = self._charts.get(str(line[1]), [])
            number = line[2] if isinstance(line[2], int) else 0
            if number < len(strips):
                base = self.rich_style
                drawn = (Segment(each.text, base + (each.style or base)) for each in strips[number])
                return list(Strip(drawn).adjust_cell_length(width, base))
        if isinstance(line[-1], Item):
            return self._item(column, at, line[-1], width)
        return [Segment(" " * width, self.rich_style)]

    def _item(self, column: int, at: int, item: Item, width: int) -> list[Segment]:
        selected = self.cursor < len(self._items) and self._items[self.cursor][:2] == (column, at)
        chosen = self.style_of("selected" if self.has_focus else "blurred") if selected else None
        label = LABEL if width >= 48 else NARROW_LABEL
        room = width - label - 3
        text = item.text or NOTHING
        size = min(room, cell_len(text))
        note = item.note if item.note and room - size >= LEAST_NOTE + 2 else ""
        return [
            Segment("▌ " if selected else "  ", chosen or self.rich_style),
            Segment(fit(item.label, label) + " ", chosen or self.style_of("label")),
            Segment(fit(text, size), chosen or self.style_of(item.style if item.text else "dim")),
            Segment(fit(f"  {note}" if note else "", room - size), chosen or self.style_of("note")),
        ]

    # ---- cursor, keys and mouse ----------------------------------------------------------------------------------

    def on_focus(self) -> None:
        """Show which value keys act on."""
        self._strips.clear()
        self.refresh()

    def on_blur(self) -> None:
        """Show that keys act elsewhere."""
        self._strips.clear()
        self.refresh()

    def select(self, number: int) -> None:
        """Select a value by its number, and scroll until it is on the screen."""
        if not self._items:
            return
        self.cursor = max(0, min(len(self._items) - 1, number))
        self._strips.clear()
        line = self._items[self.cursor][1]
        if line <= self.scroll_offset.y:
            self.scroll_to(y=max(0, line - 1), animate=False)
        elif line >= self.scroll_offset.y + self.size.height:
            self.scroll_to(y=line - self.size.height + 1, animate=False)
        self.refresh()

    def move(self, step: int) -> None:
        """Select the next value, or the previous one."""
        self.select(self.cursor + step)

    def on_click(self, event: events.Click) -> None:
        """Select a value and copy it; a double click shows it whole."""
        if event.button != 1:
            return
        at = event.y + self.scroll_offset.y
        column = 1 if self._columns == 2 and event.x >= self.column_width + 2 else 0
        for number, (own, line, item) in enumerate(self._items):
            if (own, line) == (column, at):
                self.select(number)
                if item.text:
                    self.post_message(self.Viewed(item) if event.chain > 1 else self.Copied(item))
                return


def wrapped(text: str, width: int) -> list[str]:
    """Lines of a text, broken at spaces where possible."""
    lines = [""]
    for word in text.split(" "):
        for piece in _pieces(word, max(1, width)):
            joined = f"{lines[-1]} {piece}" if lines[-1] else piece
            if cell_len(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(piece)
    return lines


def _pieces(word: str, width: int) -> list[str]:
    """A word in pieces that are at most ``width`` cells wide."""
    if cell_len(word) <= width:
        return [word]
    size = max(1, width // 2) if not word.isascii() else width
    return [word[at : at + size] for at in range(0, len(word), size)]
