"""The payload of a flow in order, as text or as hex, each direction with its glyph and colour."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from rustnet.errors import RustnetError
from rustnet.export.captured import Originals
from rustnet.export.stream import NOTHING, Chunk, Plan, StreamPage, StreamReader
from rustnet.i18n import N_, _
from rustnet.present.text import UNSAFE, safe
from rustnet.tui.presenter import REDACTED
from rustnet.tui.widgets.cards import wrapped
from rustnet.tui.widgets.hex_view import characters, columns_for, digits
from rustnet.tui.widgets.scrolling import ScrollingView
from rustnet.tui.widgets.table import fit

if TYPE_CHECKING:
    from rustnet.tui.app import Browser

PAGE_BYTES = 256 << 10
"""Payload that is read at once."""
MOST_BYTES = 2 << 20
"""Payload that the screen holds."""
MOST_LINES = 400_000
HIDDEN = N_("redact mode shows no payload: it cannot be replaced by kind")
LIMIT = N_("the screen shows the first {size} MiB; the export has all packets")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the view."""

    kind: str
    """``head``, ``data``, ``missing`` or ``note``."""
    chunk: int
    start: int = 0
    end: int = 0
    text: str = ""


class StreamView(ScrollingView):
    """Payload of both directions."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"stream--src", "stream--dst", "stream--head", "stream--missing"}
    DEFAULT_CSS = """
    StreamView {
        height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        & > .stream--src { color: $tx; }
        & > .stream--dst { color: $rx; }
        & > .stream--head { color: $foreground-muted; }
        & > .stream--missing { color: $warning; text-style: bold; }
    }
    StreamView:nocolor { & > .stream--head { text-style: dim; } & > .stream--src { text-style: bold; } }
    """

    class Viewed(Message):
        """A chunk is to be shown whole."""

        def __init__(self, title: str, text: str) -> None:
            super().__init__()
            self.title, self.text = title, text

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.hex = False
        self.chunks: list[Chunk] = []
        self.notes: list[str] = []
        self.problem = ""
        self.flow_id: int | None = None
        self.begun = 0
        self.ends = ("", "")
        """Texts of the initiator and the responder."""
        self._reader: StreamReader | None = None
        self._more = False
        self._reading = False
        self._held = 0
        self._lines: list[Line] = []
        self._bases: list[int] = []
        """Offset of each chunk within what its direction sent."""

    @property
    def browser(self) -> "Browser":
        """The app."""
        return cast("Browser", self.app)

    # ---- contents ------------------------------------------------------------------------------------------------

    def show(self, plan: Plan | None, originals: Originals, begun: int, ends: tuple[str, str]) -> None:
        """Read the payload of a flow; None: none is shown, since values are replaced."""
        self.begun, self.ends = begun, ends
        self.chunks, self.notes, self.problem, self._held = [], [], "", 0
        self._reader, self._more, self._reading = None, False, False
        self.flow_id = None if plan is None else plan.flow_id
        self.scroll_to(y=0, animate=False)
        if plan is None:
            self.problem = f"{REDACTED} {_(HIDDEN)}"
        else:
            self._reader, self._more = StreamReader(plan, originals), True
            self.read_more()
        self._build()

    @property
    def reading(self) -> bool:
        """Whether payload is being read."""
        return self._reading

    def read_more(self) -> None:
        """Read the next page, on another thread."""
        reader = self._reader
        if reader is None or self._reading or not self._more or self._held >= MOST_BYTES:
            return
        self._reading = True

        def work() -> None:
            try:
                page = reader.page(PAGE_BYTES)
            except RustnetError as error:
                page = StreamPage((), more=False, problem=error.sentence(_))
            if self.is_running:
                self.app.call_from_thread(self._came, reader, page)

        self.run_worker(work, thread=True, group="stream", exit_on_error=False)

    def _came(self, reader: StreamReader, page: StreamPage) -> None:
        if reader is not self._reader or self.browser.presenter.redacting:
            return
        self._reading = False
        self._more = page.more
        self.chunks += page.chunks
        self._held += sum(len(chunk.data) for chunk in page.chunks)
        self.notes += [note for note in map(_, page.notes) if note not in self.notes]
        self.problem = safe(page.problem)
        if not self.chunks and not self._more and not self.problem:
            self.notes.append(_(NOTHING))
        if self._more and self._held >= MOST_BYTES:
            self.notes.append(_(LIMIT).format(size=MOST_BYTES >> 20))
        self._build()

    def toggle_hex(self) -> None:
        """Show text instead of hex, or hex instead of text; what is at the top stays there."""
        top = self._lines[self.scroll_offset.y].chunk if self.scroll_offset.y < len(self._lines) else 0
        self.hex = not self.hex
        self._build()
        at = next((n for n, line in enumerate(self._lines) if line.chunk == top and top), 0)
        self.scroll_to(y=at, animate=False)

    def _build(self) -> None:
        """Divide the payload into lines."""
        width = max(20, self.room - 3)
        lines = [Line("note", -1, text=text) for words in (self.problem, *self.notes) if words
                 for text in wrapped(words, width)]  # fmt: skip
        before: bool | None = None
        self._bases = offsets(self.chunks)
        for number, chunk in enumerate(self.chunks):
            if len(lines) > MOST_LINES:
                break
            if chunk.from_src != before or (number and self.chunks[number - 1].missing):
                before = chunk.from_src
                lines.append(Line("head", number, end=run_size(self.chunks, number)))
            if chunk.missing and not chunk.data:
                lines.append(Line("missing", number))
                continue
            lines += self._hex_lines(number, chunk) if self.hex else text_lines(number, chunk.data, width)
            if chunk.missing:
                lines.append(Line("missing", number))
        if self._reading:
            lines.append(Line("note", -1, text=_("reading …")))
        self._lines = lines
        self.virtual_size = Size(self.room, len(lines))
        self.refresh()

    def _hex_lines(self, number: int, chunk: Chunk) -> list[Line]:
        columns = columns_for(self.room)
        return [
            Line("data", number, at, min(at + columns, len(chunk.data))) for at in range(0, len(chunk.data), columns)
        ]

    # ---- drawing -------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Divide the payload for the new width."""
        self._build()

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        at = y + self.scroll_offset.y
        width, plain = self.room, self.rich_style
        if at >= len(self._lines):
            return Strip.blank(width, plain)
        line = self._lines[at]
        if line.kind == "note":
            return self._strip(f" {line.text}", "missing" if self.problem else "head")
        chunk = self.chunks[line.chunk]
        side = "src" if chunk.from_src else "dst"
        glyph = ">" if chunk.from_src else "<"
        if line.kind == "head":
            words = _("{end}, packet {number}, {size}, +{time} s").format(
                end=self.ends[0 if chunk.from_src else 1], number=f"{chunk.packet:,}",
                size=_("{count} bytes").format(count=f"{line.end:,}"),
                time=f"{(chunk.ts - self.begun) / 1e9:,.6f}",
            )  # fmt: skip
            return self._strip(f"{glyph} {words}", "head")
        if line.kind == "missing":
            words = _("{count} bytes are not in the capture").format(count=f"{chunk.missing:,}")
            return self._strip(f"{glyph} {words}", "missing")
        part = chunk.data[line.start : line.end]
        if not self.hex:
            return self._strip(f"{glyph} {readable(part).expandtabs()}", side)
        columns = columns_for(width)
        start = self._bases[line.chunk] + line.start
        return self._strip(f"{glyph} {start:06x}  {digits(part, columns)}  {characters(part)}", side)

    def _strip(self, text: str, style: str) -> Strip:
        width = self.room
        return Strip([Segment(fit(text, width), self.get_component_rich_style(f"stream--{style}"))])

    # ---- moving, copying -----------------------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scroll, and read on near the end."""
        super().watch_scroll_y(old_value, new_value)
        if new_value + 3 * self.size.height >= len(self._lines):
            self.read_more()

    def chunk_text(self, number: int) -> str:
        """The consecutive chunks of one direction around a chunk, as they are copied: text, or hex digits."""
        first = last = number
        side = self.chunks[number].from_src
        while first > 0 and self.chunks[first - 1].from_src == side:
            first -= 1
        while last + 1 < len(self.chunks) and self.chunks[last + 1].from_src == side:
            last += 1
        data = b"".join(chunk.data for chunk in self.chunks[first : last + 1])
        if self.hex:
            return data.hex(" ")
        return "\n".join(readable(part) for part in data.replace(b"\r\n", b"\n").split(b"\n"))

    @property
    def top_chunk(self) -> int | None:
        """Number of the first chunk on the screen."""
        lines = self._lines[self.scroll_offset.y :]
        return next((line.chunk for line in lines if line.chunk >= 0), None)

    def copy(self, number: int | None) -> None:
        """Copy what one direction sent at a place."""
        if number is not None and self.chunks:
            self.browser.copy(self.chunk_text(number))

    def view(self) -> None:
        """Show whole what one direction sent at the top of the screen."""
        number = self.top_chunk
        if number is not None:
            title = self.ends[0 if self.chunks[number].from_src else 1]
            self.post_message(self.Viewed(title, self.chunk_text(number)))

    def on_click(self, event: events.Click) -> None:
        """Copy what was clicked."""
        at = event.y + self.scroll_offset.y
        if event.button == 1 and at < len(self._lines) and self._lines[at].chunk >= 0:
            self.copy(self._lines[at].chunk)


