"""The uncompiled program for tests: a copy of the tree without compiled modules, and a way to run things in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

RUNS_PURE = bool(os.environ.get("RUSTNET_TEST_PURE"))
"""These tests already run inside such a copy."""


class PureTree:
    """A copy of ``rustnet/`` (and of chosen test folders) that has no compiled module."""

    def __init__(self, root: Path) -> None:
        self.root = root
        _copy(ROOT / "rustnet", root / "rustnet")
        _copy(ROOT / "sidecar", root / "sidecar")
        shutil.copy(ROOT / "pyproject.toml", root)

    def run(self, *command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run Python with ``command`` as its arguments, in the copy; output is text."""
        environment = {**os.environ, "PYTHONPATH": str(self.root), "RUSTNET_TEST_PURE": "1"}
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def copy_tests(self, folder: str) -> None:
        """Copy a folder of ``tests/``, and what tests share."""
        (self.root / "tests").mkdir(exist_ok=True)
        for shared in (ROOT / "tests").glob("*.py"):
            shutil.copy(shared, self.root / "tests")
        for name in ("support", folder):
            _copy(ROOT / "tests" / name, self.root / "tests" / name)

    def run_tests(self, folder: str, *options: str) -> None:
        """Run a folder of ``tests/`` in the copy; fail as it fails."""
        self.copy_tests(folder)
        done = self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *options, f"tests/{folder}", timeout=600)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def _copy(source: Path, target: Path) -> None:
    ignore = shutil.ignore_patterns("*.so", "*.pyd", "*.c", "__pycache__")
    shutil.copytree(source, target, ignore=ignore, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def pure_tree(tmp_path_factory: pytest.TempPathFactory) -> PureTree:
    """The uncompiled copy, made once per run."""
    return PureTree(tmp_path_factory.mktemp("pure"))
