"""A forked process that ends with its parent, whatever it is doing."""

import ctypes
import os
import signal
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
