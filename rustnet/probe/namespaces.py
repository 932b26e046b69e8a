"""Sockets of other network namespaces than the recorder's: of containers, whose packets this one's interfaces see.

A short-lived thread enters a namespace and asks the kernel there; where that is not allowed, /proc/PID/net has its
tables. Sockets on loopback are left out, as their packets stay there; one that is bound to no address is described with
each address of its namespace, as elsewhere its port is another one's.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
import time
from typing import Any, Callable, Iterator

from rustnet.probe.ends import TCP, UDP, End, unmapped
from rustnet.probe.errors import RecordError
from rustnet.probe.kernel import Kernel
from rustnet.probe.procfs import local_addresses, read
from rustnet.probe.sockets import DIAG_SIZE, EXACT, STATES, Entry, SocketTable, diag_ends, new_entry
from rustnet.probe.system import CLONE_NEWNET

LOOK_S = 1.0
"""Seconds between two looks at other namespaces."""
MOST_NAMESPACES, MOST_SOCKETS, MOST_ADDRESSES = 64, 4096, 16
"""Namespaces, sockets of each, and addresses by which an unbound socket is described, at most."""
ENTER_S = 2.0
"""Seconds that a look into one namespace may take."""
FAMILIES = ((socket.AF_INET, "tcp", TCP), (socket.AF_INET, "udp", UDP), (socket.AF_INET6, "tcp6", TCP),
            (socket.AF_INET6, "udp6", UDP))  # fmt: skip
TIME_WAIT, SYN_RECV = 6, 3


class Found:
    """One socket of another namespace."""

    __slots__ = ("inode", "local", "protocol", "remote", "state", "uid")

    def __init__(self, protocol: int, local: End, remote: End, state: int, uid: int, inode: int) -> None:
        self.protocol, self.local, self.remote, self.state = protocol, local, remote, state
        self.uid, self.inode = uid, inode


class OtherNamespaces:
    """Keeps the sockets of other network namespaces in the recorder's table."""

    def __init__(self, own: int | None) -> None:
        self.own = own
        self.due = 0.0
        self.left_out = 0
        """Namespaces that were too many, or could not be read, at the last look."""
        self.keys: set[Any] = set()
        """Keys of their sockets in the table."""

    def update(self, table: SocketTable, rest: Callable[[], None]) -> list[Entry]:
        """Update the table; returns the entries that are new. Between two looks nothing changes."""
        now = time.monotonic()
        if now < self.due:
            for key in self.keys:
                entry = table.entries.get(key)
                if entry:
                    entry.last, entry.gone = table.now, 0
            return []
        fresh: list[Entry] = []
        self.keys, self.left_out = set(), 0
        for number, pid in self._namespaces(rest):
            try:
                sockets, addresses = look_into(pid)
            except (OSError, RecordError, ValueError):
                self.left_out += 1
                continue
            for one in sockets[:MOST_SOCKETS]:
                for local in _seen_elsewhere(one, addresses):
                    self._enter(table, number, one, local, fresh)
            rest()
        self.due = time.monotonic() + max(LOOK_S, 9 * (time.monotonic() - now))
        return fresh

    def _namespaces(self, rest: Callable[[], None]) -> Iterator[tuple[int, int]]:
        """Number of each other namespace, and a process in it."""
        known = {self.own}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                number = os.stat(f"/proc/{name}/ns/net").st_ino
            except OSError:
                continue
            if number in known:
                continue
            if len(known) > MOST_NAMESPACES:
                self.left_out += 1
                return
            known.add(number)
            rest()
            yield number, int(name)

    def _enter(self, table: SocketTable, number: int, one: Found, local: End, fresh: list[Entry]) -> None:
        """Enter a socket into the table."""
        key = (number, one.protocol, local, one.remote, one.inode)
        self.keys.add(key)
        entry = table.entries.get(key)
        if entry is None:
            name = "TCP" if one.protocol == TCP else "UDP"
            state = STATES[one.state] if one.protocol == TCP and one.state < len(STATES) else "UDP_ACTIVE"
            entry = new_entry(name, local, one.remote, state, table.now)
            entry.keys["network_namespace"], entry.keys["socket_uid"] = number, one.uid
            entry.inode = one.inode
            if entry.match == EXACT:
                entry.ends = one.protocol, (unmapped(local[0]), local[1]), (unmapped(one.remote[0]), one.remote[1])
            table.admit(key, entry)
            fresh.append(entry)
        entry.last, entry.gone = table.now, 0


def look_into(pid: int) -> tuple[list[Found], list[bytes]]:
    """Sockets of the network namespace of a process, and its addresses; raises OSError if it cannot be read."""
    addresses = [_packed(one) for one in local_addresses(f"/proc/{pid}/net/")[:MOST_ADDRESSES]]
    taken: list[list[Found]] = []

    def work() -> None:
        try:
            enter(f"/proc/{pid}/ns/net")
            kernel = Kernel(notices=False)
        except OSError:
            return
        try:
            taken.append(list(_listed(kernel)))
        except (OSError, RecordError):
            return
        finally:
            kernel.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(ENTER_S)
    return (taken[0] if taken else list(_in_proc(pid))), addresses


def enter(path: str) -> None:
    """Move this thread, and no other, into a network namespace; raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(handle, CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(handle)


def _listed(kernel: Kernel) -> Iterator[Found]:
    """Sockets by sock_diag."""
    for family, _, protocol in FAMILIES:
        for data, at, end in kernel.sockets(family, protocol, False, lambda: None):
            if end - at >= DIAG_SIZE:
                uid, inode = struct.unpack_from("=II", data, at + 64)
                yield Found(protocol, *diag_ends(data, at), data[at + 1], uid, inode)


def _in_proc(pid: int) -> Iterator[Found]:
    """Sockets by the tables of /proc/PID/net."""
    for _, name, protocol in FAMILIES:
        for line in read(f"/proc/{pid}/net/{name}").splitlines()[1 : MOST_SOCKETS + 1]:
            columns = line.split()
            if len(columns) < 10:
                continue
            local, remote = (_proc_end(column) for column in columns[1:3])
            yield Found(protocol, local, remote, int(columns[3], 16), int(columns[7]), int(columns[9]))


def _proc_end(column: bytes) -> End:
    """Address and port of ``0100007F:1F90``: words of the address in the machine's order."""
    address, _, port = column.partition(b":")
    words = struct.unpack(f">{len(address) // 8}I", bytes.fromhex(address.decode()))
    return struct.pack(f"={len(words)}I", *words), int(port, 16)


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _seen_elsewhere(one: Found, addresses: list[bytes]) -> list[End]:
    """Local ends by which a socket's packets are recognised outside of its namespace."""
    address, port = one.local
    if not port or not one.inode or (one.protocol == TCP and one.state in {TIME_WAIT, SYN_RECV}):
        return []
    if _is_loopback(address) or _is_loopback(one.remote[0]):
        return []
    if any(unmapped(address)):
        return [one.local]
    return [(other, port) for other in addresses if len(other) == len(address) or len(address) == 16]


def _is_loopback(address: bytes) -> bool:
    address = unmapped(address)
    return address[:1] == b"\x7f" if len(address) == 4 else address == bytes(15) + b"\1"
