"""Compressed inputs: gzip, zstd, xz and lz4 frames, one after another, decoded in bounded steps.

A decoder never raises: what is broken ends the stream, `Decoded.problem` says how, and all that was decoded up to
there has been delivered. Output is asked for in bounded pieces, so that a decompression bomb costs time only.
"""

import lzma
import queue
import threading
import zlib
from collections.abc import Callable
from typing import Protocol

import lz4.frame
import zstandard

from rustnet.sources.hashing import HashedElsewhere, Hasher, HashProcess
from rustnet.sources.stored import Stored

_INPUT = 65_536
_FIRST_STEP = 512
_START_MEMBERS = 64
"""Members (empty ones, skippable frames) among which the start of the content is looked for."""
_SKIPPABLE = b"\x2a\x4d\x18"
_PIECE = 262_144
"""Decoded bytes that go from thread to thread at once."""
_WAITING = 16
_TICK = 0.1
"""Seconds of waiting for a pipe between two looks at whether to stop."""
_ZSTD_STEP, _ZSTD_LEAST = 1024, 16
"""Compressed bytes per call, at most and at least: zstd has no output limit, and four bytes may stand for 128 KiB."""
_ZSTD_WINDOW = 128 << 20
"""Largest window of a zstd frame that is decoded; it stays in memory as a whole."""
_ZSTD_HEADER = 18
_XZ_STEP = 8192
"""Decoded bytes per call: what a failing call had decoded is lost."""
_XZ_MEMORY = 192 << 20
_ERRORS = (zlib.error, lzma.LZMAError, zstandard.ZstdError, RuntimeError, EOFError, MemoryError)


class TooLargeError(RuntimeError):
    """Decoding needs more memory than is allowed."""


class _Member(Protocol):
    """Decoder of one gzip member, or one frame."""

    needs_input: bool
    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Decode at most about ``max_length`` bytes; keeps what it did not get to."""


class _Gzip:
    """RFC 1952 member; keeps what was decoded before an error."""

    def __init__(self) -> None:
        self._state = zlib.decompressobj(wbits=31)
        self._error: zlib.error | None = None
        self._begun = False
        self.needs_input = True
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._error:
            raise self._error
        data = self._state.unconsumed_tail + data
        before = self._state.copy() if self._begun else zlib.decompressobj(wbits=31)
        self._begun = True
        try:
            made = self._state.decompress(data, max_length)
        except zlib.error as problem:
            self._error = problem
            self.needs_input = False
            if made := _until_error(before, data):
                return made
            raise
        self.eof = self._state.eof
        self.unused_data = self._state.unused_data
        self.needs_input = not self._state.unconsumed_tail and len(made) < max_length
        return made


def _until_error(state: "zlib._Decompress", data: bytes) -> bytes:
    """Decode again, byte by byte, up to where it fails."""
    made = bytearray()
    try:
        for at in range(len(data)):
            made += state.decompress(data[at : at + 1])
    except zlib.error:
        pass
    return bytes(made)


class _Zstd:
    """RFC 8878 frame, fed in steps that are small where they expand to much."""

    def __init__(self, context: "zstandard.ZstdDecompressor | None" = None) -> None:
        context = context or zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._state = context.decompressobj()
        self._rest = b""
        self._head = b""
        self._step = _ZSTD_LEAST
        self.needs_input = True
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if len(self._head) < _ZSTD_HEADER:
            self._head += data[:_ZSTD_HEADER]
        data = self._rest + data
        made: list[bytes] = []
        size = at = 0
        while at < len(data) and size < max_length and not self._state.eof:
            step = self._step
            try:
                piece = self._state.decompress(data[at : at + step])
            except zstandard.ZstdError as problem:
                self._check_needs(problem)
                if not made:
                    raise
                break  # the next call fails again, and nothing that came before is lost
            at += step
            self._step = max(_ZSTD_LEAST, step >> 1) if len(piece) > _PIECE else min(_ZSTD_STEP, step << 1)
            size += len(piece)
            made.append(piece)
        self._rest = data[at:]
        self.eof = self._state.eof
        if self.eof:
            self.unused_data = self._state.unused_data + self._rest
        self.needs_input = not self._rest
        return b"".join(made)

    def _check_needs(self, problem: zstandard.ZstdError) -> None:
        """Raise the error for a frame that is sound, but needs too much memory or a dictionary."""
        try:
            frame = zstandard.get_frame_parameters(self._head)
        except zstandard.ZstdError:
            return
        if frame.window_size > _ZSTD_WINDOW:
            raise TooLargeError(
                f"window too large: it needs {_binary(frame.window_size)} of memory, and {_binary(_ZSTD_WINDOW)} is "
                f"the most that is used; unpack it with zstd -d --long={(frame.window_size - 1).bit_length()}"
            ) from problem
        if frame.dict_id:
            raise TooLargeError(f"it needs the dictionary {frame.dict_id}; unpack it with zstd -d -D") from problem


def _binary(size: int) -> str:
    """Size in MiB or GiB, rounded up."""
    unit, name = (1 << 30, "GiB") if size >= 1 << 30 else (1 << 20, "MiB")
    return f"{-(-size // unit)} {name}"


class _Xz:
    """One .xz stream, in steps small enough that an error loses little."""

    def __init__(self) -> None:
        self._state = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        self.needs_input = True
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        try:
            made = self._state.decompress(data, min(max_length, _XZ_STEP))
        except lzma.LZMAError as problem:
            if "emory" in str(problem):
                raise TooLargeError(
                    f"dictionary too large: it needs more than {_binary(_XZ_MEMORY)} of memory; unpack it with xz -d"
                ) from problem
            raise
        self.eof = self._state.eof
        self.unused_data = self._state.unused_data
        self.needs_input = self._state.needs_input
        return made


class _Lz4:
    """One lz4 frame."""

    def __init__(self) -> None:
        self._state = lz4.frame.LZ4FrameDecompressor()
        self.needs_input = True
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        made: bytes = self._state.decompress(data, max_length)
        self.eof = self._state.eof
        self.unused_data = self._state.unused_data or b""
        self.needs_input = self._state.needs_input
        return made


_MEMBERS: dict[str, Callable[[], _Member]] = {
    "gzip": _Gzip,
    "zstd": _Zstd,
    "xz": _Xz,
    "lz4": _Lz4,
}


def member_maker(name: str) -> Callable[[], _Member]:
    """Return what makes decoders of one member or frame after another, none before the last one has ended."""
    if name == "zstd":
        context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        return lambda: _Zstd(context)
    return _MEMBERS[name]


def is_skippable(head: bytes) -> bool:
    """Whether a frame that zstd and lz4 decoders pass over begins with ``head``."""
    return len(head) >= 8 and 0x50 <= head[0] <= 0x5F and head[1:4] == _SKIPPABLE


def compression(head: bytes) -> str | None:
    """Name of the compression whose magic ``head`` begins with, ``None`` for none that is read here."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    if head.startswith(b"\x04\x22\x4d\x18"):
        return "lz4"
    if is_skippable(head):  # zstd and lz4 share them: what follows decides
        while is_skippable(head):
            head = head[8 + int.from_bytes(head[4:8], "little") :]
        return compression(head) or "zstd"
    return None


