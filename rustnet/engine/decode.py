"""Headers of one frame, from the link layer down to the transport's payload.

`frame` fills `Decoder.pkt` up to the first tunnel, if there is one (``pkt.tunnel``); `Decoder.inner` goes on
inside it, so that the caller can account for the outer flow in between. No read goes past the captured bytes: every
length is checked, and Cython's bounds checks stay on as well.

The headers have modules of their own: `links` (link types), `dot11` (wireless), `ethernet` (tags and encapsulations),
`network`, `transport` and `tunnels`.
"""

import sys
from typing import Any

import cython
import numpy as np

from rustnet.engine.head import HEAD, Heads
from rustnet.engine.links import Links
from rustnet.engine.numbers import MAPPED, MIN_ETHERTYPE

if not cython.compiled:
    from rustnet.engine.numbers import (
        DOT11,
        IP4,
        IPV4_FRAGMENT,
        LINK_ETHERNET,
        LINK_WITHIN,
        MALFORMED,
        OK,
        PPP,
        TCP,
        TEB,
        TUNNEL_QINQ,
        UDP,
    )
    from rustnet.engine.reader import swap16, swap32

    def frame(decoder: "Decoder", o: int, captured: int, link: int) -> int:
        """Decode the frame of ``captured`` bytes at ``o``, whose link type is ``link``."""
        if link == LINK_ETHERNET and decoder.common(o, captured):
            return OK
        return decoder.any_frame(o, captured, link)

    def word(decoder: "Decoder", o: int) -> int:
        """Eight bytes at ``o``, within the buffer, as a little-endian number; for digests."""
        return int.from_bytes(bytes(decoder.b[o : o + 8]), "little")


class Decoder(Links):
    """Decodes one frame after another."""

    def attach_frames(self, data: memoryview) -> None:
        """As `attach`, for whole frames: prepares what `common` needs, too."""
        self.attach(data)
        size = self.size - HEAD.itemsize + 1
        if size > 0 and sys.byteorder == "little":
            heads = np.ndarray((size,), HEAD, data, strides=(1,))
            self.heads: Any = heads if cython.compiled else Heads(heads)
            self.framed = 1
        self.prepared = self.framed

    def resume_frames(self, data: memoryview) -> None:
        """Return to the ``data`` of the last `attach_frames`, after a reassembled datagram was decoded."""
        self.attach(data)
        self.framed = self.prepared

    def any_frame(self, o: int, captured: int, link: int) -> int:
        """As `frame`, for frames that `common` does not decode."""
        e = o + captured
        self.begin()
        if e > self.size:
            return MALFORMED
        if link == LINK_ETHERNET:
            return self.ethernet(o, e)
        return self.other_link(o, e, link)

    def begin(self) -> None:
        """Reset the packet for the next frame."""
        p = self.pkt
        p.clear()
        self.depth = 0
        self.uncommon = 1
        p.mac_at = -1
        p.src_mac = -1
        p.dst_mac = -1
        p.vlan = -1
        p.outer_vlan = -1

    def common(self, o: int, captured: int) -> int:
        """Fast path for the most frequent frames: Ethernet, IPv4 without options, TCP or UDP, fully captured.

        Returns 0 for any other frame without writing anything. MAC addresses are read on demand (`macs`).
        It sets the same fields for each frame; the others are cleared only after a frame of the general path.
        """
        if not self.framed or captured < 54 or o + captured > self.size:
            return 0
        head = self.heads[o]
        if swap16(head.kind) != IP4 or head.first != 0x45 or swap16(head.fragment) & IPV4_FRAGMENT:
            return 0
        if head.protocol != TCP:
            return self.common_udp(o, captured) if head.protocol == UDP else 0
        header = (head.offset >> 4) << 2
        payload = swap16(head.total) - 20 - header
        if header < 20 or payload < 0 or captured - 34 - header < payload:
            return 0
        self.common_ends(head, o, o + 34 + header, payload)
        p = self.pkt
        p.seq = swap32(head.seq)
        p.ack = swap32(head.ack)
        p.flags = head.flags
        p.window = swap16(head.window)
        return 1

    def common_udp(self, o: int, captured: int) -> int:
        """As `common`, for UDP; the datagram may carry a tunnel."""
        head = self.heads[o]
        length = swap16(head.total) - 20
        claimed = swap32(head.seq) >> 16  # the UDP length is at the offset of the TCP sequence number
        if claimed < 8 or claimed > length or length > captured - 34:
            return 0
        self.common_ends(head, o, o + 42, claimed - 8)
        p = self.pkt
        p.seq, p.ack, p.flags, p.window = 0, 0, 0, 0
        self.udp_tunnel(o + 42, o + 34 + claimed)
        if p.tunnel:
            self.macs()  # the inner packet may have MAC addresses of its own
        return 1

    def common_ends(self, head: Any, o: int, at: int, payload: int) -> None:
        """Set the fields that `common` TCP and UDP frames share; the payload begins at ``at``."""
        if self.uncommon:
            self.begin()
            self.uncommon = 0
        p = self.pkt
        p.mac_at = o
        p.network_at = o + 14
        p.version = 4
        p.protocol = head.protocol
        p.src_lo = MAPPED | swap32(head.src)
        p.dst_lo = MAPPED | swap32(head.dst)
        p.ttl = head.ttl
        p.has_ports = 1
        p.src_port = swap16(head.src_port)
        p.dst_port = swap16(head.dst_port)
        p.payload_offset = at
        p.payload_captured, p.payload = payload, payload

    def inner(self) -> int:
        """Decode the inner packet of the tunnel at which `frame` or the last `inner` stopped."""
        p = self.pkt
        kind = p.inner_type
        o = p.inner_offset
        e = p.inner_end
        p.outer_vlan = -1
        if p.tunnel == TUNNEL_QINQ:
            p.outer_vlan = p.vlan
            p.vlan = p.tunnel_key & 0xFFF
            p.clear()
            return (
                self.llc(o, o + kind if 0 < kind < e - o else e) if kind < MIN_ETHERTYPE else self.network(kind, o, e)
            )
        p.vlan = -1
        p.clear()
        self.depth = 0
        if kind == TEB:
            return self.ethernet(o, e)
        if kind == PPP:
            return self.ppp(o, e)
        if kind == DOT11:
            return self.dot11_swapped(o, e)
        if kind >= LINK_WITHIN:
            return self.other_link(o, e, kind - LINK_WITHIN)
        return self.network(kind, o, e)
