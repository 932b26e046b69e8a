"""The open sockets and the processes that hold them, as changes between looks."""

from __future__ import annotations

import io
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, FrozenSet, Tuple, TypeVar

from rustnet.probe.lines import Keys
from rustnet.probe.output import LineWriter
from rustnet.probe.owners import Owners
from rustnet.probe.sockets import EXACT, LISTENER, Entry, Holding, SocketTable
from rustnet.probe.sources import ProcessSource, SocketSource

MOST_SOCKETS = 32768
"""Sockets that are followed."""
MOST_CHANGES = 4096
"""Changes of connections at one look; sockets that wait for peers always have their lines."""
MOST_HOLDERS = 16
"""Processes of one socket that a line names."""

Of = TypeVar("Of")
Holders = FrozenSet[Tuple[int, int]]
"""Process ids and starts."""


@dataclass
class Known:
    """A socket as its latest line showed it."""

    keys: Keys
    state: str
    holders: Holders


class OwnSockets:
    """A table of sockets that is read here, where no recorder does."""

    def __init__(self, sockets: SocketSource, processes: ProcessSource) -> None:
        count: Counter[str] = Counter()
        self.sockets, self.processes, self.count = sockets, processes, count
        self.table = SocketTable(0, count)
        self.owners = Owners(self.table, processes, _NoLines(io.StringIO(), {}, None, count), count)

    def update(self, rest: Callable[[], None]) -> None:
        """Look at every socket and every process once."""
        table = self.table
        table.previous, table.now = table.now, time.time_ns()
        for _ in self.sockets.notices(self.count):
            pass
        self.sockets.update(table, False, rest)
        for key in [key for key, entry in table.entries.items() if entry.last < table.now]:
            table.by_cookie.pop(table.entries.pop(key).cookie, None)
        self.owners.scan(rest)
        self.owners.assign(table.entries.values())
        self.count["polls"] += 1

    def close(self) -> None:
        """Close what is open."""
        self.sockets.close()


class _NoLines(LineWriter):
    """Writes nothing: only the table is wanted."""

    def connection(self, entry: Entry, held: Holding, owners: int) -> None:
        """Write nothing."""


class SocketChanges:
    """Lines about sockets that were opened, changed or closed since the last look."""

    def __init__(self, put: Callable[[Keys], None]) -> None:
        self.put = put
        self.known: dict[Any, Known] = {}
        self.numbered = 0
        self.looked = 0
        """Time of the poll that the table showed when it was last looked at (ns since 1970)."""
        self.left_out = 0
        """Most sockets without a line at one look, as last said."""

    def look(self, table: SocketTable) -> None:
        """Compare the table with what was said before; what waits for peers comes first.

        The table may be in the middle of a poll, but its first one must have ended.
        """
        at, polled = time.time_ns(), table.now
        present = [(key, entry) for key, entry in items(table.entries) if not entry.gone]
        keys = {key for key, _ in present}
        for key in [one for one in self.known if one not in keys]:
            self._put(self.known.pop(key), "closed", at, {})
        present.sort(key=lambda one: one[1].match == EXACT)  # keeps the order otherwise
        changes = left_out = 0
        for key, entry in present:
            known = self.known.get(key)
            state, holders = str(entry.keys.get("state")), frozenset(entry.holders)
            if known and known.state == state and (known.holders == holders or not holders):
                continue
            changes += entry.match == EXACT
            if changes > MOST_CHANGES or (known is None and len(self.known) >= MOST_SOCKETS):
                left_out += 1
            elif known:
                known.state, known.holders = state, holders or known.holders
                self._put(known, "changed", at, varying_keys(entry))
            else:
                self._open(key, entry)
        self.looked = polled
        if left_out > self.left_out:
            more, self.left_out = left_out - self.left_out, left_out
            self.put({"record": "machine_gap", "at": at, "what": "sockets", "reason": "limit", "count": more})

    def _open(self, key: Any, entry: Entry) -> None:
        self.numbered += 1
        keys: Keys = {
            "record": "socket",
            "socket": self.numbered,
            "protocol": entry.keys.get("protocol"),
            "local": entry.keys.get("local_addr"),
            "remote": entry.keys.get("remote_addr") if entry.match == EXACT else None,
            "listening": entry.match == LISTENER,
            "ipv6_only": entry.keys.get("ipv6_only"),
            "network_namespace": entry.keys.get("network_namespace"),
        }
        known = self.known[key] = Known(keys, str(entry.keys.get("state")), frozenset(entry.holders))
        self._put(known, "opened" if self.looked else "present", entry.first, varying_keys(entry))

    def _put(self, known: Known, change: str, at: int, varying: Keys) -> None:
        known.keys.update(varying)
        before = min(self.looked, at) or None
        self.put({**known.keys, "state": known.state, "change": change, "at": at, "before": before})


def items(table: dict[Any, Of]) -> list[tuple[Any, Of]]:
    """Keys and values of a dictionary that another thread may change meanwhile."""
    while True:
        try:
            return list(table.items())
        except RuntimeError:  # it did
            continue


def varying_keys(entry: Entry) -> Keys:
    """User and inode, which a connection has only when it was accepted, and who holds it."""
    inode = entry.inode if entry.keys.get("socket_inode", entry.inode) else 0
    return {"uid": entry.keys.get("socket_uid"), "inode": inode or None, **owner_keys(entry)}


def owner_keys(entry: Entry) -> Keys:
    """The process that has held a socket longest, and the names of all that hold it."""
    holders = sorted(items(entry.holders), key=lambda one: (one[1].first, one[0][1], one[0][0]))
    if not holders:
        return {}
    (_, started), first = holders[0]
    process = first.process
    return {
        "pid": process.get("pid"),
        "process_name": process.get("process_name"),
        "process_started": started or None,
        "exe": process.get("process_executable"),
        "cmdline": process.get("cmdline"),
        "username": process.get("username"),
        "holders": [[held.process.get("process_name"), held.process.get("pid")] for _, held in holders[:MOST_HOLDERS]],
        "holder_count": len(holders),
    }
