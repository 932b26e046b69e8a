"""Which process holds which socket: /proc/PID/fd of every process, or of the likely ones."""

from __future__ import annotations

import os
import time
from collections import Counter, OrderedDict
from typing import Callable

from rustnet.probe.facts import ProcessReader, Stat
from rustnet.probe.hashes import Hashes
from rustnet.probe.lines import Keys, is_another_program, moment, process_keys
from rustnet.probe.procfs import last_pid, link, read, socket_inode

REMEMBERED_PROGRAMS = 16384
"""Processes whose program is remembered."""
NEWBORN, LIKELY, NEAR_DESCRIPTORS, MANY_DESCRIPTORS, DEAD_ENOUGH = 200, 32, 4, 128, 3


class Processes:
    """Holders of socket inodes, and what is known of these processes."""

    def __init__(self, command_lines: bool = True, redacted: bool = True, hashes: bool = False) -> None:
        self.redacted = redacted
        self.reader = ProcessReader(command_lines)
        self.hashes = Hashes() if hashes else None
        self.holders: dict[int, set[int]] = {}
        self.unreadable: set[int] = set()
        """Processes whose descriptors this user may not read."""
        self.known: dict[int, tuple[tuple[Stat, str | None], Keys]] = {}
        """By process: what it was recognised by, and its keys."""
        self.programs: OrderedDict[tuple[int, int], Keys] = OrderedDict()
        """By process and start: its keys as the program that it ran last."""
        self.descriptors: dict[int, dict[str, int]] = {}
        """By process: its descriptors that were sockets, and others as 0, as of the last look."""
        self.likely: OrderedDict[int, list[str]] = OrderedDict()
        """Processes whose new sockets were searched for, the latest last, and the descriptors where they were."""
        self.newest = self.older = 0
        """Highest process id when the last scan began, and the one before: it may have missed the youngest."""
        self.dead: Counter[int] = Counter()
        """How often processes were not there since the last scan: some are only just being created."""
        self.ended: set[int] = set()
        """Inodes of sockets that have ended: their descriptors may be those of new ones."""
        self.owners: list[int] = []
        """Processes that had sockets at the last scan."""
        self.located: list[tuple[int, int]] = []
        """Processes and inodes that a search located while a scan went on."""

    def scan(self, between: Callable[[], None] = lambda: None) -> None:
        """Read the descriptors of all processes; ``between`` is called before each process."""
        holders: dict[int, set[int]] = {}
        newest, self.located, readable = last_pid(), [], set()
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            between()
            pid, folder = int(name), f"/proc/{name}/fd/"
            try:
                descriptors = os.listdir(folder)
            except PermissionError:
                self.unreadable.add(pid)
                continue
            except OSError:
                continue
            readable.add(pid)
            inodes = self.descriptors[pid] = {}
            for descriptor in descriptors:
                inode = inodes[descriptor] = socket_inode(folder + descriptor)
                if inode:
                    holders.setdefault(inode, set()).add(pid)
        for pid, inode in self.located:
            holders.setdefault(inode, set()).add(pid)
        self.holders, self.older, self.newest, self.located = holders, self.newest, newest, []
        self.owners = sorted(pid for pid, inodes in self.descriptors.items() if any(inodes.values()))
        self.dead.clear()
        self.ended.clear()
        for pid in self.descriptors.keys() - readable:
            del self.descriptors[pid]
        alive = set().union(*holders.values())
        self.known = {pid: known for pid, known in self.known.items() if pid in alive}

    def search(self, inode: int, uid: int) -> int | None:
        """Search for a holder of a user's new socket: where the last ones were, then where new ones can be."""
        for pid, near in list(reversed(self.likely.items())):
            for descriptor in reversed(near):
                if socket_inode(f"/proc/{pid}/fd/{descriptor}") == inode:
                    return self._remember(pid, descriptor, inode)
        for pid in self._candidates():
            descriptor_of_inode = self._search_process(pid, inode, uid)
            if descriptor_of_inode is not None:
                return self._remember(pid, descriptor_of_inode, inode)
        return None

    def _candidates(self) -> list[int]:
        """Processes that may hold a new socket, the likeliest first."""
        last = last_pid()
        if last < self.newest:  # the numbers have started again
            self.newest = self.older = 0
        newborn = range(last, max(self.older, last - NEWBORN), -1)
        return list(OrderedDict.fromkeys((*newborn, *reversed(list(self.likely)), *reversed(self.owners))))

    def _search_process(self, pid: int, inode: int, uid: int) -> str | None:
        """The descriptor of a process that is this socket, among its new and reused ones."""
        folder = f"/proc/{pid}/fd/"
        try:
            names = os.listdir(folder) if self.dead[pid] < DEAD_ENOUGH and os.stat(folder).st_uid in {uid, 0} else []
        except OSError:
            self.likely.pop(pid, None)
            self.dead[pid] += 1
            return None
        known, looked = self.descriptors.get(pid, {}), 0
        for name in reversed(names):
            before = known.get(name, -1)
            changeable = before <= 0 or before in self.ended or len(names) <= MANY_DESCRIPTORS
            if changeable and looked < MANY_DESCRIPTORS:
                looked += 1
                known[name] = socket_inode(folder + name)
                if known[name] == inode:
                    return name
        return None

    def _remember(self, pid: int, descriptor: str, inode: int) -> int:
        """Remember where a socket was; returns the process, as ids of threads have folders in /proc too."""
        line = next((one for one in read(f"/proc/{pid}/status").splitlines() if one.startswith(b"Tgid:")), b"")
        pid = int(line.split()[1]) if line else pid
        near = [one for one in self.likely.get(pid, ()) if one != descriptor]
        self.likely[pid] = [*near, descriptor][-NEAR_DESCRIPTORS:]
        self.likely.move_to_end(pid)
        if len(self.likely) > LIKELY:
            self.likely.popitem(last=False)
        self.holders.setdefault(inode, set()).add(pid)
        self.located.append((pid, inode))
        return pid

    def describe(self, pid: int) -> tuple[int, Keys] | None:
        """Start of a process, and its keys in a line; None if it is gone."""
        stat = self.reader.stat(pid)
        if stat is None:
            return None
        known, identity = self.known.get(pid), (stat, link(f"/proc/{pid}/exe"))
        if known is None or known[0] != identity:
            keys = process_keys(self.reader.facts(pid, stat), self.redacted)
            known = self.known[pid] = identity, self.as_program(pid, stat[2], keys)
            if self.hashes:
                self.hashes.want(pid, known[1])
        return stat[2], known[1]

    def as_program(self, pid: int, started: int, keys: Keys) -> Keys:
        """Add since when a process has been this program under this name, if it was another one before."""
        before = self.programs.pop((pid, started), None)
        if before is not None and is_another_program(before, keys):
            keys["changed_before"] = moment(time.time_ns())
        elif before is not None and "changed_before" in before:
            keys["changed_before"] = before["changed_before"]
        self.programs[pid, started] = keys
        if len(self.programs) > REMEMBERED_PROGRAMS:
            self.programs.popitem(last=False)
        return keys
