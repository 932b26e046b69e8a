"""Conversations as a capture at one place sees them, and what may happen to the order of their packets."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rustnet.engine.flow import Flow
from tests.engine.tracking import Listener
from tests.support.packets import ACK, FIN, PSH, SECOND, START, SYN, Captured, tcp_frame

CLIENTS = (("10.0.0.1", 40_000), ("2001:db8::1", 40_000))
SERVERS = (("10.0.0.2", 80), ("2001:db8::2", 25))
ISNS = ((1_000, 5_000), (0xFFFF_FFF0, 0x7FFF_FFF0), (0xFFFF_FFFF, 0xFFFF_FC00))
SHIFT = 10_000_000
"""A packet stands at most this much earlier or later than it was seen."""

Event = tuple[bool, bytes | int]
"""Whether ``src`` sent it; bytes, or the size of a gap."""


@dataclass(frozen=True)
class Segment:
    """One packet of a conversation, before it is a frame."""

    ts: int
    client: bool
    seq: int
    ack: int
    flags: int
    payload: bytes = b""


@dataclass(frozen=True)
class Kind:
    """What a conversation is like."""

    server_first: bool = False
    """The server greets, as SMTP's does."""
    opening: bool = True
    closing: bool = True
    version: int = 4
    exchanges: int = 6


def conversation(seed: int, kind: Kind) -> list[Segment]:
    """Requests and responses of one to four segments, each acknowledging all that was captured before it."""
    chance = random.Random(seed)
    numbers = list(chance.choice(ISNS))
    now = START
    made: list[Segment] = []

    def send(client: bool, flags: int, payload: bytes = b"") -> None:
        nonlocal now
        me, peer = (0, 1) if client else (1, 0)
        ack = numbers[peer] if flags & ACK else 0
        made.append(Segment(now, client, numbers[me] & 0xFFFF_FFFF, ack & 0xFFFF_FFFF, flags, payload))
        numbers[me] += len(payload) + bool(flags & SYN) + bool(flags & FIN)
        now += chance.choice((10_000, 200_000, 1_000_000, 4_000_000, 4_000_000, 120_000_000, 2 * SECOND))

    for client, flags in ((True, SYN), (False, SYN | ACK), (True, ACK)):
        send(client, flags)
    if not kind.opening:
        made.clear()
    for turn in range(kind.exchanges * 2):
        client = bool(turn % 2) == kind.server_first
        for part in range(chance.randint(1, 4)):
            send(client, ACK | PSH, b"%s %d.%d;" % (b"ask" if client else b"answer", turn, part))
            if chance.random() < 0.3:
                send(not client, ACK)
    if kind.closing:
        for client, flags in ((True, FIN | ACK), (False, FIN | ACK), (True, ACK)):
            send(client, flags)
    return made


def frames(segments: Sequence[Segment], version: int = 4) -> list[Captured]:
    """The capture of segments in their order."""
    client, server = CLIENTS[version == 6], SERVERS[version == 6]
    made = []
    for s in segments:
        src, dst = (client, server) if s.client else (server, client)
        made.append(Captured(s.ts, tcp_frame(src, dst, s.seq, s.ack, s.flags, s.payload)))
    return made


def disordered(segments: Sequence[Segment], seed: int, restamped: bool) -> list[Segment]:
    """The same, each up to `SHIFT` too early or too late; times go with the packets, or with the places."""
    chance = random.Random(seed)
    moved = sorted(segments, key=lambda s: s.ts + chance.randint(-SHIFT, SHIFT))
    if not restamped:
        return moved
    return [replace(s, ts=ts) for s, ts in zip(moved, sorted(s.ts for s in segments), strict=True)]


class Events(Listener):
    """A listener that also keeps the order of both directions' events."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[int, list[Event]] = {}
        self.times: dict[bytes, tuple[int, int]] = {}
        """Of the first byte of each chunk: time and packet number."""

    def stream(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> int:
        self.events.setdefault(flow.flow_id, []).append((bool(from_src), data))
        self.times[data] = (ts, number)
        return super().stream(flow, from_src, data, ts, number)

    def gap(self, flow: Flow, from_src: bool, size: int, ts: int, number: int) -> None:
        self.events.setdefault(flow.flow_id, []).append((bool(from_src), size))
        super().gap(flow, from_src, size, ts, number)
