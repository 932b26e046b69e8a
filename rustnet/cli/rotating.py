"""SIGHUP during a capture: new files begin; but if the terminal is gone, it ends the capture."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from rustnet.ingest.stop import StopToken

STREAMS = (0, 1, 2)


@contextlib.contextmanager
def rotated_by_hangup(stop: StopToken) -> Iterator[None]:
    """SIGHUP requests new files. If this process had a terminal, and that was closed, it sets ``stop``.

    A process that ignores SIGHUP, as one started by nohup, keeps ignoring it.
    """
    number = getattr(signal, "SIGHUP", None)
    main = threading.current_thread() is threading.main_thread()
    if number is None or not main or signal.getsignal(number) == signal.SIG_IGN:
        yield
        return
    terminals = [stream for stream in STREAMS if _is_terminal(stream)]
    nowhere = os.open(os.devnull, os.O_RDWR)  # now, as files cannot be opened later

    def handle(_number: int, _frame: FrameType | None) -> None:
        if terminals and not any(map(_is_terminal, terminals)):
            for stream in terminals:  # what is said at the end must not fail
                os.dup2(nowhere, stream)
            stop.set()
        else:
            stop.rotate()

    before = signal.signal(number, handle)
    try:
        yield
    finally:
        signal.signal(number, before)
        os.close(nowhere)


def _is_terminal(descriptor: int) -> bool:
    """Whether a descriptor is a terminal that is still there."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
