"""One live run: reads the rings of interfaces into a session, with what the probe sends about this machine.

probe ── rings ─► parser ─► checked rows ─► writer
  └──── lines ─► claims, rows about the machine ─┘
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from rustnet.filenames import as_text
from rustnet.i18n import N_
from rustnet.ingest import confining
from rustnet.ingest.capture import Outcome
from rustnet.ingest.flushing import live_work
from rustnet.ingest.live_claims import LiveClaims
from rustnet.ingest.live_confining import Confining
from rustnet.ingest.options import Options
from rustnet.ingest.outlet import WriterOutlet
from rustnet.ingest.probe_channel import Line, ProbeChannel
from rustnet.ingest.report import Progress, Report
from rustnet.ingest.road import Run
from rustnet.ingest.stop import StopToken
from rustnet.probe.live import Probe
from rustnet.probe.ring_socket import RingInterface
from rustnet.store.items import OnFlush
from rustnet.store.tables import Capture, Confinement
from rustnet.store.writer import Writer

if TYPE_CHECKING:
    from rustnet.query.session import Session

PROBE_ENDED = N_("the process that reads process and socket tables ended; owners are not known from here on")


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


def capture_live(
    rings: Rings,
    session: str,
    options: Options,
    progress: Callable[[Progress], None] | None = None,
    ask: "Callable[[Session], None] | None" = None,
    stop: StopToken | None = None,
    scratch: str | None = None,
) -> Report:
    """Read rings into a session until ``stop`` is set, a limit is reached or no interface is left.

    ``scratch`` is the directory of a temporary session. The rest is as in `rustnet.ingest.road.ingest`. The process
    that calls this has one thread.
    """
    run = LiveRun(rings, session, options, progress, stop or StopToken(), scratch)
    try:
        run.captures()
        run.passes(ask)
    finally:
        run.close()
    if run.writer is not None:
        run.report.not_stored += run.writer.losses
    run.report.note_losses()
    return run.report


class LiveRun(Run):
    """A run over rings."""

    def __init__(
        self,
        rings: Rings,
        session: str,
        options: Options,
        progress: Callable[[Progress], None] | None,
        stop: StopToken,
        scratch: str | None = None,
    ) -> None:
        self.rings = rings
        super().__init__([rings.name], session, options, progress, stop)
        self.channel: ProbeChannel | None = None
        self.claims = LiveClaims()
        self.outlet: WriterOutlet | None = None
        self.report.notes += rings.notes
        outputs = [session, *(recording.path for recording in options.recordings)]
        rings.confining.writer(outputs, options.geo.paths, scratch)

    def captures(self) -> None:
        """Read the rings to their end."""
        opened = self.parser.open_rings(self.rings.rings, self.rings.name)
        writer = self.writer = self._open_writer()
        if self.rings.probe is not None:
            self.rings.probe.rings.clear()
            self.channel = ProbeChannel(self.rings.probe, self._connections, self._record, self._ring)
        capture_id, flow_id = writer.next_ids()
        row = Capture(capture_id, as_text(self.rings.name), opened.kind, opened.format, first_ts=None)
        self._capture(writer, row, flow_id, 0, None)
        self.parser.end()
        if self.channel is not None:
            self.channel.close()

    def _on_flush(self) -> OnFlush:
        return live_work(self.lookup, self.alerting, [self.claims])

    def _confinement(self, capture_id: int) -> list[Confinement]:
        others = self.rings.confining.layers.items()
        rows = [row for process, layers in others for row in confining.rows(capture_id, layers, process)]
        return [*super()._confinement(capture_id), *rows]

    def _attribute(self, writer: Writer) -> None:
        """Match the last lines of the probe with the flows."""
        for capture in self.report.captures:
            writer.execute_pass("ownership", partial(self.claims.finish, capture_id=capture.capture_id))

    def _connections(self, lines: list[bytes]) -> None:
        """Take lines about sockets and their processes."""
        self.claims.add(lines)

    def _record(self, line: Line) -> None:
        """Take a line about the machine or the recording."""

    def _ring(self, descriptor: int, interface: RingInterface) -> None:
        """Pass the ring of an interface that has appeared on to the parser."""
        self.parser.add_ring(descriptor, interface)

    def _finish_files(self, outlet: WriterOutlet, outcome: Outcome) -> None:
        """Do nothing: a live capture has no input files."""

    def close(self) -> None:
        """End the probe and the parser, and close the session."""
        try:
            if self.channel is not None:
                self.channel.close()
        finally:
            super().close()
