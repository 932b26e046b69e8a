"""`Ends`: how flows end, and what is known of them then."""

import cython

from rustnet.engine.clock import Clock
from rustnet.engine.flow import Flow
from rustnet.engine.listener import Listener
from rustnet.engine.numbers import SECOND
from rustnet.engine.streams import Streams
from rustnet.engine.table import FlowTable
from rustnet.sources.frames import Frames

if not cython.compiled:
    from rustnet.engine.tally import last_intervals


class Ends:
    """Ends the flows of ``table``: idle ones by the clock of the packets and not of this machine, at last all."""

    def __init__(self, listener: Listener, table: FlowTable) -> None:
        self.listener = listener
        self.table = table
        self.streams = Streams(listener)
        self.share = 0
        self.jumped: list[tuple[int, int, int, int]] = []
        """Ended flows with numbers of another stream: id, segments, time and packet number of the first."""
        self.intervals: list[tuple[int, ...]] = []
        """Intervals of bulk TCP flows that have ended: values of `rustnet.engine.tally.COLUMNS`."""
        self.last_ts = 0
        self.clock = Clock()

    def sweep(self, frames: Frames) -> None:
        """End idle flows after a batch of frames."""
        self.last_ts = self.clock.advance(frames)
        if abs(self.last_ts - self.table.swept_at) >= SECOND:
            self.table.sweep(self.last_ts)

    def tick(self, now: int) -> None:
        """End idle flows at time ``now`` although no packet came."""
        self.last_ts = self.clock.pass_to(now)
        if abs(self.last_ts - self.table.swept_at) >= SECOND:
            self.table.sweep(self.last_ts)

    def close_ended(self) -> list[Flow]:
        """Take the flows that ended, after their held segments were delivered and their parsers closed."""
        ended = self.table.take_ended()
        if self.share:
            ended = [flow for flow in ended if not flow.shadow]
        for flow in ended:
            self.close(flow)
        return ended

    def close(self, flow: Flow) -> None:
        """Let the parsers of a flow finish; remember what was odd about it."""
        if flow.jumps:
            self.jumped.append((flow.flow_id, flow.jumps, flow.jump_ts, flow.jump_packet))
        if flow.tallies is not None:
            last_intervals(flow, self.intervals)
        if flow.src_stream is not None or flow.dst_stream is not None:
            self.streams.finish(flow)
        if flow.talk is not None:
            self.listener.close(flow)

    def take_jumped(self) -> list[tuple[int, int, int, int]]:
        """What `jumped` holds, once."""
        jumped, self.jumped = self.jumped, []
        return jumped

    def take_intervals(self) -> list[tuple[int, ...]]:
        """What `intervals` holds, once."""
        intervals, self.intervals = self.intervals, []
        return intervals

    def finish(self) -> list[Flow]:
        """The capture is over: end every flow and take them all."""
        self.table.sweep(self.last_ts)
        self.table.end_all()
        return self.close_ended()
