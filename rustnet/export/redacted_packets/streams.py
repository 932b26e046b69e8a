"""TCP connections, put together from their packets so that messages in several segments can be rewritten.

The capture is read twice: first every segment is given to `Streams.add`, then `Streams.finish` is called, then
`Streams.segment` answers for every segment, in the same order, what is kept of it. Of bytes that were sent twice the
first are taken, so that a retransmission with another content shows nothing of it.
"""

from bisect import bisect_right
from collections.abc import Callable
from operator import attrgetter

from rustnet.export.redacted_packets.payload import STREAM_BYTES, Interval, PayloadContext, StreamRewriter

PENDING_BYTES = 256 << 20
"""Collected bytes of connections that are not rewritten yet; the oldest are rewritten early where there are more."""
KEPT_BYTES = 512 << 20
"""Kept bytes of all connections; of later ones nothing is kept."""
MAX_PIECES = 512
"""Parts of one direction that wait for the bytes between them; further ones are taken as not captured."""
FIN, SYN, RST = 1, 2, 4

_HALF, _WHOLE = 1 << 31, 1 << 32
_JUMP = 1 << 30
"""A segment this far from the one before it does not belong to the connection."""
_stop = attrgetter("stop")

Choose = Callable[[PayloadContext], StreamRewriter | None]
Payload = bytes | bytearray | memoryview


class _Direction:
    """One direction of a connection."""

    __slots__ = ("base", "context", "data", "ended", "from_start", "kept", "latest", "pieces", "spans")

    def __init__(self, context: PayloadContext, first: int, *, from_start: bool) -> None:
        self.context = context
        self.base = first
        """Sequence number of the first byte."""
        self.from_start = from_start
        self.latest = 0
        """Place of the latest segment; counted on where sequence numbers begin again."""
        self.data = bytearray()
        self.pieces: list[tuple[int, int]] = []
        """What of the data was captured, ascending and apart."""
        self.ended: int | None = None
        """Place of its FIN."""
        self.spans: list[Interval] = []
        self.kept: list[bytes] = []
        """What is kept, by span."""

    def place(self, sequence: int) -> int:
        """Place of a segment in the stream; negative before its first byte."""
        jump = (sequence - self.base - self.latest + _HALF) % _WHOLE - _HALF
        place = self.latest + jump
        if -_JUMP < jump < _JUMP:
            self.latest = place
        return place

    def insert(self, start: int, payload: Payload) -> None:
        """Take over what is not there yet."""
        stop = min(start + len(payload), STREAM_BYTES)
        if start < 0:
            payload, start = payload[-start:], 0
        if stop <= start:
            return
        pieces = self.pieces
        if pieces and pieces[-1][1] == start:  # as usual
            self._put(start, payload[: stop - start])
            pieces[-1] = (pieces[-1][0], stop)
        elif len(pieces) < MAX_PIECES:
            self._fill(start, stop, payload)

    def _put(self, start: int, payload: Payload) -> None:
        if len(self.data) < start:
            self.data.extend(bytes(start - len(self.data)))
        self.data[start : start + len(payload)] = payload

    def _fill(self, start: int, stop: int, payload: Payload) -> None:
        """Put a payload where nothing is yet."""
        at = start
        for begun, ended in [*self.pieces, (stop, stop)]:
            end = min(begun, stop)
            if at < end:
                self._put(at, payload[at - start : end - start])
            at = max(at, ended)
            if at >= stop:
                break
        merged: list[tuple[int, int]] = []
        for begun, ended in sorted([*self.pieces, (start, stop)]):
            if merged and begun <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], ended))
            else:
                merged.append((begun, ended))
        self.pieces = merged

    def begin_earlier(self, size: int) -> None:
        """Let the stream begin earlier, as its first packets were not captured in order."""
        self.base = (self.base - size) % _WHOLE
        self.latest += size
        if self.data:
            self.data[:0] = bytes(size)
            del self.data[STREAM_BYTES:]
        moved = [(start + size, min(stop + size, STREAM_BYTES)) for start, stop in self.pieces]
        self.pieces = [piece for piece in moved if piece[0] < piece[1]]
        if self.ended is not None:
            self.ended += size

    def is_complete(self) -> bool:
        """Whether all up to its FIN was captured, or all that is collected of it."""
        if self.ended is None:
            return False
        wanted = min(self.ended, STREAM_BYTES)
        return wanted <= 0 or (self.pieces[:1] == [(0, len(self.data))] and len(self.data) >= wanted)

    def rewrite(self, choose: Choose) -> int:
        """Rewrite what was collected and forget the original; return the number of kept bytes."""
        holes, at = [], 0
        for start, stop in self.pieces:
            if start > at:
                holes.append(Interval(at, start))
            at = stop
        data = self.data
        self.data, self.pieces, self.latest = bytearray(), [], 0
        self.context.from_start = self.from_start
        rewriter = choose(self.context)
        if rewriter is None or not data:
            return 0
        self.spans = rewriter(data, holes, self.context)
        self.kept = [bytes(data[start:stop]) for start, stop in self.spans]
        return sum(map(len, self.kept))

    def answer(self, start: int, payload: bytearray) -> int:
        """Replace a segment by what is kept of it; return how many bytes from its start."""
        size = len(payload)
        payload[:] = bytes(size)
        kept = 0
        for at in range(bisect_right(self.spans, start, key=_stop), len(self.spans)):
            begin, stop = self.spans[at]
            if begin >= start + size:
                break
            first, last = max(begin, start), min(stop, start + size)
            payload[first - start : last - start] = self.kept[at][first - begin : last - begin]
            kept = last - start
        return kept


