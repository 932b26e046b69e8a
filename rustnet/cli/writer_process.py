"""The process that reads captures into a session while the browser shows it.

It is forked before this process has threads, and is a session of its own: keys like Ctrl-C and the end of the terminal
reach the browser alone. What it prints goes into a file without a name. It ends when the browser ends, however that
does: the system closes the pipe that both hold, and tells it so by a signal.
"""

import contextlib
import mmap
import os
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rustnet.cli.main import State
from rustnet.cli.watched import end_with, run_and_exit
from rustnet.errors import ExitCode
from rustnet.present.text import safe
from rustnet.tui.writer import WriterProgress

if TYPE_CHECKING:
    from rustnet.ingest.report import Progress

_FIELDS = struct.Struct("=7q?")
"""A count that is odd while the others change, then those of `WriterProgress`, and whether there is a session."""
_UNKNOWN = -1
MAX_OUTPUT = 1 << 20
"""Most bytes of what the process prints that are passed on at once."""
_SLICE = 0.02
DETACH = b"d"
"""What the process is sent if it is to go on after the browser."""
STOP_SECONDS = 10.0
"""Time to store what was read; then the process is killed."""


class SharedProgress:
    """How far the process is, in memory that both processes share: the latest state, which nobody need wait for."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._memory = mmap.mmap(-1, _FIELDS.size)
        self._count = 0

    def put(self, progress: "Progress") -> None:
        """Store a state; called by the process that writes."""
        size = _UNKNOWN if progress.size is None else progress.size
        values = (progress.file_index, progress.files, progress.position, size, progress.packets, progress.flows)
        self._count += 2
        _FIELDS.pack_into(self._memory, 0, self._count - 1, *values, True)
        _FIELDS.pack_into(self._memory, 0, self._count, *values, True)

    def ended(self, *, readable: bool) -> None:
        """Store whether there is a session to show."""
        self._memory[_FIELDS.size - 1] = readable

    @property
    def readable(self) -> bool:
        """Whether there is a session to show."""
        return bool(self._memory[_FIELDS.size - 1])

    def get(self) -> WriterProgress | None:
        """Return the latest state; None before the first packet."""
        while True:
            count, index, files, position, size, packets, flows, _readable = _FIELDS.unpack_from(self._memory)
            if not count % 2 and count == _FIELDS.unpack_from(self._memory)[0]:
                break
        if not count:
            return None
        source = self._paths[min(index, len(self._paths) - 1)]
        return WriterProgress(source, index, files, position, None if size == _UNKNOWN else size, packets, flows)


@dataclass(slots=True)
class WriterProcess:
    """The process, as the browser's sees it; a `rustnet.tui.writer.Writer`."""

    pid: int
    shared: SharedProgress
    output: BinaryIO
    """What it prints."""
    temporary: bool
    """Whether the session is removed at the end."""
    code: int | None = None
    """Its exit code, once it has ended; negative: the signal that killed it."""
    stopping: bool = False
    """It was asked to stop."""
    live: bool = False
    """It captures from interfaces: it has no end of its own, and need not end with the browser."""
    detached: bool = False
    """It goes on after the browser."""
    _link: int = -1
    _read: int = 0

    def running(self) -> bool:
        """Whether it has not ended yet."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def progress(self) -> WriterProgress | None:
        """How far it is; None before the first packet."""
        return self.shared.get()

    @property
    def readable(self) -> bool:
        """Whether there is a session to show."""
        return self.shared.readable

    def messages(self) -> list[str]:
        """Lines that it has printed since the last call."""
        data = os.pread(self.output.fileno(), MAX_OUTPUT, self._read)
        end = data.rfind(b"\n") + 1 if self.running() else len(data)
        self._read += end
        return _lines(data[:end])

    def all_messages(self) -> list[str]:
        """Lines that it has printed."""
        return _lines(os.pread(self.output.fileno(), MAX_OUTPUT, 0))

    def stop(self) -> None:
        """Request it to store what it has read, and to end; a second time, to end at once."""
        if self.running():
            self.stopping = True
            os.kill(self.pid, signal.SIGTERM)

    def detach(self) -> None:
        """Let it go on when the browser and this process have ended."""
        os.write(self._link, DETACH)
        self.detached = True

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end; returns whether it has ended."""
        until = None if seconds is None else time.monotonic() + seconds
        while self.running():
            if until is not None and time.monotonic() >= until:
                return False
            time.sleep(_SLICE)
        return True

    def end(self) -> None:
        """Let it store what it has read, unless that is not needed, and wait for its end."""
        if self.detached or not self.running():
            return
        if not self.temporary:
            if not self.stopping:
                self.stop()
            if self.wait(STOP_SECONDS):
                return
        self.stopping = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()


def _lines(data: bytes) -> list[str]:
    """Lines of the process, safe for any terminal."""
    return [safe(line) for line in data.decode("utf-8", "replace").splitlines()]


def start_writer(
    work: "Callable[[Callable[[Progress], None]], tuple[ExitCode, bool]]",
    paths: tuple[str, ...],
    state: State,
    scratch: Path | None,
    *,
    live: bool = False,
    release: Callable[[], None] | None = None,
) -> WriterProcess:
    """Fork the process. ``work`` does it: it calls its argument with the progress.

    It returns the exit code, and whether there is a session to show. ``scratch`` is the directory of a temporary one.
    ``release`` closes here what is that process's alone.
    """
    shared = SharedProgress(paths)
    output = tempfile.TemporaryFile(prefix="rustnet.")  # noqa: SIM115 -- as long as this process
    alive, link = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()

    def run() -> ExitCode:
        os.close(link)
        _separate(alive, output, scratch)
        code, readable = work(shared.put)
        shared.ended(readable=readable)
        return code

    pid = os.fork()
    if not pid:
        run_and_exit(run, state)
    os.close(alive)
    if release is not None:
        release()
    return WriterProcess(pid, shared, output, temporary=scratch is not None, live=live, _link=link)


def _separate(alive: int, output: BinaryIO, scratch: Path | None) -> None:
    """Make this process independent of the terminal, and have it end with the browser."""
    os.setsid()
    if os.isatty(0):  # otherwise it may be the capture
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def end() -> None:
        if os.read(alive, 1) == DETACH:
            return
        if scratch is None:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        shutil.rmtree(scratch, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)  # this process, and those that parse

    end_with(alive, end)
