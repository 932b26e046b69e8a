"""`Analysis`: one capture's packets become flows, rows and names, in this process.

Rows wait until there are many, or until they are large; with a ``drain`` large ones are passed on at once.

With a `Share` it is one of several that divide the flows of a capture (`rustnet.engine.shares`). Each numbers its own
from 1 and lists their first packets, by which `rustnet.analysis.workers` numbers them over all shares.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from rustnet.analysis.collector import Collector
from rustnet.analysis.intervals import interval_columns
from rustnet.dissect import registry
from rustnet.dissect.framework.dispatch import Dispatcher
from rustnet.engine.columns import FlowColumns
from rustnet.engine.flow import Flow
from rustnet.engine.index import PacketIndex
from rustnet.engine.numbers import PROTOCOL_NAMES, WANTED_SIZE
from rustnet.engine.tracker import Tracker
from rustnet.enrich.services import server_ranks, service_names
from rustnet.policy.ownership import NOT_ATTRIBUTABLE
from rustnet.policy.timeouts import IDLE_TIMEOUTS
from rustnet.sources.frames import Frames
from rustnet.store.batches import Batch, Columns
from rustnet.store.cadence import BATCH, Cadence
from rustnet.store.tables import FlowRow

FLOW_BYTES = 1_024
"""Size of a flow that has ended, about."""
INTERVAL_BYTES = 600
"""Size of an interval that waits, about."""
OPEN_ROWS = 8_192
"""Flows in one batch of those that are open, or end with the capture."""
JUMPED = (
    "sequence_jump",
    "segments whose numbers do not belong to the connection: renumbered on the way, or not sent by its ends",
)
EVICTED = ("flows_evicted", "flows ended early: the flow table was full")


@dataclass(frozen=True, slots=True)
class Share:
    """The flows that an analysis owns: share number ``index`` of ``count``."""

    index: int = 0
    count: int = 1


WHOLE = Share()


@cache
def _server_ranks(dissect: bool) -> bytes:
    """Rank of each port, with those of the dissectors where payloads are read."""
    return server_ranks([port for d in registry.DISSECTORS for port in d.ports] if dissect else [])


@cache
def flow_columns(dissect: bool) -> FlowColumns:
    """Builder of flow columns; one serves all captures of a run."""
    tcp_services, udp_services = service_names()
    guesses: dict[tuple[str, int], str] = {}
    for d in registry.DISSECTORS if dissect else ():
        for transport in d.transports:
            for port in d.ports:
                guesses.setdefault((transport, port), d.name)
    return FlowColumns(tcp_services, udp_services, guesses, dict.fromkeys(NOT_ATTRIBUTABLE, "not_attributable"))


class Analysis:
    """Engine, parsers and collector of one capture."""

    def __init__(
        self,
        capture_id: int,
        first_flow: int,
        dissect: bool = True,
        strict: bool = False,
        share: Share = WHOLE,
        cadence: Cadence = BATCH,
        drain: Callable[[list[Batch]], None] | None = None,
        drop_duplicates: bool = False,
    ) -> None:
        self.cadence = cadence
        self.collector = Collector(capture_id, deduplicate=share is WHOLE, drain=drain)
        dissectors = registry.DISSECTORS if dissect else ()
        self.dispatcher = Dispatcher(dissectors, self.collector, strict)
        wanted = bytearray(WANTED_SIZE)
        for number, transport in PROTOCOL_NAMES.items():
            wanted[number] = transport in self.dispatcher.by_transport
        self.tracker = Tracker(self.dispatcher, bytes(wanted), _server_ranks(dissect), IDLE_TIMEOUTS, first_flow)
        self.tracker.without_duplicates = drop_duplicates
        self.share = share
        if share is not WHOLE:
            self.tracker.divide(share.index, share.count)
        self.columns = flow_columns(dissect)
        self.flows: list[Flow] = []
        self.stored_flows = 0

    @property
    def index(self) -> PacketIndex:
        """Rows of the packets since the index was last taken."""
        return self.tracker.index

    @property
    def packets(self) -> int:
        """Packets so far."""
        return self.tracker.last_number

    @property
    def next_flow(self) -> int:
        """Number of the flow that comes next."""
        return self.tracker.table.next_id

    @property
    def undecoded(self) -> int:
        """Packets that could not be decoded."""
        return self.tracker.undecoded

    @property
    def evicted(self) -> int:
        """Flows that ended early because the table was full."""
        return self.tracker.table.evicted

    def feed(self, frames: Frames, owners: "memoryview[int] | None" = None) -> None:
        """Analyse a batch of frames; with ``owners`` (of each frame) those of its share."""
        self.tracker.feed(frames, owners)
        self._take_ended()

    def tick(self, now: int) -> None:
        """Let time pass to ``now`` without packets: flows that are idle end."""
        self.tracker.tick(now)
        self._take_ended()

    def settle(self) -> None:
        """Return at once: all packets that were fed are in the index."""

    @property
    def waiting_bytes(self) -> int:
        """About the size of the rows that wait."""
        return (
            self.collector.waiting_bytes + FLOW_BYTES * len(self.flows) + INTERVAL_BYTES * len(self.tracker.intervals)
        )

    def take(self) -> list[Batch]:
        """Batches that are full, or all if they are large."""
        if self.waiting_bytes >= self.cadence.waiting_bytes:
            return self.take_all()
        batches: list[Batch] = [self._take_flows()] if len(self.flows) >= self.cadence.flow_rows else []
        if len(self.tracker.intervals) >= self.cadence.table_rows:
            batches.append(interval_columns(self.tracker.take_intervals()))
        return batches + self.collector.take(self.cadence.table_rows)

    def take_all(self, final: bool = False) -> list[Batch]:
        """Batches of all rows so far; the ``final`` ones after `finish`."""
        batches: list[Batch] = [self._take_flows()] if self.flows else []
        if self.tracker.intervals:
            batches.append(interval_columns(self.tracker.take_intervals()))
        return batches + self.collector.take(1, final)

    def finish(self) -> None:
        """End every flow, and report as anomalies what the engine gave up on."""
        self.flows += self.tracker.finish()
        self._jumps()
        if self.share.index == 0:
            self._anomalies()

    def open_flows(self, touched: bool = False) -> list[Columns]:
        """Rows of the flows that are open, as if the capture ended now, with ``end_reason`` "open".

        With ``touched`` only of those that got a packet since the last such call. Nothing about the flows changes;
        so what parsers would still read at the flow's end, segments held after a hole, is not in the rows.
        """
        table = self.tracker.table
        flows = table.take_touched() if touched else table.open_flows()
        return [self._columns(flows[at : at + OPEN_ROWS], still_open=True) for at in range(0, len(flows), OPEN_ROWS)]

    def take_flow_parts(self) -> Iterator[Columns]:
        """Columns of the flows that have ended, in parts, until less than one part is left."""
        while len(self.flows) > OPEN_ROWS:
            rest, self.flows = self.flows[OPEN_ROWS:], self.flows[:OPEN_ROWS]
            part = self._take_flows()
            self.flows = rest
            yield part

    def _take_ended(self) -> None:
        """Take the flows that have ended."""
        self.flows += self.tracker.close_ended()
        if self.tracker.jumped:
            self._jumps()

    def _take_flows(self) -> Columns:
        """Columns of the flows that have ended."""
        flows, self.flows = self.flows, []
        self.stored_flows += len(flows)
        return self._columns(flows)

    def _columns(self, flows: list[Flow], still_open: bool = False) -> Columns:
        """Rows of flows."""
        batch = self.columns.build(flows, self.tracker.last_ts, still_open)
        for name in ("started_at", "ended_at", "hostname_ts", "closed_at"):
            batch[name] = batch[name].view("datetime64[ns]")
        return Columns(FlowRow, batch)

    def _jumps(self) -> None:
        """Report ended flows with sequence numbers of another stream."""
        for flow_id, count, ts, packet in self.tracker.take_jumped():
            self.collector.anomaly(*JUMPED, flow_id, ts, packet, count=count)

    def _anomalies(self) -> None:
        """What the engine gave up on, as rows."""
        tracker = self.tracker
        last = tracker.index.last_ts
        ts = last if tracker.last_number else 0
        for kind, count, words in (
            (EVICTED[0], tracker.table.evicted if self.share is WHOLE else 0, EVICTED[1]),
            ("fragments_dropped", tracker.fragments.dropped, "datagrams whose fragments never were complete"),
            ("fragments_overlap", tracker.fragments.overlapping, "IP fragments that overlap others"),
            ("tunnel_undecoded", tracker.tunnel_failures, "tunnelled packets that could not be decoded"),
            ("messages_unread", tracker.unread, "flows without ports whose messages were counted, but not read"),
        ):
            if count:
                self.collector.anomaly(kind, words, 0, ts, 0, count=count)
        for kind, words, count in self.dispatcher.further_undecoded():
            self.collector.anomaly(kind, words, 0, ts, 0, count=count)
