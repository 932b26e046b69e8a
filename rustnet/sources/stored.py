"""Inputs as they are stored: opening, raw reading, and what identifies them."""

import hashlib
import os
import select
import stat
import sys
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from rustnet.errors import InputError, StoppedError
from rustnet.i18n import _

STDIN = "-"
IDENTITY_BYTES = 65_536
"""Bytes at the start of a file that `quick_identity` looks at."""

_CHUNK = 1 << 20
_TICK = 0.1
"""Seconds of waiting for an input's first bytes between two looks at whether to stop."""


_CLOCK_TICK = 20_000_000
"""Nanoseconds in which two changes of a file may get the same time."""


def _never() -> bool:
    return False


class Stored:
    """A file, FIFO or standard input, read once from its start.

    Raises `InputError` where it cannot be opened, or is nothing that can be read as a stream of bytes. While `peek`
    waits for a pipe it asks ``stopped`` whether to go on, and raises `StoppedError` if not. ``file`` is the input if it
    is already open.
    """

    def __init__(self, path: str, stopped: Callable[[], bool] = _never, file: FileIO | None = None) -> None:
        self.path = path
        self._stopped = stopped
        self.file = open_input(path) if file is None else file
        self._state = self._begin_state()
        self.waits = not stat.S_ISREG(self._state.st_mode)
        """Reading may have to wait for a writer."""
        self._start = 0 if self.waits else os.lseek(self.file.fileno(), 0, os.SEEK_CUR)
        """Where reading begins: standard input may be a file that another program has read from."""
        self.size = None if self.waits else max(0, self._state.st_size - self._start)
        self.kind = "stdin" if path == STDIN else "fifo" if self.waits else "file"
        self.position = 0
        """Bytes handed out so far."""
        self._ahead = bytearray()
        self._begun = not self.waits
        if hasattr(os, "posix_fadvise") and not self.waits:
            os.posix_fadvise(self.file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)

    def peek(self, size: int) -> bytes:
        """First ``size`` bytes of what has not been handed out; fewer only at the end of the input."""
        return self.head(size)[:size]

    def head(self, least: int) -> bytes:
        """All bytes at hand, once they are at least ``least``; fewer only at the end of the input."""
        while len(self._ahead) < least:
            self._await()
            more = self.file.read(self._most(max(least - len(self._ahead), 4096), len(self._ahead)))
            if more is None:  # the descriptor does not block
                continue
            if not more:
                break
            self._ahead += more
        return bytes(self._ahead)

    def readinto(self, view: memoryview) -> int:
        """Fill the start of ``view`` and return how many bytes that were; 0 at the end."""
        if self._ahead:
            got = min(len(view), len(self._ahead))
            view[:got] = self._ahead[:got]
            del self._ahead[:got]
        else:
            if not self._begun:
                self._await()
            view = view[: self._most(len(view), 0)]
            while (taken := self.file.readinto(view)) is None:
                self._poll(1.0)
            got = taken
        self.position += got
        return got

    def ready(self, seconds: float) -> bool:
        """Whether `readinto` will not have to wait, after giving a writer ``seconds`` of time."""
        return bool(self._ahead) or not self.waits or self._poll(seconds)

    def look(self, skip: int, size: int) -> bytes | None:
        """Return ``size`` bytes behind the next ``skip``, fewer at the end; `None` where only reading would tell."""
        if self.waits or self.size is None or not hasattr(os, "pread"):
            return None
        at = self.position + skip
        left = max(0, min(size, self.size - at))
        return os.pread(self.file.fileno(), left, self._start + at) if left else b""

    def change(self) -> str | None:  # noqa: PLR0911 one per kind of change
        """Describe how the file has changed since it was opened, `None` if it has not; nothing is known of pipes."""
        if self.waits:
            return None
        then, now = self._state, os.fstat(self.file.fileno())
        if now.st_size > then.st_size:
            return (
                f"the file grew from {then.st_size} to {now.st_size} bytes while it was read: "
                "it is still being written; replay it again once it is finished"
            )
        if now.st_size < then.st_size:
            return f"the file was cut from {then.st_size} to {now.st_size} bytes while it was read"
        if now.st_mtime_ns != then.st_mtime_ns:
            return "the file was written to while it was read"
        if now.st_nlink < then.st_nlink:
            return "the file was removed, or another file took its place, while it was read"
        if now.st_ctime_ns != then.st_ctime_ns:
            return "the file's contents, links, owner or permissions were changed while it was read"
        return None

    def _begin_state(self) -> os.stat_result:
        """State of the file as it is opened, in which every later change shows."""
        state = os.fstat(self.file.fileno())
        age = time.time_ns() - state.st_ctime_ns
        if stat.S_ISREG(state.st_mode) and 0 <= age < _CLOCK_TICK:  # a change could get the time that it has already
            time.sleep((_CLOCK_TICK - age) / 1e9)
            state = os.fstat(self.file.fileno())
        return state

    def _most(self, size: int, ahead: int) -> int:
        """How much of ``size`` to read: a file that grows is read to the end that it had when it was opened."""
        return size if not self.size else max(0, min(size, self.size - self.position - ahead))

    def _await(self) -> None:
        """Wait until a pipe has bytes or has ended; reading one that has no writer yet would look like its end."""
        while self.waits and not self._poll(_TICK):
            if self._stopped():
                raise StoppedError(_("{name}: stopped while waiting for its first bytes").format(name=self.path))
        self._begun = True

    def _poll(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.file.fileno(), select.POLLIN | select.POLLHUP)
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        """Close the file (standard input stays open)."""
        self.file.close()


