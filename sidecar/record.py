#!/usr/bin/env python3
"""Record which process owns which socket, while a packet capture runs beside it.

One file, Python 3.8 or newer, Linux, standard library only: copy it to the host, start it beside tcpdump::

    tcpdump -i eth0 -w out.pcap &  python3 record.py -o out.pcap.connections.jsonl

Three ways lead to an owner. The kernel is asked for all its sockets (sock_diag, netlink) at every ``--interval``, and
``/proc/*/fd`` says which processes hold them. In between, packets that open a connection are seen as they pass, and
the kernel is asked at once whose socket that is: so connections of a few milliseconds have an owner too. And of every
socket that ends the kernel gives notice: what was missed has a line with a tuple and byte counts, ``pid`` null, and
``unowned_because``. ``FORMAT.md`` beside this file explains every key.

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
import re
import selectors
import shlex
import signal
import socket
import struct
import sys
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, Any, Callable, Iterable, Iterator

try:
    import pwd
except ImportError:  # Windows, where `rustnet sidecar record` uses this module
    pwd = None

SIDECAR_VERSION, VERSION = 1, "rustnet-record/2"
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_REQUEST, NLM_REQUEST_DUMP, NLMSG_ERROR, NLMSG_DONE = 4, 20, 1, 0x301, 2, 3
DESTROY_GROUPS = 0b1111  # TCP and UDP, IPv4 and IPv6
INET_DIAG_INFO, INET_DIAG_PROTOCOL, INET_DIAG_SKV6ONLY = 2, 10, 11
NETLINK_NETFILTER, CT_GET, NESTED = 12, 0x101, 0x8000  # linux/netfilter/nfnetlink_conntrack.h
DIAG_SIZE = 72  # struct inet_diag_msg, before its attributes
SO_RCVBUFFORCE, SO_ATTACH_FILTER, SO_TIMESTAMPNS, CLONE_NEWNET = 33, 26, 35, 0x40000000
SOL_PACKET, PACKET_STATISTICS = 263, 6
ETH_P_ALL, PACKET_HOST, PACKET_OUTGOING = 3, 0, 4
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
STATES = (
    "TCP_UNKNOWN", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSED", "CLOSE_WAIT",
    "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV",
)  # fmt: skip
OPEN, WAITING = {1, 8}, {3, 10, 12}  # ESTABLISHED, CLOSE_WAIT; half-open, LISTEN
# The kernel sends its notices from a queue of its own: one of a socket that ended before the recording may come after.
LATE_NOTICES = 0.1  # seconds
# Half-open requests (3, 12) belong to no process yet; TIME_WAIT (6) to none any more, and notices cover it.
OWNED_STATES, KNOWN_STATES = 0xFFF & ~(1 << 3 | 1 << 6), 0xFFF & ~(1 << 3)
RAW_TABLES = ("raw", "raw6", "icmp", "icmp6")
RAW_PROTOCOLS = {1: "ICMP", 2: "IGMP", 58: "ICMP"}
COUNTED = (
    "polls", "late_polls", "scans", "lines", "sockets", "packets_seen", "owned_by_packet", "closed_unseen", "unowned",
    "too_busy", "watch_pauses", "notices_lost", "clock_steps",
)  # fmt: skip
WHO = {b"Uid:", b"Gid:"}  # of /proc/PID/status
MAX_TEXT, ANCESTORS, PATIENCE_NS = 4096, 8, 2_000_000_000
AGAIN = {"not-accepted", "holder-not-found", "holder-unreadable"}
RETRIES = (0.0005, 0.001, 0.001, 0.002, 0.004, 0.01, 0.03)
"""Seconds between attempts to find who has a connection that its process has not accepted yet."""
WATCH_LIMIT, WATCH_REST = 2000, 5.0
"""Packets per second that are watched; above that the watch gets narrower for so many seconds."""
SAME_NS = {TCP: 500_000_000, UDP: 5_000_000_000}
"""So long packets with the same ends belong to one socket; then it is looked at again."""
WATCH_SHARE, WATCH_BURST_NS = 0.15, 300_000_000
"""Share of one core that the search for owners of watched packets may take, and what it may take at once."""
REMEMBERED, NEWBORN, LIKELY, NEAR_DESCRIPTORS, MANY = 16384, 200, 32, 4, 128
RLIMIT_RTTIME, UNPAUSED_US, XCPU = 15, 500_000, getattr(signal, "SIGXCPU", 0)
WORK_S = 0.01
"""Seconds of work without a pause."""
WHOLE_NS, SCAN_REST_NS, PROGRESS_NS = 4_000_000_000, 500_000_000, 60_000_000_000
HASH_LIMIT, HASH_STEP, HASH_QUEUE = 256 << 20, 1 << 20, 256
CONTAINER_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
POD_UID = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f_-]{27})")

DELICATE = r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|(?:api|access|private|secret|auth)[-_.]?key|credentials?)"
SECRET_OPTION = re.compile(r"(?i)--?(?:[\w.-]*[-_.])?" + DELICATE + r"|-{1,2}(?:pass|pw)(?:in|out)?")
SECRET_VALUE = re.compile(r"(?i)(" + DELICATE + r"[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;]+")
SECRET_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]*(?:key|token|auth)[\w-]*)(\s*[:=]\s*).+"
)
SECRET_URL = re.compile(r"(\b[A-Za-z][\w+.-]*://[^\s/?#:@]*:)[^\s/?#@]+@")
SECRET_SHORT = {
    "curl": ("-u", "-U", "--user", "--proxy-user"), "sshpass": ("-p",), "redis-cli": ("-a",),
    "ldapsearch": ("-w",), "ldapmodify": ("-w",), "ldapadd": ("-w",), "mysql": ("-p",), "mysqldump": ("-p",),
    "mysqladmin": ("-p",), "mariadb": ("-p",), "mariadb-dump": ("-p",), "mongosh": ("-p",), "mongo": ("-p",),
    "sqlcmd": ("-P",), "smbclient": ("-U",), "rpcclient": ("-U",), "lftp": ("-u",), "mosquitto_pub": ("-P",),
    "mosquitto_sub": ("-P",), "az": ("-p",), "ipmitool": ("-P",),
    "snmpwalk": ("-c", "-A", "-X"), "snmpget": ("-c", "-A", "-X"), "unzip": ("-P",), "zip": ("-P",),
}  # fmt: skip
"""Programs whose short options carry a secret; `user:password` and `user%password` keep their user."""
HIDDEN = "***"


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
    seen_by: str = "poll"
    """How it was first seen: `poll`, `packet`, `notice`."""
    unowned: str = ""
    """Why no owner was found so far."""
    ends: tuple[int, tuple[bytes, int], tuple[bytes, int]] | None = None
    """Protocol and ends, until it is known whether they are translated."""
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


def unmapped(packed: bytes) -> bytes:
    """An IPv4-mapped address as IPv4, others as they are."""
    return packed[12:] if len(packed) == 16 and packed[:12] == b"\0" * 10 + b"\xff\xff" else packed


def endpoint(packed: bytes, port: int) -> str:
    """4 or 16 address bytes and a port as text; an IPv4-mapped address as IPv4."""
    packed = unmapped(packed)
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{port}"


def redact(words: list[str]) -> list[str]:
    """Command line without what looks like a secret: the values of options, assignments, headers and addresses."""
    short = SECRET_SHORT.get(os.path.basename(words[0]), ())
    made, hide = words[:1], False
    for given in words[1:]:
        option = next((one for one in short if given == one or (len(one) == 2 and given.startswith(one))), None)
        if hide and given[:1] != "-":
            word = hidden(given)
        elif option and len(given) > len(option):
            word = option + hidden(given[len(option) :])
        else:
            word = SECRET_HEADER.sub(r"\1\2" + HIDDEN, given)
            word = SECRET_VALUE.sub(r"\1" + HIDDEN, SECRET_URL.sub(r"\1" + HIDDEN + "@", word))
        hide = given == option or SECRET_OPTION.fullmatch(given) is not None
        made.append(word)
    return made


def hidden(secret: str) -> str:
    """Put nothing in a secret's place, or only the name that stands before it."""
    user = re.match(r"[^:%]*[:%]", secret)
    return (user.group() if user and "/" not in user.group() else "") + HIDDEN