class Decoded:
    """The decoded bytes of a compressed input.

    ``on_stored`` sees every stored byte, in order. After the last decoded byte `problem` says what is wrong with the
    compressed stream, if anything. Setting `stop` ends the stream soon, even while it waits for a writer.
    """

    def __init__(self, stored: Stored, name: str, on_stored: Callable[[bytes], object] | None = None) -> None:
        self.problem: str | None = None
        self.read_error: OSError | None = None
        self.stop = threading.Event()
        self._stored = stored
        self._name = name
        self._on_stored = on_stored
        self._make = member_maker(name)
        self._member: _Member | None = None
        self._begun = False
        self._view = memoryview(bytearray(_INPUT))
        self._input = b""
        self._at = 0
        self._step = _FIRST_STEP

    def read(self, limit: int) -> bytes:
        """Decode some bytes, at least one and not many more than ``limit``; none at the end."""
        if not self._begun:
            self._begun = True
            self._next_member()
        while not self.stop.is_set() and (member := self._member) is not None:
            if member.eof:
                self._at -= len(member.unused_data)
                self._next_member()
                continue
            hungry = member.needs_input
            data = self._take() if hungry else b""
            if hungry and not data:
                self._end("the compressed stream ends early")
                break
            try:
                made = member.decompress(data, limit)
            except TooLargeError as problem:
                self._end(f"the compressed stream cannot be decoded: {problem}")
                break
            except _ERRORS as problem:
                self._end(f"the compressed stream is broken: {problem or type(problem).__name__}")
                break
            if made:
                return made
            if not (hungry or member.eof or member.needs_input):
                self._end("the compressed stream is broken: it yields nothing")
        return b""

    def ready(self) -> bool:
        """Whether there is stored input at hand."""
        return self._at < len(self._input) or self._stored.ready(0)

    def drain(self) -> None:
        """Read the stored input to its end without decoding it."""
        while self._more():
            pass

    def _take(self) -> bytes:
        """Next stored bytes: few for a new member, so that many tiny ones do not cost a large copy each."""
        if self._at >= len(self._input):
            self._input = self._more()
            self._at = 0
        data = self._input[self._at : self._at + self._step]
        self._at += len(data)
        self._step = _INPUT
        return data

    def _more(self) -> bytes:
        try:
            while self.stop.is_set() or not self._stored.ready(_TICK):
                if self.stop.is_set():
                    return b""
            got = self._stored.readinto(self._view)
        except OSError as problem:
            self.read_error = problem
            return b""
        data = bytes(self._view[:got])
        if data and self._on_stored:
            self._on_stored(data)
        return data

    def _next_member(self) -> None:
        """Go on with the next member or frame; zeros between them are padding."""
        self._member = None
        bare = self._member_start()
        while self._name in ("zstd", "lz4") and is_skippable(bare):
            if not self._skip(8 + int.from_bytes(bare[4:8], "little")):
                return
            bare = self._member_start()
        if bare and compression(bare) != self._name:
            self._end(f"something that is not {self._name} follows the compressed stream")
        elif bare:
            self._member = self._make()
            self._step = _FIRST_STEP

    def _member_start(self) -> bytes:
        """Pass over padding; returns the first bytes of what follows, none at the end."""
        while True:
            ended = False
            if len(self._input) - self._at < 8:
                more = self._more()
                self._input = self._input[self._at :] + more
                self._at = 0
                ended = not more
            head = self._input[self._at : self._at + 8]
            if head[:1] == b"\0":
                head = self._input[self._at : self._at + _FIRST_STEP]
                bare = head.lstrip(b"\0")
                self._at += len(head) - len(bare)
                if len(bare) < 8 and not ended:
                    continue
                return bare[:8]
            if len(head) >= 8 or ended:
                return head

    def _skip(self, size: int) -> bool:
        """Pass over stored bytes; returns whether they were all there."""
        while size > len(self._input) - self._at:
            size -= len(self._input) - self._at
            self._input = self._more()
            self._at = 0
            if not self._input:
                self._end("the compressed stream ends early")
                return False
        self._at += size
        return True

    def _end(self, problem: str) -> None:
        self.problem = problem
        self._member = None


