"""Rows on how owners are learned, from the probe's lines, which are checked like those of a file."""

from typing import Any

import pytest

from rustnet.attribute.live_coverage import LiveCoverage, Sums
from rustnet.ingest import attribution_rows
from rustnet.ingest.attribution_rows import AttributionRows
from rustnet.ingest.live_state import Coverage, LiveState
from rustnet.store.batches import Records
from rustnet.store.live_tables import AttributionRow

AT = {"secs_since_epoch": 1_800_000_000, "nanos_since_epoch": 5}
START: dict[str, Any] = {
    "record": "start", "protocol": "META", "last_seen": AT, "methods": ["sock_diag", "packets"],
    "unavailable": [{"method": "ebpf", "reason": "no-cap-bpf", "detail": "bpf: EPERM"}],
    "sockets": 7, "unowned": 1, "packets_dropped": 3, "longest_gap_ms": 501.5, "missed": ["something"],
}  # fmt: skip


def taken(rows: AttributionRows) -> list[AttributionRow]:
    batches = rows.take()
    return [row for batch in batches if isinstance(batch, Records) for row in batch.records]


def test_a_line_is_a_row() -> None:
    rows = AttributionRows(3)
    assert rows.takes(START)
    rows.add(START)
    (row,) = taken(rows)
    assert (row.capture_id, row.ts, row.event, row.method, row.methods) == (
        3, 1_800_000_000_000_000_005, "start", "sock_diag", ["sock_diag", "packets"],
    )  # fmt: skip
    assert (row.missing_method, row.missing_reason) == ("ebpf", "no-cap-bpf")
    assert row.missing_detail is not None
    assert row.missing_detail.startswith("CAP_BPF is missing")
    assert "bpf: EPERM" in row.missing_detail
    assert (row.sockets, row.unowned, row.packets_lost, row.events_lost) == (7, 1, 3, None)
    assert (row.longest_gap_ms, row.missed) == (501.5, ["something"])
    assert taken(rows) == []


def test_the_best_method_in_force() -> None:
    rows = AttributionRows(1)
    rows.add({**START, "methods": ["sock_diag", "destroy-notices", "ebpf"], "unavailable": None})
    (row,) = taken(rows)
    assert (row.method, row.missing_method, rows.method) == ("ebpf", None, "ebpf")
    state = rows.stated(LiveState(1.0), LiveCoverage())
    assert state.attribution == "ebpf"
    assert state.flows_owned == Coverage(0, 0)
    rows.ended()
    (row,) = taken(rows)
    assert (row.event, row.method, row.sockets) == ("ended_early", None, 7)
    assert rows.stated(LiveState(1.0), LiveCoverage()).attribution is None


@pytest.mark.parametrize(
    "change",
    [
        {"last_seen": None}, {"last_seen": "never"}, {"sockets": -1}, {"sockets": "7"}, {"methods": "sock_diag"},
        {"missed": [1]}, {"longest_gap_ms": -1}, {"longest_gap_ms": "x"}, {"longest_gap_ms": True},
    ],
)  # fmt: skip
def test_wrong_values_are_no_rows(change: dict[str, Any]) -> None:
    rows = AttributionRows(1)
    rows.add({**START, **change})
    assert (taken(rows), rows.invalid) == ([], 1)


def test_others_are_not_taken() -> None:
    rows = AttributionRows(1)
    assert not rows.takes({"record": "start", "protocol": "TCP"})
    assert not rows.takes({"record": "host", "protocol": "META"})


def test_rows_have_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution_rows, "WAITING", 2)
    rows = AttributionRows(1)
    for _ in range(4):
        rows.add({**START, "missed": ["x" * 9999] * 99})
    kept = taken(rows)
    assert (len(kept), rows.dropped) == (2, 2)
    assert kept[0].missed == ["x" * 499 + "…"] * attribution_rows.LISTED


def test_coverage_in_the_state() -> None:
    coverage = LiveCoverage()
    coverage.all, coverage.minute = Sums(10, 8, 1000, 900), Sums(2, 1, 50, 5)
    state = AttributionRows(1).stated(LiveState(1.0), coverage)
    assert (state.flows_owned, state.bytes_owned) == (Coverage(8, 10), Coverage(900, 1000))
    assert (state.flows_owned_last_minute, state.bytes_owned_last_minute) == (Coverage(1, 2), Coverage(5, 50))
