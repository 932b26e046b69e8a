"""Files of sidecars and logs, whose reading ends when the run is stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

from rustnet.errors import StoppedError

BUFFER = 1 << 18


def _never() -> bool:
    return False


_stopped: ContextVar[Callable[[], bool]] = ContextVar("stopped", default=_never)


@contextmanager
def stopped_by(stopped: Callable[[], bool]) -> Iterator[None]:
    """Within the block, reading of sidecars asks ``stopped`` and raises `StoppedError` once that is so."""
    token = _stopped.set(stopped)
    try:
        yield
    finally:
        _stopped.reset(token)


class _InputFile(FileIO):
    """A file that checks before each read whether to go on."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill the buffer; raises `StoppedError`."""
        if _stopped.get()():
            raise StoppedError("{path}: stopped while it was read", path=self.name)
        return super().readinto(buffer)


def open_input_file(path: Path) -> BufferedReader:
    """Open a sidecar or log for reading; raises OSError."""
    return BufferedReader(_InputFile(path), BUFFER)
