"""Bounded in-order reassembly of TCP streams for the parsers.

Positions are 64-bit and count from the first sequence number seen in a direction, so that wrap-around of the
32-bit numbers ends in `rustnet.engine.tcp` and is no matter here.
"""

import cython

from rustnet.engine.flow import Flow
from rustnet.engine.listener import Listener

if not cython.compiled:  # compiled, it comes from the .pxd as a C function
    from rustnet.engine.flow import half
    from rustnet.engine.numbers import MARK_ISN

MAX_HELD = 256 << 10
"""Bytes held back in one direction while an earlier segment is missing; beyond it the hole counts as lost."""

MAX_HELD_TOTAL = 64 << 20
"""The same over all flows."""

MAX_SEGMENTS = 256
"""Segments held back in one direction."""


class Stream:
    """One direction's place in its stream, and the segments that wait for earlier ones."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.held: list[tuple[int, bytes, int]] = []
        self.size = 0


class Streams:
    """Hands in-order bytes, and what is missing among them, to ``listener`` and keeps account of what is held back."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.total = 0

    def segment(self, flow: Flow, from_src: bool, start: int, data: bytes, claimed: int, ts: int, number: int) -> None:
        """Take a segment whose first byte has position ``start``; it claimed more bytes than ``data`` if it was cut."""
        stream: Stream | None = flow.src_stream if from_src else flow.dst_stream
        if stream is None:
            # Where the SYN was seen first, the stream begins behind it: a segment that comes early has to wait.
            stream = Stream(1 if half(flow, from_src).marks & MARK_ISN else start)
            if from_src:
                flow.src_stream = stream
            else:
                flow.dst_stream = stream
        if start + claimed <= stream.expected:
            return
        if start > stream.expected:
            self.hold(flow, stream, from_src, start, data, claimed, ts, number)
            return
        self.deliver(flow, stream, from_src, start, data, claimed, ts, number)
        if stream.held and flow.wants:
            self.drain(flow, stream, from_src, ts, number)
        if not flow.wants:
            self.forget(flow)

    def deliver(
        self, flow: Flow, stream: Stream, from_src: bool, start: int, data: bytes, claimed: int, ts: int, number: int
    ) -> None:
        """Hand on what is new of a segment that touches the expected position."""
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

    def hold(
        self, flow: Flow, stream: Stream, from_src: bool, start: int, data: bytes, claimed: int, ts: int, number: int
    ) -> None:
        """Keep a segment that came early; give the hole up when too much waits."""
        held = stream.held
        at = len(held)
        while at > 0 and held[at - 1][0] > start:
            at -= 1
        if at > 0 and held[at - 1][0] == start and len(held[at - 1][1]) >= len(data):
            return
        held.insert(at, (start, data, claimed))
        stream.size += len(data)
        self.total += len(data)
        for _ in range(MAX_SEGMENTS + 1):
            if not stream.held or not flow.wants:
                break
            if stream.size <= MAX_HELD and len(stream.held) <= MAX_SEGMENTS and self.total <= MAX_HELD_TOTAL:
                break
            self.give_up(flow, stream, from_src, ts, number)

    def drain(self, flow: Flow, stream: Stream, from_src: bool, ts: int, number: int) -> None:
        """Hand on the held segments that are next in line."""
        held = stream.held
        while held and held[0][0] <= stream.expected and flow.wants:
            start, data, claimed = held.pop(0)
            stream.size -= len(data)
            self.total -= len(data)
            if start + claimed > stream.expected:
                self.deliver(flow, stream, from_src, start, data, claimed, ts, number)

    def give_up(self, flow: Flow, stream: Stream, from_src: bool, ts: int, number: int) -> None:
        """Report the hole before the first held segment as missing, and go on behind it."""
        start = stream.held[0][0]
        if start > stream.expected:
            self.listener.gap(flow, from_src, start - stream.expected, ts, number)
            stream.expected = start
        self.drain(flow, stream, from_src, ts, number)
        if not flow.wants:
            self.forget(flow)

    def acknowledged(self, flow: Flow, from_src: bool, position: int, ts: int, number: int) -> None:
        """The receiver has everything up to ``position`` of a direction: holes below it will never be seen filled."""
        stream: Stream = flow.src_stream if from_src else flow.dst_stream
        for _ in range(MAX_SEGMENTS):
            if not stream.held or not flow.wants or position < stream.held[0][0]:
                return
            self.give_up(flow, stream, from_src, ts, number)

    def finish(self, flow: Flow, ts: int, number: int) -> None:
        """The flow ended: hand on what still waits behind holes."""
        for from_src in (True, False):
            stream: Stream | None = flow.src_stream if from_src else flow.dst_stream
            if stream is not None:
                for _ in range(MAX_SEGMENTS + 1):
                    if not stream.held or not flow.wants:
                        break
                    self.give_up(flow, stream, from_src, ts, number)
        self.forget(flow)

    def forget(self, flow: Flow) -> None:
        """Drop what is held of a flow."""
        for stream in (flow.src_stream, flow.dst_stream):
            if stream is not None:
                self.total -= stream.size
                stream.held = []
                stream.size = 0
        flow.src_stream = None
        flow.dst_stream = None
