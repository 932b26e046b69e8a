"""Paced replays, and what a flush makes visible and permanent."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import rustnet
from rustnet import replay
from rustnet.analysis.capture import Analysis
from rustnet.cli.main import main
from rustnet.dissect import registry
from rustnet.errors import SessionError
from rustnet.ingest import options as options_module
from rustnet.ingest.capture import CaptureIngest, Outcome
from rustnet.ingest.live import LivePasses
from rustnet.ingest.outlet import WriterOutlet
from rustnet.ingest.stop import StopToken
from rustnet.sources.files import FileSource, open_source, reread
from rustnet.sources.frames import Source
from rustnet.sources.paced import PacedSource
from rustnet.store.cadence import BATCH, LIVE, Cadence
from rustnet.store.session import create_or_open
from rustnet.store.tables import Capture
from rustnet.store.writer import Writer
from tests.support.conversations import dns_flow, http_flow
from tests.support.pcap import pcap

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_pcaps"
SLOW = SAMPLES / "slow-link.pcap"
OFTEN = Cadence(seconds=0.0, packets=1, rows=1, share=1.0)
LOST = 2.0
"""Seconds before its end that a killed writer may lose."""
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def tables(path: Path) -> dict[str, list[str]]:
    """All rows of a session, but for what depends on the day and on how often was flushed."""
    with duckdb.connect(str(path), read_only=True) as con:
        names = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return {
            name: sorted(map(repr, con.execute(f"SELECT COLUMNS(lambda c: c <> 'ingested_at') FROM {name}").fetchall()))
            for name in names
            if name not in ("meta", "migrations")
        }


def times_of(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    source = reread(str(path))
    return np.concatenate([frames.column("ts").astype(np.int64) for frames in source.batches()])


def test_packets_come_when_it_is_their_time() -> None:
    speed = 4.0
    source = PacedSource(open_source(str(SLOW)), speed, StopToken().wait)
    offsets = (times_of(SLOW) - times_of(SLOW)[0]) / 1e9 / speed
    began, late, early, at = 0.0, [], [], 0
    for frames in source.batches(0.1):
        began = began or time.monotonic()
        now = time.monotonic() - began
        late.append(now - offsets[at : at + frames.count].min(initial=now))
        early.append(offsets[at : at + frames.count].max(initial=now) - now)
        at += frames.count
    assert at == len(offsets)
    assert max(early) < 0.01
    assert np.median(late) < 0.05
    assert time.monotonic() - began >= offsets.max() - 0.01
    assert source.info.complete
    assert source.position() == SLOW.stat().st_size


def test_pacing_changes_no_packet() -> None:
    def read(source: Any) -> Any:
        return [
            (frames.first_number + i, frames.ts[i], frames.length[i], frames.file_offset[i], frames.frame(i),
             frames.notes.get(i) and frames.notes[i].comments)
            for frames in source.batches(0.1) for i in range(frames.count)
        ]  # fmt: skip

    path = str(SAMPLES / "network.pcapng")
    paced = read(PacedSource(FileSource(path, batch_packets=50), 1e6, StopToken().wait))
    assert paced == read(FileSource(path, batch_packets=50))


def test_a_clock_that_is_set_takes_no_time(tmp_path: Path) -> None:
    raw = bytearray(pcap(dns_flow()))
    first = len(pcap(dns_flow()[:1]))
    raw[first : first + 4] = (0).to_bytes(4, "little")  # the second packet is of 1970
    path = tmp_path / "jump.pcap"
    path.write_bytes(raw)
    began = time.monotonic()
    source = PacedSource(open_source(str(path)), 1.0, StopToken().wait)
    assert sum(frames.count for frames in source.batches()) == 2
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", ["slow-link.pcap", "dns.pcap", "web.pcap"])
def test_a_paced_replay_has_the_rows_of_a_quick_one(tmp_path: Path, name: str) -> None:
    quick, paced = tmp_path / "quick.duckdb", tmp_path / "paced.duckdb"
    replay(SAMPLES / name, db=quick)
    report = replay(SAMPLES / name, db=paced, speed=20.0)
    assert report.captures[0].complete
    assert tables(paced) == tables(quick)


class SmallBatches(FileSource):
    """A file in batches of few packets."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options | {"batch_packets": 100})


