import pytest

from rustnet.present.charts import bar, sparkline
from rustnet.present.values import bit_rate, short_duration


@pytest.mark.parametrize(
    ("part", "drawn"),
    [(0, ""), (0.001, "▏"), (1 / 16, "▌"), (0.25, "██"), (0.5, "████"), (0.55, "████▍"), (1, "█" * 8),
     (3, "█" * 8)],
)  # fmt: skip
def test_bars_have_eighths_of_a_character(part: float, drawn: str) -> None:
    assert bar(part, 1, 8) == drawn


def test_a_bar_of_nothing_is_empty() -> None:
    assert bar(0, 0, 8) == bar(5, 0, 8) == ""


def test_a_sparkline_has_a_character_for_each_value() -> None:
    assert sparkline([0, 1, 4, 8]) == " ▂▅█"
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "  "
    assert sparkline([1e-9, 1e9]) == "▁█"


@pytest.mark.parametrize(
    ("ns", "words"),
    [(0, "0 ns"), (1, "1 ns"), (1500, "1.5 µs"), (5e6, "5 ms"), (999e6, "999 ms"), (1e9, "1 s"), (119e9, "119 s"),
     (120e9, "2 min"), (5400e9, "90 min"), (7200e9, "2 h"), (86_400e9 * 30, "720 h"), (1_234_567, "1.23 ms")],
)  # fmt: skip
def test_short_durations(ns: float, words: str) -> None:
    assert short_duration(ns) == words


@pytest.mark.parametrize(
    ("bits", "words"),
    [(0, "0 bit/s"), (999, "999 bit/s"), (1000, "1 kbit/s"), (36_000, "36 kbit/s"), (1_580_000, "1.58 Mbit/s"),
     (999_600, "1 Mbit/s"), (12.3e9, "12.3 Gbit/s"), (5e12, "5 Tbit/s"), (5e15, "5,000 Tbit/s"), (0.5, "0.5 bit/s")],
)  # fmt: skip
def test_bit_rates(bits: float, words: str) -> None:
    assert bit_rate(bits) == words
