"""Sockets and processes from psutil, for systems other than Linux.

The classes replace the two Linux sources of the recorder in ``rustnet.probe``. Tested on Linux only, not on macOS,
Windows or BSD.
"""

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from rustnet.probe.ends import End
from rustnet.probe.hashes import Hashes
from rustnet.probe.lines import Keys, ProcessFacts, process_keys
from rustnet.probe.options import Options
from rustnet.probe.sockets import Entry, SocketTable, new_entry
from rustnet.probe.sources import Sources

_STATES = {
    "SYN_RECV": "SYN_RECV", "SYN_SENT": "SYN_SENT", "ESTABLISHED": "ESTABLISHED", "LISTEN": "LISTEN",
    "FIN_WAIT1": "FIN_WAIT1", "FIN_WAIT2": "FIN_WAIT2", "CLOSE_WAIT": "CLOSE_WAIT", "LAST_ACK": "LAST_ACK",
    "CLOSING": "CLOSING", "CLOSE": "CLOSED",
}  # fmt: skip
_WITHOUT_OWNER = {"TIME_WAIT", "SYN_RECV", "DELETE_TCB"}


def psutil_sources(options: Options) -> Sources:
    """Return the sources for a `Recorder`."""
    processes = PsutilProcesses(options)
    return Sources(PsutilSockets(processes), processes, "rustnet-psutil/1")


