"""One measurement each: reading, the engine alone, and whole processes."""

import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rustnet.engine.listener import Listener
from rustnet.engine.tracker import Tracker
from rustnet.policy.timeouts import IDLE_TIMEOUTS
from rustnet.sources.files import reread
from rustnet.sources.frames import BATCH_PACKETS, Frames

ROOT = Path(__file__).parent.parent


@dataclass
class Run:
    """What a process took."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    """Largest resident size."""


def in_memory(path: Path) -> list[Frames]:
    """All batches of a capture, held in memory."""
    batches: list[Frames] = []
    source = reread(str(path))
    for frames in source.batches():
        start = int(frames.offset[0])
        last = frames.count - 1
        size = int(frames.offset[last]) + int(frames.captured[last]) - start
        kept = Frames(packets=frames.count, size=max(1, size))
        kept.buffer[:size] = np.asarray(frames.data)[start : start + size]
        for name in ("offset", "captured", "length", "ts", "link", "interface", "file_offset"):
            np.asarray(getattr(kept, name))[:] = frames.column(name)
        np.asarray(kept.offset)[:] -= start
        kept.count = frames.count
        kept.first_number = frames.first_number
        batches.append(kept)
    return batches


def reading(path: Path, repeats: int) -> list[float]:
    """Seconds for reading a capture batch by batch, without hashing it."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        packets = sum(frames.count for frames in reread(str(path)).batches())
        taken.append(time.perf_counter() - started)
        assert packets
    return taken


def engine(batches: Callable[[], Iterable[Frames]], ports: bytes, repeats: int) -> list[float]:
    """Seconds for headers, flows and TCP analysis of batches: `Tracker.feed` and `close_ended`.

    ``batches`` is asked for them anew in each repetition. Getting them, and taking the packet index, is outside of the
    clock. The collector is off, as it is while rustnet ingests.
    """
    taken = []
    gc.disable()
    try:
        for _ in range(repeats):
            tracker = Tracker(Listener(), bytes(512), ports, IDLE_TIMEOUTS)
            spent = 0.0
            flows = 0
            for frames in batches():
                if tracker.index.count + frames.count > BATCH_PACKETS:
                    tracker.index.take()
                started = time.perf_counter()
                tracker.feed(frames)
                flows += len(tracker.close_ended())
                spent += time.perf_counter() - started
            started = time.perf_counter()
            flows += len(tracker.finish())
            taken.append(spent + time.perf_counter() - started)
            assert flows
    finally:
        gc.enable()
    return taken


def process(*arguments: str) -> Run:
    """Run ``rustnet`` with these arguments in a process of its own; RuntimeError if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rustnet", *arguments]
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        said = child.stderr.read() if child.stderr else b""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if child.returncode:
        raise RuntimeError(f"rustnet {arguments[0]} ended with {child.returncode}: {said.decode()[-500:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1_024)


def replay(path: Path, session: Path, repeats: int) -> list[Run]:
    """Whole ingests into a new session each."""
    runs = []
    for _ in range(repeats):
        for old in session.parent.glob(session.name + "*"):
            old.unlink()
        runs.append(process("replay", "--no-tui", "--no-sidecar", "--db", str(session), str(path)))
    return runs


def median(runs: Sequence[Run]) -> Run:
    """The run of median wall time, with the largest peak of all."""
    ordered = sorted(runs, key=lambda run: run.seconds)
    middle = ordered[len(ordered) // 2]
    return Run(middle.seconds, middle.cpu_seconds, max(run.peak_bytes for run in runs))


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Smallest, median and largest."""
    return {"min": min(seconds), "median": statistics.median(seconds), "max": max(seconds)}
