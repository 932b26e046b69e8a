"""Counters of the captured interfaces, second by second."""

from __future__ import annotations

import time
from typing import Callable, Iterable, Iterator, Sequence

from rustnet.probe import machine_netlink as netlink
from rustnet.probe import machine_parse as parse
from rustnet.probe.lines import Keys

MOST_COUNTED = 64
"""Interfaces whose counters are recorded where all are captured."""
NAMES = ("rx_packets", "rx_bytes", "rx_errors", "rx_drops", "tx_packets", "tx_bytes", "tx_errors", "tx_drops")

Read = Callable[[], Iterable["tuple[str, Sequence[int]]"]]
"""Reads the counters of interfaces, as `NAMES`, by name."""


class Counters:
    """Counters of interfaces, and what they grew by since they were last read."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.last: dict[str, tuple[float, Sequence[int]]] = {}
        """When an interface's counters were last read (monotonic), and their values."""

    def lines(self) -> list[Keys]:
        """A line for each interface.

        The growth is left out where there was none before, or where a counter fell: the interface is another one.
        """
        lines: list[Keys] = []
        latest: dict[str, tuple[float, Sequence[int]]] = {}
        for name, values in self.read():
            now, at = time.monotonic(), time.time_ns()
            keys: Keys = {"record": "interface_stats", "at": at, "interface": name}
            keys.update(("total_" + key, value) for key, value in zip(NAMES, values))
            before = self.last.get(name)
            if before and all(new >= old for new, old in zip(values, before[1])):
                keys["span_ns"] = round((now - before[0]) * 1e9)
                keys.update((key, new - old) for key, new, old in zip(NAMES, values, before[1]))
            latest[name] = now, values
            lines.append(keys)
        self.last = latest
        return lines


def kernel_counters(questions: netlink.Questions, names: Sequence[str] | None) -> Iterator[tuple[str, list[int]]]:
    """Counters of the named interfaces that exist; without names, of all of them up to a bound."""
    if names is None:
        names = [one.name for one in map(parse.link, _links(questions)) if one is not None]
    for name in names[:MOST_COUNTED]:
        body = questions.link(name)
        counted = parse.counters(body) if body else None
        if counted:
            yield counted


def _links(questions: netlink.Questions) -> list[bytes]:
    try:
        return questions.dump(netlink.RTM_GETLINK, 0, MOST_COUNTED).bodies
    except OSError:
        return []
