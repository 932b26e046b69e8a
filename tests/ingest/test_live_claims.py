"""Claims while flows are captured: the same owners as from a sidecar of the finished capture."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet import replay
from rustnet.analysis.capture import Analysis
from rustnet.attribute.values import parse_time
from rustnet.dissect import registry
from rustnet.ingest.capture import CaptureIngest
from rustnet.ingest.live_claims import LiveClaims
from rustnet.ingest.outlet import WriterOutlet
from rustnet.ingest.stop import StopToken
from rustnet.sources.files import FileSource
from rustnet.store.cadence import Cadence
from rustnet.store.tables import Capture
from rustnet.store.writer import Writer

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
SIDECAR = ".connections.jsonl"
BATCHES = {
    "contested.pcap": 4, "dns.pcap": 12, "mail-ftp.pcap": 20, "network.pcapng": 15, "scan.pcap.zst": 500,
    "web.pcap": 12,
}  # fmt: skip
"""Captures with a sidecar that was recorded while they were made, and the packets between two flushes."""
OFTEN = Cadence(seconds=0.0, packets=1, rows=1, share=1.0)

FLOWS = """
SELECT f.flow_id, f.protocol, f.src_port, f.dst_port, p.host, p.pid, p.name, p.exe, p.started_at, f.process_source,
    f.process_contested, f.unowned_reason
FROM flows f LEFT JOIN processes p USING (process_id) ORDER BY 1"""
PROCESSES = (
    "SELECT * EXCLUDE (process_id) FROM processes p WHERE process_id IN (SELECT process_id FROM claims) ORDER BY ALL"
)
CLAIMS = """
SELECT c.flow_id, p.pid, p.started_at, c.source, c.quality, c.rank, c.observed_at, c.window_start, c.window_end,
    c.distance_ms, c.reversed, c.match, c.behind
FROM claims c JOIN processes p USING (process_id) ORDER BY ALL"""


def last_time(con: duckdb.DuckDBPyConnection) -> int:
    return int(con.execute("SELECT max(epoch_ns(ts)) FROM packets").fetchall()[0][0])


class Feed:
    """Gives the lines of a file to live claims as the capture's time passes, and asks what readers see."""

    def __init__(self, lines: list[bytes], late: float = 0.0) -> None:
        self.lines = [(parse_time(json.loads(line).get("timestamp")) or 0, line) for line in lines]
        self.late = round(late * 1e9)
        self.now = 0
        self.claims = LiveClaims(lambda: self.now / 1e9)
        self.owned_while_open = 0
        self.flushes = 0

    def __call__(self, con: duckdb.DuckDBPyConnection, capture_id: int) -> None:
        self.now = last_time(con)
        ready = [line for time, line in self.lines if time + self.late <= self.now]
        self.lines = [each for each in self.lines if each[0] + self.late > self.now]
        self.claims.add(ready)
        self.claims(con, capture_id)
        self.flushes += 1
        owned = con.execute("SELECT count(*) FROM flows_open WHERE process_id IS NOT NULL").fetchall()[0][0]
        self.owned_while_open += owned
        blank = "SELECT count(*) FROM flows WHERE process_id IS NULL AND unowned_reason IS NULL"
        assert con.execute(blank).fetchall() == [(0,)]

    def finish(self, con: duckdb.DuckDBPyConnection, capture_id: int) -> Any:
        self.claims.add([line for _, line in self.lines])
        return self.claims.finish(con, capture_id)


def ingest(path: Path, session: Path, feed: Feed, batch_packets: int) -> Any:
    """Ingest a file as if it were live, with a flush after each batch."""
    writer = Writer(str(session), registry.tables(), cadence=OFTEN, on_flush=feed)
    source = FileSource(str(path), batch_packets=batch_packets)
    capture = Capture(1, source.info.source, "live", "pcap")
    writer.begin_capture(capture)
    outlet = WriterOutlet(writer, 1, None)
    outcome = CaptureIngest(outlet, source, capture, Analysis(1, 1), StopToken(), OFTEN).run()
    writer.end_capture(outcome.capture)
    report = writer.execute_pass("ownership", lambda con: feed.finish(con, 1), 1)
    assert writer.losses == []
    writer.close()
    return report


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.fixture(scope="module", params=BATCHES)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Feed]:
    """Sessions of one sample: live, and replayed with its sidecar."""
    folder, name = tmp_path_factory.mktemp("both"), request.param
    live, replayed = folder / "live.duckdb", folder / "replayed.duckdb"
    feed = Feed((SAMPLES / (name + SIDECAR)).read_bytes().splitlines())
    report = ingest(SAMPLES / name, live, feed, BATCHES[name])
    summary = replay(str(SAMPLES / name), db=str(replayed), sidecars=[str(SAMPLES / (name + SIDECAR))])
    assert summary is not None
    assert report.records > 0
    assert feed.flushes > 3
    return live, replayed, feed


def test_the_same_owners_as_from_a_sidecar(both: tuple[Path, Path, Feed]) -> None:
    live, replayed, _ = both
    assert rows(live, FLOWS) == rows(replayed, FLOWS)


def test_open_flows_have_owners(both: tuple[Path, Path, Feed]) -> None:
    live, _, feed = both
    if "scan" not in str(rows(live, "SELECT source FROM captures")):  # its lines came at the end of the recording
        assert feed.owned_while_open > 0


def test_the_same_claims_and_processes(both: tuple[Path, Path, Feed]) -> None:
    live, replayed, _ = both
    assert rows(live, CLAIMS) == rows(replayed, CLAIMS)
    assert rows(live, PROCESSES) == rows(replayed, PROCESSES)
