"""Bounded reassembly of TCP streams for the parsers, in causal order.

Within a direction bytes are delivered in the order of their positions. Across directions, a segment that acknowledges
bytes waits until these have been delivered, because its sender had them, whatever the order of packets in the capture.
What does not come within `WAIT` was not captured and is reported as a gap, before whatever acknowledges it.

Positions are 64-bit and count from the first sequence number seen in a direction, so that wrap-around of the
32-bit numbers ends in `rustnet.engine.tcp` and is no matter here.
"""

import cython

from rustnet.engine.flow import Flow
from rustnet.engine.listener import Listener
from rustnet.engine.numbers import NO_ACK

if not cython.compiled:  # compiled, these come from the .pxd as C functions
    from rustnet.engine.flow import half
    from rustnet.engine.jumps import wrap
    from rustnet.engine.numbers import FIN_SYN_RST, MARK_ISN, MAX_JUMP, SYN

MAX_HELD = 256 << 10
"""Bytes held back in one direction while earlier bytes are missing; beyond it these count as lost."""

MAX_HELD_TOTAL = 64 << 20
"""The same over all flows."""

MAX_SEGMENTS = 256
"""Segments held back in one direction."""

WAIT = 50_000_000
"""Nanoseconds of the flow's packet time after which what was acknowledged, and is absent, counts as lost.

Packets of a capture may stand 10 ms too early or too late, so 20 ms apart, and some more for what caused that.
"""

MAX_ABSENT = 4
"""Waits in vain after which nothing waits for a direction any more, until a segment of it is captured."""

NOTHING = -1 << 62
"""Position to wait for where a segment need not wait."""
UNSEEN = 1 << 62
"""The same where the other direction was not seen yet."""

Held = tuple[int, bytes, int, int, int, int]
"""A segment that waits: position, bytes, the size that it claimed, acknowledgement number, time, packet number."""


class Stream:
    """Reassembly state of one direction.

    ``expected`` is the position of the next byte, if it is ``known``: in a capture that begins within the connection
    only once the first segments had time to arrive. Bytes from ``floor`` on, up to ``expected``, are reported as
    missing because of an acknowledgement alone: if they come after all, they are still delivered.
    """

    def __init__(self, expected: int, known: bool) -> None:
        self.expected = expected
        self.floor = expected
        self.lost_at = 0
        """The other direction's ``expected`` when bytes of this one were reported as missing last."""
        self.known = known
        self.held: list[Held] | None = None
        self.size = 0
        self.acknowledged: list[tuple[int, int]] | None = None
        """While segments are held: acknowledged positions beyond ``expected``, with times; both ascend."""
        self.absent = 0


