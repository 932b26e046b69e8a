"""A network namespace of its own for each test of live capture."""

from collections.abc import Iterator

import pytest

from rustnet.probe.ebpf.reasons import UnavailableError
from rustnet.probe.ebpf.source import open_events
from tests.live.namespaces import Namespace, unavailable
from tests.sidecar.namespaces import Hosts, missing, two_hosts


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A fresh namespace, in which the test's thread is while it runs."""
    if reason := unavailable():
        pytest.skip(reason)
    with Namespace() as made:
        yield made


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """Two hosts, of which one is recorded, where eBPF names owners."""
    if reason := missing():
        pytest.skip(reason)
    try:
        open_events().close()
    except UnavailableError as error:
        pytest.skip(str(error))
    with two_hosts() as made:
        yield made