class Hashes:
    """SHA-256 of executables, a step at a time while nothing else is to be done; each file is read once."""

    def __init__(self) -> None:
        self.known: OrderedDict[tuple[int, ...], str | None] = OrderedDict()
        self.queue: OrderedDict[tuple[int, ...], tuple[IO[bytes], Any, list[dict[str, Any]]]] = OrderedDict()

    def want(self, pid: int, keys: dict[str, Any]) -> None:
        """Put ``exe_sha256`` into a process's keys, now or later."""
        try:
            file = open(f"/proc/{pid}/exe", "rb", buffering=0)  # noqa: SIM115 -- read on long after this call
        except OSError:
            return
        stat = os.fstat(file.fileno())
        identity = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if identity in self.queue:
            self.queue[identity][2].append(keys)
        elif identity in self.known:
            keys["exe_sha256"] = self.known[identity]
        elif stat.st_size <= HASH_LIMIT and len(self.queue) < HASH_QUEUE:
            self.queue[identity] = (file, sha256(), [keys])
            return
        file.close()

    def step(self) -> None:
        """Read on in the file that has waited longest."""
        identity, (file, made, waiting) = next(iter(self.queue.items()))
        try:
            data = file.read(HASH_STEP)
        except OSError:
            data = None
        if data:
            made.update(data)
            return
        file.close()
        del self.queue[identity]
        self.known[identity] = None if data is None else made.hexdigest()
        if len(self.known) > REMEMBERED:
            self.known.popitem(last=False)
        for keys in waiting:
            keys["exe_sha256"] = self.known[identity]

    def finish(self, seconds: float) -> None:
        """Read on for at most so long."""
        end = time.monotonic() + seconds
        while self.queue and time.monotonic() < end:
            self.step()


