"""One ingest run: reads all inputs into a session.

    descriptor ─► parser (source ─► frames ─► analysis ─► collector) ─► checked rows ─► writer
                                                                attribution on DuckDB ◄─┘

The parser reads hostile bytes in a process of its own (`rustnet.ingest.parser_process`), and for large inputs in
several. This thread checks what it sends and passes that to the writer, which has a thread of its own. Where no process
can be forked, because the program has other threads already, the parser works in this thread. Signals and garbage
collection are left to the caller, so that any thread may run this.
"""

import hashlib
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet import __version__
from rustnet.attribute.formats.input_file import stopped_by
from rustnet.attribute.packet_statements import drop_table
from rustnet.derive.passes import Evidence, Pass, Span
from rustnet.derive.passes import Outcome as PassOutcome
from rustnet.dissect import registry
from rustnet.errors import InputError, StoppedError
from rustnet.filenames import as_text
from rustnet.i18n import _
from rustnet.ingest.capture import Outcome
from rustnet.ingest.malloc import return_large_blocks
from rustnet.ingest.options import Options
from rustnet.ingest.outlet import WriterOutlet
from rustnet.ingest.parser import Input, LocalParser, Parser, ParserFailedError
from rustnet.ingest.partial import PartialCapture, partial_captures, replace_partial
from rustnet.ingest.report import CaptureReport, Progress, Report
from rustnet.ingest.serving import Serving
from rustnet.ingest.stop import StopToken
from rustnet.sources.frames import Damage
from rustnet.sources.hashing import ELSEWHERE, HashProcess, file_state, hash_process
from rustnet.sources.stored import IDENTITY_BYTES, STDIN, open_input
from rustnet.store.batches import Records
from rustnet.store.items import OnFlush
from rustnet.store.removal import clear_missing_flows
from rustnet.store.session import reading_cursor
from rustnet.store.tables import Anomaly, Capture, FlowRow, Name
from rustnet.store.writer import Writer

if TYPE_CHECKING:
    import duckdb

    from rustnet.query.session import Session

LATE = 0.4
"""Seconds that matching of owners may take after the run was stopped."""
TICK = 0.1
"""Seconds of waiting for a hash between two checks of whether the run was stopped."""


def ingest(
    paths: Sequence[str],
    session: str,
    options: Options,
    progress: Callable[[Progress], None] | None = None,
    ask: "Callable[[Session], None] | None" = None,
    stop: StopToken | None = None,
) -> Report:
    """Ingest all inputs into a session, which is created if it does not exist; the report lists unreadable inputs.

    ``stop`` ends the run early: everything read so far is stored, and the capture is not complete. ``ask`` is called
    with a reader of the session after the last commit.
    Raises `SessionError` if the session cannot be opened or written, `UsageError` for an unknown sidecar format.
    """
    if options.sidecar_format is not None:
        from rustnet.attribute.discover import named_format  # noqa: PLC0415 - rarely needed

        named_format(options.sidecar_format)
    return_large_blocks()
    run = Run(paths, session, options, progress, stop or StopToken())
    try:
        run.captures()
        run.passes(ask)
    finally:
        run.close()
    if run.writer is not None:
        run.report.not_stored += run.writer.losses
    run.report.note_losses()
    return run.report


def _ask(ask: "Callable[[Session], None]", path: str, con: "duckdb.DuckDBPyConnection") -> None:
    """Call ``ask`` with a reader on the writer's connection."""
    from rustnet.query.session import InlineSession  # noqa: PLC0415 - needed at the end only

    with InlineSession(path, reading_cursor(con)) as session:
        ask(session)


def _live_passes() -> OnFlush:
    from rustnet.ingest.live import LivePasses  # noqa: PLC0415 - for paced runs only

    return LivePasses()


def start_parser(options: Options, stop: StopToken) -> Parser:
    """Start a parsing process; where none can be forked, parse in this thread.

    Parsers in strict mode run in this thread, so that their exceptions have a traceback.
    """
    if options.strict_parsers or sys.platform != "linux" or threading.active_count() > 1:
        return LocalParser(options, stop, cores=0)
    from rustnet.ingest.parser_process import ParserProcess  # noqa: PLC0415 - needs Linux

    return ParserProcess(options, stop, len(os.sched_getaffinity(0)))


