"""After a kill: what is stored agrees with itself, readers say that it is partial, and a second replay replaces it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pytest

import rustnet
from rustnet.errors import ExitCode, SessionError
from tests.support.effort import wait_until
from tests.support.packets import udp_frame
from tests.support.pcap import write_pcap

CLI = (sys.executable, "-P", "-m", "rustnet")
FLOWS = 40


def write_capture(path: Path, packets: int, step: int) -> Path:
    """Write UDP packets of `FLOWS` flows, ``step`` nanoseconds apart; every second flow is answered."""
    frames = []
    for n in range(packets):
        flow = n % FLOWS
        here, there = ("10.0.0.1", 1000 + flow), ("10.0.0.2", 2000 + flow)
        frames.append(
            udp_frame(there, here, b"b" * 30) if flow & 1 and n >= FLOWS else udp_frame(here, there, b"a" * 20)
        )
    write_pcap(path, frames, step=step)
    return path


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CLI, *words], capture_output=True, text=True, timeout=120, check=False)


def kill_after(seconds: float, *words: str) -> None:
    """Start the program and kill it."""
    process = subprocess.Popen([*CLI, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    assert process.poll() is None, "it ended before it was killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A capture and a session whose replay was killed in the middle of it."""
    folder = tmp_path_factory.mktemp("killed")
    capture = write_capture(folder / "capture.pcap", 20_000, 1_000_000)
    session = folder / "session.duckdb"
    kill_after(5, "replay", "--speed", "1", str(capture), "--db", str(session))
    return capture, session


def test_every_reader_says_in_one_line_that_the_session_is_partial(killed: tuple[Path, Path], tmp_path: Path) -> None:
    capture, session = killed
    with rustnet.open(session) as reader:
        (partial,) = reader.partial_captures()
        assert partial.capture_id == 1
        assert 0 < partial.packets < 20_000
    db = str(session)
    for words in (
        ("flows", db),
        ("stats", db),
        ("hosts", db),
        ("processes", db),
        ("show", db, "1"),
        ("query", db, "--sql", "SELECT 1"),
        ("extract", db, "app:udp", "-o", str(tmp_path / "x.pcap")),
        ("export", db, "--sidecar", "-o", str(tmp_path / "out.jsonl")),
        ("verify", db),
    ):
        lines = [line for line in run(*words).stderr.splitlines() if "partial" in line]
        assert len(lines) == 1, words
        assert str(capture) in lines[0]
        assert f"{partial.packets:,} packets" in lines[0]
    for words in (("show", db, "1", "--json"), ("verify", db, "--json")):
        data = json.loads(run(*words).stdout)
        assert data["partial"] == [{"capture_id": 1, "source": str(capture), "packets": partial.packets, "live": False}]


def test_what_a_killed_run_stored_agrees_with_itself(tmp_path: Path) -> None:
    capture = write_capture(tmp_path / "capture.pcap", 60_000, 1_000_000)
    moments = random.Random(8)
    stored = 0
    for attempt in range(4):
        session = tmp_path / f"{attempt}.duckdb"
        kill_after(2.2 + moments.random() * 2.5, "replay", "--speed", "10", str(capture), "--db", str(session))
        if not session.exists():
            continue
        done = run("verify", str(session), "--json")
        if "no tables" in done.stderr:  # killed before the first commit
            continue
        data = json.loads(done.stdout)
        assert data["ok"], [finding for finding in data["findings"] if not finding["ok"]]
        with rustnet.open(session) as reader:
            counted = "(SELECT count(*) FROM packets WHERE capture_id = c.capture_id)"
            for packets, rows in reader.sql(f"SELECT packets, {counted} FROM captures AS c").rows:
                assert packets == rows
                stored += packets
    assert stored, "no run was killed after a commit"


def test_a_second_replay_replaces_the_rows_of_the_killed_one(tmp_path: Path) -> None:
    capture = write_capture(tmp_path / "capture.pcap", 20_000, 1_000_000)
    other = write_capture(tmp_path / "other.pcap", 500, 1_000)
    session = str(tmp_path / "session.duckdb")
    assert run("replay", str(other), "--db", session).returncode == ExitCode.DONE
    kill_after(5, "replay", "--speed", "1", str(capture), "--db", session)
    with rustnet.open(session) as reader:
        (partial,) = reader.partial_captures()
    done = run("replay", str(capture), "--db", session)
    assert done.returncode == ExitCode.DONE
    assert f"replaces capture 2, of which only {partial.packets:,} packets were stored" in done.stderr
    with rustnet.open(session) as reader:
        assert reader.partial_captures() == []
        captures = reader.sql("SELECT source, packets, complete, finished FROM captures ORDER BY capture_id").rows
        assert captures == [(str(other), 500, True, True), (str(capture), 20_000, True, True)]
        assert reader.sql("SELECT count(*) FROM packets").rows == [(20_500,)]
        assert reader.sql("SELECT count(*) FROM flows").rows == [(2 * FLOWS,)]
    assert json.loads(run("verify", session, "--json").stdout)["ok"]
    again = run("replay", str(capture), "--db", session)
    assert "already in the session" in again.stderr


