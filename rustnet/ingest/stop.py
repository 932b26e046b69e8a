"""`StopToken`: stops a run from any thread, from a signal handler, or from another process of the run."""

import mmap
import time

SLICE = 0.05
"""Interval in seconds at which a waiting thread checks the token."""


class StopToken:
    """A flag that is set once; it needs no lock, so a signal handler may set it at any moment.

    Processes that are forked later share it.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def set(self) -> None:
        """Request the run to stop; everything read so far is stored, and the capture is not complete."""
        self._memory[0] = 1

    def is_set(self) -> bool:
        """Whether a stop was requested."""
        return self._memory[0] != 0

    def wait(self, seconds: float) -> bool:
        """Wait for some seconds or until the token is set; returns whether it is set."""
        until = time.monotonic() + seconds
        while not self.is_set() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, SLICE))
        return self.is_set()
