"""`rustnet.query.views.timeline`: counting packets over time, bars of any width, anomalies."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.query.session import InlineSession
from rustnet.query.views import timeline
from rustnet.query.views.timeline import Bar, Span, Timeline

SECOND = 10**9
YEAR = 365 * 86_400 * SECOND
START = 1_700_000_000 * SECOND

Make = Callable[..., InlineSession]


@pytest.fixture
def make() -> Make:
    """A session with the two tables that are asked, filled with times."""

    def made(times: Sequence[int], anomalies: Sequence[tuple[int | None, str]] = ()) -> InlineSession:
        con = duckdb.connect()
        con.execute("CREATE TABLE packets(capture_id INTEGER, number BIGINT, ts TIMESTAMP_NS, length INTEGER)")
        con.execute(
            "CREATE TABLE anomalies(ts TIMESTAMP_NS, capture_id INTEGER, packet BIGINT, flow_id BIGINT, "
            "kind VARCHAR, detail VARCHAR)"
        )
        con.execute("CREATE TABLE captures(kind VARCHAR, finished BOOLEAN)")
        add(con, times)
        for number, (ns, kind) in enumerate(anomalies):
            stamp = "NULL" if ns is None else f"make_timestamp_ns({ns})"
            con.execute(f"INSERT INTO anomalies VALUES ({stamp}, 1, {number}, 7, ?, 'why')", [kind])
        return InlineSession("s", con.cursor())

    return made


def add(con: duckdb.DuckDBPyConnection, times: Sequence[int]) -> None:
    if times:
        con.execute(
            "INSERT INTO packets SELECT 1, i, make_timestamp_ns(t), 100 FROM "
            "(SELECT unnest(?::BIGINT[]) AS t, unnest(range(len(?::BIGINT[]))) AS i)",
            [list(times), list(times)],
        )


def whole(bar: Bar, times: Sequence[int]) -> None:
    """Check what holds of every bar: it covers the session without holes, and every packet is in its cell."""
    assert bar.cells
    assert bar.starts == tuple(cell.start for cell in bar.cells)
    assert bar.cells[0].start == bar.first == min(times)
    assert bar.cells[-1].end - 1 == bar.last == max(times)
    for before, after in zip(bar.cells, bar.cells[1:], strict=False):
        assert before.start < before.end == after.start
    counted = [0] * len(bar.cells)
    for ns in times:
        counted[bar.cell_at(ns)] += 1
    assert counted == [cell.packets for cell in bar.cells]
    assert all(cell.bytes == 100 * cell.packets for cell in bar.cells)
    assert all(not cell.packets for cell in bar.cells if cell.gap)


def test_no_packets(make: Make) -> None:
    line = timeline.read(make([]))
    assert (line.first, line.last, line.packets) == (None, None, 0)
    assert timeline.bar(line, 100) is None


def test_one_packet_is_one_cell(make: Make) -> None:
    bar = timeline.bar(timeline.read(make([START])), 100)
    assert bar is not None
    whole(bar, [START])
    assert len(bar.cells) == 1
    assert bar.time_of(0) == START


def test_even_traffic_fills_the_bar(make: Make) -> None:
    times = [START + i * 36_000_007 for i in range(100_000)]
    line = timeline.read(make(times))
    assert line.packets == 100_000
    for columns in (1, 2, 49, 78, 198, 400):
        bar = timeline.bar(line, columns)
        assert bar is not None
        whole(bar, times)
        assert len(bar.cells) == columns
        assert not bar.gaps
        rates = [cell.rate for cell in bar.cells]
        assert max(rates) < 1.2 * min(rates), "cells of some spans more or less have the same rate"


def test_ten_years_with_two_bursts(make: Make) -> None:
    """The gap is one cell, and the seconds on both sides have all the others."""
    drawn = random.Random(1)
    times = sorted(START + drawn.randrange(5 * SECOND) for _ in range(3000))
    times += sorted(START + 10 * YEAR + drawn.randrange(5 * SECOND) for _ in range(3000))
    line = timeline.read(make(times))
    bar = timeline.bar(line, 100)
    assert bar is not None
    whole(bar, times)
    assert len(bar.gaps) == 1
    assert len(bar.cells) > 90
    start, end = bar.gaps[0]
    assert start <= START + 5 * SECOND
    assert end >= START + 10 * YEAR - SECOND
    middle = START + 5 * YEAR
    assert bar.gap_at(middle) == bar.cells[bar.cell_at(middle)]
    assert bar.gap_at(times[0]) is None


def test_sparse_packets_are_no_gaps(make: Make) -> None:
    """A hundred packets in an hour are a bar of time, not one of a hundred packets."""
    drawn = random.Random(2)
    times = sorted(START + drawn.randrange(3600 * SECOND) for _ in range(100))
    bar = timeline.bar(timeline.read(make(times)), 100)
    assert bar is not None
    whole(bar, times)
    assert len(bar.gaps) <= 1
    assert len(bar.cells) == 100


def test_a_gap_is_longer_than_twenty_cells(make: Make) -> None:
    busy = [START + i * SECOND for i in range(100)]
    for silence, gaps in ((15, 0), (50, 1)):
        times = busy + [busy[-1] + (silence + i) * SECOND for i in range(1, 101)]
        bar = timeline.bar(timeline.read(make(times)), 200)
        assert bar is not None
        whole(bar, times)
        assert len(bar.gaps) == gaps, silence


def test_times_of_several_captures_in_any_order(make: Make) -> None:
    drawn = random.Random(3)
    times = [START + drawn.randrange(60 * SECOND) for _ in range(2000)]
    times += [START - 3600 * SECOND + drawn.randrange(60 * SECOND) for _ in range(2000)]
    bar = timeline.bar(timeline.read(make(times)), 80)
    assert bar is not None
    whole(bar, times)


def test_later_rows_are_added_to_what_is_known() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE packets(capture_id INTEGER, number BIGINT, ts TIMESTAMP_NS, length INTEGER)")
    con.execute("CREATE TABLE anomalies(ts TIMESTAMP_NS)")
    session = InlineSession("s", con.cursor())
    known: Timeline | None = None
    times: list[int] = []
    for part in range(8):
        more = [START + (part * 7 + i % 9) * (part + 1) ** 6 * SECOND // 50 for i in range(500)]
        times += more
        add(con, more)
        known = timeline.read(session, known)
        assert known.packets == len(times)
        assert len(known.spans) <= timeline.MOST_SPANS
        bar = timeline.bar(known, 90)
        assert bar is not None
        whole(bar, times)
    assert known is not None
    assert timeline.read(session, known) == known, "nothing came"


def test_a_session_that_began_with_a_few_packets_is_counted_in_longer_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known spans may be of one nanosecond; what comes then is never counted in more than a bounded number."""
    con = duckdb.connect()
    con.execute("CREATE TABLE packets(capture_id INTEGER, number BIGINT, ts TIMESTAMP_NS, length INTEGER)")
    con.execute("CREATE TABLE anomalies(ts TIMESTAMP_NS)")
    session = InlineSession("s", con.cursor())
    empty = timeline.read(session)
    add(con, [START])
    one = timeline.read(session, empty)
    assert (one.packets, one.shift) == (1, 0)
    times = [START + i * 1_000_003 for i in range(1, 30_000)]
    add(con, times)
    asked: list[int] = []
    spans = timeline._spans

    def counted(*arguments: Any) -> list[Span]:
        found = spans(*arguments)
        asked.append(len(found))
        return found

    monkeypatch.setattr(timeline, "_spans", counted)
    line = timeline.read(session, one)
    assert line.packets == 30_000
    assert asked
    assert max(asked) <= timeline.MOST_SPANS + 1
    bar = timeline.bar(line, 100)
    assert bar is not None
    whole(bar, [START, *times])


