"""`StopToken`: asks a run to stop, from any thread or from a signal handler."""

import time

SLICE = 0.05
"""Seconds of waiting between two looks at the token."""


class StopToken:
    """A flag that is set once. It holds no lock, so that a signal handler may set it at any moment."""

    def __init__(self) -> None:
        self._asked = False

    def set(self) -> None:
        """Ask the run to stop; what was read until then is stored, and the capture is not complete."""
        self._asked = True

    def is_set(self) -> bool:
        """Whether the run was asked to stop."""
        return self._asked

    def wait(self, seconds: float) -> bool:
        """Wait, at most until the token is set; returns whether it is."""
        until = time.monotonic() + seconds
        while not self._asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, SLICE))
        return self._asked
