"""From inputs to a session: the only module that sees the whole road, top to bottom.

    source ─► frames ─► tracker (headers, flows, streams) ─► dispatcher (parsers) ─► collector ─► writer ─► DuckDB
                                                                                              └► attribution

The engine runs in this thread, the writer in a second, the hash of the input in a third. A new session is made by the
writer's thread while this one begins to read.
"""

import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import FrameType

import numpy as np

from rustnet import __version__
from rustnet.attribute.apple import LINKS as PKTAP_LINKS
from rustnet.attribute.packets import PacketClaims, drop_table
from rustnet.attribute.policy import NOT_ATTRIBUTABLE
from rustnet.collect import Collector
from rustnet.dissect import registry
from rustnet.dissect.dispatch import Dispatcher
from rustnet.engine.columns import FlowColumns
from rustnet.engine.flow import Flow
from rustnet.engine.index import CAPACITY
from rustnet.engine.numbers import TCP, UDP, WANTED_SIZE
from rustnet.engine.tracker import Tracker
from rustnet.enrich.services import server_ranks, service_names
from rustnet.errors import ExitCode, InputError
from rustnet.sources.files import open_source
from rustnet.sources.frames import Damage, Frames, Source
from rustnet.sources.linktypes import link_name
from rustnet.store.tables import Capture, FlowRow, InterfaceRow, Packet
from rustnet.store.writer import Batch, Columns, Records, Writer

PROGRESS_SECONDS = 0.1
INDEX_BATCH = 61_440
"""Packets that are stored at a time (half a row group of DuckDB)."""

FLOW_BATCH = 10_000
"""Ended flows that are held back at most."""

COLLECT_EVERY = 8
"""Inputs after which cyclic garbage is collected; it is off meanwhile."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to ingest."""

    sidecars: tuple[str, ...] = ()
    """Sidecar files given by name; without any they are looked for beside each capture."""
    sidecar_format: str | None = None
    """Format of the sidecars given by name; without it their content tells."""
    discover: bool = True
    """Look for sidecars beside each capture."""
    again: bool = False
    """Ingest a file even if the session has one of the same hash."""
    strict_parsers: bool = False
    """Raise a parser's failure instead of recording it."""
    dissect: bool = True
    """Read payloads."""


@dataclass(slots=True)
class Progress:
    """How far an ingest has come."""

    source: str
    file_index: int
    files: int
    position: int
    size: int | None
    packets: int
    flows: int


@dataclass(slots=True)
class CaptureReport:
    """What became of one input."""

    capture_id: int
    source: str
    packets: int = 0
    flows: int = 0
    wire_bytes: int = 0
    captured_bytes: int = 0
    truncated: int = 0
    undecoded: int = 0
    out_of_order: int = 0
    damage: list[Damage] = field(default_factory=list)
    complete: bool = False
    sha256: str | None = None
    dropped_kernel: int | None = None
    dropped_interface: int | None = None
    first_ts: int | None = None
    last_ts: int | None = None
    evicted: int = 0


@dataclass(slots=True)
class Report:
    """What became of a whole run."""

    session: str
    captures: list[CaptureReport] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    """(path, one-line message) of inputs that could not be read."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """(path, one-line message) of inputs that the session has already."""
    interrupted: bool = False
    losses: list[str] = field(default_factory=list)
    on_packets: dict[int, PacketClaims] = field(default_factory=dict)
    """What stands on the packets of a capture, by `capture_id`, where anything does."""
    sidecars: list[str] = field(default_factory=list)
    """One line for each sidecar: file, claims, matched flows, broken lines."""

    def exit_code(self, strict: bool) -> ExitCode:
        """Exit code of the run; ``strict`` makes losses count."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.failed:
            return ExitCode.INPUT
        if self.skipped and not self.captures:
            return ExitCode.FAILURE
        if strict and self.losses:
            return ExitCode.LOSSES
        return ExitCode.DONE


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """Ctrl-C or SIGTERM while a capture was being read."""


@contextmanager
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
    paths: Sequence[str], session: str, options: Options, progress: Callable[[Progress], None] | None = None
) -> Report:
    """Ingest every input into a session, made if need be. Inputs that cannot be read are named in the report.

    Raises `SessionError` if the session cannot be opened or written, `UsageError` for an unknown sidecar format.
    """
    if options.sidecar_format is not None:
        from rustnet.attribute.discover import named_format  # noqa: PLC0415 - rarely needed

        named_format(options.sidecar_format)
    report = Report(session)
    first: Source | None = None
    if len(paths) == 1:  # a single input that is no capture must not leave an empty session behind
        first = _open(paths[0], report)
        if first is None:
            return report
    try:
        writer = Writer(session, registry.tables())
    except BaseException:
        if first is not None:
            first.close()
        raise
    collecting = gc.isenabled()
    gc.disable()  # flows and rows make no cycles, and there may be millions of them to look through
    gc.freeze()
    try:
        _travel(paths, first, writer, report, options, progress)
        _attribute(writer, report, options)
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()
        writer.close()
    _losses(report)
    return report


