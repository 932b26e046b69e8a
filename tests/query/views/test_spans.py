"""Columns of plots: every packet falls into its own, long silences are cut, the times are right."""

from hypothesis import given
from hypothesis import strategies as st

from rustnet.query.session import Session
from rustnet.query.views.spans import LONG_SILENCE, MOST_PIECES, cut, even

SECOND = 10**9


def test_even_columns_cover_first_and_last() -> None:
    spans = even(100, 1099, 10)
    assert spans.times == tuple(range(100, 1100, 100))
    assert (spans.first, spans.last, spans.length) == (100, 1100, 100)


@given(st.integers(0, 2**60), st.integers(0, 10**15), st.integers(1, 300))
def test_any_time_is_within(first: int, length: int, columns: int) -> None:
    spans = even(first, first + length, columns)
    assert spans.first <= first
    assert spans.last > first + length
    assert len(spans.times) == columns


def test_short_silences_stay() -> None:
    spans = even(0, 100 * SECOND, 100)
    busy = [(0, 0, 1), (LONG_SILENCE - 1, 19 * SECOND, 19 * SECOND)]
    assert cut(spans, busy) is spans
    assert cut(spans, []) is spans


def test_long_silences_are_cut() -> None:
    spans = even(0, 1000 * SECOND, 100)
    busy = [(at, at * 10 * SECOND, at * 10 * SECOND + 5) for at in (0, 1, 2, 90, 91, 99)]
    shorter = cut(spans, busy)
    assert [piece.first for piece in shorter.pieces] == [0, 900 * SECOND]
    assert shorter.times.count(None) == 1
    assert shorter.length < spans.length
    assert shorter.columns <= spans.columns + 1
    known = [time for time in shorter.times if time is not None]
    assert known == sorted(known)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60, unique=True), st.integers(10, 200))
def test_every_packet_has_a_column(moments: list[int], columns: int) -> None:
    """Whatever is cut, what is busy is not, and at most so many pieces are made."""
    moments.sort()
    spans = even(moments[0], moments[-1], columns)
    busy: dict[int, tuple[int, int]] = {}
    for moment in moments:
        at = (moment - spans.first) // spans.length
        low, high = busy.get(at, (moment, moment))
        busy[at] = (min(low, moment), max(high, moment))
    shorter = cut(spans, [(at, *busy[at]) for at in sorted(busy)])
    assert len(shorter.pieces) <= MOST_PIECES
    for moment in moments:
        assert any(p.first <= moment < p.first + p.columns * shorter.length for p in shorter.pieces)


def test_sql_agrees_with_the_times(samples: dict[str, Session]) -> None:
    """The column that SQL computes is the one whose time it is."""
    session = samples["web.pcap"]
    first, last = session.execute_own("SELECT epoch_ns(min(ts)), epoch_ns(max(ts)) FROM packets").rows[0]
    for spans in (even(first, last, 37), cut(even(first, last, 37), [(0, first, first + 9), (36, last - 9, last)])):
        rows = session.execute_own(f"SELECT epoch_ns(ts), {spans.sql('ts')} FROM packets").rows
        for ts, column in rows:
            expected = [
                at for at, time in enumerate(spans.times) if time is not None and time <= ts < time + spans.length
            ]
            assert [column] == (expected or [column]), ts
        inside = [column for _ts, column in rows if column is not None]
        assert inside
        assert max(inside) < spans.columns


def test_covered_columns() -> None:
    spans = even(0, 99, 10)
    assert spans.covered([(0, 19), (55, 55)]) == [True, True, False, False, False, True, False, False, False, False]