class Processes:
    """Who holds which socket inode, and what is known of these processes."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.cmdline, self.full_cmdline = options.cmdline, options.full_cmdline
        self.hashes = Hashes() if options.hash else None
        self.holders: dict[int, set[int]] = {}
        self.unreadable: set[int] = set()
        self.known: dict[int, tuple[tuple[str, int, int], dict[str, Any]]] = {}
        self.descriptors: dict[int, dict[str, int]] = {}
        """By process: its descriptors that were sockets, and others as 0, as of the last look."""
        self.likely: OrderedDict[int, list[str]] = OrderedDict()
        """Processes whose sockets were hunted for, the latest last, and the descriptors where they were."""
        self.newest = self.older = 0
        """Highest process id when the last scan began, and the one before: it may have passed the youngest by."""
        self.dead: Counter[int] = Counter()
        """How often processes were not there since the last scan: some are only just being made."""
        self.ended: set[int] = set()
        """Sockets that have: their descriptors may be those of new ones."""
        self.owners: list[int] = []
        """Processes that had sockets then."""
        self.found: list[tuple[int, int]] = []
        """What was hunted down while a scan went on: processes and inodes."""
        self.lineages: OrderedDict[tuple[int, int], list[dict[str, Any]]] = OrderedDict()
        """By process and start: itself and its ancestors, itself last."""
        self.boot_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def scan(self, between: Callable[[], Any] = lambda: None) -> None:
        """Read every process's descriptors anew; ``between`` two of them something else may be done."""
        holders: dict[int, set[int]] = {}
        newest, self.found, told = last_pid(), [], set()
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
            told.add(pid)
            seen = self.descriptors[pid] = {}
            for descriptor in descriptors:
                inode = seen[descriptor] = socket_inode(folder + descriptor)
                if inode:
                    holders.setdefault(inode, set()).add(pid)
        for pid, inode in self.found:
            holders.setdefault(inode, set()).add(pid)
        self.holders, self.older, self.newest, self.found = holders, self.newest, newest, []
        self.owners = sorted(pid for pid, seen in self.descriptors.items() if any(seen.values()))
        self.dead.clear()
        self.ended.clear()
        for pid in self.descriptors.keys() - told:
            del self.descriptors[pid]
        alive = set().union(*holders.values())
        self.known = {pid: known for pid, known in self.known.items() if pid in alive}

    def hunt(self, inode: int, uid: int) -> int | None:
        """Find a process that holds a new socket of a user: where the last ones were, then where new ones can be."""
        for pid, near in list(reversed(self.likely.items())):
            for descriptor in reversed(near):
                if socket_inode(f"/proc/{pid}/fd/{descriptor}") == inode:
                    return self._found(pid, descriptor, inode)
        last = last_pid()
        if last < self.newest:  # the numbers have started again
            self.newest = self.older = 0
        newborn = range(last, max(self.older, last - NEWBORN), -1)
        for pid in OrderedDict.fromkeys((*newborn, *reversed(list(self.likely)), *reversed(self.owners))):
            folder = f"/proc/{pid}/fd/"
            try:
                names = os.listdir(folder) if self.dead[pid] < 3 and os.stat(folder).st_uid in {uid, 0} else ()
            except OSError:
                self.likely.pop(pid, None)
                self.dead[pid] += 1
                continue
            known, looked = self.descriptors.get(pid, {}), 0
            for name in reversed(names):
                before = known.get(name, -1)
                if (before <= 0 or before in self.ended or len(names) <= MANY) and looked < MANY:
                    looked += 1
                    known[name] = socket_inode(folder + name)
                    if known[name] == inode:
                        return self._found(pid, name, inode)
        return None

    def _found(self, pid: int, descriptor: str, inode: int) -> int:
        """Remember where a socket was; returns the process, as numbers of threads work like numbers of processes."""
        line = next((one for one in read(f"/proc/{pid}/status").splitlines() if one.startswith(b"Tgid:")), b"")
        pid = int(line.split()[1]) if line else pid
        near = [one for one in self.likely.get(pid, ()) if one != descriptor]
        self.likely[pid] = [*near, descriptor][-NEAR_DESCRIPTORS:]
        self.likely.move_to_end(pid)
        if len(self.likely) > LIKELY:
            self.likely.popitem(last=False)
        self.holders.setdefault(inode, set()).add(pid)
        self.found.append((pid, inode))
        return pid

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
            "username": user_name(ids.get(b"Uid")),
            **groups(read(folder + "cgroup")),
        }
        if executable and executable.endswith(" (deleted)"):
            keys.update(exe_deleted=True, process_executable=executable[:-10])
        if self.cmdline:
            words = [text(word) for word in read(folder + "cmdline").rstrip(b"\0").split(b"\0")]
            keys.update(command_line(words, self.full_cmdline))
        if self.hashes:
            self.hashes.want(pid, keys)
        return keys

    def _lineage(self, pid: int) -> dict[str, Any]:
        """Ancestors, oldest first, as RustNet writes them."""
        chain = self._chain(pid, ANCESTORS + 1)
        return {"ancestors": chain[-ANCESTORS:], "truncated": len(chain) > ANCESTORS}

    def _chain(self, pid: int, most: int) -> list[dict[str, Any]]:
        """A process and its ancestors, itself last."""
        stat = self.stat(pid) if pid > 0 and most else None
        if stat is None:
            return []
        known = self.lineages.get((pid, stat[2]))
        if known is None:
            one = {"executable": link(f"/proc/{pid}/exe"), "name": stat[0], "pid": pid}
            one["started_at_unix_ms"] = stat[2] // 1_000_000
            known = [*self._chain(stat[1], most - 1), {key: value for key, value in one.items() if value is not None}]
            self.lineages[pid, stat[2]] = known
            if len(self.lineages) > REMEMBERED:
                self.lineages.popitem(last=False)
        return known


def socket_inode(path: str) -> int:
    """Inode of the socket that a /proc link names; 0 if it has gone or names something else."""
    try:
        target = os.readlink(path)
    except OSError:
        return 0
    return int(target[8:-1]) if target.startswith("socket:[") else 0


def last_pid() -> int:
    """Highest process id so far, or, once they have started again from below, the latest; 0 if it is not told."""
    fields = read("/proc/loadavg").split()
    return int(fields[4]) if len(fields) > 4 else 0


def user_name(uid: int | None) -> str | None:
    """Name of a user of this host, or None."""
    try:
        return None if uid is None or pwd is None else pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def command_line(words: list[str], full: bool) -> dict[str, Any]:
    """Keys of a command line, quoted as for a shell."""
    if not words or not words[0]:
        return {}
    shown = words if full else redact(words)
    line = " ".join(shlex.quote(word) for word in shown)
    keys: dict[str, Any] = {"cmdline": line[:MAX_TEXT]}
    if shown != words:
        keys["cmdline_redacted"] = True
    if len(line) > MAX_TEXT:
        keys["cmdline_truncated"] = True
    return keys


def addresses() -> list[str]:
    """Addresses of this network namespace, without loopback."""
    found, before = set(), ""
    for line in read("/proc/self/net/fib_trie").decode("ascii", "replace").splitlines():
        if line.endswith("host LOCAL"):
            found.add(before)
        before = line.rpartition(" ")[2]
    for line in read("/proc/self/net/if_inet6").split(b"\n"):
        if len(line) > 32:
            found.add(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line[:32].decode())))
    return sorted(one for one in found if not one.startswith("127.") and one != "::1")


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

    def sockets(
        self, family: int, protocol: int, counters: bool, between: Callable[[], None]
    ) -> Iterator[tuple[bytes, int, int]]:
        """Sockets of a family and protocol: buffer, start and end of each inet_diag_msg."""
        states = OWNED_STATES if self.listener else KNOWN_STATES
        wanted = 1 << INET_DIAG_INFO - 1 if protocol == TCP and counters else 0
        request = struct.pack("=BBBBI48x", family, protocol, wanted, 0, states)
        self.dump.send(struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_REQUEST_DUMP, 1, 0) + request)
        while True:
            between()
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

    def one(self, protocol: int, local: tuple[bytes, int], remote: tuple[bytes, int]) -> bytes | None:
        """The inet_diag_msg of the socket that takes these ends, or None if there is none."""
        family = socket.AF_INET if len(local[0]) == 4 else socket.AF_INET6
        # The kernel looks for the receiver of a UDP datagram: to it the local end is the destination.
        near, far = (local, remote) if protocol == TCP else (remote, local)
        ends = struct.pack(">HH16s16s", near[1], far[1], near[0], far[0])
        request = struct.pack("=BBBBI", family, protocol, 1 << INET_DIAG_INFO - 1, 0, 0xFFFFFFFF) + ends
        request += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        self.dump.send(struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_REQUEST, 1, 0) + request)
        data = self.dump.recv(1 << 16)
        length, kind = struct.unpack_from("=IH", data)
        return data[16:length] if kind == SOCK_DIAG_BY_FAMILY else None

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


