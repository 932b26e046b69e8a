"""Simulated TCP transfers over a bottleneck whose rate, queue, bucket and delay are known, as captured at either end.

The sender has slow start, CUBIC's window (RFC 9438), selective acknowledgement and a retransmission timeout; the
receiver acknowledges every second segment. Frames have headers only, as with a short snap length.
"""

import heapq
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.packets import (
    ACK,
    FIN,
    PSH,
    SECOND,
    START,
    SYN,
    TYPE_IPV4,
    TYPE_IPV6,
    Captured,
    End,
    ethernet,
    ip,
)

MSS = 1_448
HEADERS = 66
"""Bytes of a segment beyond its payload, on the wire."""


@dataclass(frozen=True)
class Path:
    """A path: one bottleneck in the direction of the data, and delay."""

    rate: float = 10e6
    """Bits per second that the bottleneck lets pass in the long run."""
    delay: float = 0.02
    """Round-trip time of an idle path, in seconds."""
    queue: float = 0.0
    """Seconds of traffic at ``rate`` that wait before the bottleneck drops; 0: it polices, nothing waits."""
    burst: int = 0
    """Bytes of the token bucket beyond one packet: they pass at ``line``."""
    line: float = 1e9
    loss: float = 0.0
    """Share of segments that get lost by chance."""
    jitter: float = 0.0001


@dataclass(frozen=True)
class Sender:
    """What is sent, and how."""

    seconds: float = 6.0
    """How long the application has something to send."""
    pace: float = 0.0
    """Bits per second at which it writes; 0: as fast as possible."""
    window: int = 1 << 30
    """Receive window in bytes."""
    chunk: int = 0
    """Bytes that it writes at once when paced."""


@dataclass
class _Bottleneck:
    path: Path
    tokens: float = 0
    at: float = 0
    free: float = 0

    def __post_init__(self) -> None:
        self.tokens = self.depth = self.path.burst + 2 * (MSS + HEADERS)

    def departs(self, now: float, size: int) -> float | None:
        """When a packet that arrives now has passed, or None if it is dropped."""
        path = self.path
        fill = path.rate / 8
        if path.queue == 0:
            self.tokens = min(self.depth, self.tokens + (now - self.at) * fill)
            self.at = now
            if self.tokens < size:
                return None
            self.tokens -= size
            self.free = max(now, self.free) + size * 8 / path.line
            return self.free
        start = max(now, self.free)
        tokens = min(self.depth, self.tokens + (start - self.at) * fill)
        ready = start + max(0.0, size - tokens) / fill
        if ready - now > path.queue:
            return None
        self.tokens = min(self.depth, tokens + (ready - start) * fill) - size
        self.at = ready
        self.free = ready + size * 8 / path.line
        return self.free


@dataclass
class Transfer:
    """One transfer from ``server`` to ``client``, or the other way round where ``upload``."""

    path: Path
    sender: Sender = Sender()
    upload: bool = False
    at_sender: bool = True
    """Place of capture: where the sender is, or the receiver."""
    version: int = 4
    stamps: bool = True
    """Segments carry timestamps (RFC 7323)."""
    port: int = 40_000
    begins: float = 0.0
    seed: int = 1
    packets: list[Captured] = field(default_factory=list)
    retransmitted: int = 0
    waits: list[tuple[float, float]] = field(default_factory=list)
    """When each segment came to the bottleneck, and how many seconds it waited there."""

    def run(self) -> list[Captured]:
        """Simulate, and return the captured packets in order."""
        _Simulation(self).run()
        self.packets.sort(key=lambda packet: packet.ts)
        return self.packets

    @property
    def ends(self) -> tuple[End, End]:
        """Client and server."""
        if self.version == 6:
            return ("2001:db8::10", self.port), ("2001:db8:1::20", 443)
        return ("192.168.1.10", self.port), ("198.51.100.20", 443)


