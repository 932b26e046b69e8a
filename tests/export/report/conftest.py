"""Sessions of all samples, and their reports as files."""

from pathlib import Path

import pytest

import rustnet
from rustnet.export.report.page import Subject, report
from tests.support.command_line import Run
from tests.support.paths import SAMPLES
from tests.support.sessions import replay

CAPTURES = sorted(path for path in SAMPLES.iterdir() if path.name.endswith((".pcap", ".pcapng", ".pcap.zst")))


@pytest.fixture(scope="session")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A session of each sample with its sidecar, by the sample's name."""
    folder = tmp_path_factory.mktemp("sessions")
    made = {}
    for capture in CAPTURES:
        name = capture.name.partition(".")[0]
        made[name] = folder / f"{name}.duckdb"
        replay(made[name], capture).con.close()
    return made


@pytest.fixture(scope="session")
def reports(sessions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of each sample."""
    folder = tmp_path_factory.mktemp("reports")
    made = {}
    for name, path in sessions.items():
        with rustnet.open(path) as session:
            made[name] = folder / f"{name}.html"
            made[name].write_text(report(session, Subject()), "utf-8")
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run command lines in this process."""
    return Run(monkeypatch)
