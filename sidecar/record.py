#!/usr/bin/env python3
"""Record which process owns which socket, while a packet capture runs beside it.

One file, Python 3.8 or newer, Linux, standard library only: copy it to the host, start it beside tcpdump::

    tcpdump -i eth0 -w out.pcap &  python3 record.py -o out.pcap.connections.jsonl

The kernel is asked for its sockets (sock_diag, netlink) at every ``--interval``, and ``/proc/*/fd`` says which
processes hold them. Sockets that open and close between two polls are known from the kernel's notice of their end:
their line has a tuple and byte counts, but ``pid`` null. ``README.md`` beside this file explains every key.

One line stands for one process holding one socket. It is written when the socket closes, when recording ends,
and for long-lived sockets also early and then ever more rarely: of lines that agree in ``protocol``, ``local_addr``,
``remote_addr``, ``first_seen`` and ``pid``, the last one counts.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import pwd
import re
import select
import shlex
import signal
import socket
import struct
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, Any, Iterable, Iterator

VERSION = "rustnet-record/1"
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_REQUEST_DUMP, NLMSG_ERROR, NLMSG_DONE = 4, 20, 0x301, 2, 3
DESTROY_GROUPS = 0b1111  # TCP and UDP, IPv4 and IPv6
INET_DIAG_INFO, INET_DIAG_PROTOCOL, INET_DIAG_SKV6ONLY = 2, 10, 11
DIAG_SIZE = 72  # struct inet_diag_msg, before its attributes
SO_RCVBUFFORCE, CLONE_NEWNET = 33, 0x40000000
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
STATES = (
    "TCP_UNKNOWN", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSED", "CLOSE_WAIT",
    "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV",
)  # fmt: skip
# Half-open requests (3, 12) belong to no process yet; TIME_WAIT (6) to none any more, and notices cover it.
OWNED_STATES, KNOWN_STATES = 0xFFF & ~(1 << 3 | 1 << 6), 0xFFF & ~(1 << 3)
RAW_TABLES = ("raw", "raw6", "icmp", "icmp6")
RAW_PROTOCOLS = {1: "ICMP", 2: "IGMP", 58: "ICMP"}
COUNTED = (
    "polls", "late_polls", "scans", "lines", "sockets", "closed_unseen", "unowned", "notices_lost", "clock_steps",
)  # fmt: skip
WHO = {b"Uid:", b"Gid:"}  # of /proc/PID/status
MAX_TEXT, ANCESTORS, PATIENCE_NS = 4096, 4, 2_000_000_000
CONTAINER_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
POD_UID = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f_-]{27})")


class RecordError(Exception):
    """Recording cannot start or go on: what happened and what to do, in one line."""


@dataclass
class Holding:
    """One process holding one socket, from ``first`` to ``last`` (ns since 1970)."""

    process: dict[str, Any]
    first: int
    last: int


@dataclass
class Entry:
    """One socket."""

    keys: dict[str, Any]
    """What every line about it says."""
    match: str
    first: int
    last: int
    inode: int = 0
    cookie: bytes = b""
    attributes: bytes = b""
    """The kernel's newest attributes, not yet taken apart."""
    gone: int = 0
    """The first poll that did not see it any more."""
    early: float = 0
    """When the next early line is due."""
    holders: dict[tuple[int, int], Holding] = field(default_factory=dict)
    """By process id and start."""


def text(raw: bytes) -> str:
    """Bytes of the kernel's as text that JSON can carry."""
    return raw[:MAX_TEXT].decode("utf-8", "backslashreplace")


def read(path: str) -> bytes:
    """Content of a /proc file, or nothing if it is gone or not ours to read."""
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20)
    except OSError:
        return b""


def link(path: str) -> str | None:
    """Target of a /proc link, or None."""
    try:
        return text(os.fsencode(os.readlink(path)))
    except OSError:
        return None


