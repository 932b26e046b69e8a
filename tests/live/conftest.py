"""A network namespace of its own for each test of live capture."""

from collections.abc import Iterator

import pytest

from tests.live.namespaces import Namespace, unavailable


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A fresh namespace, in which the test's thread is while it runs."""
    if reason := unavailable():
        pytest.skip(reason)
    with Namespace() as made:
        yield made
