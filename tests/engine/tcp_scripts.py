"""Scripts of conversations: short lists of small numbers that become captures, so that hypothesis can shrink them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.support.packets import ACK, FIN, PSH, RST, SECOND, START, SYN, Captured, ethernet, ip, kind_of, tcp, udp

ACTIONS = (
    "open",
    "send",
    "again",
    "skip",
    "ack",
    "ack_old",
    "ack_ahead",
    "fin",
    "rst",
    "keep_alive",
    "zero_window",
    "duplicate",
    "late",
    "renew",
    "odd_flags",
)
COMMON = ("send", "send", "send", "ack", "ack", "skip", "again", "late", "open", "fin")
WAITS = (0, 1_000, 1_000_000, 2_900_000, 4_000_000, 19_000_000, 25_000_000, -700_000, -40_000_000)
LONG_WAITS = (1, 14, 16, 29, 31, 41, 59, 61, 71, 179, 191, 299, 311, 599, 611, 1811)
ISNS = (0xFFFF_FF00, 0, 1, 123_456, 0x7FFF_FFF0, 0xFFFF_FFFF)


@dataclass(frozen=True)
class Step:
    """One packet: which conversation, who speaks, what he does, how much, and how long after the last packet."""

    talk: int
    client: bool
    action: str
    amount: int
    wait: int


@dataclass
class Talker:
    """Sequence numbers of one end."""

    next: int
    skipped: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Talk:
    """One conversation's ends and what they have sent."""

    ends: tuple[tuple[str, int], tuple[str, int]]
    protocol: str
    vlans: tuple[int, ...]
    talkers: tuple[Talker, Talker]
    last: bytes = b""


def talks(isn: int) -> list[Talk]:
    """The conversations that scripts speak of."""

    def make(src: tuple[str, int], dst: tuple[str, int], protocol: str, *vlans: int) -> Talk:
        return Talk((src, dst), protocol, vlans, (Talker(isn), Talker(isn * 7 & 0xFFFF_FFFF)))

    return [
        make(("10.0.0.1", 40_000), ("10.0.0.2", 443), "tcp"),
        make(("10.0.0.1", 40_000), ("10.0.0.2", 443), "tcp", 5),
        make(("2001:db8::2", 50_000), ("2001:db8::1", 22), "tcp"),
        make(("192.0.2.9", 7_001), ("192.0.2.3", 7_000), "tcp"),
        make(("10.0.0.1", 40_000), ("10.0.0.2", 53), "udp"),
        make(("10.0.0.7", 443), ("10.0.0.6", 41_000), "udp"),
        make(("10.0.0.1", 0), ("10.0.0.2", 0), "icmp"),
        make(("2001:db8::2", 0), ("2001:db8::1", 0), "icmpv6"),
    ]


def content(seq: int, size: int) -> bytes:
    """Payload whose bytes depend on their sequence number alone, so that what is sent again is the same."""
    return bytes(((seq + i) * 167 >> 3) & 0xFF for i in range(size))


def tcp_step(talk: Talk, step: Step) -> bytes:  # noqa: C901 - one branch per action
    """TCP segment of one step."""
    me, peer = talk.talkers if step.client else talk.talkers[::-1]
    amount = step.amount
    seq, ack, flags, size, window = me.next, peer.next, ACK, 0, 8_192
    if step.action in ("open", "renew"):
        if step.action == "renew":
            me.next = seq = (me.next + 100_000 + amount) & 0xFFFF_FFFF
            me.skipped.clear()
        flags = SYN if step.client else SYN | ACK
        me.next = seq + 1
    elif step.action == "send":
        flags, size = ACK | PSH, amount
        me.next += amount
    elif step.action == "again":
        seq, size = me.next - amount, max(1, amount - 3)
    elif step.action == "skip":
        me.skipped.append((me.next, amount))
        seq, size = me.next + amount, 5
        me.next += amount + 5
    elif step.action == "late" and me.skipped:
        seq, size = me.skipped.pop(amount % len(me.skipped))
    elif step.action == "ack_old":
        ack = peer.next - amount
    elif step.action == "ack_ahead":
        ack = peer.next + amount
    elif step.action == "fin":
        flags, size = FIN | ACK, amount % 3
        me.next += size + 1
    elif step.action == "rst":
        flags = RST | (ACK if amount % 2 else 0)
        seq += amount % 5
    elif step.action == "keep_alive":
        seq, size = me.next - 1, amount % 2
    elif step.action == "zero_window":
        window = 0
    elif step.action == "odd_flags":
        flags, size = amount & 0x3F, amount % 4
    me.next &= 0xFFFF_FFFF
    first = (seq + bool(flags & SYN)) & 0xFFFF_FFFF
    (src, sport), (dst, dport) = talk.ends if step.client else talk.ends[::-1]
    return ip(src, dst, 6, tcp(sport, dport, seq, ack, flags, content(first, size), window))


def other_step(talk: Talk, step: Step) -> bytes:
    """UDP datagram or echo of one step."""
    (src, sport), (dst, dport) = talk.ends if step.client else talk.ends[::-1]
    payload = content(step.amount, step.amount % 40)
    if talk.protocol == "udp":
        return ip(src, dst, 17, udp(sport, dport, payload))
    kinds = (8, 0, 1) if talk.protocol == "icmp" else (128, 129, 58)
    head = bytes([kinds[0 if step.client else 1], 0, 0, 0, 0, step.amount % 3, 0, 1])
    return ip(src, dst, kinds[2], head + payload)


def capture(steps: Sequence[Step], isn: int) -> list[Captured]:
    """The capture of a script."""
    made: list[Captured] = []
    cast = talks(isn)
    now = START
    for step in steps:
        talk = cast[step.talk]
        now += step.wait
        if step.action != "duplicate" or not talk.last:
            packet = tcp_step(talk, step) if talk.protocol == "tcp" else other_step(talk, step)
            talk.last = ethernet(packet, kind_of(packet), talk.vlans)
        made.append(Captured(now, talk.last))
    return made


def random_capture(seed: int, length: int) -> list[Captured]:
    """A script written by chance, always the same for a seed."""
    chance = random.Random(seed)
    focus = chance.sample(range(8), 3)
    steps = []
    for _ in range(length):
        action = chance.choice(COMMON) if chance.random() < 0.75 else chance.choice(ACTIONS)
        wait = chance.choice(WAITS) if chance.random() < 0.96 else chance.choice(LONG_WAITS) * SECOND
        steps.append(Step(chance.choice(focus), chance.random() < 0.55, action, chance.randint(1, 60), wait))
    return capture(steps, chance.choice(ISNS))
