"""Landlock: no file is opened any more, or those of a few places only; no TCP connection; no signal to others.

What is open stays open. The version of the kernel's interface (ABI) decides how much it can refuse.
"""

import contextlib
import os
import stat
import struct
from collections.abc import Sequence

from rustnet.sandbox.libc import syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, on every architecture."""
CREATE_RULESET_VERSION = 1
BENEATH = 1
"""``LANDLOCK_RULE_PATH_BENEATH``."""
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""Number of rights on files, by the version from which on there are so many."""
TCP, SCOPES = 4, 6
"""Versions from which on TCP, and the scopes of abstract sockets and signals, can be restricted."""
TCP_RIGHTS = 0b11
"""Bind and connect."""
SCOPE_RIGHTS = 0b11
"""Abstract Unix sockets, and signals."""

WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
MAKE_DIR, MAKE_REG, MAKE_SOCK, TRUNCATE = 1 << 7, 1 << 8, 1 << 9, 1 << 14
READING = READ_FILE | READ_DIR
WRITING = READING | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | TRUNCATE
"""Never: programs are started, links or devices made, files moved to other directories."""
OF_FILES = WRITE_FILE | READ_FILE | TRUNCATE
"""Rights that a rule on a file may have."""


def version() -> int:
    """Version of the interface; raises OSError where there is none."""
    return syscall(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)


def restrict(readable: Sequence[str] = (), writable: Sequence[str] = (), removable: Sequence[str] = ()) -> int:
    """Refuse everything that the kernel can refuse, and return its version; raises OSError where it has no Landlock.

    What is beneath ``readable`` may still be read, and what is beneath ``writable`` written too; empty directories
    beneath ``removable`` may be removed. Paths that do not exist are left out.
    """
    abi = version()
    files = (1 << max(count for since, count in FILE_RIGHTS.items() if since <= abi)) - 1
    handled = [files]
    if abi >= TCP:
        handled.append(TCP_RIGHTS)
    if abi >= SCOPES:
        handled.append(SCOPE_RIGHTS)
    attributes = struct.pack(f"={len(handled)}Q", *handled)
    ruleset = syscall(CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for rights, paths in ((READING, readable), (WRITING, writable), (REMOVE_DIR, removable)):
            for path in paths:
                _add_rule(ruleset, path, rights & files)
        syscall(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return abi


def _add_rule(ruleset: int, path: str, rights: int) -> None:
    """Allow rights beneath a path, if it exists."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(place).st_mode):
                rights &= OF_FILES
            syscall(ADD_RULE, ruleset, BENEATH, struct.pack("=Qi", rights, place), 0)
        finally:
            os.close(place)


def refused(abi: int, files: str = "files") -> str:
    """What a version refuses, for people."""
    parts = [files, *(["TCP"] if abi >= TCP else []), *(["abstract sockets", "signals"] if abi >= SCOPES else [])]
    return f"ABI {abi}: {', '.join(parts)}"
