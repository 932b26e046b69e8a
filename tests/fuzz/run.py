"""Run mutated captures through the program: ``python -m tests.fuzz.run --count 10000``.

Trial ``n`` is the same on every run. A capture that fails is kept in ``tests/fuzz/crashers``, where the tests read it
from then on.
"""

import argparse
import gc
import json
import random
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzz import formats, mutate
from tests.fuzz.seeds import seeds
from tests.fuzz.trial import Outcome, run

CRASHERS = Path(__file__).parent / "crashers"
BATCHES = (1, 7, 500, 65_536)


@dataclass
class Figures:
    """Sums over trials."""

    captures: int = 0
    refused: int = 0
    packets: int = 0
    flows: int = 0
    rows: int = 0
    anomalies: int = 0
    slowest: float = 0.0
    failures: list[tuple[int, str, str]] = field(default_factory=list)
    """(trial, seed, exception)"""
    rss_early: int = 0
    rss_late: int = 0

    def add(self, outcome: Outcome) -> None:
        self.captures += 1
        self.refused += outcome.refused
        self.packets += outcome.packets
        self.flows += outcome.flows
        self.rows += outcome.rows
        self.anomalies += outcome.anomalies
        self.slowest = max(self.slowest, outcome.seconds)


def rss() -> int:
    """Resident bytes of this process, without garbage."""
    gc.collect()
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    return 0


def make(number: int) -> tuple[str, bytes, int]:
    """Trial ``number``: the name of its seed, its file, and the size of its batches."""
    chance = random.Random(number)
    known = seeds()
    name, seed = known[number % len(known)]
    _, other = chance.choice(known)
    data = formats.write(mutate.packets(seed, other, chance), chance)
    return name, mutate.file(data, formats.write(other, chance), chance), chance.choice(BATCHES)


def trials(first: int, count: int, keep: bool = False) -> Figures:
    """Run trials ``first`` to ``first + count - 1``; with ``keep``, files of failures go to `CRASHERS`."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture"
        for number in range(first, first + count):
            name, data, batch = make(number)
            path.write_bytes(data)
            try:
                figures.add(run(path, batch))
            except Exception as problem:  # noqa: BLE001 - any exception is what this looks for
                figures.failures.append((number, name, "".join(traceback.format_exception(problem)[-6:])))
                if keep:
                    CRASHERS.mkdir(exist_ok=True)
                    (CRASHERS / f"{type(problem).__name__.lower()}-{number}").write_bytes(data)
            if number - first == count // 3:
                figures.rss_early = rss()
    figures.rss_late = rss()
    return figures


def main() -> int:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep failing captures as regression tests")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args()
    started = time.perf_counter()
    figures = trials(chosen.first, chosen.count, chosen.keep)
    if chosen.json:
        json.dump(asdict(figures), sys.stdout)
        return 1 if figures.failures else 0
    seconds = time.perf_counter() - started
    sys.stdout.write(
        f"{chosen.count} captures from {len(seeds())} seeds in {seconds:.1f} s: {len(figures.failures)} failures; "
        f"{figures.refused} refused as no capture, {figures.packets} packets, {figures.flows} flows, "
        f"{figures.rows} rows, {figures.anomalies} anomalies; slowest {figures.slowest * 1_000:.0f} ms; "
        f"memory {figures.rss_early >> 20} MiB after a third, {figures.rss_late >> 20} MiB at the end\n"
    )
    for number, name, text in figures.failures[:4]:
        sys.stdout.write(f"--- trial {number} ({name})\n{text}\n")
    return 1 if figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
