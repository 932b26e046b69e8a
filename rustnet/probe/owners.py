"""Which processes hold the sockets of the table, from poll to poll."""

from __future__ import annotations

import time
from collections import Counter
from typing import Callable, Iterable

from rustnet.probe.lines import Keys, is_another_program
from rustnet.probe.output import LineWriter
from rustnet.probe.sockets import Entry, Holding, SocketTable
from rustnet.probe.sources import ProcessSource


class Owners:
    """Assigns sockets to the processes that hold them."""

    def __init__(self, table: SocketTable, processes: ProcessSource, lines: LineWriter, count: Counter[str]) -> None:
        self.table, self.processes, self.lines, self.count = table, processes, lines, count
        self.scanned = 0
        """When all processes were last read (ns since 1970)."""

    def scan(self, between: Callable[[], None]) -> None:
        """Read all processes; ``between`` two of them something else may be done."""
        self.processes.scan(between)
        self.scanned = time.time_ns()
        self.count["scans"] += 1

    def search(self, entry: Entry) -> int | None:
        """Search for a process that holds a new socket, where that is quickly done."""
        return self.processes.search(entry.inode, entry.keys.get("socket_uid", 0))

    def located(self, entry: Entry) -> bool:
        """Whether it is known who holds a socket, after a quick search if need be."""
        inode = entry.inode
        return bool(entry.holders) or not inode or inode in self.processes.holders or self.search(entry) is not None

    def assign(self, entries: Iterable[Entry]) -> None:
        """Note who holds these sockets now; a process that has let go while others hold on gets its line."""
        described: dict[int, tuple[int, Keys] | None] = {}
        for entry in entries:
            present = set()
            current = entry.inode and entry.last == self.table.now
            for pid in self.processes.holders.get(entry.inode, ()) if current else ():
                if pid not in described:
                    described[pid] = self.processes.describe(pid)
                process = described[pid]
                if process:
                    holder = (pid, process[0])
                    present.add(holder)
                    self._hold(entry, holder, process[1])
            for holder in [one for one in entry.holders if present and one not in present]:
                self._release(entry, entry.holders.pop(holder), len(present) + 1)

    def _hold(self, entry: Entry, holder: tuple[int, int], process: Keys) -> None:
        """Begin or prolong a process's holding of a socket."""
        now, held = self.table.now, entry.holders.get(holder)
        if held is not None and is_another_program(held.process, process):
            self._release(entry, entry.holders.pop(holder), len(entry.holders) + 1)
            held = entry.holders[holder] = Holding(process, now, now)
        elif held is None:
            first = now if entry.holders else entry.first
            held = entry.holders[holder] = Holding(process, first, now)
        held.last = now

    def _release(self, entry: Entry, held: Holding, owners: int) -> None:
        """Write the line of a process that no longer holds a socket which stays open."""
        held.released = self.table.now
        self.lines.connection(entry, held, owners)
