"""A run ends when it is asked to: by a signal, or from another thread; what was read until then is there."""

import contextlib
import gzip
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from rustnet import StopToken, replay
from rustnet.errors import ExitCode
from rustnet.sources.files import open_source
from tests.support.conversations import http_flow
from tests.support.pcap import pcap

ROOT = Path(__file__).resolve().parents[2]
SLOW = ROOT / "sample_pcaps" / "slow-link.pcap"
SIGNALS = [signal.SIGINT, signal.SIGTERM]
MOST = 1.0
"""Seconds after a signal within which a run ends."""
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def allowed() -> float:
    """Seconds that `MOST` is on a machine that does other things as well."""
    return MOST * max(1.0, os.getloadavg()[0] / CORES)


def started(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "rustnet", "replay", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def wait_for(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert path.exists()


def ended(process: "subprocess.Popen[str]", number: int) -> tuple[str, str]:
    """Send a signal, and return what the process printed; it must end soon."""
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < allowed()
    assert process.returncode == ExitCode.INTERRUPTED, err
    return out, err


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


def plain(raw: bytes) -> bytes:
    return raw


def gzipped(raw: bytes) -> bytes:
    """The beginning of a gzip stream whose writer has flushed and will write more."""
    made = zlib.compressobj(wbits=31)
    return made.compress(raw) + made.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("pack", [plain, gzipped])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_run_on_a_silent_fifo(tmp_path: Path, number: int, pack: Callable[[bytes], bytes]) -> None:
    fifo, path = tmp_path / "live.pcap", tmp_path / "s.duckdb"
    os.mkfifo(fifo)
    process = started(fifo, "--db", path, "--json")
    with fifo.open("wb", buffering=0) as stream:
        stream.write(pack(pcap(http_flow())))
        wait_for(path)
        time.sleep(1.0)  # a pipe's packets are delivered when it has been silent for a moment
        out, err = ended(process, number)
    assert "interrupted" in err
    assert json.loads(out)["captures"][0]["complete"] is False
    assert rows(path, "SELECT packets, complete, kind, sha256 FROM captures") == [(8, False, "fifo", None)]
    assert rows(path, "SELECT count(*) FROM packets") == [(8,)]
    assert rows(path, "SELECT host, status FROM http") == [("shop.example", 200)]
    assert rows(path, "SELECT count(*) FROM flows_open") == [(0,)]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_run_whose_fifo_has_no_packet_yet(tmp_path: Path, number: int) -> None:
    fifo, path = tmp_path / "live.pcap", tmp_path / "s.duckdb"
    os.mkfifo(fifo)
    process = started(fifo, "--db", path)
    with fifo.open("wb", buffering=0) as stream:
        stream.write(pcap([]))
        wait_for(path)
        ended(process, number)
    assert rows(path, "SELECT packets, complete FROM captures") == [(0, False)]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_run_whose_fifo_has_no_writer(tmp_path: Path, number: int) -> None:
    fifo, path = tmp_path / "live.pcap", tmp_path / "s.duckdb"
    os.mkfifo(fifo)
    process = started(fifo, "--db", path)
    time.sleep(2.0)
    _, err = ended(process, number)
    assert "before anything was read" in err
    assert not path.exists()


def test_a_fifo_may_be_opened_long_before_its_writer(tmp_path: Path) -> None:
    fifo = tmp_path / "live.pcap"
    os.mkfifo(fifo)

    def write() -> None:
        time.sleep(0.5)
        fifo.write_bytes(pcap(http_flow()))

    writer = threading.Thread(target=write)
    writer.start()
    source = open_source(str(fifo))
    assert sum(frames.count for frames in source.batches()) == 8
    writer.join()
    assert source.info.complete


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_paced_replay_between_two_packets(tmp_path: Path, number: int) -> None:
    path, capture = tmp_path / "s.duckdb", tmp_path / "gap.pcap"
    capture.write_bytes(later(pcap(http_flow()), after=5, seconds=3600))
    process = started("--speed", "1", capture, "--db", path)
    wait_for(path)
    time.sleep(1.0)
    ended(process, number)
    assert rows(path, "SELECT packets, complete FROM captures") == [(5, False)]
    assert rows(path, "SELECT src_packets + dst_packets, end_reason FROM flows") == [(5, "end")]


def later(raw: bytes, after: int, seconds: int) -> bytes:
    """A capture whose packets come later by some seconds ``after`` so many."""
    made = bytearray(raw)
    at = 24
    for number in range(raw.count(struct.pack("<I", 1_700_000_000))):
        second, _, size, _ = struct.unpack_from("<IIII", made, at)
        if number >= after:
            struct.pack_into("<I", made, at, second + seconds)
        at += 16 + size
    return bytes(made)


def test_a_second_signal_ends_the_process_at_once_and_takes_its_directory_along(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    program = (
        "import sys, time; from pathlib import Path; from rustnet.cli.oneshot import stopped_by_signals\n"
        "with stopped_by_signals(Path(sys.argv[1])) as stop:\n"
        "    print('ready', flush=True)\n"
        "    until = time.monotonic() + 60\n"
        "    while time.monotonic() < until: time.sleep(0.05); stop.is_set() and print('asked', flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(scratch)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "asked\n"
        assert scratch.exists()
        _, err = ended(process, signal.SIGINT)
    assert err == "rustnet: interrupted\n"
    assert not scratch.exists()


@pytest.fixture
def token() -> Iterator[StopToken]:
    made = StopToken()
    yield made
    made.set()


@pytest.mark.parametrize("input_kind", ["paced", "fifo"])
def test_another_thread_stops_a_run(tmp_path: Path, token: StopToken, input_kind: str) -> None:
    path, fifo = tmp_path / "s.duckdb", tmp_path / "live.pcap"
    os.mkfifo(fifo)
    reports = []
    seen = threading.Event()

    def run() -> None:
        capture, speed = (SLOW, 0.5) if input_kind == "paced" else (fifo, None)
        reports.append(
            replay(
                capture,
                db=path,
                stop=token,
                speed=speed,
                workers=2,
                progress=lambda now: seen.set() if now.packets else None,
            )
        )

    thread = threading.Thread(target=run)
    thread.start()
    with contextlib.ExitStack() as stack:
        if input_kind == "fifo":
            stack.enter_context(fifo.open("wb", buffering=0)).write(pcap(http_flow()))
        assert seen.wait(30)
        began = time.monotonic()
        token.set()
        thread.join(30)
    assert time.monotonic() - began < allowed()
    (report,) = reports
    assert report.interrupted
    assert not report.captures[0].complete
    ((packets, complete),) = rows(path, "SELECT packets, complete FROM captures")
    assert packets == report.captures[0].packets > 0
    assert not complete


def test_a_stopped_run_does_not_begin_the_next_input(tmp_path: Path, token: StopToken) -> None:
    path = tmp_path / "s.duckdb"
    token.set()
    report = replay(SLOW, SLOW, db=path, stop=token, again=True)
    assert report.interrupted
    assert [capture.source for capture in report.captures] == [str(SLOW)]


def test_waiting_ends_when_the_token_is_set(token: StopToken) -> None:
    threading.Timer(0.2, token.set).start()
    began = time.monotonic()
    assert token.wait(30)
    assert time.monotonic() - began < 5
    assert token.wait(30)


def test_a_whole_gzip_stream_over_a_fifo_is_read_to_its_end(tmp_path: Path) -> None:
    fifo = tmp_path / "live.pcap.gz"
    os.mkfifo(fifo)
    threading.Thread(target=lambda: fifo.write_bytes(gzip.compress(pcap(http_flow())))).start()
    report = replay(fifo, db=tmp_path / "s.duckdb")
    assert report.captures[0].complete
    assert report.captures[0].packets == 8
