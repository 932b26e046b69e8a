"""Capture files, FIFOs and standard input as a `Source`: `open_source`.

Stored bytes are read into a few buffers in turn; a record that a buffer's end cuts in two is carried to the front of
the next. While one batch is walked and used, the hasher's thread still reads the bytes of the one before; a buffer is
written again only when hashing has left it and the consumer's claim on it has ended. Compressed inputs are decoded in
a thread of their own.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import FileIO
from types import TracebackType
from typing import Protocol, Self

from rustnet.sources.ahead import Ahead, NotYetError
from rustnet.sources.compressed import ReadAhead
from rustnet.sources.damage import DamageLog
from rustnet.sources.frames import (
    BATCH_PACKETS,
    BUFFER_BYTES,
    Damage,
    Frames,
    InputFile,
    Interface,
    Source,
    SourceInfo,
)
from rustnet.sources.hashing import HashedElsewhere, Hasher, HashProcess, hasher
from rustnet.sources.limits import Countdown, Limits
from rustnet.sources.longblocks import LongPart
from rustnet.sources.pcap import PcapReader
from rustnet.sources.pcapng import PcapngReader
from rustnet.sources.sniff import SECTION_HEADER, sniff
from rustnet.sources.stored import Stored, hash_file, quick_identity

__all__ = ["FileSource", "hash_file", "open_source", "quick_identity", "reread"]

_BUFFERS = 3
"""One is the consumer's, one may still be, one is being filled."""
_READ = 2 << 20
"""Bytes read at once: little enough to stay in a core's cache until they are hashed and decoded."""
_MOST_PARTS = 4096
"""Captures in one input that were joined byte by byte; what follows them is not read."""
_PAUSE = 0.1
"""Seconds of silence of a pipe or decoder after which what has come is delivered."""
_TRICKLE = 0.15
"""Seconds after which it is delivered even if more keeps coming, from a pipe or a decoder."""


class _Records(Protocol):
    """What finds packets in bytes: one per format."""

    base: int
    finished: bool
    full: bool
    gaps: list[tuple[int, int, bytes]]
    long_parts: list[LongPart]
    successor: str | None

    @property
    def unit(self) -> int:
        """Nanoseconds per unit of the times, as far as known."""

    @property
    def packets(self) -> int:
        """Packets read so far."""

    @property
    def last_ts(self) -> int:
        """Time of the last packet."""

    def read(self, frames: Frames, end: int, eof: bool) -> int:
        """Take what ``frames.data[:end]`` holds; returns where to go on."""

    def close(self) -> None:
        """Say what is only known at the end."""


