"""From inputs to a session: the only module that sees the whole road, top to bottom.

    source ─► frames ─► analysis (tracker: headers, flows, streams ─► dispatcher: parsers ─► collector) ─► writer
                                                                                      attribution on DuckDB ◄─┘

A small input is analysed in this thread; a larger one by several processes (`rustnet.analysis.workers`), which this
thread feeds. The writer runs in a second thread, the hash of the input beside them. A new session is made by the
writer's thread while this one begins to read.
"""

import contextlib
import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from rustnet import __version__
from rustnet.analysis.capture import Analysis
from rustnet.analysis.collector import Collector
from rustnet.analysis.workers import Workers, worker_count
from rustnet.attribute.formats.apple import LINKS as PKTAP_LINKS
from rustnet.attribute.packets import PacketClaims, drop_table
from rustnet.derive.relations import relate
from rustnet.dissect import registry
from rustnet.engine.index import CAPACITY, PacketIndex
from rustnet.errors import InputError
from rustnet.ingest.malloc import return_large_blocks
from rustnet.ingest.options import Options
from rustnet.ingest.report import CaptureReport, Progress, Report
from rustnet.ingest.serving import Serving
from rustnet.records import table_name
from rustnet.sources.files import open_source
from rustnet.sources.frames import Frames, Source
from rustnet.sources.linktypes import link_name
from rustnet.store.batches import Batch, Columns, Records
from rustnet.store.session import reading_cursor
from rustnet.store.tables import Capture, FlowRow, InterfaceRow, Name, Packet
from rustnet.store.writer import Writer

if TYPE_CHECKING:
    import duckdb

    from rustnet.query.session import Session

PROGRESS_SECONDS = 0.1
HEAD_START = 8
"""Batches of a file that workers get before the session is opened: that takes long, and the reader would wait."""
INDEX_BATCH = 61_440
"""Packets that are stored at a time (two row groups of the writer)."""

COLLECT_EVERY = 8
"""Inputs after which cyclic garbage is collected; it is off meanwhile."""


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within it, SIGINT and SIGTERM set a flag that is looked at between batches; a second one ends at once."""
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def ingest(
    paths: Sequence[str],
    session: str,
    options: Options,
    progress: Callable[[Progress], None] | None = None,
    ask: "Callable[[Session], None] | None" = None,
) -> Report:
    """Ingest every input into a session, made if need be. Inputs that cannot be read are named in the report.

    ``ask`` may put questions to the session once everything is committed, as long as it is open anyway.
    Raises `SessionError` if the session cannot be opened or written, `UsageError` for an unknown sidecar format.
    """
    if options.sidecar_format is not None:
        from rustnet.attribute.discover import named_format  # noqa: PLC0415 - rarely needed

        named_format(options.sidecar_format)
    return_large_blocks()
    report = Report(session)
    first: Source | None = None
    if len(paths) == 1:  # a single input that is no capture must not leave an empty session behind
        first = _open(paths[0], report)
        if first is None:
            return report
    workers: Workers | None = None
    try:
        workers = _start_workers(paths, options)  # ahead of the writer's thread: they are forked
        later = workers is not None and first is not None and first.info.kind == "file"
        writer = Writer(session, registry.tables(), later=later, opened=partial(Serving, session))
    except BaseException:
        if first is not None:
            first.close()
        if workers is not None:
            workers.close()
        raise
    collecting = gc.isenabled()
    gc.disable()  # flows and rows make no cycles, and there may be millions of them to look through
    gc.freeze()
    try:
        tables = _travel(paths, first, writer, workers, report, options, progress)
        _end(writer, report, tables)
        _attribute(writer, report, options)
        if ask is not None and report.captures:
            writer.ask(partial(_ask, ask, session))
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()
        if workers is not None:
            workers.close()
        writer.close()
    report.note_losses()
    return report


def _ask(ask: "Callable[[Session], None]", path: str, con: "duckdb.DuckDBPyConnection") -> None:
    """Put questions through the writer's own connection."""
    from rustnet.query.session import CursorSession  # noqa: PLC0415 - readers' code, needed at the end only

    with CursorSession(path, partial(reading_cursor, con)) as session:
        ask(session)


