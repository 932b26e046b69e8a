"""Fixtures of tests of live capture: a network namespace of its own for each, recorded hosts, a helper."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.helping import Running
from tests.live.namespaces import Namespace, unavailable


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A fresh namespace, in which the test's thread is while it runs."""
    if reason := unavailable():
        pytest.skip(reason)
    with Namespace() as made:
        yield made


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory of root's that others can enter."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = Path(tempfile.mkdtemp(prefix="rustnet-helper-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def helper(namespace: Namespace, folder: Path) -> Iterator[Running]:
    namespace.veth("a", "b")
    running = Running(folder)
    yield running
    running.end()
    assert not Path(running.socket).exists()
