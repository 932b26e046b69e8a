"""The clock of playing: at which packet time a session is shown, and how it moves on.

One state machine for a saved session, a replay that is being written, and a live capture. What shows the session calls
`tick` some times a second and shows `position`; None is the end: of a session that is being written, what has come.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum

TICKS_PER_SECOND = 4
"""Ticks that a player is given."""
SPEEDS = tuple(round(m * 10.0**e, 4) for e in range(-3, 6) for m in (1, 2, 5))
"""Speeds, in seconds of packet time for each second."""
USUAL = SPEEDS.index(1.0)
SHORTEST_PLAY = 15
"""Seconds that playing a complete session takes at least, by a lower speed at the beginning."""
_KEPT = 8
"""Ticks over which the real rate is measured."""
_SECOND = 10**9

Gaps = Sequence[tuple[int, int]]


class Source(Enum):
    """Where the packets come from."""

    SAVED = "saved"
    """A session that is complete."""
    REPLAY = "replay"
    """A capture that another process is replaying."""
    LIVE = "live"
    """An interface that another process is capturing on."""


class PlayClock:
    """Position, speed, and whether it plays."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.source = Source.SAVED
        self.first: int | None = None
        """Time of the first packet, in nanoseconds since 1970 UTC; None: there is none yet."""
        self.head: int | None = None
        """Time of the last packet so far."""
        self.position: int | None = None
        """Packet time at which the session is shown; None: its end, or what has come so far."""
        self.playing = False
        self.dropped = 0
        """Ticks dropped while it plays, because the last position was not shown yet."""
        self._speed = USUAL
        self._moved = 0.0
        self._gaps: Gaps = ()
        self._ticks: deque[float] = deque(maxlen=_KEPT)

    # ---- what it is --------------------------------------------------------------------------------------------------

    @property
    def speed(self) -> float:
        """Seconds of packet time that pass in a second."""
        return SPEEDS[self._speed]

    @property
    def written(self) -> bool:
        """Whether packets are still coming."""
        return self.source is not Source.SAVED

    @property
    def following(self) -> bool:
        """Whether the newest packets are shown as they come."""
        return self.written and self.position is None

    @property
    def at(self) -> int | None:
        """Packet time of what is shown; None without packets."""
        return self.head if self.position is None else self.position

    @property
    def behind(self) -> int:
        """How far the last packet is ahead of what is shown, in nanoseconds."""
        return 0 if self.position is None or self.head is None else max(0, self.head - self.position)

    @property
    def rate(self) -> float | None:
        """Positions shown per second while it plays, as measured; None before there are enough."""
        if not self.playing or len(self._ticks) < 3:
            return None
        return (len(self._ticks) - 1) / max(1e-9, self._ticks[-1] - self._ticks[0])

    @property
    def step(self) -> int:
        """Length of one step: what passes in a second of playing."""
        return max(1, round(self.speed * _SECOND))

    # ---- what changes it ---------------------------------------------------------------------------------------------

    def extend(self, first: int | None, head: int | None, source: Source, gaps: Gaps = ()) -> None:
        """Take the span of the session as it is now; ``gaps`` are spans without packets, which playing leaves out."""
        if self.first is None and first is not None and head is not None and source is Source.SAVED:
            self._speed = _first_speed(head - first)
        self.first, self.head, self.source, self._gaps = first, head, source, gaps
        if first is None or head is None:
            self.position, self.playing = None, False
        elif self.position is not None:
            self._place(self.position)

    def play(self) -> None:
        """Play from the present position; a saved session that is at its end, from its beginning."""
        if self.first is None or self.following or self.playing:
            return
        if self.position is None:
            self.position = self.first
        self.playing = True
        self._restart()

    def pause(self) -> None:
        """Stay at the present position, also while packets still come."""
        if self.following:
            self.position = self.head
        self.playing = False

    def stop(self) -> None:
        """End playing, but go on to follow."""
        self.playing = False

    def hold(self) -> None:
        """Let the time since the last tick not count."""
        self._restart()

    def toggle(self) -> None:
        """Play, or pause."""
        if self.playing or self.following:
            self.pause()
        else:
            self.play()

    def change_speed(self, by: int) -> None:
        """Take the next higher or lower speed."""
        self._speed = min(max(self._speed + by, 0), len(SPEEDS) - 1)
        self._restart()

    def go_to(self, ns: int | None) -> None:
        """Show another time, kept within the session; None: its end, or the newest packets as they come."""
        if ns is None or self.first is None or self.head is None:
            self.position, self.playing = None, False
            return
        self._place(ns)
        self._restart()

    def tick(self, *, busy: bool = False) -> bool:
        """Move on by the time that has passed; returns whether the position is another one.

        While the screen is ``busy`` with the last position, the tick is dropped; the next one makes up for it.
        """
        if not self.playing or self.position is None or self.head is None:
            return False
        if busy:
            self.dropped += 1
            return False
        now = self._now()
        passed = int((now - self._moved) * self.speed * _SECOND)
        if passed < 1:
            return False
        self._moved = now
        self._ticks.append(now)
        position = advanced(self.position, passed, self._gaps)
        if position >= self.head:
            self.position, self.playing = None, False
        else:
            self.position = position
        return True

    def _place(self, ns: int) -> None:
        self.position = min(max(ns, self.first or 0), self.head or 0)

    def _restart(self) -> None:
        """Measure from now on."""
        self._moved = self._now()
        self._ticks.clear()


def _first_speed(length: int) -> int:
    """Number of the highest speed, of at most 1, at which playing so many nanoseconds takes long enough to see."""
    slow = [at for at in range(USUAL + 1) if length >= SHORTEST_PLAY * SPEEDS[at] * _SECOND]
    return max(slow, default=0)


def advanced(ns: int, by: int, gaps: Gaps) -> int:
    """``ns`` moved on by so many nanoseconds, in which gaps do not count."""
    for start, end in gaps:
        if end <= ns:
            continue
        if ns + by < start:
            break
        by -= max(0, start - ns)
        ns = end
    return ns + by