def _start_workers(paths: Sequence[str], options: Options) -> Workers | None:
    """Start the processes that analyse, where the inputs are large enough for them."""
    count = 0 if options.strict_parsers else worker_count(options.workers, paths)
    return Workers(count, options.dissect) if count else None


def _travel(
    paths: Sequence[str],
    first: Source | None,
    writer: Writer,
    workers: Workers | None,
    report: Report,
    options: Options,
    progress: Callable[[Progress], None] | None,
) -> set[str]:
    """Ingest one input after another; ``first`` is the first one, if it is open already.

    Returns the names of the protocol tables that got rows.
    """
    tables: set[str] = set()
    capture_id, flow_id = writer.next_ids()
    earlier = [] if options.again else writer.earlier()
    with interruptible() as stopped:
        for index, path in enumerate(paths):
            source = first if first is not None else _open(path, report)
            first = None
            if source is None:
                continue
            try:
                if known(source, earlier, report):
                    continue
                analysis: Analyser
                if workers is None:
                    analysis = Analysis(capture_id, flow_id, options.dissect, options.strict_parsers)
                else:
                    analysis = workers.begin(capture_id, flow_id)
                    source.ring = workers.ring
                road = Road(writer, source, capture_id, analysis, stopped)
                road.tell(progress, index, len(paths))
                road.travel(report)
                tables |= road.tables
            finally:
                source.close()
            if report.interrupted or index == len(paths) - 1:
                break
            if index % COLLECT_EVERY == COLLECT_EVERY - 1:
                gc.collect()  # what was there before is frozen, and flows are gone by now: this is quick
            capture_id += 1
            flow_id = analysis.next_flow
            made = road.capture
            if made.bytes is not None and made.sha256 is not None and not options.again:
                earlier.append((made.capture_id, made.source, made.bytes, made.sha256))
    if workers is not None:
        workers.dismiss()
    return tables


def _open(path: str, report: Report) -> Source | None:
    """Open an input; one that cannot be read is named in the report."""
    try:
        return open_source(path)
    except InputError as error:
        report.failed.append((path, str(error)))
        return None


def known(source: Source, earlier: list[tuple[int, str, int, str]], report: Report) -> bool:
    """Whether one of the ``earlier`` captures is this very file; only a file of equal size is hashed ahead."""
    info = source.info
    if info.kind != "file":
        return False
    same = [capture for capture in earlier if capture[2] == info.bytes]
    if not same:
        return False
    from rustnet.sources.stored import hash_file  # noqa: PLC0415 - rarely needed

    digest = hash_file(info.source)
    for capture_id, name, _, sha256 in same:
        if sha256 == digest:
            words = (
                f"{info.source}: already in the session as capture {capture_id} ({name}, same SHA-256); "
                "use --again to ingest it once more"
            )
            report.skipped.append((info.source, words))
            report.known.append((capture_id, info.source))
            return True
    return False


class Analyser(Protocol):
    """What analyses a capture: `Analysis` in this process, `SharedAnalysis` in several."""

    collector: Collector

    @property
    def index(self) -> PacketIndex:
        """Rows of the packets since the index was last taken."""

    @property
    def packets(self) -> int:
        """Packets that it was fed."""

    @property
    def next_flow(self) -> int:
        """Number of the flow that comes next."""

    @property
    def undecoded(self) -> int:
        """Packets that could not be decoded."""

    @property
    def evicted(self) -> int:
        """Flows that ended early because the table was full."""

    @property
    def stored_flows(self) -> int:
        """Flows in the batches that were taken."""

    def feed(self, frames: Frames) -> None:
        """Analyse a batch of frames."""

    def settle(self) -> None:
        """Return when all packets that were fed are in the index."""

    def take(self, everything: bool = False) -> list[Batch]:
        """Batches that are due, or all."""

    def finish(self) -> None:
        """The capture is over."""


