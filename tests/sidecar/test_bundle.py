"""The single file of the recorder: it is what ``tools/bundle`` writes, and it needs nothing but a Python."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORDER = ROOT / "sidecar" / "record.py"


def bundle(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "tools" / "bundle"), *options]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the script reads and writes."""
    shutil.copytree(ROOT / "rustnet" / "probe", tmp_path / "rustnet" / "probe")
    for name in ("tools/bundle", "sidecar/record.py"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_single_file_is_current() -> None:
    done = bundle(ROOT, "--check")
    assert done.returncode == 0, done.stderr


def test_a_changed_module_is_noticed_and_written(copy: Path) -> None:
    with (copy / "rustnet" / "probe" / "redact.py").open("a") as module:
        module.write('\n\ndef added() -> str:\n    """A new function."""\n    return "a new text"\n')
    stale = bundle(copy, "--check")
    assert (stale.returncode, "not current" in stale.stderr) == (1, True)
    assert bundle(copy).returncode == 0
    assert bundle(copy, "--check").returncode == 0
    added = set((copy / "sidecar" / "record.py").read_text().splitlines()) - set(RECORDER.read_text().splitlines())
    assert added == {"def added() -> str:", '    """A new function."""', '    return "a new text"'}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import psutil", "expected the standard library"),
        ("from rustnet.errors import InputError", "expected the standard library"),
        ("import rustnet.probe.lines", "expected the standard library"),
        ("import json as text_format", "expected an import of names as they are"),
        ("from rustnet.probe.command import main", "modules import each other"),
        ("from time import struct_time as moment", "expected an import of names as they are"),
        ("from typing import Counter", "Counter is also defined by"),
        ("def moment() -> None: ...", "moment is also defined by"),
        ("open = None", "open is also defined by Python itself"),
        ("print('side effect')", "expected a definition"),
        ("match 1:\n    case 1: pass", "Python 3.10"),
    ],
)
def test_refuses_what_would_mean_something_else_in_one_file(copy: Path, line: str, reason: str) -> None:
    module = copy / "rustnet" / "probe" / "habits.py"
    first = "from __future__ import annotations\n"
    module.write_text(module.read_text().replace(first, f"{first}{line}\n", 1))
    before = (copy / "sidecar" / "record.py").read_bytes()
    done = bundle(copy)
    assert (done.returncode, reason in done.stderr) == (1, True), done.stderr
    assert (copy / "sidecar" / "record.py").read_bytes() == before


def pythons() -> list[str]:
    """This interpreter, and those of other versions that are installed, at most one of each."""
    installed = {f"3.{minor}": path for minor in range(8, 20) if (path := shutil.which(f"python3.{minor}"))}
    homes = Path.home().glob(".pyenv/versions/3.*/bin/python3")  # those on the path are only shims
    installed |= {home.parts[-3].rpartition(".")[0]: str(home) for home in homes}
    installed[f"3.{sys.version_info.minor}"] = sys.executable
    return [path for version, path in sorted(installed.items()) if int(version.split(".")[1]) >= 8]


@pytest.mark.skipif(sys.platform != "linux", reason="the recorder is for Linux")
@pytest.mark.parametrize("python", pythons())
def test_runs_alone_on_any_python(python: str, tmp_path: Path) -> None:
    """Without rustnet, without installed packages, and without a warning."""
    shutil.copy(RECORDER, tmp_path / "record.py")
    out = tmp_path / "x.jsonl"
    command = [python, "-I", "-S", "-W", "error", "record.py", "--duration", "0.4", "--hash", "-o", str(out)]
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path)
        here = f"127.0.0.1:{server.getsockname()[1]}"
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    row = next(row for row in map(json.loads, out.read_text().splitlines()) if row["local_addr"] == here)
    assert row["pid"] == os.getpid()
    assert row["exe_sha256"] == hashlib.sha256(Path(sys.executable).resolve().read_bytes()).hexdigest()


def test_the_probe_loads_nothing_else_of_rustnet() -> None:
    code = (
        "import sys; before = set(sys.modules); import rustnet.probe.command;"
        "new = {name for name in set(sys.modules) - before if not name.startswith('rustnet.probe')};"
        "print(sorted(name for name in new if name.partition('.')[0] not in sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "['rustnet']"


def test_redaction_loads_neither_sockets_nor_ctypes() -> None:
    """Other rooms hide secrets with it."""
    code = "import sys, rustnet.probe.redact; print(sorted({'socket', 'ctypes', 'selectors'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
