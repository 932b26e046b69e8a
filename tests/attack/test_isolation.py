"""Nothing beside the evidence runs: no module, no program, no configuration of the current directory."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rustnet import isolation
from tests.attack.evidence import SCRIPT, command, environment, make_case, run
from tests.support.paths import ROOT

POISON = 'import os; open({marker!r}, "a").write(__file__ + " " + str(os.getpid()) + "\\n")\n'
MODULES = (
    "json", "re", "typing", "contextlib", "dataclasses", "enum", "pathlib", "subprocess", "tempfile", "click", "numpy",
    "duckdb", "pandas", "polars", "pyarrow", "scapy", "pyshark", "lxml", "matplotlib", "cryptography", "zstandard",
    "lz4", "psutil", "fastjsonschema", "sitecustomize", "usercustomize", "encodings", "ctypes", "hashlib", "mmap",
    "argparse", "selectors", "struct", "gettext", "locale",
)  # fmt: skip
PROGRAMS = ("tshark", "dumpcap", "cc", "gcc", "tcpdump", "python3", "sh", "ldconfig")

COMMANDS = [
    ["replay", "web.pcap", "--db", "new.duckdb"],
    ["flows", "s.duckdb", "-o", "o.csv"],
    ["query", "s.duckdb", "protocols", "-f", "parquet", "-o", "o.parquet"],
    ["query", "s.duckdb", "--list"],
    ["show", "s.duckdb", "1", "--packet", "1"],
    ["extract", "s.duckdb", "-o", "o.pcapng"],
    ["enrich", "web.pcap", "-o", "e.pcapng"],
    ["refresh", "s.duckdb"],
    ["verify", "s.duckdb"],
    ["doctor"],
    ["sidecar", "validate", "web.pcap.connections.jsonl"],
    ["export", "s.duckdb", "--sidecar", "-o", "x.jsonl"],
]
WITH_TSHARK = [
    ["show", "s.duckdb", "1", "--packet", "1", "--with", "tshark"],
    ["replay", "web.pcap", "--db", "tshark.duckdb", "--with", "tshark"],
]
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The command ``rustnet`` as pip installs it."""
    path = tmp_path / "bin" / "rustnet"
    path.parent.mkdir()
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case whose directory is full of code; ``pwned`` lists what ran."""
    folder = make_case(tmp_path / "case")
    poison = POISON.format(marker=str(tmp_path / "pwned"))
    for name in MODULES:
        (folder / f"{name}.py").write_text(poison)
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho $0 >> {tmp_path / 'pwned'}\n")
        (folder / name).chmod(0o755)
    (folder / "config.ini").write_text(f"[tshark]\ntshark_path = {folder / 'tshark'}\n")
    (folder / "init.lua").write_text(f'io.open("{tmp_path / "pwned"}", "a"):write("lua")\n')
    (folder / "matplotlibrc").write_text("backend: module://json\n")
    (folder / "queries").mkdir()
    (folder / "queries" / "protocols.sql").write_text("-- stolen\n")
    return folder


def add_package(folder: Path) -> None:
    """A directory that poses as this package."""
    poison = POISON.format(marker=str(folder.parent / "pwned"))
    for name in ("", "inspect", "cli"):
        (folder / "rustnet" / name).mkdir(exist_ok=True)
        for file in ("__init__.py", "__main__.py", "main.py"):
            (folder / "rustnet" / name / file).write_text(poison)


def ran(case: Path) -> str:
    marker = case.parent / "pwned"
    return marker.read_text() if marker.exists() else ""


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_no_code_of_the_current_directory_runs(case: Path, script: Path, arguments: list[str]) -> None:
    add_package(case)
    path = f".::{case}:{os.environ['PATH']}"
    made = run(case, *arguments, program=script, PATH=path)
    assert made.returncode == 0, made.stderr
    assert not ran(case)


@needs_tshark
@pytest.mark.parametrize("arguments", WITH_TSHARK, ids=" ".join)
def test_tshark_is_the_system_s(case: Path, script: Path, arguments: list[str]) -> None:
    add_package(case)
    wireshark = {name: str(case) for name in ("WIRESHARK_CONFIG_DIR", "WIRESHARK_PLUGIN_DIR", "WIRESHARK_DATA_DIR")}
    made = run(case, *arguments, program=script, PATH=f":.:{case}:{os.environ['PATH']}", **wireshark)
    assert made.returncode == 0, made.stderr
    assert not ran(case)


STARTED_FROM_TREE = [COMMANDS[0], COMMANDS[1], COMMANDS[4], COMMANDS[9]]


@pytest.mark.parametrize("arguments", STARTED_FROM_TREE, ids=" ".join)
def test_the_module_drops_the_current_directory(case: Path, arguments: list[str]) -> None:
    made = run(case, *arguments)
    assert made.returncode == 0, made.stderr
    assert not ran(case)


@pytest.mark.parametrize("arguments", STARTED_FROM_TREE, ids=" ".join)
def test_relative_entries_of_pythonpath_are_dropped(case: Path, arguments: list[str]) -> None:
    """They are in force while Python itself starts, which nothing can prevent, and not when rustnet imports."""
    for name in MODULES:
        if name not in {"click", "numpy", "duckdb", "pandas", "polars", "scapy", "cryptography", "zstandard", "psutil"}:
            (case / f"{name}.py").unlink()
    shutil.copytree(case, case / "lib")
    made = run(case, *arguments, PYTHONPATH=f":.:lib:{ROOT}")
    assert made.returncode == 0, made.stderr
    assert not ran(case)


def test_a_child_has_few_variables_and_a_safe_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    hostile = {"LD_PRELOAD": "x.so", "PYTHONPATH": ".", "PYTHONSTARTUP": "x.py", "WIRESHARK_PLUGIN_DIR": ".",
               "DUCKDB_X": "1", "BASH_ENV": "x", "TMPDIR": "relative", "LC_TIME": "C", "TZ": "UTC"}  # fmt: skip
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f":.:bin:{tmp_path}:/usr/sbin:./x")
    child = isolation.environment(HOME="/h")
    assert not {
        "LD_PRELOAD",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "WIRESHARK_PLUGIN_DIR",
        "DUCKDB_X",
        "BASH_ENV",
        "TMPDIR",
    }.intersection(child)
    assert (child["LC_TIME"], child["TZ"], child["HOME"]) == ("C", "UTC", "/h")
    assert child["PATH"].split(":") == ["/usr/sbin", *isolation.SYSTEM_PROGRAMS]
    (tmp_path / "rustnet-test-program").write_text("#!/bin/sh\n")
    (tmp_path / "rustnet-test-program").chmod(0o755)
    assert isolation.find_program("rustnet-test-program") is None


def test_a_child_imports_this_package_and_no_other_from_its_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where the package's parent directory is the current one, as in a source tree."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "rustnet").symlink_to(ROOT / "rustnet")
    (tree / "json.py").write_text("raise SystemExit('json of the current directory')\n")
    monkeypatch.chdir(tree)
    code = "import json, sys, rustnet; print(rustnet.__file__); print(sys.flags.isolated, '' in sys.path, *sys.path)"
    made = subprocess.run(isolation.python_command(code), capture_output=True, text=True, check=True, cwd=tree,
                          env=isolation.environment(), timeout=60)  # fmt: skip
    first, second = made.stdout.splitlines()
    assert first == str(ROOT / "rustnet" / "__init__.py")
    assert second.startswith("1 False ")
    assert str(tree) not in second.split()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("arguments", [COMMANDS[0], COMMANDS[4], COMMANDS[9], *WITH_TSHARK], ids=" ".join)
def test_files_opened_below_the_current_directory(case: Path, script: Path, arguments: list[str]) -> None:
    """Of the files in the directory only the evidence and outputs are opened, and every program by its whole path."""
    if "tshark" in arguments and shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    log = case.parent / "strace"
    traced = ["strace", "-f", "-qq", "-y", "-e", "trace=openat,open,execve", "-o", str(log)]
    made = subprocess.run([*traced, *command(*arguments, program=script)], cwd=case, capture_output=True, check=False,
                          env=environment(PATH=f".:{os.environ['PATH']}"), timeout=120)  # fmt: skip
    if b"PTRACE" in made.stderr:
        pytest.skip("processes cannot be traced here")
    assert made.returncode == 0, made.stderr
    calls = log.read_text(errors="replace")
    programs = re.findall(r'execve\("([^"]*)"', calls)
    assert programs
    assert all(name.startswith("/") and not name.startswith(str(case)) for name in programs)
    opened = {
        Path(folder or "/", name)
        for folder, name in re.findall(r'open(?:at)?\((?:AT_FDCWD<([^>]*)>, )?"([^"]*)"', calls)
    }
    beside = {path.relative_to(case).parts[0] for path in opened if path.is_relative_to(case) and path != case}
    assert bool(beside) == (arguments != ["doctor"])
    allowed = re.compile(r"web\.pcap(\.connections\.jsonl)?|(s|new|tshark)\.duckdb(\.\w+)*|o\.\w+")
    assert not [name for name in beside if not allowed.fullmatch(name)]


def test_the_bundled_recorder_imports_nothing_of_its_directory(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    shutil.copy(ROOT / "sidecar" / "record.py", folder)
    poison = POISON.format(marker=str(tmp_path / "pwned"))
    for name in ("json", "argparse", "selectors", "struct", "shlex", "ctypes", "hashlib"):
        (folder / f"{name}.py").write_text(poison)
    made = subprocess.run([sys.executable, "record.py", "--help"], cwd=folder, capture_output=True, check=False,
                          env={"PATH": os.environ["PATH"]}, timeout=60)  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert not (tmp_path / "pwned").exists()
