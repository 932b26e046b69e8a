"""Processes that events name: from /proc while they are there, else as the kernel knew them at the event."""

from __future__ import annotations

import os
from collections import OrderedDict

from rustnet.probe.ebpf.events import ProcessEvent, Who
from rustnet.probe.lines import Keys, moment
from rustnet.probe.processes import Processes
from rustnet.probe.procfs import user_name

KNOWN = 16384
"""Processes that are remembered at most."""
NAME_BYTES = 15
"""Longest name of a process in the kernel."""


class Describer:
    """Describes each program that a process runs once."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.known: OrderedDict[tuple[int, int], tuple[Who, Keys]] = OrderedDict()
        """By process and start: what the kernel knew of it then, and its keys."""
        self.executed: OrderedDict[int, ProcessEvent] = OrderedDict()
        """By process: the program that it began last."""
        self.tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def process(self, event: ProcessEvent) -> None:
        """Note that a process has begun another program: what is known of it no longer holds."""
        pid = event.who.pid
        self.known.pop(self._holder(event.who), None)
        self.processes.known.pop(pid, None)
        self.executed[pid] = event
        self.executed.move_to_end(pid)
        if len(self.executed) > KNOWN:
            self.executed.popitem(last=False)

    def _holder(self, who: Who) -> tuple[int, int]:
        """Process id, and start as /proc gives it."""
        return who.pid, self.processes.reader.boot_ns + who.started // self.tick_ns * self.tick_ns

    def owner(self, who: Who) -> tuple[tuple[int, int], Keys]:
        """A process with its start, and its keys in a line."""
        holder = self._holder(who)
        known = self.known.get(holder)
        if known is not None and (known[0].name, known[0].uid, known[0].gid) == (who.name, who.uid, who.gid):
            self.known.move_to_end(holder)
            return holder, known[1]
        described = self.processes.describe(who.pid)
        stat = self.processes.reader.stat(who.pid) if described is not None else None
        # Under another name it may be another program by now, which /proc describes.
        if described is not None and stat is not None and (stat[0], stat[2]) == (who.name, holder[1]):
            keys = described[1]
        elif known is not None:
            keys = {**known[1], "process_name": self._name(who), "process_uid": who.uid, "process_gid": who.gid}
            keys["username"] = user_name(who.uid)
        else:
            keys = self._from_event(who, holder[1])
        keys = self.processes.as_program(*holder, keys)
        self.known[holder] = who, keys
        if len(self.known) > KNOWN:
            self.known.popitem(last=False)
        return holder, keys

    def _program(self, who: Who) -> ProcessEvent | None:
        """The program that a process began last, if that was this process and not one with the same id before."""
        event = self.executed.get(who.pid)
        return event if event is not None and event.who.started == who.started else None

    def _name(self, who: Who) -> str:
        """A process's name; whole if the kernel's is only its beginning and the program's file has the rest."""
        program = self._program(who)
        file = program.path.rpartition("/")[2] if program else ""
        cut = len(who.name.encode()) == NAME_BYTES and file.startswith(who.name)
        return file if cut else who.name

    def _from_event(self, who: Who, started: int) -> Keys:
        """Keys of a process that ended before /proc could be read."""
        program = self._program(who)
        keys: Keys = {
            "pid": who.pid,
            "process_name": self._name(who),
            "process_uid": who.uid,
            "process_gid": who.gid,
            "username": user_name(who.uid),
            "started_at": moment(started),
            "process_from": "ebpf",
        }
        if program is not None:
            keys["process_ppid"] = program.parent
            if program.path.startswith("/") and not program.path.startswith("/dev/fd/"):
                keys["process_executable"] = program.path
        return keys