class Streams:
    """Delivers in-order bytes and gaps to ``listener``, and counts the bytes that are held."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.total = 0

    def segment(
        self, flow: Flow, from_src: bool, start: int, data: bytes, claimed: int, ack: int, ts: int, number: int
    ) -> None:
        """Take a segment whose first byte has position ``start``; it claimed more bytes than ``data`` if it was cut.

        ``ack`` is its acknowledgement number, or `NO_ACK`.
        """
        if flow.src_stream is None:
            flow.src_stream, flow.dst_stream = first_stream(flow, True), first_stream(flow, False)
        stream: Stream = flow.src_stream if from_src else flow.dst_stream
        other: Stream = flow.dst_stream if from_src else flow.src_stream
        if not stream.known or start > stream.expected or awaited(flow, other, not from_src, ack) > other.expected:
            self.hold(flow, stream, from_src, (start, data, claimed, ack, ts, number))
            return
        if start < stream.expected and not self.reopens(flow, stream, from_src, start, start + claimed):
            return
        self.deliver(flow, stream, from_src, start, data, claimed, ts, number)
        if flow.waiting or not flow.wants:
            self.advance(flow)

    def deliver(
        self, flow: Flow, stream: Stream, from_src: bool, start: int, data: bytes, claimed: int, ts: int, number: int
    ) -> None:
        """Deliver the new bytes of a segment that reaches the expected position."""
        end = start + claimed
        have = start + len(data)
        if start < stream.expected:
            data = data[stream.expected - start :]
        if data:
            stream.expected = have
            stream.expected += self.listener.stream(flow, from_src, data, ts, number)
        if stream.expected < end and flow.wants:  # cut by the snap length: the rest was never captured
            self.listener.gap(flow, from_src, end - stream.expected, ts, number)
            stream.expected = end
        stream.floor = stream.expected
        stream.absent = 0

    def hold(self, flow: Flow, stream: Stream, from_src: bool, segment: Held) -> None:
        """Hold a segment that has to wait; give up what it waits for when too much is held."""
        start, data, claimed, ack, _, _ = segment
        if stream.known and start + claimed <= stream.floor:
            return
        if stream.held is None:
            stream.held = []
        held = stream.held
        at = len(held)
        while at > 0 and held[at - 1][0] > start:
            at -= 1
        if at > 0 and held[at - 1][0] == start and len(held[at - 1][1]) >= len(data):
            before = held[at - 1]
            if ack != NO_ACK and (before[3] == NO_ACK or wrap(ack - before[3]) >= 0):
                return
            # Sent again later, captured first: the first time that it was sent is the one that counts.
            held[at - 1] = (start, before[1], before[2], ack, segment[4], segment[5])
            self.advance(flow)
            return
        held.insert(at, segment)
        stream.size += len(data)
        self.total += len(data)
        flow.waiting = 1
        for _ in range(4 * MAX_SEGMENTS):
            if not stream.held or not flow.wants:
                break
            if stream.size <= MAX_HELD and len(stream.held) <= MAX_SEGMENTS and self.total <= MAX_HELD_TOTAL:
                break
            self.give_up(flow, stream, from_src)

    def acknowledge(self, flow: Flow, from_src: bool, ack: int, ts: int) -> None:
        """While segments wait: the receiver has everything of a direction up to ``ack``."""
        stream: Stream | None = flow.src_stream if from_src else flow.dst_stream
        if stream is None or not stream.held or not stream.known:
            return
        position = awaited(flow, stream, from_src, ack)
        if position <= stream.expected or position == UNSEEN:
            return
        if stream.acknowledged is None:
            stream.acknowledged = []
        passed = stream.acknowledged
        if not passed or passed[len(passed) - 1][0] < position:
            if len(passed) >= MAX_SEGMENTS:
                passed.pop()
            passed.append((position, ts))

    def control(self, flow: Flow, from_src: bool, flags: int, ack: int, ts: int) -> None:
        """Take what a segment of a direction shows apart from its bytes: where both begin or end, and the time."""
        if flags & SYN:
            stream: Stream | None = flow.src_stream if from_src else flow.dst_stream
            if stream is not None and not stream.known:  # captured after data of its direction
                begun = first_stream(flow, from_src)
                stream.expected, stream.floor, stream.known = begun.expected, begun.floor, begun.known
        if not flow.waiting:
            return
        if flags & FIN_SYN_RST:
            self.advance(flow)
        if flow.waiting and ack != NO_ACK:
            self.acknowledge(flow, not from_src, ack, ts)
        if flow.waiting:
            self.expire(flow, ts)

    def expire(self, flow: Flow, ts: int) -> None:
        """Give up what segments have waited for too long, at packet time ``ts``."""
        for _ in range(8 * MAX_SEGMENTS):
            src: Stream = flow.src_stream
            dst: Stream = flow.dst_stream
            if src.held and overdue(flow, src, True, ts):
                self.give_up(flow, src, True)
            elif dst.held and overdue(flow, dst, False, ts):
                self.give_up(flow, dst, False)
            else:
                break
            if not flow.waiting:
                break

    def advance(self, flow: Flow) -> None:
        """Deliver all held segments that need not wait any more; of two the one that was sent first."""
        while flow.wants:
            src, dst = ready(flow, flow.src_stream, True), ready(flow, flow.dst_stream, False)
            if src and dst:
                src = flow.src_stream.held[0][4] <= flow.dst_stream.held[0][4]
            if not src and not dst:
                break
            self.release(flow, src)
        if not flow.wants:
            self.forget(flow)
        else:
            flow.waiting = bool(flow.src_stream.held or flow.dst_stream.held)

    def release(self, flow: Flow, from_src: bool) -> None:
        """Deliver the first held segment of a direction."""
        stream: Stream = flow.src_stream if from_src else flow.dst_stream
        start, data, claimed, _, ts, number = self.remove(stream)
        if start >= stream.expected or self.reopens(flow, stream, from_src, start, start + claimed):
            self.deliver(flow, stream, from_src, start, data, claimed, ts, number)

    def reopens(self, flow: Flow, stream: Stream, from_src: bool, start: int, end: int) -> bool:
        """As `reopen`; if the other direction has gone on since the loss was reported, the listener gets to know."""
        expected = stream.expected
        if not reopen(stream, start, end):
            return False
        other: Stream = flow.dst_stream if from_src else flow.src_stream
        if stream.expected < expected and other.expected != stream.lost_at:
            self.listener.late(flow)
        return True

    def remove(self, stream: Stream) -> Held:
        """Take the first held segment of a direction."""
        first: Held = stream.held.pop(0)  # type: ignore[union-attr]
        stream.size -= len(first[1])
        self.total -= len(first[1])
        if not stream.held:
            stream.acknowledged = None
        return first

    def give_up(self, flow: Flow, stream: Stream, from_src: bool) -> None:
        """Stop waiting for what the first held segment of a direction waits for, or for a part of it."""
        held: list[Held] = stream.held  # type: ignore[assignment]
        start = held[0][0]
        if not stream.known:
            stream.expected = stream.floor = start
            stream.known = True
        elif start > stream.expected:
            if wild(flow, stream, from_src):
                self.remove(stream)
            else:
                self.lose(flow, stream, from_src, start, held[0])
                stream.floor = start
        else:
            self.give_up_other(flow, from_src, held[0])
        self.advance(flow)

    def give_up_other(self, flow: Flow, from_src: bool, first: Held) -> None:
        """Stop waiting for bytes of the other direction that ``first`` acknowledges."""
        other: Stream = flow.dst_stream if from_src else flow.src_stream
        if not other.known:
            if other.held:
                other.expected = other.floor = other.held[0][0]
                other.known = True
            else:
                other.absent = MAX_ABSENT
            return
        position = awaited(flow, other, not from_src, first[3])
        if not other.held or other.held[0][0] >= position:
            other.absent += 1
            self.lose(flow, other, not from_src, position, first)
        elif other.held[0][0] > other.expected:
            self.lose(flow, other, not from_src, other.held[0][0], first)
            other.floor = other.expected
        else:  # each acknowledges the other, as sent again
            self.release(flow, from_src == (first[4] <= other.held[0][4]))

    def lose(self, flow: Flow, stream: Stream, from_src: bool, position: int, proof: Held) -> None:
        """Report the bytes up to ``position`` as missing; ``proof`` is what shows that they were sent."""
        size = position - stream.expected
        if size <= 0:
            return
        other: Stream = flow.dst_stream if from_src else flow.src_stream
        stream.lost_at = other.expected
        stream.expected = position
        if size > 1 or stream.held:  # a single number at the end may be a FIN's
            self.listener.gap(flow, from_src, size, proof[4], proof[5])

    def finish(self, flow: Flow) -> None:
        """The flow ended: deliver the segments that are still held."""
        if flow.waiting:
            self.advance(flow)
        for _ in range(8 * MAX_SEGMENTS):
            src, dst = flow.src_stream, flow.dst_stream
            if not flow.wants or src is None or not (src.held or dst.held):
                break
            from_src = not dst.held or bool(src.held and src.held[0][4] <= dst.held[0][4])
            self.give_up(flow, src if from_src else dst, from_src)
        self.forget(flow)

    def forget(self, flow: Flow) -> None:
        """Drop the held segments of a flow."""
        for stream in (flow.src_stream, flow.dst_stream):
            if stream is not None:
                self.total -= stream.size
                stream.held = None
                stream.size = 0
        flow.src_stream = None
        flow.dst_stream = None
        flow.waiting = 0


def first_stream(flow: Flow, from_src: bool) -> Stream:
    """Stream of a direction, which begins after its SYN where that was seen."""
    me = half(flow, from_src)
    if me.marks & MARK_ISN:
        return Stream(me.position + wrap(me.isn + 1 - me.next_seq), True)
    return Stream(0, False)


def awaited(flow: Flow, stream: Stream, from_src: bool, ack: int) -> int:
    """Position up to which a direction has to be delivered before a segment that acknowledges ``ack`` of it."""
    if ack == NO_ACK:
        return NOTHING
    if not stream.known:
        return NOTHING if stream.absent else UNSEEN
    sender = half(flow, from_src)
    position = sender.position + wrap(ack - sender.next_seq)
    if sender.fin and ack == sender.fin_end:
        position -= 1
    if position > sender.position + MAX_JUMP:
        return NOTHING
    return position


def reopen(stream: Stream, start: int, end: int) -> bool:
    """Whether a segment before the expected position has new bytes; those that had counted as missing are expected."""
    if end > stream.floor and stream.floor < stream.expected:
        stream.expected = start if start > stream.floor else stream.floor
    return end > stream.expected


def ready(flow: Flow, stream: Stream, from_src: bool) -> bool:
    """Whether the first held segment of a direction need not wait."""
    if not stream.held or not stream.known:
        return False
    first = stream.held[0]
    if first[0] > stream.expected:
        return False
    other: Stream = flow.dst_stream if from_src else flow.src_stream
    return awaited(flow, other, not from_src, first[3]) <= other.expected


def overdue(flow: Flow, stream: Stream, from_src: bool, ts: int) -> bool:
    """Whether the first held segment of a direction, which has to wait, did so for too long."""
    first: Held = stream.held[0]  # type: ignore[index]
    since = first[4]
    if stream.known and first[0] > stream.expected:
        since = confirmed(flow, stream, from_src, first)
        return since >= 0 and ts - since > WAIT
    other: Stream = flow.dst_stream if from_src else flow.src_stream
    if stream.known and not other.known and other.held:
        since = other.held[0][4]  # the other direction's beginning is decided first
    return ts - since > WAIT or (stream.known and other.absent >= MAX_ABSENT)


def confirmed(flow: Flow, stream: Stream, from_src: bool, first: Held) -> int:
    """Time since when it is known that the receiver has everything before the first held segment, or -1."""
    passed = stream.acknowledged
    while passed and passed[0][0] <= stream.expected:
        passed.pop(0)
    for position, seen in passed or ():
        if position >= first[0]:
            return seen
    receiver = half(flow, not from_src)
    if receiver.has_ack and first[0] <= awaited(flow, stream, from_src, receiver.highest_ack):
        return first[4]  # acknowledged before it was captured
    return -1


def wild(flow: Flow, stream: Stream, from_src: bool) -> bool:
    """Whether the first held segment of a direction has a number that nothing else confirms."""
    held: list[Held] = stream.held  # type: ignore[assignment]
    start, _, claimed, _, _, _ = held[0]
    if start - stream.expected <= MAX_JUMP or (len(held) > 1 and held[1][0] <= start + claimed):
        return False
    return confirmed(flow, stream, from_src, held[0]) < 0