@pytest.mark.parametrize("workers", [0, 2])
def test_flushes_change_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    captures = [SAMPLES / name for name in ("web.pcap", "network.pcapng", "damaged.pcap", "slow-link.pcap")]
    replay(*captures, db=tmp_path / "rarely.duckdb", workers=0)
    monkeypatch.setattr(options_module, "BATCH", OFTEN)
    monkeypatch.setattr("rustnet.analysis.workers.BATCH_PACKETS", 100)
    monkeypatch.setattr("rustnet.ingest.parser.FileSource", SmallBatches)
    replay(*captures, db=tmp_path / "often.duckdb", workers=workers)
    assert tables(tmp_path / "often.duckdb") == tables(tmp_path / "rarely.duckdb")


AGREE = """SELECT captures.packets, (SELECT count(*) FROM packets WHERE packets.capture_id = captures.capture_id),
    epoch_ns(last_ts), (SELECT max(epoch_ns(ts)) FROM packets), wire_bytes, (SELECT sum(length)::BIGINT FROM packets),
    (SELECT count(*) FROM (SELECT flow_id FROM flows GROUP BY flow_id HAVING count(*) > 1)),
    (SELECT count(DISTINCT flow_id) FROM packets WHERE flow_id NOT IN (SELECT flow_id FROM flows)),
    (SELECT sum(src_packets + dst_packets)::BIGINT FROM flows) + undecoded,
    (SELECT count(*) FROM flows WHERE end_reason = 'open'), complete
    FROM captures ORDER BY ALL"""
"""What must agree in a session at any moment: packets, times, bytes; no flow twice, none without a row."""


def check(row: tuple[int, ...]) -> None:
    packets, index, last, last_index, size, size_index, twice, missing, in_flows, *_ = row
    assert packets == index
    assert last == last_index
    assert size == size_index
    assert twice == missing == 0
    assert in_flows == packets


def ingested(writer: Writer, source: Source, analysis: Analysis, cadence: Cadence) -> Outcome:
    """Ingest a source in this thread."""
    capture = Capture(1, source.info.source, "file", "pcap")
    writer.begin_capture(capture)
    outlet = WriterOutlet(writer, 1, None)
    outcome = CaptureIngest(outlet, source, capture, analysis, StopToken(), cadence).run()
    writer.end_capture(outcome.capture)
    return outcome


@pytest.mark.parametrize("name", ["slow-link.pcap", "web.pcap", "scan.pcap.zst"])
def test_every_flush_is_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.duckdb"
    states: list[tuple[int, ...]] = []
    writer = Writer(
        str(path),
        registry.tables(),
        cadence=OFTEN,
        on_flush=lambda con, _: states.append(con.execute(AGREE).fetchall()[0]),
    )
    source = FileSource(str(SAMPLES / name), batch_packets=200)
    report = ingested(writer, source, Analysis(1, 1), OFTEN)
    assert writer.query(AGREE)[0][-2:] == (0, True)
    writer.close()
    packets = report.capture.packets
    assert [state[0] for state in states] == [min(n, packets) for n in range(200, packets + 200, 200)]
    for state in states:
        check(state)
        assert state[-1] is False
    assert any(state[-2] for state in states)


def test_open_flows_are_seen_within_two_seconds(tmp_path: Path) -> None:
    """By a cursor of the writer, as its readers have."""
    path = tmp_path / "s.duckdb"
    writer = Writer(str(path), registry.tables())
    analysis = Analysis(1, 1)
    source = PacedSource(open_source(str(SLOW)), 1.0, StopToken().wait)
    states: list[tuple[float, int]] = []
    writer.on_flush = lambda con, _: states.append((time.monotonic(), con.execute(
        "SELECT count(*) FROM packets").fetchall()[0][0]))  # fmt: skip
    ingested(writer, source, analysis, LIVE)
    writer.close()
    seconds = float(times_of(SLOW)[-1] - times_of(SLOW)[0]) / 1e9
    assert len(states) >= seconds / LOST
    gaps = np.diff([moment for moment, _ in states])
    assert gaps.max() < LOST


