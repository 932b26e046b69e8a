"""The same tests on the uncompiled sources: where C would wrap or truncate, they must compute the same."""

import pytest

from tests.support.uncompiled import RUNS_PURE, PureTree


@pytest.mark.skipif(RUNS_PURE, reason="this is the uncompiled run")
def test_everything_uncompiled(pure_tree: PureTree) -> None:
    pure_tree.run_tests("engine", "-x", "-m", "not slow and not corpus")
