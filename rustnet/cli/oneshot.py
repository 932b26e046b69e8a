"""What a command does with its whole process while it ingests: signals, and garbage collection."""

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

if TYPE_CHECKING:
    from rustnet.ingest.report import Progress

COLLECT_EVERY = 8
"""Inputs after which cyclic garbage is collected where it is off."""


@contextlib.contextmanager
def stopped_by_signals(scratch: Path | None = None) -> Iterator[StopToken]:
    """Within it, SIGINT and SIGTERM set the token; a second one ends the process at once, without ``scratch``."""
    token = StopToken()

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if not token.is_set():
            token.set()
            return
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        with contextlib.suppress(OSError):
            line = f"{_('rustnet: interrupted')}\n"
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, line.encode())
        os._exit(ExitCode.INTERRUPTED)

    if threading.current_thread() is not threading.main_thread():
        yield token
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield token
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Within it, cyclic garbage is not collected: flows and rows make no cycles, and there may be millions of them."""
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
    """Within it, cyclic garbage is collected: a run that follows a clock may last for days."""
    collecting = gc.isenabled()
    gc.enable()
    try:
        yield
    finally:
        if not collecting:
            gc.disable()


class Collection:
    """Collects cyclic garbage after every `COLLECT_EVERY` inputs; takes the progress of the run."""

    def __init__(self) -> None:
        self._at = 0

    def __call__(self, progress: "Progress") -> None:
        """Collect if it is time: what the process had before is frozen, and flows are gone by now, so this is quick."""
        if progress.file_index - self._at >= COLLECT_EVERY:
            self._at = progress.file_index
            gc.collect()
