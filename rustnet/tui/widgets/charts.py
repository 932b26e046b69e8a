"""Charts of text: lines in braille, stacked areas and bars in eighths of a cell, gauges. Pure functions to strips.

Values that are ``None`` are missing: a gap, never zero. Names and texts must have gone through the presenter.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from rustnet.present.charts import bar
from rustnet.present.text import cut, pad, width
from rustnet.tui.widgets.time_axis import time_axis

Values = Sequence[float | None]
Times = Sequence[int | None]

MOST_SERIES = 8
"""Series that a chart distinguishes; a caller sums up the others."""
MARGIN = 12
"""Columns of the labels of values, whatever the values are, so that a plot never moves."""

_LEVELS = "▁▂▃▄▅▆▇█"
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Bits of a braille cell by column and by row, from below."""


class Glyphs(Enum):
    """What a chart is drawn with."""

    BRAILLE = "braille"
    """Braille for lines, eighths of a cell for areas; colours tell series apart, and numbers at the right margin."""
    BLOCKS = "blocks"
    """One cell for one value; a shape of its own for each series, for terminals without colour or braille."""
    ASCII = "ascii"
    """As `BLOCKS`, in ASCII."""


_MARKS = {Glyphs.BLOCKS: "•+o*#x@%", Glyphs.ASCII: "*x+o#@%&"}
_FILLS = {Glyphs.BLOCKS: "█▒#░=%+-", Glyphs.ASCII: "#=+:%*o-"}


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one name over time, or over whatever the columns are."""

    name: str
    values: Values
    text: str = ""
    """What the legend adds to the name, such as the latest value."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Styles of a chart."""

    series: Sequence[Style] = field(default_factory=lambda: [Style()] * MOST_SERIES)
    label: Style = field(default_factory=Style)
    """Labels of axes."""
    text: Style = field(default_factory=Style)
    grid: Style | None = None
    """Lines at round values, and marks of missing ones; by default as `label`."""

    def of(self, number: int) -> Style:
        """Style of a series by its number."""
        return self.series[number % len(self.series)]


def number(value: float) -> str:
    """Format a value without a unit for an axis."""
    return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.2g}"


@dataclass(frozen=True, slots=True)
class Plot:
    """Size and look of a chart with axes."""

    width: int
    height: int
    """Rows with everything: legend, plot and time axis."""
    palette: Palette = field(default_factory=Palette)
    glyphs: Glyphs = Glyphs.BRAILLE
    show: Callable[[float], str] = number
    """Text of a value at the axis, at most `MARGIN` - 1 columns."""
    times: Times = ()
    """Begin of each column's span, in nanoseconds; ``None`` is a stretch of time that was cut out."""
    top: float | None = None
    """Value at the upper edge; without it that of the largest."""
    legend: bool = True

    @property
    def columns(self) -> int:
        """Columns of the plot itself, and so the number of spans to ask for."""
        return max(1, self.width - MARGIN - 2)

    @property
    def rows(self) -> int:
        """Rows of the plot itself."""
        return max(1, self.height - bool(self.legend) - bool(self.times))


def line_chart(series: Sequence[Series], plot: Plot) -> list[Strip]:
    """Lines of several series over one axis, with a legend above and the times below."""
    series = series[:MOST_SERIES]
    steps, top = _scale(plot, (value for one in series for value in one.values if value is not None))
    cells = _Cells(plot.columns, plot.rows)
    cells.grid(_tick_rows(steps, top, plot.rows), plot.glyphs)
    ends: list[tuple[float, int]] = []
    for at in reversed(range(len(series))):  # the first one is drawn on top
        if plot.glyphs is Glyphs.BRAILLE:
            _braille_line(cells, at, series[at].values, top)
        else:
            _marked_line(cells, at, series[at].values, top, _MARKS[plot.glyphs][at])
        last = next((value for value in reversed(series[at].values) if value is not None), None)
        if last is not None:
            ends.append((min(last / top, 1.0) * (plot.rows - 1), at))
    marks = "━" if plot.glyphs is Glyphs.BRAILLE else _MARKS[plot.glyphs]
    return _framed(series, plot, cells, steps, top, ends, marks)


def stacked_chart(series: Sequence[Series], plot: Plot) -> list[Strip]:
    """Areas of several series one upon another, the first at the bottom."""
    series = series[:MOST_SERIES]
    fitted = [fit(one.values, plot.columns) for one in series]
    sums = [_sum(values) for values in zip(*fitted, strict=True)]
    steps, top = _scale(plot, (value for value in sums if value is not None))
    cells = _Cells(plot.columns, plot.rows)
    cells.grid(_tick_rows(steps, top, plot.rows), plot.glyphs)
    for column, total in enumerate(sums):
        if total is None:
            cells.put(0, column, "." if plot.glyphs is Glyphs.ASCII else "·", -1)
        elif plot.glyphs is Glyphs.BRAILLE:
            _stack(cells, column, [values[column] or 0.0 for values in fitted], top)
        else:
            _filled_stack(cells, column, [values[column] or 0.0 for values in fitted], top, _FILLS[plot.glyphs])
    marks = "▆" if plot.glyphs is Glyphs.BRAILLE else _FILLS[plot.glyphs]
    return _framed(series, plot, cells, steps, top, _band_ends(fitted, top, plot.rows), marks)


