"""Tunes glibc malloc to return large freed blocks to the operating system."""

import ctypes
import sys

LARGE = 8 << 20
KEPT = 16 << 20
"""Free memory at the end of the heap that stays with the process: messages and batches use it again."""
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""As in ``<malloc.h>``."""


def one_arena() -> None:
    """Let all threads of this process share one arena of glibc: to shrink others, it reads a file in ``/proc``."""
    _mallopt(M_ARENA_MAX, 1)


def return_large_blocks() -> None:
    """Make glibc return blocks of 8 MB and more as soon as they are freed.

    By default its threshold grows, and column batches of different sizes then fragment the heap by up to a tenth of the
    memory of a long run. Has no effect with other C libraries.
    """
    _mallopt(M_MMAP_THRESHOLD, LARGE)
    _mallopt(M_TRIM_THRESHOLD, KEPT)


def _mallopt(option: int, value: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(option, value)
