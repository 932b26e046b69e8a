"""Inputs as they are stored: opening, raw reading, and hashing in a thread of its own.

SHA-256 takes about as long per byte as everything else that is done to a large capture, so it runs beside it:
`hashlib` releases the interpreter's lock for large inputs.
"""

import hashlib
import os
import queue
import select
import stat
import subprocess
import sys
import threading
from io import FileIO
from pathlib import Path

from rustnet.errors import InputError

STDIN = "-"
IDENTITY_BYTES = 65_536
"""Bytes at the start of a file that `quick_identity` looks at."""

_CHUNK = 1 << 20
_WAITING = 3
"""Chunks that may wait for the hasher before the reader has to."""


class Stored:
    """A file, FIFO or standard input, read once from its start.

    Raises `InputError` where it cannot be opened, or is nothing that can be read as a stream of bytes.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = _open(path)
        mode = os.fstat(self.file.fileno())
        self.waits = not stat.S_ISREG(mode.st_mode)
        """Reading may have to wait for a writer."""
        self.size = None if self.waits else mode.st_size
        self.kind = "stdin" if path == STDIN else "fifo" if self.waits else "file"
        self.position = 0
        """Bytes handed out so far."""
        self._ahead = bytearray()
        if hasattr(os, "posix_fadvise") and not self.waits:
            os.posix_fadvise(self.file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)

    def peek(self, size: int) -> bytes:
        """First ``size`` bytes of what has not been handed out; fewer only at the end of the input."""
        while len(self._ahead) < size:
            more = self.file.read(max(size - len(self._ahead), 4096))
            if more is None:  # someone made the descriptor non-blocking
                self._poll(1.0)
                continue
            if not more:
                break
            self._ahead += more
        return bytes(self._ahead[:size])

    def readinto(self, view: memoryview) -> int:
        """Fill the start of ``view`` and return how many bytes that were; 0 at the end."""
        if self._ahead:
            got = min(len(view), len(self._ahead))
            view[:got] = self._ahead[:got]
            del self._ahead[:got]
        else:
            while (taken := self.file.readinto(view)) is None:
                self._poll(1.0)
            got = taken
        self.position += got
        return got

    def ready(self, seconds: float) -> bool:
        """Whether `readinto` will not have to wait, after giving a writer ``seconds`` of time."""
        return bool(self._ahead) or not self.waits or self._poll(seconds)

    def _poll(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.file.fileno(), select.POLLIN | select.POLLHUP)
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        """Close the file (standard input stays open)."""
        self.file.close()


def _open(path: str) -> FileIO:
    """Open a path for reading, or say in one line why that cannot be."""
    if path == STDIN:
        if os.isatty(0):
            raise InputError("standard input is a terminal: give a file, or pipe a capture into it")
        return FileIO(0, closefd=False)
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: cannot be opened: {_reason(problem)}") from None
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        return FileIO(handle)
    os.close(handle)
    what = "a directory: name the captures in it" if stat.S_ISDIR(mode) else "a device, not a file"
    raise InputError(f"{path}: is {what}")


def _reason(problem: OSError | ValueError) -> str:
    """Say what the system says, in lower case, without its number."""
    text = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    return text[:1].lower() + text[1:]


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

    def __init__(self, file: FileIO, size: int) -> None:
        # Opened anew, because a duplicate would share the reading position.
        with Path(f"/proc/self/fd/{file.fileno()}").open("rb", buffering=0) as again:
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


def hasher(stored: Stored) -> "Hasher | HashProcess":
    """What hashes an input while it is read."""
    if stored.kind == "file" and (stored.size or 0) >= HashProcess.LEAST and Path("/proc/self/fd").is_dir():
        return HashProcess(stored.file, stored.size or 0)
    return Hasher()


def hash_file(path: str) -> str:
    """SHA-256 of a file as it is stored, in hexadecimal. Raises `InputError` if it cannot be read."""
    stored = Stored(path)
    made = hashlib.sha256()
    view = memoryview(bytearray(_CHUNK))
    try:
        while got := stored.readinto(view):
            made.update(view[:got])
    except OSError as problem:
        raise InputError(f"{path}: cannot be read: {_reason(problem)}") from None
    finally:
        stored.close()
    return made.hexdigest()


def quick_identity(path: str) -> tuple[int, str]:
    """Size of a regular file and SHA-256 of its first 64 KiB, to notice an input that was read before.

    Equal identities are a reason to compare whole hashes, not proof. Raises `InputError` for anything but a readable
    regular file: looking at a pipe would eat its bytes.
    """
    if path == STDIN or (Path(path).exists() and not Path(path).is_file()):
        raise InputError(f"{path}: only a regular file can be identified before it is read")
    stored = Stored(path)
    try:
        return stored.size or 0, hashlib.sha256(stored.peek(IDENTITY_BYTES)).hexdigest()
    except OSError as problem:
        raise InputError(f"{path}: cannot be read: {_reason(problem)}") from None
    finally:
        stored.close()
