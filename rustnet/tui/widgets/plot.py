"""Thin widgets around the charts: they follow their size and the theme, and draw numbers in accessible mode."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color, ColorParseError
from textual.strip import Strip
from textual.widget import Widget

from rustnet.present.text import cut
from rustnet.tui.widgets.charts import (
    MARGIN,
    MOST_SERIES,
    Bar,
    Glyphs,
    Palette,
    Plot,
    Series,
    Times,
    Values,
    gauge,
    horizontal_bars,
    line_chart,
    number,
    numbers,
    sparkline,
    stacked_chart,
)

COLOURS = (
    "#56b4e9",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#8f7ee6",
    "#d55e00",
    "#b8b03e",
    "#8a8a8a",
    "#4c5fd7",
    "#e8e8e8",
    "#5c5c5c",
)
"""Colours that differ for any kind of sight, where those of the theme (``series-1`` …) are missing or too alike."""
HUE, LIGHTNESS = 0.05, 0.3
"""Differences between the colours of two series of which they have at least one."""
LABEL, GRID = 0.35, 0.72
"""How far the colours of labels and of grid lines are on the way from the foreground to the background."""
GREY = 0.15
"""Saturation below which a colour has no hue to speak of."""
METER = 40
"""Most columns of a meter's bar."""
REFERENCES = 4
"""Most variables that refer to one another."""


def palette_of(app: App[object]) -> Palette:
    """Styles of charts in the theme of ``app``; without colour they are bold and dim alone."""
    if app.no_color:
        return Palette([Style(bold=True), Style()] * (MOST_SERIES // 2), Style(dim=True))
    variables: Mapping[str, str] = app.theme_variables
    chosen: list[Color] = []
    wanted = (f"$series-{number}" for number in range(1, MOST_SERIES + 1))
    for colour in (*(_colour(variables, each) for each in wanted), *map(Color.parse, COLOURS)):
        if colour is not None and len(chosen) < MOST_SERIES and all(_differ(colour, other) for other in chosen):
            chosen.append(colour)
    series = [Style(color=colour.rich_color) for colour in chosen]
    return Palette(series, _faded(variables, LABEL), grid=_faded(variables, GRID))


def _faded(variables: Mapping[str, str], share: float) -> Style:
    """Style of text between the foreground and the background; dim where the terminal has colours of its own."""
    front, back = _colour(variables, "$foreground"), _colour(variables, "$background")
    if front is None or back is None or front.ansi is not None or back.ansi is not None:
        return Style(dim=True)
    return Style(color=front.blend(back, share).rich_color)


def _colour(variables: Mapping[str, str], colour: str) -> Color | None:
    """Colour of a ``$variable``; None for one that only Textual's compositor can resolve, such as ``auto``."""
    for _step in range(REFERENCES):
        if not colour.startswith("$"):
            break
        colour = variables.get(colour[1:], "")
    with contextlib.suppress(ColorParseError):
        return Color.parse(colour)
    return None


def _differ(one: Color, other: Color) -> bool:
    """Whether two colours can be told from each other in thin lines: by hue, or by lightness."""
    a, b = one.hsl, other.hsl
    if abs(a.l - b.l) >= LIGHTNESS:
        return True
    grey = (a.s < GREY, b.s < GREY)
    turn = abs(a.h - b.h)
    return grey[0] != grey[1] if any(grey) else min(turn, 1 - turn) >= HUE


def glyphs_of(app: App[object]) -> Glyphs | None:
    """What charts are drawn with; None: not at all, in accessible mode."""
    if getattr(getattr(app, "settings", None), "accessible", False):
        return None
    return Glyphs.BLOCKS if app.no_color else Glyphs.BRAILLE


class ChartView(Widget):
    """Base of the charts: ``draw`` makes the rows once for each size, theme and data."""

    DEFAULT_CSS = "ChartView { height: 1fr; width: 1fr; }"

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name=name, id=id, classes=classes)
        self._strips: list[Strip] | None = None

    def draw(self, width: int, height: int, palette: Palette, glyphs: Glyphs | None) -> list[Strip]:
        """Rows of the chart."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw again, with what has changed."""
        self._strips = None
        self.refresh()

    def on_resize(self) -> None:
        """Follow the size."""
        self.redraw()

    def notify_style_update(self) -> None:
        """Follow the theme."""
        super().notify_style_update()
        self._strips = None

    def render_line(self, y: int) -> Strip:
        """Return one row; all are drawn at the first."""
        width, height = self.size
        if self._strips is None:
            self._strips = self.draw(width, height, palette_of(self.app), glyphs_of(self.app)) if width > 0 else []
        base = self.rich_style
        if y >= len(self._strips):
            return Strip.blank(width, base)
        return self._strips[y].apply_style(base).adjust_cell_length(width, base)


class Chart(ChartView):
    """Lines, or stacked areas, over time."""

    def __init__(
        self, *, stacked: bool = False, show: Callable[[float], str] = number, name: str | None = None,
        id: str | None = None, classes: str | None = None,  # noqa: A002
    ) -> None:  # fmt: skip
        super().__init__(name=name, id=id, classes=classes)
        self.stacked = stacked
        self.value_text = show
        self.series: Sequence[Series] = ()
        self.times: Times = ()
        self.top: float | None = None
        self.legend = True

    @property
    def spans(self) -> int:
        """Columns of the plot: the number of spans that a query should return."""
        return max(1, self.size.width - MARGIN - 2)

    def show_series(self, series: Sequence[Series], times: Times = (), *, top: float | None = None) -> None:
        """Show other values; ``times`` are the begins of their spans."""
        self.series, self.times, self.top = series, times, top
        self.redraw()

    def draw(self, width: int, height: int, palette: Palette, glyphs: Glyphs | None) -> list[Strip]:
        """Rows of the chart."""
        plot = Plot(width, height, palette, glyphs or Glyphs.ASCII, self.value_text, self.times, self.top, self.legend)
        if glyphs is None:
            return numbers(self.series, plot)
        return (stacked_chart if self.stacked else line_chart)(self.series, plot)


class Bars(ChartView):
    """Horizontal bars with names and values."""

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name=name, id=id, classes=classes)
        self.rows: Sequence[Bar] = ()
        self.whole: float | None = None

    def show_bars(self, rows: Sequence[Bar], *, whole: float | None = None) -> None:
        """Show other values; what has no room is left out at the end."""
        self.rows, self.whole = rows, whole
        self.redraw()

    def draw(self, width: int, height: int, palette: Palette, glyphs: Glyphs | None) -> list[Strip]:
        """Rows of the chart."""
        rows = self.rows[:height]
        if glyphs is None:
            plot = Plot(width, height, palette)
            return numbers([Series(f"{row.name} {row.text}", ()) for row in rows], plot)
        return horizontal_bars(rows, width, palette=palette, glyphs=glyphs, whole=self.whole)


