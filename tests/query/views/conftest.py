"""Sessions of shipped samples, for the browser's providers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet.query.session import Session, open_session
from tests.support.paths import ROOT
from tests.support.sessions import replay

SAMPLES = ("web.pcap", "network.pcapng", "contested.pcap", "ssh.pcap")


@pytest.fixture(scope="package")
def sample_paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("samples")
    paths = {}
    for name in SAMPLES:
        paths[name] = folder / f"{name}.duckdb"
        replay(paths[name], ROOT / "sample_pcaps" / name).con.close()
    return paths


@pytest.fixture(scope="package")
def samples(sample_paths: dict[str, Path]) -> Iterator[dict[str, Session]]:
    sessions = {name: open_session(path) for name, path in sample_paths.items()}
    yield sessions
    for session in sessions.values():
        session.close()
