"""Thin widgets around the charts: they follow their size and the theme, and draw numbers in accessible mode."""

import contextlib
from collections.abc import Callable, Mapping, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color, ColorParseError
from textual.strip import Strip
from textual.widget import Widget

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
    horizontal_bars,
    line_chart,
    number,
    numbers,
    sparkline,
    stacked_chart,
)

COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#8f7ee6", "#d55e00", "#b8b03e", "#8a8a8a")
"""Colours that differ for any kind of sight; a theme's variables ``series-1`` to ``series-8`` replace them."""
REFERENCES = 4
"""Most variables that refer to one another."""


def palette_of(app: App[object]) -> Palette:
    """Styles of charts in the theme of ``app``; without colour they are bold and dim alone."""
    if app.no_color:
        return Palette([Style(bold=True), Style()] * (MOST_SERIES // 2), Style(dim=True), Style())
    variables: Mapping[str, str] = app.theme_variables
    series = [_style(variables, f"$series-{at + 1}") or _style(variables, own) for at, own in enumerate(COLOURS)]
    label = _style(variables, "$faint") or Style(dim=True)
    return Palette([style or Style() for style in series], label, Style())


def _style(variables: Mapping[str, str], colour: str) -> Style | None:
    """Style of a colour or ``$variable``; None for one that only Textual's compositor can resolve, such as ``auto``."""
    for _step in range(REFERENCES):
        if not colour.startswith("$"):
            break
        colour = variables.get(colour[1:], "")
    with contextlib.suppress(ColorParseError):
        return Style(color=Color.parse(colour).rich_color)
    return None


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
