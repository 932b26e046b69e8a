"""Calls of the C library that Python has no function for; they raise OSError."""

import ctypes
import os
import sys
from functools import cache
from typing import Any

_LONGS = [ctypes.c_ulong] * 4
"""Types of the arguments of ``prctl`` after the first: it takes any number of them, as long words."""


@cache
def _libc() -> Any:
    if sys.platform != "linux":
        raise OSError("not Linux")
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def prctl(option: int, *values: int) -> int:
    """``prctl`` with up to four values; the others are 0."""
    padded = [*values, 0, 0, 0, 0][:4]
    longs = [kind(value) for kind, value in zip(_LONGS, padded, strict=True)]
    return _checked(_libc().prctl(ctypes.c_int(option), *longs))


def syscall(number: int, *values: int | bytes | None) -> int:
    """A system call by its number; bytes are passed by address."""
    call = _libc().syscall
    call.restype = ctypes.c_long
    passed = [ctypes.c_long(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in values]
    return _checked(call(ctypes.c_long(number), *passed))


def capset(header: bytes, data: bytes) -> None:
    """``capset`` with structures of ``<linux/capability.h>``."""
    _checked(_libc().capset(ctypes.c_char_p(header), ctypes.c_char_p(data)))
