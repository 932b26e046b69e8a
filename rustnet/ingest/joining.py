"""Which inputs of a run are one capture: files that continue each other in time on the same interface."""

import os
import re
import stat
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rustnet.errors import RustnetError
from rustnet.sources.stored import STDIN

Join = Literal["auto", "always", "never"]
"""Whether inputs are joined: if they continue each other; all of them; none."""

SECOND = 10**9
NAMED_GAP, NAMED_OVERLAP = 86_400 * SECOND, SECOND
"""Nanoseconds of packet time that files whose names differ only in numbers may be apart, or overlap: the network may be
quiet while a file is rotated, and packets near the border may be out of order."""

PLAIN_GAP, PLAIN_OVERLAP = 10 * SECOND, SECOND // 100
"""The same for files with other names."""

OVERLAPPING_PART = 10
"""Files overlap by a tenth of the earlier one at most: those that overlap more were captured at the same time."""

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the first packet of a file shows."""

    format: str
    link_type: int
    snaplen: int
    interface: str
    application: str
    first_ts: int

    def same_place(self, other: "Beginning") -> bool:
        """Whether two files were written alike: by the same program, on the same interface."""
        mine = (_family(self.format), self.link_type, self.snaplen, self.interface, self.application)
        return mine == (_family(other.format), other.link_type, other.snaplen, other.interface, other.application)


@dataclass(frozen=True, slots=True)
class Entry:
    """One input of a run."""

    path: str
    index: int
    """Its place among the inputs."""
    beginning: Beginning | None = None
    """None if it cannot be joined: a pipe, or a file without a packet."""


def _family(format_: str) -> str:
    """Format without its compression: a rotated file may have been compressed since."""
    return format_.partition("+")[0]


def _stem(path: str) -> str:
    """Name without the numbers in it: ``cap.pcap`` and ``cap.pcap2`` have the same."""
    name = Path(path).name
    for suffix in (".gz", ".zst", ".xz", ".lz4"):
        name = name.removesuffix(suffix)
    return _NUMBER.sub("", name)


def continues(earlier: Entry, last_ts: int | None, entry: Entry, mode: Join) -> bool:
    """Whether a file continues another one, whose last packet has the time ``last_ts``."""
    first, second = earlier.beginning, entry.beginning
    if first is None or second is None or mode == "never":
        return False
    if mode == "always":
        return True
    if last_ts is None or not first.same_place(second):
        return False
    gap = second.first_ts - last_ts
    named = _stem(earlier.path) == _stem(entry.path)
    overlap = min(NAMED_OVERLAP if named else PLAIN_OVERLAP, (last_ts - first.first_ts) // OVERLAPPING_PART)
    return -overlap <= gap <= (NAMED_GAP if named else PLAIN_GAP)


class Queue:
    """The inputs of a run in the order in which they are read: possible parts of one capture in the order of time.

    ``peek`` returns the beginning of a file, None if it has no packets; it may raise `RustnetError`.
    """

    def __init__(self, paths: Sequence[str], mode: Join, peek: Callable[[str], Beginning | None]) -> None:
        self.mode = mode
        if mode == "never" or len(paths) < 2:
            self._entries = deque(Entry(path, i) for i, path in enumerate(paths))
            return
        entries = [Entry(path, i, _peeked(path, peek)) for i, path in enumerate(paths)]
        groups: list[list[Entry]] = []
        for entry in entries:
            for group in groups:
                if entry.beginning and group[0].beginning and self._alike(group[0].beginning, entry.beginning):
                    group.append(entry)
                    break
            else:
                groups.append([entry])
        for group in groups:
            group.sort(key=lambda entry: (entry.beginning.first_ts if entry.beginning else 0, entry.index))
        self._entries = deque(entry for group in groups for entry in group)

    def _alike(self, first: Beginning, second: Beginning) -> bool:
        return self.mode == "always" or first.same_place(second)

    def pop(self) -> Entry | None:
        """Remove and return the next input; None if there is none."""
        return self._entries.popleft() if self._entries else None

    def pop_following(self, earlier: Entry, last_ts: int | None) -> Entry | None:
        """Remove and return the next input if it continues ``earlier``."""
        if self._entries and continues(earlier, last_ts, self._entries[0], self.mode):
            return self._entries.popleft()
        return None

    def drop_following(self, earlier: Entry) -> list[Entry]:
        """Remove and return the next inputs as long as they may continue ``earlier``."""
        dropped = []
        while self.may_follow(earlier):
            dropped.append(self._entries.popleft())
        return dropped

    def may_follow(self, entry: Entry) -> bool:
        """Whether the next input was written like ``entry``, so that it may continue it."""
        if not self._entries or entry.beginning is None:
            return False
        following = self._entries[0].beginning
        return following is not None and self._alike(entry.beginning, following)

    def rest_bytes(self, earlier: Entry) -> int:
        """Size of the inputs that may continue ``earlier``, all together."""
        size = 0
        for entry in self._entries:
            if earlier.beginning is None or entry.beginning is None:
                break
            if not self._alike(earlier.beginning, entry.beginning):
                break
            size += _size(entry.path)
        return size


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _peeked(path: str, peek: Callable[[str], Beginning | None]) -> Beginning | None:
    """Beginning of an input that can be read twice; what is wrong with others is reported when they are read."""
    try:
        if path == STDIN or not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 -- a path may be no UTF-8
            return None
        return peek(path)
    except (OSError, ValueError, RustnetError):
        return None
