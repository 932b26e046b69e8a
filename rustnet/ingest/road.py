"""One ingest run: reads all inputs into a session.

    descriptor ─► parser (source ─► frames ─► analysis ─► collector) ─► checked rows ─► writer
                                                                attribution on DuckDB ◄─┘

The parser reads hostile bytes in a process of its own (`rustnet.ingest.parser_process`), and for large inputs in
several. This thread checks what it sends and passes that to the writer, which has a thread of its own. Where no process
can be forked, because the program has other threads already, the parser works in this thread. Signals and garbage
collection are left to the caller, so that any thread may run this.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet import __version__
from rustnet.derive.passes import Span
from rustnet.dissect import registry
from rustnet.errors import InputError, StoppedError, UsageError
from rustnet.filenames import as_text
from rustnet.i18n import N_, _
from rustnet.ingest import confining
from rustnet.ingest.capture import SEVERAL, Outcome
from rustnet.ingest.confining import NOT_WANTED, require_all
from rustnet.ingest.earlier import EarlierFile, earlier_files, earlier_of, same_file
from rustnet.ingest.enriching import enrichment, lookup_ahead
from rustnet.ingest.finishing import match_owners, store_and_name
from rustnet.ingest.flushing import alerting, exports_of, live_work
from rustnet.ingest.inputs import OpenInput
from rustnet.ingest.joining import Beginning, Entry, Queue
from rustnet.ingest.malloc import return_large_blocks
from rustnet.ingest.options import Options
from rustnet.ingest.outlet import WriterOutlet
from rustnet.ingest.parser import Following, LocalParser, Parser, ParserFailedError
from rustnet.ingest.partial import PartialCapture, partial_captures, replace_partial
from rustnet.ingest.report import CaptureReport, Progress, Report
from rustnet.ingest.serving import Serving
from rustnet.ingest.stop import StopToken
from rustnet.sandbox import OFF, UNAVAILABLE, unconfined
from rustnet.sources.frames import Damage
from rustnet.sources.hashing import ELSEWHERE
from rustnet.sources.merged import MOST_FILES
from rustnet.sources.stored import open_input
from rustnet.store.batches import Records
from rustnet.store.items import Closing, OnFlush
from rustnet.store.removal import clear_missing_flows
from rustnet.store.session import end_open_flows, reading_cursor
from rustnet.store.tables import Anomaly, Capture, CaptureFile, Confinement
from rustnet.store.writer import Writer

if TYPE_CHECKING:
    from io import FileIO

    import duckdb

    from rustnet.ingest.exports import Exports
    from rustnet.query.session import Session

_STORED_FLOWS = "SELECT count(*), coalesce(max(flow_id), 0) FROM flows WHERE capture_id = ?"
_STORED_FILES = """
SELECT file, min(number), count(*), epoch_ns(min(ts)), epoch_ns(max(ts)) FROM packets WHERE capture_id = ?
GROUP BY file ORDER BY file"""


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
    if options.merge and len(paths) > MOST_FILES:
        raise UsageError("at most {n} files can be merged at once", n=MOST_FILES)
    return_large_blocks()
    return Run(paths, session, options, progress, stop or StopToken()).complete(ask)


def _ask(ask: "Callable[[Session], None]", path: str, con: "duckdb.DuckDBPyConnection") -> None:
    """Call ``ask`` with a reader on the writer's connection."""
    from rustnet.query.session import InlineSession  # noqa: PLC0415 - needed at the end only

    with InlineSession(path, reading_cursor(con)) as session:
        ask(session)


def start_parser(options: Options, stop: StopToken) -> Parser:
    """Start a parsing process; where none can be forked, parse in this thread.

    Parsers in strict mode run in this thread, so that their exceptions have a traceback.
    """
    reason = _why_in_this_process(options)
    if reason is not None:
        state = OFF if options.sandbox == "off" or options.strict_parsers else UNAVAILABLE
        layers = unconfined(state, NOT_WANTED if options.sandbox == "off" else reason)
        if options.sandbox == "strict":
            require_all(layers)
        return LocalParser(options, stop, 0, layers)
    from rustnet.ingest.parser_process import ParserProcess  # noqa: PLC0415 - needs Linux

    return ParserProcess(options, stop, len(os.sched_getaffinity(0)))


def _why_in_this_process(options: Options) -> str | None:
    """Why parsers run in this process and not in one of their own; in English, as it is stored."""
    if options.strict_parsers:
        return "--debug: parsers run in the process that holds the session"
    if sys.platform != "linux":
        return f"needs Linux, not {sys.platform}"
    if options.libpcap:
        return "--libpcap: parsers run in the process that captures"
    if threading.active_count() > 1:
        return confining.SEVERAL_THREADS
    return None


