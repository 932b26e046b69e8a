"""Output files: which file an output may replace, and how it comes to its name.

An output never writes into a file that exists. It is written under a random name in the same directory, which only
its owner can read, and takes its own name when it is complete. That name may belong to an ordinary file, which is
replaced, but not to an input, and without `force` not to a capture, a session or a recording of connections.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from typing import Iterable, Sequence

CAPTURE_HEADS = (
    b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d",  # pcap in µs, in ns
    b"\x34\xcd\xb2\xa1", b"\xa1\xb2\xcd\x34", b"\x12\xcb\xe2\xa1", b"\xa1\xe2\xcb\x12",  # its modified forms
    b"\x0a\x0d\x0d\x0a",  # pcapng
    b"snoop\0", b"btsnoop\0", b"RTSS", b"GMBU", b"XCP\0",  # Solaris, Bluetooth, Network Monitor, NetXray
    b"ElfFile\0",  # Windows event log
)  # fmt: skip
COMPRESSED_HEADS = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18", b"BZh")
SKIPPABLE_FRAME = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""Start of a zstd or lz4 file that begins with a frame to skip."""
SESSION_FILES = ("", ".wal", ".wal.checkpoint", ".wal.recovery", ".tmp", ".sock")
"""Suffixes of the files of a session."""
HEAD_BYTES = 65_536
DESCRIPTOR_PATH = re.compile(r"/dev/(?:fd/(\d+)|(stdin|stdout|stderr))|/proc/(?:self|thread-self|\d+)/fd/(\d+)")
_SEPARATORS = os.sep + (os.altsep or "")
STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}
PRIVATE, FOR_GROUP = 0o600, 0o640
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

unfinished: set[str] = set()
"""Temporary files of this process."""


class RefusedError(Exception):
    """An output that must not be written: `reason` is a key of `REASONS`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason


REASONS = {
    "input": "is an input of this command; choose another output file",
    "capture": "is a capture, or a compressed file that may be one; choose another output file, or give --force",
    "session": "belongs to a session; choose another output file, or give --force",
    "sidecar": "is a recording of connections; choose another output file, or give --force",
    "read-only": "is read-only; choose another output file, or give --force",
    "unreadable": "cannot be read, so it may be a capture; choose another output file, or give --force",
    "directory": "is a directory; choose a file in it",
    "device": "is a block device; choose a file",
    "descriptor": "is not open for writing; choose a file",
    "empty": "is no file name",
}


class NewFile:
    """An output being written; `descriptor` is open for writing until `publish` or `discard`.

    Pipes, character devices and descriptors such as ``/dev/stdout`` are written directly. ``at_once``: a new file has
    its name from the beginning, for outputs that are read while they grow.
    """

    def __init__(
        self,
        path: str,
        inputs: Sequence[str] = (),
        force: bool = False,
        group: str | int | None = None,
        at_once: bool = False,
    ) -> None:
        self.path, self.inputs, self.force, self.group = _place(path) if path else path, inputs, force, group
        self.given = path
        self.temporary = ""
        number = named_descriptor(path)
        if number is not None:
            self.descriptor = _duplicate(path, number, inputs)
            return
        existing = check_target(path, inputs, force)
        if existing and not stat.S_ISREG(existing.st_mode):
            self.descriptor = os.open(self.path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0))
            if stat.S_ISREG(os.fstat(self.descriptor).st_mode):  # it was replaced meanwhile
                os.close(self.descriptor)
                raise RefusedError(path, "input")
            return
        name = self.path
        if existing or not at_once or os.path.islink(name):
            name = os.path.join(os.path.dirname(self.path), f".rustnet-{os.urandom(8).hex()}.tmp")
        unfinished.add(name)
        try:
            self.descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, PRIVATE)
        except BaseException:
            unfinished.discard(name)
            raise
        self.temporary = name
        if at_once:
            try:
                self.publish()
            except BaseException:
                self.discard()
                os.close(self.descriptor)
                raise

    def publish(self) -> None:
        """Give the file its mode and its name, in place of a file that may be replaced."""
        if not self.temporary:
            return
        existing = None
        if self.temporary != self.path:
            existing = check_target(self.given, self.inputs, self.force)
        if hasattr(os, "fchmod"):
            self._set_mode(existing)
        if self.temporary != self.path:
            os.replace(self.temporary, self.path)
        unfinished.discard(self.temporary)
        self.temporary = ""

    def discard(self) -> None:
        """Remove the file, unless it is published."""
        if self.temporary:
            remove(self.temporary)
            self.temporary = ""

    def _set_mode(self, existing: os.stat_result | None) -> None:
        """A replaced file's mode and owner survive; a new file is for its owner, and the group that was asked for."""
        mode = PRIVATE
        if existing and stat.S_ISREG(existing.st_mode) and not os.path.islink(self.path):
            mode = stat.S_IMODE(existing.st_mode) & 0o777
            own = os.fstat(self.descriptor)
            if (existing.st_uid, existing.st_gid) != (own.st_uid, own.st_gid):
                try:
                    os.fchown(self.descriptor, existing.st_uid if os.geteuid() == 0 else -1, existing.st_gid)
                except OSError:
                    mode &= 0o707  # its group would be another one
        if self.group is not None:
            shutil.chown(self.descriptor, group=self.group)
            mode |= FOR_GROUP
        os.fchmod(self.descriptor, mode)


