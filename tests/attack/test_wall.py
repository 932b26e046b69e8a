"""The parsing process: what it keeps, what it opens, what becomes of a run when it misbehaves."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from rustnet.errors import ExitCode
from rustnet.sandbox import calls
from tests.support.conversations import dns_flow, http_flow
from tests.support.paths import ROOT, SAMPLES
from tests.support.pcap import pcap

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a parsing process is forked on Linux only")
REPLAY = [sys.executable, "-m", "rustnet", "replay", "--no-tui", "--no-sidecar"]
STRACE = shutil.which("strace")


def children(pid: int) -> list[int]:
    """Child processes of a process."""
    listed = [task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for part in listed for child in part]


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def table_rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path, Path, int]]:
    """A replay that has read a few packets of a pipe: the process, the pipe, its session, its parsing process."""
    fifo, db = tmp_path / "live.pcap", tmp_path / "s.duckdb"
    os.mkfifo(fifo)
    command = [*REPLAY, "--workers", "0", "--db", str(db), str(fifo)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as replay:
        with fifo.open("wb", buffering=0) as writing:
            writing.write(pcap(http_flow()))
            wait_until(lambda: db.exists() and bool(children(replay.pid)))
            time.sleep(1.0)  # a pipe's packets are delivered when it has been silent for a moment
            yield replay, fifo, db, children(replay.pid)[0]
        replay.kill()


def test_it_keeps_no_descriptor_that_it_does_not_need(waiting: tuple[subprocess.Popen[str], Path, Path, int]) -> None:
    _replay, fifo, _db, parser = waiting
    kept = {int(entry.name): str(entry.readlink()) for entry in Path(f"/proc/{parser}/fd").iterdir()}
    assert kept.pop(0) == kept.pop(1) == kept.pop(2) == os.devnull
    assert sorted(name.partition(":")[0] for name in kept.values()) == [str(fifo), "socket", "socket", "socket"]


def test_it_ends_with_the_process_that_started_it(waiting: tuple[subprocess.Popen[str], Path, Path, int]) -> None:
    replay, _fifo, _db, parser = waiting
    replay.kill()
    replay.wait()
    wait_until(lambda: not Path(f"/proc/{parser}").exists(), 5)


def test_its_death_leaves_what_it_had_read(waiting: tuple[subprocess.Popen[str], Path, Path, int]) -> None:
    replay, fifo, db, parser = waiting
    os.kill(parser, signal.SIGKILL)
    error = replay.communicate(timeout=30)[1]
    assert replay.returncode == ExitCode.INPUT
    assert len(error.splitlines()) == 1
    assert str(fifo) in error
    assert "ended unexpectedly" in error
    captures = table_rows(db, "SELECT packets, complete, sha256 FROM captures")
    assert captures == [(table_rows(db, "SELECT count(*) FROM packets")[0][0], False, None)]
    assert table_rows(db, "SELECT kind FROM anomalies") == [("parser_failed",)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_hangs_does_not_hold_up_a_signal(
    waiting: tuple[subprocess.Popen[str], Path, Path, int], number: int
) -> None:
    replay, _fifo, db, parser = waiting
    os.kill(parser, signal.SIGSTOP)
    began = time.monotonic()
    replay.send_signal(number)
    error = replay.communicate(timeout=30)[1]
    assert time.monotonic() - began < 3
    assert replay.returncode == ExitCode.INTERRUPTED
    assert "internal error" not in error
    assert not Path(f"/proc/{parser}").exists()
    assert table_rows(db, "SELECT complete FROM captures") == [(False,)]


def test_a_worker_that_hangs_does_not_hold_up_a_signal(tmp_path: Path) -> None:
    fifo, db = tmp_path / "live.pcap", tmp_path / "s.duckdb"
    os.mkfifo(fifo)
    command = [*REPLAY, "--workers", "2", "--db", str(db), str(fifo)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as replay,
        fifo.open("wb", buffering=0) as writing,
    ):
        writing.write(pcap([]))
        wait_until(lambda: bool(children(replay.pid)) and len(children(children(replay.pid)[0])) == 2)
        workers = children(children(replay.pid)[0])
        os.kill(workers[0], signal.SIGSTOP)
        writing.write(pcap(http_flow() + dns_flow())[24:])
        time.sleep(1.0)
        began = time.monotonic()
        replay.send_signal(signal.SIGINT)
        error = replay.communicate(timeout=30)[1]
        assert time.monotonic() - began < 3
    assert replay.returncode == ExitCode.INTERRUPTED
    assert "internal error" not in error
    for worker in workers:
        wait_until(lambda worker=worker: not Path(f"/proc/{worker}").exists(), 5)  # type: ignore[misc]


CALLS = re.compile(r"^(?:\[pid +)?(\d+)\]? +(\w+)\((.*)", re.MULTILINE)
STARTING = frozenset({
    "capset", "close_range", "dup2", "geteuid", "getppid", "getresuid", "getuid", "landlock_create_ruleset",
    "landlock_restrict_self", "openat", "setgroups", "setresgid", "setresuid",
})  # fmt: skip
"""Calls of a parsing process before it is confined, besides those it may make later; the one file is /dev/null."""
ALLOWED = STARTING | {call.name for call in calls.ALLOWED}
"""Calls of a parsing process. ``newfstatat`` and ``fstat`` concern open descriptors only."""


def traced(text: str) -> list[tuple[int, str, str]]:
    """Calls by process: name, arguments and result; those that strace shows in two parts are one."""
    begun: dict[tuple[str, str], str] = {}
    listed = []
    for line in text.splitlines():
        if resumed := re.match(r"(\d+) +<\.\.\. (\w+) resumed>(.*)", line):
            pid, name, rest = resumed.groups()
            listed.append((int(pid), name, begun.pop((pid, name), "") + rest))
        elif found := CALLS.match(line):
            pid, name, rest = found.groups()
            if rest.endswith("<unfinished ...>"):
                begun[pid, name] = rest.removesuffix("<unfinished ...>")
            else:
                listed.append((int(pid), name, rest))
    return listed


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_it_opens_no_file_and_no_connection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace"
    captures = sorted(str(path) for path in SAMPLES.iterdir() if path.suffix in {".pcap", ".pcapng", ".zst"})
    command = [str(STRACE), "-f", "-o", str(trace), *REPLAY, "--db", str(tmp_path / "s.duckdb"), *captures]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    seen = traced(trace.read_text("utf-8", "replace"))
    forks = [rest for _pid, name, rest in seen if name == "clone" and "SIGCHLD" in rest]
    parser = int(forks[0].rpartition("=")[2])
    threads = {parser}
    used: Counter[str] = Counter()
    for pid, name, rest in seen:
        if pid not in threads:
            continue
        used[name] += 1
        if name in {"openat", "open"}:
            assert f'"{os.devnull}"' in rest
        if name in {"clone", "clone3"} and (started := re.search(r"= (\d+)$", rest)):
            threads.add(int(started[1]))
        if name in {"newfstatat", "fstat"}:
            assert name == "fstat" or ', "", ' in rest
    listed = [f"{count:7,} {name}" for name, count in used.most_common()]
    with capsys.disabled():
        sys.stdout.write("\n".join(["", "calls of the parsing process:", *listed, ""]))
    assert used["recvmsg"] > len(captures)
    assert set(used) <= ALLOWED
