"""A small process that cleans up for the browser if that is killed: its terminal, and its temporary directory.

It waits for the end of a pipe, which the system closes with the process, whatever ended that: SIGKILL, the lack of
memory, a fault in a library.
"""

import contextlib
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from rustnet.tui.terminal import Modes

_DONE = b"."
"""Written into the pipe when nothing is left to clean up at the terminal."""


@dataclass(slots=True)
class Keeper:
    """The process, as the browser's knows it."""

    pid: int
    link: int
    """Write end of the pipe whose end it waits for."""
    writers: int
    """Write end of a pipe that the process which fills the directory holds open."""

    def forked(self) -> None:
        """Close, in a child of the browser's process, what shows that the browser lives."""
        os.close(self.link)

    def filled_elsewhere(self) -> None:
        """Close the other pipe: only a child that was forked before fills the directory."""
        if self.writers >= 0:
            os.close(self.writers)
            self.writers = -1

    def done(self) -> None:
        """End the process: terminal and directory are as they should be."""
        self.filled_elsewhere()
        with contextlib.suppress(OSError):
            os.write(self.link, _DONE)
        os.close(self.link)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def start_keeper(folder: Path | None) -> Keeper:
    """Fork the process; ``folder`` is a temporary directory. This process must not have other threads yet."""
    modes = Modes()
    wait, link = os.pipe()
    wait_writers, writers = os.pipe()
    pid = os.fork()
    if pid:
        os.close(wait)
        os.close(wait_writers)
        return Keeper(pid, link, writers)
    try:
        os.close(link)
        os.close(writers)
        _keep(modes, wait, wait_writers, folder)
    finally:
        os._exit(0)


def _keep(modes: Modes, wait: int, wait_writers: int, folder: Path | None) -> None:
    """Wait for the end of the browser, and of what fills the directory; clean up after them."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    if os.read(wait, 1) != _DONE:
        modes.restore(reset=True)
    os.read(wait_writers, 1)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
