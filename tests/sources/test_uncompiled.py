"""The same tests without compiled modules."""

import pytest

from tests.support.uncompiled import RUNS_PURE, PureTree


@pytest.mark.skipif(RUNS_PURE, reason="already uncompiled")
def test_everything_holds_uncompiled(pure_tree: PureTree) -> None:
    where = pure_tree.run(
        "-c", "import rustnet.sources.walk as w, rustnet.sources.frames as f; print(w.__file__, f.__file__)"
    )
    assert where.stdout.split() == [str(pure_tree.root / "rustnet/sources" / name) for name in ("walk.py", "frames.py")]
    # Bombs and large noise are about memory and time, which differ; they are left to the compiled form.
    pure_tree.run_tests("sources", "-k", "not bomb and not noise and not many_buffers and not counts and not hostile")
