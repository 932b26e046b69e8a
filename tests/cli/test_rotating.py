"""SIGHUP while a capture goes on, with a terminal, without one, and when the terminal goes."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet.cli.rotating import rotated_by_hangup
from rustnet.ingest.stop import StopToken
from tests.support.paths import ROOT

CODE = """
import os, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))  # now it is the terminal of this session
from rustnet.cli.rotating import rotated_by_hangup
from rustnet.ingest.stop import StopToken
stop = StopToken()
with rotated_by_hangup(stop), open(sys.argv[1], "w", buffering=1) as out:
    out.write("ready\\n")
    for _ in range(400):
        stop.wait(0.025)
        if stop.new_log.take() and stop.new_segment.take():
            out.write("rotated\\n")
        if stop.is_set():
            out.write("stopped\\n")
            break
"""


def wait_for(file: Path, words: str) -> None:
    until = time.monotonic() + 10
    while not file.exists() or words not in file.read_text():
        assert time.monotonic() < until, f"waited for {words!r} in vain"
        time.sleep(0.02)


def test_a_signal_requests_new_files() -> None:
    before = signal.getsignal(signal.SIGHUP)
    stop = StopToken()
    with rotated_by_hangup(stop):
        assert not stop.new_log.is_set()
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.new_log.is_set()
        assert stop.new_segment.is_set()
        assert not stop.is_set()
    assert signal.getsignal(signal.SIGHUP) == before


def test_a_process_that_ignores_it_keeps_ignoring_it() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = StopToken()
        with rotated_by_hangup(stop):
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.new_log.is_set()
            assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture
def outer(tmp_path: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """The outer side of a terminal, and a process on that terminal."""
    side, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, tmp_path / "out"], stdin=inner, stdout=inner, stderr=inner, cwd=ROOT,
        start_new_session=True,
    )  # fmt: skip
    os.close(inner)
    yield side, process
    if process.poll() is None:
        process.kill()
    process.wait()


def test_a_terminal_that_is_closed_ends_the_capture(
    outer: tuple[int, "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    side, process = outer
    wait_for(tmp_path / "out", "ready")
    process.send_signal(signal.SIGHUP)
    wait_for(tmp_path / "out", "rotated")
    os.close(side)
    wait_for(tmp_path / "out", "stopped")
    assert process.wait(10) == 0
    assert (tmp_path / "out").read_text() == "ready\nrotated\nstopped\n"
