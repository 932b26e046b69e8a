"""`Copies`: recognises packets that were captured twice.

A host with containers shows a packet on several interfaces, a mirror port sends what comes in and what goes out, two
points of a network are captured into one file. A copy is the same network-layer packet once more: all its bytes are
equal, but for what routers and network cards change on the way (TTL, type of service, checksums).

Hosts also repeat packets themselves, and those are no copies. What distinguishes them is the identification that IPv4
gives each packet, how soon the second one comes, and whether it was seen elsewhere: on another interface, in another
frame header, with a smaller TTL. Packets without an identification (0, IPv6, ARP) that come twice at the same place
count as copies only within a fraction of a millisecond, and only while most packets of the capture come twice.
"""

import os
from typing import Any

import cython
import numpy as np

from rustnet.columnar import view
from rustnet.engine.decode import Decoder
from rustnet.engine.numbers import MASK32, MASK64
from rustnet.engine.packet import Packet
from rustnet.sources.frames import zeros

if not cython.compiled:  # compiled, these come from the .pxd
    from rustnet.engine.decode import word
    from rustnet.engine.numbers import (
        DOT1AD,
        DOT1Q,
        IP4,
        IP6,
        LINK_ETHERNET,
        LINK_SLL,
        LINK_SLL2,
        OLD_QINQ,
        QINQ,
        TCP,
        UDP,
    )
    from rustnet.engine.places import bits64

WAYS = 4
BUCKETS = 1 << 10
"""Buckets of `WAYS` places each: as many packets are remembered, the oldest of a bucket gives way."""

WINDOW_NS = 20_000_000
"""A copy that was captured on another interface comes within this time."""

SAME_PLACE_NS = 5_000_000
"""A copy with an identification, or with another frame header, on the same interface comes within this time."""

UNSURE_NS = 500_000
"""A copy without an identification that was captured at the same place comes within this time."""

BENEFIT = 8
"""So many packets may have come once before packets that come twice are doubted."""

HALVED = 1 << 12
"""Packets after which the counts of those that came once and twice are halved: captures change."""

MAX_HOPS = 2
"""Routers between two places where a packet was captured, at most, if it has no identification."""

SAMPLE = 64
"""Bytes of a packet, from its network header on, that its digest covers; a copy is compared byte by byte."""

MAX_KEPT = 4 << 20
"""Bytes of packets that are kept from one batch to the next."""

TS, AT, SIZE, PLACE = 0, 1, 2, 3
"""Columns of `Copies.facts`: time; place of the frame in the batch, or -1 - place in `kept`; captured bytes, and offset
of the network header from bit 32 on; interface, and link type from bit 32 on."""

WITHOUT_SERVICE = MASK64 ^ 0xFF00
"""Mask of an IPv4 packet's first eight bytes, as a little-endian number."""
WITHOUT_TTL = MASK64 ^ 0xFFFF_00FF
"""The same of the next eight: neither TTL nor checksum."""
WITHOUT_CHECKSUM = MASK64 >> 16
"""The same of a UDP header."""

MIX = 0x9E37_79B9_7F4A_7C15
"""2^64 divided by the golden ratio."""

KEYS = tuple(int.from_bytes(os.urandom(8), "little") | 1 for _ in range(9))
"""Odd factors of the digest, random in each process."""


