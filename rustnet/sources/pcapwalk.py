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
EDGE = _status.EDGE
MAX_FRAME = _frames.MAX_FRAME

SECOND = 1_000_000_000
DAY = 86_400
YEAR = 366 * DAY
CHAIN = 4  # consecutive records that make an offset plausible
RESYNC_FRAME = 262_144  # largest plausible record while searching for an offset (Wireshark's limit)
SURVEY = 1000  # records of a batch that are looked at to decide the unit of the times


class PcapWalk:
    """Walk over the records of one classic pcap file.

    ``head`` is the size of a record header (16; modified formats have more), ``scale`` the nanoseconds per unit of the
    fraction, ``swap`` 1 if captured and wire length are in reverse order, 2 if they may be (versions before 2.4),
    ``limit`` the largest plausible captured length, ``interface`` the index of the packets' interface.
    """

    def __init__(self, big: bool, head: int, scale: int, swap: int, link: int, limit: int, interface: int) -> None:
        self.big = big
        self.head = head
        self.scale = scale
        self.parts = SECOND // scale
        self.stated = self.parts
        self.odd = self.fine = self.odd_packet = self.odd_offset = self.fine_from = self.largest = 0
        self.first = self.near = -1
        self.passed = -1
        self.before = 0
        self.swap = swap
        self.link = link
        self.limit = limit
        self.interface = interface
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

    def run(self, frames: Frames, pos: int, end: int) -> int:  # noqa: C901, PLR0912, PLR0915 the hot loop
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
            if (captured == 0 or length == 0) and self.base + pos != self.passed and self.edge(pos, end):
                status = EDGE
                break
            start = pos + self.head
            if end - start < captured:
                break
            sec = self.u32(pos)
            part = self.u32(pos + 4)
            gap = sec
            gap -= self.near
            if gap > YEAR or gap < -YEAR:
                status = self.leap(pos, start + captured, end)
                if status != FULL:
                    break
                status = NEED
            self.near = sec
            if part >= self.stated:
                part = self.fraction(part, pos)
            elif part > self.largest:
                self.largest = part
            ts = sec
            ts = ts * SECOND + part * self.scale
            self.last_ts = ts
            frames.offset[n] = start
            frames.captured[n] = captured
            frames.length[n] = length
            frames.ts[n] = ts
            frames.link[n] = self.link
            frames.interface[n] = self.interface
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

    def edge(self, pos: int, end: int) -> bool:
        """Whether zeros or the header of another file may stand at ``pos``, where a record is empty."""
        sec = self.u32(pos)
        part = self.u32(pos + 4)
        if sec in (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34, 0xD4C3B2A1, 0x4D3CB2A1, 0x34CDB2A1):
            return True
        if self.u32(pos + 8) or self.u32(pos + 12):
            return False
        if sec == 0 and part == 0:
            return True
        # A record header whose second half is the start of a run of zeros.
        return end - pos >= 32 and not (
            self.u32(pos + 16) or self.u32(pos + 20) or self.u32(pos + 24) or self.u32(pos + 28)
        )

    def leap(self, pos: int, after: int, end: int) -> int:
        """Judge a record whose time is more than a year from the one before: `FULL` if it counts.

        A clock may leap, and captures may be merged; but a record that is implausible, before another such one, is
        damage.
        """
        if self.first < 0:
            self.first = self.u32(pos)
            return FULL
        if self.plausible(pos):
            return FULL
        if end - after < self.head:
            return NEED
        return FULL if self.plausible(after) else BAD

    def fraction(self, part: int, pos: int) -> int:
        """Nanoseconds or microseconds, whatever `scale` is then, of a fraction that exceeds a second in its unit.

        As microseconds they are impossible, so they are nanoseconds, or damaged: then the whole second remains.
        """
        if self.odd == 0:
            self.odd_packet = self.packets + 1
            self.odd_offset = self.base + pos
        self.odd += 1
        if part >= SECOND:
            return 0
        self.fine += 1
        if self.scale != 1 and self.fine >= 2 and self.fine * 2 > self.packets - self.before:
            self.refine(self.packets + 1)
        return part if self.scale == 1 else part // self.scale

    def refine(self, packet: int) -> None:
        """Read times in nanoseconds from a packet on."""
        self.scale = 1
        self.parts = SECOND
        self.fine_from = packet

    def survey(self, pos: int, end: int) -> None:
        """Decide by the next records, and those so far, whether times are nanoseconds against the file header."""
        n = self.packets - self.before
        fine = self.fine
        most = n + SURVEY
        while self.scale != 1 and n < most and end - pos >= self.head:
            captured = self.u32(pos + 8)
            length = self.u32(pos + 12)
            if self.swap and (self.swap == 1 or captured > length):
                captured = length
            if captured > self.limit or captured > end - pos - self.head:
                break
            part = self.u32(pos + 4)
            if self.stated <= part < SECOND:
                fine += 1
            n += 1
            pos += self.head + captured
        if self.scale != 1 and fine >= 2 and fine * 2 >= n:
            self.refine(self.packets + 1)

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
