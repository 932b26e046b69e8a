"""Charts: what is drawn where, gaps, labels, legends without colour, speed."""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style
from textual.strip import Strip

from rustnet.present.text import width
from rustnet.present.values import bit_rate, show_times_in
from rustnet.tui.widgets.charts import (
    MARGIN,
    Bar,
    Glyphs,
    Palette,
    Plot,
    Series,
    bar_chart,
    fit,
    gauge,
    horizontal_bars,
    legend,
    line_chart,
    nice_steps,
    numbers,
    sparkline,
    stacked_chart,
)
from rustnet.tui.widgets.time_axis import time_axis

SECOND = 10**9
NOON = 1714564800 * SECOND
"""2024-05-01 12:00:00 UTC."""
PALETTE = Palette([Style(color=name) for name in ("red", "green", "blue", "cyan")], Style(dim=True), Style())

Chart = Callable[[Sequence[Series], Plot], list[Strip]]


@pytest.fixture
def utc() -> Iterator[None]:
    """Times in UTC again after the test."""
    yield
    show_times_in(dt.UTC)


def _texts(strips: Sequence[Strip]) -> list[str]:
    return [strip.text for strip in strips]


def test_line_meets_its_values() -> None:
    """A rising line begins at the bottom left and ends at the top right, in braille."""
    rows = _texts(line_chart([Series("a", [0.0, 50.0, 100.0])], Plot(MARGIN + 2 + 3, 6, PALETTE)))
    assert rows[0].startswith("━ a")
    assert rows[1][MARGIN + 2] != "┈"
    assert rows[1][MARGIN] == "┈"
    assert rows[-1][MARGIN] not in "┈ "
    assert rows[-1][MARGIN + 2] == "┈"


def test_missing_values_are_gaps() -> None:
    """Nothing is drawn where a value is missing, and no line joins the values beside it."""
    values = [10.0] * 10 + [None] * 10 + [10.0] * 10
    plot = Plot(MARGIN + 2 + 30, 5, PALETTE, legend=False, top=20.0)
    drawn = [row[MARGIN : MARGIN + 30] for row in _texts(line_chart([Series("a", values)], plot))]
    lit = {column for row in drawn for column, char in enumerate(row) if "\u2800" < char <= "\u28ff"}
    assert lit == {*range(10), *range(20, 30)}
    bars = _texts(bar_chart(values, plot))
    assert [column for column, char in enumerate(bars[-1][MARGIN : MARGIN + 30]) if char == "·"] == list(range(10, 20))


def test_single_value_between_gaps_is_seen() -> None:
    """A value without neighbours is a point."""
    plot = Plot(MARGIN + 2 + 9, 3, PALETTE, legend=False)
    rows = _texts(line_chart([Series("a", [None, 5.0, None])], plot))
    assert sum("\u2800" < char <= "\u28ff" for row in rows for char in row) == 1


def test_peak_of_many_points_is_kept() -> None:
    """With more points than columns the highest one still reaches the top."""
    values = [1.0] * 600
    values[333] = 100.0
    rows = _texts(line_chart([Series("a", values)], Plot(80, 10, PALETTE, legend=False)))
    assert any("\u2800" < char <= "\u28ff" for char in rows[0])
    assert _texts(bar_chart(values, Plot(80, 10, PALETTE, legend=False)))[0].count("█") == 1


def test_stack_adds_up() -> None:
    """Bands lie one upon another; two share a cell by two colours."""
    plot = Plot(MARGIN + 2 + 1, 4, PALETTE, legend=False, top=32.0)
    strips = stacked_chart([Series("a", [12.0]), Series("b", [12.0])], plot)
    cells = [strip.crop(MARGIN, MARGIN + 1)._segments[0] for strip in strips]
    assert [cell.text for cell in cells] == ["┈", "█", "▄", "█"]
    assert [cell.style and cell.style.color and cell.style.color.name for cell in cells[1:]] == ["green", "red", "red"]
    assert cells[2].style
    assert cells[2].style.bgcolor
    assert cells[2].style.bgcolor.name == "green"


