"""`Tally`: round-trip times, loss and progress of one direction of a bulk TCP flow, by interval.

An interval ends with an acknowledgement (or an echoed timestamp) once it has lasted long enough, or with the first of
duplicate ones, and the direction has sent enough packets; so short flows have none, and the rows are few compared with
the packets. Early intervals are shorter, because a sender's first seconds show how much a path takes before it slows
down.
"""

import cython

from rustnet.engine.flow import Flow

if not cython.compiled:
    from rustnet.engine.flow import half
    from rustnet.engine.half import Half
    from rustnet.engine.jumps import wrap
    from rustnet.engine.numbers import BULK_PACKETS

EARLY_PACKETS = 8
"""Packets that a direction sends in each of its first `EARLY_INTERVALS` intervals but the very first."""

EARLY_INTERVALS = 64

SHORTEST_NS = 5_000_000
LONGEST_NS = 100_000_000
"""Least duration of an interval: a sixteenth of what the flow has lasted, within these bounds."""

LONG_NS = 600_000_000_000
"""Duration of a flow from which on an interval lasts at least `LONG_STEP_NS`."""

LONG_STEP_NS = 1_000_000_000

COLUMNS = (
    "flow_id",
    "from_src",
    "began_at",
    "ts",
    "rtt_samples",
    "rtt_sum",
    "rtt_low",
    "rtt_high",
    "least_rtt",
    "sent",
    "acknowledged",
    "in_flight",
    "retransmissions",
)
"""Values of a row, in order; times in nanoseconds, -1 where there is none."""


class Tally:
    """What one direction of a flow has shown since the end of its last interval."""

    def __init__(self) -> None:
        self.rows = 0
        self.began = 0
        self.samples = 0
        self.rtt_sum = 0
        self.rtt_low = 0
        self.rtt_high = 0
        self.lowest = -1
        self.packets = 0
        self.position = 0
        self.acknowledged = 0
        self.retransmissions = 0
        self.waiting = 0
        self.stamp = -1
        self.awaited = 0
        self.awaited_ts = 0
        self.data_ts = 0

    def add(self, rtt: int) -> None:
        """Add a round-trip time."""
        if rtt < 0:
            return
        if not self.samples or rtt < self.rtt_low:
            self.rtt_low = rtt
        if not self.samples or rtt > self.rtt_high:
            self.rtt_high = rtt
        if self.lowest < 0 or rtt < self.lowest:
            self.lowest = rtt
        self.samples += 1
        self.rtt_sum += rtt


class Tallies:
    """Both directions' tallies."""

    def __init__(self) -> None:
        self.src = Tally()
        self.dst = Tally()


def due_after(flow: Flow, ts: int) -> int:
    """When the interval that begins at ``ts`` may end."""
    lasted = ts - flow.first_ts
    if lasted > LONG_NS:
        return ts + LONG_STEP_NS
    step = lasted // 16
    if step < SHORTEST_NS:
        step = SHORTEST_NS
    return ts + (step if step < LONGEST_NS else LONGEST_NS)


def tally_of(flow: Flow, from_src: bool) -> Tally:
    """The tally of a direction; a flow's first call makes both."""
    both: Tallies | None = flow.tallies
    if both is None:
        both = Tallies()
        both.src.began = flow.first_ts
        both.dst.began = flow.first_ts
        flow.tallies = both
        flow.src.tallied = 1
        flow.dst.tallied = 1
    return both.src if from_src else both.dst


def add_rtt(flow: Flow, rtt: int, from_src: bool) -> None:
    """Add a round-trip time of a direction that has a tally."""
    tally_of(flow, from_src).add(rtt)


def end_interval(flow: Flow, me: Half, peer: Half, ts: int, from_src: bool) -> tuple[int, ...] | None:
    """The row of ``me``'s interval that ends at ``ts``, or None if ``me`` has not sent enough packets for one."""
    tally = tally_of(flow, from_src)
    if tally.rows and me.packets - tally.packets < (EARLY_PACKETS if tally.rows < EARLY_INTERVALS else BULK_PACKETS):
        me.due = ts + SHORTEST_NS
        return None
    me.due = due_after(flow, ts)
    if me.min_rtt >= 0 and (flow.handshake_rtt < 0 or me.min_rtt * 2 < flow.handshake_rtt):
        flow.stamps = 1  # the receiver is near, so its acknowledgements say little about the path
    return row(flow, me, peer, tally, ts, from_src)


def row(flow: Flow, me: Half, peer: Half, tally: Tally, ts: int, from_src: bool) -> tuple[int, ...]:
    """The values of `COLUMNS`; a new interval begins."""
    flight = wrap(me.next_seq - peer.highest_ack) if peer.has_ack and me.started else 0
    if flight < 0:
        flight = 0
    acknowledged = me.position - flight
    if acknowledged < tally.acknowledged:
        acknowledged = tally.acknowledged
    sampled = tally.samples > 0
    made = (
        flow.flow_id,
        1 if from_src else 0,
        tally.began,
        ts,
        tally.samples,
        tally.rtt_sum,
        tally.rtt_low if sampled else -1,
        tally.rtt_high if sampled else -1,
        least_rtt(flow, me, tally, from_src),
        me.position - tally.position,
        acknowledged - tally.acknowledged,
        flight,
        me.retransmissions - tally.retransmissions,
    )
    tally.rows += 1
    tally.began = ts
    tally.samples = 0
    tally.rtt_sum = 0
    tally.packets = me.packets
    tally.position = me.position
    tally.acknowledged = acknowledged
    tally.retransmissions = me.retransmissions
    return made


def least_rtt(flow: Flow, me: Half, tally: Tally, from_src: bool) -> int:
    """Smallest round-trip time of what ``me`` sent so far, its part of the handshake included; -1 if none."""
    least = int(me.min_rtt)
    if tally.lowest >= 0 and (least < 0 or tally.lowest < least):
        least = tally.lowest
    if flow.synack_rtt < 0 or (not from_src and flow.handshake_rtt < 0):
        return least
    leg = flow.synack_rtt if from_src else flow.handshake_rtt - flow.synack_rtt
    if leg >= 0 and (least < 0 or leg < least):
        least = int(leg)
    return least


def last_intervals(flow: Flow, rows: list[tuple[int, ...]]) -> None:
    """Add what has come since the last intervals of a flow that ends."""
    for from_src in (True, False):
        tally = tally_of(flow, from_src)
        me = half(flow, from_src)
        if me.packets > tally.packets:
            rows.append(row(flow, me, half(flow, not from_src), tally, flow.last_ts, from_src))


def start_stamp(tally: Tally, stamp: int, ts: int) -> None:
    """Take note of the timestamp of an acknowledgement; a sample begins where the sender's clock has ticked."""
    if stamp != tally.stamp and not tally.waiting:
        tally.waiting = 1
        tally.awaited = stamp
        tally.awaited_ts = ts
    tally.stamp = stamp


def end_stamp(tally: Tally, echo: int, ts: int) -> None:
    """Take note of the timestamp that the other end's data echoes; the awaited one ends a sample.

    Unless the data paused: then the sender had nothing to send, and its answer was not immediate.
    """
    paused = ts - tally.data_ts
    tally.data_ts = ts
    if not tally.waiting:
        return
    late = wrap(echo - tally.awaited)
    if late < 0:
        return
    tally.waiting = 0
    rtt = ts - tally.awaited_ts
    if late == 0 and paused * 2 <= rtt:
        tally.add(rtt)
