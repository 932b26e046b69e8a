"""The sample captures are there, small, readable, and what their README says of them is so."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.paths import SAMPLES

README = (SAMPLES / "README.md").read_text("utf-8")
CAPTURES = sorted(path for path in SAMPLES.iterdir() if path.name.endswith((".pcap", ".pcapng", ".pcap.zst")))
NAMES = [path.name for path in CAPTURES]
REQUIRED = {
    "protocol", "local_addr", "remote_addr", "pid", "process_name", "first_seen", "last_seen", "bytes_sent",
    "bytes_received", "state", "timestamp",
}  # fmt: skip
FIGURE = re.compile(r"^\| (\d+) \| `([^`]*)` \|", re.MULTILINE)


@pytest.fixture(scope="module")
def count() -> Callable[[Path, str], int]:
    """The counting that ``make.py --figures`` does."""
    sys.path.insert(0, str(SAMPLES))
    try:
        spec = importlib.util.spec_from_file_location("sample_make", SAMPLES / "make.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SAMPLES))
    counting: Callable[[Path, str], int] = module.count
    return counting


def lines(capture: Path) -> list[dict[str, object]]:
    text = capture.with_name(capture.name + ".connections.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def section(name: str) -> str:
    found = re.search(rf"^## `{re.escape(name)}`\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md says nothing of {name}"
    return found[1]


def test_every_scenario_is_shipped() -> None:
    wanted = {"web", "dns", "ssh", "mail-ftp", "slow-link", "scan", "contested", "network", "damaged"}
    wanted |= {"bufferbloat", "short-queue", "policed", "paced"}
    assert {name.partition(".")[0] for name in NAMES} == wanted


def test_together_they_are_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.iterdir() if path.is_file()) < 5_000_000
    assert max(path.stat().st_size for path in CAPTURES) < 400_000


@pytest.mark.parametrize("capture", CAPTURES, ids=NAMES)
def test_sidecar_has_the_form(capture: Path) -> None:
    rows = lines(capture)
    assert rows
    for row in rows:
        assert set(row) >= REQUIRED
        assert list(row) == sorted(row)
        first, last = row["first_seen"], row["last_seen"]
        assert isinstance(first, dict)
        assert isinstance(last, dict)
        assert (first["secs_since_epoch"], first["nanos_since_epoch"]) <= (
            last["secs_since_epoch"],
            last["nanos_since_epoch"],
        )


@pytest.mark.parametrize("capture", CAPTURES, ids=NAMES)
def test_summary_lies_beside(capture: Path) -> None:
    meta = json.loads(capture.with_name(capture.name + ".connections.meta.json").read_text("utf-8"))
    for one in meta if isinstance(meta, list) else [meta]:
        assert one["notices_lost"] == 0
        assert one["polls"] > 0


@pytest.mark.parametrize("capture", CAPTURES, ids=NAMES)
def test_files_name_no_machine(capture: Path) -> None:
    sidecar = capture.with_name(capture.name + ".connections.jsonl").read_text("utf-8")
    assert not re.search(r"/(work|root|home/(?!alice|bob))", sidecar)


@pytest.mark.parametrize("name", NAMES)
def test_readme_tells_its_story(name: str) -> None:
    assert f"`{name}`](#" in README
    assert len(FIGURE.findall(section(name))) >= 4


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("capture", CAPTURES, ids=NAMES)
def test_figures_are_right(capture: Path, count: Callable[[Path, str], int]) -> None:
    said = FIGURE.findall(section(capture.name))
    found = [(str(count(capture, display_filter)), display_filter) for _, display_filter in said]
    assert found == said


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("capture", CAPTURES, ids=NAMES)
def test_tshark_reads_all_but_the_damaged(capture: Path) -> None:
    done = subprocess.run(["tshark", "-n", "-r", str(capture)], check=False, capture_output=True, text=True)
    assert ("cut short" in done.stderr) == (capture.name == "damaged.pcap")
    assert (done.returncode == 0) == (capture.name != "damaged.pcap")


def test_contested_has_shared_missing_and_reused_owners() -> None:
    rows = lines(SAMPLES / "contested.pcap")
    shared = {row["process_name"] for row in rows if row["socket_owners"] == 2}
    assert shared == {"bash", "sleep"}
    assert {row["socket_owners"] for row in rows if row["state"] == "LISTEN"} == {3}
    assert {row["username"] for row in rows if row["local_addr"] == "192.0.2.80:45000"} == {"alice", "bob"}
    assert any(row["pid"] is None for row in rows)


@pytest.mark.root
@pytest.mark.slow
def test_make_plays_a_scenario(tmp_path: Path) -> None:
    if os.geteuid() or not Path("/dev/net/tun").exists() or not Path("/usr/bin/python3").exists():
        pytest.skip("needs root, TAP devices and the system's Python")
    before = set(Path("/sys/class/net").iterdir())
    made = [sys.executable, str(SAMPLES / "make.py"), "--only", "damaged", "-o", str(tmp_path)]
    done = subprocess.run(made, check=False, capture_output=True, text=True, timeout=120)
    if "apt-get install" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "damaged.pcap").stat().st_size > 10_000
    assert "curl" in (tmp_path / "damaged.pcap.connections.jsonl").read_text()
    assert set(Path("/sys/class/net").iterdir()) == before