def _travel(
    paths: Sequence[str],
    first: Source | None,
    writer: Writer,
    report: Report,
    options: Options,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Ingest one input after another; ``first`` is the first one, if it is open already."""
    capture_id, flow_id = writer.next_ids()
    earlier = [] if options.again else writer.earlier()
    columns = flow_columns(options.dissect)
    with interruptible() as stopped:
        for index, path in enumerate(paths):
            source = first if first is not None else _open(path, report)
            first = None
            if source is None:
                continue
            try:
                if known(source, earlier, report):
                    continue
                road = Road(writer, source, options, capture_id, flow_id, columns, stopped)
                road.tell(progress, index, len(paths))
                road.travel(report)
            finally:
                source.close()
            if report.interrupted or index == len(paths) - 1:
                return
            if index % COLLECT_EVERY == COLLECT_EVERY - 1:
                gc.collect()  # what was there before is frozen, and flows are gone by now: this is quick
            capture_id += 1
            flow_id = road.tracker.table.next_id
            made = road.capture
            if made.bytes is not None and made.sha256 is not None and not options.again:
                earlier.append((made.capture_id, made.source, made.bytes, made.sha256))


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
            return True
    return False


@cache
def _server_ranks(dissect: bool) -> bytes:
    """Rank of each port, with those of the dissectors where payloads are read."""
    return server_ranks([port for d in registry.DISSECTORS for port in d.ports] if dissect else [])


def flow_columns(dissect: bool) -> FlowColumns:
    """What turns flows into columns: one serves all captures of a run."""
    tcp_services, udp_services = service_names()
    guesses: dict[tuple[str, int], str] = {}
    for d in registry.DISSECTORS if dissect else ():
        for transport in d.transports:
            for port in d.ports:
                guesses.setdefault((transport, port), d.name)
    return FlowColumns(tcp_services, udp_services, guesses, dict.fromkeys(NOT_ATTRIBUTABLE, "not_attributable"))


class Road:
    """One input on its way into the session."""

    def __init__(
        self,
        writer: Writer,
        source: Source,
        options: Options,
        capture_id: int,
        first_flow: int,
        columns: FlowColumns,
        stopped: Callable[[], bool],
    ) -> None:
        self.writer = writer
        self.source = source
        self.stopped = stopped
        self.capture_id = capture_id
        self.capture = Capture(self.capture_id, source.info.source, source.info.kind, source.info.format)
        self.collector = Collector(self.capture_id)
        dissectors = registry.DISSECTORS if options.dissect else ()
        self.dispatcher = Dispatcher(dissectors, self.collector, options.strict_parsers)
        wanted = bytearray(WANTED_SIZE)
        for transport, number in (("tcp", TCP), ("udp", UDP)):
            wanted[number] = transport in self.dispatcher.by_transport
        self.tracker = Tracker(self.dispatcher, bytes(wanted), _server_ranks(options.dissect), first_flow)
        self.flow_columns = columns
        self.flows: list[Flow] = []
        self.flow_count = 0
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
            for frames in self.source.batches():
                if frames.count:
                    self.batch(frames)
                if self.stopped():
                    report.interrupted = True
                    break
                self.progress()
        except KeyboardInterrupt:
            report.interrupted = True
        self.finish(report)

    def batch(self, frames: Frames) -> None:
        """One batch of frames through the engine, and to the writer what is enough to be stored."""
        tracker = self.tracker
        if tracker.index.count + frames.count > CAPACITY:
            self.store()
        tracker.feed(frames)
        self.flows += tracker.close_ended()
        links = frames.column("link")
        if not (links == self.last_link).all():
            self.link_types.update(np.unique(links).tolist())
            self.last_link = int(links[0])
            self.pktap = not self.link_types.isdisjoint(PKTAP_LINKS)
        if self.pktap or self.source.info.annotated:
            self.on_packets.take(frames, tracker.index, self.source.info, self.pktap)
        if tracker.index.count >= INDEX_BATCH:
            self.store()

    def store(self) -> None:
        """Hand to the writer what has gathered."""
        batches: list[Batch] = []
        if self.tracker.index.count:
            batches.append(Columns(Packet, self.tracker.index.take()))
        if len(self.flows) >= FLOW_BATCH:
            batches.append(self.take_flows())
        batches += self.collector.take()
        self.sum_up()
        self.writer.put(batches)

    def sum_up(self) -> None:
        """Bring the capture's sums up to date."""
        capture, index = self.capture, self.tracker.index
        capture.packets = self.tracker.last_number
        capture.wire_bytes = index.wire_bytes
        capture.captured_bytes = index.captured_bytes
        capture.truncated = index.truncated
        capture.out_of_order = index.out_of_order
        if capture.packets:
            capture.first_ts = index.first_ts
            capture.last_ts = index.last_ts

    def take_flows(self) -> Columns:
        """Columns of the flows that have ended."""
        batch = self.flow_columns.build(self.flows, self.tracker.last_ts)
        batch["started_at"] = batch["started_at"].view("datetime64[ns]")
        batch["ended_at"] = batch["ended_at"].view("datetime64[ns]")
        self.flow_count += len(self.flows)
        self.flows = []
        return Columns(FlowRow, batch)

    def progress(self, final: bool = False) -> None:
        """Tell whoever wants to know, at most every `PROGRESS_SECONDS`."""
        if self.callback is None:
            return
        now = time.monotonic()
        if not final and now - self.told_at < PROGRESS_SECONDS:
            return
        self.told_at = now
        info = self.source.info
        open_flows = self.tracker.table.count + len(self.flows)
        self.callback(
            Progress(
                info.source,
                self.index,
                self.files,
                self.source.position(),
                info.bytes,
                self.tracker.last_number,
                self.flow_count + open_flows,
            )
        )

    def finish(self, report: Report) -> None:
        """Store what is left: open flows, held rows, damage, interfaces, and the capture's final row."""
        self.flows += self.tracker.finish()
        self.store()
        for damage in self.source.damage:
            self.collector.anomaly(damage.kind, damage.detail, 0, damage.ts, damage.packet, file_offset=damage.offset)
        self.engine_anomalies()
        self.names()
        batches: list[Batch] = []
        if self.flows:
            batches.append(self.take_flows())
        batches += self.collector.take(everything=True)
        interfaces = [
            InterfaceRow(self.capture_id, i & 0xFFFF, x.name, x.description, x.link_type, x.snaplen, x.packets)
            for i, x in enumerate(self.source.interfaces)
        ]
        if interfaces:
            batches.append(Records(InterfaceRow, list(interfaces)))
        if batches:
            self.writer.put(batches)
        self.describe()
        self.capture.complete = self.source.info.complete and not report.interrupted
        self.writer.end_capture(self.capture)
        report.captures.append(self.summary())
        self.on_packets.spill = None  # it refers to what refers to it
        if len(self.on_packets):
            self.writer.run(self.on_packets.store)
            report.on_packets[self.capture_id] = self.on_packets
        self.progress(final=True)

    def engine_anomalies(self) -> None:
        """What the engine gave up on, as rows."""
        tracker = self.tracker
        ts = self.capture.last_ts or 0
        for kind, count, words in (
            ("flows_evicted", tracker.table.evicted, "flows ended early: the flow table was full"),
            ("fragments_dropped", tracker.fragments.dropped, "datagrams whose fragments never were complete"),
            ("fragments_overlap", tracker.fragments.overlapping, "IP fragments that overlap others"),
            ("tunnel_undecoded", tracker.tunnel_failures, "tunnelled packets that could not be decoded"),
        ):
            if count:
                self.collector.anomaly(kind, words, 0, ts, 0, count=count)

    def names(self) -> None:
        """Names that the capture file itself brings (name resolution blocks)."""
        for ip, name in self.source.info.names:
            self.collector.name(ip, name, "nrb", self.capture.first_ts or 0, None)

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
        capture.undecoded = self.tracker.undecoded
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
            flows=self.flow_count,
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
            evicted=self.tracker.table.evicted,
        )


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
            partial(attribute, capture_id=capture.capture_id, sidecars=sidecars, on_packets=on_packets)
        )
        for sentence in made.unreadable:
            report.failed.append(("sidecar", sentence))
        bad = f", {made.bad_records:,} broken" if made.bad_records else ""
        names = ", ".join([*map(str, files), *([f"packets of {capture.source}"] if on_packets else [])])
        report.sidecars.append(
            f"{names}: records {made.records:,}{bad}; claims {made.claims:,}; "
            f"flows with an owner {made.owned:,} of {made.flows:,}"
        )
    writer.run(drop_table)
    writer.commit()


def _losses(report: Report) -> None:
    """Name everything that was lost or left out."""
    for c in report.captures:
        if not c.complete:
            report.losses.append(f"{c.source}: not read to a clean end")
        if c.undecoded:
            report.losses.append(f"{c.source}: {c.undecoded} packets could not be decoded")
        if c.dropped_kernel or c.dropped_interface:
            dropped = (c.dropped_kernel or 0) + (c.dropped_interface or 0)
            report.losses.append(f"{c.source}: {dropped} packets were dropped while capturing")
        if c.evicted:
            report.losses.append(f"{c.source}: {c.evicted} flows ended early because the flow table was full")
