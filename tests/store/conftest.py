"""Records that stand for the protocols', so that the store's tests need no dissector."""

import pytest

from rustnet.records import U16, Host, Ip, Ts, record


@record("demo")
class Demo:
    """One demo message; it's quoted 'here'."""

    query: Host | None = None
    """What was asked; it's a name."""
    size: U16 | None = None
    """Bytes."""
    answers: list[Ip] | None = None
    """Answers."""
    valid_from: Ts | None = None
    """From when."""


@pytest.fixture
def demo() -> type:
    return Demo