class Translations:
    """The kernel's table of tracked connections: which ends a translated connection has on its other side."""

    TRACKED = "/proc/sys/net/netfilter/nf_conntrack_count"

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        if int(read(self.TRACKED) or 0):  # asking would otherwise load what is not in use
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)

    def other(self, protocol: int, source: tuple[bytes, int], target: tuple[bytes, int]) -> tuple[Any, Any] | None:
        """Source and target of the packets that come back, if they are not the same two; None without translation."""
        if self.socket is None:
            return None
        family, base = (socket.AF_INET, 1) if len(source[0]) == 4 else (socket.AF_INET6, 3)
        places = nested(1, attribute(base, source[0]) + attribute(base + 1, target[0]))
        ports = attribute(2, struct.pack(">H", source[1])) + attribute(3, struct.pack(">H", target[1]))
        request = struct.pack("=BBH", family, 0, 0)
        request += nested(1, places + nested(2, attribute(1, bytes((protocol,))) + ports))
        self.socket.send(struct.pack("=IHHII", 16 + len(request), CT_GET, NLM_REQUEST, 1, 0) + request)
        data = self.socket.recv(1 << 16)
        length, kind = struct.unpack_from("=IH", data)
        if kind == NLMSG_ERROR:
            if struct.unpack_from("=i", data, 16)[0] == -errno.EPERM:
                self.socket.close()
                self.socket = None
            return None
        found = attributes(data[20:length])
        both = [self._ends(found.get(kind, b""), base) for kind in (1, 2)]
        back = both[1] if both[0] == (source, target) else both[0]
        return None if back is None or back == (target, source) else back

    @staticmethod
    def _ends(raw: bytes, base: int) -> tuple[tuple[bytes, int], tuple[bytes, int]] | None:
        parts = attributes(raw)
        places, ports = attributes(parts.get(1, b"")), attributes(parts.get(2, b""))
        try:
            near, far = struct.unpack(">H", ports[2])[0], struct.unpack(">H", ports[3])[0]
            return (places[base], near), (places[base + 1], far)
        except (KeyError, struct.error):
            return None


