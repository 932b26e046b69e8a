"""Limits on the memory of a process that runs readers' SQL, also on what DuckDB does not count.

A function's result is allocated at once, outside DuckDB's limit. Only the system can refuse that: while statements
run, the process may have a bounded amount of memory more than when the first of them began (Linux). DuckDB turns a
refused allocation into an error of the statement.
"""

import contextlib
import os
import resource
import sys
import threading
from pathlib import Path

_STATM = Path("/proc/self/statm")
_RESIDENT, _DATA = 1, 5
"""Places in `_STATM`."""


def _pages(place: int) -> int:
    """Bytes of this process's memory, by a place in `_STATM`."""
    return int(_STATM.read_bytes().split()[place]) * os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Bytes of memory that this process occupies; 0 where the system does not say."""
    try:
        return _pages(_RESIDENT)
    except OSError:
        return 0


class _DataLimit:
    """The limit of this process's data: the lowest of the bounds that are in force, or what it was before them."""

    def __init__(self) -> None:
        self._bounds: dict[int, int] = {}
        self._lock = threading.Lock()
        self._usual = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def lower(self, owner: int, bound: int) -> None:
        """Put a bound in bytes in force, under a number of its own."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if not self._bounds:
                self._usual = resource.getrlimit(resource.RLIMIT_DATA)
            self._bounds[owner] = bound
            self._set()

    def lift(self, owner: int) -> None:
        """Take the bound with this number out of force, if it is in force."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._bounds.pop(owner, None) is not None:
                self._set()

    def _set(self) -> None:
        soft, hard = self._usual
        bounds = [bound for bound in (*self._bounds.values(), soft) if bound != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(bounds, default=resource.RLIM_INFINITY), hard))


_DATA_LIMIT = _DataLimit()


class MemoryBound:
    """While at least one statement works, bounds what the process may allocate in addition.

    What the allocator kept of earlier statements counts, up to a quarter: the next ones use it again.
    """

    def __init__(self, more: int) -> None:
        self._more = more
        self._kept = 0
        self._before = 0
        self._working = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Count a statement; the first one sets the bound."""
        with self._lock:
            if not self._working and sys.platform.startswith("linux"):
                with contextlib.suppress(OSError):
                    self._before = _pages(_DATA)
                    _DATA_LIMIT.lower(id(self), self._before + self._more - self._kept)
            self._working += 1

    def end(self) -> None:
        """Count a statement no more; the last one removes the bound."""
        with self._lock:
            self._working -= 1
            if not self._working and sys.platform.startswith("linux"):
                _DATA_LIMIT.lift(id(self))
                with contextlib.suppress(OSError):
                    self._kept += _pages(_DATA) - self._before
                self._kept = min(max(0, self._kept), self._more // 4)


READER = MemoryBound(1 << 30)
"""For the process of a reader: twice DuckDB's limit, for results and what they become."""
