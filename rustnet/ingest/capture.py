"""`CaptureIngest`: reads, analyses and stores one input."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from rustnet import __version__
from rustnet.analysis.collector import Collector
from rustnet.attribute.formats.apple import LINKS as PKTAP_LINKS
from rustnet.attribute.packets import PacketClaims
from rustnet.engine.index import CAPACITY, PacketIndex
from rustnet.ingest.report import CaptureReport, Progress, Report
from rustnet.ingest.stop import StopToken
from rustnet.records import table_name
from rustnet.sources.frames import Frames, Source
from rustnet.sources.linktypes import link_name
from rustnet.store.batches import Batch, Columns, Records, count
from rustnet.store.cadence import Cadence
from rustnet.store.tables import Capture, InterfaceRow, Packet
from rustnet.store.writer import Writer

PATIENCE = 0.1
"""Seconds without a packet after which the stop token, the flush time and the progress are checked."""
PROGRESS_SECONDS = 0.1
HEAD_START = 8
"""Batches read before the session is opened, so that workers are busy while DuckDB creates it."""


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

    def settle(self) -> None:
        """Wait until all packets fed so far are in the index."""

    def take(self) -> list[Batch]:
        """Take the batches that are full."""

    def take_all(self, final: bool = False) -> list[Batch]:
        """Take the batches of all rows so far; ``final`` after `finish`."""

    def open_flows(self) -> Columns:
        """Rows of the open flows."""

    def finish(self) -> None:
        """End the capture."""


def begin_capture(writer: Writer, source: Source, capture_id: int) -> Capture:
    """Store the row of a capture, incomplete, before it is read."""
    info = source.info
    capture = Capture(capture_id, info.source, info.kind, info.format)
    capture.ingested_at = time.time_ns()
    capture.rustnet_version = __version__
    capture.bytes = info.bytes
    writer.begin_capture(capture)
    return capture


class CaptureIngest:
    """Reads, analyses and stores one input, and flushes as often as the cadence requires."""

    def __init__(
        self,
        writer: Writer,
        source: Source,
        capture: Capture,
        analysis: Analyser,
        stop: StopToken,
        cadence: Cadence,
    ) -> None:
        self.writer = writer
        self.source = source
        self.stop = stop
        self.cadence = cadence
        self.capture_id = capture_id = capture.capture_id
        self.capture = capture
        self.analysis = analysis
        self.first_flow = analysis.next_flow
        self.tables: set[str] = set()
        """Names of the tables with rows of this capture."""
        self.link_types: set[int] = set()
        self.last_link = -1
        self.packet_claims = claims = PacketClaims(capture_id, Path(source.info.source).name)
        claims.spill = lambda rows: writer.execute_pass("ownership", partial(claims.store, columns=rows), capture_id)
        self.pktap = False
        self.callback: Callable[[Progress], None] | None = None
        self.last_progress_at = 0.0
        self.index = 0
        self.files = 1
        self.flush_at = 0.0
        """When the next flush is due (monotonic clock)."""
        self.flush_earliest = 0.0
        """Earliest time of the next flush, even if many rows are waiting (monotonic clock)."""
        self.flushed_packets = 0
        """Number of packets at the last flush."""
        self.stored_rows = 0
        """Number of rows stored since the last flush."""

    def set_progress(self, callback: Callable[[Progress], None] | None, index: int, files: int) -> None:
        """Report progress to ``callback``; this is input ``index`` of ``files``."""
        self.callback = callback
        self.index = index
        self.files = files

    def run(self, report: Report) -> None:
        """Read and store the input until its end or until the run is stopped."""
        if not self.cadence.begin_seconds:
            self.writer.commit()
        try:
            self.flush_at = time.monotonic() + self.cadence.seconds
            for number, frames in enumerate(self.source.batches(PATIENCE), 1):
                if frames.count:
                    self.batch(frames)
                if number == HEAD_START:
                    self.writer.start()
                if self.stop.is_set():
                    report.interrupted = True
                    break
                self.flush_due()
                self.progress()
        except KeyboardInterrupt:
            report.interrupted = True
        self.finish(report)

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
        analysis.feed(frames)
        if self.pktap or self.source.info.annotated:
            analysis.settle()
            self.packet_claims.take(frames, analysis.index, self.source.info, self.pktap)
        if analysis.index.count >= self.cadence.index_packets:
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
        if packets <= 0:
            return
        started = time.monotonic()
        enough = packets >= self.cadence.packets or self.stored_rows >= self.cadence.rows
        if started < (self.flush_earliest if enough else self.flush_at) and not self.writer.crowded:
            return
        remaining = self.analysis.take_all()
        batches = [*self.ready_batches(), *remaining]
        self.describe()
        self.tables.update(table_name(batch.cls) for batch in batches)
        self.writer.flush(self.capture, batches, self.analysis.open_flows())
        self.flushed_packets = self.analysis.packets
        self.stored_rows = 0
        self.flush_earliest = started + (time.monotonic() - started) / self.cadence.share
        self.flush_at = max(started + self.cadence.seconds, self.flush_earliest)

    def store(self, batches: list[Batch], last: bool = False) -> None:
        """Pass batches to the writer; ``last`` marks the final ones of the capture."""
        self.tables.update(table_name(batch.cls) for batch in batches)
        self.stored_rows += sum(map(count, batches))
        self.writer.put(batches, last)

    def update_totals(self) -> None:
        """Update the totals of the capture's row."""
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
        """Report progress, at most every `PROGRESS_SECONDS`."""
        if self.callback is None:
            return
        now = time.monotonic()
        if not final and now - self.last_progress_at < PROGRESS_SECONDS:
            return
        self.last_progress_at = now
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
        """Store the rest: open flows, held rows, damage, interfaces, and the capture's final row."""
        collector = self.analysis.collector
        self.analysis.finish()
        batches = self.ready_batches()
        for damage in self.source.damage:
            collector.anomaly(damage.kind, damage.detail, 0, damage.ts, damage.packet, file_offset=damage.offset)
        for ip, name in self.source.info.names:  # name resolution blocks of the capture file
            collector.name(ip, name, "nrb", self.capture.first_ts or 0, None)
        batches += self.analysis.take_all(final=True)
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
        self.packet_claims.spill = None  # break the reference cycle
        if len(self.packet_claims):
            self.writer.execute_pass("ownership", self.packet_claims.store, self.capture_id)
            report.packet_claims[self.capture_id] = self.packet_claims
        self.progress(final=True)

    def describe(self) -> None:
        """Update the capture's row from the input and the analysis."""
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
        """The report of this capture."""
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