def attribute(kind: int, value: bytes) -> bytes:
    """One netlink attribute."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def nested(kind: int, value: bytes) -> bytes:
    """One netlink attribute that holds others."""
    return attribute(kind | NESTED, value)


@dataclass
class Target:
    """A socket whose owner is looked for because of a packet."""

    protocol: int
    local: tuple[bytes, int]
    remote: tuple[bytes, int]
    seen: int
    """When the packet passed (ns since 1970)."""
    tries: int = 0

    def key(self) -> tuple[Any, ...]:
        """What tells it from others."""
        return self.protocol, self.local, self.remote


class Watch:
    """Packets that open TCP connections, and UDP packets, as they pass through any interface of the namespace.

    A filter in the kernel leaves the others alone. The packet's ends go to the recorder; its content is not looked at.
    """

    def __init__(self, udp: bool) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.setblocking(False)
        self.widest = self.level = 1 + udp  # 2: TCP and UDP, 1: TCP, 0: nothing
        self.second = self.seen = self.lost = 0
        self.wider = float("inf")
        """When it is time to watch more again."""
        self._filter()

    def _filter(self) -> None:
        """Attach the filter of the present level."""
        take, drop, udp = (6, 0, 0, 128), (6, 0, 0, 0), self.level > 1
        if not self.level:
            program = [drop]
        else:  # classic BPF; data begins with the network header; a jump counts from the next instruction
            program = [
                (0x20, 0, 0, 0xFFFFF000),  # ethertype
                (0x15, 0, 8, 0x0800),
                (0x28, 0, 0, 6), (0x45, 14, 0, 0x1FFF),  # fragments but the first
                (0x30, 0, 0, 9), (0x15, 11 if udp else 12, 0, UDP), (0x15, 0, 11, TCP),
                (0xB1, 0, 0, 0), (0x50, 0, 0, 13), (0x45, 7, 8, 2),  # the SYN flag
                (0x15, 0, 7, 0x86DD),
                (0x30, 0, 0, 6), (0x15, 4 if udp else 5, 0, UDP), (0x15, 0, 4, TCP),
                (0x30, 0, 0, 53), (0x45, 1, 2, 2),
                drop, take, drop,
            ]  # fmt: skip
        raw = b"".join(struct.pack("=HBBI", *one) for one in program)
        buffer = ctypes.create_string_buffer(raw, len(raw))
        self.socket.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(buffer))
        )

    def dropped(self) -> int:
        """Number of packets so far that the kernel had no room for."""
        self.lost += struct.unpack("=II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
        return self.lost

    def narrow(self, by: int) -> None:
        """Watch less (1) or more (-1)."""
        self.level = max(0, self.level - 1) if by > 0 else self.widest
        self.wider = time.monotonic() + WATCH_REST if self.level < self.widest else float("inf")
        self._filter()

    def packets(self, most: int) -> Iterator[Target]:
        """The ends of packets that have passed since the last call."""
        for _ in range(most):
            try:
                data, more, _, place = self.socket.recvmsg(128, 64)
            except BlockingIOError:
                return
            except OSError:  # an interface has gone down
                continue
            outgoing = place[2] == PACKET_OUTGOING
            if not outgoing and place[2] != PACKET_HOST:
                continue
            seen = time.time_ns()
            for level, kind, value in more:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    seconds, nanos = struct.unpack("@ll", value)
                    seen = seconds * 1_000_000_000 + nanos
            found = ends(data)
            if found:
                protocol, source, target = found
                local, remote = (source, target) if outgoing else (target, source)
                yield Target(protocol, local, remote, seen)


def ends(data: bytes) -> tuple[int, tuple[bytes, int], tuple[bytes, int]] | None:
    """Protocol, source and destination of an IP packet; None for what is not watched."""
    if len(data) >= 28 and data[0] >> 4 == 4:
        at, protocol, source, target = (data[0] & 15) * 4, data[9], data[12:16], data[16:20]
    elif len(data) >= 48 and data[0] >> 4 == 6:
        at, protocol, source, target = 40, data[6], data[8:24], data[24:40]
    else:
        return None
    if protocol not in {TCP, UDP} or len(data) < at + 4:
        return None
    here, there = struct.unpack_from(">HH", data, at)
    return protocol, (source, here), (target, there)


def attributes(raw: bytes) -> dict[int, bytes]:
    """Netlink attributes by kind."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(raw):
        length, kind = struct.unpack_from("=HH", raw, at)
        if length < 4:
            break
        found[kind & ~NESTED] = raw[at + 4 : at + length]
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
    entry.ends = protocol, (unmapped(local), here), (unmapped(remote), there)
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
    """Polls the kernel, follows packets, and writes a line for every process that holds a socket."""

    def __init__(
        self,
        options: argparse.Namespace,
        out: IO[str],
        kernel: Any = None,
        processes: Any = None,
        version: str = VERSION,
    ) -> None:
        """Prepare to record; ``kernel`` and ``processes`` stand in for Linux's own where that is not the system."""
        self.options, self.out = options, out
        self.kernel = kernel or Kernel()
        self.processes = processes or Processes(options)
        self.look = self._look if kernel is None else kernel.look
        self.watch = open_watch(options) if kernel is None else None
        self.translations = Translations() if kernel is None and options.nat else None
        self.interval = options.interval or (0.5 if self.watch else 0.25)
        self.selector = selectors.DefaultSelector()
        self.addresses = addresses if kernel is None else kernel.addresses
        boot = text(read("/proc/sys/kernel/random/boot_id")).strip() if kernel is None else kernel.boot_id
        self.origin = {
            "boot_id": boot or None,
            "host": options.host or socket.gethostname(),
            "recorder": version,
            "sidecar_version": SIDECAR_VERSION,
        }
        self.entries: dict[Any, Entry] = {}
        self.by_cookie: dict[bytes, Entry] = {}
        self.targets: list[tuple[float, int, Target]] = []
        self.recent: OrderedDict[tuple[Any, ...], tuple[int, str]] = OrderedDict()
        """Ends that packets have shown: when, and why no owner was found for them."""
        self.held_back: list[tuple[Entry, Holding, int]] = []
        """Lines that wait for the hash of an executable."""
        self.count: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.now = self.polled = self.scanned = self.told = 0
        self.whole = 0
        """When the kernel's counters of all sockets are next to be read."""
        self.skew = time.time_ns() - time.monotonic_ns()
        self.started = time.time_ns()
        self.busy = self.slowest = self.longest_gap = 0
        self.rested = time.monotonic()
        self.allowance, self.allowed, self.hunting = float(WATCH_BURST_NS), time.monotonic_ns(), False

    def poll(self) -> None:
        """Look at every socket once."""
        began, self.rested = time.monotonic_ns(), time.monotonic()
        self.polled, self.now = self.now, time.time_ns()
        if self.polled:
            self.longest_gap = max(self.longest_gap, self.now - self.polled)
        self.count["clock_steps"] += abs(self.now - began - self.skew) > 50_000_000
        self.skew = self.now - began
        for notice in self.kernel.endings(self.count):
            self._end(notice)
        fresh = self.look(self)
        if self.now - self.scanned >= self.options.rescan * 1e9 or not all(map(self._placed, fresh)):
            self._scan()
            self._own(self.entries.values())
        else:
            self._own(fresh)
        self._settle()
        if self.now - self.told > PROGRESS_NS:
            self._tell("progress" if self.told else "start", addresses=self.addresses())
        self.out.flush()
        self.count["polls"] += 1
        spent = time.monotonic_ns() - began
        self.busy, self.slowest = self.busy + spent, max(self.slowest, spent)

    def _placed(self, entry: Entry) -> bool:
        """Whether it is known who holds a socket; looks where that is quickly found."""
        inode = entry.inode
        return not inode or inode in self.processes.holders or self._hunt(entry) is not None

    def _hunt(self, entry: Entry) -> int | None:
        return self.processes.hunt(entry.inode, entry.keys.get("socket_uid", 0))

    def _scan(self) -> None:
        self.processes.scan(self._between)
        self.scanned = time.time_ns()
        self.count["scans"] += 1

    def _between(self) -> None:
        """Between two steps of long work, follow packets; at times let others have the processor."""
        if not self.hunting:
            self.packets()
        self._rest()

    def _rest(self) -> None:
        """Stand back after some work without a pause: who is scheduled before others must not keep them out."""
        worked = time.monotonic() - self.rested
        if worked > WORK_S:
            time.sleep(min(worked, WORK_S))
            self.rested = time.monotonic()

    def _look(self, _recorder: Recorder) -> list[Entry]:
        """Update the entries from sock_diag; return those that need an owner."""
        entries, now, fresh = self.entries, self.now, self._look_at_raw()
        whole = now >= self.whole
        if whole:
            self.whole = now + WHOLE_NS
        for family, protocol in ((2, TCP), (2, UDP), (10, TCP), (10, UDP)):
            prefix = bytes((protocol, family))
            for data, at, end in self.kernel.sockets(family, protocol, whole, self._rest):
                key = prefix + data[at + 4 : at + 52]
                entry = entries.get(key)
                if entry is None:
                    entry = self.admit(key, diag_entry(data, at, end, protocol, now))
                    fresh.append(entry)
                elif protocol == TCP:
                    entry.keys["state"] = STATES[data[at + 1]]
                    if whole:
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
                    entry = self.admit(key, table_entry(table, columns, self.now))
                    fresh.append(entry)
                entry.last, entry.gone = self.now, 0
        return fresh

    def admit(self, key: Any, entry: Entry) -> Entry:
        """Take in a socket that is seen for the first time."""
        self.entries[key] = entry
        self.count["sockets"] += 1
        since = self.now if entry.seen_by == "packet" else self.polled
        if since:
            entry.keys["opened_after"] = moment(min(since, entry.first))
        if entry.cookie:
            self.by_cookie[entry.cookie] = entry
        entry.early = entry.first + self.options.early * 1e9
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

    def packets(self) -> None:
        """Look for the owners of sockets whose first packets have just passed, or that were not accepted before."""
        now = time.monotonic_ns()
        self.allowance = min(WATCH_BURST_NS, self.allowance + (now - self.allowed) * WATCH_SHARE)
        self.allowed = now
        if self.watch is None:
            return
        for target in self.watch.packets(256):
            self._limit()
            key, then = target.key(), target.seen - SAME_NS[target.protocol]
            if self._shown(key) > then or (target.protocol == UDP and self._shown((UDP, target.local)) > then):
                continue
            self.count["packets_seen"] += 1
            self._try(target)
        now = time.monotonic()
        due = [target for when, _, target in self.targets if when <= now]
        if due:
            self.targets = [one for one in self.targets if one[0] > now]
            for target in due:
                self._try(target)

    def _limit(self) -> None:
        """Watch less where packets are too many to be followed."""
        watch, second = self.watch, int(time.monotonic())
        if second != watch.second:
            watch.second, watch.seen = second, 0
        watch.seen += 1
        if watch.seen > WATCH_LIMIT and watch.level:
            watch.seen = 0
            watch.narrow(1)
            self.count["watch_pauses"] += 1
            self._tell("gap", missed=[f"packets were too many to be watched (level {watch.level} of {watch.widest})"])

    def _shown(self, key: tuple[Any, ...]) -> int:
        """When ends were last shown by a packet that was followed."""
        return self.recent.get(key, (0, ""))[0]

    def _remember(self, key: tuple[Any, ...], seen: int, why: str) -> None:
        self.recent[key] = seen, why
        self.recent.move_to_end(key)
        if len(self.recent) > REMEMBERED:
            self.recent.popitem(last=False)

    def _try(self, target: Target) -> None:
        """Look for the owner of one socket, now; later again if nobody has accepted it yet."""
        if self.allowance < 0:
            self.count["too_busy"] += 1
            self._remember(target.key(), target.seen, "recorder-too-busy")
            return
        began, self.hunting = time.monotonic_ns(), True
        self.rested = time.monotonic()
        why = self._find(target)
        self.hunting = False
        self.allowance -= time.monotonic_ns() - began
        self._remember(target.key(), target.seen, why)
        if why in AGAIN and target.tries < len(RETRIES):
            self.targets.append((time.monotonic() + RETRIES[target.tries], id(target), target))
            target.tries += 1

    def _find(self, target: Target) -> str:
        """Enter the socket of a packet with its owner; otherwise say why that is not possible."""
        data = self.kernel.one(target.protocol, target.local, target.remote)
        if data is None and self.translations:
            back = self.translations.other(target.protocol, target.remote, target.local)
            data = self.kernel.one(target.protocol, *back) if back else None
        if data is None:
            return "closed-before-look"
        state, inode = data[1], struct.unpack_from("=I", data, 68)[0]
        if target.protocol == TCP and (state in WAITING or not inode):
            return "not-accepted" if state in WAITING or state in OPEN else "closed-before-look"
        key = bytes((target.protocol, data[0])) + data[4:52]
        entry = self.entries.get(key)
        if entry is None:
            entry = diag_entry(data, 0, len(data), target.protocol, target.seen)
            entry.seen_by = "packet"
            self.admit(key, entry)
        elif not entry.inode:
            entry.keys["socket_uid"], entry.inode = struct.unpack_from("=II", data, 64)
        if target.protocol == UDP and entry.match != "exact-tuple":
            self._remember(
                (UDP, target.local), target.seen, ""
            )  # takes from anybody: more of its packets say nothing new
        if entry.holders:
            return ""
        entry.unowned = self._hold(entry)
        return entry.unowned

    def _hold(self, entry: Entry) -> str:
        """Note the process that holds a new socket; otherwise say why none was found."""
        pid = self._hunt(entry)
        if pid is None and time.time_ns() - self.scanned > SCAN_REST_NS and self.allowance > WATCH_BURST_NS // 4:
            self._scan()
            pid = next(iter(self.processes.holders.get(entry.inode, ())), None)
        if pid is None:
            return "holder-unreadable" if self.processes.unreadable else "holder-not-found"
        process = self.processes.describe(pid)
        if process is None:
            return "process-gone"
        entry.holders[pid, process[0]] = Holding(process[1], entry.first, max(entry.last, time.time_ns()))
        self.count["owned_by_packet"] += 1
        return ""

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
            entry.seen_by, entry.unowned = "notice", self._why_missed(notice, protocol)
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

    def _why_missed(self, notice: bytes, protocol: int) -> str:
        """Why a socket is known only from the notice of its end."""
        (here, there), size = struct.unpack_from(">HH", notice, 4), 4 if notice[0] == socket.AF_INET else 16
        key = (protocol, (notice[8 : 8 + size], here), (notice[24 : 24 + size], there))
        seen, why = self.recent.get(key, (0, ""))
        return why if why and seen >= self.polled else "closed-between-polls"

    def _settle(self) -> None:
        """Write sockets that have gone, and long-lived ones now and then."""
        for key, entry in list(self.entries.items()):
            if entry.last < self.now:
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
        self.processes.ended.add(entry.inode)
        entry.keys["closed_before"] = moment(entry.gone or self.now)
        self._write(entry, last=True)

    def _write(self, entry: Entry, last: bool = False) -> None:
        """Write the lines of a socket, for the last time or not."""
        if self.translations and entry.ends and entry.match == "exact-tuple":
            back = self.translations.other(*entry.ends)
            if back:
                entry.keys["nat_local_addr"], entry.keys["nat_remote_addr"] = endpoint(*back[1]), endpoint(*back[0])
            entry.ends = None
        if not entry.holders:
            why = entry.unowned
            if not why:
                none = "holder-unreadable" if self.processes.unreadable else "holder-not-found"
                why = none if entry.inode else "not-accepted"
            entry.keys["unowned_because"] = why
            if last:
                self.count["unowned"] += 1
                self.reasons[why] += 1
            self._line(entry, Holding({"pid": None, "process_name": None}, entry.first, entry.last), 0)
        for held in entry.holders.values():
            held.last = max(held.last, entry.last)  # even if the process has left the connection to the kernel
            self._line(entry, held, len(entry.holders))

    def _line(self, entry: Entry, held: Holding, owners: int) -> None:
        """Write a line, or let it wait while the hash of its executable is being made."""
        hashes = self.processes.hashes
        if hashes and hashes.queue and "exe_sha256" not in held.process and owners:
            self.held_back.append((entry, held, owners))
            if len(self.held_back) > REMEMBERED:
                self._release(all_=True)
            return
        keys: dict[str, Any] = {
            **self.origin,
            "bytes_received": 0,
            "bytes_sent": 0,
            "bytes_source": "none",
            "first_seen": moment(held.first),
            "last_seen": moment(max(held.first, held.last)),
            "observed_by": entry.seen_by,
            "socket_inode": entry.inode or None,
            "socket_owners": owners,
            "timestamp": rfc3339(time.time_ns()),
            **entry.keys,
            **held.process,
            **counters(attributes(entry.attributes)),
        }
        if owners:
            keys["attribution_match"] = entry.match
            keys.pop("unowned_because", None)
        self._put(keys)
        self.count["lines"] += 1

    def _release(self, all_: bool = False) -> None:
        """Write the lines that waited for a hash which is there now."""
        waiting, self.held_back = self.held_back, []
        hashes, self.processes.hashes = self.processes.hashes, None if all_ else self.processes.hashes
        for entry, held, owners in waiting:
            self._line(entry, held, owners)
        self.processes.hashes = hashes

    def _put(self, keys: dict[str, Any]) -> None:
        kept = {key: keys[key] for key in sorted(keys) if keys[key] is not None or key in {"pid", "process_name"}}
        self.out.write(json.dumps(kept, separators=(",", ":")) + "\n")

    def _tell(self, record: str, **more: Any) -> None:
        """Write a line about the recording itself, which no reader takes for a connection."""
        nowhere = {"protocol": "META", "local_addr": "0.0.0.0:0", "remote_addr": "0.0.0.0:0", "state": record}
        since, self.told = self.told or self.started, time.time_ns()
        keys = {**self.origin, **nowhere, "record": record, "bytes_received": 0, "bytes_sent": 0, "pid": None}
        keys.update(process_name=None, first_seen=moment(since), last_seen=moment(self.told))
        keys["timestamp"] = rfc3339(self.told)
        self._put({**keys, **self.facts(), **more})

    def run(self, stop: Any) -> None:
        """Poll until ``--duration`` is over or ``stop`` becomes readable."""
        self.selector.register(stop, selectors.EVENT_READ)
        if self.watch:
            self.selector.register(self.watch.socket, selectors.EVENT_READ)
        due = time.monotonic()
        end = due + (self.options.duration or float("inf"))
        while True:
            begun = time.monotonic()
            self.poll()
            due += self.interval
            # A host with very many sockets is polled less often rather than kept busy: four fifths stay idle.
            earliest = time.monotonic() + 4 * (time.monotonic() - begun)
            if earliest > due:
                self.count["late_polls"] += 1
                due = earliest
            if self._wait(stop, min(due, end)) or time.monotonic() >= end:
                break
        self.whole = 0
        if self.kernel.listener:
            time.sleep(LATE_NOTICES)
        self.poll()
        if self.processes.hashes:
            self.processes.hashes.finish(2)
        self._release()
        for entry in self.entries.values():
            if entry.gone:
                entry.keys["closed_before"] = moment(entry.gone)
            self._write(entry, last=True)
        self._release(all_=True)
        self._tell("end", missed=self.missed(), addresses=self.addresses())
        self.out.flush()

    def _wait(self, stop: Any, until: float) -> bool:
        """Follow packets until the next poll is due; returns whether recording is to end."""
        while True:
            now = time.monotonic()
            if self.watch and now > self.watch.wider:
                self.watch.narrow(-1)
            wait = min([until, *(when for when, _, _ in self.targets)]) - now
            hashes = self.processes.hashes
            idle = bool(hashes and hashes.queue)
            ready = {key.fileobj for key, _ in self.selector.select(0 if idle else min(max(wait, 0), 1e6))}
            if stop in ready and set(stop.recv(64)) != {XCPU}:
                return True
            if now >= until:
                return False
            if ready or self.targets:
                self.packets()
            elif idle:
                hashes.step()
                if self.held_back and len(hashes.queue) == 0:
                    self._release()

    def handles(self) -> list[Any]:
        """What is open."""
        more = [self.watch and self.watch.socket, self.translations and self.translations.socket]
        more += [getattr(self.kernel, "dump", None), self.kernel.listener]
        return [self.selector, *filter(None, more)]

    def facts(self) -> dict[str, Any]:
        """How the recording is made and what it has come to, as numbers."""
        return {
            "interval_s": self.interval,
            "methods": [
                "sock_diag" if isinstance(self.kernel, Kernel) else "psutil",
                *["destroy-notices"] * (self.kernel.listener is not None),
                *["packets"] * (self.watch is not None),
                *["realtime"] * hurried(),
            ],
            **{name: self.count[name] for name in COUNTED},
            "unowned_reasons": dict(self.reasons),
            "mean_poll_ms": round(self.busy / 1e6 / max(self.count["polls"], 1), 3),
            "slowest_poll_ms": round(self.slowest / 1e6, 3),
            "longest_gap_ms": round(self.longest_gap / 1e6, 3),
            "unreadable_processes": len(self.processes.unreadable),
            "notices": self.kernel.listener is not None,
            "network_namespace": namespace(),
            "packets_dropped": self.watch.dropped() if self.watch else 0,
        }

    def missed(self) -> list[str]:
        """What the recording may have missed, in sentences."""
        count, blind = self.count, self.kernel.listener is None
        dropped = self.watch.dropped() if self.watch else 0
        unread = len(self.processes.unreadable)
        said = {
            f"sockets that opened and closed within {self.interval:g} s, without a trace": blind,
            f"owners of {count['closed_unseen']} sockets that were known only when they had ended": count[
                "closed_unseen"
            ],
            "owners of most sockets that lived shorter than the interval: packets were not watched": self.watch is None,
            f"owners of {count['unowned']} sockets in all; unowned_reasons says why": count["unowned"],
            f"notices of ended sockets, {count['notices_lost']} times: the kernel had no room": count["notices_lost"],
            f"packets that open connections, {count['watch_pauses']} times: too many to watch": count["watch_pauses"],
            f"{dropped} packets that open connections: the kernel had no room for them": dropped,
            f"{count['late_polls']} polls came late, up to {self.longest_gap / 1e6:.0f} ms apart": count["late_polls"],
            f"sockets of {unread} processes that this user may not read": unread,
            f"the clock was set {count['clock_steps']} times: times do not agree": count["clock_steps"],
        }
        return [words for words, so in said.items() if so]

    def summary(self) -> dict[str, Any]:
        """Sum up what the recording covers and what it may have missed."""
        times = {"started": rfc3339(self.started), "ended": rfc3339(time.time_ns())}
        return {**self.origin, **times, **self.facts(), "missed": self.missed()}


