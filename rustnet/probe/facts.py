"""Facts about single processes, read from /proc/PID."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from typing import Tuple

from rustnet.probe.containers import Pods, cgroup_keys
from rustnet.probe.lines import ANCESTORS, NAME_BYTES, Keys, ProcessFacts, text
from rustnet.probe.procfs import link, read, user_name

Stat = Tuple[str, int, int]
"""Name, parent and start (ns since 1970) of a process."""
STATUS_LINES = {b"Uid", b"Gid", b"CapEff"}
NO_LOGIN = 0xFFFFFFFF
DELETED = " (deleted)"
LINEAGES = 16384
SCRIPT_WORDS = 3
"""Words of a command line among which its script is: after the interpreter, and perhaps one option."""


class ProcessReader:
    """Reads name, user, command line, ancestors and more of a process."""

    def __init__(self, command_lines: bool) -> None:
        self.command_lines = command_lines
        self.pods = Pods()
        self.lineages: OrderedDict[tuple[int, int], list[Keys]] = OrderedDict()
        """By process and start: the process and its ancestors, itself last."""
        self.boot_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def stat(self, pid: int) -> Stat | None:
        """Name, parent and start of a process; None if it is gone."""
        raw = read(f"/proc/{pid}/stat")
        opening, closing = raw.find(b"("), raw.rfind(b")")  # the name may hold spaces and brackets
        fields = raw[closing + 2 :].split()
        if opening < 0 or len(fields) < 20:
            return None
        return text(raw[opening + 1 : closing]), int(fields[1]), self.boot_ns + int(fields[19]) * self.tick_ns

    def facts(self, pid: int, stat: Stat) -> ProcessFacts:
        """Read everything about a process whose `stat` is known."""
        folder = f"/proc/{pid}/"
        name, parent, started = stat
        lines = (line.partition(b":") for line in read(folder + "status").splitlines())
        status = {key: value.split() for key, _, value in lines if key in STATUS_LINES}
        uid, gid = (int(status[key][1]) if key in status else None for key in (b"Uid", b"Gid"))
        login = read(folder + "loginuid").strip()
        executable = link(folder + "exe")
        deleted = executable is not None and executable.endswith(DELETED)
        if executable and deleted:
            executable = executable[: -len(DELETED)]
        words = [text(word) for word in read(folder + "cmdline").rstrip(b"\0").split(b"\0")]
        return ProcessFacts(
            pid,
            whole_name(name, executable, words),
            parent,
            started,
            executable,
            executable_deleted=deleted,
            cwd=link(folder + "cwd"),
            command_line=words if self.command_lines else [],
            uid=uid,
            gid=gid,
            login_uid=int(login) if login.isdigit() and int(login) != NO_LOGIN else None,
            user_name=user_name(uid),
            lineage=self._chain(parent, ANCESTORS + 1),
            group=cgroup_keys(text(read(folder + "cgroup")), self.pods),
            capabilities=int(status[b"CapEff"][0], 16) if b"CapEff" in status else None,
            label=text(read(folder + "attr/current").rstrip(b"\0\n")) or None,
        )

    def _chain(self, pid: int, limit: int) -> list[Keys]:
        """A process and its ancestors, itself last."""
        stat = self.stat(pid) if pid > 0 and limit else None
        if stat is None:
            return []
        chain = self.lineages.get((pid, stat[2]))
        if chain is None:
            member = {"executable": link(f"/proc/{pid}/exe"), "name": stat[0], "pid": pid}
            member["started_at_unix_ms"] = stat[2] // 1_000_000
            known = {key: value for key, value in member.items() if value is not None}
            chain = [*self._chain(stat[1], limit - 1), known]
            self.lineages[pid, stat[2]] = chain
            if len(self.lineages) > LINEAGES:
                self.lineages.popitem(last=False)
        return chain


def whole_name(name: str, executable: str | None, words: list[str]) -> str:
    """The name of a process, whole if the kernel's is the cut beginning of its program's file or script."""
    if len(os.fsencode(name)) == NAME_BYTES:
        for file in (executable, *words[:SCRIPT_WORDS]):
            base = (file or "").rpartition("/")[2]
            if base.startswith(name):
                return base
    return name
