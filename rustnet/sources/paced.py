"""`PacedSource`: the packets of another source, each when its time has come."""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rustnet.sources.frames import Frames, Source

COLUMNS = ("offset", "captured", "length", "ts", "link", "interface", "file_offset")
BREAK = 86_400 * 10**9
"""Nanoseconds between packets that are not waited for: the clock was set, or another recording begins."""
MAX_ELAPSED = 1 << 62
LEAST = 0.01
"""Seconds that are waited at least: packets that lie closer together come in one batch."""


class PacedSource:
    """Delivers packets by their times, ``speed`` times as fast as they were captured (a `Source`).

    The first packet comes at once. A packet that is older than one before it comes together with that one, and a jump
    of more than a day, ahead or back, takes no time. ``wait`` waits for some seconds, and returns whether to stop.
    """

    def __init__(self, source: Source, speed: float, wait: Callable[[float], bool]) -> None:
        self.ring: Sequence[Frames] = ()
        self.info = source.info
        self.interfaces = source.interfaces
        self.damage = source.damage
        self.files = source.files
        self.limits = source.limits
        self._source = source
        self._speed = speed
        self._wait = wait
        self._began: int | None = None
        self._last_ts = 0
        self._elapsed = 0
        self._due = 0
        self._before = 0
        self._delivered = 1.0
        """Part of the present batch that was delivered; it was read from byte ``_before`` on."""

    def batches(self, patience: float | None = None) -> Iterator[Frames]:
        """Deliver what is due; with ``patience`` also empty batches while nothing is."""
        nothing = Frames(0, 0)
        longest = 0.1 if patience is None else patience
        for frames in self._source.batches(patience):
            if not frames.count:
                yield frames
                continue
            due = self._schedule(frames)
            at = 0
            while at < frames.count:
                end = int(np.searchsorted(due, self._clock(), "right"))
                if end > at:
                    part = _part(frames, at, end)
                    at = end
                    self._delivered = at / frames.count
                    yield part
                    continue
                left = (int(due[at]) - self._clock()) / 1e9 / self._speed
                stop = self._wait(min(max(left, LEAST), longest))
                if patience is not None and (stop or left > longest):
                    yield nothing
                elif stop:
                    return
            self._before = self._source.position()

    def position(self) -> int:
        """Bytes of the stored input up to the last packet delivered, about."""
        return self._before + int((self._source.position() - self._before) * self._delivered)

    def close(self) -> None:
        """Release the input."""
        self._source.close()

    def _clock(self) -> int:
        """Nanoseconds of packet time since the first packet."""
        if self._began is None:
            self._began = time.monotonic_ns()
        return min(int((time.monotonic_ns() - self._began) * self._speed), MAX_ELAPSED)

    def _schedule(self, frames: Frames) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """When each packet is due, in nanoseconds of packet time since the first one; ascending."""
        times = frames.column("ts").astype(np.int64)
        if self._began is None:
            self._last_ts = int(times[0])
        steps = np.diff(times, prepend=self._last_ts)
        steps[(steps > BREAK) | (steps < -BREAK)] = 0
        elapsed = self._elapsed + np.cumsum(steps)
        due = np.maximum.accumulate(np.maximum(elapsed, self._due))
        self._last_ts, self._elapsed, self._due = int(times[-1]), int(elapsed[-1]), int(due[-1])
        return due


def _part(frames: Frames, start: int, end: int) -> Frames:
    """Frames ``start`` to ``end`` of a batch, whose memory they share."""
    part = Frames(0, 0)
    part.buffer = frames.buffer
    part.data = frames.data
    for name in COLUMNS:
        setattr(part, name, getattr(frames, name)[start:end])
    part.count = part.capacity = end - start
    part.first_number = frames.first_number + start
    part.file = frames.file
    part.files = None if frames.files is None else frames.files[start:end]
    if frames.notes:
        part.notes = {i - start: frames.notes[i] for i in range(start, end) if i in frames.notes}
    return part
