"""The same tests without compiled modules."""

import pytest

from tests.live.namespaces import Namespace
from tests.support.uncompiled import RUNS_PURE, PureTree


@pytest.mark.root
@pytest.mark.skipif(RUNS_PURE, reason="already uncompiled")
def test_everything_holds_uncompiled(namespace: Namespace, pure_tree: PureTree) -> None:
    pure_tree.run_tests("live", "-k", "not thousand")