class Road:
    """One input on its way into the session."""

    def __init__(
        self,
        writer: Writer,
        source: Source,
        capture_id: int,
        analysis: Analyser,
        stopped: Callable[[], bool],
    ) -> None:
        self.writer = writer
        self.source = source
        self.stopped = stopped
        self.capture_id = capture_id
        self.capture = Capture(self.capture_id, source.info.source, source.info.kind, source.info.format)
        self.analysis = analysis
        self.first_flow = analysis.next_flow
        self.tables: set[str] = set()
        """Names of the tables that got rows."""
        self.link_types: set[int] = set()
        self.last_link = -1
        self.on_packets = on_packets = PacketClaims(capture_id, Path(source.info.source).name)
        on_packets.spill = lambda rows: writer.run(partial(on_packets.store, columns=rows))
        self.pktap = False
        self.callback: Callable[[Progress], None] | None = None
        self.told_at = 0.0
        self.index = 0
        self.files = 1

    def tell(self, callback: Callable[[Progress], None] | None, index: int, files: int) -> None:
        """Tell ``callback`` about the progress."""
        self.callback = callback
        self.index = index
        self.files = files

    def travel(self, report: Report) -> None:
        """Read the input to its end, or until the user stops it, and store everything."""
        self.capture.ingested_at = time.time_ns()
        self.capture.rustnet_version = __version__
        self.capture.bytes = self.source.info.bytes
        self.writer.begin_capture(self.capture)
        try:
            for number, frames in enumerate(self.source.batches(), 1):
                if frames.count:
                    self.batch(frames)
                if number == HEAD_START:
                    self.writer.start()
                if self.stopped():
                    report.interrupted = True
                    break
                self.progress()
        except KeyboardInterrupt:
            report.interrupted = True
        self.finish(report)

    def batch(self, frames: Frames) -> None:
        """One batch of frames through the engine, and to the writer what is enough to be stored."""
        analysis = self.analysis
        if analysis.index.count + frames.count > CAPACITY:
            self.store(self.gathered())
        links = frames.column("link")
        if not (links == self.last_link).all():
            self.link_types.update(links.tolist())
            self.last_link = int(links[0])
            self.pktap = not self.link_types.isdisjoint(PKTAP_LINKS)
        analysis.feed(frames)
        if self.pktap or self.source.info.annotated:
            analysis.settle()
            self.on_packets.take(frames, analysis.index, self.source.info, self.pktap)
        if analysis.index.count >= INDEX_BATCH:
            self.store(self.gathered())

    def gathered(self) -> list[Batch]:
        """Batches that are due."""
        batches: list[Batch] = []
        if self.analysis.index.count:
            batches.append(Columns(Packet, self.analysis.index.take()))
        batches += self.analysis.take()
        self.sum_up()
        return batches

    def store(self, batches: list[Batch], last: bool = False) -> None:
        """Hand batches to the writer, the ``last`` of a capture if so."""
        self.tables.update(table_name(batch.cls) for batch in batches)
        self.writer.put(batches, last)

    def sum_up(self) -> None:
        """Bring the capture's sums up to date."""
        capture, index = self.capture, self.analysis.index
        capture.packets = self.analysis.packets
        capture.wire_bytes = index.wire_bytes
        capture.captured_bytes = index.captured_bytes
        capture.truncated = index.truncated
        capture.out_of_order = index.out_of_order
        if capture.packets:
            capture.first_ts = index.first_ts
            capture.last_ts = index.last_ts

    def progress(self, final: bool = False) -> None:
        """Tell whoever wants to know, at most every `PROGRESS_SECONDS`."""
        if self.callback is None:
            return
        now = time.monotonic()
        if not final and now - self.told_at < PROGRESS_SECONDS:
            return
        self.told_at = now
        info = self.source.info
        self.callback(
            Progress(
                info.source,
                self.index,
                self.files,
                self.source.position(),
                info.bytes,
                self.analysis.packets,
                self.analysis.next_flow - self.first_flow,
            )
        )

    def finish(self, report: Report) -> None:
        """Store what is left: open flows, held rows, damage, interfaces, and the capture's final row."""
        collector = self.analysis.collector
        self.analysis.finish()
        batches = self.gathered()
        for damage in self.source.damage:
            collector.anomaly(damage.kind, damage.detail, 0, damage.ts, damage.packet, file_offset=damage.offset)
        for ip, name in self.source.info.names:  # those that the capture file itself brings
            collector.name(ip, name, "nrb", self.capture.first_ts or 0, None)
        batches += self.analysis.take(everything=True)
        interfaces = [
            InterfaceRow(self.capture_id, i & 0xFFFF, x.name, x.description, x.link_type, x.snaplen, x.packets)
            for i, x in enumerate(self.source.interfaces)
        ]
        if interfaces:
            batches.append(Records(InterfaceRow, list(interfaces)))
        self.store(batches, last=True)
        self.describe()
        self.capture.complete = self.source.info.complete and not report.interrupted
        self.writer.end_capture(self.capture)
        report.captures.append(self.summary())
        self.on_packets.spill = None  # it refers to what refers to it
        if len(self.on_packets):
            self.writer.run(self.on_packets.store)
            report.on_packets[self.capture_id] = self.on_packets
        self.progress(final=True)

    def describe(self) -> None:
        """Fill the capture's row with what is known only at its end."""
        info, capture = self.source.info, self.capture
        interfaces = self.source.interfaces
        capture.format = info.format
        capture.sha256 = info.sha256
        capture.bytes = info.bytes
        capture.application = info.application or None
        capture.hardware = info.hardware or None
        capture.os = info.os or None
        capture.comments = info.comments or None
        links = self.link_types or {x.link_type for x in interfaces}
        capture.link_types = [link_name(link) for link in sorted(links)]
        capture.snaplen = max((x.snaplen for x in interfaces), default=0)
        capture.undecoded = self.analysis.undecoded
        kernel = [x.dropped_kernel for x in interfaces if x.dropped_kernel is not None]
        card = [x.dropped_interface for x in interfaces if x.dropped_interface is not None]
        capture.dropped_kernel = sum(kernel) if kernel else None
        capture.dropped_interface = sum(card) if card else None

    def summary(self) -> CaptureReport:
        """The capture's part of the report."""
        c = self.capture
        return CaptureReport(
            capture_id=c.capture_id,
            source=c.source,
            packets=c.packets,
            flows=self.analysis.stored_flows,
            wire_bytes=c.wire_bytes,
            captured_bytes=c.captured_bytes,
            truncated=c.truncated,
            undecoded=c.undecoded,
            out_of_order=c.out_of_order,
            damage=list(self.source.damage),
            complete=c.complete,
            sha256=c.sha256,
            dropped_kernel=c.dropped_kernel,
            dropped_interface=c.dropped_interface,
            first_ts=c.first_ts,
            last_ts=c.last_ts,
            evicted=self.analysis.evicted,
        )


