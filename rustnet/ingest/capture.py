"""`CaptureIngest`: reads and analyses one input, and passes its rows on."""

import time
from dataclasses import dataclass, field
from typing import Protocol

from rustnet.analysis.collector import Collector
from rustnet.attribute.formats.apple import LINKS as PKTAP_LINKS
from rustnet.attribute.packet_statements import PacketStatements, origin
from rustnet.attribute.packets import PacketClaims
from rustnet.engine.index import CAPACITY, PacketIndex
from rustnet.ingest.outlet import Outlet
from rustnet.ingest.recorder import Recorder
from rustnet.ingest.stop import StopToken
from rustnet.sources.frames import Damage, Frames, Interval, Measured, Source
from rustnet.sources.linktypes import link_name
from rustnet.store.batches import Batch, Columns, Records, count
from rustnet.store.cadence import Cadence
from rustnet.store.tables import Capture, CaptureFile, CaptureStat, InterfaceRow, Packet

PATIENCE = 0.1
"""Seconds without a packet after which the stop token, the flush time and the progress are checked."""
PROGRESS_SECONDS = 0.1
QUIET_SECONDS = 2.0
"""Seconds between flushes while a live source has no packets, but flows are open whose states age."""
LIVE = "live"
"""Kind of a source of interfaces: to stop it is its usual end."""
SEVERAL = 2
"""Files from which a capture has rows of its files."""


class Analyser(Protocol):
    """Analysis of one capture: `Analysis` in this process, `SharedAnalysis` in several."""

    collector: Collector

    @property
    def index(self) -> PacketIndex:
        """Rows of the packets since the index was last taken."""

    @property
    def packets(self) -> int:
        """Packets fed so far."""

    @property
    def next_flow(self) -> int:
        """Number of the next flow."""

    @property
    def undecoded(self) -> int:
        """Packets that could not be decoded."""

    @property
    def evicted(self) -> int:
        """Flows that were evicted because the flow table was full."""

    @property
    def stored_flows(self) -> int:
        """Flows in the batches taken so far."""

    def feed(self, frames: Frames) -> None:
        """Analyse a batch of frames."""

    def tick(self, now: int) -> None:
        """Let time pass to ``now`` without packets."""

    def settle(self) -> None:
        """Wait until all packets fed so far are in the index."""

    @property
    def waiting_bytes(self) -> int:
        """About the size of the rows that wait in batches."""

    def take(self) -> list[Batch]:
        """Take the batches that are full."""

    def take_all(self, final: bool = False) -> list[Batch]:
        """Take the batches of all rows so far; ``final`` after `finish`."""

    def open_flows(self) -> list[Columns]:
        """Rows of the open flows."""

    def finish(self) -> None:
        """End the capture."""


@dataclass(slots=True)
class Outcome:
    """What remains to be stored of a capture whose rows were passed on."""

    capture: Capture
    """The final row."""
    flows: int
    evicted: int
    """Flows that were evicted because the flow table was full."""
    next_flow: int
    interrupted: bool
    damage: list[Damage] = field(default_factory=list)
    statements: PacketStatements | None = None
    """Statements on packets, if there are any."""
    files: list[CaptureFile] = field(default_factory=list)
    """Its files, if there are several."""


