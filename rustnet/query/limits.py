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
        self._usual: tuple[int, int] | None = None

    def begin(self) -> None:
        """Count a statement; the first one sets the bound."""
        with self._lock:
            if not self._working and sys.platform.startswith("linux"):
                self._lower()
            self._working += 1

    def end(self) -> None:
        """Count a statement no more; the last one removes the bound."""
        with self._lock:
            self._working -= 1
            if not self._working and self._usual is not None:
                resource.setrlimit(resource.RLIMIT_DATA, self._usual)
                self._usual = None
                with contextlib.suppress(OSError):
                    self._kept += _pages(_DATA) - self._before
                self._kept = min(max(0, self._kept), self._more // 4)

    def _lower(self) -> None:
        """Lower the limit of this process's data, unless a lower one is set."""
        with contextlib.suppress(OSError, ValueError):
            usual = resource.getrlimit(resource.RLIMIT_DATA)
            self._before = _pages(_DATA)
            bound = self._before + self._more - self._kept
            if usual[0] == resource.RLIM_INFINITY or bound < usual[0]:
                resource.setrlimit(resource.RLIMIT_DATA, (bound, usual[1]))
                self._usual = usual


READER = MemoryBound(1 << 30)
"""For the process of a reader: twice DuckDB's limit, for results and what they become."""
