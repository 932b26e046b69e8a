"""Bytes as hexadecimal digits and characters, with a range of them emphasised."""

from typing import ClassVar

from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip

from rustnet.tui.widgets.scrolling import ScrollingView


def characters(data: bytes) -> str:
    """One character for each byte: ASCII letters, digits and signs as they are, anything else as a point."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in data)


def digits(data: bytes, columns: int) -> str:
    """Hexadecimal digits of a line of at most ``columns`` bytes, with a wider gap in its middle."""
    half = columns // 2
    first, second = data[:half].hex(" "), data[half:].hex(" ")
    return f"{first:<{half * 3 - 1}}  {second:<{(columns - half) * 3 - 1}}"


def columns_for(width: int) -> int:
    """Bytes of a line that fit."""
    return 16 if width >= 76 else 8


class HexView(ScrollingView):
    """Shows bytes."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"hex--offset", "hex--marked", "hex--text"}
    DEFAULT_CSS = """
    HexView {
        height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        & > .hex--offset { color: $foreground-muted; }
        & > .hex--text { color: $foreground 80%; }
        & > .hex--marked { background: $primary; color: $background; }
    }
    HexView:nocolor { & > .hex--marked { text-style: reverse; } & > .hex--offset { text-style: dim; } }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.data = b""
        self.marked: tuple[int, int] | None = None
        """First byte and the one after the last that are emphasised."""

    def show(self, data: bytes, marked: tuple[int, int] | None = None) -> None:
        """Show bytes, of which a range is emphasised and on the screen."""
        self.data = data
        self._measure()
        self.mark(marked)

    def mark(self, marked: tuple[int, int] | None) -> None:
        """Emphasise a range of bytes."""
        self.marked = marked
        if marked is not None:
            line = marked[0] // self._bytes
            if not self.scroll_offset.y <= line < self.scroll_offset.y + max(1, self.size.height):
                self.scroll_to(y=max(0, line - 1), animate=False)
        self.refresh()

    @property
    def _bytes(self) -> int:
        return columns_for(self.room)

    def _measure(self) -> None:
        self.virtual_size = Size(self.room, -(-len(self.data) // self._bytes))

    def on_resize(self) -> None:
        """Take as many bytes a line as fit."""
        self._measure()

    def render_line(self, y: int) -> Strip:
        """Draw one line of bytes."""
        columns = self._bytes
        start = (y + self.scroll_offset.y) * columns
        part = self.data[start : start + columns]
        if not part:
            return Strip.blank(self.room, self.rich_style)
        plain, text = self.rich_style, self.get_component_rich_style("hex--text")
        marked = self.get_component_rich_style("hex--marked")
        low, high = self.marked or (0, 0)
        segments = [Segment(f" {start:04x}  ", self.get_component_rich_style("hex--offset"))]
        shown = digits(part, columns)
        for at in range(len(part)):
            where = at * 3 + (1 if at >= columns // 2 else 0)
            inside = low <= start + at < high
            gap = shown[where + 2 : (at + 1) * 3 + (1 if at + 1 >= columns // 2 else 0)]
            segments += [Segment(shown[where : where + 2], marked if inside else plain), Segment(gap, plain)]
        used = sum(len(segment.text) for segment in segments)
        segments.append(Segment(" " * max(0, 7 + columns * 3 + 2 - used), plain))
        segments += [
            Segment(letter, marked if low <= start + at < high else text) for at, letter in enumerate(characters(part))
        ]
        return Strip(segments).adjust_cell_length(self.room, plain)