def bar_chart(values: Values, plot: Plot, name: str = "") -> list[Strip]:
    """One bar for each column."""
    return stacked_chart([Series(name, values)], plot)


def sparkline(values: Values, columns: int | None = None, *, top: float | None = None) -> str:
    """One character for each value, by its share of the largest or of ``top``: a space for zero, ``·`` for none."""
    fitted = values if columns is None else fit(values, columns)
    highest = top or max((value for value in fitted if value is not None), default=0.0)
    return "".join(
        "·" if value is None else " " if value <= 0 or not highest else _LEVELS[min(7, int(value / highest * 8))]
        for value in fitted
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of `horizontal_bars`."""

    name: str
    value: float
    text: str
    """The value as text."""


def horizontal_bars(
    rows: Sequence[Bar], columns: int, *, palette: Palette, glyphs: Glyphs = Glyphs.BRAILLE, whole: float | None = None
) -> list[Strip]:
    """Name, bar and value in each row; the longest bar is ``whole`` or the largest value."""
    most = whole or max((row.value for row in rows), default=0.0)
    texts = max(9, min(14, columns // 4))
    names = max(4, min(28, (columns - texts) * 2 // 5))
    space = max(0, columns - names - texts - 2)
    strips = []
    for row in rows:
        drawn = bar(row.value, most, space)
        if glyphs is Glyphs.ASCII:
            drawn = "#" * len(drawn)
        strips.append(
            Strip([
                Segment(pad(cut(row.name, names), names) + " ", palette.text),
                Segment(pad(drawn, space), palette.of(0)),
                Segment(" " + pad(cut(row.text, texts), texts, right=True), palette.text),
            ]).adjust_cell_length(columns)
        )  # fmt: skip
    return strips


def gauge(
    value: float | None, whole: float, columns: int, text: str, *, style: Style, palette: Palette,
    glyphs: Glyphs = Glyphs.BRAILLE,
) -> Strip:  # fmt: skip
    """One row: a bar for ``value`` of ``whole`` over a dim rule, and the value as text."""
    space = max(0, columns - width(text) - 1)
    drawn = "" if value is None else bar(value, whole, space)
    rest = "-" if glyphs is Glyphs.ASCII else "·" if value is None else "─"
    if glyphs is Glyphs.ASCII:
        drawn = "#" * len(drawn)
    return Strip([
        Segment(drawn, style), Segment(rest * (space - len(drawn)), palette.grid or palette.label),
        Segment(" " + text, palette.text),
    ]).adjust_cell_length(columns)  # fmt: skip


def numbers(series: Sequence[Series], plot: Plot) -> list[Strip]:
    """What a chart shows as words, for screen readers: latest, mean and largest value of each series."""
    strips = []
    for one in series:
        known = [value for value in one.values if value is not None]
        if known:
            values = " · ".join([plot.show(known[-1]), plot.show(sum(known) / len(known)), plot.show(max(known))])
        else:
            values = "-"
        text = cut(f"{one.name}: {values}", plot.width)
        strips.append(Strip([Segment(text, plot.palette.text)]).adjust_cell_length(plot.width))
    return (strips + [Strip.blank(plot.width)] * plot.height)[: plot.height]


def legend(series: Sequence[Series], columns: int, palette: Palette, marks: str = "▆") -> Strip:
    """One row with a mark, a number and the name of each series; what has no room is left out at the end."""
    segments: list[Segment] = []
    room = columns
    for at, one in enumerate(series[:MOST_SERIES]):
        mark = marks[at % len(marks)]
        name = cut(one.name, 30)
        text = f" {name} {one.text}  " if one.text else f" {name}  "
        key = f"{mark}{at + 1}" if len(series) > 1 else mark
        if room < width(key) + width(text) - 2:
            break
        room -= width(key) + width(text)
        segments += [Segment(key, palette.of(at)), Segment(text, palette.text)]
    return Strip(segments).adjust_cell_length(columns, palette.text)


def fit(values: Values, columns: int) -> list[float | None]:
    """Exactly ``columns`` values: the largest of those that share a column, or each one repeated."""
    count = len(values)
    if count == columns:
        return list(values)
    if not count:
        return [None] * columns
    fitted: list[float | None] = []
    for column in range(columns):
        first = column * count // columns
        last = max(first + 1, (column + 1) * count // columns)
        fitted.append(max((value for value in values[first:last] if value is not None), default=None))
    return fitted


def nice_steps(most: float, count: int) -> tuple[float, float]:
    """Distance of at most ``count`` round values up to the first one that is not below ``most``, and that value."""
    if not most > 0 or not math.isfinite(most):
        return 1.0, 1.0
    rough = most / max(1, count)
    magnitude: float = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough * (1 - 1e-9))
    return step, step * math.ceil(most / step - 1e-9)


def _sum(values: Sequence[float | None]) -> float | None:
    """Sum of what is known; ``None`` if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _scale(plot: Plot, values: Iterable[float]) -> tuple[float, float]:
    """Distance of the labels, and the value at the upper edge."""
    most = plot.top if plot.top is not None else max(values, default=0.0)
    step, top = nice_steps(most, max(1, min(5, plot.rows // 3)))
    return (min(step, plot.top), plot.top) if plot.top else (step, top)


def _tick_rows(step: float, top: float, rows: int) -> dict[int, float]:
    """Rows of the round values, from below."""
    count = min(rows, int(top / step + 1e-9))
    return {round(at * step / top * (rows - 1)): at * step for at in range(count + 1)}


class _Cells:
    """Characters of a plot by row from below, and the series of each: -1 is a label, a pair two colours in a cell."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self.characters = [[" "] * columns for _row in range(rows)]
        self.series: list[list[int | tuple[int, int]]] = [[-1] * columns for _row in range(rows)]

    def put(self, row: int, column: int, character: str, series: int | tuple[int, int]) -> None:
        """Set a cell; what is outside the plot is dropped."""
        if 0 <= row < self.rows and 0 <= column < self.columns:
            self.characters[row][column] = character
            self.series[row][column] = series

    def grid(self, rows: Iterable[int], glyphs: Glyphs) -> None:
        """Dotted lines at the round values."""
        for row in rows:
            self.characters[row] = [("." if glyphs is Glyphs.ASCII else "┈")] * self.columns

    def segments(self, row: int, palette: Palette, styles: dict[int | tuple[int, int], Style]) -> list[Segment]:
        """Segments of one row."""
        out = []
        column = 0
        for key, run in itertools.groupby(self.series[row]):
            length = sum(1 for _cell in run)
            style = styles.get(key)
            if style is None:
                style = styles[key] = _style(palette, key)
            out.append(Segment("".join(self.characters[row][column : column + length]), style))
            column += length
        return out


def _style(palette: Palette, key: int | tuple[int, int]) -> Style:
    if isinstance(key, tuple):
        lower, upper = palette.of(key[0]), palette.of(key[1])
        return lower + Style(bgcolor=upper.color)
    return (palette.grid or palette.label) if key < 0 else palette.of(key)


def _framed(
    series: Sequence[Series], plot: Plot, cells: _Cells, step: float, top: float, ends: list[tuple[float, int]],
    marks: str,
) -> list[Strip]:  # fmt: skip
    """Put labels to the left of the plot, numbers of the series to its right, a legend above, times below."""
    labels = _tick_rows(step, top, plot.rows)
    numbered = _placed(ends, plot.rows) if len(series) > 1 else {}
    styles: dict[int | tuple[int, int], Style] = {}
    strips = [legend(series, plot.width, plot.palette, marks)] if plot.legend else []
    for row in reversed(range(plot.rows)):
        text = plot.show(labels[row]) if row in labels else ""
        end = numbered.get(row)
        segments = [
            Segment(pad(cut(text, MARGIN - 1), MARGIN - 1, right=True) + " ", plot.palette.label),
            *cells.segments(row, plot.palette, styles),
            Segment("  ", plot.palette.label) if end is None else Segment(f"{end + 1} ", plot.palette.of(end)),
        ]
        strips.append(Strip(segments).adjust_cell_length(plot.width))
    if plot.times:
        line = time_axis(plot.times, plot.columns, ascii_only=plot.glyphs is Glyphs.ASCII)
        strips.append(Strip([Segment(" " * MARGIN + line, plot.palette.label)]).adjust_cell_length(plot.width))
    return strips[: plot.height]


def _placed(ends: list[tuple[float, int]], rows: int) -> dict[int, int]:
    """Rows for the numbers of the series, one for each, near the series' end."""
    placed: dict[int, int] = {}
    for place, at in sorted(ends, key=lambda end: end[1]):
        wanted = min(rows - 1, max(0, round(place)))
        free = min((row for row in range(rows) if row not in placed), key=lambda row: abs(row - wanted), default=None)
        if free is not None:
            placed[free] = at
    return placed


def _points(values: Values, columns: int) -> list[tuple[float, float] | None]:
    """Lowest and highest value in each of ``columns``, between values by straight lines, never over a gap."""
    count = len(values)
    points: list[tuple[float, float] | None] = [None] * columns
    before: tuple[float, float] | None = None
    for index, value in enumerate(values):
        at = (index + 0.5) * columns / count - 0.5
        if value is None:
            before = None
            continue
        column = min(columns - 1, max(0, round(at)))
        low, high = points[column] or (value, value)
        points[column] = (min(low, value), max(high, value))
        if before is not None:
            for between in range(math.floor(before[0]) + 1, column):
                if between > before[0] and points[between] is None:
                    share = (between - before[0]) / (at - before[0])
                    points[between] = ((before[1] * (1 - share) + value * share),) * 2
        before = (at, value)
    return points


def _ranges(values: Values, columns: int, rows: int, top: float) -> Iterable[tuple[int, int, int]]:
    """Column, lowest and highest row of a line whose neighbours join."""
    if not values:
        return
    before: tuple[int, int] | None = None
    for column, point in enumerate(_points(values, columns)):
        if point is None:
            before = None
            continue
        low, high = (min(rows - 1, max(0, round(value / top * (rows - 1)))) for value in point)
        own = (low, high)
        if before is not None:
            if before[1] < low - 1:
                low = before[1] + 1
            elif before[0] > high + 1:
                high = before[0] - 1
        yield column, low, high
        before = own


def _braille_line(cells: _Cells, at: int, values: Values, top: float) -> None:
    for column, low, high in _ranges(values, cells.columns * 2, cells.rows * 4, top):
        x, bits = column >> 1, _DOTS[column & 1]
        for row in range(low, high + 1):
            y = row >> 2
            old = cells.characters[y][x]
            lit = ord(old) & 0xFF if "\u2800" < old <= "\u28ff" else 0
            cells.put(y, x, chr(0x2800 | lit | bits[row & 3]), at)


def _marked_line(cells: _Cells, at: int, values: Values, top: float, mark: str) -> None:
    for column, low, high in _ranges(values, cells.columns, cells.rows, top):
        for row in range(low, high + 1):
            cells.put(row, column, mark, at)


def _eighths(values: Sequence[float], top: float, rows: int) -> list[int]:
    """Upper edge of each band in eighths of a cell; whatever is above zero is seen."""
    edges: list[int] = []
    total = 0.0
    for value in values:
        total += value
        edges.append(min(rows * 8, round(total / top * rows * 8)))
    if total > 0 and edges and not edges[-1]:
        first = next(at for at, value in enumerate(values) if value > 0)
        edges[first:] = [1] * (len(edges) - first)
    return edges


def _bands(edges: Sequence[int], row: int) -> list[tuple[int, int]]:
    """Series and eighths of the bands in one cell, from below."""
    bands = []
    low = 0
    for at, edge in enumerate(edges):
        amount = min(edge, row * 8 + 8) - max(low, row * 8)
        if amount > 0:
            bands.append((at, amount))
        low = edge
    return bands


def _stack(cells: _Cells, column: int, values: Sequence[float], top: float) -> None:
    edges = _eighths(values, top, cells.rows)
    for row in range(-(-edges[-1] // 8)):
        bands = _bands(edges, row)
        filled = sum(amount for _at, amount in bands)
        if len(bands) > 2 or (len(bands) == 2 and filled < 8):
            kept = sorted(bands, key=lambda band: -band[1])[: 2 if filled == 8 else 1]
            bands = [band for band in bands if band in kept]
        if len(bands) == 2:
            lower = max(1, min(7, round(bands[0][1] * 8 / (bands[0][1] + bands[1][1]))))
            cells.put(row, column, _LEVELS[lower - 1], (bands[0][0], bands[1][0]))
        elif bands:
            cells.put(row, column, _LEVELS[filled - 1], bands[0][0])


def _filled_stack(cells: _Cells, column: int, values: Sequence[float], top: float, fills: str) -> None:
    edges = _eighths(values, top, cells.rows)
    for row in range(-(-edges[-1] // 8)):
        bands = _bands(edges, row)
        if row == 0 or sum(amount for _at, amount in bands) >= 4:
            at = max(bands, key=lambda band: band[1])[0]
            cells.put(row, column, fills[at], at)


def _band_ends(fitted: Sequence[Values], top: float, rows: int) -> list[tuple[float, int]]:
    """Middle of each band in the last column that has any."""
    last = next((c for c in reversed(range(len(fitted[0]) if fitted else 0)) if any(v[c] for v in fitted)), None)
    if last is None:
        return []
    ends, low = [], 0.0
    for at, values in enumerate(fitted):
        value = values[last] or 0.0
        if value > 0:
            ends.append(((low + value / 2) / top * rows - 0.5, at))
        low += value
    return ends