class Run:
    """One ingest run: its inputs, its parser and its writer, which is opened for the first input that is a capture."""

    live = False
    """Its inputs are interfaces, not files."""

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
        self.alerting = alerting(options, session)  # before the process that parses, which is not to have its socket
        self.lookup = lookup_ahead(options)
        self.parser = start_parser(options, stop)  # before the writer's thread
        self.exports: Exports | None = None
        self.writer: Writer | None = None
        self.tables: set[str] = set()
        """Names of the tables with new rows."""
        self.opened: list[OpenInput] = []
        """The files of the capture that is being read."""
        self.earlier: list[EarlierFile] = []
        self.partials: list[PartialCapture] = []

    def open_exports(self) -> None:
        """Open what is written beside the session, with the rights that this process has by now."""
        self.exports = exports_of(self.options, self.paths, self.session, self.stop, live=self.live)
        self.parser.segments = None if self.exports is None else self.exports.segments

    def complete(self, ask: "Callable[[Session], None] | None") -> Report:
        """Do all of the run, and close the session."""
        try:
            self.open_exports()
            self.captures()
            self.passes(ask)
        finally:
            self.close()
        if self.writer is not None:
            self.report.not_stored += self.writer.losses
        self.report.note_losses()
        return self.report

    def captures(self) -> None:
        """Ingest the inputs one after another; those that are one capture together."""
        ids = (1, 1)
        queue = Queue(self.paths, "never" if self.options.merge else self.options.join, self._peek)
        while not self.report.interrupted:
            entry = queue.pop()
            if entry is None:
                break
            try:
                rest = list(iter(queue.pop, None)) if self.options.merge else []
                if not self._open(entry, rest or queue.may_follow(entry), merged=bool(rest)):
                    continue
                if self.writer is None:
                    self.writer = self._open_writer()
                    ids = self.writer.next_ids()
                    if not self.options.again:
                        self.earlier, self.partials = earlier_files(self.writer), partial_captures(self.writer)
                ids = self._ingest(self.writer, *ids, entry, queue)
            finally:
                self._close_opened()
        self.parser.end()

    def _peek(self, path: str) -> Beginning | None:
        """Look at the first packet of a file."""
        return None if self.stop.is_set() else self.parser.peek(path, open_input(path))

    def _ingest(self, writer: Writer, capture_id: int, flow_id: int, entry: Entry, queue: Queue) -> tuple[int, int]:
        """Ingest the open input, and the files that continue it; returns the next capture's and flow's numbers."""
        first = self.opened[0]
        if self._already_ingested(self.opened):
            self.parser.skip()
            return capture_id, flow_id
        may_follow = [] if self.options.merge else queue.may_follow(entry)
        for opened in self.opened:
            if opened.size is not None:
                replace_partial(writer, opened.path, opened.size, self.partials, self.report)
        for each in may_follow if self.partials else ():
            replace_partial(writer, each.path, size_of(each), self.partials, self.report)
        row = Capture(
            capture_id, as_text(first.path), first.kind, first.format, bytes=first.size, head_sha256=first.head
        )
        following = self._following(entry, queue) if may_follow else None
        outcome = self._capture(writer, row, flow_id, entry.index, following)
        if following is not None and any(damage.kind == "stopped_at_limit" for damage in outcome.damage):
            words = _("{path}: not read: the capture that it may continue was stopped at a limit")
            dropped = [each.path for each in queue.drop_following(entry)]
            self.report.skipped += [(path, words.format(path=path)) for path in dropped]
        if not self.options.again:
            self.earlier += earlier_of(outcome.capture, outcome.files)
        return capture_id + 1, outcome.next_flow

    def _open(self, entry: Entry, others: list[Entry], *, merged: bool) -> bool:
        """Open an input, and the others if they are merged with it; updates the report if one cannot be read.

        Otherwise the others are inputs that may continue it.
        """
        for each in (entry, *others) if merged else (entry,):
            try:
                opened = OpenInput(each.path)
                self.opened.append(opened)
                hashed = opened.hash is not None
                if each is entry:
                    result = self.parser.open(each.path, opened.file, hashed, sum(map(size_of, others)))
                else:
                    result = self.parser.add(each.path, opened.file, hashed)
                opened.kind, opened.format = result.kind, result.format
            except StoppedError:
                self.report.interrupted = True
            except (InputError, ParserFailedError) as error:
                self.report.failed.append((each.path, error.sentence(_)))
                self.report.interrupted |= self.stop.is_set()
            else:
                continue
            if merged and not self.report.interrupted:  # a part of what was to be merged is worse than nothing
                self.parser.skip()
            return False
        return True

    def _following(self, entry: Entry, queue: Queue) -> Following:
        """Opens the files that continue a capture."""
        last = entry

        def next_file(last_ts: int | None) -> "tuple[str, FileIO, bool] | None":
            nonlocal last
            following = None if self.stop.is_set() else queue.pop_following(last, last_ts)
            if following is None:
                return None
            try:
                opened = OpenInput(following.path)
            except InputError as error:
                self.report.failed.append((following.path, error.sentence(_)))
                return None
            if self._already_ingested([opened]):
                opened.file.close()
                opened.close()
                return None
            last = following
            self.opened[-1].finish(self.stop)
            self.opened.append(opened)
            return opened.path, opened.file, opened.hash is not None

        return next_file

    def _close_opened(self) -> None:
        for opened in self.opened:
            opened.close()
        self.opened = []

    def _open_writer(self) -> Writer:
        if self.alerting is not None:
            self.alerting.prepare()
        return Writer(
            self.session,
            registry.tables(),
            cadence=self.options.cadence,
            on_flush=self._on_flush(),
            on_rows=self.exports.segments.note if self.live and self.exports and self.exports.segments else None,
            on_open=self._opened,
        )

    def _on_flush(self) -> OnFlush | None:
        """What is done at each flush."""
        return None if self.options.speed is None else live_work(self.lookup, self.alerting, self._more_work())

    def _more_work(self) -> list[OnFlush]:
        return [] if self.exports is None else [self.exports]

    def _opened(self, con: "duckdb.DuckDBPyConnection") -> Closing:
        """Answer readers, and let alerts be checked, of the session that is open."""
        serving = Serving(self.session, con, at_once=self.options.answer_at_once)
        return serving if self.alerting is None else self.alerting.served(serving)

    def _capture(self, writer: Writer, row: Capture, flow_id: int, index: int, following: Following | None) -> Outcome:
        """Ingest one capture."""
        row.ingested_at = time.time_ns()
        row.rustnet_version = __version__
        row.without_duplicates = self.options.drop_duplicates
        writer.begin_capture(row)
        if not self.options.cadence.begin_seconds:
            writer.commit()
        outlet = self._outlet(writer, row, index)
        confining.note(self.report, self.parser.layers, self.options.sandbox == "strict")
        outlet.put([Records(Confinement, self._confinement(row.capture_id))], last=True)
        try:
            outcome = self.parser.run(row, flow_id, outlet, following)
        except ParserFailedError as error:
            outcome = self._failed(outlet, row, flow_id, error)
        self.report.interrupted |= outcome.interrupted
        row = outcome.capture
        self._finish_files(outlet, outcome)
        writer.end_capture(row)
        report = CaptureReport.of(row, outcome.flows, outcome.evicted, outcome.damage, outcome.files)
        self.report.captures.append(report)
        self.tables |= outlet.tables
        if outcome.statements is not None:
            writer.execute_pass("ownership", outcome.statements.store, row.capture_id)
            self.report.packet_claims[row.capture_id] = outcome.statements
        return outcome

    def _confinement(self, capture_id: int) -> list[Confinement]:
        """Rows about what confines the processes that meet the bytes of a capture."""
        return confining.rows(capture_id, self.parser.layers)

    def _outlet(self, writer: Writer, row: Capture, index: int) -> WriterOutlet:
        """Where the rows of a capture go."""
        return WriterOutlet(writer, row.capture_id, self._reporter(row, index))

    def _finish_files(self, outlet: WriterOutlet, outcome: Outcome) -> None:
        """Set the hashes that other processes computed, and store the rows of a capture's files."""
        row = outcome.capture
        for opened in self.opened:
            opened.finish(self.stop)
            self.report.interrupted |= opened.interrupted
        files = outcome.files = [
            add_known(file, opened, i) for i, (file, opened) in enumerate(zip(outcome.files, self.opened, strict=False))
        ]
        hashes: list[tuple[Capture | CaptureFile, OpenInput]] = [(row, self.opened[0])]
        for each, opened in hashes if not files else zip(files, self.opened, strict=False):
            if each.sha256 == ELSEWHERE:
                each.sha256 = opened.sha256
                if each.sha256 is None and not self.report.interrupted:
                    each.complete = row.complete = False
                    words = N_("the file changed while it was hashed")  # stored, so in English
                    outcome.damage.append(self._note(outlet, row, "file_changed", words))
        if files:
            row.head_sha256 = files[0].head_sha256
            outlet.put([Records(CaptureFile, list(files))], last=True)

    def _reporter(self, row: Capture, index: int) -> "Callable[[int, int, int], None] | None":
        """Callback for the progress of one capture."""
        callback = self.progress
        if callback is None:
            return None

        def report(position: int, packets: int, flows: int) -> None:
            callback(Progress(row.source, index, len(self.paths), position, row.bytes, packets, flows))

        return report

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
            self.report.failed.append((row.source, error.sentence(_)))
        outlet.totals.write_to(row)
        assert self.writer is not None
        self.writer.execute(end_open_flows)  # those of the last flush
        damage = self._note(outlet, row, "parser_failed", words)
        self.writer.commit()
        # rows may have been passed on before those of their flows
        self.writer.execute_pass("references", clear_missing_flows, row.capture_id)
        files = self._stored_files(self.writer, row.capture_id)
        row.files, row.assembly = max(1, len(files)), (self._assembly() if files else None)
        flows, last = self.writer.query(_STORED_FLOWS, [row.capture_id])[0]
        return Outcome(row, flows, 0, max(flow_id, last + 1), False, [damage], files=files)

    def _assembly(self) -> str:
        return "merged" if self.options.merge else "joined"

    def _stored_files(self, writer: Writer, capture_id: int) -> list[CaptureFile]:
        """Rows of the files of a capture whose parser failed, by their stored packets."""
        if len(self.opened) < SEVERAL:
            return []
        rows = [opened.row(capture_id, i) for i, opened in enumerate(self.opened)]
        for i, *values in writer.query(_STORED_FILES, [capture_id]):
            row = rows[i]
            row.first_packet, row.packets, row.first_ts, row.last_ts = values
        return rows

    def passes(self, ask: "Callable[[Session], None] | None") -> None:
        """Store the last rows, run the passes, and call ``ask`` with a reader of the session."""
        if self.writer is None:
            return
        store_and_name(self.writer, self.report, self.tables, enrichment(self.report, self.options, self.lookup))
        if len(self.paths) > 1 or not self.writer.is_new:
            from rustnet.derive.copies import COPIES, mark_copies  # noqa: PLC0415 - only for several captures

            span = Span(tuple(capture.capture_id for capture in self.report.captures))
            self.writer.execute_pass(COPIES.name, partial(mark_copies, span=span))
        self._attribute(self.writer)
        if self.exports is not None:
            self.report.not_stored += self.exports.end(self.writer, self.report.captures)
        if self.alerting is not None and self.report.captures:
            numbers = [capture.capture_id for capture in self.report.captures]
            self.alerting.finish(self.writer, numbers, self.stop.is_set)
        if ask is not None and self.report.captures:
            self.writer.execute_last(partial(_ask, ask, self.session))

    def _attribute(self, writer: Writer) -> None:
        """Match what names owners with the flows."""
        match_owners(writer, self.report, self.options, self.stop)

    def _already_ingested(self, files: Sequence[OpenInput]) -> bool:
        """Whether all of these files are in the session already; one is hashed only if one of its size is."""
        known: list[EarlierFile] = []
        for opened in files:
            same = same_file(opened.path, [file for file in self.earlier if file.bytes == opened.size])
            if same is None:
                return False
            known.append(same)
        template = _(
            "{path}: already in the session as capture {n} ({source}, same SHA-256); use --again to ingest it again"
        )
        for opened, same in zip(files, known, strict=True):
            words = template.format(path=opened.path, n=same.capture_id, source=same.source)
            self.report.skipped.append((opened.path, words))
            self.report.known.append((same.capture_id, opened.path))
        return True

    def close(self) -> None:
        """End the parser, and close the session."""
        try:
            self._close_opened()
            self.parser.close()
            if self.exports is not None:
                self.exports.close()
        finally:
            try:
                if self.writer is not None:
                    self.writer.close()
            finally:
                if self.alerting is not None:
                    self.report.notes += self.alerting.close()


def size_of(entry: Entry) -> int:
    """Size of an input, 0 if it is unknown."""
    try:
        return Path(entry.path).stat().st_size
    except (OSError, ValueError):
        return 0


def add_known(file: CaptureFile, opened: OpenInput, index: int) -> CaptureFile:
    """The row of a file, with what this process knows better than the one that parsed it."""
    own = opened.row(file.capture_id, index)
    file.file, file.source, file.head_sha256 = index, own.source, own.head_sha256
    file.kind = own.kind or file.kind
    return file
