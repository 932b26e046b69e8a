"""The compiled walk over classic pcap records, which writes packets directly into a batch's columns.

Rare cases are left to the caller (`pcap`): the walk stops at ``pos`` with a status, the caller handles it and
continues.
``pcapwalk.pxd`` has the C types; the code also runs uncompiled, slowly.
"""

from rustnet.sources import frames as _frames
from rustnet.sources import status as _status
from rustnet.sources.frames import Frames

# Module globals that the .pxd types: in compiled code they are C variables, invisible to other modules.
NEED = _status.NEED
FULL = _status.FULL
BAD = _status.BAD
MAX_FRAME = _frames.MAX_FRAME

SECOND = 1_000_000_000
DAY = 86_400
CHAIN = 4  # consecutive records that make an offset plausible
RESYNC_FRAME = 262_144  # largest plausible record while searching for an offset (Wireshark's limit)


class PcapWalk:
    """Walk over the records of one classic pcap file.

    ``head`` is the size of a record header (16; modified formats have more), ``scale`` the nanoseconds per unit of the
    fraction, ``swap`` 1 if captured and wire length are in reverse order, 2 if they may be (versions before 2.4),
    ``limit`` the largest plausible captured length.
    """

    def __init__(self, big: bool, head: int, scale: int, swap: int, link: int, limit: int) -> None:
        self.big = big
        self.head = head
        self.scale = scale
        self.parts = SECOND // scale
        self.swap = swap
        self.link = link
        self.limit = limit
        self.b = memoryview(b"")
        self.base = 0
        self.pos = 0
        self.last_ts = 0
        self.packets = 0
        self.oversize = self.oversize_packet = self.oversize_offset = 0

    def u32(self, p: int) -> int:
        """Four bytes at ``p`` in the file's byte order."""
        a = self.b[p]
        b = self.b[p + 1]
        c = self.b[p + 2]
        d = self.b[p + 3]
        if self.big:
            return a << 24 | b << 16 | c << 8 | d
        return d << 24 | c << 16 | b << 8 | a

    def look_at(self, data: "memoryview[int] | bytes") -> None:
        """Set the data that `find`, `chain` and `plausible` read."""
        self.b = memoryview(data)

    def run(self, frames: Frames, pos: int, end: int) -> int:
        """Read records of ``frames.data[pos:end]`` into ``frames``; return the status at which `pos` stopped."""
        self.b = frames.data
        n = frames.count
        capacity = frames.capacity
        status = NEED
        while True:
            if n >= capacity:
                status = FULL
                break
            if end - pos < self.head:
                break
            captured = self.u32(pos + 8)
            length = self.u32(pos + 12)
            if self.swap and (self.swap == 1 or captured > length):
                swapped = captured
                captured = length
                length = swapped
            if captured > self.limit:
                status = BAD
                break
            start = pos + self.head
            if end - start < captured:
                break
            sec = self.u32(pos)
            part = self.u32(pos + 4)
            ts = sec
            ts = ts * SECOND + part * self.scale
            self.last_ts = ts
            frames.offset[n] = start
            frames.captured[n] = captured
            frames.length[n] = length
            frames.ts[n] = ts
            frames.link[n] = self.link
            frames.interface[n] = 0
            frames.file_offset[n] = self.base + start
            self.packets += 1
            if captured > length:
                if self.oversize == 0:
                    self.oversize_packet = self.packets
                    self.oversize_offset = self.base + pos
                self.oversize += 1
            n += 1
            pos = start + captured
        frames.count = n
        self.pos = pos
        return status

    def find(self, pos: int, end: int, last: bool) -> int:
        """Find the next plausible record at or after ``pos``; -1 if there is none before `pos`, where to continue.

        ``last``: no data follows ``end``, so a chain that reaches it suffices.
        """
        while end - pos >= self.head:
            verdict = self.chain(pos, end, last)
            if verdict == 1:
                self.pos = pos
                return pos
            if verdict < 0:
                break
            pos += 1
        self.pos = pos
        return -1

    def chain(self, pos: int, end: int, last: bool) -> int:  # noqa: PLR0911 each return is one verdict
        """Whether consecutive records at ``pos`` are plausible: 1 yes, 0 no, -1 needs bytes beyond ``end``."""
        good = 0
        previous = 0
        while good < CHAIN:
            if end - pos < self.head:
                if not last:
                    return -1
                return 1 if good >= 2 or (good == 1 and pos == end) else 0
            if not self.plausible(pos):
                return 0
            sec = self.u32(pos)
            gap = sec
            gap -= previous
            if sec == 0 or (good and (gap > DAY or gap < -DAY)):
                return 0
            previous = sec
            captured = self.u32(pos + 8)
            length = self.u32(pos + 12)
            if self.swap and (self.swap == 1 or captured > length):
                captured = length
            if end - pos - self.head < captured:
                if not last:
                    return -1
                return 1 if good >= 2 else 0
            pos += self.head + captured
            good += 1
        return 1

    def plausible(self, pos: int) -> bool:
        """Whether the complete record header at ``pos`` is plausible by itself."""
        captured = self.u32(pos + 8)
        length = self.u32(pos + 12)
        if self.swap and (self.swap == 1 or captured > length):
            swapped = captured
            captured = length
            length = swapped
        if captured > length or length == 0 or captured > RESYNC_FRAME or captured > self.limit:
            return False
        return length <= MAX_FRAME and self.u32(pos + 4) < self.parts
