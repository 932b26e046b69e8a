"""Privileges of a process: user, groups, capabilities, and new ones by starting programs."""

import errno
import os
import struct
from collections.abc import Sequence
from pathlib import Path

from rustnet.sandbox.libc import capset, prctl

NOBODY = 65534
"""User and group of processes that own no file; the kernel's own number for users that it cannot name."""
LAST_CAPABILITY = 63
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4
"""As in ``<linux/prctl.h>``."""
CAPABILITY_VERSION = 0x20080522
"""``_LINUX_CAPABILITY_VERSION_3``."""


def drop_user(user: int = NOBODY, group: int = NOBODY, groups: Sequence[int] = ()) -> None:
    """Become a user with these further groups only; needs root. Raises OSError."""
    os.setgroups(groups)
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


def clear_bounding_set(kept: int = 0) -> bool:
    """Drop capabilities but the bits ``kept`` from the bounding set; returns False without the privilege to do so."""
    for number in range(LAST_CAPABILITY + 1):
        if kept >> number & 1:
            continue
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError as error:
            if error.errno == errno.EINVAL:  # the kernel's last one is passed
                return True
            return not held("Bnd") & ~kept
    return True


def clear_capabilities(kept: int = 0) -> None:
    """Give up every capability but the bits ``kept``, which are held; none is passed on. Raises OSError."""
    try:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    except OSError as error:
        if error.errno != errno.EINVAL:  # kernels before 4.3 have no ambient set
            raise
    low, high = kept & 0xFFFFFFFF, kept >> 32
    capset(struct.pack("=Ii", CAPABILITY_VERSION, 0), struct.pack("=6I", low, low, 0, high, high, 0))


def held(which: str = "Eff") -> int:
    """Bits of a set of this process's capabilities: Inh, Prm, Eff, Bnd or Amb. Raises OSError."""
    with Path("/proc/self/status").open(encoding="ascii", errors="replace") as status:
        return next((int(line.split()[1], 16) for line in status if line.startswith(f"Cap{which}:")), 0)


def no_new_privileges() -> None:
    """Keep programs that this process starts from giving it more than it has. Raises OSError."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def keep_capabilities(*numbers: int) -> None:
    """Give up every capability but these, for this process and all that it starts. Raises OSError."""
    bits = sum(1 << number for number in numbers)
    clear_bounding_set(bits)
    no_new_privileges()
    clear_capabilities(bits)