class CaptureIngest:
    """Reads and analyses one input, and flushes as often as the cadence requires."""

    def __init__(
        self,
        outlet: Outlet,
        source: Source,
        capture: Capture,
        analysis: Analyser,
        stop: StopToken,
        cadence: Cadence,
        recorder: Recorder | None = None,
    ) -> None:
        self.outlet = outlet
        self.source = source
        self.recorder = recorder
        self.stop = stop
        self.cadence = cadence
        self.capture_id = capture_id = capture.capture_id
        self.capture = capture
        self.analysis = analysis
        self.first_flow = analysis.next_flow
        self.link_types: set[int] = set()
        self.last_link = -1
        self.packet_claims = PacketClaims(capture_id, origin(capture.source))
        self.packet_claims.spill = outlet.spill
        self.pktap = False
        self.last_progress_at = 0.0
        self.flush_at = 0.0
        """When the next flush is due (monotonic clock)."""
        self.flush_earliest = 0.0
        """Earliest time of the next flush, even if many rows are waiting (monotonic clock)."""
        self.quiet_at = 0.0
        """When the next flush is due if no packet comes (monotonic clock)."""
        self.aging = False
        """Time has passed since the last flush without a packet: flows age, and the machine may have changed."""
        self.flushed_packets = 0
        """Number of packets at the last flush."""
        self.stored_rows = 0
        """Number of rows stored since the last flush."""
        self.measured = source if isinstance(source, Measured) else None
        """The source, if it is live and counts by time: its events and interfaces are stored as they come."""
        self.intervals: list[Interval] = []
        """Its counts since the last flush."""
        self.events = 0
        """Number of its events that were passed on."""
        self.interfaces = 0
        """Number of its interfaces that were passed on."""

    def run(self) -> Outcome:
        """Read the input until its end or until the run is stopped."""
        stopped = False
        try:
            self.flush_at = time.monotonic() + self.cadence.seconds
            for frames in self.source.batches(PATIENCE):
                if frames.count:
                    self.batch(frames)
                elif frames.clock is not None:
                    self.analysis.tick(frames.clock)
                    self.aging = True
                if self.stop.is_set() and self.source.info.kind != LIVE:  # one of interfaces ends by itself, completely
                    stopped = True
                    if self.source.info.kind == LIVE:
                        continue  # it ends by itself, and states then what the kernel counted, and that it is complete
                    break
                self.flush_due()
                self.progress()
        except KeyboardInterrupt:
            stopped = True
        if stopped or self.stop.is_set():
            self.outlet.stopping()
        return self.finish(stopped and self.source.info.kind != LIVE)

    def batch(self, frames: Frames) -> None:
        """Analyse one batch of frames, and store rows once there are enough."""
        analysis = self.analysis
        if analysis.index.count + frames.count > CAPACITY:
            self.store(self.ready_batches())
        links = frames.column("link")
        if not (links == self.last_link).all():
            self.link_types.update(links.tolist())
            self.last_link = int(links[0])
            self.pktap = not self.link_types.isdisjoint(PKTAP_LINKS)
        if self.recorder is not None:
            self.recorder.record(frames)
        analysis.feed(frames)
        if self.pktap or self.source.info.annotated:
            analysis.settle()
            self.packet_claims.take(frames, analysis.index, self.source.info, self.pktap)
        if analysis.index.count >= self.cadence.index_packets or analysis.waiting_bytes >= self.cadence.waiting_bytes:
            self.store(self.ready_batches())

    def ready_batches(self) -> list[Batch]:
        """Take the batches that are ready to be stored."""
        batches: list[Batch] = []
        if self.analysis.index.count:
            batches.append(Columns(Packet, self.analysis.index.take()))
        batches += self.analysis.take()
        self.update_totals()
        return batches

    def flush_due(self) -> None:
        """Flush all rows so far to the session if a flush is due."""
        packets = self.analysis.packets - self.flushed_packets
        news = self.measured is not None and self.news(self.measured)
        if packets <= 0 and not self.aging and not news:
            return
        started = time.monotonic()
        if packets <= 0 and not news and started < self.quiet_at:
            return
        enough = packets >= self.cadence.packets or self.stored_rows >= self.cadence.rows
        if started < (self.flush_earliest if enough else self.flush_at) and not self.outlet.crowded:
            return
        measures = self.measures()
        remaining = self.analysis.take_all()
        batches = [*self.ready_batches(), *remaining, *measures]
        self.describe()
        still_open = self.analysis.open_flows()
        self.outlet.flush(self.capture, batches, still_open)
        self.aging = False
        self.quiet_at = started + QUIET_SECONDS
        self.flushed_packets = self.analysis.packets
        self.stored_rows = 0
        self.flush_earliest = started + (time.monotonic() - started) / self.cadence.share
        self.flush_at = max(started + self.cadence.seconds, self.flush_earliest)

    def news(self, measured: Measured) -> bool:
        """Take a live source's counts; whether these, or its events, have to be stored although no packet came."""
        self.intervals += measured.take_statistics()
        return len(self.intervals) > 0 or len(self.source.damage) > self.events

    def measures(self, last: bool = False) -> list[Batch]:
        """Rows of a live source's counts and new interfaces; its events go to the analysis."""
        if self.measured is None:
            return []
        self.intervals += self.measured.take_statistics(last)
        intervals, self.intervals = self.intervals, []
        for event in self.source.damage[self.events :]:
            self.analysis.collector.anomaly(
                event.kind, event.detail, 0, event.ts, event.packet, file_offset=event.offset
            )
        self.events = len(self.source.damage)
        rows = [] if last else self.interface_rows(self.interfaces)
        self.interfaces = len(self.source.interfaces)
        stats = [CaptureStat(self.capture_id, each.at, each.interface & 0xFFFF, *each[2:]) for each in intervals]
        return [Records(cls, made) for cls, made in ((InterfaceRow, rows), (CaptureStat, stats)) if made]

    def interface_rows(self, first: int = 0) -> list[InterfaceRow]:
        """Rows of the interfaces from index ``first`` on."""
        return [
            InterfaceRow(self.capture_id, i & 0xFFFF, x.name, x.description, x.link_type, x.snaplen, x.packets)
            for i, x in enumerate(self.source.interfaces[first:], first)
        ]

    def store(self, batches: list[Batch], last: bool = False) -> None:
        """Pass batches on; ``last`` marks the final ones of the capture."""
        self.stored_rows += sum(map(count, batches))
        self.outlet.put(batches, last)

    def update_totals(self) -> None:
        """Update the totals of the capture's row."""
        capture, index = self.capture, self.analysis.index
        capture.packets = self.analysis.packets
        capture.wire_bytes = index.wire_bytes
        capture.captured_bytes = index.captured_bytes
        capture.truncated = index.truncated
        capture.out_of_order = index.out_of_order
        capture.duplicates = index.duplicates
        if capture.packets:
            capture.first_ts = index.first_ts
            capture.last_ts = index.last_ts

    def progress(self, final: bool = False) -> None:
        """Report progress, at most every `PROGRESS_SECONDS`."""
        now = time.monotonic()
        if final or now - self.last_progress_at >= PROGRESS_SECONDS:
            self.last_progress_at = now
            self.outlet.progress(
                self.source.position(), self.analysis.packets, self.analysis.next_flow - self.first_flow
            )

    def finish(self, interrupted: bool) -> Outcome:
        """Pass the rest on: open flows, held rows, damage, interfaces."""
        collector = self.analysis.collector
        if self.recorder is not None:
            self.recorder.finish()
        self.analysis.finish()
        batches = [*self.ready_batches(), *self.measures(last=True)]
        for damage in self.source.damage[self.events :]:
            collector.anomaly(damage.kind, damage.detail, 0, damage.ts, damage.packet, file_offset=damage.offset)
        for ip, name in self.source.info.names:  # name resolution blocks of the capture file
            collector.name(ip, name, "nrb", self.capture.first_ts or 0, None)
        batches += self.analysis.take_all(final=True)
        if interfaces := self.interface_rows():
            batches.append(Records(InterfaceRow, list(interfaces)))
        self.store(batches, last=True)
        self.describe()
        self.capture.complete = self.source.info.complete and not interrupted
        self.capture.finished = True
        self.packet_claims.spill = None  # break the reference cycle
        self.progress(final=True)
        return Outcome(
            self.capture,
            self.analysis.stored_flows,
            self.analysis.evicted,
            self.analysis.next_flow,
            interrupted,
            list(self.source.damage),
            self.packet_claims.finish() if len(self.packet_claims) else None,
            self.file_rows(),
        )

    def file_rows(self) -> list[CaptureFile]:
        """Rows of the capture's files, if there are several."""
        files = self.source.files
        return [] if len(files) < SEVERAL else [
            CaptureFile(
                self.capture_id, i, file.info.source, file.info.kind, file.info.format, file.info.bytes,
                file.info.sha256, None, file.first_packet, file.packets, file.first_ts, file.last_ts,
                file.info.complete,
            )
            for i, file in enumerate(files)
        ]  # fmt: skip

    def describe(self) -> None:
        """Update the capture's row from the input and the analysis."""
        source, capture = self.source, self.capture
        several = len(source.files) >= SEVERAL
        info = source.info if several or not source.files else source.files[0].info
        interfaces = source.interfaces
        capture.files = max(1, len(source.files))
        capture.assembly = source.info.assembly if several else None
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
