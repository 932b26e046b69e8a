"""Sessions of the samples, and tests that are coroutines."""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from tests.tui import support

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(autouse=True)
def close_sessions() -> Iterator[None]:
    """Close the sessions that the browsers of a test have opened."""
    yield
    support.close_opened()


def _session(factory: pytest.TempPathFactory, name: str) -> Path:
    path = factory.mktemp("sessions") / f"{name}.duckdb"
    capture = next(file for file in SAMPLES.glob(f"{name}.pcap*") if "connections" not in file.name)
    report = ingest([str(capture)], str(path), Options(workers=0))
    assert not report.failed
    return path


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session of web.pcap."""
    return _session(tmp_path_factory, "web")


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session of network.pcapng."""
    return _session(tmp_path_factory, "network")
