"""The tests of rings without compiled modules: the walk over blocks is the only module of live capture that has one."""

import pytest

from tests.live.namespaces import Namespace
from tests.support.uncompiled import RUNS_PURE, PureTree


@pytest.mark.root
@pytest.mark.skipif(RUNS_PURE, reason="already uncompiled")
def test_everything_holds_uncompiled(namespace: Namespace, pure_tree: PureTree) -> None:
    others = [f"--ignore-glob=*/live/{name}" for name in ("test_[!r]*.py", "test_re*.py")]
    pure_tree.run_tests("live", "-k", "not thousand", *others)