class Copies:
    """Remembers the last packets of a capture by digest."""

    def __init__(self) -> None:
        self.digests: Any = view(np.zeros(BUCKETS * WAYS, np.uint64))
        self.facts: Any = view(np.zeros((BUCKETS * WAYS, 4), np.int64))
        self.hands = zeros(BUCKETS, np.uint8)
        """By bucket: how many packets were entered, modulo 256."""
        self.kept: Any = memoryview(b"")
        self.once = 0
        """Packets that were new."""
        self.once_before = 0
        """The same, at `noted_at`: those of the last moment may still come a second time."""
        self.noted_at = 0
        self.twice = 0
        """Packets that came again at the same place within `UNSURE_NS`."""
        self.keys: Any = view(np.array(KEYS, np.uint64))

    def seen(self, decoder: Decoder, o: int, captured: int, link: int, interface: int, ts: int) -> bool:
        """Whether the frame at ``o`` that was decoded last is a copy of an earlier one; if not, it is remembered."""
        at = decoder.pkt.network_at
        if at < o:
            if decoder.pkt.protocol != QINQ or decoder.pkt.inner_type not in (IP4, IP6):
                return False
            at = decoder.pkt.inner_offset
        digest = self.digest(decoder, at, o + captured)
        bucket = digest & (BUCKETS - 1)
        first = bucket * WAYS
        for i in range(first, first + WAYS):
            if self.digests[i] == digest and self.is_copy(decoder, i, o, at, captured, link, interface, ts):
                return True
        i = first + (self.hands[bucket] & (WAYS - 1))
        self.hands[bucket] = (self.hands[bucket] + 1) & 0xFF
        self.digests[i] = digest
        self.facts[i, TS] = ts
        self.facts[i, AT] = o
        self.facts[i, SIZE] = captured | (at - o) << 32
        self.facts[i, PLACE] = interface | link << 32
        self.once += 1
        if ts - self.noted_at > UNSURE_NS or ts < self.noted_at:
            self.note(ts)
        return False

    def note(self, ts: int) -> None:
        """Note how many packets came once until now."""
        self.noted_at = ts
        self.once_before = self.once
        if self.once > HALVED:
            self.once //= 2
            self.once_before //= 2
            self.twice //= 2

    def digest(self, decoder: Decoder, at: int, end: int) -> int:
        """Digest of a packet whose network header is at ``at``; never 0."""
        keys = self.keys
        if at + 8 > end:
            return self.short_digest(decoder, at, end)
        first = word(decoder, at)
        if first & 0xF0 == 0x40:  # what follows a short packet pads the frame
            total = ((first >> 16) & 0xFF) << 8 | (first >> 24) & 0xFF
            if 0 < total < 40 and at + total < end:
                end = at + total
        if at + 40 > end:
            return self.short_digest(decoder, at, end)
        if first & 0xFF == 0x45:
            second = word(decoder, at + 8) & WITHOUT_TTL
            d = (first & WITHOUT_SERVICE) * keys[0] + second * keys[1] + word(decoder, at + 16) * keys[2]
            protocol = (second >> 8) & 0xFF
            at += 20
        elif first & 0xF0 == 0x60 and at + 60 <= end:
            d = (
                ((first >> 32) & 0xFFFFFF) * keys[0]
                + word(decoder, at + 8) * keys[1]
                + word(decoder, at + 16) * keys[2]
            )
            d += word(decoder, at + 24) * keys[3] + word(decoder, at + 32) * keys[4]
            protocol = (first >> 48) & 0xFF
            at += 40
        else:
            return self.short_digest(decoder, at, end)
        if protocol == UDP:  # without its checksum
            d += (word(decoder, at) & WITHOUT_CHECKSUM) * keys[5] + word(decoder, at + 8) * keys[6]
            if at + 24 <= end:  # bytes further on would often be a cache miss
                d += word(decoder, at + 16) * keys[7]
        else:  # of TCP: ports, sequence and acknowledgement numbers, flags, window
            d += word(decoder, at) * keys[5] + word(decoder, at + 8) * keys[6]
        return finished(bits64(d))

    def short_digest(self, decoder: Decoder, at: int, end: int) -> int:
        """The same of any other packet: of its first bytes one by one, and of the hardware addresses below IP."""
        p = decoder.pkt
        skip = Ignored()
        skip.read(decoder.b, at, end, is_network(p))
        if end > at + SAMPLE:
            end = at + SAMPLE
        d = self.keys[7]
        for k in range(end - at):
            if not skip.at(k):
                d = bits64((d ^ decoder.b[at + k]) * self.keys[8])
                d ^= d >> 32
        if not p.version:
            d += p.src_lo * self.keys[0] + p.dst_lo * self.keys[1]
        return finished(bits64(d))

    def is_copy(
        self, decoder: Decoder, i: int, o: int, at: int, captured: int, link: int, interface: int, ts: int
    ) -> bool:
        """Whether a frame is a copy of the packet at index ``i``, which has the same digest."""
        late = distance(ts, self.facts[i, TS])
        if late > WINDOW_NS:
            return False
        same_place = interface | link << 32 == self.facts[i, PLACE]
        start = self.facts[i, AT]
        if start < 0:
            return self.judge(decoder, i, o, at, captured, same_place, link, late, self.kept, -1 - start)
        return self.judge(decoder, i, o, at, captured, same_place, link, late, decoder.b, start)

    def judge(
        self,
        decoder: Decoder,
        i: int,
        o: int,
        at: int,
        captured: int,
        same_place: bool,
        link: int,
        late: int,
        then: Any,
        start: int,
    ) -> bool:
        """The same, with the buffer ``then`` in which the earlier frame begins at ``start``."""
        size, offset = self.facts[i, SIZE] & MASK32, self.facts[i, SIZE] >> 32
        p = decoder.pkt
        ip = is_network(p)
        if not equal(decoder.b, at, o + captured, then, start + offset, start + size, ip):
            return False
        numbered = ip and decoder.b[at] >> 4 == 4 and decoder.b[at + 4] | decoder.b[at + 5] != 0
        elsewhere = not same_place
        if ip and decoder.b[at] >> 4 in (4, 6):
            hops = hop_limit(then, start + offset) - hop_limit(decoder.b, at)
            if hops and not numbered and not 0 < hops <= MAX_HOPS:
                return False  # the same with a larger TTL: a search for the route
            elsewhere = elsewhere or hops != 0
        if link == LINK_ETHERNET:
            mine, other = tag(decoder.b, o, at), tag(then, start, start + offset)
            if mine and other and mine != other:
                return False  # two VLANs are two places of the network, or tenants with equal addresses
        if not elsewhere and link in (LINK_ETHERNET, LINK_SLL, LINK_SLL2):
            elsewhere = differ(decoder.b, o, at, then, start, start + offset)
            if elsewhere and not numbered and link == LINK_ETHERNET and late > UNSURE_NS:
                return False  # a packet that was repeated
        if elsewhere:  # later on the same interface it is another part of the network, with its own delays
            return not same_place or link in (LINK_SLL, LINK_SLL2) or late <= SAME_PLACE_NS
        if late <= UNSURE_NS:
            self.twice += 1
        if numbered:
            return late <= SAME_PLACE_NS
        return late <= UNSURE_NS and self.twice * 2 + BENEFIT >= self.once_before

    def carry(self, decoder: Decoder, now: int) -> None:
        """Keep the packets that may still be copied at a capture's time: the batch's buffer will be filled again."""
        parts: list[bytes] = []
        total = 0
        for i in range(BUCKETS * WAYS):
            if not self.digests[i]:
                continue
            start, size = self.facts[i, AT], self.facts[i, SIZE] & MASK32
            if self.facts[i, TS] < now - WINDOW_NS or total + size > MAX_KEPT:
                self.digests[i] = 0
                continue
            parts.append(decoder.copy(start, size) if start >= 0 else bytes(self.kept[-1 - start : size - 1 - start]))
            self.facts[i, AT] = -1 - total
            total += size
        self.kept = memoryview(b"".join(parts))