def test_a_capture_that_has_grown_replaces_its_beginning(tmp_path: Path) -> None:
    whole = write_capture(tmp_path / "whole.pcap", 3_000, 1_000).read_bytes()
    capture = tmp_path / "capture.pcap"
    session = str(tmp_path / "session.duckdb")
    capture.write_bytes(whole[: len(whole) // 2])
    assert run("replay", str(capture), "--db", session, "--max-packets", "10").returncode == ExitCode.DONE
    capture.write_bytes(whole)
    assert "replaces capture 1" in run("replay", str(capture), "--db", session).stderr
    with rustnet.open(session) as reader:
        assert reader.sql("SELECT sum(packets)::INT, count(*) FROM captures").rows == [(3_000, 1)]


@pytest.mark.parametrize("option", [("--again",), ()])
def test_another_file_with_that_beginning_is_not_replaced(tmp_path: Path, option: tuple[str, ...]) -> None:
    whole = write_capture(tmp_path / "whole.pcap", 3_000, 1_000).read_bytes()
    first = tmp_path / "first.pcap"
    first.write_bytes(whole[:150_000])
    second = first if option else tmp_path / "second.pcap"
    session = str(tmp_path / "session.duckdb")
    run("replay", str(first), "--db", session, "--max-packets", "10")
    second.write_bytes(whole)
    assert "replaces" not in run("replay", str(second), "--db", session, *option).stderr
    with rustnet.open(session) as reader:
        assert reader.sql("SELECT sum(packets)::INT, count(*) FROM captures").rows == [(3_010, 2)]


def test_sessions_of_earlier_versions_are_read(tmp_path: Path) -> None:
    capture = write_capture(tmp_path / "capture.pcap", 100, 1_000)
    session = tmp_path / "session.duckdb"
    run("replay", str(capture), "--db", str(session))
    with duckdb.connect(str(session)) as con:
        con.execute("ALTER TABLE captures DROP COLUMN finished; ALTER TABLE captures DROP COLUMN head_sha256")
    with pytest.raises(SessionError, match="rustnet refresh"), rustnet.open(session):
        pass
    run("refresh", str(session))
    with rustnet.open(session) as reader:
        assert reader.partial_captures() == []
    assert "already in the session" in run("replay", str(capture), "--db", str(session)).stderr
    assert run("flows", str(session)).stderr == ""


def parsers_of(pid: int) -> list[int]:
    """Children of a process that have children themselves: those that parse, with workers."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [child for child in map(int, children) if Path(f"/proc/{child}/task/{child}/children").read_text()]
    except OSError:  # one has ended
        return []


def test_rows_refer_to_no_flow_that_a_killed_parser_did_not_pass_on(tmp_path: Path) -> None:
    """Rows of a batch are passed on before those of flows that are still open."""
    question = b"\0\7\1\0\0\1\0\0\0\0\0\0\3www\7example\0\0\1\0\1"
    frames = [udp_frame(("10.0.0.1", 1000 + n % FLOWS), ("10.0.0.2", 53), question) for n in range(4_000)]
    capture = tmp_path / "capture.pcap"
    write_pcap(capture, frames, step=1_000)
    whole = capture.read_bytes()
    blocks = np.tile(np.frombuffer(whole[24:], np.uint8).reshape(len(frames), -1), (100, 1, 1))
    for second, block in enumerate(blocks):  # at another time each, so that they are no copies
        seconds = np.ascontiguousarray(block[:, :4]).view("<u4") + second
        block[:, :4] = seconds.astype("<u4").view(np.uint8).reshape(-1, 4)
    capture.write_bytes(whole[:24] + blocks.tobytes())
    for attempt in range(12):
        session = tmp_path / f"{attempt}.duckdb"
        words = ("replay", "--workers", "2", str(capture), "--db", str(session))
        process = subprocess.Popen([*CLI, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: process.poll() is not None or parsers_of(process.pid))  # noqa: B023 -- called here
        time.sleep(0.2 + 0.3 * attempt)
        parsers = parsers_of(process.pid)
        for pid in parsers:
            os.kill(pid, signal.SIGKILL)
        process.wait(60)
        if not parsers or not session.exists():
            continue
        with rustnet.open(session) as reader:
            ((packets, orphans),) = reader.sql("SELECT count(*), count(*) - count(flow_id) FROM packets").rows
        data = json.loads(run("verify", str(session), "--json").stdout)
        assert data["ok"], [finding for finding in data["findings"] if not finding["ok"]]
        if orphans:
            assert 0 < packets < 400_000
            return
    pytest.fail("no parser was killed between the rows and their flows")