PROGRAM = """
import sys, time
from rustnet import replay
replay(sys.argv[1], db=sys.argv[2], speed=float(sys.argv[3]),
       progress=lambda now: print(time.monotonic(), now.packets, flush=True))
"""


def killed(path: Path, capture: Path, after: float) -> list[tuple[float, int]]:
    """Kill a paced replay some seconds after its first packet; returns how many packets it had read when."""
    command = [sys.executable, "-c", PROGRAM, str(capture), str(path), "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        lines = [process.stdout.readline()]
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        end = time.monotonic()
        lines += process.stdout.read().splitlines()
        process.wait()
    seen = [(float(moment), int(packets)) for moment, packets in map(str.split, filter(None, lines))]
    return [(moment - end, packets) for moment, packets in seen]


def check_killed(path: Path, progress: list[tuple[float, int]], capsys: pytest.CaptureFixture[str]) -> None:
    known = max((packets for moment, packets in progress if moment < -LOST), default=0)
    with duckdb.connect(str(path), read_only=True) as con:
        row = con.execute(AGREE).fetchone()
        assert row is not None
        packets, *_, complete = row
        assert not complete
        assert packets >= known
        if packets:
            check(row)
        assert con.execute("SELECT count(*) FROM flows WHERE end_reason = 'open'").fetchone() == (0,)
        interrupted = con.execute("SELECT count(*) FROM flows WHERE end_reason = 'interrupted'").fetchone()
    assert main(["verify", str(path)]) != 0 or "not complete" in capsys.readouterr().out
    create_or_open(path, registry.tables()).close()  # the next writer
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM flows_open").fetchone() == (0,)
        assert con.execute("SELECT count(*) FROM flows WHERE end_reason = 'interrupted'").fetchone() == interrupted


@pytest.mark.parametrize("after", [0.3, 2.6, 4.0])
def test_a_killed_replay_loses_two_seconds_at_most(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], after: float
) -> None:
    path = tmp_path / "s.duckdb"
    check_killed(path, killed(path, SLOW, after), capsys)


@pytest.mark.slow
def test_thirty_killed_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moments = random.Random(1)
    for number in range(30):
        path = tmp_path / f"{number}.duckdb"
        check_killed(path, killed(path, SLOW, moments.uniform(0.0, 4.4)), capsys)