def readable(data: bytes) -> str:
    """Text of bytes: UTF-8 where they are, tabs, and a point for each character that cannot be shown."""
    text = data.decode("utf-8", "replace").replace("\ufffd", "·")
    return "\t".join(UNSAFE.sub("·", part) for part in text.split("\t"))


def offsets(chunks: list[Chunk]) -> list[int]:
    """Offset of each chunk within what its direction sent, with what is missing."""
    sent = {True: 0, False: 0}
    bases = []
    for chunk in chunks:
        bases.append(sent[chunk.from_src])
        sent[chunk.from_src] += len(chunk.data) + chunk.missing
    return bases


def run_size(chunks: list[Chunk], first: int) -> int:
    """Bytes that a direction sent from a chunk on, until the other one sent or something is missing."""
    size = 0
    for chunk in chunks[first:]:
        if chunk.from_src != chunks[first].from_src:
            break
        size += len(chunk.data)
        if chunk.missing:
            break
    return size


def text_lines(number: int, data: bytes, width: int) -> list[Line]:
    """Lines of text: broken at line feeds, and where they are too long."""
    lines = []
    start = 0
    while start < len(data):
        feed = data.find(b"\n", start)
        end = len(data) if feed < 0 else feed
        after = end + (feed >= 0)
        shown = end - (end > start and data[end - 1] == 0x0D)
        at = start
        while True:
            stop = min(at + width, shown)
            while stop < shown and data[stop] & 0xC0 == 0x80 and stop - at > max(1, width - 4):
                stop -= 1  # not within a character
            lines.append(Line("data", number, at, stop))
            at = stop
            if at >= shown:
                break
        start = after
    return lines
