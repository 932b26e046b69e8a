"""Readers of a session that is being captured: a query, the browser and a notebook's cell lose no packet."""

import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.namespaces import Namespace, sender
from tests.live.running import RUSTNET, Live
from tests.support.packets import udp_frame

pytestmark = pytest.mark.root

SECONDS, BURST, PAUSE = 6.0, 50, 0.02
"""How long packets are sent, how many at a time, and the time between."""
CELL = """
import sys, time, rustnet
until = time.monotonic() + float(sys.argv[2])
frames = 0
with rustnet.open(sys.argv[1]) as s:
    while time.monotonic() < until:
        assert len(s.flows(limit=100).df()) > 0
        assert s.sql("SELECT count(*) AS n FROM packets").df()["n"][0] > 0
        frames += 2
print(frames)
"""


def send(interface: str, sent: list[int]) -> None:
    """Send packets of many flows at an even rate; the number goes into ``sent``."""
    frames = [udp_frame((f"10.0.{n >> 8}.{n & 255}", 4000), ("10.1.0.1", 9), b"x" * 100) for n in range(500)]
    until, number = time.monotonic() + SECONDS, 0
    with sender(interface) as out:
        while time.monotonic() < until:
            for _ in range(BURST):
                out.send(frames[number % len(frames)])
                number += 1
            time.sleep(PAUSE)
    sent.append(number)


@contextmanager
def browsing(session: Path) -> Iterator[None]:
    """The browser on a terminal of its own."""
    ours, theirs = pty.openpty()
    browser = subprocess.Popen(
        [*RUSTNET, "browse", str(session)], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(theirs)
    drawn = threading.Event()

    def read() -> None:
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:
                return
            if b"10.1.0.1" in data:
                drawn.set()

    threading.Thread(target=read, daemon=True).start()
    try:
        yield
        assert drawn.wait(15), "the browser showed no flow"
        assert browser.poll() is None
    finally:
        browser.terminate()
        browser.wait(10)
        os.close(ours)


def test_readers_lose_no_packet(namespace: Namespace, tmp_path: Path) -> None:
    namespace.veth("a", "b")
    session, sent = tmp_path / "s.duckdb", list[int]()
    with Live(session, "-i", "b", "--attribution", "none") as live:
        sending = threading.Thread(target=send, args=("a", sent))
        sending.start()
        live.wait_for("SELECT 1 FROM flows LIMIT 1")
        cell = subprocess.Popen(
            [sys.executable, "-c", CELL, str(session), str(SECONDS / 2)], stdout=subprocess.PIPE, text=True
        )
        with browsing(session):
            queries = 0
            while sending.is_alive():
                done = subprocess.run(
                    [*RUSTNET, "query", str(session), "--sql", "SELECT protocol, sum(src_bytes) FROM flows GROUP BY 1"],
                    capture_output=True, text=True, check=True, timeout=30,
                )  # fmt: skip
                assert "udp" in done.stdout
                queries += 1
        assert int(cell.communicate(timeout=30)[0]) >= 2
        assert cell.returncode == 0
        assert queries > 1
        live.wait_for(f"SELECT 1 FROM captures WHERE packets = {sent[0]}")
        assert live.stop() == 0
    assert live.rows("SELECT packets, dropped_kernel FROM captures") == [(sent[0], 0)]
    assert live.rows("SELECT count(*), count(DISTINCT number) FROM packets") == [(sent[0], sent[0])]
