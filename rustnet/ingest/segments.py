"""`SegmentFiles`: opens the files of recordings, in the process that holds the session, and keeps the list of them."""

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rustnet.errors import InputError, RustnetError, UsageError
from rustnet.export.originals import REMOVED
from rustnet.filenames import as_text
from rustnet.ingest.recording import MOST_SEGMENTS, SECOND, Ended, Recording
from rustnet.probe.newfile import FOR_GROUP, NO_FOLLOW, PRIVATE, NewFile, RefusedError, is_stream, named_descriptor
from rustnet.sources.stored import IDENTITY_BYTES

if TYPE_CHECKING:
    import duckdb

SIDECAR = ".connections.jsonl"
"""Ending that a sidecar's name has beyond that of its capture."""
OPEN_FILES = 2
"""Segments of a recording whose descriptor is kept: the one that is written, and the one before."""

_ROWS = """
INSERT INTO capture_files (capture_id, file, source, kind, format, bytes, head_sha256, first_packet, packets, first_ts,
    last_ts, complete)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, make_timestamp_ns(?), make_timestamp_ns(?), ?)"""

_STORED = """
SELECT count(*), epoch_ns(min(ts)), epoch_ns(max(ts)) FROM packets WHERE capture_id = ? AND number >= ?"""


@dataclass(slots=True)
class Segment:
    """One file of a recording."""

    recording: Recording
    index: int
    """Its place among the segments of its recording, from 0."""
    path: str
    identity: tuple[int, int]
    """Device and inode."""
    descriptor: int
    """Open for writing; -1 if it is not any more."""
    first_packet: int | None = None
    ended: Ended | None = None
    whole: bool = True
    """The recording did not end before its time in it."""
    removed: bool = False
    head: str | None = None
    """SHA-256 of its beginning, once it has ended."""

    def exists(self) -> bool:
        """Whether its name still leads to the file that was created with it."""
        return _is_same(self.path, self.identity)