def test_small_but_not_nothing_is_seen() -> None:
    """A value far below an eighth of a cell is drawn, zero is not."""
    plot = Plot(MARGIN + 2 + 2, 3, PALETTE, legend=False, top=1e9)
    assert _texts(bar_chart([1.0, 0.0], plot))[-1][MARGIN : MARGIN + 2] == "▁┈"


@pytest.mark.parametrize("glyphs", [Glyphs.BLOCKS, Glyphs.ASCII])
@pytest.mark.parametrize("chart", [line_chart, stacked_chart])
def test_series_differ_without_colour(chart: Chart, glyphs: Glyphs) -> None:
    """Each series has a shape that the legend explains, and no braille."""
    series = [Series("first", [9.0] * 20), Series("second", [4.0] * 20)]
    rows = _texts(chart(series, Plot(60, 8, Palette(), glyphs)))
    marks = [rows[0][rows[0].index(f"{number} ") - 1] for number in (1, 2)]
    assert marks[0] != marks[1]
    assert all(any(mark in row[MARGIN:-2] for row in rows[1:]) for mark in marks)
    assert not any("\u2800" <= char <= "\u28ff" for row in rows for char in row)
    assert glyphs is not Glyphs.ASCII or "".join(rows).isascii()


@pytest.mark.parametrize("chart", [line_chart, stacked_chart])
def test_numbers_of_series_stand_at_their_end(chart: Chart) -> None:
    """The right margin names the series by number, the higher one higher."""
    ends = [row[-2:] for row in _texts(chart([Series("a", [1.0, 1.0]), Series("b", [9.0, 9.0])], Plot(60, 12)))]
    assert ends.index("2 ") < ends.index("1 ")


@pytest.mark.parametrize("chart", [line_chart, stacked_chart])
@pytest.mark.parametrize("size", [(80, 24), (20, 3), (13, 1), (1, 1), (120, 40)])
@pytest.mark.parametrize("values", [[], [None, None], [0.0, 0.0], [5.0], [1e300, 1.0], [None, 3.0]])
def test_any_size(chart: Chart, size: tuple[int, int], values: list[float | None]) -> None:
    """A chart has exactly its size, whatever there is to show."""
    plot = Plot(*size, PALETTE, times=[NOON + at * SECOND for at in range(len(values))])
    strips = chart([Series("a", values), Series("b", values)], plot)
    assert len(strips) <= size[1]
    assert {strip.cell_length for strip in strips} == {size[0]}


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e15)), max_size=50), st.integers(1, 60), st.integers(1, 12))
def test_any_values(values: list[float | None], columns: int, rows: int) -> None:
    """No value breaks a chart."""
    for glyphs in Glyphs:
        for chart in (line_chart, stacked_chart):
            strips = chart([Series("a", values), Series("b", values[::-1])], Plot(columns, rows, PALETTE, glyphs))
            assert all(strip.cell_length == columns for strip in strips)


def test_labels_are_round() -> None:
    """The axis ends at the first round value above the largest, and its labels say so."""
    assert nice_steps(93.0, 4) == (50.0, 100.0)
    assert nice_steps(1.3, 3) == (0.5, 1.5)
    assert nice_steps(0, 3) == (1.0, 1.0)
    rows = _texts(line_chart([Series("a", [930e3])], Plot(60, 12, PALETTE, show=bit_rate, legend=False)))
    assert rows[0][:MARGIN].strip() == "1 Mbit/s"
    assert rows[-1][:MARGIN].strip() == "0 bit/s"


def test_sparkline_tells_zero_from_missing() -> None:
    """Zero is blank, a missing value a dot; the largest value is a full block."""
    assert sparkline([0.0, None, 1.0, 8.0]) == " ·▁█".replace("▁", sparkline([1.0], top=8.0))
    assert sparkline([4.0], top=8.0) == "▅"
    assert sparkline([1.0, 9.0, 2.0, 3.0], 2)[0] == "█"


