"""Files of /proc about processes and about this network namespace."""

from __future__ import annotations

import os
import socket

from rustnet.probe.lines import text

READ_LIMIT = 1 << 20


def read(path: str) -> bytes:
    """Content of a /proc file, or nothing if it is gone or not readable for this user."""
    try:
        with open(path, "rb") as file:
            return file.read(READ_LIMIT)
    except OSError:
        return b""


def link(path: str) -> str | None:
    """Target of a /proc link, or None."""
    try:
        return text(os.fsencode(os.readlink(path)))
    except OSError:
        return None


def socket_inode(path: str) -> int:
    """Inode of the socket that a /proc link names; 0 if it is gone or names something else."""
    try:
        target = os.readlink(path)
    except OSError:
        return 0
    return int(target[8:-1]) if target.startswith("socket:[") else 0


def last_pid() -> int:
    """The process id given out last; 0 if the kernel does not show it."""
    fields = read("/proc/loadavg").split()
    return int(fields[4]) if len(fields) > 4 else 0


def boot_id() -> str:
    """The kernel's random id of this boot."""
    return text(read("/proc/sys/kernel/random/boot_id")).strip()


def local_addresses(folder: str = "/proc/self/net/") -> list[str]:
    """Addresses of this network namespace, or of the one that a folder is of, without loopback."""
    local, before = set(), ""
    for line in read(folder + "fib_trie").decode("ascii", "replace").splitlines():
        if line.endswith("host LOCAL"):
            local.add(before)
        before = line.rpartition(" ")[2]
    for row in read(folder + "if_inet6").split(b"\n"):
        if len(row) > 32:
            local.add(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[:32].decode())))
    return sorted(one for one in local if not one.startswith("127.") and one != "::1")


def user_name(uid: int | None) -> str | None:
    """Name of a user of this host, or None."""
    try:
        import pwd  # noqa: PLC0415 -- not on Windows

        return None if uid is None else pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return None
