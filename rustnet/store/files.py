"""The checks of a session's file and of the files next to it, before DuckDB opens any of them.

DuckDB's own messages do not help, for some files it goes online, and it follows links: it would replay or overwrite
what a link in the place of its log names.
"""

import os
import stat
from pathlib import Path
from typing import NoReturn

from rustnet.errors import SessionError
from rustnet.i18n import N_

CAPTURE_MAGIC = (
    b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d",  # pcap, microseconds, ns
    b"\x34\xcd\xb2\xa1", b"\xa1\xb2\xcd\x34",  # pcap, modified by Kuznetzov
    b"\x0a\x0d\x0d\x0a",  # pcapng
)  # fmt: skip
COMPRESSED_MAGIC = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"\x04\x22\x4d\x18")
DUCKDB_MAGIC = (8, b"DUCK")

LOG_MAGIC = b"\x64\x00\x62"
"""Start of a log: the field that names the type of its first entry, and the type that carries the log's version."""

NEW_BYTES = 3 * 4096
"""Size of a database that contains nothing: its headers."""

COMPANIONS = (".wal", ".wal.checkpoint", ".wal.recovery")
"""Ends of the names of files that DuckDB reads, writes or removes next to a session."""

Identity = tuple[int, int]
"""Device and number of a file."""


class MissingFileError(SessionError):
    """The session's file does not exist."""


def check_file(file: Path, real: Path, *, writing: bool) -> Identity:
    """Check a session's file, ``real`` after all links, and the files next to it; returns which file it is.

    Raises `MissingFileError` if a writer may create it, `SessionError` for everything else.
    """
    try:
        mode = real.stat().st_mode
    except FileNotFoundError:
        _raise_missing(file, real, writing=writing)
    except (OSError, ValueError) as error:
        raise SessionError("{file}: cannot be opened: {error}", file=file, error=_strerror(error)) from error
    if stat.S_ISDIR(mode):
        raise SessionError("{file}: is a directory, not a session; name the .duckdb file in it", file=file)
    if not stat.S_ISREG(mode):
        raise SessionError("{file}: is not a regular file; a session must be one", file=file)
    try:
        descriptor = os.open(real, (os.O_RDWR if writing else os.O_RDONLY) | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            head = os.read(descriptor, 16)
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if writing:
            raise SessionError("{file}: cannot be written: {error}", file=file, error=_strerror(error)) from error
        raise SessionError("{file}: cannot be read: {error}", file=file, error=_strerror(error)) from error
    _check_head(file, head)
    _check_companions(file, real, status.st_uid)
    return status.st_dev, status.st_ino


def check_same(file: Path, real: Path, identity: Identity | None) -> None:
    """Check that ``real`` is still the checked file or, if there was none, one that contains nothing."""
    status = real.lstat()
    same = identity == (status.st_dev, status.st_ino)
    if identity is None:
        logs = any(os.path.lexists(f"{real}{end}") for end in COMPANIONS)
        same = status.st_size <= NEW_BYTES and status.st_uid == os.geteuid() and not logs
    if not same or not stat.S_ISREG(status.st_mode):
        raise SessionError("{file}: was replaced by another file while it was opened", file=file)


def _check_companions(file: Path, real: Path, owner: int) -> None:
    """Refuse what DuckDB would follow, overwrite or believe: its files next to the session must be plain ones."""
    for end in COMPANIONS:
        path = Path(f"{real}{end}")
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SessionError("{file}: cannot be opened: {error}", file=file, error=_strerror(error)) from error
        plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        if not plain or status.st_uid not in (owner, os.geteuid(), 0):
            words = N_(
                "{file}: the log of its last writes, {path}, is a link, another user's, or not a plain file; "
                "remove it to open what was stored before"
            )
            raise SessionError(words, file=file, path=path)
        if not _is_log(path):
            words = N_("{file}: {path} has the name of its log, but is none, and would be removed; move it away first")
            raise SessionError(words, file=file, path=path)


def _is_log(path: Path) -> bool:
    """Whether a file begins as a log of DuckDB does, or is shorter; one that cannot be read does not."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return LOG_MAGIC.startswith(os.read(descriptor, len(LOG_MAGIC)))
    finally:
        os.close(descriptor)


def _raise_missing(file: Path, real: Path, *, writing: bool) -> NoReturn:
    if not writing:
        raise SessionError("{file}: no such session; create one with 'rustnet replay CAPTURE --db {file}'", file=file)
    if file.is_symlink():
        raise SessionError("{file}: is a link to {real}, which does not exist", file=file, real=real)
    if not file.parent.is_dir():
        raise SessionError("{file}: there is no directory {parent}; create it first", file=file, parent=file.parent)
    if not os.access(file.parent, os.W_OK):
        words = N_("{file}: cannot be created: no permission to write into {parent}")
        raise SessionError(words, file=file, parent=file.parent)
    for end in COMPANIONS:
        if os.path.lexists(f"{real}{end}"):
            words = N_("{file}: does not exist, but its log {file}{end} does; move the log away first")
            raise SessionError(words, file=file, end=end)
    raise MissingFileError("{file}: no such session", file=file)


def _check_head(file: Path, head: bytes) -> None:
    """Raise an error that names the type of a file that is not a DuckDB database, by its first bytes."""
    offset, magic = DUCKDB_MAGIC
    if head[offset : offset + len(magic)] == magic:
        return
    if head.startswith(CAPTURE_MAGIC):
        raise SessionError("{file}: is a capture, not a session; use 'rustnet replay {file}'", file=file)
    if head.startswith(COMPRESSED_MAGIC):
        raise SessionError("{file}: is a compressed file; if it is a capture, use 'rustnet replay {file}'", file=file)
    if not head:
        raise SessionError("{file}: is empty, not a session; remove it, or name another file", file=file)
    raise SessionError("{file}: is not a rustnet session (not a DuckDB file)", file=file)


def _strerror(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
