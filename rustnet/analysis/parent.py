"""A forked process that ends with its parent, whatever it is doing."""

import ctypes
import os
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1
"""As in ``<linux/prctl.h>``."""

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent(parent: int) -> None:
    """Let the system kill this process when its parent ends; ends it at once if that has already happened."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def killed_by(channel: socket.socket) -> None:
    """Let the system kill this process when the other end of a channel that nobody writes is shut down.

    Other than a signal that needs neither the right to send one, nor the number of a process.
    """
    import fcntl  # noqa: PLC0415 - not on Windows

    end = channel.fileno()
    fcntl.fcntl(end, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(end, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)
