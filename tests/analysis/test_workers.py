"""Analysis in several processes gives the session that one process gives."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest

from rustnet.analysis.collector import Collector
from rustnet.analysis.workers import WorkerError, WorkerReply, Workers, is_dense, worker_count
from rustnet.errors import ExitCode
from rustnet.query.integrity import check
from rustnet.query.session import open_session
from rustnet.sources.stored import open_input
from tests.engine.link_cases import aggregate, datagram, subframe
from tests.support.packets import ip
from tests.support.paths import CORPUS, ROOT, SAMPLES
from tests.support.pcap import write_pcap

CAPTURES = [SAMPLES / name for name in ("web.pcap", "dns.pcap", "network.pcapng", "scan.pcap.zst", "damaged.pcap")]
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def session(path: Path, captures: list[Path], workers: int) -> dict[str, list[tuple[object, ...]]]:
    """Rows of a replay in a process of its own: workers are forked only where there are no other threads."""
    script = (
        "import sys\n"
        "from rustnet.ingest.options import Options\n"
        "from rustnet.ingest.road import ingest\n"
        "report = ingest(sys.argv[3:], sys.argv[1], Options(workers=int(sys.argv[2])))\n"
        "sys.exit(report.exit_code(strict=False))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path), str(workers), *map(str, captures)], check=True, cwd=ROOT)
    con = duckdb.connect(str(path), read_only=True)
    try:
        tables = [t for (t,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return {
            t: con.execute(f"SELECT COLUMNS(lambda c: c <> 'ingested_at') FROM {t}").fetchall()
            for t in tables
            if t not in ("meta", "migrations")
        }
    finally:
        con.close()


def children(pid: int, count: int) -> list[int]:
    """Child processes of a process, once there are ``count``."""
    listed: list[str] = []
    for _ in range(400):
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if len(listed) == count:
            break
        signal.sigtimedwait([], 0.05)
    assert len(listed) == count
    return [int(child) for child in listed]


def rows(tables: dict[str, list[tuple[object, ...]]]) -> dict[str, list[str]]:
    return {name: sorted(map(repr, found)) for name, found in tables.items()}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_sessions_are_equal(tmp_path: Path, workers: int) -> None:
    alone = rows(session(tmp_path / "alone.duckdb", CAPTURES, 0))
    shared = rows(session(tmp_path / "shared.duckdb", CAPTURES, workers))
    assert alone.keys() == shared.keys()
    for table, found in alone.items():
        assert shared[table] == found, table


def test_packets_of_one_wireless_frame_have_owners_of_their_own(tmp_path: Path) -> None:
    ports = range(40_000, 40_040)
    inside = [ip("192.0.2.1", "198.51.100.2", 4, datagram(port)) for port in ports]
    frames = [
        aggregate(*(subframe(datagram(port + k)) for k in (0, 7, 7, 13)), subframe(tunnelled))
        for port, tunnelled in zip(ports, inside, strict=True)
    ]
    path = write_pcap(tmp_path / "air.pcap", frames, link=105, step=30_000_000)
    alone = rows(session(tmp_path / "alone.duckdb", [path], 0))
    assert rows(session(tmp_path / "shared.duckdb", [path], 3)) == alone
    with open_session(str(tmp_path / "shared.duckdb")) as opened:
        assert opened.execute("SELECT count(*) FROM flows").rows == [(53 + 1 + 40,)]
        assert [finding.check for finding in check(opened) if not finding.ok] == []


def test_names_are_settled_over_all_workers_in_the_order_of_time() -> None:
    one, other = Collector(1, deduplicate=False), Collector(1, deduplicate=False)
    second = 10**9
    one.name("192.0.2.1", "a.example", "dns", 1 * second, 60)
    other.name("192.0.2.1", "b.example", "dns", 2 * second, 60)
    one.name("192.0.2.1", "a.example", "dns", 3 * second, 60)
    other.name("192.0.2.1", "a.example", "dns", 4 * second, 60)
    workers = Workers(2, dissect=False)
    try:
        shared = workers.begin(1, 1)
        shared.merge(
            [WorkerReply(c.take(1, final=True), c.sightings, 0, 0, 0, np.empty(0, np.int64)) for c in (one, other)]
        )
    finally:
        workers.close()
    assert [(n.name, n.ts // second) for n in shared.collector.names] == [
        ("a.example", 1),
        ("b.example", 2),
        ("a.example", 3),
    ]


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public captures are not beside the project")
def test_sessions_are_equal_on_tunnels_fragments_and_odd_captures(tmp_path: Path) -> None:
    captures = sorted(path for path in CORPUS.rglob("*") if path.suffix in {".pcap", ".pcapng", ".cap"})
    alone = rows(session(tmp_path / "alone.duckdb", captures, 0))
    shared = rows(session(tmp_path / "shared.duckdb", captures, 2))
    for table, found in alone.items():
        assert shared[table] == found, table


def test_a_worker_that_dies_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    workers = Workers(2, dissect=True)
    try:
        analysis = workers.begin(1, 1)
        os.kill(workers.pids[1], signal.SIGKILL)
        with pytest.raises(WorkerError):
            analysis.finish()
    finally:
        workers.close()
    assert workers.pids == []


def test_a_worker_that_is_killed_is_one_line_and_an_incomplete_session(tmp_path: Path) -> None:
    fifo, db = tmp_path / "capture", tmp_path / "s.duckdb"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "rustnet", "replay", "--no-tui", "--workers", "2", "--db", str(db), str(fifo)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as replay:
        with fifo.open("wb", buffering=0) as writing:
            data = (SAMPLES / "web.pcap").read_bytes()
            writing.write(data[:4096])
            parser = children(replay.pid, 1)[0]
            os.kill(children(parser, 2)[1], signal.SIGKILL)
            writing.write(data[4096:])
        said = replay.communicate(timeout=60)[1]
    assert replay.returncode == ExitCode.INPUT
    assert len(said.splitlines()) == 1
    assert "--workers 0" in said
    con = duckdb.connect(str(db), read_only=True)
    assert con.execute("SELECT complete FROM captures").fetchall() == [(False,)]
    con.close()


def test_small_and_full_captures_need_no_workers(tmp_path: Path) -> None:
    with open_input(str(SAMPLES / "web.pcap")) as file:
        assert not is_dense(file)
        assert file.tell() == 0
    assert worker_count(None, 4, lambda: False) == 0
    assert worker_count(None, 1, lambda: True) == 0
    assert worker_count(None, 4, lambda: True) == 4
    assert worker_count(3, 1, lambda: False) == 3
    assert worker_count(0, 4, lambda: True) == 0


def test_interrupting_a_run_with_workers_leaves_none_behind(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from rustnet.analysis.workers import Workers\n"
        "workers = Workers(2, dissect=True)\n"
        "print(*workers.pids, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        pids = [int(pid) for pid in reader.stdout.readline().split()]
        reader.kill()  # the reader has no chance to say goodbye
        reader.wait()
    for pid in pids:
        for _ in range(200):
            if not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                break
            signal.sigtimedwait([], 0.05)
        else:
            pytest.fail(f"worker {pid} outlived its reader")
