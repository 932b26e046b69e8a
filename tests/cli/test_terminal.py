import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.cli.progress import ProgressLine, clock
from rustnet.cli.terminal import Col, flow_items, table, wrap
from rustnet.ingest.report import Progress
from rustnet.present.text import printable, width
from rustnet.present.values import duration, percent

CELLS = st.text(max_size=40).map(printable)
COLS = st.builds(Col, CELLS, right=st.booleans(), least=st.integers(0, 20), drop=st.integers(0, 3))


@given(st.data(), st.lists(COLS, min_size=1, max_size=8), st.integers(20, 200))
def test_no_line_of_a_table_is_wider_than_its_limit(data: st.DataObject, columns: list[Col], limit: int) -> None:
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(columns), max_size=len(columns)), max_size=6))
    lines = table(columns, rows, limit)
    assert len(lines) == 1 + len(rows)
    assert all(width(line) <= limit for line in lines)


@given(st.lists(st.text("ab", min_size=1, max_size=9)), st.integers(20, 60))
def test_prose_is_broken_and_nothing_lost(words: list[str], limit: int) -> None:
    made = wrap(" ".join(words), limit, "  ")
    assert made.split() == words
    assert all(len(line) <= limit for line in made.split("\n"))
    assert flow_items(words, limit, "  ").split() == words


def test_shares_are_never_rounded_to_nothing_or_all() -> None:
    assert [percent(0, 5), percent(1, 10**6), percent(999_999, 10**6), percent(5, 5), percent(1, 4)] == [
        "0.0 %", "<0.1 %", "99.9 %", "100 %", "25.0 %",
    ]  # fmt: skip


def test_lengths_of_time() -> None:
    second = 10**9
    assert [duration(n) for n in (0, 12_300_000, 42 * second, 200 * second, 3600 * second, 183_600 * second)] == [
        "0.0 ms", "12.3 ms", "42.0 s", "3 min 20 s", "1 h", "2 d 3 h",
    ]  # fmt: skip
    assert [clock(7), clock(3723)] == ["0:07", "1:02:03"]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_fits_and_hides_what_is_hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    moments = iter(range(100))
    monkeypatch.setattr("rustnet.cli.progress.time.monotonic", lambda: next(moments) / 1)
    screen = Screen()
    line = ProgressLine(screen)
    for step in range(1, 6):
        line(Progress("/x/evil\x1b[2Jname-that-is-long.pcap", 0, 2, step * 10**6, 10**7, step * 1000, step))
    drawn = [part.removesuffix("\x1b[K") for part in screen.getvalue().split("\r")[1:]]
    assert all(width(part) < 80 for part in drawn)
    assert "50%" in drawn[-1]
    assert "1,000/s" in drawn[-1]
    assert "0:05 left" in drawn[-1]
    assert all("\x1b" not in part for part in drawn)
    line.clear()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_progress_of_a_pipe_has_no_time_left() -> None:
    screen = Screen()
    ProgressLine(screen)(Progress("-", 0, 1, 10**6, None, 1000, 5))
    assert "stdin" in screen.getvalue()
    assert "left" not in screen.getvalue()
    assert "%" not in screen.getvalue()