def _end(writer: Writer, report: Report, tables: set[str]) -> None:
    """Store the last rows, and work out what only whole captures tell: of rows of ``tables``, and of unnamed flows."""
    captures = [capture.capture_id for capture in report.captures]
    if captures:
        from rustnet.derive.names import name_flows  # noqa: PLC0415 - only where there are captures

        flows = sum(capture.flows for capture in report.captures)
        names = partial(name_flows, first=captures[0], expected=flows)
        writer.end(names, partial(relate, captures=captures, tables=tables), (FlowRow, Name))


def _attribute(writer: Writer, report: Report, options: Options) -> None:
    """Match sidecars with the flows of every capture of this run."""
    from rustnet.attribute.discover import find_sidecars  # noqa: PLC0415 - only where there are captures
    from rustnet.attribute.match import Report as Attribution  # noqa: PLC0415
    from rustnet.attribute.match import Sidecar, attribute  # noqa: PLC0415

    given = [Path(name) for name in options.sidecars]
    for capture in report.captures:
        files = given or (find_sidecars(Path(capture.source)) if options.discover and capture.source != "-" else [])
        on_packets = report.on_packets.pop(capture.capture_id, None)
        if not files and on_packets is None:
            continue
        sidecars = [Sidecar(file, format=options.sidecar_format if given else None) for file in files]
        made: Attribution = writer.run(
            partial(
                attribute,
                capture_id=capture.capture_id,
                sidecars=sidecars,
                on_packets=on_packets,
                correction=options.sidecar_offset,
            )
        )
        for sentence in made.unreadable:
            report.failed.append(("sidecar", sentence))
        bad = f", {made.bad_records:,} broken" if made.bad_records else ""
        names = ", ".join([*map(str, files), *([f"packets of {capture.source}"] if on_packets else [])])
        report.sidecars.append(
            f"{names}: records {made.records:,}{bad}; claims {made.claims:,}; "
            f"flows with an owner {made.owned:,} of {made.flows:,}"
        )
        report.sidecars += made.clocks
    writer.run(drop_table)
