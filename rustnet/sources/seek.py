"""Read packet bytes from a capture file, by the offsets of the packet index."""

from collections.abc import Iterable, Iterator
from io import BufferedReader
from types import TracebackType
from typing import Self

from rustnet.errors import InputError
from rustnet.sources.compressed import Decoded
from rustnet.sources.sniff import sniff
from rustnet.sources.stored import STDIN, Stored

_AHEAD = 1 << 18
_PIECE = 1 << 20


class PacketReader:
    """Reads packets of a regular capture file by offset; also a context manager.

    Offsets are those of `Frames.file_offset`: positions in the uncompressed input. An uncompressed file is read by
    seeking, a compressed one by decoding it once per call of `read`. Raises `InputError` if the file cannot be opened,
    is not a capture, or is a pipe.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        if path == STDIN:
            raise InputError("standard input cannot be read twice; give the capture file instead")
        stored = Stored(path)
        try:
            if stored.waits:
                raise InputError("{path}: is a pipe and cannot be read twice; give the capture file instead", path=path)
            _, self.compression, _ = sniff(stored)
        finally:
            stored.close()

    def read(self, wanted: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """Yield the bytes of each (offset, captured length), in order.

        Offsets must not descend, and packets must not overlap: `ValueError`. Raises `InputError` if the file ends
        before a packet does, because then it is not the indexed file.
        """
        stored = Stored(self.path)
        try:
            yield from self._decoded(stored, wanted) if self.compression else self._plain(stored, wanted)
        except OSError as problem:
            raise InputError(
                "{path}: cannot be read: {strerror}", path=self.path, strerror=problem.strerror or problem
            ) from None
        finally:
            stored.close()

    def close(self) -> None:
        """Do nothing: no file stays open between reads."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _plain(self, stored: Stored, wanted: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        at = 0
        with BufferedReader(stored.file, _AHEAD) as file:
            for offset, size in wanted:
                if not offset and size:
                    raise InputError("the packet was not recorded to a file")
                _check_order(at, offset)
                file.seek(offset)
                data = file.read(size)
                if len(data) < size:
                    raise self._short(offset, size)
                at = offset + size
                yield data

    def _decoded(self, stored: Stored, wanted: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        assert self.compression is not None
        decoded = Decoded(stored, self.compression)
        piece = memoryview(b"")
        start = 0  # offset of the piece in the decoded input
        for offset, size in wanted:
            _check_order(start, offset)
            parts = []
            missing = size
            while missing:
                inside = offset + size - missing - start
                if inside >= len(piece):
                    start += len(piece)
                    piece = memoryview(decoded.read(_PIECE))
                    if not piece:
                        raise self._short(offset, size)
                    continue
                part = bytes(piece[inside : inside + missing])
                parts.append(part)
                missing -= len(part)
            done = offset + size - start
            if 0 < done <= len(piece):
                piece = piece[done:]
                start = offset + size
            yield b"".join(parts)

    def _short(self, offset: int, size: int) -> InputError:
        return InputError(
            "{path}: ends before the packet of {size} bytes at offset {offset}; it is not the ingested file",
            path=self.path,
            size=size,
            offset=offset,
        )


def _check_order(at: int, offset: int) -> None:
    if offset < at:
        raise ValueError(f"packet at offset {offset} requested after {at}: offsets must ascend")
