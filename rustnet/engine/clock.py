"""`Clock`: the time of a capture, as its packets show it."""

from collections import deque

from rustnet.sources.frames import Frames

PACKETS = 256


class Clock:
    """The smallest time among the last packets: a few wrong clocks must not end flows, nor may batches' ends matter."""

    def __init__(self) -> None:
        self.recent: deque[int] = deque(maxlen=PACKETS)

    def advance(self, frames: Frames) -> int:
        """Time after a batch; 0 before the first packet."""
        stamps = frames.ts
        self.recent.extend([stamps[i] for i in range(max(0, frames.count - PACKETS), frames.count)])
        return min(self.recent, default=0)

    def pass_to(self, now: int) -> int:
        """Time after a while without packets, as a live source reads it; later packets count from here on."""
        self.recent.clear()
        return now