class PsutilProcesses:
    """Processes from psutil."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.hashes: Hashes | None = None
        self.holders: dict[int, set[int]] = {}
        self.unreadable: set[int] = set()
        self.ended: set[int] = set()
        self._cache: dict[int, tuple[float, tuple[int, Keys]]] = {}

    def scan(self, between: Callable[[], None]) -> None:
        """Drop processes that have ended; holders are updated together with the sockets."""
        between()
        self.ended.clear()
        alive: set[int] = set().union(*self.holders.values())
        self._cache = {pid: cached for pid, cached in self._cache.items() if pid in alive}

    def search(self, inode: int, uid: int) -> int | None:  # noqa: ARG002 -- as ProcessSource declares it
        """Return a process that holds a socket."""
        return next(iter(self.holders.get(inode, ())), None)

    def describe(self, pid: int) -> tuple[int, Keys] | None:
        """Start of a process, and its keys in a line; None if it is gone."""
        import psutil  # noqa: PLC0415 -- only while recording

        try:
            process = psutil.Process(pid)
            started = process.create_time()
            cached = self._cache.get(pid)
            if cached is None or cached[0] != started:
                keys = process_keys(self._facts(process, started), not self._options.full_cmdline)
                cached = self._cache[pid] = (started, (round(started * 1e9), keys))
        except psutil.NoSuchProcess:
            return None
        except psutil.AccessDenied:
            self.unreadable.add(pid)
            return 0, {"pid": pid, "process_name": None}
        return cached[1]

    def _facts(self, process: Any, started: float) -> ProcessFacts:
        attributes = ["name", "exe", "cmdline", "cwd", "username", "ppid", *["uids", "gids"] * hasattr(process, "uids")]
        values = process.as_dict(attributes, ad_value=None)
        uids, gids = values.get("uids"), values.get("gids")
        return ProcessFacts(
            process.pid,
            values["name"],
            values["ppid"],
            round(started * 1e6) * 1000,
            values["exe"] or None,
            cwd=values["cwd"],
            command_line=(values["cmdline"] or []) if self._options.cmdline else [],
            uid=uids.effective if uids else None,
            gid=gids.effective if gids else None,
            user_name=values["username"],
            lineage=self._ancestors(process),
        )

    @staticmethod
    def _ancestors(process: Any) -> list[Keys]:
        """Ancestors of a process, the oldest first."""
        import psutil  # noqa: PLC0415

        chain: list[Keys] = []
        try:
            for one in process.parents():
                values = one.as_dict(["name", "exe", "create_time"], ad_value=None)
                member = {"executable": values["exe"], "name": values["name"], "pid": one.pid}
                if values["create_time"]:
                    member["started_at_unix_ms"] = round(values["create_time"] * 1000)
                chain.insert(0, {key: value for key, value in member.items() if value is not None or key == "name"})
        except psutil.Error:
            pass
        return chain


class PsutilSockets:
    """Sockets from psutil, which reports no closing events, packets or counters."""

    method = "psutil"
    gives_notices = False

    def __init__(self, processes: PsutilProcesses) -> None:
        import psutil  # noqa: PLC0415

        self._processes = processes
        self._numbers: dict[Any, int] = {}
        """Numbers used in place of socket inodes, which psutil does not report."""
        self._next = 1
        self.boot_id = f"booted-{psutil.boot_time():.0f}"

    def notices(self, count: Counter[str]) -> Iterator[bytes]:  # noqa: ARG002 -- as SocketSource declares it
        """Yield nothing: psutil has no notices."""
        return iter(())

    def addresses(self) -> list[str]:
        """Addresses of this host except loopback."""
        import psutil  # noqa: PLC0415

        local = {
            one.address.partition("%")[0]
            for several in psutil.net_if_addrs().values()
            for one in several
            if one.family in (socket.AF_INET, socket.AF_INET6)
        }
        return sorted(one for one in local if not one.startswith("127.") and one != "::1")

    def close(self) -> None:
        """Do nothing: no resource stays open between polls."""

    def update(
        self,
        table: SocketTable,
        counters: bool,  # noqa: ARG002 -- as SocketSource declares it
        rest: Callable[[], None],  # noqa: ARG002
    ) -> list[Entry]:
        """Update the table; return the entries that need an owner."""
        new_entries, holders, present = [], dict[int, set[int]](), set()
        for family, kind, laddr, raddr, status, pid in self._listed():
            keyed = _entry(family, kind, laddr, raddr, status, table.now)
            if keyed is None:
                continue
            key, entry = keyed
            present.add(key)
            cached = table.entries.get(key)
            if cached is None:
                cached = table.admit(key, entry)
                cached.inode = self._numbers[key] = self._next
                self._next += 1
                new_entries.append(cached)
            cached.keys["state"] = entry.keys["state"]
            cached.last, cached.gone = table.now, 0
            if pid is not None:
                holders.setdefault(cached.inode, set()).add(pid)
        self._processes.holders = holders
        self._numbers = {key: self._numbers[key] for key in present}
        return new_entries

    def _listed(self) -> list[tuple[Any, ...]]:
        """Family, type, ends, status and process of all readable connections."""
        import psutil  # noqa: PLC0415

        try:
            return [one[1:] for one in psutil.net_connections("inet")]
        except psutil.AccessDenied:  # macOS, unless root
            listed = []
            for process in psutil.process_iter():
                try:
                    listed += [(*one[1:6], process.pid) for one in process.net_connections("inet")]
                except psutil.AccessDenied:
                    self._processes.unreadable.add(process.pid)
                except psutil.Error:
                    continue
            return listed


def _entry(family: int, kind: int, laddr: Any, raddr: Any, status: str, now: int) -> tuple[Any, Entry] | None:
    """Key and entry of a psutil connection; None for states without an owner."""
    if not laddr or status in _WITHOUT_OWNER:
        return None
    local = _end(family, laddr)
    remote = _end(family, raddr) if raddr else (bytes(len(local[0])), 0)
    tcp = kind == socket.SOCK_STREAM
    state = _STATES.get(status, "TCP_UNKNOWN") if tcp else "UDP_ACTIVE"
    entry = new_entry("TCP" if tcp else "UDP", local, remote, state, now)
    entry.seen_by = "psutil"
    entry.keys["socket_inode"] = None  # the entry's number is not the kernel's
    return (tcp, local, remote), entry


def _end(family: int, address: Any) -> End:
    return socket.inet_pton(family, address.ip.partition("%")[0]), address.port
