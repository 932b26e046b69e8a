"""Which packets are copies, by definition: every packet is compared with those that are remembered.

It knows whole Ethernet frames of one interface, with IP packets that are not fragments.
"""

from dataclasses import dataclass, field

SAME_WITHIN = 5_000_000
UNSURE_WITHIN = 500_000
MOST_EQUAL = 4
"""Equal packets that are remembered."""
BENEFIT = 8
MAX_HOPS = 2


@dataclass(frozen=True)
class Packet:
    """One frame in parts."""

    ts: int
    head: bytes
    """Header of the frame."""
    tag: int
    """VLAN; 0 without one."""
    hops: int
    numbered: bool
    content: bytes
    """The packet without what changes on the way."""


def read(ts: int, frame: bytes) -> Packet:
    """Parts of a frame."""
    at = 14
    while frame[at - 2 : at] == b"\x81\0":
        at += 4
    tag = int.from_bytes(frame[14:16], "big") & 0xFFF if at > 14 else 0
    four = frame[at] >> 4 == 4
    size = int.from_bytes(frame[at + 2 : at + 4], "big") if four else 40 + int.from_bytes(frame[at + 4 : at + 6], "big")
    content = bytearray(frame[at : at + size])
    hops, number, start = (content[8], content[9], 20) if four else (content[7], content[6], 40)
    changing = [1, 8, 10, 11] if four else [1, 7]
    changing += {6: [start + 16, start + 17], 17: [start + 6, start + 7]}.get(number, [])
    for k in changing:
        content[k] = 0
    return Packet(ts, frame[:at], tag, hops, four and content[4:6] != b"\0\0", bytes(content))


@dataclass
class Copies:
    """The packets of a capture so far."""

    known: dict[bytes, list[Packet]] = field(default_factory=dict)
    once: int = 0
    once_before: int = 0
    noted_at: int = 0
    twice: int = 0

    def seen(self, ts: int, frame: bytes) -> bool:
        """Whether a frame is a copy; if not, it is remembered."""
        packet = read(ts, frame)
        equal = self.known.setdefault(packet.content, [])
        if any(self.is_copy(packet, other) for other in equal):
            return True
        equal.append(packet)
        del equal[:-MOST_EQUAL]
        self.once += 1
        if not 0 <= ts - self.noted_at <= UNSURE_WITHIN:
            self.noted_at, self.once_before = ts, self.once
        return False

    def is_copy(self, packet: Packet, other: Packet) -> bool:
        """Whether a packet is a copy of another one with the same content."""
        late = abs(packet.ts - other.ts)
        fewer = other.hops - packet.hops
        if late > SAME_WITHIN or (packet.tag and other.tag and packet.tag != other.tag):
            # Later it is none at the same place, and packets of two VLANs are no copies of each other.
            return False
        if fewer:
            return packet.numbered or 0 < fewer <= MAX_HOPS
        if packet.head != other.head:
            return packet.numbered or late <= UNSURE_WITHIN
        if late <= UNSURE_WITHIN:
            self.twice += 1
        return packet.numbered or (late <= UNSURE_WITHIN and self.twice * 2 + BENEFIT >= self.once_before)
