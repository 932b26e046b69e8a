"""Small captures that expand: memory of all processes stays within the floor, and nothing of them is lost."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from benchmarks import hostile
from benchmarks.captures import ACK, PSH
from rustnet.analysis.collector import CONVERTED_BYTES, Collector
from rustnet.analysis.workers import Workers
from rustnet.columnar import column_bytes
from rustnet.dissect.http.record import Http
from rustnet.sources.files import FileSource
from rustnet.store.batches import Batch, Columns
from rustnet.store.cadence import BATCH
from rustnet.store.tables import FlowRow

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in /proc")


def pipelined(packets: int) -> Iterator[bytes]:
    """Classic pcap of the shortest requests."""
    data = b"GET / HTTP/1.1\r\n\r\n" * 75
    yield from hostile.pcap(hostile.tcp(1, 40_000, 80, 1 + i * len(data), ACK | PSH, data) for i in range(packets))


@pytest.mark.parametrize("name", ["half-requests", "names"])
def test_a_flood_stays_within_the_floor(tmp_path: Path, name: str) -> None:
    capture, session = tmp_path / "flood.pcap.zst", tmp_path / "s.duckdb"
    hostile.write(capture, hostile.CASES[name]())
    figures = hostile.measured(capture, session, limit=300)
    assert figures["code"] == 0
    assert figures["pss"] < hostile.FLOOR_MIB
    with duckdb.connect(str(session), read_only=True) as con:
        packets, complete = con.execute("SELECT packets, complete FROM captures").fetchall()[0]
        assert complete
        assert con.execute("SELECT count(*) FROM packets").fetchall() == [(packets,)]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_rows_that_wait_are_bounded(tmp_path: Path, workers: str) -> None:
    capture, session = tmp_path / "requests.pcap.zst", tmp_path / "s.duckdb"
    hostile.write(capture, pipelined(8_000))
    figures = hostile.measured(capture, session, limit=300, options=("--workers", workers))
    assert figures["code"] == 0
    assert figures["pss"] < hostile.FLOOR_MIB
    with duckdb.connect(str(session), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM http").fetchall() == [(8_000 * 75,)]


def collected(count: int, size: int) -> tuple[Collector, list[Batch]]:
    """A collector that took rows of ``size`` characters, and what it passed on meanwhile."""
    passed: list[Batch] = []
    collector = Collector(1, drain=passed.extend)
    for number in range(count):
        collector.record(Http(method="GET", uri="/" * size), 1, 1, number)
    return collector, passed


@pytest.mark.parametrize(("count", "size"), [(60_000, 1), (20_000, 4_000)])
def test_a_collector_passes_rows_on_by_their_size(count: int, size: int) -> None:
    collector, passed = collected(count, size)
    assert 0 < collector.waiting_bytes < CONVERTED_BYTES
    waiting = sum(len(rows) for rows in collector.rows.values())
    assert waiting * size < CONVERTED_BYTES
    stored = sum(len(batch.batch["packet"]) for batch in passed if isinstance(batch, Columns))
    assert stored + waiting == count


@pytest.mark.parametrize("period", [2, 7, 16, 31, 32])
def test_large_rows_among_small_ones_are_noticed(period: int) -> None:
    collector, largest = Collector(1, drain=lambda _: None), 0
    for number in range(period * 15_000):
        collector.record(Http(method="GET", uri="/" * (4_000 if number % period == 0 else 1)), 1, 1, number)
        if number % 97 == 0:
            waiting = sum(len(row[0].uri) for rows in collector.rows.values() for row in rows)
            largest = max(largest, waiting)
    assert largest < CONVERTED_BYTES


def test_the_cadence_bounds_what_waits() -> None:
    assert BATCH.waiting_bytes <= 32 << 20


def test_the_last_rows_of_workers_do_not_wait_for_one_another(tmp_path: Path) -> None:
    """Flows that end with the capture, and the replies to all batches on their way, are passed on part by part."""
    capture = tmp_path / "flows.pcap"
    flows, most = 100_000, 1 << 20
    packets = (hostile.udp(number, 40_000, 9_999, b"") for number in range(flows))
    capture.write_bytes(b"".join(hostile.pcap(packets)))
    parts: list[int] = []
    rows = 0

    def passed(batches: list[Batch]) -> None:
        nonlocal rows
        columns = [batch for batch in batches if isinstance(batch, Columns) and batch.cls is FlowRow]
        parts.append(sum(column_bytes(batch.batch) for batch in columns))
        rows += sum(len(batch.batch["flow_id"]) for batch in columns)

    workers = Workers(2, dissect=False, cadence=replace(BATCH, waiting_bytes=most))
    try:
        analysis = workers.begin(1, 1, passed)
        with FileSource(str(capture)) as source:
            source.ring = workers.ring
            for frames in source.batches(0.0):
                analysis.feed(frames)
                passed(analysis.take())
            before = len(parts)
            analysis.finish()
        assert len(parts) > before + 4
        assert max(parts[before:]) < 16 * most
        passed(analysis.take_all(final=True))
    finally:
        workers.close()
    assert rows == flows
