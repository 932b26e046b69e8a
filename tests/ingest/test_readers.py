"""Readers of a session that is being written cost its writer nothing: no packet, and hardly any time."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

import rustnet
from rustnet.query.execute import QueryTimeoutError
from tests.support.effort import wait_until
from tests.support.paths import ROOT, SAMPLES

SLOW = SAMPLES / "slow-link.pcap"
SPEED = 0.5
QUERIES = 100
ENDLESS = "SELECT count(*) FROM range(100000000000) t(a) WHERE a % 7 = 3"


def table_rows(path: Path) -> dict[str, int]:
    """Rows of each base table."""
    with duckdb.connect(str(path), read_only=True) as con:
        tables = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return {name: con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in tables}


def answering(path: Path) -> bool:
    """Whether the writer answers by now."""
    return Path(f"{path}.sock").exists()


def ask_endlessly(path: Path, outcomes: list[str]) -> None:
    with rustnet.open(path) as session:
        try:
            session.sql(ENDLESS, seconds=1)
        except QueryTimeoutError:
            outcomes.append("ended by its limit")


@pytest.mark.skipif(sys.platform != "linux", reason="a peer's user is asked for as Linux does it")
def test_a_hundred_queries_and_an_endless_one_cost_no_packet_and_no_time(tmp_path: Path) -> None:
    quick, path = tmp_path / "quick.duckdb", tmp_path / "s.duckdb"
    rustnet.replay(SLOW, db=quick)
    with duckdb.connect(str(quick), read_only=True) as con:
        ((seconds,),) = con.execute("SELECT (epoch_ns(max(ts)) - epoch_ns(min(ts))) / 1e9 FROM packets").fetchall()
    command = [
        sys.executable,
        "-m",
        "rustnet",
        "replay",
        str(SLOW),
        "--db",
        str(path),
        "--speed",
        str(SPEED),
        "--no-tui",
    ]
    begun = time.monotonic()
    outcomes: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT) as replay:
        wait_until(lambda: answering(path))
        first = time.monotonic() - begun
        endless = threading.Thread(target=ask_endlessly, args=(path, outcomes))
        endless.start()
        counts = []
        for _ in range(QUERIES):
            with rustnet.open(path) as session:
                counts.append(session.sql("SELECT count(*) FROM packets").rows[0][0])
        still_written = replay.poll() is None
        endless.join()
        stderr = replay.communicate(timeout=60)[1]
        took = time.monotonic() - begun
    assert replay.returncode == 0, stderr
    assert outcomes == ["ended by its limit"]
    assert still_written, "the queries were over before the replay was"
    assert counts == sorted(counts)
    assert counts[-1] > 0
    assert table_rows(path) == table_rows(quick)
    assert took - first < 1.1 * seconds / SPEED + 2, "two seconds for the end, and the summary"


@pytest.mark.skipif(sys.platform != "linux", reason="a peer's user is asked for as Linux does it")
def test_readers_that_ask_all_the_time_do_not_end_the_writer(tmp_path: Path) -> None:
    """Rows of flows change while statements work that began before."""
    path = tmp_path / "s.duckdb"
    capture = SAMPLES / "ssh.pcap"
    reports: list[rustnet.Report] = []
    thread = threading.Thread(target=lambda: reports.append(rustnet.replay(capture, db=path, speed=0.5)))
    thread.start()
    wait_until(lambda: answering(path) or not thread.is_alive())
    looks = 0
    with rustnet.open(path) as session:
        while thread.is_alive():
            session.sql("SELECT ts, sum(length) OVER (ORDER BY number) FROM packets ORDER BY number")
            looks += 1
    thread.join()
    assert looks > 20
    assert reports[0].captures[0].complete
    assert not reports[0].losses
    rustnet.replay(capture, db=tmp_path / "quick.duckdb")
    assert table_rows(path) == table_rows(tmp_path / "quick.duckdb")
