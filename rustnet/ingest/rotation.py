"""Rotation: requests to begin new files while a capture goes on, and the names of sessions that follow each other."""

import datetime as dt
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from rustnet.errors import SessionError

_COUNT = struct.Struct("=Q")
MOST_OF_SECOND = 1000
"""Sessions whose names begin with the same second."""


class Rotations:
    """Counts requests to begin new files; processes that are forked later see them too, and nobody needs a lock."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _COUNT.size)

    @property
    def count(self) -> int:
        """Number of requests so far."""
        return int(_COUNT.unpack_from(self._memory)[0])

    def request(self) -> None:
        """Request new files; by one process, also in a signal handler."""
        _COUNT.pack_into(self._memory, 0, self.count + 1)

    def turn(self) -> "Turn":
        """What one who begins new files needs to notice requests from now on."""
        return Turn(self)


class Turn:
    """Notices each request once; several requests at a time are one."""

    def __init__(self, rotations: Rotations) -> None:
        self._rotations = rotations
        self._seen = rotations.count

    def due(self) -> bool:
        """Whether new files were requested since the last `take`."""
        return self._rotations.count != self._seen

    def take(self) -> bool:
        """Whether new files were requested; the request is done with."""
        count = self._rotations.count
        due, self._seen = count != self._seen, count
        return due


def session_paths(first: str, clock_ns: Callable[[], int]) -> Iterator[str]:
    """Paths of the sessions that follow each other: the first one, then with the time in UTC at which each begins.

    ``s.duckdb`` is followed by ``s-20261130T101500Z.duckdb``, which is a new file; the clock is asked when the path is.
    """
    yield first
    path = Path(first)
    while True:
        at = dt.datetime.fromtimestamp(clock_ns() // 10**9, dt.UTC)
        stem = f"{path.stem}-{at:%Y%m%dT%H%M%SZ}"
        for number in range(MOST_OF_SECOND):
            name = path.with_name(f"{stem}{f'-{number}' if number else ''}{path.suffix}")
            if not os.path.lexists(name):
                break
        else:
            raise SessionError("{path}: too many sessions begin with this name", path=name)
        yield str(name)