def open_watch(options: argparse.Namespace) -> Watch | None:
    """Begin to watch packets, if that is wanted and allowed."""
    if not options.packets:
        return None
    try:
        return Watch(options.udp)
    except OSError:  # not root, or a kernel without packet sockets
        return None


def namespace() -> int | None:
    """Number of this program's network namespace."""
    try:
        return os.stat("/proc/self/ns/net").st_ino
    except OSError:
        return None


def enter(wanted: str) -> None:
    """Move this program into a network namespace: a name of ``ip netns``, a path or a process id."""
    if not sys.platform.startswith("linux"):
        raise RecordError("only Linux has network namespaces; leave --netns out")
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


def parse(arguments: list[str] | None, program: str = "record.py") -> argparse.Namespace:
    """Read the command line."""
    about = "Record which process owns which socket, beside a packet capture."
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.set_defaults(program=program)
    add = parser.add_argument
    add("-o", "--output", default="-", metavar="FILE", help="JSON lines go here (default: standard output)")
    add("--meta", metavar="FILE", help="summary of the recording (default: FILE with .meta.json for .jsonl)")
    add("--interval", type=float, metavar="S", help="seconds from poll to poll (default: 0.5, without packets 0.25)")
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
    add("--full-cmdline", action="store_true", help="do not hide what looks like a secret in command lines")
    add("--hash", action="store_true", help="add the SHA-256 of each executable (up to 256 MiB, read while idle)")
    add("--no-packets", dest="packets", action="store_false", help="do not watch for packets that open connections")
    add("--no-nat", dest="nat", action="store_false", help="do not look up translated addresses (conntrack)")
    add("--no-udp", dest="udp", action="store_false", help="watch TCP packets only")
    add("--no-realtime", dest="realtime", action="store_false", help="do not be scheduled before other programs")
    add("--version", action="version", version=VERSION)
    options = parser.parse_args(arguments)
    if (options.interval is not None and options.interval <= 0) or min(
        options.rescan, options.duration, options.early
    ) < 0:
        parser.error("times are positive numbers of seconds")
    if options.meta is None and options.output != "-":
        options.meta = re.sub(r"\.jsonl$", "", options.output) + ".meta.json"
    return options


