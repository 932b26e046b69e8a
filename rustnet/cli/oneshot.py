"""Process-wide settings of a command while it ingests: signal handlers and garbage collection."""

import contextlib
import gc
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rustnet.errors import ExitCode
from rustnet.i18n import _
from rustnet.ingest.stop import StopToken
from rustnet.probe.newfile import remove_unfinished

if TYPE_CHECKING:
    from rustnet.ingest.report import Progress

COLLECT_EVERY = 8
"""Number of inputs between two collections while automatic collection is off."""


@contextlib.contextmanager
def stopped_by_signals(scratch: Path | None = None) -> Iterator[StopToken]:
    """SIGINT and SIGTERM set the token; a second one removes ``scratch`` and ends the process at once."""
    token = StopToken()

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if not token.is_set():
            token.set()
            return
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        remove_unfinished()
        with contextlib.suppress(OSError):
            line = f"{_('rustnet: interrupted')}\n"
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, line.encode())
        os._exit(ExitCode.INTERRUPTED)

    if threading.current_thread() is not threading.main_thread():
        yield token
        return
    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield token
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Turn off cyclic garbage collection: flows and rows form no cycles, and there may be millions of them."""
    collecting = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()


@contextlib.contextmanager
def collected() -> Iterator[None]:
    """Turn on cyclic garbage collection: a paced run may last for days."""
    collecting = gc.isenabled()
    gc.enable()
    try:
        yield
    finally:
        if not collecting:
            gc.disable()


class Collection:
    """Progress callback that collects cyclic garbage after every `COLLECT_EVERY` inputs."""

    def __init__(self) -> None:
        self._at = 0

    def __call__(self, progress: "Progress") -> None:
        """Collect if it is due; quick, because older objects are frozen and the flows are already freed."""
        if progress.file_index - self._at >= COLLECT_EVERY:
            self._at = progress.file_index
            gc.collect()
