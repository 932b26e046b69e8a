"""Small captures, sessions of them, and the command line run in this process."""

from pathlib import Path

import pytest

from tests.support.command_line import Run
from tests.support.conversations import dns_flow, http_flow
from tests.support.pcap import pcap


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run command lines in this process."""
    return Run(monkeypatch)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """An HTTP conversation and a DNS one."""
    path = tmp_path / "web.pcap"
    path.write_bytes(pcap(dns_flow() + http_flow()))
    return path


@pytest.fixture
def session(capture: Path, run: Run) -> Path:
    """A session made of `capture`."""
    path = capture.with_name("web.duckdb")
    made = run("replay", capture, "--db", path)
    assert made.code == 0, made.err
    return path
