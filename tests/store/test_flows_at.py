"""``flows_at(t)`` against a replay of the packets up to t."""

import itertools
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.cli.main import main
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted(p for p in (ROOT / "sample_pcaps").iterdir() if ".pcap" in p.name and ".json" not in p.name)
CORPUS = ROOT.parent / "shared" / "corpus" / "ndpi"
MOMENTS = 20
EXACT = (
    "flow_id", "generation", "protocol", "src_ip", "src_port", "dst_ip", "dst_port", "vlan_id", "started_at",
    "ended_at", "src_flags", "dst_flags", "first_packet", "closed_at",
)  # fmt: skip
DECIDED = (
    "src_packets", "dst_packets", "src_bytes", "dst_bytes", "src_payload", "dst_payload", "state", "app_state",
    "conn_state", "history", "src_retransmissions", "dst_missed_bytes", "rtt_ms", "tunnel",
)  # fmt: skip
OPTIONS = Options(discover=False, workers=0)

Row = dict[str, Any]


def replay(capture: Path, session: Path) -> None:
    report = ingest([str(capture)], str(session), OPTIONS)
    assert report.captures, report.failed


def ask(session: Path, sql: str) -> list[Row]:
    con = duckdb.connect(str(session), read_only=True)
    try:
        cursor = con.execute(sql)
        names = [d[0] for d in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    finally:
        con.close()


def columns(names: tuple[str, ...]) -> str:
    return ", ".join(f"epoch_ns({n}) AS {n}" if n.endswith("_at") else n for n in names)


def moments(session: Path) -> list[tuple[int, int]]:
    """(time, number of packets up to it) of packets spread over the capture, each later than all before."""
    rows = ask(
        session,
        "SELECT epoch_ns(ts) AS ts, number FROM packets QUALIFY ts >= max(ts) OVER (ORDER BY number ROWS UNBOUNDED "
        "PRECEDING) AND coalesce(ts < lead(ts) OVER (ORDER BY number), true) ORDER BY number",
    )
    later = [row for row, after in itertools.pairwise([*rows, {"ts": 1 << 62}]) if row["ts"] < after["ts"]]
    step = max(1, len(later) // MOMENTS)
    return [(row["ts"], row["number"]) for row in later[::step]][:MOMENTS]


def compare(capture: Path, folder: Path) -> int:
    """Compare at every moment; returns the number of flows that were compared."""
    whole = folder / "whole.duckdb"
    replay(capture, whole)
    compared = 0
    for ts, number in moments(whole):
        part, session = folder / "part.pcapng", folder / "part.duckdb"
        part.unlink(missing_ok=True)
        session.unlink(missing_ok=True)
        sql = f"SELECT capture_id, number FROM packets WHERE number <= {number}"
        assert main(["extract", str(whole), "--sql", sql, "-o", str(part), "--no-comments"]) == 0
        replay(part, session)
        truth = ask(session, f"SELECT {columns(EXACT)}, {', '.join(DECIDED)}, end_reason FROM flows ORDER BY flow_id")
        at = ask(
            whole,
            f"SELECT {columns(EXACT)}, {', '.join(DECIDED)}, end_reason FROM flows_at(make_timestamp_ns({ts})) "
            "ORDER BY flow_id",
        )
        assert [row["flow_id"] for row in at] == [row["flow_id"] for row in truth], number
        for shown, real in zip(at, truth, strict=True):
            where = (capture.name, number, real["flow_id"], real["protocol"])
            for name in EXACT:
                assert shown[name] == real[name], (*where, name)
            for name in DECIDED:
                assert shown[name] in (None, real[name]), (*where, name, shown, real)
            ended = real["end_reason"].replace("end", "open")
            assert shown["end_reason"] == ended, (*where, shown, real)
            compared += 1
    return compared


ALIKE = ("short-queue.pcap.zst", "policed.pcap.zst", "paced.pcap.zst")
"""Long downloads like that of bufferbloat.pcap.zst."""


@pytest.mark.parametrize("capture", [s for s in SAMPLES if s.name not in ALIKE], ids=lambda path: path.name)
def test_flows_at_equals_a_replay_of_the_packets_before(capture: Path, tmp_path: Path) -> None:
    assert compare(capture, tmp_path) > 0


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.exists(), reason="needs the public captures")
@pytest.mark.parametrize("number", range(8))
def test_flows_at_on_public_captures(number: int, tmp_path: Path) -> None:
    """Eight of those whose packets are in order: elsewhere the first packets are not the packets up to a time."""
    captures = sorted(p for p in CORPUS.rglob("*.pcap*") if 2_000 < p.stat().st_size < 400_000)
    compared = 0
    for capture in captures[number * len(captures) // 8 :]:
        replay(capture, tmp_path / "order.duckdb")
        if ask(tmp_path / "order.duckdb", "SELECT out_of_order FROM captures") == [{"out_of_order": 0}]:
            compared = compare(capture, tmp_path)
            break
        (tmp_path / "order.duckdb").unlink()
    assert compared > 0
