"""Sockets, the processes that hold them, and the table of those that are open."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rustnet.probe.ends import TCP, End, Ends, endpoint, unmapped
from rustnet.probe.lines import Keys, moment
from rustnet.probe.netlink import attributes

DIAG_SIZE = 72  # struct inet_diag_msg, before its attributes
INET_DIAG_SKV6ONLY = 11
STATES = (
    "TCP_UNKNOWN", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSED", "CLOSE_WAIT",
    "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV",
)  # fmt: skip
"""TCP's states by the kernel's number."""
RAW_PROTOCOLS = {1: "ICMP", 2: "IGMP", 58: "ICMP"}
EXACT, LISTENER = "exact-tuple", "listener-socket"


@dataclass
class Holding:
    """One process holding one socket, from ``first`` to ``last`` (ns since 1970)."""

    process: Keys
    first: int
    last: int
    match: str = ""
    """How certain the process is, where that is not how the socket's ends match."""
    released: int = 0
    """When the process first no longer held it, or had become another program, while it was open; 0: not yet."""


@dataclass
class Entry:
    """One socket."""

    keys: Keys
    """Keys that every line about it has."""
    match: str
    """How its ends match those of packets."""
    first: int
    last: int
    inode: int = 0
    cookie: bytes = b""
    attributes: bytes = b""
    """The kernel's newest attributes, still packed."""
    gone: int = 0
    """Time of the first poll that did not see it any more."""
    early: float = 0
    """When the next early line is due."""
    seen_by: str = "poll"
    """How it was first seen: `poll`, `packet`, `notice`, `ebpf`, `psutil`."""
    unowned: str = ""
    """Why it has no known owner so far."""
    ends: Ends | None = None
    """Protocol and ends, until it is known whether they are translated."""
    holders: dict[tuple[int, int], Holding] = field(default_factory=dict)
    """By process id and start."""


class SocketTable:
    """The open sockets, as of the latest poll."""

    def __init__(self, early_seconds: float, count: Counter[str]) -> None:
        self.early_ns = early_seconds * 1e9
        self.count = count
        self.entries: dict[Any, Entry] = {}
        self.by_cookie: dict[bytes, Entry] = {}
        self.now = self.previous = 0
        """Times of the latest poll and the one before."""

    def admit(self, key: Any, entry: Entry) -> Entry:
        """Add a socket that is seen for the first time."""
        self.entries[key] = entry
        self.count["sockets"] += 1
        since = self.now if entry.seen_by in {"packet", "ebpf"} else self.previous
        if since:
            entry.keys["opened_after"] = moment(min(since, entry.first))
        if entry.cookie:
            self.by_cookie[entry.cookie] = entry
        entry.early = entry.first + self.early_ns
        return entry


def new_entry(protocol: str, local: End, remote: End, state: str, now: int) -> Entry:
    """Entry of a socket that is seen for the first time."""
    match = EXACT
    if state == "LISTEN":
        match = LISTENER
    elif not any(remote[0]) and not remote[1]:
        match = "wildcard-remote-address" if any(local[0]) else "wildcard-local-address"
    keys = {"protocol": protocol, "local_addr": endpoint(*local), "remote_addr": endpoint(*remote), "state": state}
    return Entry(keys, match, now, now)


def diag_ends(data: bytes, at: int = 0) -> tuple[End, End]:
    """Local and remote end of an inet_diag_msg."""
    size = 4 if data[at] == socket.AF_INET else 16
    local_port, remote_port = struct.unpack_from(">HH", data, at + 4)
    return (data[at + 8 : at + 8 + size], local_port), (data[at + 24 : at + 24 + size], remote_port)


def diag_entry(data: bytes, at: int, end: int, protocol: int, now: int) -> Entry:
    """Entry from one inet_diag_msg (linux/inet_diag.h)."""
    local, remote = diag_ends(data, at)
    state = STATES[data[at + 1]] if protocol == TCP else "UDP_ACTIVE"
    entry = new_entry("TCP" if protocol == TCP else "UDP", local, remote, state, now)
    entry.keys["socket_uid"], entry.inode = struct.unpack_from("=II", data, at + 64)
    entry.cookie, entry.attributes = data[at + 44 : at + 52], data[at + DIAG_SIZE : end]
    entry.ends = protocol, (unmapped(local[0]), local[1]), (unmapped(remote[0]), remote[1])
    if len(local[0]) == 16 and not any(local[0]):
        entry.keys["ipv6_only"] = attributes(entry.attributes).get(INET_DIAG_SKV6ONLY, b"\0") != b"\0"
    return entry


def raw_entry(table: str, columns: list[bytes], now: int) -> Entry:
    """Entry from one line of ``/proc/net/{raw,icmp}[6]``, where the port is a protocol number or an echo's id."""
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