class SegmentFiles:
    """Opens the files of recordings (`Segments`).

    Without rotation the file is created at once, so that what is wrong with it shows before the capture begins.
    ``inputs`` must not be replaced; existing files only with ``force``. Raises `UsageError` or `InputError`.
    """

    def __init__(
        self, recordings: Sequence[Recording], inputs: Sequence[str] = (), force: bool = False, group: int | None = None
    ) -> None:
        self.recordings = tuple(recordings)
        self.inputs = list(inputs)
        self.force = force
        self.group = group
        self.segments: list[list[Segment]] = [[] for _ in self.recordings]
        self.problems: list[str] = []
        """Why recordings ended before their time."""
        self._kept: list[deque[Segment]] = [deque() for _ in self.recordings]
        self._finished: set[int] = set()
        """Recordings that have ended: each is of one capture."""
        self._changed: set[int] = set()
        """Segments of the first recording whose rows are not stored as they are."""
        for number, recording in enumerate(self.recordings):
            self._check(recording)
            if not recording.rotates:
                self._add(number, recording.path, self._open_single(recording.path))

    # ---- opening -------------------------------------------------------------------------------------------------

    def _check(self, recording: Recording) -> None:
        path = recording.path
        if named_descriptor(path) is not None or (os.path.lexists(path) and is_stream(path)):
            raise UsageError("{path}: packets are recorded to files, not to pipes or devices", path=path)
        folder = Path(path).absolute().parent
        if not folder.is_dir():
            raise UsageError("{path}: directory {folder} does not exist", path=path, folder=folder)
        sidecar = path + SIDECAR
        if recording.sidecar and not recording.rotates and os.path.lexists(sidecar) and not self.force:
            raise UsageError("{path}: exists; choose another file, or give --force", path=sidecar)

    def _open_single(self, path: str) -> int:
        """Create a file with a name that was given."""
        if os.path.islink(path):  # noqa: PTH114 -- a path may be no UTF-8
            raise UsageError("{path}: is a symbolic link; choose another file", path=path)
        if os.path.lexists(path) and not self.force:
            raise UsageError("{path}: exists; choose another file, or give --force", path=path)
        try:
            file = NewFile(path, self.inputs, self.force, self.group, at_once=True)
            file.publish()
        except RefusedError as error:
            raise UsageError("{path}: is an input of this command; choose another file", path=error.path) from None
        except OSError as error:
            raise _unwritable(path, error) from None
        return file.descriptor

    @contextlib.contextmanager
    def new_file(self, path: str) -> Iterator[TextIO]:
        """Write a text file next to a recording, which gets its name once it is complete."""
        file = NewFile(path, self.inputs, self.force, self.group)
        try:
            with open(file.descriptor, "w", encoding="utf-8", newline="") as stream:  # noqa: PTH123 -- a descriptor
                yield stream
                stream.flush()
                file.publish()
        finally:
            file.discard()

    def _open_segment(self, path: str) -> int:
        """Create a file with a name that is made up."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, PRIVATE)
            if self.group is not None:
                os.fchown(descriptor, -1, self.group)
                os.fchmod(descriptor, FOR_GROUP)
        except OSError as error:
            raise _unwritable(path, error) from None
        return descriptor

    def _add(self, number: int, path: str, descriptor: int) -> Segment:
        status = os.fstat(descriptor)
        own = self.segments[number]
        segment = Segment(self.recordings[number], len(own), path, (status.st_dev, status.st_ino), descriptor)
        own.append(segment)
        self._kept[number].append(segment)
        self._change(segment)
        return segment

    # ---- what the recorder asks for ------------------------------------------------------------------------------

    def next(self, recording: int, ts: int, packet: int, ended: Ended | None) -> FileIO:
        """Open the next segment of a recording."""
        if not 0 <= recording < len(self.recordings):
            raise InputError("there is no such recording")
        own, what = self.segments[recording], self.recordings[recording]
        if ended is not None:
            self._note_end(recording, ended)
        if recording in self._finished:
            raise InputError("{path}: holds one capture already", path=what.path)
        if not what.rotates:
            segment = own[-1]
        elif len(own) >= MOST_SEGMENTS:
            raise InputError("{path}: has {n} segments, the most there can be", path=what.path, n=MOST_SEGMENTS)
        else:
            path = segment_name(what.path, len(own) + 1, ts)
            segment = self._add(recording, path, self._open_segment(path))
            self._remove_old(recording)
        segment.first_packet = packet or None
        self._change(segment)
        return FileIO(os.dup(segment.descriptor), "wb")

    def end(self, recording: int, ended: Ended, problem: str) -> None:
        """Note the end of a recording."""
        if not 0 <= recording < len(self.recordings):
            raise InputError("there is no such recording")
        own = self.segments[recording]
        if own:
            own[-1].whole = own[-1].whole and not problem
            self._note_end(recording, ended)
        self._finished.add(recording)
        if problem:
            self.problems.append(problem)

    def _note_end(self, recording: int, ended: Ended) -> None:
        """Note what was written to the latest segment; what is behind its last whole packet is cut off."""
        segment = self.segments[recording][-1]
        if segment.ended is not None:
            return
        segment.ended = ended
        with contextlib.suppress(OSError):
            if os.fstat(segment.descriptor).st_size > ended.bytes >= 0:
                os.ftruncate(segment.descriptor, ended.bytes)
        segment.head = _head(segment.path)
        self._change(segment)
        for each in list(self._kept[recording])[:-OPEN_FILES]:
            _close(each)

    def _remove_old(self, recording: int) -> None:
        """Remove the segments that are too many."""
        keep, kept = self.recordings[recording].keep, self._kept[recording]
        while keep and len(kept) > keep:
            segment = kept.popleft()
            _close(segment)
            if segment.exists():
                with contextlib.suppress(OSError):
                    os.unlink(segment.path)  # noqa: PTH108 -- a path may be no UTF-8
                self.remove_sidecar(segment)
            segment.removed = True
            self._change(segment)

    def remove_sidecar(self, segment: Segment) -> None:
        """Remove the sidecar of a segment that made room for later ones."""
        with contextlib.suppress(OSError):
            os.unlink(segment.path + SIDECAR)  # noqa: PTH108 -- a path may be no UTF-8

    def settle(self, con: "duckdb.DuckDBPyConnection", capture_id: int) -> None:
        """Note the end of segments whose end was not stated, because the process that wrote them was ended."""
        for number, own in enumerate(self.segments):
            segment = own[-1] if own else None
            if segment is None or segment.ended is not None or segment.first_packet is None:
                continue
            segment.whole = False
            packets, first, last = con.execute(_STORED, [capture_id, segment.first_packet]).fetchall()[0]
            size = os.fstat(segment.descriptor).st_size
            self._note_end(number, Ended(size, packets, segment.first_packet, first or 0, last or 0))

    def rewritten(self, segment: Segment) -> None:
        """Note that a segment was changed in place after its end."""
        segment.head = _head(segment.path)
        self._change(segment)

    # ---- rows ----------------------------------------------------------------------------------------------------

    def note(self, con: "duckdb.DuckDBPyConnection", capture_id: int) -> None:
        """Store the files of a live capture, if they changed, before rows of their packets are committed."""
        if self._changed:
            changed, self._changed = self._changed, set()
            rows = [self._row(capture_id, self.segments[0][index]) for index in sorted(changed)]
            con.executemany("DELETE FROM capture_files WHERE capture_id = ? AND file = ?", [row[:2] for row in rows])
            con.executemany(_ROWS, rows)

    def _change(self, segment: Segment) -> None:
        if segment.recording is self.recordings[0]:
            self._changed.add(segment.index)

    def _row(self, capture_id: int, segment: Segment) -> list[object]:
        ended = segment.ended
        kind = REMOVED if segment.removed else "file"
        form = "pcapng" if segment.recording.format == "pcapng" else "pcap-ns"
        values: list[object] = [capture_id, segment.index, as_text(segment.path), kind, form]
        if ended is None:
            return [*values, None, None, segment.first_packet, 0, None, None, False]
        times = (ended.first_ts, ended.last_ts) if ended.packets else (None, None)
        return [
            *values, ended.bytes, segment.head, segment.first_packet,
            ended.packets, *times, segment.whole,
        ]  # fmt: skip

    def close(self) -> None:
        """Close all descriptors."""
        for own in self._kept:
            for segment in own:
                _close(segment)


def segment_name(path: str, number: int, ts: int) -> str:
    """Name of a segment: number, and time of its first packet (UTC)."""
    stem, extension = os.path.splitext(path)  # noqa: PTH122 -- a path may be no UTF-8
    moment = datetime.fromtimestamp(max(0, ts) // SECOND, UTC)
    return f"{stem}_{number:05d}_{moment:%Y%m%dT%H%M%SZ}{extension}"


def _close(segment: Segment) -> None:
    if segment.descriptor >= 0:
        os.close(segment.descriptor)
        segment.descriptor = -1


def _is_same(path: str, identity: tuple[int, int]) -> bool:
    """Whether a name still leads to the file that was created with it."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == identity


def _head(path: str) -> str | None:
    """SHA-256 of the beginning of a file."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- a path may be no UTF-8
            return hashlib.sha256(file.read(IDENTITY_BYTES)).hexdigest()
    except OSError:
        return None


def _unwritable(path: str, error: OSError) -> RustnetError:
    return InputError("{path}: cannot be written: {strerror}", path=path, strerror=error.strerror or error)
