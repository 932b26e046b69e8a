"""Restrict the worker: processor time, memory, network, written files, started programs."""

import contextlib
import ctypes
import os
import resource
import sys

MEMORY = 1 << 30
SECONDS = 15
FILE_BYTES = 4 << 20
_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_NO_NEW_PRIVS = 38

_DENIED_EVENTS = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
           "socket.gethostbyname", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork",
           "os.remove", "os.rename", "shutil.rmtree")  # fmt: skip
"""Audit events that no parser needs."""


def confine(seconds: int = SECONDS, memory: int = MEMORY) -> None:
    """Limit processor time, memory and files of this process and its children; if permitted, also the network."""
    for limit, value in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        with contextlib.suppress(ValueError, OSError):
            allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (allowed, allowed))
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        # A new network namespace has no route out. Root can create one directly, other users within a user namespace.
        if libc.unshare(_NEWNET) and os.getuid():
            libc.unshare(_NEWUSER | _NEWNET)


def install_audit_hook() -> None:
    """Raise `PermissionError` from now on if Python code connects, writes a file or starts a program."""

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event in _DENIED_EVENTS:
            raise PermissionError(f"{event} is not allowed here")
        if event == "open" and (_writes(args[1]) or _writes_flags(args[2])):
            raise PermissionError("writing files is not allowed here")

    sys.addaudithook(hook)


def _writes(mode: object) -> bool:
    return isinstance(mode, str) and any(letter in mode for letter in "wax+")


def _writes_flags(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
