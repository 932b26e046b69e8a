"""`StopToken`: stops a run from any thread or from a signal handler."""

import time

SLICE = 0.05
"""Interval in seconds at which a waiting thread checks the token."""


class StopToken:
    """A flag that is set once; it needs no lock, so a signal handler may set it at any moment."""

    def __init__(self) -> None:
        self._requested = False

    def set(self) -> None:
        """Request the run to stop; everything read so far is stored, and the capture is not complete."""
        self._requested = True

    def is_set(self) -> bool:
        """Whether a stop was requested."""
        return self._requested

    def wait(self, seconds: float) -> bool:
        """Wait for some seconds or until the token is set; returns whether it is set."""
        until = time.monotonic() + seconds
        while not self._requested and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, SLICE))
        return self._requested
