"""Stacked bars over time as paths of SVG, which need no script and print well, and the table of their data."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rustnet.export.report.blocks import Chart, Column, Label, Shape, Statement, Table
from rustnet.export.report.cells import Cell, Form, cell
from rustnet.i18n import _
from rustnet.present.text import cut, safe
from rustnet.present.values import bit_rate, moment, short_moment

WIDTH, HEIGHT = 960.0, 220.0
"""Size of the drawing, without its axes."""
LONGEST = 60
"""Most characters of the name of a series."""
LABELS = 5
"""Labels of the axis of time."""


def begin(ns: int, width: int) -> str:
    """Beginning of an interval, with the digits that its length needs."""
    if width >= 10**9:
        return short_moment(ns)
    text = moment(ns)
    return text[:23] + text[26:] if width >= 10**6 else text


@dataclass(frozen=True, slots=True)
class Course:
    """Values of several series over time."""

    width: int
    """Length of an interval in nanoseconds."""
    times: list[int]
    """Beginnings of the intervals that have a value."""
    names: list[str]
    """Names of the series, largest sum first."""
    values: list[list[float]]
    """Of each series one for each time."""

    @classmethod
    def of(cls, rows: Iterable[tuple[int, str, float]], width: int, other: str, mark: str) -> "Course":
        """Make it of rows; the series called ``mark`` is the last one, and shown as ``other``."""
        sums: dict[str, float] = {}
        by_time: dict[int, dict[str, float]] = {}
        for begins, name, value in rows:
            sums[name] = sums.get(name, 0) + value
            by_time.setdefault(begins, {})[name] = value
        names = sorted(sums, key=lambda name: (name == mark, -sums[name], name))
        times = sorted(by_time)
        values = [[by_time[at].get(name, 0) for at in times] for name in names]
        return cls(width, times, [other if name == mark else name for name in names], values)

    def scaled(self, factor: float) -> "Course":
        """All values times a factor."""
        return replace(self, values=[[value * factor for value in series] for series in self.values])

    def totals(self) -> list[float]:
        """Sum of all series, for each time."""
        return [sum(column) for column in zip(*self.values, strict=True)]

    def highest(self) -> tuple[float, int]:
        """The largest sum, and its time."""
        totals = self.totals()
        at = max(range(len(totals)), key=totals.__getitem__)
        return totals[at], self.times[at]

    def table(self, caption: str, statement: Statement, form: Form | None) -> Table:
        """The values as a table; an exact value is what a cell is sorted by."""
        columns = [Column(_("interval from")), *(Column(cut(safe(name), LONGEST), number=True) for name in self.names)]
        columns.append(Column(_("all"), number=True))
        rows = []
        for number, (at, total) in enumerate(zip(self.times, self.totals(), strict=True)):
            cells = [Cell(begin(at, self.width), str(at))]
            cells += [_value(series[number], form) for series in (*self.values,)]
            rows.append([*cells, _value(total, form)])
        return Table(caption, columns, rows, statement)


def _value(value: float, form: Form | None) -> Cell:
    return replace(cell(value, None, form), sort=f"{value:.6g}")


def drawn(course: Course, caption: str, description: str, unit: str, table: Table) -> Chart:
    """Draw it."""
    top = _rounded(max(course.totals()))
    first, last = course.times[0], course.times[-1] + course.width
    scale = WIDTH / (last - first)
    paths: list[list[str]] = [[] for _name in course.names]
    for number, at in enumerate(course.times):
        x, wide, below = (at - first) * scale, max(course.width * scale - 0.6, 0.8), 0.0
        for series, path in zip(course.values, paths, strict=True):
            if series[number] > 0:
                height = series[number] / top * HEIGHT
                below += height
                path.append(f"M{x:.1f} {HEIGHT - below:.1f}h{wide:.1f}v{height:.2f}h-{wide:.1f}z")
    shapes = [Shape(cut(safe(name), LONGEST), "".join(path)) for name, path in zip(course.names, paths, strict=True)]
    upward = [
        Label(HEIGHT - HEIGHT * part / 4, bit_rate(top * part / 4) if unit == "bits" else f"{top * part / 4:,.10g}")
        for part in range(5)
    ]
    return Chart(
        caption, description, unit, course.width / 1e9, shapes, _across(first, last, course.width), upward, table
    )


def _across(first: int, last: int, width: int) -> Sequence[Label]:
    """Labels of the axis of time: its date only where it differs from that of the label before."""
    labels: list[Label] = []
    date = ""
    for number in range(LABELS):
        text = begin(first + (last - first) * number // (LABELS - 1), width)
        day, _space, time = text.partition(" ")
        labels.append(Label(WIDTH * number / (LABELS - 1), time if day == date else text))
        date = day
    return labels


def _rounded(value: float) -> float:
    """The next larger number of 1, 2, 4 or 8 times a power of ten."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 2, 4, 8) if step * power >= value), 10 * power)
