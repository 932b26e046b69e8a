"""Where the process that holds the session may read and write."""

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from rustnet.errors import RustnetError
from rustnet.i18n import N_

SYSTEM = (
    "/usr", "/lib", "/lib64", "/bin", "/opt", "/nix/store",  # libraries, time zones, codecs, locales
    "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/ssl/openssl.cnf", "/etc/locale.alias",
    "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/os-release",
    "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/sys/vm", "/proc/sys/kernel",
    "/sys/fs/cgroup", "/sys/devices/system", "/sys/kernel/mm", "/dev/urandom", "/dev/null",
)  # fmt: skip
"""What Python, its libraries and DuckDB read of a system."""

PACKAGES = ("site-packages", "dist-packages")
PROGRAM = Path(__file__).parents[1]
"""Directory of this program."""


def readable() -> list[str]:
    """Places that may be read: of the system, of Python, and of this program."""
    python = {sys.prefix, sys.base_prefix, sys.exec_prefix, str(PROGRAM)}
    # Not every directory of the import path: the current one may be among them.
    python |= {path for path in sys.path if Path(path).name in PACKAGES}
    return [*SYSTEM, *sorted(path for path in python if Path(path).is_absolute() and path != os.sep)]


def directories(outputs: Iterable[str | os.PathLike[str]], user: int) -> list[str]:
    """The directories of files that are written for a user; raises `RustnetError` for a place that another user chose.

    Such a place is a link, or a file, that belongs neither to this user nor to root.
    """
    found = []
    for output in outputs:
        path = Path(output)
        _check(path, user)
        real = Path(os.path.realpath(path))
        _check(real, user)
        found.append(str(real.parent))
    return list(dict.fromkeys(found))


def _check(path: Path, user: int) -> None:
    """Raise `RustnetError` if another user put something there."""
    try:
        status = path.lstat()
    except OSError:
        return  # who opens it says so
    if status.st_uid in (user, 0):
        return
    if stat.S_ISLNK(status.st_mode):
        words = N_("{path}: is a link that another user made, so it is not followed; choose another file")
    elif stat.S_ISREG(status.st_mode):
        words = N_("{path}: belongs to another user, so nothing is written into it; choose another file")
    else:
        return
    raise RustnetError(words, path=path)
