"""What a live run writes beside its session: recorded packets with owners, and the log of events."""

import json
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


def rows(session: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(session), read_only=True) as con:
        return con.execute(sql).fetchall()


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_recordings_replay_to_what_the_session_has(web: Namespace, tmp_path: Path) -> None:
    session, packets, classic, log = (tmp_path / name for name in ("s.duckdb", "s.pcapng", "s.pcap", "s.log"))
    outputs = ("--pcapng-export", str(packets), "--pcap-export", str(classic), "--json-log", str(log), "-f", "tcp")
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
    assert b"\x0b\0\x04\0\0tcp" in packets.read_bytes(), "if_filter"
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


def test_pcap_of_several_link_types_is_refused_before_it_captures(namespace: Namespace, tmp_path: Path) -> None:
    namespace.tun("t0")
    packets = tmp_path / "s.pcap"
    done = subprocess.run(
        [*RUSTNET, "live", "--no-tui", "-i", "lo", "-i", "t0", "--pcap-export", packets],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == ExitCode.USAGE
    assert "record pcapng instead" in done.stderr
    assert not packets.exists()


def test_sighup_begins_new_files(web: Namespace, tmp_path: Path) -> None:
    session, log = tmp_path / "s.duckdb", tmp_path / "s.log"
    outputs = ("--pcap-export", str(tmp_path / "s.pcap"), "--rotate-size", "1G", "--json-log", str(log))
    with Live(session, "-i", "lo", *outputs) as live:
        fetch()
        live.wait_for("SELECT 1 FROM flows WHERE app = 'http'")
        until = time.monotonic() + 10
        while log.stat().st_size == 0 and time.monotonic() < until:
            time.sleep(0.1)
        log.rename(tmp_path / "s.log.1")
        live.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        fetch()
        live.wait_for("SELECT 1 FROM flows WHERE app = 'http' HAVING count(*) = 2")
        live.stop()
    assert len(list(tmp_path.glob("s_0000[12]_*.pcap"))) == 2
    assert {each["flow_id"] for each in events(tmp_path / "s.log.1")} == {1}
    assert 2 in {each["flow_id"] for each in events(log)}
