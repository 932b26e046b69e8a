"""One live run: reads the rings of interfaces into a session, with what the probe sends about this machine.

probe ── rings ─► parser ─► checked rows ─► writer
  └──── lines ─► claims, rows about the machine ─┘
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from rustnet.enrich import geofiles
from rustnet.filenames import as_text
from rustnet.ingest.attribution_rows import AttributionRows
from rustnet.ingest.capture import Outcome
from rustnet.ingest.flushing import live_work
from rustnet.ingest.live_claims import LiveClaims
from rustnet.ingest.live_confining import Confining
from rustnet.ingest.live_monitor import LiveMonitor, Watcher
from rustnet.ingest.live_state import LiveState
from rustnet.ingest.machine_rows import MachineRows
from rustnet.ingest.options import Options
from rustnet.ingest.outlet import Report as Reporter
from rustnet.ingest.outlet import WriterOutlet
from rustnet.ingest.parser import Input, LocalParser
from rustnet.ingest.probe_channel import Line, ProbeChannel
from rustnet.ingest.recording import check_link_types
from rustnet.ingest.report import Progress, Report
from rustnet.ingest.road import Run
from rustnet.ingest.stop import StopToken
from rustnet.probe.live import Probe
from rustnet.probe.ring_socket import RingInterface
from rustnet.sources.libpcap import LibpcapSource
from rustnet.store.batches import Batch, Columns, Records
from rustnet.store.items import Closing, OnFlush
from rustnet.store.tables import Anomaly, Capture, Confinement
from rustnet.store.writer import Writer

if TYPE_CHECKING:
    from rustnet.query.session import Session

PROBE_ENDED = "the process that reads process and socket tables ended; owners are not known from here on"
"""Stored, so in English."""
MAX_EVENTS, MAX_DETAIL = 100, 500
"""Events that wait for a flush, and characters of each."""


Recording = Callable[[Callable[[list[bytes]], None], Callable[[Line], None]], Closing]
"""Starts a recorder, which gives lines of connections to the first function, and others to the second."""


@dataclass(frozen=True, slots=True)
class Rings:
    """What a live run reads: rings with their descriptors, and the probe that opened them, if it still works."""

    name: str
    """Names of the interfaces, with commas."""
    rings: Sequence[tuple[int, RingInterface]]
    probe: Probe | None
    confining: Confining
    notes: list[str] = field(default_factory=list)
    """Sentences about the choice of interfaces."""
    opened_at: float = field(default_factory=time.monotonic)
    """When capturing began, by the monotonic clock."""
    libpcap: LibpcapSource | None = None
    """What libpcap captures, instead of rings."""
    recorder: "Recording | None" = None
    """Starts what a probe does, in threads of this process."""

    def release(self) -> None:
        """Close this process's copies of the rings and of the channels to the probe, and its last privileges."""
        if self.probe is not None:
            self.probe.close()
        self.confining.release()


def capture_live(
    rings: Rings,
    session: str,
    options: Options,
    progress: Callable[[Progress], None] | None = None,
    ask: "Callable[[Session], None] | None" = None,
    stop: StopToken | None = None,
    watchers: Sequence[Watcher] = (),
) -> Report:
    """Read rings into a session until ``stop`` is set, a limit is reached or no interface is left.

    Each of ``watchers`` gets a state every second. The rest is as in `rustnet.ingest.road.ingest`. The process that
    calls this has one thread.
    """
    return LiveRun(rings, session, options, progress, stop or StopToken(), watchers).complete(ask)


class LiveOutlet(WriterOutlet):
    """Passes rows about the machine to the writer along with those of packets."""

    def __init__(
        self,
        writer: Writer,
        capture_id: int,
        report: Reporter | None,
        machine: MachineRows,
        attribution: AttributionRows,
        monitor: LiveMonitor,
    ) -> None:
        super().__init__(writer, capture_id, report)
        self.machine = machine
        self.attribution = attribution
        self.monitor = monitor
        self.events: list[Anomaly] = []

    def flush(self, capture: Capture, batches: list[Batch], open_flows: list[Columns]) -> None:
        """Pass a flush to the writer."""
        self.monitor.take(batches)
        super().flush(capture, [*batches, *self.take_others()], open_flows)

    def take_others(self) -> list[Batch]:
        """Take what is to be recorded of the machine and of the run itself."""
        events, self.events = self.events, []
        own: list[Batch] = [Records(Anomaly, events)] if events else []
        return [*self.machine.take(), *self.attribution.take(), *own]

    def put(self, batches: list[Batch], last: bool = False) -> None:
        """Pass batches to the writer."""
        self.monitor.take(batches)
        super().put(batches, last)

    def progress(self, position: int, packets: int, flows: int) -> None:
        """Report progress, and how the capture stands."""
        super().progress(position, packets, flows)
        self.monitor.progress(position, packets, flows)


