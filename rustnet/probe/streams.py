"""Standard streams: a program may be started with some of them closed."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def open_standard_streams() -> None:
    """Open those of descriptors 0 to 2 that are closed on the null device.

    Otherwise a session or an output would be opened under their number, and messages would be written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_WRONLY if number else os.O_RDONLY)
            if handle != number:  # cannot be: the lowest free number is chosen
                os.dup2(handle, number)
                os.close(handle)
            os.set_inheritable(number, True)
    sys.stdin = sys.stdin or _stream(0, "r")
    sys.stdout = sys.stdout or _stream(1, "w")
    sys.stderr = sys.stderr or _stream(2, "w")


def _stream(number: int, mode: str) -> TextIO:
    """Text stream of a standard descriptor."""
    return open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # type: ignore[return-value]
