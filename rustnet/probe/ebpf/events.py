"""What the eBPF program reports, decoded: `struct socket_event` and `struct process_event` of attribution.bpf.c."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple, Union

from rustnet.probe.ends import End

CONNECT, LISTENING, SENT, RECEIVED, CLOSED, EXECUTED = range(1, 7)
"""Kinds of events."""
HEAD = struct.Struct("=QQQIIII16sII")
ENDS = struct.Struct("=Q16s16sHHBB?xIHH")
PATH_SIZE = 256


class Who(NamedTuple):
    """A process, as the kernel knew it at the moment of an event."""

    pid: int
    thread: int
    uid: int
    gid: int
    """Effective, like the user."""
    name: str
    """Of the group leader, at most 15 bytes."""
    started: int
    """Of the group leader, nanoseconds since boot."""
    cgroup: int
    """Id of its control group: the inode of its folder in cgroup2."""


class SocketEvent(NamedTuple):
    """A process used a socket."""

    kind: int
    time: int
    """Nanoseconds since 1970."""
    who: Who
    protocol: int
    """IP protocol of socket or packet."""
    local: End
    remote: End
    """Of an ICMP echo request the local port is its id; an unconnected socket has a remote end of zeros."""
    family: int
    only6: bool
    """Whether a socket of IPv6 takes no IPv4."""
    cookie: int
    namespace: int
    """Inode of the socket's network namespace."""
    interface: int
    """Index of the interface that the socket is bound to, or 0."""
    state: int
    """TCP's state number, also of UDP (1: connected); 0: the ends are those of a packet, not the socket's own."""
    type: int
    """SOCK_STREAM, SOCK_DGRAM, SOCK_RAW."""

    def diag_key(self) -> bytes:
        """Protocol, family and ``struct inet_diag_sockid`` of the socket, as `SocketTable` has them as key."""
        size = len(self.local[0])
        return struct.pack(
            f">BBHH{size}s{16 - size}x{size}s{16 - size}x",
            self.protocol, self.family, self.local[1], self.remote[1], self.local[0], self.remote[0],
        ) + struct.pack("=I", self.interface) + self.diag_cookie()  # fmt: skip

    def diag_cookie(self) -> bytes:
        """The socket's cookie as sock_diag gives it."""
        return struct.pack("=II", self.cookie & 0xFFFFFFFF, self.cookie >> 32)


class ProcessEvent(NamedTuple):
    """A process began another program."""

    time: int
    """Nanoseconds since 1970."""
    who: Who
    parent: int
    path: str
    """Of the program's file, as given to exec; of a script its interpreter's."""


Event = Union[SocketEvent, ProcessEvent]


def text(raw: bytes) -> str:
    """Bytes up to the first zero, as text that JSON can carry."""
    return raw.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def decode(raw: bytes, boot_ns: int) -> Event:
    """One record of the ring buffer; ``boot_ns`` is the time of boot (ns since 1970)."""
    time, started, cgroup, pid, thread, uid, gid, name, kind, other = HEAD.unpack_from(raw)
    who = Who(pid, thread, uid, gid, text(name), started, cgroup)
    if kind == EXECUTED:
        return ProcessEvent(boot_ns + time, who, other, text(raw[HEAD.size : HEAD.size + PATH_SIZE]))
    cookie, local, remote, local_port, remote_port, protocol, family, only6, interface, state, kind_of_socket = (
        ENDS.unpack_from(raw, HEAD.size)
    )
    size = 4 if family == socket.AF_INET else 16
    return SocketEvent(
        kind, boot_ns + time, who, protocol, (local[:size], local_port), (remote[:size], remote_port),
        family, only6, cookie, other, interface, state, kind_of_socket,
    )  # fmt: skip
