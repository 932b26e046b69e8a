"""Mutated captures through the whole program: no exception, no hang, no growth; and those that once failed."""

import os
from pathlib import Path

import pytest
from pure import RUNS_PURE
from run import CRASHERS, trials
from trial import run

COUNT = int(os.environ.get("RUSTNET_FUZZ_COUNT", "600" if not RUNS_PURE else "60"))
GROWTH = 48 << 20
"""Bytes by which memory may grow over the last two thirds of a run (caches of texts fill up)."""


def test_mutated_captures() -> None:
    figures = trials(0, COUNT)
    assert not figures.failures, "\n".join(f"trial {n} ({name}): {text}" for n, name, text in figures.failures[:5])
    assert figures.packets > COUNT
    assert figures.rows > 0
    assert figures.rss_late - figures.rss_early < GROWTH


@pytest.mark.slow
def test_ten_thousand_mutated_captures() -> None:
    figures = trials(0, 10_000, keep=True)
    assert not figures.failures, "\n".join(f"trial {n} ({name}): {text}" for n, name, text in figures.failures[:5])
    assert figures.rss_late - figures.rss_early < GROWTH


@pytest.mark.parametrize("path", sorted(CRASHERS.glob("*")), ids=lambda path: path.name)
@pytest.mark.parametrize("batch", [1, 65_536])
def test_captures_that_once_failed(path: Path, batch: int) -> None:
    run(path, batch)
