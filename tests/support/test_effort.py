"""The measure of time tells a square from a line."""

import pytest

from tests.support.effort import assert_linear


def test_a_line_passes() -> None:
    assert_linear(lambda size: sum(range(size * 1_000)), 1_000)


def test_a_square_does_not() -> None:
    with pytest.raises(AssertionError, match="for four times of what took"):
        assert_linear(lambda size: sum(range(size * size)), 2_000)
