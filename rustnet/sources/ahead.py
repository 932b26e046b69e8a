"""Looking at bytes of an input before they are read: a block's second length stands at its end."""

from collections import deque
from typing import Protocol

from rustnet.sources.stored import Stored

LOOK_BYTES = 16 << 20
"""How far a pipe or a compressed input is read ahead; Wireshark refuses blocks beyond this size."""
_PIECE = 1 << 18


class Stream(Protocol):
    """Where decoded bytes come from: the file itself, or a decoder."""

    def readinto(self, view: memoryview) -> int:
        """Fill the start of ``view``; 0 at the end."""

    def ready(self, seconds: float) -> bool:
        """Whether `readinto` will not have to wait."""


class NotYetError(Exception):
    """The bytes asked for have not come yet."""


class Ahead:
    """A stream whose bytes can be looked at before they are read.

    An uncompressed file is looked at where the bytes are stored. Of other inputs up to `LOOK_BYTES` are kept in memory.
    """

    def __init__(self, stream: Stream, stored: Stored | None) -> None:
        self._stream = stream
        self._stored = stored
        """The file, if ``stream`` is that file itself."""
        self._kept: deque[memoryview] = deque()
        self._size = 0
        """Bytes that are kept."""
        self._failure: OSError | None = None
        self._ended = False
        self._lacking = False
        """More bytes are kept only once the stream has some."""
        self.patient = False
        """Raise `NotYetError` instead of waiting for a writer."""

    def readinto(self, view: memoryview) -> int:
        """Fill the start of ``view``; 0 at the end."""
        if self._kept:
            first = self._kept.popleft()
            got = min(len(view), len(first))
            view[:got] = first[:got]
            if got < len(first):
                self._kept.appendleft(first[got:])
            self._size -= got
            return got
        if self._failure:
            raise self._failure
        return 0 if self._ended else self._stream.readinto(view)

    def ready(self, seconds: float) -> bool:
        """Whether `readinto` will not have to wait, or more bytes can be looked at."""
        if self._ended or (self._kept and not self._lacking):
            return True
        return self._stream.ready(seconds)

    def look(self, skip: int, size: int) -> bytes | None:
        """Return ``size`` bytes behind the next ``skip``: fewer at the end, `None` if they are too far away.

        Raises `NotYetError` if a pipe has not got as far yet.
        """
        if self._stored is not None and (data := self._stored.look(skip, size)) is not None:
            return data
        need = skip + size
        if need > LOOK_BYTES:
            return None
        self._lacking = False
        while self._size < need and not self._ended:
            if self.patient and not self._stream.ready(0):
                self._lacking = True
                raise NotYetError
            piece = memoryview(bytearray(_PIECE))
            try:
                got = self._stream.readinto(piece)
            except OSError as problem:
                self._failure = problem
                got = 0
            self._ended = not got
            if got:
                self._kept.append(piece[:got])
                self._size += got
        return self._bytes(skip, need)

    def _bytes(self, start: int, stop: int) -> bytes:
        """Kept bytes from ``start`` to ``stop``, or to the last one."""
        parts = []
        at = 0
        for piece in self._kept:
            if at >= stop:
                break
            if at + len(piece) > start:
                parts.append(piece[max(0, start - at) : stop - at])
            at += len(piece)
        return b"".join(parts)
