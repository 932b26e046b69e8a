"""Directories into which DuckDB writes what exceeds its memory: each for one connection and readable by its user alone.

What is spilled is evidence, so it stays next to the session and never in a shared directory. The name is random. The
lock on a directory ends with its process, however that ends; the next opening of the session removes the directories
whose lock is free.
"""

import contextlib
import fcntl
import os
import re
from pathlib import Path

ATTEMPTS = 5
"""Attempts to create a directory that another process, which has just begun, does not take for an old one."""

SHARE = 2
"""What is spilled may take this part of the space that is free on its file system: one half."""


class Spill:
    """One directory, in use until it is removed."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def remove(self) -> None:
        """Remove the directory and what a broken connection left in it."""
        if self._descriptor >= 0:
            _remove(self.path)
            os.close(self._descriptor)
            self._descriptor = -1


def create(file: Path) -> Spill | None:
    """Create the directory of one connection to a session; ``None`` if its directory cannot be written."""
    if not os.access(file.parent, os.W_OK):
        return None
    _sweep(file)
    for _ in range(ATTEMPTS):
        path = f"{file}.tmp.{os.urandom(8).hex()}"
        with contextlib.suppress(OSError):
            os.mkdir(path, 0o700)  # noqa: PTH102 -- with this mode from the beginning
            descriptor = _locked(path)
            if descriptor is not None:
                return Spill(path, descriptor)
            os.rmdir(path)  # noqa: PTH106 -- a file system without locks
    return None


def most_bytes(file: Path, most: int) -> int:
    """Bytes that may be spilled: ``most``, or less where little is free."""
    with contextlib.suppress(OSError):
        status = os.statvfs(file.parent)
        return min(most, status.f_bavail * status.f_frsize // SHARE)
    return most


def _sweep(file: Path) -> None:
    """Remove directories of connections that ended without doing so."""
    name = re.compile(re.escape(file.name) + r"\.tmp\.[0-9a-f]{16}")
    with contextlib.suppress(OSError), os.scandir(file.parent) as entries:
        old = [entry.path for entry in entries if name.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)]
        for path in old:
            descriptor = _locked(path)
            if descriptor is not None:
                _remove(path)
                os.close(descriptor)


def _locked(path: str) -> int | None:
    """Lock a directory of this user for this process; ``None`` if another has it, or has removed it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine, named = os.fstat(descriptor), os.lstat(path)
        if mine.st_uid == os.geteuid() and (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _remove(path: str) -> None:
    """Remove a directory and the files in it, following no link."""
    with contextlib.suppress(OSError):
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            for name in os.listdir(directory):  # noqa: PTH208 -- of this directory, whatever has its name now
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=directory)
        finally:
            os.close(directory)
        os.rmdir(path)  # noqa: PTH106