class FileSource:
    """A capture file, FIFO or standard input (a `Source`); also a context manager.

    ``buffer_bytes`` and ``batch_packets`` size the batches. ``hashing`` may be turned off where the hash is not wanted,
    ``notes`` where nobody wants to know what the file says of single packets; with ``hashed_elsewhere`` another process
    computes the hash. ``file`` is the input if it is already open. Opening a pipe waits for its first bytes, and asks
    ``stopped`` meanwhile; `StoppedError` if that is so. Sections of a pcapng are counted from ``first_section``.
    """

    def __init__(
        self,
        path: str,
        *,
        buffer_bytes: int = BUFFER_BYTES,
        batch_packets: int = BATCH_PACKETS,
        hashing: bool = True,
        hashed_elsewhere: bool = False,
        notes: bool = True,
        stopped: Callable[[], bool] | None = None,
        file: FileIO | None = None,
        first_section: int = 0,
    ) -> None:
        self.interfaces: list[Interface] = []
        self.damage: list[Damage] = []
        self.files: list[InputFile] = []
        self._stored = Stored(path, stopped, file) if stopped else Stored(path, file=file)
        try:
            form, packed, head = sniff(self._stored)
        except BaseException:
            self._stored.close()
            raise
        name = f"{form}+{packed}" if packed else form
        self.info = SourceInfo(path, self._stored.kind, name, self._stored.size)
        self._log = DamageLog(self.damage)
        self._packed = packed
        self._size = buffer_bytes
        self._capacity = batch_packets
        self._hashing = hashing
        self._hashed_elsewhere = hashed_elsewhere
        self._new_hasher = partial(hasher, self._stored) if file is None else Hasher  # for the opener to start one
        self.ring: Sequence[Frames] = ()
        """Batches to fill in turn; without any the source makes its own."""
        self.limits = Limits()
        """How much is read; to be set before the first batch."""
        self.countdown: Countdown | None = None
        """Limits that several files share; without it ``limits`` apply to this one."""
        self.first_turn = 0
        """Index in ``ring`` of the batch to fill first; after the last batch, of the one that would be next."""
        self.file = 0
        """Index of this file among those of its capture."""
        self._hasher: Hasher | HashProcess | HashedElsewhere | None = None
        self._decoder: ReadAhead | None = None
        self._eof = False
        self._failed = False
        self._started = False
        self._stopped = False
        self._changed = False
        self._ahead: Ahead | None = None
        self._records: _Records
        self._notes = notes
        self.form = form
        """Format of the last piece: files may have been joined."""
        self._records = self._reader(form, head, section=first_section)

    def _reader(self, form: str, head: bytes, packets: int = 0, section: int = 0) -> _Records:
        """Reader of a capture that begins with ``head``, after so many packets of others."""
        if form != "pcapng":
            return PcapReader(head, self.interfaces, self._log, packets=packets, section=section)
        reader = PcapngReader(self.info, self.interfaces, self._log, self._size, look=self._look, notes=self._notes)
        reader.follow(packets, section)
        return reader

    def _follow(self, before: _Records, head: bytes, form: str) -> _Records:
        """Reader of another capture, which follows one in the same input."""
        kind, section = self.form, self.interfaces[-1].section if self.interfaces else -1
        detail = f"another file ({form}) begins here: files were joined byte by byte"
        self._log.add("joined_files", before.packets, before.base, detail, before.last_ts, lost=False)
        before.close()
        self.info.parts += 1
        self.form = form
        same = kind != "pcapng" and form != "pcapng"
        after = self._reader(form, head, before.packets, section if same else section + 1)
        after.base = before.base
        after.full = True  # what came with the header is read before more is waited for
        return after

    def batches(self, patience: float | None = None) -> Iterator[Frames]:
        """Read the input to its end; what cannot be read goes to ``damage`` and never raises.

        With ``patience`` a batch may be empty: it comes when a pipe was silent for so many seconds.
        Can be had once. Leaving early leaves ``info`` incomplete and without a hash.
        """
        for frames, _ in self.pieces(patience):
            if frames.count or patience is not None:
                yield frames

    def pieces(self, patience: float | None = None) -> Iterator[tuple[Frames, int]]:
        """Like `batches`, for those who want what lies between packets too.

        Yields also batches without a packet, and how many bytes at the start of ``frames.data`` the batch took. All
        bytes of the input come once and in order; `gaps` says which of them are no blocks. A batch without a packet
        is the consumer's only until it asks for the next.
        """
        if self._started:
            raise RuntimeError("a source is read once; open it again")
        self._started = True
        if self._hashing:
            self._hasher = HashedElsewhere() if self._hashed_elsewhere else self._new_hasher()
        if self._packed:
            self._decoder = ReadAhead(self._stored, self._packed, self._hasher)
        self._ahead = stream = Ahead(self._decoder or self._stored, None if self._decoder else self._stored)
        stream.patient = patience is not None
        try:
            yield from self._pieces(stream, patience)
            self._finish()
        finally:
            self.close()

    @property
    def gaps(self) -> list[tuple[int, int, bytes]]:
        """Damaged places among the last piece's bytes, in order: from, to, and what has to stand there instead."""
        return self._records.gaps

    @property
    def long_parts(self) -> list[LongPart]:
        """Places among the last piece's bytes that belong to blocks longer than a batch may hold, in order."""
        return self._records.long_parts

    def _look(self, skip: int, size: int) -> bytes | None:
        """Return bytes that were not read yet (`Ahead.look`)."""
        return self._ahead.look(skip, size) if self._ahead else None

    @property
    def read_packets(self) -> int:
        """Packets read so far."""
        return self._records.packets

    @property
    def read_bytes(self) -> int:
        """Bytes of the uncompressed input whose packets were read."""
        return self._records.base

    @property
    def unit(self) -> int:
        """Nanoseconds per unit of the times of the last piece's file, as far as known."""
        return self._records.unit

    def position(self) -> int:
        """Bytes of the stored input consumed so far (compare with ``info.bytes``)."""
        return self._stored.position

    def close(self) -> None:
        """Release the input; can be called at any time and again."""
        if self._decoder:
            self._decoder.close()
        if self._hasher:
            self._hasher.close()
        self._stored.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pieces(self, stream: Ahead, patience: float | None) -> Iterator[tuple[Frames, int]]:
        records = self._records
        nothing = Frames(0, 0)
        ring: list[Frames] = list(self.ring)
        size = len(ring) or _BUFFERS
        tickets = [0] * size
        turn = self.first_turn
        carry = memoryview(b"")
        countdown = self.countdown or Countdown(self.limits)
        read = 0
        while not records.finished and not self._stops(countdown, stream, read, bool(carry)):
            if patience is not None and not (records.full or self._eof or stream.ready(patience)):
                yield nothing, 0
                continue
            at = turn % size
            if at == len(ring):
                ring.append(Frames(self._capacity, self._size))
            frames = ring[at]
            if self._hasher:
                self._hasher.wait(tickets[at])
            frames.count = 0
            frames.first_number = records.packets + 1
            frames.file, frames.files = self.file, None
            frames.notes = {}
            view = frames.buffer
            kept = len(carry)
            view[:kept] = carry
            end = self._fill(stream, view, kept, countdown.bytes_left(records.base + kept))
            left = countdown.packets_left(records.packets)
            if left is not None:
                frames.capacity = max(1, min(left, frames.capacity))
            if self._hasher and not self._packed and end > kept:
                tickets[at] = self._hasher.update(view[kept:end])
            used = records.read(frames, end, self._eof)
            carry = view[used:end]
            read = records.base + (used if records.full else end)
            records.base += used
            frames.capacity = len(frames.offset)
            if frames.count:
                turn += 1
                self.first_turn = turn
            yield frames, used
            if records.successor and self.info.parts >= _MOST_PARTS:
                self._stopped = True
                detail = f"too many files were joined: after {_MOST_PARTS} the rest of the input was not read"
                self._log.add_total(records.packets, records.base, detail, records.last_ts)
                break
            if records.successor:
                records = self._records = self._follow(records, bytes(carry[:SECTION_HEADER]), records.successor)

    def _stops(self, countdown: Countdown, stream: Ahead, read: int, carried: bool) -> bool:
        """Whether a limit was reached before the end of the input; then it is noted."""
        limit = countdown.reached(self._records.packets, read)
        if limit is None:
            return False
        try:
            if not carried and stream.look(0, 1) == b"":
                return False
        except NotYetError:
            pass
        self._stopped = True
        detail = f"stopped at {limit}: the rest of the input was not read"
        self._log.add("stopped_at_limit", self._records.packets, self._records.base, detail, self._records.last_ts)
        return True

    def _fill(self, stream: Ahead, view: memoryview, end: int, left: int | None) -> int:
        """Read behind ``view[:end]`` until enough is there, the input ends, or a pipe falls silent."""
        full = self._records.full
        limit = min(len(view), max(end, _READ) if full else end + _READ)
        if left is not None:
            limit = min(limit, end + max(left, 1))  # at the limit, only the end of the input is looked for
        wait = 0.0 if full else None
        until = None
        while end < limit and not self._eof:
            if wait is not None and not stream.ready(wait):
                break
            try:
                got = stream.readinto(view[end:limit])
            except OSError as problem:
                self._fail(problem)
                break
            if not got:
                self._eof = True
            end += got
            if wait is None and (self._stored.waits or self._decoder):
                wait = _PAUSE
                until = time.monotonic() + _TRICKLE
            if until and time.monotonic() > until:
                break
        return end

    def _fail(self, problem: OSError) -> None:
        """Note that the input cannot be read any further."""
        self._eof = self._failed = True
        at = self._stored.position
        self._log.add("read_error", self._records.packets, at, f"reading fails at stored byte {at}: {problem.strerror}")

    def _finish(self) -> None:
        """Complete ``info`` after the last batch."""
        records = self._records
        if self._decoder and not self._stopped:
            decoded = self._decoder.decoded
            if decoded.read_error:
                self._fail(decoded.read_error)
            if decoded.problem:
                self._log.add("bad_compression", records.packets, records.base, decoded.problem, records.last_ts)
        records.close()
        if not self._stopped:
            self.info.bytes = self._stored.position
            sha256 = self._hasher.finish() if self._hasher else None
            self._note_change()
            if not (self._failed or self._changed):
                self.info.sha256 = sha256
        self._log.close()
        self.info.complete = not (self._failed or self._log.lost)

    def _note_change(self) -> None:
        """Note that the file is not, or no longer, the one that was read: then nothing can be said about its hash."""
        stored = self._stored
        change = stored.change()
        if change is None and stored.size and stored.position != stored.size and not self._failed:
            change = f"only {stored.position} of the file's {stored.size} bytes could be read"
        if change is not None:
            self._changed = True
            self._log.add("file_changed", self._records.packets, self._records.base, change, self._records.last_ts)


def open_source(
    path: str,
    stopped: Callable[[], bool] | None = None,
    *,
    file: FileIO | None = None,
    hashed_elsewhere: bool = False,
) -> Source:
    """Open a capture: a file, a FIFO, or ``-`` for standard input; what it is, its first bytes say.

    Reads pcap (either byte order, microseconds, nanoseconds, modified) and pcapng, also compressed by gzip, zstd, xz or
    lz4. Raises `InputError` that says what the input is instead. Opening a pipe waits for its first bytes, and raises
    `StoppedError` once ``stopped`` says so.
    """
    return FileSource(path, stopped=stopped, file=file, hashed_elsewhere=hashed_elsewhere)


def reread(path: str) -> FileSource:
    """Open a stored capture once more, for what an index does not hold: interfaces, comments, exact timestamps.

    Without hashing: whoever needs to know that it is still the same file compares `hash_file`. Raises `InputError`.
    """
    return FileSource(path, hashing=False)
