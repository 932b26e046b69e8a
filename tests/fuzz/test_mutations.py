"""Mutated captures through the whole program: no exception, no hang, no growth; and those that once failed."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rustnet.dissect.registry import DISSECTORS
from tests.fuzz.run import CRASHERS, Figures
from tests.fuzz.seeds import seeds
from tests.fuzz.trial import run
from tests.support.paths import ROOT
from tests.support.pcap import pcap_file
from tests.support.uncompiled import RUNS_PURE

COUNT = int(os.environ.get("RUSTNET_FUZZ_COUNT", "600" if not RUNS_PURE else "60"))
GROWTH = 48 << 20
"""Bytes by which memory may grow over the last two thirds of a run (caches of texts fill up)."""


def trials(count: int, *options: str) -> Figures:
    """Run trials in a process of their own: what other tests left behind would be in its memory."""
    command = [sys.executable, "-m", "tests.fuzz.run", "--count", str(count), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout, done.stderr[-2_000:]
    figures = Figures(**json.loads(done.stdout))
    assert not figures.failures, "\n".join(f"trial {n} ({name}): {text}" for n, name, text in figures.failures[:5])
    return figures


def test_mutated_captures() -> None:
    figures = trials(COUNT)
    assert figures.packets > COUNT
    assert figures.rows > 0
    assert figures.rss_late - figures.rss_early < GROWTH


@pytest.mark.slow
def test_ten_thousand_mutated_captures() -> None:
    figures = trials(10_000, "--keep")
    assert figures.rss_late - figures.rss_early < 3 * GROWTH  # the caches of texts fill up, and are bounded


@pytest.mark.parametrize("where", ["probe", "parser"])
def test_a_parser_that_fails_is_noticed(where: str, tmp_path: Path) -> None:
    """The net that would catch a failure in the trials above has no holes."""

    def fails(*_: object) -> Any:
        raise ValueError("what a parser must not raise")

    honest = next(d for d in DISSECTORS if d.name == "dns")
    broken = replace(honest, probe=fails) if where == "probe" else replace(honest, parser=fails)
    path = tmp_path / "capture"
    path.write_bytes(pcap_file(dict(seeds())["dns 0"]))
    assert run(path).rows > 0
    with pytest.raises(ValueError, match="must not raise"):
        run(path, dissectors=[broken])


@pytest.mark.parametrize("path", sorted(CRASHERS.glob("*")), ids=lambda path: path.name)
@pytest.mark.parametrize("batch", [1, 65_536])
def test_captures_that_once_failed(path: Path, batch: int) -> None:
    run(path, batch)