def decode_start(data: bytes, name: str, size: int) -> bytes:
    """Decode the first ``size`` bytes, or as many as ``data``, the beginning of an input, holds.

    Raises `TooLargeError` if that needs too much memory.
    """
    made = bytearray()
    make = member_maker(name)
    try:
        for _ in range(_START_MEMBERS):
            if name in ("zstd", "lz4") and is_skippable(data):
                data = data[8 + int.from_bytes(data[4:8], "little") :]
                continue
            member = make()
            while len(made) < size and (data or not member.needs_input):
                made += member.decompress(data, max(size, 64))
                data = b""
                if member.eof:
                    data = member.unused_data.lstrip(b"\0")
                    break
            if len(made) >= size or not data:
                break
    except TooLargeError:
        if not made:
            raise
    except _ERRORS:
        pass
    return bytes(made[:size])


class ReadAhead:
    """Decodes in a thread of its own, a few pieces ahead of whoever reads.

    Every stored byte goes to ``hasher``, also those behind a broken place.
    """

    def __init__(self, stored: Stored, name: str, hasher: "Hasher | HashProcess | HashedElsewhere | None") -> None:
        self.decoded = Decoded(stored, name, hasher.update if hasher else None)
        self._queue: queue.Queue[memoryview] = queue.Queue(_WAITING)
        self._piece = memoryview(b"")
        self._ended = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
        self._thread.start()

    def readinto(self, view: memoryview) -> int:
        """Fill the start of ``view``; 0 at the end."""
        if not self._piece and not self._ended:
            self._take(self._queue.get())
        got = min(len(view), len(self._piece))
        view[:got] = self._piece[:got]
        self._piece = self._piece[got:]
        return got

    def ready(self, seconds: float) -> bool:
        """Whether `readinto` will not have to wait, after giving the decoder ``seconds`` of time."""
        if not self._piece and not self._ended:
            try:
                self._take(self._queue.get(timeout=seconds) if seconds else self._queue.get_nowait())
            except queue.Empty:
                return False
        return True

    def close(self) -> None:
        """End the thread, whether or not everything was read."""
        self.decoded.stop.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def _take(self, piece: memoryview) -> None:
        self._piece = piece
        self._ended = not piece
        if self._ended:
            self._thread.join()
            if self._failure:
                raise self._failure

    def _run(self) -> None:
        try:
            pieces: list[bytes] = []
            size = 0
            while not self.decoded.stop.is_set() and (made := self.decoded.read(_PIECE)):
                pieces.append(made)
                size += len(made)
                if size >= _PIECE or not self.decoded.ready():
                    self._put(pieces)
                    pieces, size = [], 0
            self._put(pieces)
            if not self.decoded.stop.is_set():
                self.decoded.drain()
        except BaseException as problem:  # noqa: BLE001 raised again in the thread that reads
            self._failure = problem
        self._queue.put(memoryview(b""))

    def _put(self, pieces: list[bytes]) -> None:
        """Queue decoded bytes in pieces of bounded size, so that those that wait are bounded too."""
        view = memoryview(b"".join(pieces))
        for at in range(0, len(view), _PIECE):
            self._queue.put(view[at : at + _PIECE])
            if self.decoded.stop.is_set():
                break