def test_a_second_replay_replaces_what_a_killed_one_stored(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    killed(path, SLOW, 2.5)
    report = replay(SLOW, db=path)
    assert report.captures[0].complete
    assert report.captures[0].capture_id == 2
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.execute("SELECT complete FROM captures ORDER BY capture_id").fetchall() == [(True,)]
        assert con.execute("SELECT DISTINCT capture_id FROM packets").fetchall() == [(2,)]
        assert con.execute("SELECT count(*) FROM flows GROUP BY flow_id HAVING count(*) > 1").fetchall() == []


@pytest.mark.parametrize("value", ["0", "-1", "fast", "nan", "inf", "1e12"])
def test_an_invalid_speed_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    assert main(["replay", str(SLOW), "--speed", value, "--db", str(tmp_path / "s.duckdb")]) == 2
    assert "nor a positive number" in capsys.readouterr().err


def test_the_command_paces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = tmp_path / "c.pcap"
    capture.write_bytes(pcap(http_flow()))
    assert main(["replay", str(capture), "--speed", "10", "--no-tui", "--db", str(tmp_path / "s.duckdb")]) == 0
    assert "8 packets" in capsys.readouterr().out
    assert BATCH.seconds == 10.0


def test_a_capture_that_is_given_up_has_each_flow_once(tmp_path: Path) -> None:
    """As after an error of ours: some of its flows were open at the last flush, and ended or went on since."""
    path = tmp_path / "s.duckdb"
    writer = Writer(str(path), registry.tables())
    analysis = Analysis(1, 1)
    source = FileSource(str(SLOW), batch_packets=200)
    capture = Capture(1, "s.pcap", "file", "pcap")
    writer.begin_capture(capture)
    ingest = CaptureIngest(WriterOutlet(writer, 1, None), source, capture, analysis, StopToken(), BATCH)
    for number, frames in enumerate(source.batches()):
        ingest.batch(frames)
        if number == 1:
            ingest.flush_at = 0.0
            ingest.flush_due()
    opened = writer.query("SELECT count(*), count(*) FILTER (end_reason = 'open') FROM flows")[0]
    assert opened[1] > 0
    ingest.store([*ingest.ready_batches(), *analysis.take_all()])
    source.close()
    writer.close()
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.execute("SELECT flow_id FROM flows GROUP BY flow_id HAVING count(*) > 1").fetchall() == []
        assert con.execute("SELECT count(*) FROM flows_open").fetchone() == (0,)
        assert con.execute("SELECT count(*) FROM flows WHERE end_reason = 'interrupted'").fetchone() != (0,)
        assert con.execute("SELECT complete FROM captures").fetchall() == [(False,)]


def test_readers_of_a_paced_replay_see_it_two_seconds_later_at_most(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    command = [sys.executable, "-c", PROGRAM, str(SLOW), str(path), "0.5"]
    seen: list[tuple[float, int, int]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        lines = [process.stdout.readline()]
        while process.poll() is None and len(seen) < 12:
            try:
                with rustnet.open(path) as session:
                    asked = time.monotonic()
                    answer = session.sql(
                        "SELECT (SELECT count(*) FROM packets), (SELECT count(*) FROM flows WHERE end_reason = 'open')"
                    )
                    seen.append((asked, *answer.rows[0]))
            except SessionError:  # the writer has just begun, or is about to end
                pass
            time.sleep(0.4)
        lines += process.stdout.read().splitlines()
    progress = [(float(moment), int(packets)) for moment, packets in map(str.split, lines)]
    assert len(seen) >= 3
    for asked, packets, _ in seen:
        assert packets >= max((count for moment, count in progress if moment < asked - LOST), default=0)
    assert any(still_open for _, _, still_open in seen)


def test_flows_of_a_paced_replay_have_their_names_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names that the end of a quick replay gives its flows, open ones included."""
    quick, paced = tmp_path / "quick.duckdb", tmp_path / "paced.duckdb"
    rustnet.replay(SAMPLES / "dns.pcap", db=quick)
    named: list[set[tuple[int, str, bool]]] = []
    ask = "SELECT flow_id, hostname, end_reason = 'open' FROM flows WHERE hostname_source = 'dns'"
    real = LivePasses.__call__

    def watched(self: LivePasses, con: duckdb.DuckDBPyConnection, capture_id: int) -> None:
        real(self, con, capture_id)
        named.append(set(con.execute(ask).fetchall()))

    monkeypatch.setattr(LivePasses, "__call__", watched)
    monkeypatch.setattr(options_module, "LIVE", OFTEN)
    rustnet.replay(SAMPLES / "dns.pcap", db=paced, speed=50.0)
    with duckdb.connect(str(quick), read_only=True) as con:
        wanted = {flow: name for flow, name, _ in con.execute(ask).fetchall()}
    seen = set().union(*named)
    assert wanted
    assert {(flow, name) for flow, name, _ in seen} == set(wanted.items())
    assert any(still_open for _, _, still_open in seen)


def test_flushes_that_take_long_become_rarer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.duckdb"
    slow = Cadence(seconds=0.0, packets=1, rows=1, share=0.2)
    moments: list[float] = []
    writer = Writer(str(path), registry.tables(), cadence=slow)
    analysis = Analysis(1, 1)
    real = analysis.open_flows

    def takes_long() -> Any:
        moments.append(time.monotonic())
        time.sleep(0.1)
        return real()

    monkeypatch.setattr(analysis, "open_flows", takes_long)
    source = PacedSource(open_source(str(SLOW)), 2.0, StopToken().wait)
    ingested(writer, source, analysis, slow)
    writer.close()
    assert len(moments) > 2
    assert np.diff(moments).min() >= 0.1 / 0.2 - 0.01
