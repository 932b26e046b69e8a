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
TIMED_GAP, COUNTED_GAP, PLAIN_GAP = 86_400 * SECOND, 60 * SECOND, SECOND
"""Nanoseconds of packet time that files may be apart: if their names have times (``tcpdump -G``, which begins a file
though the network is quiet), if they are counted up (``tcpdump -C``, which begins one with a packet), and otherwise."""

NAMED_OVERLAP, PLAIN_OVERLAP = SECOND, SECOND // 100
"""Nanoseconds that they may overlap: packets near the border may be out of order."""

TIME_DIGITS = 4
"""Digits from which on numbers in a name may be a time."""

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


def _plain(path: str) -> str:
    """Name without the suffix of a compression."""
    name = Path(path).name
    for suffix in (".gz", ".zst", ".xz", ".lz4"):
        name = name.removesuffix(suffix)
    return name


def _stem(path: str) -> str:
    """Name without the numbers in it: ``cap.pcap`` and ``cap.pcap2`` have the same."""
    return _NUMBER.sub("", _plain(path))


def _numbers(path: str) -> list[str]:
    """The numbers in a name."""
    return [number[:18] for number in _NUMBER.findall(_plain(path))]


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
    most = _gap_by_names(earlier.path, entry.path)
    allowed = PLAIN_OVERLAP if most == PLAIN_GAP else NAMED_OVERLAP
    return -min(allowed, (last_ts - first.first_ts) // OVERLAPPING_PART) <= gap <= most


def _gap_by_names(first: str, second: str) -> int:
    """How far apart two files may be, as their names suggest."""
    if _stem(first) != _stem(second):
        return PLAIN_GAP
    one, other = _numbers(first), _numbers(second)
    if len(one) < len(other):  # tcpdump -C does not number its first file
        one = [*one, "0"]
    changed = [(a, b) for a, b in zip(one, other, strict=False) if a != b]
    if len(changed) == 1 and int(changed[0][1]) == int(changed[0][0]) + 1:
        return COUNTED_GAP
    times = sum(len(b) for _, b in changed) >= TIME_DIGITS
    return TIMED_GAP if times and [int(b) for _, b in changed] > [int(a) for a, _ in changed] else PLAIN_GAP


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

    def may_follow(self, earlier: Entry) -> list[Entry]:
        """The next inputs that may continue ``earlier``: they were written like it."""
        following = []
        for entry in self._entries:
            if earlier.beginning is None or entry.beginning is None:
                break
            if not self._alike(earlier.beginning, entry.beginning):
                break
            following.append(entry)
        return following

    def drop_following(self, earlier: Entry) -> list[Entry]:
        """Remove and return the next inputs that may continue ``earlier``."""
        dropped = self.may_follow(earlier)
        for _ in dropped:
            self._entries.popleft()
        return dropped


def _peeked(path: str, peek: Callable[[str], Beginning | None]) -> Beginning | None:
    """Beginning of an input that can be read twice; what is wrong with others is reported when they are read."""
    try:
        if path == STDIN or not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 -- a path may be no UTF-8
            return None
        return peek(path)
    except (OSError, ValueError, RustnetError):
        return None
