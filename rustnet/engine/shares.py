"""Assignment of packets to several trackers, so that none needs to decode the packets of the others.

All packets of a flow have one owner. TCP and UDP are divided by their ends, inside tunnels too: a conversation may be
in a tunnel in one direction only. Everything else is the first one's. Tunnels themselves, and packets whose ports are
unknown (fragments, cut headers), are followed by all trackers; those other than the first only to see what is inside,
whose ports then decide the owner.
"""

import cython

from rustnet.engine.clock import Clock
from rustnet.engine.copies import Copies
from rustnet.engine.decode import Decoder
from rustnet.engine.numbers import MASK64
from rustnet.engine.packet import Packet
from rustnet.sources.frames import Frames

if not cython.compiled:  # compiled, these come from the .pxd as C functions
    from rustnet.engine.decode import frame
    from rustnet.engine.numbers import (
        AGGREGATE,
        COPY,
        ETHERIP,
        EVERYONE,
        GRE,
        IPIP,
        IPV6_IN_IP,
        L2TP,
        MPLS_IN_IP,
        OK,
        PIM,
        QINQ,
        TCP,
        UDP,
    )
    from rustnet.engine.tunnels import carries

MIX = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio: a product's upper bits depend on all bits of the sum."""


def owner(p: Packet, count: int) -> int:
    """Owner of a decoded packet among ``count`` trackers, or `EVERYONE`."""
    if p.protocol != TCP and p.protocol != UDP:
        if p.tunnel == AGGREGATE or (p.fragment and p.version == 6):  # later fragments may name another protocol
            return EVERYONE
        return EVERYONE if p.protocol in (GRE, IPIP, IPV6_IN_IP, ETHERIP, QINQ, PIM, L2TP, MPLS_IN_IP) else 0
    if p.fragment or not p.has_ports:
        return EVERYONE
    if p.protocol == UDP and (carries(p.src_port) or carries(p.dst_port)):
        return EVERYONE
    ports = p.src_port + p.dst_port
    addresses = (p.src_lo + p.dst_lo) ^ ((p.src_hi + p.dst_hi) * 31)
    ends = (addresses ^ (ports << 40) ^ (ports << 20)) & MASK64
    return (((ends * MIX) & MASK64) >> 33) % count


class Division:
    """Divides the frames of one capture among ``count`` trackers, and recognises copies for them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.copies = Copies()
        self.clock = Clock()
        self.decoder = Decoder()

    def divide(self, frames: Frames, owners: "memoryview[int]") -> None:
        """Write the owner of each frame of a batch; undecodable ones are the first tracker's."""
        decoder = self.decoder
        decoder.attach_frames(frames.data)
        offsets, captured, links = frames.offset, frames.captured, frames.link
        interfaces, stamps = frames.interface, frames.ts
        copies = self.copies
        count = self.count
        for i in range(frames.count):
            if frame(decoder, offsets[i], captured[i], links[i]) != OK:
                owners[i] = 0
            else:
                whose = owner(decoder.pkt, count)
                if copies.seen(decoder, offsets[i], captured[i], links[i], interfaces[i], stamps[i]):
                    whose |= COPY
                owners[i] = whose
        if frames.count:
            copies.carry(decoder, self.clock.advance(frames))
