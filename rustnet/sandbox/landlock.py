"""Landlock: no file is opened any more, no TCP connection, and no process outside gets a signal.

What is open stays open. The version of the kernel's interface (ABI) decides how much it can refuse.
"""

import os
import struct

from rustnet.sandbox.libc import syscall

CREATE_RULESET, RESTRICT_SELF = 444, 446
"""Numbers of the system calls, on every architecture."""
CREATE_RULESET_VERSION = 1
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""Number of rights on files, by the version from which on there are so many."""
TCP, SCOPES = 4, 6
"""Versions from which on TCP, and the scopes of abstract sockets and signals, can be restricted."""
TCP_RIGHTS = 0b11
"""Bind and connect."""
SCOPE_RIGHTS = 0b11
"""Abstract Unix sockets, and signals."""


def version() -> int:
    """Version of the interface; raises OSError where there is none."""
    return syscall(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)


def restrict() -> int:
    """Refuse everything that the kernel can refuse, and return its version; raises OSError where it has no Landlock."""
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
        syscall(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return abi


def refused(abi: int) -> str:
    """What a version refuses, for people."""
    parts = ["files", *(["TCP"] if abi >= TCP else []), *(["abstract sockets", "signals"] if abi >= SCOPES else [])]
    return f"ABI {abi}: {', '.join(parts)}"
