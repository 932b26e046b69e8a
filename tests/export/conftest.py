"""The session of the tests of queries serves here too, and sessions of the samples."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import rustnet
from rustnet.query.session import Session
from tests.export.exported import CAPTURES
from tests.query.conftest import con, ids, session_path
from tests.support.sessions import replay

__all__ = ["con", "ids", "sample", "samples", "session_path", "writable"]


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sessions of all samples, by the name of the capture."""
    folder = tmp_path_factory.mktemp("samples")
    made = {}
    for capture in CAPTURES:
        made[capture.name] = folder / f"{capture.name}.duckdb"
        replay(made[capture.name], capture).con.close()
    return made


@pytest.fixture(params=[path.name for path in CAPTURES])
def sample(request: pytest.FixtureRequest, samples: dict[str, Path]) -> Iterator[Session]:
    """The session of one sample after the other."""
    with rustnet.open(samples[request.param]) as session:
        yield session


@pytest.fixture
def writable(session_path: Path, ids: dict[str, int], tmp_path: Path) -> Path:
    """A copy of the session of the tests of queries, to be changed."""
    path = tmp_path / "session.duckdb"
    shutil.copy(session_path, path)
    return path
