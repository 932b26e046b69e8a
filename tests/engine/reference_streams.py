"""Causal delivery as a slow and obvious reader: pieces wait in a list, and every question is asked of all of them.

A piece waits for the bytes before it in its own direction, and for the bytes of the other direction that it
acknowledges. It waits until a packet of the conversation is more than `PATIENCE` later than the piece (for a hole of
its own direction: than the first acknowledgement of that hole). Then what is absent is a gap.
"""

from dataclasses import dataclass, field

FAR = 1 << 20
PATIENCE = 50_000_000
VAIN = 4
"""Gaps of a direction in a row, without a piece between them, after which nothing waits for it."""


@dataclass
class Piece:
    """Payload of one packet, with absolute sequence numbers."""

    at: int
    payload: bytes
    ack: int | None
    """Acknowledgement number as it was sent."""
    ts: int

    @property
    def end(self) -> int:
        return self.at + len(self.payload)


@dataclass
class Line:
    """One direction."""

    next: int = 0
    """Absolute sequence number of the next byte, if it is known."""
    known: bool = False
    """Whether the beginning was seen, or waited for."""
    solid: int = 0
    """What lies between this and `next` was only reported as missing because it was acknowledged."""
    waiting: list[Piece] = field(default_factory=list)
    acks: list[tuple[int, int]] = field(default_factory=list)
    """(absolute number, time) of acknowledgements since a piece waits."""
    vain: int = 0
    unseen: bool = False
    """Its beginning was waited for, and did not come."""
    last: int = 0
    """Absolute number behind the highest that was sent."""
    fin: int | None = None
    highest: int | None = None
    """Highest number that the receiver acknowledged, as it was sent."""
    out: list[bytes | int] = field(default_factory=list)

    def begin(self, at: int) -> None:
        self.next = self.solid = at
        self.known = True

    def needed(self, ack: int) -> int:
        """Absolute number up to which this must be delivered before a piece with this acknowledgement."""
        if ack == self.fin:
            ack -= 1
        ahead = (ack - self.last) % 2**32
        ahead -= 2**32 if ahead >= 2**31 else 0
        return self.last + ahead if ahead <= FAR else self.solid

    def shift(self, by: int) -> None:
        """Its numbers go on elsewhere, without a loss."""
        self.solid += by
        self.next += by
        self.acks = [(number + by, ts) for number, ts in self.acks]
        for piece in self.waiting:
            piece.at += by


class Reader:
    """Both directions of a conversation."""

    def __init__(self) -> None:
        self.lines = {"src": Line(), "dst": Line()}

    def other(self, who: str) -> Line:
        return self.lines["dst" if who == "src" else "src"]

    def blocked(self, who: str, piece: Piece) -> bool:
        """Whether a piece must wait for the other direction."""
        line = self.other(who)
        if piece.ack is None:
            return False
        if not line.known:
            return not line.unseen
        return line.needed(piece.ack) > line.next

    def take(self, who: str, piece: Piece) -> None:
        """A packet with payload."""
        line = self.lines[who]
        if line.known and piece.at <= line.next and not self.blocked(who, piece):
            self.deliver(line, piece)
        elif not line.known or piece.end > line.solid:
            self.wait(line, piece)
        self.settle()

    def wait(self, line: Line, piece: Piece) -> None:
        """Put a piece in its place: of two with the same beginning the first captured counts, unless it is shorter."""
        before = [p for p in line.waiting if p.at <= piece.at]
        if before and before[-1].at == piece.at and len(before[-1].payload) >= len(piece.payload):
            twin = before[-1]
            if piece.ack is None or (twin.ack is not None and 0 < (twin.ack - piece.ack) % 2**32 < 2**31 + 1):
                twin.ack, twin.ts = piece.ack, piece.ts
            return
        line.waiting.insert(len(before), piece)

    def deliver(self, line: Line, piece: Piece) -> None:
        """Deliver what is new of a piece, or was only thought missing."""
        if line.solid < line.next and piece.end > line.solid:
            line.next = min(line.next, max(piece.at, line.solid))
        if piece.end > line.next:
            line.out.append(piece.payload[line.next - piece.at :])
            line.next = line.solid = piece.end
            line.vain = 0
            line.unseen = False

    def settle(self) -> None:
        """Deliver all that need not wait, in the order in which it was sent."""
        while True:
            able = [
                (line.waiting[0].ts, who == "dst", who)
                for who, line in self.lines.items()
                if line.waiting and line.known and line.waiting[0].at <= line.next
                if not self.blocked(who, line.waiting[0])
            ]
            if not able:
                break
            self.release(self.lines[min(able)[2]])

    def release(self, line: Line) -> None:
        self.deliver(line, line.waiting.pop(0))
        if not line.waiting:
            line.acks.clear()

    def acknowledged(self, line: Line, ack: int, ts: int) -> None:
        """A packet of the other direction acknowledges ``ack``."""
        if line.waiting and line.known and line.needed(ack) > line.next:
            line.acks.append((line.needed(ack), ts))

    def late(self, who: str, ts: int) -> bool:
        """Whether the first piece of a direction has waited for too long."""
        line, other = self.lines[who], self.other(who)
        if not line.waiting:
            return False
        first = line.waiting[0]
        if line.known and first.at > line.next:
            proofs = [seen for ack, seen in line.acks if ack >= first.at and ack > line.next]
            if not proofs and line.highest is not None and line.needed(line.highest) >= first.at:
                proofs = [first.ts]
            return bool(proofs) and ts - proofs[0] > PATIENCE
        since = first.ts
        if line.known and not other.known and other.waiting:
            since = other.waiting[0].ts
        return ts - since > PATIENCE or (line.known and (other.vain >= VAIN or other.unseen))

    def clock(self, ts: int) -> None:
        """A packet with this time was seen."""
        while late := [who for who in self.lines if self.late(who, ts)]:
            self.give_up(late[0])

    def give_up(self, who: str) -> None:
        """What the first piece waits for will not come."""
        line, other = self.lines[who], self.other(who)
        first = line.waiting[0]
        if not line.known:
            line.begin(first.at)
        elif first.at > line.next:
            line.out.append(first.at - line.next)
            line.begin(first.at)
        elif not other.known:
            if other.waiting:
                other.begin(other.waiting[0].at)
            else:
                other.unseen = True
        else:
            self.give_up_other(line, other, first)
        self.settle()

    def give_up_other(self, line: Line, other: Line, first: Piece) -> None:
        """The other direction's bytes that a piece acknowledges will not come."""
        assert first.ack is not None
        upto = other.needed(first.ack)
        if not other.waiting or other.waiting[0].at >= upto:
            size = upto - other.next
            other.vain += 1
            other.next = upto
            if size > 1 or other.waiting:
                other.out.append(size)
        elif other.waiting[0].at > other.next:
            other.out.append(other.waiting[0].at - other.next)
            other.begin(other.waiting[0].at)
        else:
            src_first = self.lines["src"].waiting[0].ts <= self.lines["dst"].waiting[0].ts
            same = self.lines["src"].waiting[0].ts == self.lines["dst"].waiting[0].ts
            self.release(line if same else self.lines["src" if src_first else "dst"])

    def finish(self) -> None:
        """The conversation is over."""
        self.settle()
        while any(line.waiting for line in self.lines.values()):
            firsts = [(line.waiting[0].ts, who == "dst", who) for who, line in self.lines.items() if line.waiting]
            self.give_up(min(firsts)[2])
