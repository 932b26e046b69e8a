"""The hash of an input, made while it is read.

SHA-256 takes about as long per byte as everything else that is done to a large capture, so it runs beside it: in a
thread (`hashlib` releases the interpreter's lock for large inputs), or in a process of its own.
"""

import hashlib
import os
import queue
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rustnet.sources.stored import Stored

_WAITING = 3
"""Chunks that may wait for the hasher before the reader has to."""


class Hasher:
    """SHA-256 in a thread of its own, at most a few chunks behind.

    A chunk must stay as it is until `wait` for its ticket has returned.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._queue: queue.Queue[memoryview | bytes | None] = queue.Queue(_WAITING)
        self._done = 0
        self._given = 0
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="sha256", daemon=True)
        self._thread.start()

    def update(self, data: "memoryview | bytes") -> int:
        """Hand over the next bytes; returns their ticket. Waits while too much is waiting."""
        self._given += 1
        self._queue.put(data)
        return self._given

    def wait(self, ticket: int) -> None:
        """Return when the bytes of ``ticket`` are no longer needed."""
        if self._done < ticket:
            with self._progress:
                self._progress.wait_for(lambda: self._done >= ticket)

    def finish(self) -> str | None:
        """End the thread and return the hash of everything, in hexadecimal."""
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """End the thread once it has hashed what it was given."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            self._hash.update(data)
            del data
            with self._progress:
                self._done += 1
                self._progress.notify_all()


class HashProcess:
    """SHA-256 of a large regular file in a process of its own, which reads it once more (from the page cache).

    In a thread, each chunk waits twice for the interpreter's lock; on two cores that made the hash, and not the
    engine, decide how long a large capture takes. It hashes as many bytes as the file had when it was opened, from
    mapped pages, which spares a copy; a file that is cut short meanwhile ends it without a hash.
    """

    LEAST = 64 << 20
    """Smaller files are hashed before such a process would have started."""

    PROGRAM = """
import hashlib, mmap, os, sys
size, made, at = int(sys.argv[1]), hashlib.sha256(), 0
flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
while at < size and os.fstat(0).st_size >= size:
    part = min(size - at, 8 << 20)
    with mmap.mmap(0, part, flags, mmap.PROT_READ, offset=at) as view:
        made.update(view)
    at += part
print(made.hexdigest() if at >= size else "short")
"""

    def __init__(self, path: Path, size: int) -> None:
        with path.open("rb", buffering=0) as again:
            self._process = subprocess.Popen(  # noqa: S603 - our own program and a number
                [sys.executable, "-I", "-S", "-c", self.PROGRAM, str(size)],
                stdin=again,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the reader
            )

    def update(self, data: "memoryview | bytes") -> int:  # noqa: ARG002 - it reads for itself
        """Nothing to do."""
        return 0

    def wait(self, ticket: int) -> None:
        """Nothing to wait for."""

    def finish(self) -> str | None:
        """Hash in hexadecimal; `None` if the file became shorter meanwhile, or the process failed."""
        said = self._process.communicate()[0].decode("ascii", "replace").strip()
        return said if len(said) == 64 else None

    def close(self) -> None:
        """End the process, whether it is done or not."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


_ahead: dict[tuple[int, int, int], HashProcess] = {}
"""Processes that were begun ahead, by device, inode and size of their file."""


def hash_ahead(path: str) -> None:
    """Begin to hash a file that will be read in a moment, if it is one that a process of its own hashes.

    The program takes a while to load, on one core; the hash has the others to itself until then.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - pathlib is not needed for more
        if stat.S_ISREG(status.st_mode) and status.st_size >= HashProcess.LEAST and _by_number():
            key = (status.st_dev, status.st_ino, status.st_size)
            if key not in _ahead:
                _ahead[key] = HashProcess(Path(path), status.st_size)
    except (OSError, ValueError):
        return  # whoever opens it says why that is not possible


def drop_ahead() -> None:
    """End what was begun ahead and not asked for."""
    while _ahead:
        _ahead.popitem()[1].close()


def _by_number() -> bool:
    """Whether files can be opened anew by the number of their descriptor (Linux)."""
    return Path("/proc/self/fd").is_dir()


def hasher(stored: "Stored") -> "Hasher | HashProcess":
    """What hashes an input while it is read."""
    size = stored.size or 0
    if stored.kind != "file" or size < HashProcess.LEAST or not _by_number():
        return Hasher()
    number = stored.file.fileno()
    status = os.fstat(number)
    begun = _ahead.pop((status.st_dev, status.st_ino, size), None)
    # Opened anew, because a duplicate would share the reading position.
    return begun or HashProcess(Path(f"/proc/self/fd/{number}"), size)