class _Simulation:
    """The events of a transfer."""

    def __init__(self, transfer: Transfer) -> None:
        self.t = transfer
        self.path, self.app = transfer.path, transfer.sender
        self.bottleneck = _Bottleneck(transfer.path)
        self.random = random.Random(transfer.seed)
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.order = 0
        client, server = transfer.ends
        self.source, self.sink = (client, server) if transfer.upload else (server, client)
        self.cwnd, self.ssthresh = 10.0, 1e9
        self.w_max, self.epoch = 0.0, -1.0
        self.next_new = 0
        """Index of the next segment that was never sent."""
        self.sent: dict[int, tuple[int, float]] = {}
        """Segments in flight: order of transmission, and when."""
        self.transmissions = 0
        self.newest = 0
        self.lost: list[int] = []
        self.recover = -1
        self.cumulative = 0
        self.got: set[int] = set()
        self.expected = 0
        self.unacknowledged = 0
        self.recent = 0
        self.echo_to_source = 0
        self.progress = 0.0
        self.end = transfer.begins + self.app.seconds
        self.last_arrival = 0.0
        self.pending: list[tuple[int, int]] = []
        self.began = 0.0
        self.finished = False

    def at(self, when: float, what: Callable[[float], None]) -> None:
        self.order += 1
        heapq.heappush(self.events, (when, self.order, what))

    def run(self) -> None:
        self.handshake()
        while self.events and not self.finished:
            now, _, what = heapq.heappop(self.events)
            what(now)

    # ---- packets ----

    def capture(self, when: float, from_source: bool, seq: int, ack: int, flags: int, size: int, echo: int) -> None:
        """Write a packet that passes the place of capture."""
        src, dst = (self.source, self.sink) if from_source else (self.sink, self.source)
        options = b""
        if self.t.stamps:
            options = b"\1\1\10\12" + struct.pack(">II", self.clock(when, from_source), echo)
        head = struct.pack(
            ">HHIIBBHHH",
            src[1],
            dst[1],
            seq & 0xFFFFFFFF,
            ack & 0xFFFFFFFF,
            5 + len(options) // 4 << 4,
            flags,
            8_192,
            0,
            0,
        )
        body = ip(src[0], dst[0], 6, head + options)
        if size:  # the length that the header claims
            at = 4 if self.t.version == 6 else 2
            claimed = struct.unpack_from(">H", body, at)[0] + size
            body = body[:at] + struct.pack(">H", claimed) + body[at + 2 :]
        frame = ethernet(body, TYPE_IPV6 if self.t.version == 6 else TYPE_IPV4)
        self.t.packets.append(Captured(START + round(when * SECOND), frame, length=len(frame) + size))

    def clock(self, when: float, from_source: bool) -> int:
        """A host's timestamp: milliseconds."""
        return (1_000_000 if from_source else 5_000_000) + int(when * 1_000)

    def shake(self) -> float:
        return self.random.uniform(0, self.path.jitter)

    def handshake(self) -> None:
        """SYN, SYN-ACK, ACK; a request, where the server is the source."""
        begin, half = self.t.begins, self.path.delay / 2
        client_is_source = self.t.upload
        near = self.t.at_sender == client_is_source
        """The client is where packets are captured."""
        for step, flags in enumerate((SYN, SYN | ACK, ACK)):
            from_client = step != 1
            sent = begin + step * half
            when = sent if from_client == near else sent + half
            self.capture(
                when, from_client == client_is_source, 999 if step < 2 else 1_000, 1_000 if step else 0, flags, 0, 0
            )
        self.began = begin + 2 * half + (0 if client_is_source else half)
        self.at(self.began, self.send)
        self.at(self.began + 0.3, self.timeout)

    # ---- the sender ----

    def available(self, now: float) -> int:
        """Segments that the application has written."""
        if not self.app.pace:
            return 1 << 40 if now < self.end else self.next_new
        written = (min(now, self.end) - self.began) * self.app.pace / 8
        if self.app.chunk:
            written = written // self.app.chunk * self.app.chunk
        return int(written // MSS)

    def send(self, now: float, delivered: int = 1 << 30) -> None:
        """Send what the window allows; while losses are repaired, no more than what was ``delivered``."""
        window = min(self.cwnd, self.app.window / MSS)
        room = int(window) - len(self.sent)
        if self.cumulative < self.recover:
            room = min(room, delivered)
        sent = 0
        while room > 0 and sent < 64:
            if self.lost:
                index = self.lost.pop(0)
                self.t.retransmitted += 1
            elif self.next_new < self.available(now) and (self.next_new - self.cumulative) * MSS < self.app.window:
                index = self.next_new
                self.next_new += 1
            else:
                break
            self.transmit(now + sent * 1e-6, index)
            room -= 1
            sent += 1
        if now >= self.end and not self.sent and not self.lost:
            self.finish(now)
        elif self.app.pace and now < self.end and self.next_new >= self.available(now):
            step = (self.app.chunk or MSS) * 8 / self.app.pace
            if not any(what == self.wake for _, _, what in self.events):
                self.at(now + step, self.wake)

    def wake(self, now: float) -> None:
        self.send(now)

    def transmit(self, now: float, index: int) -> None:
        self.transmissions += 1
        self.sent[index] = (self.transmissions, now)
        order = self.transmissions
        seq, stamp = 1_000 + index * MSS, self.clock(now, True)
        if self.t.at_sender:
            self.capture(now, True, seq, 1_000, ACK | PSH, MSS, self.echo_to_source)
        passed = self.bottleneck.departs(now, MSS + HEADERS)
        if passed is not None:
            self.t.waits.append((now, passed - now))
        if passed is None or self.random.random() < self.path.loss:
            return
        arrival = max(passed + self.path.delay / 2 + self.shake(), self.last_arrival + 1e-7)
        self.last_arrival = arrival
        echo = self.echo_to_source
        self.at(arrival, lambda when: self.receive(when, index, order, stamp, echo))

    def acknowledged(self, now: float, cumulative: int, orders: list[tuple[int, int]], stamp: int) -> None:
        """An acknowledgement arrives: ``orders`` are the segments that it is about."""
        if self.t.at_sender:
            self.capture(now, False, 1_000, 1_000 + cumulative * MSS, ACK, 0, stamp)
        fresh = 0
        for index, order in orders:
            if index in self.sent and self.sent[index][0] == order:
                del self.sent[index]
                fresh += 1
            self.newest = max(self.newest, order)
        recovering = self.cumulative < self.recover
        self.cumulative = max(self.cumulative, cumulative)
        if (
            recovering and self.cumulative >= self.recover
        ):  # as Linux moderates the window: no burst of what was acknowledged
            self.cwnd = min(self.cwnd, max(2.0, len(self.sent) + 3.0))
        self.progress = now
        for index in [i for i, (order, _) in self.sent.items() if order <= self.newest - 3]:
            del self.sent[index]
            if index < self.cumulative:
                continue
            self.lost.append(index)
            if index > self.recover:
                self.recover = self.next_new
                self.w_max = self.cwnd
                self.ssthresh = self.cwnd = max(2.0, self.cwnd * 0.7)
                self.epoch = now
        self.lost.sort()
        limited = len(self.sent) + fresh >= int(self.cwnd) - 1
        if fresh and self.recover <= self.cumulative and limited:
            self.grow(now, fresh)
        self.send(now, fresh)

    def grow(self, now: float, fresh: int) -> None:
        """Open the window."""
        if self.cwnd < self.ssthresh:
            self.cwnd += fresh
            return
        if self.epoch < 0:
            self.epoch, self.w_max = now, self.cwnd
        k = (self.w_max * 0.3 / 0.4) ** (1 / 3)
        target = 0.4 * (now - self.epoch - k) ** 3 + self.w_max
        reno = self.w_max * 0.7 + 0.53 * (now - self.epoch) / max(self.path.delay, 1e-3)
        target = min(max(target, reno), self.cwnd * 1.5)
        if target > self.cwnd:
            self.cwnd += min(fresh, (target - self.cwnd) / self.cwnd * fresh)

    def timeout(self, now: float) -> None:
        """The retransmission timer."""
        wait = 0.2 + 2 * (self.path.delay + self.path.queue)
        if self.sent and now - max([self.progress, *(at for _, at in self.sent.values())]) >= wait:
            self.lost = sorted({*self.lost, *self.sent})
            self.sent.clear()
            self.ssthresh, self.cwnd = max(2.0, self.cwnd * 0.7), 2.0
            self.recover = self.next_new
            self.send(now)
        self.at(now + wait / 4, self.timeout)

    def finish(self, now: float) -> None:
        half = 0 if self.t.at_sender else self.path.delay / 2
        end = 1_000 + self.next_new * MSS
        self.capture(now + half, True, end, 1_000, FIN | ACK, 0, 0)
        self.capture(now + self.path.delay - half, False, 1_000, end + 1, FIN | ACK, 0, 0)
        self.finished = True

    # ---- the receiver ----

    def receive(self, now: float, index: int, order: int, stamp: int, echo: int) -> None:
        """A segment arrives."""
        if not self.t.at_sender:
            self.capture(now, True, 1_000 + index * MSS, 1_000, ACK | PSH, MSS, echo)
        in_order = index == self.expected
        self.got.add(index)
        while self.expected in self.got:
            self.got.remove(self.expected)
            self.expected += 1
        if in_order:
            self.recent = stamp
        self.unacknowledged += 1
        self.pending.append((index, order))
        if self.unacknowledged >= 2 or not in_order or self.got:
            self.answer(now)
        else:
            self.at(now + 0.02, self.answer)

    def answer(self, now: float) -> None:
        """Send an acknowledgement."""
        if not self.unacknowledged:
            return
        self.unacknowledged = 0
        orders, self.pending = self.pending, []
        cumulative, echo, own = self.expected, self.recent, self.clock(now, False)
        if not self.t.at_sender:
            self.capture(now, False, 1_000, 1_000 + cumulative * MSS, ACK, 0, echo)

        def arrive(when: float) -> None:
            self.echo_to_source = own
            self.acknowledged(when, cumulative, orders, echo)

        self.at(now + self.path.delay / 2 + self.shake(), arrive)