class Ignored:
    """Bytes of a packet that change on the way: type of service, TTL, and checksums, which network cards fill in."""

    def __init__(self) -> None:
        self.service = self.hops = self.header = self.transport = -1

    def read(self, b: Any, at: int, end: int, ip: bool) -> None:
        """Find them by the packet's headers."""
        protocol = -1
        start = 40
        if ip and at + 20 <= end:
            if b[at] >> 4 == 4:
                self.service, self.hops, self.header = 1, 8, 10
                start = (b[at] & 15) << 2
                if not (b[at + 6] & 0x1F) | b[at + 7]:
                    protocol = b[at + 9]
            elif b[at] >> 4 == 6:
                self.service, self.hops = 1, 7
                protocol = b[at + 6]
        if protocol == TCP:
            self.transport = start + 16
        elif protocol == UDP:
            self.transport = start + 6

    def at(self, k: int) -> bool:
        """Whether byte ``k`` of the packet is one of them."""
        if k == self.service or k == self.hops:
            return True
        if self.header >= 0 and (k == self.header or k == self.header + 1):
            return True
        return self.transport >= 0 and (k == self.transport or k == self.transport + 1)


def equal(b: Any, at: int, end: int, other: Any, other_at: int, other_end: int, ip: bool) -> bool:
    """Whether two packets are equal, as far as both were captured, but for what changes on the way."""
    size = end - at if end - at < other_end - other_at else other_end - other_at
    skip = Ignored()
    skip.read(b, at, end, ip)
    if skip.hops >= 0:  # what follows the packet pads the frame
        total = (b[at + 2] << 8) | b[at + 3] if skip.hops == 8 else 40 + ((b[at + 4] << 8) | b[at + 5])
        if 0 < total < size:
            size = total
    same = True
    for k in range(size):
        if b[at + k] != other[other_at + k] and not skip.at(k):
            same = False
            break
    return same


def differ(b: Any, start: int, end: int, other: Any, other_start: int, other_end: int) -> bool:
    """Whether the headers of two frames differ."""
    if end - start != other_end - other_start:
        return True
    other_bytes = False
    for k in range(end - start):
        if b[start + k] != other[other_start + k]:
            other_bytes = True
            break
    return other_bytes


def tag(b: Any, start: int, end: int) -> int:
    """VLAN of an Ethernet frame's first tag; 0 without one."""
    if end - start < 18:
        return 0
    kind = (b[start + 12] << 8) | b[start + 13]
    if kind != DOT1Q and kind != DOT1AD and kind != OLD_QINQ:
        return 0
    vlan: int = ((b[start + 14] & 15) << 8) | b[start + 15]
    return vlan


def hop_limit(b: Any, at: int) -> int:
    """TTL of an IPv4 packet, hop limit of an IPv6 packet."""
    left: int = b[at + 8] if b[at] >> 4 == 4 else b[at + 7]
    return left


def is_network(p: Packet) -> bool:
    """Whether a packet is one of IP, or has one under two VLAN tags."""
    return p.version != 0 or p.protocol == QINQ


def distance(one: int, other: int) -> int:
    """Time between two moments, or more than `WINDOW_NS` for more."""
    low, high = (one, other) if one < other else (other, one)
    return WINDOW_NS + 1 if low < high - WINDOW_NS else high - low


def finished(d: int) -> int:
    """Mix a digest, so that any of its bits will do."""
    d ^= d >> 32
    d = bits64(d * MIX)
    return (d ^ d >> 29) or 1