def test_anomalies_are_marked_in_their_cells(make: Make) -> None:
    times = [START + i * SECOND for i in range(1000)]
    line = timeline.read(make(times, [(times[500], "a"), (times[500], "b"), (None, "no time"), (times[999], "c")]))
    bar = timeline.bar(line, 100)
    assert bar is not None
    marked = {number: cell.anomalies for number, cell in enumerate(bar.cells) if cell.anomalies}
    assert marked == {bar.cell_at(times[500]): 2, 99: 1}


def test_next_and_previous_anomaly(make: Make) -> None:
    times = [START + i * SECOND for i in range(10)]
    session = make(times, [(times[3], "b"), (times[3], "a"), (times[7], "c"), (None, "none")])
    later = timeline.anomaly(session, START, 1)
    assert later is not None
    assert (later.ns, later.kind, later.packet, later.flow_id, later.together) == (times[3], "b", 0, 7, 2)
    after = timeline.anomaly(session, later.ns, 1)
    assert after is not None
    assert (after.ns, after.together) == (times[7], 1)
    assert timeline.anomaly(session, after.ns, 1) is None
    before = timeline.anomaly(session, after.ns, -1)
    assert before is not None
    assert before.ns == times[3]
    assert timeline.anomaly(session, before.ns, -1) is None


@given(
    st.lists(st.integers(0, 20 * YEAR), min_size=1, max_size=60),
    st.integers(1, 300),
    st.integers(0, 50),
)
def test_cells_and_times_map_in_order(offsets: list[int], columns: int, shift: int) -> None:
    """For any spans: the cells cover the time, fit, and mapping to a time and back gives the same cell."""
    numbers = sorted({(START + offset) >> shift for offset in offsets})
    line = Timeline(numbers[0] << shift, numbers[-1] << shift, shift, tuple(Span(n, 1, 100) for n in numbers))
    bar = timeline.bar(line, columns)
    assert bar is not None
    assert 1 <= len(bar.cells) <= columns
    whole(bar, [number << shift for number in numbers])
    times = [bar.time_of(cell) for cell in range(len(bar.cells))]
    assert times == sorted(times)
    if len(bar.cells) > 1:
        assert [bar.cell_at(ns) for ns in times] == list(range(len(bar.cells)))
    probes = sorted([bar.first - 1, bar.last + 1, *times, *(cell.start for cell in bar.cells)])
    cells = [bar.cell_at(ns) for ns in probes]
    assert cells == sorted(cells)


def test_a_real_session(tmp_path: Path) -> None:
    from rustnet.ingest.options import Options  # noqa: PLC0415
    from rustnet.ingest.road import ingest  # noqa: PLC0415
    from rustnet.query.session import open_session  # noqa: PLC0415

    sample = Path(__file__).resolve().parents[2] / "sample_pcaps" / "damaged.pcap"
    ingest([str(sample)], str(tmp_path / "s.duckdb"), Options(discover=False, workers=0))
    with open_session(tmp_path / "s.duckdb") as session:
        progress = timeline.progress(session)
        assert not progress.written
        assert progress.timeline.packets == session.sql("SELECT count(*) FROM packets").rows[0][0]
        times = [ns for (ns,) in session.execute_own("SELECT epoch_ns(ts) FROM packets").rows]
        bar = timeline.bar(progress.timeline, 80)
        assert bar is not None
        assert sum(cell.packets for cell in bar.cells) == len(times)
        timed = session.sql("SELECT count(*) FROM anomalies WHERE ts IS NOT NULL").rows[0][0]
        assert sum(cell.anomalies for cell in bar.cells) == timed > 0
