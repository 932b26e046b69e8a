"""The compiled walk over blocks of packet rings (TPACKET_V3), which copies packets of several rings in order of time.

``ringwalk.pxd`` has the C types; the code also runs uncompiled, slowly. Layouts are those of ``<linux/if_packet.h>``.
"""

import sys

from rustnet.probe import ring_socket as _ring_socket
from rustnet.sources.frames import Frames, Note

# Module globals that the .pxd types: in compiled code they are C variables, invisible to other modules.
BIG = sys.byteorder == "big"
SECOND = 1_000_000_000
TAG = _ring_socket.VLAN_TAG
COOKED = _ring_socket.COOKED_BYTES
ROOM = COOKED  # bytes by which a packet may grow
ADDRESSES = 12  # bytes of an Ethernet header in front of a VLAN tag
VLAN_VALID = 0x10
VLAN_TPID_VALID = 0x40
VLAN = 0x8100
OUTGOING = 4  # type of a packet that this machine sent
EMPTY = _ring_socket.EMPTY
FULL = _ring_socket.FULL


class RingReader:
    """Reads the packets of one ring, block after block.

    ``received_only`` leaves out what was sent: on the loopback interface it is received again. ``tagged`` are links
    whose VLAN tags the kernel takes out of the packet, ``cooked`` ones whose header it takes off. ``cut`` is the snap
    length, 0 for whole packets.
    """

    def __init__(
        self,
        ring: "memoryview[int]",
        interface: int,
        link: int,
        cut: int,
        received_only: bool,
        tagged: bool,
        cooked: bool = False,
    ) -> None:
        self.b = ring
        self.interface = interface
        self.link = link
        self.cut = cut
        self.received_only = received_only
        self.tagged = tagged
        self.cooked = cooked
        self.pos = 0
        self.left = 0
        self.next_ts = 0
        self.last_ts = 0
        self.packets = 0
        self.bytes = 0
        """Bytes of the packets on the wire."""
        self.received: Note | None = None
        """Note of packets that came in, and `sent` of those that went out; None: not noted."""
        self.sent: Note | None = None

    def u32(self, p: int) -> int:
        """Four bytes at ``p`` in this machine's byte order."""
        a = self.b[p]
        b = self.b[p + 1]
        c = self.b[p + 2]
        d = self.b[p + 3]
        if BIG:
            return a << 24 | b << 16 | c << 8 | d
        return d << 24 | c << 16 | b << 8 | a

    def u16(self, p: int) -> int:
        """Two bytes at ``p`` in this machine's byte order."""
        a = self.b[p]
        b = self.b[p + 1]
        return a << 8 | b if BIG else b << 8 | a

    def ready(self, block: int) -> bool:
        """Whether the kernel has passed on the block that begins at ``block``."""
        return self.u32(block + 8) & 1 != 0

    def open(self, block: int) -> None:
        """Begin with the packets of a block that is ready."""
        self.left = self.u32(block + 12)
        self.pos = block + self.u32(block + 16)
        self.look()

    def look(self) -> None:
        """Set `next_ts` to the time of the next packet that counts, if one is left."""
        while self.left:
            if self.received_only and self.b[self.pos + 58] == OUTGOING:
                self.skip()
                continue
            seconds = self.u32(self.pos + 4)
            self.next_ts = seconds * SECOND + self.u32(self.pos + 8)
            break

    def skip(self) -> None:
        """Go behind the present packet."""
        self.left -= 1
        if self.left:
            self.pos += self.u32(self.pos)

    def put(self, frames: Frames, out: "memoryview[int]", used: int) -> int:
        """Copy the next packet to ``out[used:]``; returns where the one after it may begin, -1 without room."""
        pos = self.pos
        captured = self.u32(pos + 12)
        length = self.u32(pos + 16)
        status = self.u32(pos + 20)
        start = pos + self.u16(pos + 24)
        n = frames.count
        if n >= frames.capacity or used + captured + ROOM > len(out):
            return -1
        if status & VLAN_VALID and self.tagged and captured >= ADDRESSES:
            out[used : used + ADDRESSES] = self.b[start : start + ADDRESSES]
            kind = self.u16(pos + 36) if status & VLAN_TPID_VALID else VLAN
            tag = self.u32(pos + 32)
            out[used + 12] = kind >> 8
            out[used + 13] = kind & 0xFF
            out[used + 14] = tag >> 8 & 0xFF
            out[used + 15] = tag & 0xFF
            out[used + ADDRESSES + TAG : used + captured + TAG] = self.b[start + ADDRESSES : start + captured]
            captured += TAG
            length += TAG
            if self.cut and captured > self.cut:
                captured = self.cut
        elif self.cooked:
            self.cook(out, used)
            out[used + COOKED : used + COOKED + captured] = self.b[start : start + captured]
            captured += COOKED
            length += COOKED
            if self.cut and captured > self.cut:
                captured = self.cut
        else:
            out[used : used + captured] = self.b[start : start + captured]
        frames.offset[n] = used
        frames.captured[n] = captured
        frames.length[n] = length
        frames.ts[n] = self.next_ts
        frames.link[n] = self.link
        frames.interface[n] = self.interface
        frames.file_offset[n] = 0
        frames.count = n + 1
        if self.received is not None and self.sent is not None:
            frames.notes[n] = self.sent if self.b[pos + 58] == OUTGOING else self.received
        self.last_ts = self.next_ts
        self.packets += 1
        self.bytes += length
        self.skip()
        self.look()
        return used + captured

    def cook(self, out: "memoryview[int]", used: int) -> None:
        """Write the header of LINKTYPE_LINUX_SLL2 to ``out[used:]``, of the address that the kernel gives."""
        pos = self.pos
        index = self.u32(pos + 52)
        hardware = self.u16(pos + 56)
        out[used : used + 2] = self.b[pos + 50 : pos + 52]  # the protocol, big-endian already
        out[used + 2] = 0
        out[used + 3] = 0
        out[used + 4] = index >> 24
        out[used + 5] = index >> 16 & 0xFF
        out[used + 6] = index >> 8 & 0xFF
        out[used + 7] = index & 0xFF
        out[used + 8] = hardware >> 8
        out[used + 9] = hardware & 0xFF
        out[used + 10 : used + COOKED] = self.b[pos + 58 : pos + 68]  # type of packet, size of the address, address


class RingMerge:
    """Copies the packets of several rings into batches, the oldest first."""

    def __init__(self, rings: list[RingReader]) -> None:
        self.rings = rings
        self.used = 0
        """Bytes of the batch's buffer in use."""
        self.following = 0

    def run(self, frames: Frames, until: int) -> int:
        """Copy packets up to time ``until``; returns the ring whose block is exhausted, or `EMPTY` or `FULL`."""
        out = frames.buffer
        while True:
            best = self.oldest(until)
            if best < 0:
                return EMPTY
            ring = self.rings[best]
            while True:
                used = ring.put(frames, out, self.used)
                if used < 0:
                    return FULL
                self.used = used
                if not ring.left:
                    return best
                if ring.next_ts >= self.following:
                    break

    def oldest(self, until: int) -> int:
        """Ring with the oldest packet up to time ``until``, or -1; `following` is then the time of the next other."""
        best = -1
        ts = until
        self.following = until
        for i in range(len(self.rings)):
            ring = self.rings[i]
            if not ring.left:
                continue
            if ring.next_ts < ts or (best < 0 and ring.next_ts == ts):
                if best >= 0:
                    self.following = ts
                best = i
                ts = ring.next_ts
            elif ring.next_ts < self.following:
                self.following = ring.next_ts
        return best
