"""The recorder as a module, and psutil's view of sockets and processes for systems that are not Linux.

``sidecar/record.py`` is one file that must run without rustnet; here it is loaded from where it lies. Its `Recorder`
decides what a line says and when it is written, on every system; what follows stands in for its two sources.
Tested on Linux only: not tested on macOS, Windows or BSD.
"""

import argparse
import importlib.util
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

from rustnet.attribute.validate import shipped
from rustnet.errors import RustnetError

_STATES = {
    "SYN_RECV": "SYN_RECV", "SYN_SENT": "SYN_SENT", "ESTABLISHED": "ESTABLISHED", "LISTEN": "LISTEN",
    "FIN_WAIT1": "FIN_WAIT1", "FIN_WAIT2": "FIN_WAIT2", "CLOSE_WAIT": "CLOSE_WAIT", "LAST_ACK": "LAST_ACK",
    "CLOSING": "CLOSING", "CLOSE": "CLOSED",
}  # fmt: skip
_NOBODYS = {"TIME_WAIT", "SYN_RECV", "DELETE_TCB"}


def load_recorder() -> Any:
    """Return ``sidecar/record.py`` as a module."""
    place = str(shipped() / "record.py")
    spec = importlib.util.spec_from_file_location("rustnet_record", place)
    if spec is None or spec.loader is None:
        raise RustnetError(f"{place}: the recorder is not there; install rustnet again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except FileNotFoundError as error:
        raise RustnetError(f"{place}: the recorder is not there; install rustnet again") from error
    return module


def psutil_sources(recorder: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Return what `Recorder` takes in the place of Linux's own sources."""
    people = People(recorder, options)
    return {"kernel": Sockets(recorder, people), "processes": people, "version": "rustnet-psutil/1"}


class People:
    """Processes as psutil knows them."""

    def __init__(self, recorder: Any, options: argparse.Namespace) -> None:
        self._recorder, self._options = recorder, options
        self.holders: dict[int, set[int]] = {}
        self.unreadable: set[int] = set()
        self.ended: set[int] = set()
        self.hashes = None
        self._known: dict[int, tuple[float, tuple[int, dict[str, Any]]]] = {}

    def scan(self, between: Callable[[], Any]) -> None:
        """Forget what has ended; who holds what was learned with the sockets themselves."""
        between()
        self.ended.clear()
        alive: set[int] = set().union(*self.holders.values())
        self._known = {pid: known for pid, known in self._known.items() if pid in alive}

    def hunt(self, inode: int, uid: int) -> int | None:  # noqa: ARG002 -- the recorder's way of asking
        """Return a process that holds a socket."""
        return next(iter(self.holders.get(inode, ())), None)

    def describe(self, pid: int) -> tuple[int, dict[str, Any]] | None:
        """Start of a process, and its keys in a line; None if it has gone."""
        import psutil  # noqa: PLC0415 -- only while recording

        try:
            process = psutil.Process(pid)
            started = process.create_time()
            known = self._known.get(pid)
            if known is None or known[0] != started:
                known = self._known[pid] = (started, (round(started * 1e9), self._keys(process, started)))
        except psutil.NoSuchProcess:
            return None
        except psutil.AccessDenied:
            self.unreadable.add(pid)
            return 0, {"pid": pid, "process_name": None}
        return known[1]

    def _keys(self, process: Any, started: float) -> dict[str, Any]:
        wanted = ["name", "exe", "cmdline", "cwd", "username", "ppid", *["uids", "gids"] * hasattr(process, "uids")]
        said = process.as_dict(wanted, ad_value=None)
        keys: dict[str, Any] = {
            "cwd": said["cwd"],
            "pid": process.pid,
            "process_executable": said["exe"] or None,
            "process_lineage": self._lineage(process),
            "process_name": said["name"],
            "process_ppid": said["ppid"],
            "started_at": self._recorder.moment(round(started * 1e6) * 1000),
            "username": said["username"],
        }
        if said.get("uids"):
            keys["process_uid"] = said["uids"].effective
        if said.get("gids"):
            keys["process_gid"] = said["gids"].effective
        if self._options.cmdline:
            keys.update(self._recorder.command_line(said["cmdline"] or [], self._options.full_cmdline))
        return keys

    def _lineage(self, process: Any) -> dict[str, Any]:
        import psutil  # noqa: PLC0415

        chain: list[dict[str, Any]] = []
        try:
            for one in process.parents():
                said = one.as_dict(["name", "exe", "create_time"], ad_value=None)
                made = {"executable": said["exe"], "name": said["name"], "pid": one.pid}
                if said["create_time"]:
                    made["started_at_unix_ms"] = round(said["create_time"] * 1000)
                chain.insert(0, {key: value for key, value in made.items() if value is not None or key == "name"})
        except psutil.Error:
            pass
        most = self._recorder.ANCESTORS
        return {"ancestors": chain[-most:], "truncated": len(chain) > most}


class Sockets:
    """Sockets as psutil lists them: no notice of their end, no packets, no counters."""

    listener = None

    def __init__(self, recorder: Any, people: People) -> None:
        import psutil  # noqa: PLC0415

        self._recorder, self._people = recorder, people
        self._numbers: dict[Any, int] = {}
        self._next = 1
        self.boot_id = f"booted-{psutil.boot_time():.0f}"

    def endings(self, count: Any) -> Iterator[bytes]:  # noqa: ARG002 -- the recorder's way of asking
        """Give no notices: psutil has none."""
        return iter(())

    @staticmethod
    def addresses() -> list[str]:
        """Addresses of this host, without loopback."""
        import psutil  # noqa: PLC0415

        found = {
            one.address.partition("%")[0]
            for several in psutil.net_if_addrs().values()
            for one in several
            if one.family in (socket.AF_INET, socket.AF_INET6)
        }
        return sorted(one for one in found if not one.startswith("127.") and one != "::1")

    def look(self, recorder: Any) -> list[Any]:
        """Update the recorder's entries; return those that need an owner."""
        fresh, holders, present = [], dict[int, set[int]](), set()
        for one in self._listed():
            found = self._entry(one, recorder.now)
            if found is None:
                continue
            key, entry = found
            present.add(key)
            known = recorder.entries.get(key)
            if known is None:
                known = recorder.admit(key, entry)
                known.inode = self._numbers[key] = self._next
                self._next += 1
                fresh.append(known)
            known.keys["state"] = entry.keys["state"]
            known.last, known.gone = recorder.now, 0
            if one.pid is not None:
                holders.setdefault(known.inode, set()).add(one.pid)
        self._people.holders = holders
        self._numbers = {key: self._numbers[key] for key in present}
        return fresh

    def _listed(self) -> list[Any]:
        """Return the connections of all processes, or of those that may be read."""
        import psutil  # noqa: PLC0415

        try:
            return list(psutil.net_connections("inet"))
        except psutil.AccessDenied:  # macOS, unless root
            made = []
            for process in psutil.process_iter():
                try:
                    made += [
                        argparse.Namespace(**one._asdict(), pid=process.pid) for one in process.net_connections("inet")
                    ]
                except psutil.AccessDenied:
                    self._people.unreadable.add(process.pid)
                except psutil.Error:
                    continue
            return made

    def _entry(self, one: Any, now: int) -> tuple[Any, Any] | None:
        """Key and entry of one of psutil's connections; None for what belongs to nobody."""
        if not one.laddr or one.status in _NOBODYS:
            return None
        size = 4 if one.family == socket.AF_INET else 16
        local = socket.inet_pton(one.family, one.laddr.ip.partition("%")[0]), one.laddr.port
        remote = (
            (socket.inet_pton(one.family, one.raddr.ip.partition("%")[0]), one.raddr.port)
            if one.raddr
            else (bytes(size), 0)
        )
        tcp = one.type == socket.SOCK_STREAM
        state = _STATES.get(one.status, "TCP_UNKNOWN") if tcp else "UDP_ACTIVE"
        entry = self._recorder.new_entry("TCP" if tcp else "UDP", local, remote, state, now)
        entry.seen_by = "psutil"
        entry.keys["socket_inode"] = None  # the entry's number is ours, not the kernel's
        return (tcp, local, remote), entry
