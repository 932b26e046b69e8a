"""Packets of a live session, taken out of its recording."""

import os
import shutil
import signal
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
from rustnet.sandbox.privileges import NOBODY
from tests.live.namespaces import Namespace
from tests.live.running import Live, fetch, serve_web
from tests.support.command_line import Run

pytestmark = pytest.mark.root


@pytest.fixture
def web(namespace: Namespace) -> Iterator[Namespace]:
    """A namespace with a web server."""
    server = serve_web()
    yield namespace
    server.kill()
    server.communicate()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run command lines in this process."""
    return Run(monkeypatch)


def rows(session: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(session), read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_packets_of_a_session_are_in_its_recording(web: Namespace, run: Run, tmp_path: Path) -> None:
    session, packets, taken = tmp_path / "s.duckdb", tmp_path / "s.pcapng", tmp_path / "out.pcapng"
    with Live(session, "-i", "lo", "--pcapng-export", str(packets)) as live:
        fetch()
        live.wait_for("SELECT 1 FROM flows WHERE app = 'http'")
        assert run("extract", session, "app:http", "-o", taken).code == 0  # while it runs
        assert taken.stat().st_size > 500
        taken.unlink()
        fetch()
        live.wait_for("SELECT 1 FROM flows WHERE app = 'http' HAVING count(*) = 2")
        live.stop()
    count = rows(session, "SELECT count(*) FROM packets")[0][0]
    assert run("extract", session, "-o", taken).code == 0
    fields = ("tshark", "-n", "-T", "fields", "-e", "frame.time_epoch", "-e", "tcp.srcport", "-e", "tcp.seq_raw", "-r")
    both = [subprocess.run([*fields, path], capture_output=True, text=True, check=True) for path in (taken, packets)]
    assert both[0].stdout == both[1].stdout
    assert both[0].stdout.count("\n") == count
    assert "'MSS', 65495" in run("show", session, "1", "--packet", "1").out
    assert "same size as recorded" in run("verify", session).out
    stored = rows(session, "SELECT kind, format, packets, first_packet, complete, bytes FROM capture_files")
    assert stored == [("file", "pcapng", count, 1, True, packets.stat().st_size)]
    comments = subprocess.run(
        ["tshark", "-n", "-r", packets, "-Y", "frame.comment", "-T", "fields", "-e", "frame.comment"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert len(comments) == 2
    assert all(line.startswith("rustnet process=python") and " app=http" in line for line in comments)
    packets.write_bytes(packets.read_bytes() + b"\0")
    wrong = run("extract", session, "-o", taken, "--force")
    assert wrong.code == ExitCode.INPUT
    assert "bytes, but the ingested capture had" in wrong.err


def test_a_parser_that_was_killed_leaves_a_recording_with_owners(web: Namespace, tmp_path: Path) -> None:
    session, packets = tmp_path / "s.duckdb", tmp_path / "s.pcapng"
    with Live(session, "-i", "lo", "--pcapng-export", str(packets)) as live:
        fetch()
        live.wait_for("SELECT 1 FROM claims")
        (parser,) = [each for each in live.processes() if Path(f"/proc/{each}").stat().st_uid == NOBODY]
        os.kill(parser, signal.SIGKILL)
        live.process.wait(20)
        live.stop()
    kind, count, complete, size = rows(session, "SELECT kind, packets, complete, bytes FROM capture_files")[0]
    assert (kind, complete, size) == ("file", False, packets.stat().st_size)
    assert count == rows(session, "SELECT count(*) FROM packets")[0][0] > 0
    Path(f"{packets}.connections.jsonl").unlink()
    ingest([str(packets)], str(tmp_path / "t.duckdb"), Options())
    assert rows(tmp_path / "t.duckdb", "SELECT name FROM flows JOIN processes USING (process_id)") == [("python",)]


def test_segments_that_are_gone_are_said_to_be(web: Namespace, run: Run, tmp_path: Path) -> None:
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
    done = run("extract", session, "-o", taken)
    assert f"{lost[0]} of the packets are left out" in done.err
    assert f"{lost[1]} packets written" in done.err
    ingest([str(taken)], str(tmp_path / "t.duckdb"), Options())
    assert rows(tmp_path / "t.duckdb", "SELECT count(*) FROM packets WHERE flow_id IS NOT NULL") == [(lost[1],)]
    first = run("show", session, "1", "--packet", "1")
    assert "made room for later files" in first.err
