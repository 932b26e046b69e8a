"""A user's script: it runs, and `mypy --strict` accepts it as its author would call it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

SCRIPT = Path(__file__).with_name("user_script.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return Path(shutil.copy(SCRIPT, tmp_path / "analysis.py"))


def test_it_runs(script: Path, tmp_path: Path) -> None:
    for library in ("pandas", "polars", "pyarrow"):
        pytest.importorskip(library)
    capture = ROOT / "sample_pcaps" / "web.pcap"
    done = subprocess.run(
        [sys.executable, str(script), str(capture), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "20 flows\n")


def check(script: Path) -> subprocess.CompletedProcess[str]:
    cache = ROOT / ".mypy_cache" / "user_script"
    options = ["--strict", "--follow-imports=silent", "--config-file=", f"--cache-dir={cache}"]
    return subprocess.run(
        [sys.executable, "-m", "mypy", *options, script.name],
        capture_output=True,
        text=True,
        check=False,
        cwd=script.parent,
        env=ENVIRONMENT,
    )


def test_mypy_accepts_it(script: Path) -> None:
    pytest.importorskip("mypy")
    done = check(script)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_sees_the_types(script: Path) -> None:
    """What `rustnet` offers is not Any: a wrong use is an error."""
    pytest.importorskip("mypy")
    script.write_text(
        "import rustnet\n"
        "rustnet.replay(1, db='s')\n"
        "rustnet.replay('c', db='s', spede=1)\n"
        "with rustnet.open('s') as s:\n"
        "    s.flows('', limt=1)\n"
        "    reveal_type(s.flow(1).messages[0].fields)\n"
        "    reveal_type(s.sql('SELECT 1').df())\n"
        "rustnet.nothing\n"
    )
    lines = check(script).stdout.splitlines()
    assert [line.split(":")[1] for line in lines if " error: " in line] == ["2", "3", "5", "8"]
    assert 'Revealed type is "dict[str, Any]"' in lines[-4].replace("builtins.", "").replace("typing.", "")
    assert 'Revealed type is "pandas.' in lines[-3]
