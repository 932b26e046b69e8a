"""`Exports`: what a run writes beside its session: recorded packets, their sidecars, and the log of events."""

import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from rustnet.errors import RustnetError
from rustnet.export.json_log import JsonLog
from rustnet.export.rooms import write_owners
from rustnet.export.sidecar import write_sidecar
from rustnet.ingest.options import Options
from rustnet.ingest.segments import SIDECAR, Segment, SegmentFiles
from rustnet.ingest.stop import SharedFlag
from rustnet.probe.newfile import RefusedError
from rustnet.query.ownership import Chosen
from rustnet.query.session import InlineSession, Session
from rustnet.store.session import reading_cursor

if TYPE_CHECKING:
    import duckdb

    from rustnet.ingest.report import CaptureReport
    from rustnet.store.writer import Writer

SETTLED = 2
"""Flushes after the end of a segment by which the owners of its last flows are known, if ever."""

_PROBLEM = """
INSERT INTO anomalies (ts, capture_id, kind, detail, count)
SELECT last_ts, capture_id, 'recording_ended', ?, 1 FROM captures WHERE capture_id = ?"""


def open_exports(
    options: Options, session: str, inputs: Sequence[str], new_log: SharedFlag, *, live: bool
) -> "Exports":
    """Open the files that a run writes beside its session; ``inputs`` must not be among them.

    ``live`` is the kind of the capture: rows of its packets name the files that they are recorded to. ``new_log`` asks
    for the log to be opened once more. Raises `UsageError` or `InputError`.
    """
    group, log = options.group, options.json_log
    events = JsonLog(log, inputs, group) if log is not None else None
    segments = SegmentFiles(options.recordings, inputs, options.replace, group) if options.recordings else None
    return Exports(session, segments, events, new_log, live=live)


class Exports:
    """Writes them within the flushes of a live session, by the thread that writes it.

    ``live`` is the kind of the capture: rows of its packets name the files that they are recorded to.
    """

    def __init__(
        self,
        session: str,
        segments: SegmentFiles | None = None,
        events: JsonLog | None = None,
        new_log: SharedFlag | None = None,
        *,
        live: bool,
    ) -> None:
        self.new_log = new_log or SharedFlag()
        self.session = session
        self.segments = segments
        self.events = events
        self.live = live
        self.problems: list[str] = []
        """What could not be written, in English."""
        self.commented = self.uncommented = 0
        """Flows with an owner, by whether there was room for it in the recording; counted in each segment."""
        self._ended: list[tuple[Segment, int]] = []
        """Segments that wait for their owners, and flushes since they ended."""
        self._worker: threading.Thread | None = None
        """Writes owners while rows are stored."""
        self._seen = [0] * len(segments.segments) if segments else []
        """Segments of each recording that were looked at."""

    def __call__(self, con: "duckdb.DuckDBPyConnection", capture_id: int) -> None:
        """Write what is due at a flush (`OnFlush`)."""
        self._owners(con, capture_id, SETTLED)
        if self.events is not None:
            if self.new_log.take():
                self.events.reopen()
            self.events(con, capture_id)
            self._note_problem(con, capture_id)

    def end(self, writer: "Writer", captures: "Sequence[CaptureReport]") -> list[str]:
        """Write all that is left of these captures, and return what could not be written."""
        writer.commit()
        for capture in captures:
            writer.execute_pass("exports", partial(self.finish, capture_id=capture.capture_id), capture.capture_id)
        return self.problems

    def finish(self, con: "duckdb.DuckDBPyConnection", capture_id: int) -> None:
        """Write all that is left, after the last rows and the passes over them."""
        if self.segments is not None:
            self.segments.settle(con, capture_id)
        self._owners(con, capture_id, 0)
        if self.segments is not None and self.live:
            self.segments.note(con, capture_id)
        if self.events is not None:
            self.events.finish(con, capture_id)
            self._note_problem(con, capture_id)

    def close(self) -> None:
        """Close all files."""
        self._join()
        if self.segments is not None:
            self.segments.close()
        if self.events is not None:
            self.events.close()

    def _note_problem(self, con: "duckdb.DuckDBPyConnection", capture_id: int) -> None:
        """Store why the log of events ended."""
        events = self.events
        if events is not None and events.problem and events.problem not in self.problems:
            self.problems.append(events.problem)
            con.execute(_PROBLEM, [events.problem, capture_id])

    # ---- owners --------------------------------------------------------------------------------------------------

    def _owners(self, con: "duckdb.DuckDBPyConnection", capture_id: int, settled: int) -> None:
        """Write the owners of the flows in segments that ended some flushes ago."""
        if self.segments is None:
            return
        for number, own in enumerate(self.segments.segments):
            while self._seen[number] < len(own) and (ended := own[self._seen[number]].ended) is not None:
                if ended.packets:
                    self._ended.append((own[self._seen[number]], 0))
                self._seen[number] += 1
        working = self._worker is not None and self._worker.is_alive()
        if working and settled:
            self._ended = [(segment, flushes + 1) for segment, flushes in self._ended]
            return
        self._join()
        due = [segment for segment, flushes in self._ended if flushes >= settled]
        self._ended = [(segment, flushes + 1) for segment, flushes in self._ended if flushes < settled]
        if due:
            reader = InlineSession(self.session, reading_cursor(con))
            work = partial(self._write_owners, reader, capture_id, due)
            if settled:  # so that rows are stored meanwhile
                self._worker = threading.Thread(target=work, name="owners", daemon=True)
                self._worker.start()
            else:
                work()

    def _join(self) -> None:
        """Wait for the thread that writes owners."""
        if self._worker is not None:
            self._worker.join()
            self._worker = None

    def _write_owners(self, reader: Session, capture_id: int, due: list[Segment]) -> None:
        """Write the owners of the flows in these segments, as they are stored by now."""
        with reader:
            for segment in due:
                try:
                    self._comment(reader, capture_id, segment)
                    if segment.recording.sidecar and segment.exists():
                        self._write_sidecar(reader, capture_id, segment)
                except (OSError, RustnetError) as error:
                    why = error.strerror if isinstance(error, OSError) else str(error)
                    self.problems.append(f"{segment.path}: owners cannot be written: {why}")

    def _comment(self, reader: Session, capture_id: int, segment: Segment) -> None:
        """Write owners into the first recording of a live capture, if it is pcapng."""
        assert self.segments is not None
        if not self.live or segment.recording is not self.segments.recordings[0] or not segment.exists():
            return
        if segment.recording.format != "pcapng":
            return
        commented, without = write_owners(reader, capture_id, segment.index, segment.path, segment.identity)
        self.commented += commented
        self.uncommented += without
        self.segments.rewritten(segment)

    def _write_sidecar(self, reader: Session, capture_id: int, segment: Segment) -> None:
        """Write the owners of the flows that have packets in a segment."""
        ended, path = segment.ended, segment.path + SIDECAR
        assert ended is not None
        assert self.segments is not None
        chosen = Chosen(capture_id, ended.first_ts, ended.last_ts)
        try:
            with self.segments.new_file(path) as stream:
                write_sidecar(reader, stream, chosen)
        except (OSError, RefusedError) as error:
            why = error.strerror if isinstance(error, OSError) else "exists"
            self.problems.append(f"{path}: cannot be written: {why}")
        if not segment.exists():  # it made room meanwhile
            self.segments.remove_sidecar(segment)