def moment(ns: int) -> dict[str, int]:
    """Time in RustNet's form."""
    return {"nanos_since_epoch": ns % 1_000_000_000, "secs_since_epoch": ns // 1_000_000_000}


def rfc3339(ns: int) -> str:
    """Time as RFC 3339 UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 1_000_000_000)) + f".{ns % 1_000_000_000:09d}Z"


def endpoint(packed: bytes, port: int) -> str:
    """4 or 16 address bytes and a port as text; an IPv4-mapped address as IPv4."""
    if len(packed) == 16 and packed[:12] == b"\0" * 10 + b"\xff\xff":
        packed = packed[12:]
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{port}"


class Processes:
    """Who holds which socket inode, and what is known of these processes."""

    def __init__(self, cmdline: bool) -> None:
        self.cmdline = cmdline
        self.holders: dict[int, set[int]] = {}
        self.unreadable: set[int] = set()
        self.known: dict[int, tuple[tuple[str, int, int], dict[str, Any]]] = {}
        self.boot_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def scan(self) -> None:
        """Read every process's descriptors anew."""
        holders: dict[int, set[int]] = {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            folder = f"/proc/{name}/fd/"
            try:
                descriptors = os.listdir(folder)
            except PermissionError:
                self.unreadable.add(int(name))
                continue
            except OSError:
                continue
            for descriptor in descriptors:
                try:
                    target = os.readlink(folder + descriptor)
                except OSError:
                    continue
                if target.startswith("socket:["):
                    holders.setdefault(int(target[8:-1]), set()).add(int(name))
        self.holders = holders
        alive = set().union(*holders.values())
        self.known = {pid: known for pid, known in self.known.items() if pid in alive}

    def stat(self, pid: int) -> tuple[str, int, int] | None:
        """Name, parent and start (ns since 1970) of a process; None if it has gone."""
        raw = read(f"/proc/{pid}/stat")
        opened, closed = raw.find(b"("), raw.rfind(b")")  # the name may hold spaces and brackets
        fields = raw[closed + 2 :].split()
        if opened < 0 or len(fields) < 20:
            return None
        return text(raw[opened + 1 : closed]), int(fields[1]), self.boot_ns + int(fields[19]) * self.tick_ns

    def describe(self, pid: int) -> tuple[int, dict[str, Any]] | None:
        """Start of a process, and its keys in a line; None if it has gone."""
        stat = self.stat(pid)
        if stat is None:
            return None
        known = self.known.get(pid)
        if known is None or known[0] != stat:
            known = self.known[pid] = (stat, self._keys(pid, *stat))
        return stat[2], known[1]

    def _keys(self, pid: int, name: str, ppid: int, started: int) -> dict[str, Any]:
        folder = f"/proc/{pid}/"
        ids = {line[:3]: int(line.split()[2]) for line in read(folder + "status").splitlines() if line[:4] in WHO}
        login = read(folder + "loginuid").strip()
        executable = link(folder + "exe")
        keys: dict[str, Any] = {
            "cwd": link(folder + "cwd"),
            "login_uid": int(login) if login.isdigit() and int(login) != 0xFFFFFFFF else None,
            "pid": pid,
            "process_executable": executable,
            "process_gid": ids.get(b"Gid"),
            "process_lineage": self._lineage(ppid),
            "process_name": name,
            "process_ppid": ppid,
            "process_uid": ids.get(b"Uid"),
            "started_at": moment(started),
            **groups(read(folder + "cgroup")),
        }
        if executable and executable.endswith(" (deleted)"):
            keys.update(exe_deleted=True, process_executable=executable[:-10])
        words = read(folder + "cmdline").rstrip(b"\0").split(b"\0") if self.cmdline else [b""]
        if words[0]:
            keys["cmdline"] = " ".join(shlex.quote(text(word)) for word in words)[:MAX_TEXT]
        try:
            keys["username"] = pwd.getpwuid(keys["process_uid"] or 0).pw_name
        except KeyError:
            keys["username"] = None
        return keys

    def _lineage(self, pid: int) -> dict[str, Any]:
        """Ancestors, oldest first, as RustNet writes them."""
        ancestors: list[dict[str, Any]] = []
        while pid > 0 and len(ancestors) < ANCESTORS:
            stat = self.stat(pid)
            if stat is None:
                break
            one = {"executable": link(f"/proc/{pid}/exe"), "name": stat[0], "pid": pid}
            one["started_at_unix_ms"] = stat[2] // 1_000_000
            ancestors.insert(0, {key: value for key, value in one.items() if value is not None})
            pid = stat[1]
        return {"ancestors": ancestors, "truncated": pid > 0}


def groups(raw: bytes) -> dict[str, Any]:
    """Control group of /proc/PID/cgroup, and the container and pod that its path names."""
    lines = [line.split(":", 2) for line in text(raw).splitlines()]
    paths = [fields[2] for fields in lines if len(fields) == 3 and fields[2] != "/"]
    if not paths:
        return {}
    path = next((one for one in paths if CONTAINER_ID.search(one)), paths[-1])
    containers, pod = CONTAINER_ID.findall(path), POD_UID.search(path)
    keys: dict[str, Any] = {"cgroup": path}
    if containers:
        keys["container_id"] = containers[-1]
    if pod:
        keys["kubernetes"] = {"cgroup_path": path, "pod_uid": pod.group(1).replace("_", "-"), **keys}
        del keys["kubernetes"]["cgroup"]
    return keys


class Kernel:
    """The kernel's socket tables of this program's network namespace."""

    def __init__(self) -> None:
        self.dump = self._netlink(0)
        self.listener: socket.socket | None = None
        try:
            self.listener = self._netlink(DESTROY_GROUPS)
            self.listener.setblocking(False)
        except OSError:  # kernels before 4.2
            self.listener = None

    @staticmethod
    def _netlink(multicast: int) -> socket.socket:
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
        try:
            made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        except PermissionError:  # only for root
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        made.bind((0, multicast))
        return made

    def sockets(self, family: int, protocol: int) -> Iterator[tuple[bytes, int, int]]:
        """Sockets of a family and protocol: buffer, start and end of each inet_diag_msg."""
        states = OWNED_STATES if self.listener else KNOWN_STATES
        wanted = 1 << INET_DIAG_INFO - 1 if protocol == TCP else 0
        request = struct.pack("=BBBBI48x", family, protocol, wanted, 0, states)
        self.dump.send(struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_REQUEST_DUMP, 1, 0) + request)
        while True:
            data, at = self.dump.recv(1 << 16), 0
            while at < len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    code = -struct.unpack_from("=i", data, at + 16)[0]
                    raise RecordError(f"the kernel does not list its sockets (sock_diag: {os.strerror(code)})")
                yield data, at + 16, at + length
                at += length + 3 & ~3

    def endings(self, count: Counter[str]) -> Iterator[bytes]:
        """Notices of sockets that have ended since the last call; those that did not fit the buffer are counted."""
        while self.listener:
            try:
                yield self.listener.recv(1 << 16)[16:]
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                count["notices_lost"] += 1


def attributes(raw: bytes) -> dict[int, bytes]:
    """Netlink attributes by kind."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(raw):
        length, kind = struct.unpack_from("=HH", raw, at)
        if length < 4:
            break
        found[kind] = raw[at + 4 : at + length]
        at += length + 3 & ~3
    return found


def counters(found: dict[int, bytes]) -> dict[str, Any]:
    """Byte counts, round-trip time and retransmissions of ``struct tcp_info`` (linux/tcp.h)."""
    info = found.get(INET_DIAG_INFO, b"")
    if len(info) < 136:
        return {}
    rtt, again = struct.unpack_from("=I28xI", info, 68)
    sent, received = struct.unpack_from("=QQ", info, 120)
    keys = {"bytes_received": received, "bytes_sent": sent, "bytes_source": "tcp_info", "tcp_retransmissions": again}
    return {**keys, "rtt_ms": round(rtt / 1000, 1)} if rtt else keys


def new_entry(protocol: str, local: tuple[bytes, int], remote: tuple[bytes, int], state: str, now: int) -> Entry:
    """Entry of a socket that is seen for the first time."""
    match = "exact-tuple"
    if state == "LISTEN":
        match = "listener-socket"
    elif not any(remote[0]) and not remote[1]:
        match = "wildcard-remote-address" if any(local[0]) else "wildcard-local-address"
    keys = {"protocol": protocol, "local_addr": endpoint(*local), "remote_addr": endpoint(*remote), "state": state}
    return Entry(keys, match, now, now)


def diag_entry(data: bytes, at: int, end: int, protocol: int, now: int) -> Entry:
    """Entry from one inet_diag_msg (linux/inet_diag.h)."""
    size = 4 if data[at] == socket.AF_INET else 16
    here, there = struct.unpack_from(">HH", data, at + 4)
    local, remote = data[at + 8 : at + 8 + size], data[at + 24 : at + 24 + size]
    state = STATES[data[at + 1]] if protocol == TCP else "UDP_ACTIVE"
    entry = new_entry("TCP" if protocol == TCP else "UDP", (local, here), (remote, there), state, now)
    entry.keys["socket_uid"], entry.inode = struct.unpack_from("=II", data, at + 64)
    entry.cookie, entry.attributes = data[at + 44 : at + 52], data[at + DIAG_SIZE : end]
    if size == 16 and not any(local):
        entry.keys["ipv6_only"] = attributes(entry.attributes).get(INET_DIAG_SKV6ONLY, b"\0") != b"\0"
    return entry


def table_entry(table: str, columns: list[bytes], now: int) -> Entry:
    """Entry from one line of ``/proc/net/{raw,icmp}[6]``: what stands there as a port is a protocol or an echo's id."""
    ends = []
    for column in columns[1:3]:
        words = struct.unpack(f">{len(column) // 8}I", bytes.fromhex(column[:-5].decode()))
        ends.append((struct.pack(f"={len(words)}I", *words), 0))
    number = int(columns[1][-4:], 16)
    protocol = "ICMP" if table.startswith("icmp") else RAW_PROTOCOLS.get(number, "RAW")
    entry = new_entry(protocol, ends[0], ends[1], "RAW", now)
    entry.keys["icmp_id" if table.startswith("icmp") else "ip_protocol"] = number
    entry.keys["socket_uid"], entry.inode = int(columns[7]), int(columns[9])
    return entry


class Recorder:
    """Polls the kernel and writes a line for every process that holds a socket."""

    def __init__(self, options: argparse.Namespace, out: IO[str]) -> None:
        self.options, self.out = options, out
        self.kernel, self.processes = Kernel(), Processes(options.cmdline)
        self.host = options.host or socket.gethostname()
        self.entries: dict[bytes, Entry] = {}
        self.by_cookie: dict[bytes, Entry] = {}
        self.count: Counter[str] = Counter()
        self.now = self.polled = self.scanned = 0
        self.skew = time.time_ns() - time.monotonic_ns()
        self.started = time.time_ns()
        self.busy = self.slowest = 0

    def poll(self) -> None:
        """Look at every socket once."""
        began = time.monotonic_ns()
        self.polled, self.now = self.now, time.time_ns()
        self.count["clock_steps"] += abs(self.now - began - self.skew) > 50_000_000
        self.skew = self.now - began
        for notice in self.kernel.endings(self.count):
            self._end(notice)
        fresh = [*self._look(), *self._look_at_raw()]
        if self.now - self.scanned >= self.options.rescan * 1e9 or any(
            entry.inode and entry.inode not in self.processes.holders for entry in fresh
        ):
            self.processes.scan()
            self.scanned = self.now
            self.count["scans"] += 1
            self._own(self.entries.values())
        else:
            self._own(fresh)
        self._settle()
        self.out.flush()
        self.count["polls"] += 1
        spent = time.monotonic_ns() - began
        self.busy, self.slowest = self.busy + spent, max(self.slowest, spent)

    def _look(self) -> list[Entry]:
        """Update the entries from sock_diag; return those that need an owner."""
        entries, now, fresh = self.entries, self.now, []
        for family, protocol in ((2, TCP), (2, UDP), (10, TCP), (10, UDP)):
            prefix = bytes((protocol, family))
            for data, at, end in self.kernel.sockets(family, protocol):
                key = prefix + data[at + 4 : at + 52]
                entry = entries.get(key)
                if entry is None:
                    entry = entries[key] = self._admit(diag_entry(data, at, end, protocol, now))
                    fresh.append(entry)
                elif protocol == TCP:
                    entry.keys["state"] = STATES[data[at + 1]]
                    entry.attributes = data[at + DIAG_SIZE : end]
                    if not entry.inode:  # accepted only now
                        entry.keys["socket_uid"], entry.inode = struct.unpack_from("=II", data, at + 64)
                        fresh.append(entry)
                entry.last, entry.gone = now, 0
        return fresh

    def _look_at_raw(self) -> list[Entry]:
        """Update the entries of raw and ICMP sockets; return the new ones."""
        fresh = []
        for table in RAW_TABLES:
            for line in read("/proc/self/net/" + table).splitlines()[1:]:
                columns = line.split()
                key = b" ".join((table.encode(), columns[1], columns[2], columns[9]))
                entry = self.entries.get(key)
                if entry is None:
                    entry = self.entries[key] = self._admit(table_entry(table, columns, self.now))
                    fresh.append(entry)
                entry.last, entry.gone = self.now, 0
        return fresh

    def _admit(self, entry: Entry) -> Entry:
        self.count["sockets"] += 1
        if self.polled:
            entry.keys["opened_after"] = moment(self.polled)
        if entry.cookie:
            self.by_cookie[entry.cookie] = entry
        entry.early = self.now + self.options.early * 1e9
        return entry

    def _own(self, entries: Iterable[Entry]) -> None:
        """Note who holds these sockets now; a process that has let go while others hold on gets its line."""
        described = {}
        for entry in entries:
            present = set()
            for pid in self.processes.holders.get(entry.inode, ()) if entry.inode and entry.last == self.now else ():
                if pid not in described:
                    described[pid] = self.processes.describe(pid)
                process = described[pid]
                if process:
                    who = (pid, process[0])
                    present.add(who)
                    held = entry.holders.get(who)
                    if held is None:
                        first = self.now if entry.holders else entry.first
                        held = entry.holders[who] = Holding(process[1], first, self.now)
                    held.last = self.now
            for who in [one for one in entry.holders if present and one not in present]:
                self._line(entry, entry.holders.pop(who), len(present) + 1)

    def _end(self, notice: bytes) -> None:
        """Write a socket of whose end the kernel tells."""
        found = attributes(notice[DIAG_SIZE:])
        protocol = found.get(INET_DIAG_PROTOCOL, b"\0")[0]
        if protocol not in {TCP, UDP} or len(notice) < DIAG_SIZE:
            return
        entry = self.entries.pop(bytes((protocol, notice[0])) + notice[4:52], None)
        if entry is None:
            entry = diag_entry(notice, 0, len(notice), protocol, self.now)
            del entry.keys["socket_uid"]  # a notice does not say whose the socket was
            if entry.keys["local_addr"].endswith(":0"):
                return  # never bound: no packet can be its
            entry.first = self.polled or self.now
            twin = self.by_cookie.get(entry.cookie)
            if twin:  # a known socket that has got another remote end since
                held_by = {who: Holding(held.process, entry.first, self.now) for who, held in twin.holders.items()}
                entry.holders = held_by
            self.count["sockets"] += 1
            self.count["closed_unseen"] += 1
        elif INET_DIAG_INFO in found:
            entry.attributes = notice[DIAG_SIZE:]
        if protocol == TCP and entry.match != "listener-socket":
            entry.keys["state"] = "CLOSED"
        self._close(entry)

    def _settle(self) -> None:
        """Write sockets that have gone, and long-lived ones now and then."""
        for key, entry in list(self.entries.items()):
            if entry.last != self.now:
                entry.gone = entry.gone or self.now
                # The kernel's notice, which has the last counts, comes when the last frame has left the queues.
                if self.now - entry.gone > PATIENCE_NS or not self.kernel.listener or not entry.cookie:
                    del self.entries[key]
                    self._close(entry)
            elif self.options.early and self.now >= entry.early:
                entry.early = self.now + 3 * (self.now - entry.first)
                self._write(entry)

    def _close(self, entry: Entry) -> None:
        self.by_cookie.pop(entry.cookie, None)
        entry.keys["closed_before"] = moment(entry.gone or self.now)
        self.count["unowned"] += not entry.holders
        self._write(entry)

    def _write(self, entry: Entry) -> None:
        if not entry.holders:
            self._line(entry, Holding({"pid": None, "process_name": None}, entry.first, entry.last), 0)
        for held in entry.holders.values():
            held.last = max(held.last, entry.last)  # even if the process has left the connection to the kernel
            self._line(entry, held, len(entry.holders))

    def _line(self, entry: Entry, held: Holding, owners: int) -> None:
        keys: dict[str, Any] = {
            "bytes_received": 0,
            "bytes_sent": 0,
            "bytes_source": "none",
            "first_seen": moment(held.first),
            "host": self.host,
            "last_seen": moment(held.last),
            "recorder": VERSION,
            "socket_inode": entry.inode or None,
            "socket_owners": owners,
            "timestamp": rfc3339(time.time_ns()),
            **entry.keys,
            **held.process,
            **counters(attributes(entry.attributes)),
        }
        if owners:
            keys["attribution_match"] = entry.match
        kept = {key: keys[key] for key in sorted(keys) if keys[key] is not None or key in {"pid", "process_name"}}
        self.out.write(json.dumps(kept, separators=(",", ":")) + "\n")
        self.count["lines"] += 1

    def run(self, stop: int) -> None:
        """Poll until ``--duration`` is over or ``stop`` becomes readable."""
        due = time.monotonic()
        end = due + (self.options.duration or float("inf"))
        while True:
            begun = time.monotonic()
            self.poll()
            due += self.options.interval
            # A host with very many sockets is polled less often rather than kept busy: four fifths stay idle.
            earliest = time.monotonic() + 4 * (time.monotonic() - begun)
            if earliest > due:
                self.count["late_polls"] += 1
                due = earliest
            wait = min(due, end) - time.monotonic()
            if select.select([stop], [], [], min(max(wait, 0), 1e6))[0] or time.monotonic() >= end:
                break
        self.poll()
        for entry in self.entries.values():
            if entry.gone:
                entry.keys["closed_before"] = moment(entry.gone)
            self.count["unowned"] += not entry.holders
            self._write(entry)
        self.out.flush()

    def summary(self) -> dict[str, Any]:
        """Sum up what the recording covers and what it may have missed."""
        return {
            "recorder": VERSION,
            "host": self.host,
            "started": rfc3339(self.started),
            "ended": rfc3339(time.time_ns()),
            "interval_s": self.options.interval,
            **{name: self.count[name] for name in COUNTED},
            "mean_poll_ms": round(self.busy / 1e6 / max(self.count["polls"], 1), 3),
            "slowest_poll_ms": round(self.slowest / 1e6, 3),
            "unreadable_processes": len(self.processes.unreadable),
            "notices": self.kernel.listener is not None,
            "network_namespace": os.stat("/proc/self/ns/net").st_ino,
        }


def enter(wanted: str) -> None:
    """Move this program into a network namespace: a name of ``ip netns``, a path or a process id."""
    path = wanted if "/" in wanted else f"/proc/{wanted}/ns/net" if wanted.isdigit() else f"/run/netns/{wanted}"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise RecordError(
            f"cannot open network namespace {path}: {error.strerror}; give a name, path or pid"
        ) from error
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle, CLONE_NEWNET):
        raise RecordError(f"cannot enter network namespace {path}: {os.strerror(ctypes.get_errno())}; run as root")
    os.close(handle)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    about = "Record which process owns which socket, beside a packet capture."
    parser = argparse.ArgumentParser(prog="record.py", description=about)
    add = parser.add_argument
    add("-o", "--output", default="-", metavar="FILE", help="JSON lines go here (default: standard output)")
    add("--meta", metavar="FILE", help="summary of the recording (default: FILE with .meta.json for .jsonl)")
    add("--interval", type=float, default=0.25, metavar="S", help="seconds from poll to poll (default: 0.25)")
    add("--duration", type=float, default=0, metavar="S", help="stop after S seconds (default: at SIGINT or SIGTERM)")
    add(
        "--rescan", type=float, default=2, metavar="S", help="look for sockets that changed hands so often (default: 2)"
    )
    add(
        "--early", type=float, default=10, metavar="S", help="first early line of an open socket; 0: none (default: 10)"
    )
    add("--host", metavar="NAME", help="name of this host in the lines (default: its own)")
    add("--netns", metavar="NAME|PATH|PID", help="record in this network namespace")
    add("--no-cmdline", dest="cmdline", action="store_false", help="leave command lines out: they may hold secrets")
    add("--version", action="version", version=VERSION)
    options = parser.parse_args(arguments)
    if options.interval <= 0 or min(options.rescan, options.duration, options.early) < 0:
        parser.error("times are positive numbers of seconds")
    if options.meta is None and options.output != "-":
        options.meta = re.sub(r"\.jsonl$", "", options.output) + ".meta.json"
    return options


def create(path: str) -> IO[str]:
    """Open a new file that only its owner can read, emptied if it exists."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")
    except OSError as error:
        raise RecordError(f"cannot write {path}: {error.strerror}; choose another place") from error


def record(options: argparse.Namespace) -> None:
    """Record as the options say, until told to stop."""
    stop, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, lambda *_: None)
    if options.netns:
        enter(options.netns)
    recorder = Recorder(options, sys.stdout if options.output == "-" else create(options.output))
    try:
        recorder.run(stop)
    finally:
        summary = recorder.summary()
        if options.meta:
            with create(options.meta) as file:
                file.write(json.dumps(summary, indent=1) + "\n")
    said = (
        "{lines} lines on {sockets} sockets in {polls} polls; {unowned} without an owner; {notices_lost} notices lost"
    )
    sys.stderr.write("record.py: " + said.format(**summary) + "\n")
    if summary["unreadable_processes"]:
        sys.stderr.write(f"record.py: {summary['unreadable_processes']} processes could not be read; run as root\n")


def main(arguments: list[str] | None = None) -> int:
    """Run, and return the exit code."""
    try:
        record(parse(arguments))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except (RecordError, OSError) as error:
        sys.stderr.write(f"record.py: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
