"""Flows that are still open have the rows that they would have if the capture ended, and stay as they are."""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rustnet.analysis.capture import Analysis
from rustnet.analysis.workers import Workers
from rustnet.columnar import NULL, Column, Texts
from rustnet.ingest.capture import Analyser
from rustnet.sources.files import FileSource
from rustnet.sources.frames import Frames
from rustnet.store.batches import Batch, Columns
from rustnet.store.tables import FlowRow

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
NAMES = ("web.pcap", "dns.pcap", "network.pcapng", "scan.pcap.zst", "ssh.pcap", "mail-ftp.pcap", "contested.pcap")
Row = dict[str, Any]


def values(column: Column) -> list[Any]:
    if isinstance(column, Texts):
        pieces = zip(column.ends, column.ends[1:], strict=False)
        made = [bytes(column.data[start:end]).decode() for start, end in pieces]
        if column.valid is None:
            return made
        flags = np.unpackbits(column.valid, count=len(made), bitorder="little")
        return [value if flag else None for value, flag in zip(made, flags, strict=True)]
    assert isinstance(column, np.ndarray)
    if column.dtype.kind == "f":
        return [None if np.isnan(value) else float(value) for value in column]
    return [None if value == NULL else int(value) for value in column.astype(np.int64)]


def rows(batches: Sequence[Batch]) -> dict[int, Row]:
    """Rows of flows by their number."""
    flows: dict[int, Row] = {}
    for batch in batches:
        assert isinstance(batch, Columns)
        assert batch.cls is FlowRow
        columns = {name: values(column) for name, column in batch.batch.items() if name != "capture_id"}
        for row in zip(*columns.values(), strict=True):
            flow = dict(zip(columns, row, strict=True))
            flows[flow["flow_id"]] = flow
    return flows


def ended(analysis: Analyser) -> dict[int, Row]:
    """Rows of the flows that ended since the last call."""
    return rows([batch for batch in analysis.take_all(final=True) if batch.cls is FlowRow])


def batches(path: Path, packets: int, ring: Sequence[Frames] = ()) -> Iterator[Frames]:
    source = FileSource(str(path), batch_packets=packets)
    source.ring = ring
    try:
        yield from source.batches()
    finally:
        source.close()


def without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("packets", [1, 7, 60, 150])
def test_open_flows_are_what_the_end_of_the_capture_makes_of_them(name: str, packets: int) -> None:
    """But for how they end; and being asked for, once or after each batch, they end no other way."""
    analysis, unasked = Analysis(1, 1), Analysis(1, 1)
    before: dict[int, Row] = {}
    twice = zip(batches(SAMPLES / name, packets), batches(SAMPLES / name, packets), strict=True)
    for frames, same in islice(twice, 3):
        analysis.feed(frames)
        unasked.feed(same)
        before |= ended(analysis)
        shown = rows(analysis.open_flows())
        assert {flow["end_reason"] for flow in shown.values()} <= {"open"}
        assert shown == rows(analysis.open_flows())
    analysis.finish()
    unasked.finish()
    assert len(before) + len(shown) == analysis.next_flow - 1
    final, expected = ended(analysis), ended(unasked)
    assert before | final == expected
    assert len(shown) == len(final) > 0
    for flow_id, row in final.items():
        assert without(shown[flow_id], "end_reason") == without(row, "end_reason")
    assert rows(analysis.open_flows()) == {}


@pytest.mark.parametrize("name", NAMES)
def test_touched_flows_are_those_that_got_a_packet(name: str) -> None:
    analysis = Analysis(1, 1)
    last: dict[int, Row] = {}
    for frames in batches(SAMPLES / name, 50 if "scan" in name else 5):
        first = analysis.index.count
        analysis.feed(frames)
        flow_ids = set(analysis.index.arrays["flow_id"][first : analysis.index.count].tolist())
        everything, touched = rows(analysis.open_flows()), rows(analysis.open_flows(touched=True))
        outer = {row["outer_flow_id"] for row in touched.values()}  # packets count for the innermost flow in the index
        assert touched.keys() >= flow_ids & everything.keys()
        assert touched.keys() <= flow_ids | outer
        for flow_id, row in touched.items():
            assert row == everything[flow_id]
        last |= touched
        volatile = ("state",)  # a UDP flow becomes idle by the clock alone
        assert {i: without(last[i], *volatile) for i in everything} == {
            i: without(row, *volatile) for i, row in everything.items()
        }
        assert not rows(analysis.open_flows(touched=True))


def test_a_flow_that_follows_in_the_same_slot_is_touched() -> None:
    """An ended flow's place in the table goes to another one, which may have as many packets."""
    for name in ("dns.pcap", "scan.pcap.zst"):
        analysis = Analysis(1, 1)
        seen: set[int] = set()
        gone: dict[int, Row] = {}
        for frames in batches(SAMPLES / name, 1):
            analysis.feed(frames)
            gone |= ended(analysis)
            seen |= rows(analysis.open_flows(touched=True)).keys()
        assert seen == set(range(1, analysis.next_flow)) - (gone.keys() - seen)
        assert len(seen) > 10


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_workers_have_the_same_open_flows(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rustnet.analysis.workers.BATCH_PACKETS", 40)
    alone = Analysis(1, 7)
    workers = Workers(count, dissect=True)
    try:
        shared = workers.begin(1, 7)
        for frames, same in zip(batches(SAMPLES / name, 40, workers.ring), batches(SAMPLES / name, 40), strict=True):
            shared.feed(frames)
            alone.feed(same)
            for touched in (False, True):
                shown = rows(shared.open_flows(touched))
                assert shown == rows(alone.open_flows(touched))
        shared.finish()
        alone.finish()
        assert rows(shared.open_flows()) == {}
        assert shared.next_flow == alone.next_flow
        assert ended(shared) == ended(alone)
    finally:
        workers.close()