class Run:
    """One ingest run: its inputs, its parser and its writer, which is opened for the first input that is a capture."""

    def __init__(
        self,
        paths: Sequence[str],
        session: str,
        options: Options,
        progress: Callable[[Progress], None] | None,
        stop: StopToken,
    ) -> None:
        self.paths = paths
        self.session = session
        self.options = options
        self.progress = progress
        self.stop = stop
        self.report = Report(session)
        self.parser = start_parser(options, stop)  # before the writer's thread
        self.writer: Writer | None = None
        self.tables: set[str] = set()
        """Names of the tables with new rows."""
        self.hash: HashProcess | None = None
        """Hash of the open input, if that is large."""
        self.hashed = -1
        """Descriptor of that input."""
        self.size: int | None = None
        """Size of the open input, if it is a regular file."""
        self.state: tuple[int, ...] = ()
        """What shows every change of the open input."""
        self.head: str | None = None
        """SHA-256 of its first `IDENTITY_BYTES`."""

    def captures(self) -> None:
        """Ingest the inputs one after another."""
        flow_id, capture_id = 1, 1
        earlier: list[tuple[int, str, int, str]] = []
        partials: list[PartialCapture] = []
        for index, path in enumerate(self.paths):
            opened = self._open(path)
            if opened is None:
                if self.report.interrupted:
                    break
                continue
            if self.writer is None:
                self.writer = self._open_writer()
                capture_id, flow_id = self.writer.next_ids()
                earlier = [] if self.options.again else self.writer.earlier_captures()
                partials = [] if self.options.again else partial_captures(self.writer)
            try:
                if already_ingested(path, self.size, earlier, self.report):
                    self.parser.skip()
                    continue
                if self.size is not None:
                    replace_partial(self.writer, path, self.size, partials, self.report)
                row = Capture(
                    capture_id, as_text(path), opened.kind, opened.format, bytes=self.size, head_sha256=self.head
                )
                outcome = self._capture(self.writer, row, flow_id, index)
            finally:
                self._close_hash()
            capture_id, flow_id, row = capture_id + 1, outcome.next_flow, outcome.capture
            if row.bytes is not None and row.sha256 is not None and not self.options.again:
                earlier.append((row.capture_id, row.source, row.bytes, row.sha256))
            if self.report.interrupted:
                break
        self.parser.end()

    def _open(self, path: str) -> Input | None:
        """Open an input; returns None, and updates the report, if it cannot be read or the run was stopped."""
        try:
            file = open_input(path)
            status = os.fstat(file.fileno())
            regular = path != STDIN and stat.S_ISREG(status.st_mode)
            self.size = status.st_size if regular else None
            self.hash = hash_process(file.fileno()) if regular else None
            self.state = file_state(status)
            if self.hash is not None:
                self.hashed = os.dup(file.fileno())
            head = os.pread(file.fileno(), IDENTITY_BYTES, 0) if regular else b""
            self.head = hashlib.sha256(head).hexdigest() if regular else None
            return self.parser.open(path, file, self.hash is not None)
        except StoppedError:
            self.report.interrupted = True
        except (InputError, ParserFailedError) as error:
            self.report.failed.append((path, str(error)))
            self.report.interrupted |= self.stop.is_set()
        self._close_hash()
        return None

    def _close_hash(self) -> None:
        if self.hash is not None:
            self.hash.close()
            self.hash = None
        if self.hashed >= 0:
            os.close(self.hashed)
            self.hashed = -1

    def _open_writer(self) -> Writer:
        return Writer(
            self.session,
            registry.tables(),
            cadence=self.options.cadence,
            on_flush=None if self.options.speed is None else _live_passes(),
            on_open=partial(Serving, self.session),
        )

    def _capture(self, writer: Writer, row: Capture, flow_id: int, index: int) -> Outcome:
        """Ingest one capture."""
        row.ingested_at = time.time_ns()
        row.rustnet_version = __version__
        row.without_duplicates = self.options.drop_duplicates
        writer.begin_capture(row)
        if not self.options.cadence.begin_seconds:
            writer.commit()
        outlet = WriterOutlet(writer, row.capture_id, self._reporter(row, index))
        try:
            outcome = self.parser.run(row, flow_id, outlet)
        except ParserFailedError as error:
            outcome = self._failed(outlet, row, flow_id, error)
        self.report.interrupted |= outcome.interrupted
        row = outcome.capture
        if row.sha256 == ELSEWHERE:
            row.sha256 = self._hash()
            if row.sha256 is None and not self.report.interrupted:
                row.complete = False
                words = _("the file changed while it was hashed")
                outcome.damage.append(self._note(outlet, row, "file_changed", words))
        writer.end_capture(row)
        self.report.captures.append(CaptureReport.of(row, outcome.flows, outcome.evicted, outcome.damage))
        self.tables |= outlet.tables
        if outcome.statements is not None:
            writer.execute_pass("ownership", outcome.statements.store, row.capture_id)
            self.report.packet_claims[row.capture_id] = outcome.statements
        return outcome

    def _reporter(self, row: Capture, index: int) -> "Callable[[int, int, int], None] | None":
        """Callback for the progress of one capture."""
        callback = self.progress
        if callback is None:
            return None

        def report(position: int, packets: int, flows: int) -> None:
            callback(Progress(row.source, index, len(self.paths), position, row.bytes, packets, flows))

        return report

    def _hash(self) -> str | None:
        """Hash of the input, once it is ready; None if the run is stopped first."""
        while self.hash is not None and not self.hash.ready(TICK):
            if self.stop.is_set():
                self.report.interrupted = True
                return None
        digest = self.hash.finish() if self.hash is not None else None
        return digest if file_state(os.fstat(self.hashed)) == self.state else None

    @staticmethod
    def _note(outlet: WriterOutlet, row: Capture, kind: str, words: str) -> Damage:
        """Store an anomaly of a whole capture, and return it for the summary."""
        anomaly = Anomaly(row.last_ts, row.capture_id, row.packets or None, None, kind, words, None, 1)
        outlet.put([Records(Anomaly, [anomaly])], last=True)
        return Damage(kind, row.packets, 0, words, row.last_ts or 0)

    def _failed(self, outlet: WriterOutlet, row: Capture, flow_id: int, error: ParserFailedError) -> Outcome:
        """Outcome of a capture whose parser failed: what it had passed on is stored, and the row states that much."""
        words = str(error)
        if self.stop.is_set():
            self.report.interrupted = True
        else:
            self.report.failed.append((row.source, words))
        outlet.totals.write_to(row)
        damage = self._note(outlet, row, "parser_failed", words)
        assert self.writer is not None
        self.writer.commit()
        # rows may have been passed on before those of their flows
        self.writer.execute_pass("references", clear_missing_flows, row.capture_id)
        return Outcome(row, outlet.totals.flows, 0, flow_id + outlet.totals.flows, False, [damage])

    def passes(self, ask: "Callable[[Session], None] | None") -> None:
        """Store the last rows, run the passes, and call ``ask`` with a reader of the session."""
        if self.writer is None:
            return
        _finish(self.writer, self.report, self.tables)
        _attribute(self.writer, self.report, self.options, self.stop)
        if ask is not None and self.report.captures:
            self.writer.execute_last(partial(_ask, ask, self.session))

    def close(self) -> None:
        """End the parser, and close the session."""
        try:
            self._close_hash()
            self.parser.close()
        finally:
            if self.writer is not None:
                self.writer.close()


