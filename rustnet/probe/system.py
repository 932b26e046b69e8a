"""This program's network namespace, its scheduling, and the pauses in its work."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

from rustnet.probe.errors import RecordError

CLONE_NEWNET = 0x40000000
RLIMIT_RTTIME, UNPAUSED_US, XCPU = 15, 500_000, getattr(signal, "SIGXCPU", 0)
WORK_S = 0.01
"""Seconds of work without a pause."""


def network_namespace() -> int | None:
    """Number of this program's network namespace."""
    try:
        return os.stat("/proc/self/ns/net").st_ino
    except OSError:
        return None


def enter_namespace(wanted: str) -> None:
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


def use_realtime() -> None:
    """Be scheduled before others, where that is allowed: what lives for milliseconds does not wait.

    The work stays bounded all the same, by the pauses between polls and the allowance of the packet search; should it
    ever go on without a pause, the kernel sends SIGXCPU and the program is scheduled like others from then on.
    """
    try:
        import resource  # noqa: PLC0415 -- not on Windows

        signal.signal(signal.SIGXCPU, lambda *_: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)))
        resource.setrlimit(RLIMIT_RTTIME, (UNPAUSED_US, resource.getrlimit(RLIMIT_RTTIME)[1]))
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (ImportError, AttributeError, OSError, ValueError):  # not Linux; not root; no share of such time here
        return


def is_realtime() -> bool:
    """Whether this program is scheduled before others."""
    try:
        return os.sched_getscheduler(0) == os.SCHED_RR
    except (AttributeError, OSError):
        return False


class Pauses:
    """Pauses in long work: a program that is scheduled before others must not keep them out."""

    def __init__(self) -> None:
        self.since = time.monotonic()

    def restart(self) -> None:
        """Work begins now."""
        self.since = time.monotonic()

    def rest(self) -> None:
        """Pause, after some work without a pause."""
        worked = time.monotonic() - self.since
        if worked > WORK_S:
            time.sleep(min(worked, WORK_S))
            self.since = time.monotonic()