def hurry() -> None:
    """Be scheduled before others, where that is allowed: what lives for milliseconds does not wait.

    The work stays bounded all the same, by the pauses between polls and the allowance of the watch; should it ever
    go on without a pause, the kernel says so and the program is scheduled like others from then on.
    """
    try:
        import resource  # noqa: PLC0415 -- not on Windows

        signal.signal(signal.SIGXCPU, lambda *_: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)))
        resource.setrlimit(RLIMIT_RTTIME, (UNPAUSED_US, resource.getrlimit(RLIMIT_RTTIME)[1]))
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (ImportError, AttributeError, OSError, ValueError):  # not Linux; not root; no share of such time here
        return


def hurried() -> bool:
    """Whether this program is scheduled before others."""
    try:
        return os.sched_getscheduler(0) == os.SCHED_RR
    except (AttributeError, OSError):
        return False


def create(path: str) -> IO[str]:
    """Open a new file that only its owner can read, emptied if it exists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        return os.fdopen(handle, "w", 1, encoding="utf-8")
    except OSError as error:
        raise RecordError(f"cannot write {path}: {error.strerror}; choose another place") from error


def record(options: argparse.Namespace, **sources: Any) -> None:
    """Record as the options say, until told to stop; ``sources`` are those of `Recorder`."""
    stop, wake = socket.socketpair()  # select takes only sockets on Windows
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, lambda *_: None)
    if options.netns:
        enter(options.netns)
    if options.realtime:
        hurry()
    if options.output == "-":
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    out = sys.stdout if options.output == "-" else create(options.output)
    recorder = Recorder(options, out, **sources)
    try:
        recorder.run(stop)
    finally:
        summary = recorder.summary()
        signal.set_wakeup_fd(-1)
        for one in (stop, wake, *recorder.handles(), *[out] * (out is not sys.stdout)):
            one.close()
        if options.meta:
            with create(options.meta) as file:
                file.write(json.dumps(summary, indent=1) + "\n")
    said = (
        "{lines} lines on {sockets} sockets in {polls} polls; {unowned} without an owner; {notices_lost} notices lost"
    )
    told = [said.format(**summary)]
    if summary["unreadable_processes"]:
        told.append(f"{summary['unreadable_processes']} processes could not be read; run as root")
    if options.packets and recorder.watch is None and not sources:
        told.append("packets could not be watched (needs CAP_NET_RAW): short connections have no owner")
    sys.stderr.write("".join(f"{options.program}: {words}\n" for words in told))


def main(arguments: list[str] | None = None) -> int:
    """Run, and return the exit code."""
    options = parse(arguments)
    if not sys.platform.startswith("linux"):
        sys.stderr.write("record.py: only for Linux; elsewhere `rustnet sidecar record` does this, with psutil\n")
        return 1
    try:
        record(options)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except (RecordError, OSError) as error:
        sys.stderr.write(f"record.py: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