def already_ingested(path: str, size: int | None, earlier: list[tuple[int, str, int, str]], report: Report) -> bool:
    """Whether the file is one of the ``earlier`` captures; it is hashed only if one of them has the same size."""
    same = [capture for capture in earlier if capture[2] == size]
    if not same:
        return False
    from rustnet.sources.stored import hash_file  # noqa: PLC0415 - rarely needed

    try:
        digest = hash_file(path)
    except InputError:  # it is changing: reading it says so
        return False
    for capture_id, name, _size, sha256 in same:
        if sha256 == digest:
            words = (
                f"{path}: already in the session as capture {capture_id} ({name}, same SHA-256); "
                "use --again to ingest it again"
            )
            report.skipped.append((path, words))
            report.known.append((capture_id, path))
            return True
    return False


def _finish(writer: Writer, report: Report, tables: set[str]) -> None:
    """Store the last rows, and run the passes names and relations, which need no other evidence."""
    captures = tuple(capture.capture_id for capture in report.captures)
    if captures:
        from rustnet.derive.continuations import name_all  # noqa: PLC0415 - only where there are captures
        from rustnet.derive.relations import relate  # noqa: PLC0415

        flows = sum(capture.flows for capture in report.captures)
        span = Span(captures)
        names = partial(name_all, span=span, expected=flows)
        writer.finish(names, partial(relate, span=span, tables=tables), (FlowRow, Name))


def _pass(
    each: Pass, con: "duckdb.DuckDBPyConnection", span: Span, evidence: Evidence, stopped: Callable[[], bool]
) -> PassOutcome:
    """Run one pass on the writer's connection."""
    with stopped_by(stopped):
        return each.run(con, span, evidence)


def stopped_late(stop: StopToken, seconds: float) -> Callable[[], bool]:
    """Whether a run that was stopped has continued for so many seconds since, and since this call."""
    since: list[float] = []

    def late() -> bool:
        if stop.is_set() and not since:
            since.append(time.monotonic())
        return bool(since) and time.monotonic() - since[0] >= seconds

    return late


def _attribute(writer: Writer, report: Report, options: Options, stop: StopToken) -> None:
    """Match the claims of sidecars and packets with the flows of every capture of this run."""
    from rustnet.derive.ownership import OWNERSHIP, sidecar_files  # noqa: PLC0415 - only where there are captures

    evidence = Evidence(
        tuple(map(Path, options.sidecars)),
        options.sidecar_format,
        options.discover,
        options.sidecar_offset,
        report.packet_claims,
    )
    for capture in report.captures:
        if not sidecar_files(capture.source, evidence) and capture.capture_id not in report.packet_claims:
            continue
        late = stopped_late(stop, LATE)
        work = partial(_pass, OWNERSHIP, span=Span((capture.capture_id,)), evidence=evidence, stopped=late)
        try:
            outcome: PassOutcome | None = writer.execute_pass(OWNERSHIP.name, work, capture.capture_id, late)
        except StoppedError:
            report.interrupted = True
            words = _("interrupted before owners were matched; `rustnet refresh {session} ownership` matches them")
            report.not_stored.append(words.format(session=report.session))
            break
        if outcome is None:
            continue
        report.failed += [("sidecar", sentence) for sentence in outcome.failures]
        report.sidecars += outcome.notes
    report.packet_claims.clear()
    writer.execute(drop_table)
