"""The time of the session at the bottom of the frame: traffic over time, anomalies, the time that is shown, and keys.

Two lines, one on a low terminal, none on a very low one or without packets. A click or drag on the bar goes to a time.
"""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from rich.style import Style
from textual.events import Leave, MouseDown, MouseMove, MouseUp, Resize
from textual.strip import Strip
from textual.widget import Widget

from rustnet.i18n import _, ngettext
from rustnet.present.text import cut, pad, width
from rustnet.present.values import clock_time, day, duration, humanised, short_moment, zone
from rustnet.query.views.timeline import Bar, Cell
from rustnet.tui.clock import TICKS_PER_SECOND, PlayClock

if TYPE_CHECKING:
    from rustnet.tui.app import Browser

LEVELS = "▁▂▃▄▅▆▇█"
GAP = "⋯"
ANOMALY = "!"
PLAYING, PAUSED, END = "▶", "‖", "■"
TIMES = "\N{MULTIPLICATION SIGN}"
ONE_LINE = 33
"""Columns of the text in front of the bar where there is one line."""
SCRUB_SECONDS = 0.1
"""Time after the last move of a drag after which the session is shown there."""


@dataclass(frozen=True, slots=True)
class Look:
    """Styles of the bar."""

    past: Style
    """Cells up to the time that is shown."""
    future: Style
    anomaly: Style
    text: Style
    key: Style
    strong: Style


def level(cell: Cell, peak: float) -> str:
    """Character of a cell."""
    if cell.gap:
        return GAP
    if not cell.packets:
        return " "
    return LEVELS[min(7, int(8 * cell.rate / peak))] if peak > 0 else LEVELS[0]


def cells_line(bar: Bar, at: int | None, look: Look, *, hover: int | None = None) -> list[Segment]:
    """Draw the cells; ``at`` is the time that is shown (None: the end), ``hover`` the cell under the mouse."""
    playhead = len(bar.cells) - 1 if at is None else bar.cell_at(at)
    peak = bar.peak
    segments: list[Segment] = []
    run: list[str] = []
    style = look.past
    for number, cell in enumerate(bar.cells):
        here = look.past if number <= playhead else look.future
        mark = level(cell, peak)
        if cell.anomalies:
            mark, here = ANOMALY, look.anomaly
        if number in (playhead, hover):
            here = here + (_REVERSED if number == playhead else _UNDERLINED)
        if here is not style and here != style:
            segments.append(Segment("".join(run), style))
            run, style = [], here
        run.append(mark)
    segments.append(Segment("".join(run), style))
    return [segment for segment in segments if segment.text]


_REVERSED = Style(reverse=True)
_UNDERLINED = Style(underline=True)


def same_day(first: int, last: int) -> bool:
    """Whether a session lies within one day of the zone that is shown."""
    return day(first) == day(last)


def shown_time(ns: int, bar: Bar | None) -> str:
    """A time with milliseconds, with its date if the session lasts for more than a day."""
    if bar is None or same_day(bar.first, bar.last):
        return clock_time(ns)
    return f"{day(ns)} {clock_time(ns)}"


def full_time(ns: int) -> str:
    """A time with date and milliseconds: ``2026-11-29 12:03:11.482 UTC``."""
    text = f"{day(ns)} {clock_time(ns)}"
    return f"{text[:-1]} UTC" if zone() is dt.UTC else text


def span_text(ns: int, whole: int) -> str:
    """A span of time of a session as long as ``whole``: ``00:12:48``, ``2 d 03:00:00``, short ones ``12.482 s``."""
    seconds, rest = divmod(max(0, ns), 10**9)
    if whole < 60 * 10**9:
        return f"{seconds}.{rest // 10**6:03d} s"
    days, seconds = divmod(seconds, 86_400)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return _("{days} d {clock}").format(days=days, clock=clock) if days else clock


def speed_text(clock: PlayClock) -> str:
    """Speed, and how often the screen shows another time if it cannot keep up with every tick."""
    speed = f"{clock.speed:g}" if clock.speed < 1000 else f"{clock.speed:,.0f}"
    text = f"{TIMES}{speed}"
    rate = clock.rate
    return text if rate is None or rate > 0.75 * TICKS_PER_SECOND else f"{text} {rate:.1f}/s"


def state_mark(clock: PlayClock) -> str:
    """Whether time goes on."""
    if clock.playing or clock.following:
        return PLAYING
    return END if clock.position is None else PAUSED


