"""What can befall a capture, drawn by chance: to its packets before they are written, and to the file's bytes."""

import random
import struct
from collections.abc import Callable, Sequence

from tests.support.packets import Captured

INTERESTING = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    12,
    15,
    16,
    24,
    28,
    32,
    127,
    128,
    255,
    256,
    4_095,
    32_767,
    32_768,
    65_535,
    65_536,
    262_144,
    1 << 20,
    (1 << 20) + 1,
    1 << 24,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFF0,
    0xFFFFFFFF,
)
LINKS = (0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 147, 149, 189, 192, 228, 229, 239, 258, 276, 9_999)


def damaged(data: bytes, chance: random.Random, within: int = 0) -> bytes:
    """Some bytes of ``data`` changed: bits, bytes, or whole numbers; only the first ``within`` where that is given."""
    made = bytearray(data)
    size = min(len(made), within) if within else len(made)
    for _ in range(chance.randint(1, 5)):
        if size < 1:
            break
        at = chance.randrange(size)
        how = chance.randrange(4)
        if how == 0:
            made[at] ^= 1 << chance.randrange(8)
        elif how == 1:
            made[at] = chance.choice((0, 0xFF, 0x80, 0x7F, chance.randrange(256)))
        elif how == 2:
            number = chance.choice(INTERESTING)
            made[at : at + 2] = struct.pack(chance.choice("<>") + "H", number & 0xFFFF)[: len(made) - at]
        else:
            number = chance.choice(INTERESTING)
            made[at : at + 4] = struct.pack(chance.choice("<>") + "I", number)[: len(made) - at]
    return bytes(made)


def packet_cut(packet: Captured, chance: random.Random) -> Captured:
    """The snap length came in the way."""
    size = chance.randint(0, len(packet.data))
    return Captured(packet.ts, packet.data[:size], packet.link, packet.wire)


def packet_damaged(packet: Captured, chance: random.Random) -> Captured:
    """Headers, or anything, changed."""
    within = chance.choice((0, 60, 120))
    return Captured(packet.ts, damaged(packet.data, chance, within), packet.link, packet.length)


def packet_link(packet: Captured, chance: random.Random) -> Captured:
    """Read as another link type."""
    return Captured(packet.ts, packet.data, chance.choice(LINKS), packet.length)


def packet_time(packet: Captured, chance: random.Random) -> Captured:
    """A wrong clock."""
    shift = chance.choice((-1, 1, -(10**9), 10**9, 61 * 10**9, -(10**17), 10**17, 10**18))
    return Captured(max(0, packet.ts + shift), packet.data, packet.link, packet.length)


def packet_junk(packet: Captured, chance: random.Random) -> Captured:
    """Random bytes behind an intact beginning."""
    keep = chance.randint(0, len(packet.data))
    return Captured(packet.ts, packet.data[:keep] + chance.randbytes(chance.randint(0, 300)), packet.link)


def packet_spliced(packet: Captured, chance: random.Random) -> Captured:
    """A part of itself in the wrong place."""
    if not packet.data:
        return packet
    a, b = sorted(chance.randrange(len(packet.data) + 1) for _ in range(2))
    at = chance.randrange(len(packet.data))
    return Captured(packet.ts, packet.data[:at] + packet.data[a:b] + packet.data[at:], packet.link)


PACKET_WAYS: tuple[Callable[[Captured, random.Random], Captured], ...] = (
    packet_cut,
    packet_damaged,
    packet_damaged,
    packet_damaged,
    packet_link,
    packet_time,
    packet_junk,
    packet_spliced,
)


def packets(seed: Sequence[Captured], other: Sequence[Captured], chance: random.Random) -> list[Captured]:
    """A seed with some packets damaged, lost, doubled, moved, or exchanged for another seed's."""
    made = list(seed)
    for _ in range(chance.choice((0, 1, 2, 5, 20))):
        if not made:
            break
        at = chance.randrange(len(made))
        how = chance.random()
        if how < 0.7:
            made[at] = chance.choice(PACKET_WAYS)(made[at], chance)
        elif how < 0.8:
            del made[at]
        elif how < 0.9:
            made.insert(chance.randrange(len(made) + 1), made[at])
        else:
            made[at:at] = other[: chance.randint(1, 20)]
    return made


def file(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A capture file with damage of its own: bits, numbers, cuts, parts lost, doubled or taken from another file."""
    for _ in range(chance.choice((0, 0, 1, 1, 2, 6))):
        if len(data) < 2:
            break
        a, b = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        how = chance.randrange(7)
        if how == 0:
            data = data[: chance.randrange(len(data))]
        elif how == 1:
            data = damaged(data, chance, 64)
        elif how == 2:
            data = data[:a] + damaged(data[a:b], chance) + data[b:]
        elif how == 3:
            data = data[:a] + data[min(b, a + chance.randint(1, 200)) :]
        elif how == 4:
            data = data[:b] + data[a : a + chance.randint(1, 2_000)] + data[b:]
        elif how == 5 and other:
            start = chance.randrange(len(other))
            data = data[:a] + other[start : start + chance.randint(1, 4_000)] + data[a:]
        else:
            data = data[:a] + chance.randbytes(chance.randint(1, 64)) + data[min(b, a + 32) :]
    return data
