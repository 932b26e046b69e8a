"""One SIGINT ends a run within a second, whatever it is doing, and a second one at once."""

import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
import zstandard

from rustnet.errors import ExitCode
from tests.support.conversations import http_flow
from tests.support.paths import ROOT
from tests.support.pcap import pcap

SECTION = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
UNKNOWN = struct.pack("<III", 0x0BAD, 12, 12)
SECONDS = 2.5
"""A second, and what a machine with other work may add."""


def zstd_blocks(path: Path) -> None:
    """Pcapng blocks without a packet, gigabytes of them."""
    with path.open("wb") as raw, zstandard.ZstdCompressor(1).stream_writer(raw) as out:
        out.write(SECTION)
        for _ in range(2_000):
            out.write(UNKNOWN * 100_000)


def plain_blocks(path: Path) -> None:
    """The same in a sparse file: one block of an unknown type is followed by zeros."""
    with path.open("wb") as out:
        out.write(SECTION + UNKNOWN * 100_000)
        out.truncate(8 << 30)


def skippable_frames(path: Path) -> None:
    """A zstd stream whose second frame is skipped over four gigabytes, in a sparse file."""
    with path.open("wb") as out:
        out.write(zstandard.ZstdCompressor(1).compress(pcap([])))
        out.write(b"\x50\x2a\x4d\x18" + struct.pack("<I", 0xFFFF_FFF0))
        out.truncate(16 << 30)


def tiny_frames(path: Path) -> None:
    """Millions of zstd frames without content."""
    empty = zstandard.ZstdCompressor(1).compress(b"")
    with path.open("wb") as out:
        out.write(zstandard.ZstdCompressor(1).compress(pcap([])))
        for _ in range(400):
            out.write((empty + b"\x50\x2a\x4d\x18\0\0\0\0") * 5_000)


def empty_records(path: Path) -> None:
    """Gigabytes of records without a byte."""
    with path.open("wb") as raw, zstandard.ZstdCompressor(1).stream_writer(raw) as out:
        out.write(pcap([]))
        for _ in range(4_000):
            out.write(struct.pack("<IIII", 1_700_000_000, 0, 0, 0) * 100_000)


def pipelined_requests(path: Path) -> None:
    """Tens of millions of rows."""
    from benchmarks import hostile  # noqa: PLC0415 - for this case

    hostile.write(path, hostile.pipelined_http())


MAKERS = [zstd_blocks, plain_blocks, skippable_frames, tiny_frames, empty_records, pipelined_requests]


def started(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "rustnet", "replay", "--no-tui", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def interrupted(process: "subprocess.Popen[str]", signals: int = 1) -> tuple[float, str]:
    """Interrupt a run; returns the seconds until it ended, and its messages."""
    assert process.poll() is None, process.communicate()
    began = time.monotonic()
    for _ in range(signals):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    error = process.communicate(timeout=60)[1]
    seconds = time.monotonic() - began
    assert process.returncode == ExitCode.INTERRUPTED, error
    assert "internal error" not in error
    assert "Traceback" not in error
    return seconds, error


@pytest.mark.parametrize("make", MAKERS)
def test_an_input_without_end_is_interrupted(tmp_path: Path, make: "object") -> None:
    capture, session = tmp_path / "c", tmp_path / "s.duckdb"
    make(capture)  # type: ignore[operator]
    process = started("--no-sidecar", "--db", session, capture)
    time.sleep(1.5)
    seconds, _error = interrupted(process)
    assert seconds < SECONDS
    with duckdb.connect(str(session), read_only=True) as con:
        (packets, complete), *more = con.execute("SELECT packets, complete FROM captures").fetchall()
        assert not complete
        assert not more
        assert con.execute("SELECT count(*) FROM packets").fetchall() == [(packets,)]


def test_a_second_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    capture = tmp_path / "c"
    zstd_blocks(capture)
    process = started("--no-sidecar", "--db", tmp_path / "s.duckdb", capture)
    time.sleep(1.5)
    assert interrupted(process, signals=2)[0] < SECONDS / 2


def sidecar(path: Path, lines: int) -> None:
    """A sidecar of as many lines, whose records differ."""
    with path.open("w") as out:
        for number in range(lines):
            out.write(
                f'{{"timestamp": "2023-11-14T22:{number // 60 % 60:02}:{number % 60:02}Z", "protocol": "TCP", '
                f'"local_addr": "10.{number >> 16}.{number >> 8 & 255}.{number & 255}:{1024 + number % 60_000}", '
                f'"remote_addr": "192.0.2.{number % 250}:443", "pid": {number % 30_000}, '
                f'"process_name": "program-{number}"}}\n'
            )


def test_a_sidecar_that_is_being_matched_is_interrupted(tmp_path: Path) -> None:
    capture, session, owners = tmp_path / "c.pcap", tmp_path / "s.duckdb", tmp_path / "owners.jsonl"
    capture.write_bytes(pcap(http_flow()))
    sidecar(owners, 2_000_000)
    process = started("--sidecar", owners, "--db", session, capture)
    time.sleep(1.5)
    seconds, error = interrupted(process)
    assert seconds < SECONDS
    assert "all captures are stored" in error
    with duckdb.connect(str(session), read_only=True) as con:
        assert con.execute("SELECT packets, complete FROM captures").fetchall() == [(8, True)]
        assert con.execute("SELECT count(*) FROM claims").fetchall() == [(0,)]
    again = subprocess.run(
        [sys.executable, "-m", "rustnet", "verify", str(session)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert again.returncode == 0, again.stdout