class Streams:
    """All connections of a capture; ``choose`` gives the rewriter of a direction."""

    def __init__(self, choose: Choose, pending: int = PENDING_BYTES, kept: int = KEPT_BYTES) -> None:
        self._choose = choose
        self._most_pending = pending
        self._room = kept
        self._flows: dict[int, dict[bool, _Direction]] = {}
        """By flow and whether the client sends."""
        self._open: dict[int, None] = {}
        """Flows that are not rewritten yet, in the order in which they began."""
        self._pending = 0
        self.early = 0
        """Connections that were rewritten before their end, as there were too many at the same time."""
        self.without_room = 0
        """Directions of which nothing is kept, as too much is kept of others."""

    def add(self, flow: int, context: PayloadContext, sequence: int, flags: int, payload: Payload) -> None:
        """Collect what was captured of a segment; sequence number and flags are those of its header.

        The context has the direction of the segment; the first one of each direction is kept for its rewriter.
        """
        sides = self._flows.get(flow)
        if sides is None:
            if self._choose(context) is None:
                return
            sides = self._flows[flow] = {}
            self._open[flow] = None
        if flow not in self._open:
            return
        if flags & SYN:
            sequence = (sequence + 1) % _WHOLE
        side = sides.get(context.from_client)
        if side is None:
            if not payload and not flags & SYN:
                return
            for other in sides.values():
                context.memory = other.context.memory
            side = sides[context.from_client] = _Direction(context, sequence, from_start=bool(flags & SYN))
        start = side.place(sequence)
        before = len(side.data)
        if -STREAM_BYTES < start <= 0 and not side.from_start:
            side.begin_earlier(-start)
            side.from_start = bool(flags & SYN)
            start = 0
        if payload:
            side.insert(start, payload)
        if flags & FIN and side.ended is None:
            side.ended = start + len(payload)
        self._pending += len(side.data) - before
        if flags & RST or ((flags & FIN or side.ended is not None) and _are_complete(sides)):
            self._rewrite(flow)
        while self._pending > self._most_pending:
            self.early += 1
            self._rewrite(next(iter(self._open)))

    def _rewrite(self, flow: int) -> None:
        """Rewrite both directions, the client's first."""
        del self._open[flow]
        for _of, side in sorted(self._flows[flow].items(), reverse=True):
            self._pending -= len(side.data)
            kept = side.rewrite(self._choose)
            if kept > self._room:
                self.without_room += 1
                side.spans, side.kept = [], []
            else:
                self._room -= kept

    def finish(self) -> None:
        """Rewrite what is not yet rewritten: all segments were added."""
        while self._open:
            self._rewrite(next(iter(self._open)))

    def segment(self, flow: int, *, from_client: bool, sequence: int, flags: int, payload: bytearray) -> int:
        """Replace the captured payload of a segment in place; return how many bytes from its start are kept."""
        side = self._flows.get(flow, {}).get(from_client)
        if side is None:
            payload[:] = bytes(len(payload))
            return 0
        if flags & SYN:
            sequence = (sequence + 1) % _WHOLE
        return side.answer(side.place(sequence), payload)


def _are_complete(sides: dict[bool, _Direction]) -> bool:
    return len(sides) == 2 and all(side.is_complete() for side in sides.values())