class LiveRun(Run):
    """A run over rings."""

    live = True

    def __init__(
        self,
        rings: Rings,
        session: str,
        options: Options,
        progress: Callable[[Progress], None] | None,
        stop: StopToken,
        watchers: Sequence[Watcher],
    ) -> None:
        self.rings = rings
        super().__init__([rings.name], session, options, progress, stop)
        self.channel: ProbeChannel | None = None
        self.claims = LiveClaims()
        self.outlet: LiveOutlet | None = None
        self.machine = MachineRows(0)
        self.attribution = AttributionRows(0)
        self.monitor = LiveMonitor(session, [interface.name for _descriptor, interface in rings.rings], watchers)
        self.report.notes += rings.notes
        try:
            self._confine()
        except BaseException:
            self.close()
            raise

    def _confine(self) -> None:
        """Confine this process, which has started all others and opened nothing yet. Raises `RustnetError`."""
        confining, options = self.rings.confining, self.options
        plan = options.alerts
        baseline = [plan.baseline] if plan is not None and plan.baseline is not None else []
        databases = [*options.geo.paths, *map(str, geofiles.directories())]
        outputs = [*(each.path for each in options.recordings), *filter(None, [options.json_log])]
        outputs += [path for watcher in self.monitor.watchers for path in watcher.outputs]
        confining.writer([self.session, *outputs], [*databases, *baseline])
        confining.note(self.report)

    def open_exports(self) -> None:
        """Open what is written beside the session. Raises `UsageError` if pcap cannot hold what the rings have."""
        links = {interface.link_type for _descriptor, interface in self.rings.rings}
        check_link_types(self.options.recordings, {link for link in links if link is not None})
        super().open_exports()

    def _begin(self) -> Input:
        """Begin to capture."""
        source = self.rings.libpcap
        if source is None:
            return self.parser.open_rings(self.rings.rings, self.rings.name)
        assert isinstance(self.parser, LocalParser)
        source.stopped = self.stop.is_set
        return self.parser.open_live(source)

    def captures(self) -> None:
        """Read the rings to their end."""
        opened = self._begin()
        writer = self.writer = self._open_writer()
        capture_id, flow_id = writer.next_ids()
        self.machine = MachineRows(capture_id)
        self.attribution = AttributionRows(capture_id)
        self.monitor.more = self._stated
        self.monitor.capture_id = capture_id
        for watcher in self.monitor.watchers:
            watcher.start()
        if self.rings.probe is not None:
            self.rings.probe.rings.clear()
            self.channel = ProbeChannel(
                self.rings.probe, self._connections, self._record, self._ring, self._probe_ended
            )
        recorder = None if self.rings.recorder is None else self.rings.recorder(self._connections, self._record)
        row = Capture(capture_id, as_text(self.rings.name), opened.kind, opened.format, first_ts=None)
        self._capture(writer, row, flow_id, 0, None)
        self.parser.end()
        if self.channel is not None:
            self.channel.close()
        if recorder is not None:
            recorder.close()
        if self.outlet is not None:
            writer.put(self.outlet.take_others())

    def _stated(self, state: LiveState) -> LiveState:
        """A state of the capture with its owners and alerts."""
        state = self.attribution.stated(state, self.claims.coverage)
        return state if self.alerting is None else replace(state, alerts=dict(self.alerting.counts))

    def _on_flush(self) -> OnFlush:
        return live_work(self.lookup, self.alerting, [self.claims, *self._more_work()])

    def _confinement(self, capture_id: int) -> list[Confinement]:
        return [*super()._confinement(capture_id), *self.rings.confining.rows(capture_id)]

    def _attribute(self, writer: Writer) -> None:
        """Match the last lines of the probe with the flows."""
        for capture in self.report.captures:
            writer.execute_pass("ownership", partial(self.claims.finish, capture_id=capture.capture_id))

    def _outlet(self, writer: Writer, row: Capture, index: int) -> WriterOutlet:
        reporter = self._reporter(row, index)
        self.outlet = LiveOutlet(writer, row.capture_id, reporter, self.machine, self.attribution, self.monitor)
        return self.outlet

    def _connections(self, lines: list[bytes]) -> None:
        """Take lines about sockets and their processes."""
        self.claims.add(lines)

    def _record(self, line: Line) -> None:
        """Take a line about the machine or the recording."""
        if self.machine.takes(line):
            self.machine.add(line)
        elif self.attribution.takes(line):
            self.attribution.add(line)
        elif line["record"] == "interface_not_captured":
            self._event(line["record"], f"{line.get('interface')}: {line.get('reason')}")
        elif line["record"] == "probe_failed":
            self._event("probe_failed", str(line.get("detail")))

    def _probe_ended(self) -> None:
        """Record that the probe ended before the capture."""
        self._event("probe_ended", PROBE_ENDED)
        self.attribution.ended()
        self.claims.probe_ended()

    def _event(self, kind: str, detail: str) -> None:
        """Record something that happened to the run, at the next flush."""
        if self.outlet is not None and len(self.outlet.events) < MAX_EVENTS:
            detail = detail[:MAX_DETAIL]
            self.outlet.events.append(
                Anomaly(time.time_ns(), self.outlet.capture_id, None, None, kind, detail, None, 1)
            )

    def _ring(self, descriptor: int, interface: RingInterface) -> None:
        """Pass the ring of an interface that has appeared on to the parser."""
        if interface.name not in self.monitor.names:
            self.monitor.names.append(interface.name)
        self.parser.add_ring(descriptor, interface)

    def _finish_files(self, outlet: WriterOutlet, outcome: Outcome) -> None:
        """Do nothing: a live capture has no input files."""

    def close(self) -> None:
        """End the probe and the parser, and close the session."""
        try:
            if self.channel is not None:
                self.channel.close()
            for watcher in self.monitor.watchers:
                watcher.close()
        finally:
            super().close()