def open_input(path: str) -> FileIO:
    """Open an input for reading, ``-`` for standard input; raises `InputError`."""
    if path == STDIN:
        if os.isatty(0):
            raise InputError("standard input is a terminal: give a file, or pipe a capture into it")
        return FileIO(0, closefd=False)
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    if sys.platform == "linux":  # a FIFO is open at once, and polled until it has a writer
        flags |= os.O_NONBLOCK
    try:
        handle = os.open(path, flags)
    except (OSError, ValueError) as problem:
        raise InputError("{path}: cannot be opened: {problem}", path=path, problem=_reason(problem)) from None
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        return FileIO(handle)
    os.close(handle)
    what = "a directory: name the captures in it" if stat.S_ISDIR(mode) else "a device, not a file"
    raise InputError("{path}: is {what}", path=path, what=what)


def _reason(problem: OSError | ValueError) -> str:
    """Say what the system says, in lower case, without its number."""
    text = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    return text[:1].lower() + text[1:]


def hash_file(path: str) -> str:
    """SHA-256 of a file as it is stored, in hexadecimal.

    Raises `InputError` if it cannot be read, or changes meanwhile.
    """
    stored = Stored(path)
    made = hashlib.sha256()
    view = memoryview(bytearray(_CHUNK))
    try:
        while got := stored.readinto(view):
            made.update(view[:got])
        change = stored.change()
    except OSError as problem:
        raise InputError("{path}: cannot be read: {problem}", path=path, problem=_reason(problem)) from None
    finally:
        stored.close()
    if change:
        raise InputError("{path}: cannot be hashed: {problem}", path=path, problem=change)
    return made.hexdigest()


def head_hash(stored: Stored) -> str | None:
    """SHA-256 of the start of a file that was not read yet; `None` for a pipe."""
    if stored.kind != "file" or stored.position:
        return None
    try:
        head = stored.look(0, IDENTITY_BYTES)
        return hashlib.sha256(stored.peek(IDENTITY_BYTES) if head is None else head).hexdigest()
    except OSError:
        return None  # reading it reports the error


def hash_start(path: str, size: int) -> str:
    """SHA-256 of the first ``size`` bytes of a regular file, of `IDENTITY_BYTES` at most. Raises `InputError`."""
    stored = Stored(path)
    try:
        return hashlib.sha256(stored.peek(min(size, IDENTITY_BYTES))).hexdigest()
    except OSError as problem:
        raise InputError("{path}: cannot be read: {problem}", path=path, problem=_reason(problem)) from None
    finally:
        stored.close()


def quick_identity(path: str) -> tuple[int, str]:
    """Size of a regular file and SHA-256 of its first 64 KiB, to notice an input that was read before.

    Equal identities are a reason to compare whole hashes, not proof. Raises `InputError` for anything but a readable
    regular file: looking at a pipe would eat its bytes.
    """
    if path == STDIN or (Path(path).exists() and not Path(path).is_file()):
        raise InputError("{path}: only a regular file can be identified before it is read", path=path)
    stored = Stored(path)
    try:
        return stored.size or 0, head_hash(stored) or ""
    except OSError as problem:
        raise InputError("{path}: cannot be read: {problem}", path=path, problem=_reason(problem)) from None
    finally:
        stored.close()
