"""What a live run writes beside its session: recorded packets with owners, and the log of events."""

import json
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.errors import ExitCode
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from tests.live.namespaces import Namespace
from tests.live.running import RUSTNET, Live, fetch, serve_web

pytestmark = pytest.mark.root

FLOWS = """
SELECT protocol, src_ip, src_port, dst_ip, dst_port, epoch_ns(started_at), epoch_ns(ended_at), src_packets, dst_packets,
    src_bytes, dst_bytes, app, hostname, state
FROM flows ORDER BY ALL"""
OWNERS = """
SELECT src_port, dst_port, p.pid, p.name FROM flows AS f LEFT JOIN processes AS p USING (process_id) ORDER BY ALL"""


@pytest.fixture
def web(namespace: Namespace) -> Iterator[Namespace]:
    """A namespace with a web server."""
    server = serve_web()
    yield namespace
    server.kill()
    server.communicate()


def rustnet(*options: object) -> str:
    """Run a command that has to succeed; returns what it prints."""
    done = subprocess.run([*RUSTNET, *map(str, options)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(session: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(session), read_only=True) as con:
        return con.execute(sql).fetchall()


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_recordings_replay_to_what_the_session_has(web: Namespace, tmp_path: Path) -> None:
    session, packets, classic, log = (tmp_path / name for name in ("s.duckdb", "s.pcapng", "s.pcap", "s.log"))
    outputs = ("--pcapng-export", str(packets), "--pcap-export", str(classic), "--json-log", str(log))
    with Live(session, "-i", "lo", *outputs) as live:
        for _ in range(3):
            fetch()
        live.wait_for("SELECT 1 FROM flows WHERE app = 'http' HAVING count(*) = 3")
        live.wait_for("SELECT 1 FROM claims HAVING count(DISTINCT flow_id) = 3")
        live.stop()
    assert live.processes() == []
    assert live.errors == ""
    for path in (packets, classic, log, Path(f"{packets}.connections.jsonl")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    owners = rows(session, OWNERS)
    assert len(owners) == 3
    assert all(owner[3] for owner in owners)
    for made in (packets, classic):
        again = tmp_path / "again.duckdb"
        again.unlink(missing_ok=True)
        ingest([str(made)], str(again), Options())
        assert rows(again, FLOWS) == rows(session, FLOWS)
        assert rows(again, OWNERS) == owners
    Path(f"{packets}.connections.jsonl").unlink()
    again.unlink()
    ingest([str(packets)], str(again), Options())
    assert [row[:3] for row in rows(again, OWNERS)] == [row[:3] for row in owners], "comments alone name the owners"
    written = events(log)
    assert [each["event"] for each in written].count("new_connection") == 3
    assert [each["event"] for each in written].count("connection_closed") == 3
    assert all(each["pid"] and each["process_name"] and each["dpi_protocol"] == "HTTP" for each in written)
    sent = {each["bytes_sent"] + each["bytes_received"] for each in written if each["event"] == "connection_closed"}
    assert sent == {row[9] + row[10] for row in rows(session, FLOWS)}


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_packets_of_a_session_are_in_its_recording(web: Namespace, tmp_path: Path) -> None:
    session, packets, taken = tmp_path / "s.duckdb", tmp_path / "s.pcapng", tmp_path / "out.pcapng"
    with Live(session, "-i", "lo", "--pcapng-export", str(packets)) as live:
        fetch()
        live.wait_for("SELECT 1 FROM flows WHERE app = 'http'")
        rustnet("extract", session, "app:http", "-o", taken)  # while it runs
        assert taken.stat().st_size > 500
        taken.unlink()
        fetch()
        live.wait_for("SELECT 1 FROM flows WHERE app = 'http' HAVING count(*) = 2")
        live.stop()
    count = rows(session, "SELECT count(*) FROM packets")[0][0]
    rustnet("extract", session, "-o", taken)
    fields = ("tshark", "-n", "-T", "fields", "-e", "frame.time_epoch", "-e", "tcp.srcport", "-e", "tcp.seq_raw", "-r")
    both = [subprocess.run([*fields, path], capture_output=True, text=True, check=True) for path in (taken, packets)]
    assert both[0].stdout == both[1].stdout
    assert both[0].stdout.count("\n") == count
    assert "'MSS', 65495" in rustnet("show", session, "1", "--packet", "1")
    assert "same size as recorded" in rustnet("verify", session)
    stored = rows(session, "SELECT kind, format, packets, first_packet, complete, bytes FROM capture_files")
    assert stored == [("file", "pcapng", count, 1, True, packets.stat().st_size)]
    comments = subprocess.run(
        ["tshark", "-n", "-r", packets, "-Y", "frame.comment", "-T", "fields", "-e", "frame.comment"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert len(comments) == 2
    assert all(line.startswith("rustnet process=python") and " app=http" in line for line in comments)
    packets.write_bytes(packets.read_bytes() + b"\0")
    wrong = subprocess.run([*RUSTNET, "extract", session, "-o", taken, "--force"], capture_output=True, check=False)
    assert wrong.returncode == ExitCode.INPUT
    assert b"bytes, but the ingested capture had" in wrong.stderr


def test_segments_that_are_gone_are_said_to_be(web: Namespace, tmp_path: Path) -> None:
    session, packets, taken = tmp_path / "s.duckdb", tmp_path / "s.pcapng", tmp_path / "out.pcapng"
    rotation = ("--rotate-seconds", "1", "--rotate-files", "2")
    with Live(session, "-i", "lo", "--pcapng-export", str(packets), *rotation) as live:
        for _ in range(3):
            fetch()
            time.sleep(1.1)
        live.stop()
    made = sorted(tmp_path.glob("s_*.pcapng"))
    assert [path.name[:7] for path in made] == ["s_00002", "s_00003"]
    assert rows(session, "SELECT kind, file FROM capture_files ORDER BY file") == [
        ("removed", 0), ("file", 1), ("file", 2),
    ]  # fmt: skip
    lost = rows(session, "SELECT count(*) FILTER (file < 1), count(*) FILTER (file >= 1) FROM packets")[0]
    done = subprocess.run([*RUSTNET, "extract", session, "-o", taken], capture_output=True, text=True, check=True)
    assert f"{lost[0]} of the packets are left out" in done.stderr
    assert f"{lost[1]} packets written" in done.stderr
    ingest([str(taken)], str(tmp_path / "t.duckdb"), Options())
    assert rows(tmp_path / "t.duckdb", "SELECT count(*) FROM packets WHERE flow_id IS NOT NULL") == [(lost[1],)]
    first = subprocess.run(
        [*RUSTNET, "show", session, "1", "--packet", "1"], capture_output=True, text=True, check=False
    )
    assert "made room for later files" in first.stderr


def test_a_killed_run_leaves_a_recording_that_can_be_read(web: Namespace, tmp_path: Path) -> None:
    session, packets = tmp_path / "s.duckdb", tmp_path / "s.pcapng"
    with Live(session, "-i", "lo", "--pcapng-export", str(packets)) as live:
        fetch()
        live.wait_for("SELECT 1 FROM flows WHERE app = 'http'")
        for process in live.processes():
            subprocess.run(["kill", "-9", str(process)], check=False)
        live.process.wait(10)
        live.stop(signal.SIGKILL)
    ingest([str(packets)], str(tmp_path / "again.duckdb"), Options())
    assert rows(tmp_path / "again.duckdb", "SELECT complete FROM captures") == [(True,)]
    assert rows(tmp_path / "again.duckdb", "SELECT app FROM flows") == [("http",)]


def test_an_existing_file_stops_it_before_it_captures(namespace: Namespace, tmp_path: Path) -> None:
    packets = tmp_path / "s.pcapng"
    packets.write_text("mine")
    done = subprocess.run(
        [*RUSTNET, "live", "--no-tui", "-i", "lo", "--pcapng-export", packets],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == ExitCode.USAGE
    assert "exists" in done.stderr
    assert packets.read_text() == "mine"