class Spark(ChartView):
    """One row of values without an axis."""

    DEFAULT_CSS = "Spark { height: 1; width: 1fr; }"

    def __init__(
        self, *, series: int = 0, name: str | None = None, id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name=name, id=id, classes=classes)
        self.number = series
        self.values: Values = ()
        self.text = ""

    def show_values(self, values: Values, text: str = "") -> None:
        """Show other values, with a text at the end of the row that accessible mode shows alone."""
        self.values, self.text = values, text
        self.redraw()

    def draw(self, width: int, height: int, palette: Palette, glyphs: Glyphs | None) -> list[Strip]:
        """Rows of the chart."""
        room = max(0, width - len(self.text) - 1)
        drawn = "" if glyphs is None else sparkline(self.values, room) + " "
        return [Strip([Segment(drawn, palette.of(self.number)), Segment(self.text, palette.text)])][:height]


class Meter(ChartView):
    """One row: a bar for a share, and words."""

    DEFAULT_CSS = """
    Meter { height: 1; width: 1fr; }
    Meter > .meter--good { color: $success; }
    Meter > .meter--warn { color: $warning; }
    Meter > .meter--bad { color: $error; }
    Meter > .meter--plain { color: $primary; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"meter--good", "meter--warn", "meter--bad", "meter--plain"}

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name=name, id=id, classes=classes)
        self.value: float | None = None
        self.whole = 1.0
        self.words = ""
        self.state = "plain"

    def show_value(self, value: float | None, whole: float, words: str, state: str = "plain") -> None:
        """Show another value; ``state`` is ``good``, ``warn``, ``bad`` or ``plain``, which ``words`` must say too."""
        self.value, self.whole, self.words, self.state = value, whole, words, state
        self.redraw()

    def draw(self, width: int, height: int, palette: Palette, glyphs: Glyphs | None) -> list[Strip]:
        """Rows of the chart."""
        if glyphs is None:
            return [Strip([Segment(self.words, palette.text)])][:height]
        style = self.get_component_rich_style(f"meter--{self.state}")
        room = max(0, min(METER, width - cell_len(self.words) - 1))
        text = self.words if room else cut(self.words, width)
        drawn = gauge(
            self.value, self.whole, room + 1 + cell_len(text), text, style=style, palette=palette, glyphs=glyphs
        )
        return [drawn][:height]
