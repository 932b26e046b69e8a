"""Two hosts for tests of eBPF, of which one is recorded."""

from collections.abc import Iterator

import pytest

from rustnet.probe.ebpf.reasons import UnavailableError
from rustnet.probe.ebpf.source import open_events
from tests.sidecar.namespaces import Hosts, missing, two_hosts


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """Two namespaces, where eBPF names owners."""
    if reason := missing():
        pytest.skip(reason)
    try:
        open_events().close()
    except UnavailableError as error:
        pytest.skip(str(error))
    with two_hosts() as made:
        yield made
