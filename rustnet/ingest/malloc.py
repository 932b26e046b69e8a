"""What the C library does with memory that is free."""

import ctypes
import sys

LARGE = 8 << 20
M_MMAP_THRESHOLD = -3
"""As in ``<malloc.h>``."""


def return_large_blocks() -> None:
    """Have glibc give memory of 8 MB and more back as soon as it is free.

    By itself it begins to keep ever larger blocks, between which batches of columns of all sizes leave holes: up to a
    tenth of the memory of a long run. Other C libraries are left alone.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, LARGE)
