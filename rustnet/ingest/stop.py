"""`StopToken`: stops a run from any thread, from a signal handler, or from another process of the run."""

import mmap
import time

SLICE = 0.05
"""Interval in seconds at which a waiting thread checks the token."""


class SharedFlag:
    """A flag that processes share that are forked later; it needs no lock."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def put(self, value: bool) -> None:
        """Set or clear the flag."""
        self._memory[0] = value

    def is_set(self) -> bool:
        """Whether the flag is set."""
        return self._memory[0] != 0

    def take(self) -> bool:
        """Whether the flag was set; it is cleared."""
        was_set = self.is_set()
        if was_set:
            self.put(False)
        return was_set


class StopToken(SharedFlag):
    """A flag that is set once, at any moment, also by a signal handler; and requests that may come in between."""

    def __init__(self) -> None:
        super().__init__()
        self.new_segment = SharedFlag()
        """The next packet begins a new segment of each recording that has segments."""
        self.new_log = SharedFlag()
        """The log of events is opened by its name once more."""

    def rotate(self) -> None:
        """Request new files of what is written beside the session."""
        self.new_segment.put(True)
        self.new_log.put(True)

    def set(self) -> None:
        """Request the run to stop; everything read so far is stored, and the capture is not complete."""
        self.put(True)

    def wait(self, seconds: float) -> bool:
        """Wait for some seconds or until the token is set; returns whether it is set."""
        until = time.monotonic() + seconds
        while not self.is_set() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, SLICE))
        return self.is_set()
