"""SHA-256 of an input, computed while it is read.

Hashing takes about as long per byte as the rest of the analysis of a large capture, so it runs in parallel: in a thread
(`hashlib` releases the GIL for large inputs), or in a separate process.
"""

import hashlib
import os
import queue
import select
import stat
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet import isolation

if TYPE_CHECKING:
    from rustnet.sources.stored import Stored

_QUEUED = 3
"""Chunks that may be queued before the reader blocks."""


class Hasher:
    """SHA-256 in a separate thread, with a bounded queue.

    A chunk must not change until `wait` for its ticket has returned.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._queue: queue.Queue[memoryview | bytes | None] = queue.Queue(_QUEUED)
        self._done = 0
        self._submitted = 0
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="sha256", daemon=True)
        self._thread.start()

    def update(self, data: "memoryview | bytes") -> int:
        """Submit the next bytes and return their ticket; blocks while the queue is full."""
        self._submitted += 1
        self._queue.put(data)
        return self._submitted

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
        """End the thread after all submitted bytes."""
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
    """SHA-256 of a large regular file in a separate process, which reads the file again (from the page cache).

    In a thread, each chunk waits twice for the GIL, so that on two cores the hash would limit the speed of a large
    capture. The process hashes the size that the file had when it was opened, from mapped pages, which saves a copy; it
    ends without a hash if the file is truncated meanwhile.
    """

    LEAST = 64 << 20
    """Minimum size: a smaller file is hashed before such a process has started."""

    PROGRAM = """
import hashlib, mmap, os, sys
size, digest, at = int(sys.argv[1]), hashlib.sha256(), 0
flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
while at < size and os.fstat(0).st_size >= size:
    part = min(size - at, 8 << 20)
    with mmap.mmap(0, part, flags, mmap.PROT_READ, offset=at) as view:
        digest.update(view)
    at += part
print(digest.hexdigest() if at >= size else "short")
"""

    def __init__(self, path: Path, size: int) -> None:
        with path.open("rb", buffering=0) as again:
            self._process = subprocess.Popen(  # noqa: S603 - our own program and a number
                [isolation.python(), "-I", "-S", "-c", self.PROGRAM, str(size)],
                cwd=isolation.NEUTRAL_DIRECTORY,
                env=isolation.environment(),
                stdin=again,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the reader
            )

    def update(self, data: "memoryview | bytes") -> int:  # noqa: ARG002 - the process reads the file itself
        """Do nothing."""
        return 0

    def wait(self, ticket: int) -> None:
        """Return at once."""

    def ready(self, seconds: float) -> bool:
        """Whether the hash, or the end of the process, comes within so many seconds."""
        return not self._process.stdout or bool(select.select([self._process.stdout], [], [], seconds)[0])

    def finish(self) -> str | None:
        """Hash in hexadecimal; `None` if the file was truncated meanwhile or the process failed."""
        output = self._process.communicate()[0].decode("ascii", "replace").strip()
        return output if len(output) == 64 else None

    def close(self) -> None:
        """End the process, finished or not."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


class HashedElsewhere:
    """For an input whose SHA-256 another process computes; `finish` returns `ELSEWHERE` for a hash that is valid."""

    def update(self, data: "memoryview | bytes") -> int:  # noqa: ARG002 - another process reads the file
        """Do nothing."""
        return 0

    def wait(self, ticket: int) -> None:
        """Return at once."""

    def finish(self) -> str | None:
        """Mark that takes the place of the hash."""
        return ELSEWHERE

    def close(self) -> None:
        """Do nothing."""


ELSEWHERE = "elsewhere"
"""Instead of a hash: the input was read to its end, and another process has its hash."""

_ahead: dict[tuple[int, ...], HashProcess] = {}
"""Processes started ahead, by the state of their file."""


def file_state(status: os.stat_result) -> tuple[int, ...]:
    """What differs between two files, or before and after a change of one."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def hash_ahead(path: str) -> None:
    """Start to hash a file that will be read soon, if it is large enough for `HashProcess`.

    The hash uses another core while the program is still loading.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - no further use of pathlib
        if stat.S_ISREG(status.st_mode) and status.st_size >= HashProcess.LEAST and _has_descriptor_paths():
            key = file_state(status)
            if key not in _ahead:
                _ahead[key] = HashProcess(Path(path), status.st_size)
    except (OSError, ValueError):
        return  # opening the file for reading reports the error


def drop_ahead() -> None:
    """End processes that were started ahead and not used."""
    while _ahead:
        _ahead.popitem()[1].close()


def _has_descriptor_paths() -> bool:
    """Whether a file can be opened again by its descriptor number (Linux)."""
    return Path("/proc/self/fd").is_dir()


def hasher(stored: "Stored") -> "Hasher | HashProcess":
    """Choose the hasher of an input."""
    return hash_process(stored.file.fileno()) or Hasher()


def hash_process(descriptor: int) -> HashProcess | None:
    """Process that hashes an open file; None if the file is small, or none, and should be hashed while it is read."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size < HashProcess.LEAST or not _has_descriptor_paths():
        return None
    started = _ahead.pop(file_state(status), None)
    # Opened again, because a duplicate would share the file position.
    return started or HashProcess(Path(f"/proc/self/fd/{descriptor}"), status.st_size)