def test_fit_keeps_the_largest() -> None:
    """Fewer columns than values keep the largest; more repeat values."""
    assert fit([1.0, 5.0, None, 2.0], 2) == [5.0, 2.0]
    assert fit([1.0, None], 4) == [1.0, 1.0, None, None]
    assert fit([], 2) == [None, None]


def test_horizontal_bars_and_gauge() -> None:
    """Bars are in proportion; a gauge without a value says so by its rule."""
    rows = _texts(horizontal_bars([Bar("tls", 4, "4 MB"), Bar("d" * 90, 2, "2 MB")], 80, palette=PALETTE))
    assert rows[0].count("█") == 2 * rows[1].count("█") > 10
    assert rows[0].startswith("tls ")
    assert rows[0].endswith(" 4 MB")
    assert "…" in rows[1]
    full = gauge(5, 10, 30, "5 of 10", style=Style(), palette=PALETTE).text
    assert full == "█" * 11 + "─" * 11 + " 5 of 10"
    assert set(gauge(None, 10, 30, "-", style=Style(), palette=PALETTE).text) == {"·", " ", "-"}


def test_legend_drops_what_has_no_room() -> None:
    """Whole names or none, and always the full width."""
    series = [Series("alpha", []), Series("beta", []), Series("gamma", [])]
    assert legend(series, 20, PALETTE).text == "▆1 alpha  ▆2 beta   "
    assert legend(series, 5, PALETTE).text == "     "


def test_numbers_for_screen_readers() -> None:
    """Words instead of a chart: latest, mean and largest value."""
    rows = _texts(numbers([Series("a", [1.0, None, 3.0, 2.0]), Series("b", [None])], Plot(40, 3)))
    assert [row.rstrip() for row in rows] == ["a: 2 · 2 · 3", "b: -", ""]


@pytest.mark.usefixtures("utc")
def test_time_axis_in_the_shown_zone() -> None:
    """Labels are round times of the zone that is shown."""
    times = [NOON + at * 10 * SECOND for at in range(60)]
    assert time_axis(times, 60).rstrip() == "╵12:00      ╵12:02      ╵12:04      ╵12:06      ╵12:08"
    assert time_axis(times, 60, ascii_only=True).isascii()
    show_times_in(dt.timezone(dt.timedelta(hours=5, minutes=30)))
    assert "╵17:30" in time_axis(times, 60)


def test_time_axis_marks_cuts_and_dates() -> None:
    """Where time was cut out there is a mark and a new label; another day has its date."""
    later = NOON + 3 * 86400 * SECOND + 7 * SECOND
    times = [*(NOON + at * SECOND for at in range(30)), None, *(later + at * SECOND for at in range(29))]
    axis = time_axis(times, 60)
    assert axis[30] == "⋯"
    assert axis.startswith("╵05-01 12:00:00")
    assert axis[31:].startswith("╵05-04 12:00:07")


@given(st.lists(st.one_of(st.none(), st.integers(0, 2**62)), max_size=30), st.integers(0, 40))
def test_time_axis_of_anything(times: list[int | None], columns: int) -> None:
    """Any times give exactly the columns."""
    assert width(time_axis(times, columns)) == columns


def test_fast_enough() -> None:
    """A plot of 120 x 30 with 600 points takes less than 10 ms, with room for a busy machine."""
    values: list[float | None] = [float(at % 97) for at in range(600)]
    plot = Plot(120, 30, PALETTE, times=[NOON + at * SECOND for at in range(600)])
    for chart in (line_chart, stacked_chart):
        best = 1.0
        for _turn in range(7):
            begun = time.perf_counter()
            chart([Series("a", values), Series("b", values[::-1])], plot)
            best = min(best, time.perf_counter() - begun)
        assert best < 0.02, chart.__name__
