"""How often a screen asks a session that is being written: its readers share the processors with the writer.

Never more than once a second, and so rarely that answering takes a small share of the time. A terminal that has lost
the focus is asked for even less.
"""

import time
from collections.abc import Callable

SHORTEST_SECONDS = 1.0
"""Shortest time between two questions."""
LONGEST_SECONDS = 5.0
"""Longest time between two questions, however long an answer takes."""
SHARE = 0.1
"""Share of the time that the writer may spend on answers for one screen."""
BLURRED_SECONDS = 5.0
"""Shortest time between two questions while the terminal has no focus."""


class Following:
    """Decides when the screen asks again."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._begun: float | None = None
        self._next = 0.0
        self.blurred = False
        """The terminal has lost the focus."""

    @property
    def waiting(self) -> bool:
        """Whether an answer is awaited."""
        return self._begun is not None

    def due(self) -> bool:
        """Whether it is time to ask, and no answer is awaited."""
        return self._begun is None and self._now() >= self._next

    def asked(self) -> None:
        """A question has been asked."""
        self._begun = self._now()

    def answered(self, seconds: float | None = None) -> None:
        """The answer has come; ``seconds`` is what it took the session, if known."""
        now = self._now()
        took = seconds if seconds is not None else 0.0 if self._begun is None else now - self._begun
        least = BLURRED_SECONDS if self.blurred else SHORTEST_SECONDS
        self._next = now + min(max(took / SHARE, least), LONGEST_SECONDS)
        self._begun = None