def remove(path: str) -> None:
    """Remove a temporary file of this process."""
    with contextlib.suppress(OSError):
        os.unlink(path)
    unfinished.discard(path)


def remove_unfinished() -> None:
    """Remove all temporary files of this process, before it ends at once."""
    for path in list(unfinished):
        remove(path)


def check_target(path: str, inputs: Iterable[str], force: bool, folder: bool = False) -> os.stat_result | None:
    """Status of the file that has the name of an output, if there is one; raises `RefusedError`.

    ``folder``: the output may be a directory.
    """
    if not path:
        raise RefusedError(path, "empty")
    place = _place(path)
    try:
        existing: os.stat_result | None = os.stat(place)
    except FileNotFoundError:
        existing = None
    if existing and stat.S_ISDIR(existing.st_mode) and not folder:
        raise RefusedError(path, "directory")
    if existing and stat.S_ISBLK(existing.st_mode):
        raise RefusedError(path, "device")
    names = {place, os.path.realpath(place)}
    for other in inputs:
        if _place(other) in names or (existing and is_same(existing, other)):
            raise RefusedError(path, "input")
    if existing and stat.S_ISREG(existing.st_mode) and not force:
        reason = evidence(place, existing)
        if reason:
            raise RefusedError(path, reason)
    if not force and _of_session(place):
        raise RefusedError(path, "session")
    return existing


def is_same(status: os.stat_result, path: str) -> bool:
    """Whether ``path`` is the file of ``status``, also by a link."""
    try:
        other = os.stat(path)
    except (OSError, ValueError):
        return False
    return (other.st_dev, other.st_ino) == (status.st_dev, status.st_ino)


def evidence(path: str, status: os.stat_result) -> str:
    """Why an existing regular file must not be replaced, as a key of `REASONS`; empty if it may be."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            head = os.read(handle, HEAD_BYTES)
        finally:
            os.close(handle)
    except OSError:
        return "unreadable" if status.st_size else ""
    return _held(head) or ("" if status.st_mode & 0o222 else "read-only")


def _held(head: bytes) -> str:
    """The evidence that a file holds, by its beginning, as a key of `REASONS`."""
    if head.startswith((*CAPTURE_HEADS, *COMPRESSED_HEADS)) or SKIPPABLE_FRAME.match(head):
        return "capture"
    if head[8:12] == b"DUCK":
        return "session"
    line = head.lstrip().partition(b"\n")[0]
    if line.startswith(b"{") and (b'"sidecar_version"' in line or (b'"local_addr"' in line and b'"pid"' in line)):
        return "sidecar"
    if line[:1] in (b"{", b"[") and b'"recorder"' in head and b'"polls"' in head:  # summary of a recording
        return "sidecar"
    return ""


def session_files(session: str) -> list[str]:
    """Names of the files that belong to a session, also to the one that a link names."""
    return [name + suffix for name in dict.fromkeys((session, os.path.realpath(session))) for suffix in SESSION_FILES]


def is_stream(path: str) -> bool:
    """Whether a path names a pipe, a device or a descriptor instead of a file."""
    try:
        return named_descriptor(path) is not None or not stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def named_descriptor(path: str) -> int | None:
    """Number of the descriptor that a path such as ``/dev/stdout`` names, also by symbolic links."""
    for _ in range(40):
        match = DESCRIPTOR_PATH.fullmatch(path)
        if match:
            return STANDARD[match[2]] if match[2] else int(match[1] or match[3])
        try:
            path = os.path.join(os.path.dirname(path), os.readlink(path))
        except (OSError, ValueError):
            return None
    return None


def check_descriptor(number: int, inputs: Iterable[str]) -> None:
    """Raise `RefusedError` if a descriptor is open on one of the inputs."""
    try:
        status = os.fstat(number)
    except OSError:
        return
    for other in inputs if stat.S_ISREG(status.st_mode) else ():
        if is_same(status, other):
            raise RefusedError(other, "input")


def _duplicate(path: str, number: int, inputs: Iterable[str]) -> int:
    """Duplicate of a descriptor of this process."""
    check_descriptor(number, inputs)
    try:
        copy = os.dup(number)
    except OSError:
        raise RefusedError(path, "descriptor") from None
    try:
        os.write(copy, b"")
    except OSError:
        os.close(copy)
        raise RefusedError(path, "descriptor") from None
    return copy


def printable_path(path: str) -> str:
    """A path for a message: control characters and bytes that are no UTF-8 escaped."""
    return "".join(c if c.isprintable() else c.encode("utf-8", "surrogateescape").decode("latin-1").encode(
        "unicode_escape").decode() for c in path)  # fmt: skip


def _place(path: str) -> str:
    """The directory entry that a path names, whatever links lead to its directory.

    The system follows a link before ``..`` leads up from its target, so the text of a path is not shortened.
    """
    folder, name = os.path.split(path.rstrip(_SEPARATORS) or path)
    if name in ("", os.curdir, os.pardir):
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(folder), name)


def _of_session(path: str) -> bool:
    """Whether a file is one that DuckDB would take for a part of the session with a shorter name."""
    for suffix in SESSION_FILES[1:]:
        if path.endswith(suffix):
            try:
                with open(path[: -len(suffix)], "rb") as file:
                    if file.read(12)[8:] == b"DUCK":
                        return True
            except (OSError, ValueError):
                continue
    return False