def cell_words(bar: Bar, number: int) -> str:
    """What a cell holds, for the preview under the mouse."""
    cell = bar.cells[number]
    if cell.gap:
        length = duration(cell.end - cell.start)
        return _("no packets for {time}").format(time=length)
    words = [
        ngettext("{count} packet", "{count} packets", cell.packets).format(count=f"{cell.packets:,}"),
        _("{rate}/s").format(rate=humanised(cell.rate)),
    ]
    if cell.anomalies:
        words.append(
            ngettext("{count} anomaly", "{count} anomalies", cell.anomalies).format(count=f"{cell.anomalies:,}")
        )
    return "  ".join(words)


class TimeBar(Widget):
    """Traffic over time, and the time that is shown."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "time--past", "time--future", "time--anomaly", "time--text", "time--key", "time--strong",
    }  # fmt: skip
    DEFAULT_CSS = """
    TimeBar { height: 2; width: 1fr; background: $background; display: none; pointer: pointer; }
    TimeBar.-timed { display: block; }
    TimeBar .time--past { color: $primary; }
    TimeBar .time--future { color: $foreground-muted; }
    TimeBar .time--anomaly { color: $error; text-style: bold; }
    TimeBar .time--text { color: $foreground-muted; }
    TimeBar .time--key { color: $accent; }
    TimeBar .time--strong { color: $accent; text-style: bold; }
    TimeBar:nocolor .time--past { text-style: bold; }
    TimeBar:nocolor .time--strong, TimeBar:nocolor .time--key { text-style: bold; }
    """

    def __init__(self, clock: PlayClock, *, accessible: bool = False, keys: dict[str, str] | None = None) -> None:
        super().__init__()
        self.clock = clock
        self.accessible = accessible
        self._keys = keys or {}
        self._laid_out_for = 0
        self.bar: Bar | None = None
        self.hover: int | None = None
        """Cell under the mouse."""
        self.dragging = False
        self._scrub = 0

    @property
    def browser(self) -> "Browser":
        """The app."""
        return cast("Browser", self.app)

    @property
    def room(self) -> tuple[int, int]:
        """First column and number of the columns of the cells."""
        if self.size.height == 1:
            return ONE_LINE, max(0, self.size.width - ONE_LINE - 1)
        return 1, max(0, self.size.width - 2)

    def set_bar(self, bar: Bar | None, columns: int) -> None:
        """Show another timeline, laid out for so many columns; None: the session has no time."""
        self.bar = bar
        self._laid_out_for = columns
        self.set_class(bar is not None, "-timed")
        self.refresh()

    def on_resize(self, _event: Resize) -> None:
        """Lay the bar out for the new width."""
        self.browser.lay_out_time()

    # ---- drawing -----------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """One of the lines."""
        columns = self.size.width
        base = self.rich_style
        if self.bar is None:
            return Strip.blank(columns, base)
        if self._laid_out_for != self.room[1]:  # it came before the bar had its place
            self.call_after_refresh(self.browser.lay_out_time)
        names = ("past", "future", "anomaly", "text", "key", "strong")
        look = Look(*(self.get_component_rich_style(f"time--{name}") for name in names))
        if self.size.height == 1:
            segments = self._one_line(self.bar, look)
        elif y == 0 and not self.accessible:
            segments = [Segment(" ", base), *cells_line(self.bar, self.clock.position, look, hover=self.hover)]
        elif y == 0:
            segments = [Segment(" " + self._in_words(self.bar), look.text)]
        else:
            segments = self._second_line(self.bar, look, columns)
        return Strip(segments).adjust_cell_length(columns, base)

    def _one_line(self, bar: Bar, look: Look) -> list[Segment]:
        """State, speed, time, and the cells behind them."""
        ns = self._pointed(bar)
        at = self.clock.at if ns is None else ns
        text = f" {state_mark(self.clock)} {speed_text(self.clock)} "
        ns = at if at is not None else bar.last
        time = clock_time(ns) if same_day(bar.first, bar.last) else short_moment(ns)
        room = ONE_LINE - width(text)
        segments = [Segment(text, look.key), Segment(pad(cut(time, room - 1), room), look.strong)]
        if self.accessible:
            return [*segments, Segment(self._in_words(bar), look.text)]
        return [*segments, *cells_line(bar, self.clock.position, look, hover=self.hover)]

    def _second_line(self, bar: Bar, look: Look, columns: int) -> list[Segment]:
        """State, speed, time, how far from the end, and the keys; under the mouse, what is there."""
        mark = Segment(f" {state_mark(self.clock)} {pad(speed_text(self.clock), 4)}  ", look.key)
        pointed = self._pointed(bar)
        if pointed is not None and self.hover is not None:
            words = f"{full_time(pointed)}  {cell_words(bar, self.hover)}"
            return [mark, Segment(cut(words, max(0, columns - mark.cell_length)), look.strong)]
        at = self.clock.at if self.clock.at is not None else bar.last
        whole = bar.last - bar.first
        parts = [
            [(self._where(at), look.strong)],
            [("   " + self._distance(bar, at), look.text)],
            [(f"   {span_text(at - bar.first, whole)} / {span_text(whole, whole)}", look.text)],
            *([(f"   {key}", look.key), (f" {word}", look.text)] for key, word in self._hints()),
        ]
        segments = [mark]
        room = columns - mark.cell_length
        for part in parts:
            room -= sum(width(text) for text, _style in part)
            if room < 0:
                break
            segments += [Segment(text, style) for text, style in part]
        return segments

    def _where(self, at: int) -> str:
        """The time that is shown, marked as the past where it is one."""
        if self.clock.position is None:
            return full_time(at)
        return _("AT {time}").format(time=full_time(at))

    def _distance(self, bar: Bar, at: int) -> str:
        """How far the end is."""
        if self.clock.following:
            return _("as last asked") if self.accessible else _("following")
        left = max(0, (self.clock.head or bar.last) - at)
        if not left:
            return _("at the end")
        if self.clock.written:
            return _("{time} behind").format(time=duration(left))
        return _("{time} before the end").format(time=duration(left))

    def _hints(self) -> list[tuple[str, str]]:
        """Keys and words."""
        named = (
            ("time.play", _("play")), ("step", _("step")), ("speed", _("speed")), ("time.go", _("go to")),
            ("time.live", _("live") if self.clock.written else _("end")), ("anomaly", _("anomaly")),
        )  # fmt: skip
        return [(self._keys[name], word) for name, word in named if self._keys.get(name)]

    def _in_words(self, bar: Bar) -> str:
        """Where the session is shown, for screen readers."""
        at = self.clock.at if self.clock.at is not None else bar.last
        share = 100 * (at - bar.first) // max(1, bar.last - bar.first)
        return _("{share} % of the session").format(share=share)

    def _pointed(self, bar: Bar) -> int | None:
        return None if self.hover is None else bar.time_of(min(self.hover, len(bar.cells) - 1))

    # ---- the mouse ---------------------------------------------------------------------------------------------------

    def _cell(self, x: int) -> int | None:
        """Cell at a column; while dragging, the nearest one."""
        if self.bar is None or self.accessible:
            return None
        start, _columns = self.room
        cell = x - start
        inside = 0 <= cell < len(self.bar.cells)
        if not inside and not self.dragging:
            return None
        return min(max(cell, 0), len(self.bar.cells) - 1)

    def _point(self, x: int, y: int) -> None:
        cell = self._cell(x) if self.dragging or y == 0 else None
        if cell != self.hover:
            self.hover = cell
            self.refresh()

    def on_mouse_down(self, event: MouseDown) -> None:
        """Begin to drag."""
        if event.button != 1 or event.y > 0 or self._cell(event.x) is None:
            return
        self.dragging = True
        self.capture_mouse()
        self.browser.begin_scrub()
        self._point(event.x, event.y)
        self._go(SCRUB_SECONDS)

    def on_mouse_move(self, event: MouseMove) -> None:
        """Show at once what is under the mouse; while dragging, show the session there soon."""
        before = self.hover
        self._point(event.x, event.y)
        if self.dragging and self.hover != before:
            self._go(SCRUB_SECONDS)

    def on_mouse_up(self, event: MouseUp) -> None:
        """End at the time under the mouse."""
        if not self.dragging:
            return
        self._point(event.x, event.y)
        self.dragging = False
        self.release_mouse()
        self._go(0)

    def on_leave(self, _event: Leave) -> None:
        """Forget the mouse."""
        if not self.dragging and self.hover is not None:
            self.hover = None
            self.refresh()

    def _go(self, seconds: float) -> None:
        """Show the session at the time under the mouse, unless it moves on before."""
        if self.bar is None or self.hover is None:
            return
        self._scrub += 1
        number, bar, cell = self._scrub, self.bar, self.hover
        if not seconds:
            self.browser.scrub(None if cell == len(bar.cells) - 1 else bar.time_of(cell))
            return

        def arrived() -> None:
            if number == self._scrub and self.dragging:
                self.browser.scrub(None if cell == len(bar.cells) - 1 else bar.time_of(cell))

        self.set_timer(seconds, arrived)
