"""Time that recording takes per packet: ``python -m benchmarks.recording``.

Batches as a live source makes them, of UDP packets of a given size in many flows, are packed into memory, and then
recorded to a file; nothing else is done. For comparison: the time in which the bytes alone are copied. The best of
several runs counts.
"""

import argparse
import os
import tempfile
import time
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from rustnet.export.packing import Packer
from rustnet.ingest.recorder import Recorder
from rustnet.ingest.recording import Ended, Recording
from rustnet.sources.frames import BUFFER_BYTES, Frames, Interface, Note, SourceInfo, zeros
from tests.support.packets import START, udp_frame

RUNS = 20
FLOWS = 500


class Live:
    """A source of which only the description is asked for."""

    def __init__(self) -> None:
        self.info = SourceInfo("eth0", "live", "live")
        self.interfaces = [Interface(1, 0, "eth0", dropped_kernel=0)]
        self.damage: list[Any] = []


class Segments:
    """One file, written from its beginning each time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def next(self, recording: int, ts: int, packet: int, ended: Ended | None) -> FileIO:  # noqa: ARG002
        return FileIO(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")

    def end(self, recording: int, ended: Ended, problem: str) -> None:
        assert not problem, (recording, ended, problem)


def batch(size: int, directions: bool) -> Frames:
    """A full batch of packets of ``size`` bytes."""
    count = min(65_536, BUFFER_BYTES // size)
    frames = Frames()
    for i in range(count):
        packet = udp_frame(("10.0.0.1", i % FLOWS + 1), ("10.0.0.2", 53), bytes(size - 42))
        frames.buffer[i * size : (i + 1) * size] = packet
    frames.count = count
    frames.column("offset")[:] = np.arange(count) * size
    frames.column("ts")[:] = START + np.arange(count) * 1000
    for name, value in (("captured", size), ("length", size), ("link", 1)):
        frames.column(name)[:] = value
    notes = Note(flags=1), Note(flags=2)
    frames.notes = {i: notes[i & 1] for i in range(count)} if directions else {}
    return frames


def packing(frames: Frames, form: str) -> float:
    """Nanoseconds per packet of packing alone."""
    best = 1e9
    for _ in range(RUNS):
        packer = Packer(form == "pcapng", True, 0, 0, rooms=form == "pcapng")
        links = zeros(1, np.int32)
        links[0] = 1
        packer.know(zeros(1, np.int32), links)
        begun, i = time.perf_counter(), 0
        while i < frames.count:
            i = packer.run(frames, i)
            packer.written()
        best = min(best, time.perf_counter() - begun)
    return best / frames.count * 1e9


def recording(frames: Frames, form: Any, path: Path) -> float:
    """Nanoseconds per packet of recording to a file, without the first batch."""
    source: Any = Live()
    recorder = Recorder((Recording(str(path), form),), Segments(path), source)
    recorder.record(frames)
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        recorder.record(frames)
        times.append(time.perf_counter() - begun)
    recorder.finish()
    return min(times) / frames.count * 1e9


def copying(frames: Frames, size: int) -> float:
    """Nanoseconds per packet in which the bytes are copied at once."""
    target = bytearray(frames.count * size)
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        target[:] = frames.data[: len(target)]
        times.append(time.perf_counter() - begun)
    return min(times) / frames.count * 1e9


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 200, 1400], help="bytes of a packet")
    parser.add_argument("--folder", help="where files are written  [default: a temporary one]")
    options = parser.parse_args()
    print("ns per packet   bytes  directions  packing  to a file  copy alone")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for form in ("pcap", "pcapng"):
            for size in options.sizes:
                for directions in (False, True) if form == "pcapng" else (False,):
                    frames = batch(size, directions)
                    times = packing(frames, form), recording(frames, form, Path(folder) / "x"), copying(frames, size)
                    numbers = "  ".join(f"{each:9.0f}" for each in times)
                    print(f"{form:13}  {size:6}  {'yes' if directions else 'no':10}{numbers}")


if __name__ == "__main__":
    main()
