"""`rustnet live --no-tui`: metrics, SIGHUP, sessions that follow each other, the line on a terminal."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rustnet.query.session import open_session
from tests.live.namespaces import Namespace, sender
from tests.live.running import RUSTNET, Live
from tests.support.packets import udp_frame

pytestmark = pytest.mark.root


def frames(port: int, count: int) -> list[bytes]:
    return [udp_frame(("10.0.0.1", 4000 + i), ("10.0.0.2", port), bytes(50)) for i in range(count)]


def send(interface: str, packets: list[bytes]) -> None:
    with sender(interface) as out:
        for packet in packets:
            out.send(packet)


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 15
    while not true():
        assert time.monotonic() < end, f"waited for {what} in vain"
        time.sleep(0.05)


def metric(path: Path, name: str) -> float | None:
    match = re.search(rf"^rustnet_{name} (\S+)$", path.read_text(), re.MULTILINE)
    return float(match[1]) if match else None


def test_metrics_new_files_and_a_session_that_follows(namespace: Namespace, tmp_path: Path) -> None:
    namespace.veth("a", "b")
    session, log, metrics = tmp_path / "s.duckdb", tmp_path / "events.jsonl", tmp_path / "m.prom"
    options = ["-i", "b", "--new-session", "--metrics", str(metrics), "--json-log", str(log), "--attribution=none"]
    options += ["--pcapng-export", str(tmp_path / "p.pcapng"), "--rotate-size", "100M"]
    with Live(session, *options) as live:
        send("a", frames(9, 30))
        until(lambda: (metric(metrics, "packets_total") or 0) >= 30, "metrics")
        log.rename(tmp_path / "events.1")
        live.process.send_signal(signal.SIGHUP)
        time.sleep(0.1)
        send("a", frames(10, 20))
        until(
            lambda: log.exists() and '"destination_port":10' in log.read_text().replace(" ", ""), "events in a new log"
        )
        until(lambda: metric(metrics, "packets_total") == 50, "metrics of both")
        assert 'rustnet_interface_packets_total{interface="b"} 50' in metrics.read_text()
        assert metric(metrics, "kernel_dropped_packets_total") == 0
        assert live.process.poll() is None
        live.stop()
    events = (tmp_path / "events.1").read_text() + log.read_text()
    assert events.count("new_connection") == events.count("connection_closed") == 50, "each is in one of both"
    assert metrics.read_text() == ""
    segments = sorted(tmp_path.glob("p*.pcapng"))
    assert len(segments) == 2, "the second one begins with the signal"
    assert [data.count(b"\x0a\0\0\1\x0a\0\0\2") for data in map(Path.read_bytes, segments)] == [30, 20]
    second = Live(session, "-i", "b", "--new-session", "--attribution=none")
    until(lambda: any(tmp_path.glob("s-*Z.duckdb.sock")), "the second session")
    (second.session,) = tmp_path.glob("s-*Z.duckdb")
    send("a", frames(11, 5))
    second.wait_for("SELECT 1 FROM captures WHERE packets = 5")
    second.stop()
    with open_session(session) as first, open_session(second.session) as other:
        assert first.sql("SELECT packets FROM captures").rows == [(50,)]
        assert other.sql("SELECT packets FROM captures").rows == [(5,)]


def test_the_line_on_a_terminal_and_its_end(namespace: Namespace, tmp_path: Path) -> None:
    namespace.veth("a", "b")
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("4H", 24, 120, 0, 0))
    words = ["live", "--no-tui", "-i", "b", "--db", str(tmp_path / "s.duckdb"), "--attribution=none"]
    process = subprocess.Popen(
        [*RUSTNET, *words, "--alert", "interface-down"],
        stdin=inner, stdout=subprocess.DEVNULL, stderr=inner, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(inner)
    text = ""

    def shown(what: str) -> bool:
        nonlocal text
        if select.select([outer], [], [], 0.05)[0]:
            with contextlib.suppress(OSError):  # it has ended
                text += os.read(outer, 1 << 16).decode()
        return what in text

    until(lambda: (tmp_path / "s.duckdb.sock").exists() and shown("0 packets"), "the first line")
    send("a", frames(9, 20))
    until(lambda: shown("20 packets · 20 flows · 0 dropped"), "the line with all packets")
    assert 1 < text.count("\x1b[K") < 20, "one a second"
    assert "\r0:0" in text
    namespace.run("ip link set dev b down")
    until(lambda: shown("\r\x1b[Krustnet: alert interface-down (medium)"), "an alert above the line")
    os.close(outer)  # the terminal is closed
    process.send_signal(signal.SIGHUP)  # as its session's leader, a shell, would pass on
    assert process.wait(15) in (0, 130)
    with open_session(tmp_path / "s.duckdb") as session:
        assert session.sql("SELECT packets, finished FROM captures").rows == [(20, True)]
