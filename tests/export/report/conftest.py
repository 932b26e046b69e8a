"""Sessions of all samples, and their reports as files."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import rustnet
from rustnet.export.report.page import Subject, report
from tests.support.command_line import Run
from tests.support.paths import SAMPLES
from tests.support.sessions import replay

CAPTURES = {
    path.name.partition(".")[0]: path
    for path in sorted(SAMPLES.iterdir())
    if path.name.endswith((".pcap", ".pcapng", ".pcap.zst"))
}


class Made(Mapping[str, Path]):
    """Files by the names of the samples, each made when it is first wanted."""

    def __init__(self, folder: Path, ending: str, make: Callable[[str, Path], None]) -> None:
        self._folder, self._ending, self._make = folder, ending, make

    def __getitem__(self, name: str) -> Path:
        path = self._folder / f"{name}{self._ending}"
        if not path.exists():
            self._make(name, path)
        return path

    def __iter__(self) -> Iterator[str]:
        return iter(CAPTURES)

    def __len__(self) -> int:
        return len(CAPTURES)


@pytest.fixture(scope="session")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A session of each sample with its sidecar, by the sample's name."""
    return Made(
        tmp_path_factory.mktemp("sessions"), ".duckdb", lambda name, path: replay(path, CAPTURES[name]).con.close()
    )


@pytest.fixture(scope="session")
def reports(sessions: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The report of each sample."""

    def make(name: str, path: Path) -> None:
        with rustnet.open(sessions[name]) as session:
            path.write_text(report(session, Subject()), "utf-8")

    return Made(tmp_path_factory.mktemp("reports"), ".html", make)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run command lines in this process."""
    return Run(monkeypatch)
