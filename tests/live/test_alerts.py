"""Alerts of a live capture: a scan, a port that is opened, an interface that goes down; and a program that learns."""

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet.errors import ExitCode
from tests.live.namespaces import Namespace, sender
from tests.live.running import Live
from tests.support.packets import SYN, tcp_frame

pytestmark = pytest.mark.root

CONFIG = """
[alerts]
enabled = ["scan", "new-listener", "interface-down", "drops"]
command = ["{program}"]
least = "high"
"""

SCRIPT = """#!/bin/sh
cat >> {folder}/alerts
id -u > {folder}/user
grep -E 'CapBnd|NoNew' /proc/self/status > {folder}/status
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder into which nobody can write, as whom root's programs run."""
    folder = Path("/tmp") / f"rustnet-live-alerts-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_alerts_are_raised_while_packets_come_in(namespace: Namespace, tmp_path: Path, shared: Path) -> None:
    namespace.veth("a", "b")
    program = shared / "program"
    program.write_text(SCRIPT.format(folder=shared))
    program.chmod(0o755)
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(program=program))
    names = "SELECT DISTINCT alert FROM alerts ORDER BY ALL"
    options = ("-i", "b", "--config", str(config), "--metrics", str(shared / "metrics"))
    with Live(tmp_path / "s.duckdb", *options) as live, sender("a") as scanner:
        live.wait_for("SELECT 1 FROM captures")
        with socket.create_server(("0.0.0.0", 4444)):
            for port in range(1000, 1040):
                scanner.send(tcp_frame(("192.0.2.66", 50000), ("192.0.2.80", port), 1, 0, SYN))
            until = time.monotonic() + 15
            while live.rows(names) != [("new-listener",), ("scan",)] and time.monotonic() < until:
                time.sleep(0.2)
        assert live.rows(names) == [("new-listener",), ("scan",)]
        while not (shared / "status").exists() and time.monotonic() < until:
            time.sleep(0.05)
        metric = 'rustnet_alerts_total{alert="scan"} 1'
        while metric not in (shared / "metrics").read_text() and time.monotonic() < until:
            time.sleep(0.05)
        assert metric in (shared / "metrics").read_text()
        namespace.run("ip link set dev b down")
        time.sleep(0.5)
        assert live.stop() == ExitCode.DONE
    assert live.processes() == []
    assert live.rows(names) == [("interface-down",), ("new-listener",), ("scan",)]
    assert "alert scan (high)" in live.errors
    assert "192.0.2.66 scans many ports of one host: 192.0.2.80, 40 in 40 attempts" in live.errors
    assert "tcp port 4444: all addresses" in live.errors
    assert "b: the interface is down" in live.errors
    (line,) = (shared / "alerts").read_text().splitlines()
    assert json.loads(line)["alert"] == "scan"
    assert (shared / "user").read_text() != "0\n"
    assert "NoNewPrivs:\t1" in (shared / "status").read_text()
    assert "CapBnd:\t0000000000000000" in (shared / "status").read_text()
    assert live.rows("SELECT DISTINCT state FROM alert_checks") == [("checked",)]
