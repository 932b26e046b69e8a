"""The compiled walk over pcapng blocks, which writes packets directly into a batch's columns.

Rare cases are left to the caller (`pcapng`): the walk stops at ``pos`` with a status, the caller handles it and
continues. ``walk.pxd`` has the C types; the code also runs uncompiled, slowly.
"""

import numpy as np

from rustnet.sources import frames as _frames
from rustnet.sources import status as _status
from rustnet.sources.frames import Frames, Note, zeros

# Module globals that the .pxd types: in compiled code they are C variables, invisible to other modules.
NEED = _status.NEED
FULL = _status.FULL
BAD = _status.BAD
BLOCK = _status.BLOCK
EVENT = _status.EVENT
BAD_PACKET = _status.BAD_PACKET
BAD_INTERFACE = _status.BAD_INTERFACE
LONG = _status.LONG
TS_MAX = _status.TS_MAX
MAX_FRAME = _frames.MAX_FRAME

SECOND = 1_000_000_000
SECONDS_MAX = 9_200_000_000

SECTION = 0x0A0D0D0A
ENHANCED = 6
SIMPLE = 3
OLD_PACKET = 2
STATISTICS = 5
SECRETS = 10
BARE_STATISTICS = 28  # largest interface statistics block that can hold no option

_FLAG_NOTES = 256  # limit of shared notes, so that hostile flags cannot fill memory


def _doubled(table: "memoryview[int]") -> "memoryview[int]":
    """Copy of a table with twice its length, filled with zeros."""
    old = np.asarray(table)
    doubled = zeros(2 * len(old), old.dtype.type)
    doubled[: len(old)] = table
    return doubled


def known_kind(kind: int) -> bool:
    """Whether the blocks of a type are read, except section headers."""
    return 0 < kind <= ENHANCED or kind in (9, SECRETS, 0xBAD, 0x40000BAD, 0x80000001, 0x204, 0x208, 0x216, 0x217)


class PcapngWalk:
    """Walk over the blocks of a pcapng file, section after section; the caller reads all blocks but packets.

    ``limit`` is the largest plausible block; ``trusted`` the offset of a block whose wrong trailing length is ignored.
    Without ``noting``, options of packets are skipped.
    """

    def __init__(self, limit: int) -> None:
        self.b = memoryview(b"")
        self.big = False
        self.limit = limit
        self.base = 0
        self.trusted = -1
        self.noting = True
        self.pos = 0
        self.options = self.options_end = 0
        self.clamped = False
        self.last_ts = 0
        self.packets = 0
        self.oversize = self.oversize_packet = self.oversize_offset = 0
        self.secrets = 0
        self.unknown = 0
        self.section = 0
        self.flag_notes: dict[int, Note] = {}
        self.known: dict[bytes, Note] = {}
        self.local = 0
        self.index = zeros(8, np.uint32)
        self.link = zeros(8, np.uint16)
        self.snaplen = zeros(8, np.uint32)
        self.multiply = zeros(8, np.uint64)
        self.divide = zeros(8, np.uint64)
        self.shift = zeros(8, np.int64)
        self.ahead = zeros(8, np.int64)
        self.counts = zeros(8, np.int64)
        self.drops = zeros(8, np.int64)

    def u32(self, p: int) -> int:
        """Four bytes at ``p`` in the section's byte order."""
        a = self.b[p]
        b = self.b[p + 1]
        c = self.b[p + 2]
        d = self.b[p + 3]
        if self.big:
            return a << 24 | b << 16 | c << 8 | d
        return d << 24 | c << 16 | b << 8 | a

    def u16(self, p: int) -> int:
        """Two bytes at ``p`` in the section's byte order."""
        a = self.b[p]
        b = self.b[p + 1]
        return a << 8 | b if self.big else b << 8 | a

    def look_at(self, data: "memoryview[int] | bytes") -> None:
        """Set the data that `find` and `plausible` read."""
        self.b = memoryview(data)

    def begin_section(self, section: int, big: bool) -> None:
        """Start a section, which has its own interfaces."""
        self.section = section
        self.big = big
        self.local = 0
        self.flag_notes = {}

    def add_interface(self, index: int, link: int, snaplen: int, resolution: int, offset: int) -> None:
        """Add the section's next interface.

        ``index`` is its index in the source's list, ``resolution`` its ``if_tsresol``, ``offset`` its
        ``if_tsoffset`` in seconds.
        """
        i = self.local
        if i >= len(self.index):
            self.index = _doubled(self.index)
            self.link = _doubled(self.link)
            self.snaplen = _doubled(self.snaplen)
            self.multiply = _doubled(self.multiply)
            self.divide = _doubled(self.divide)
            self.shift = _doubled(self.shift)
            self.ahead = _doubled(self.ahead)
            self.counts = _doubled(self.counts)
            self.drops = _doubled(self.drops)
        self.index[i] = index
        self.link[i] = link
        self.snaplen[i] = snaplen
        exponent = resolution & 0x7F
        if resolution & 0x80:
            self.shift[i] = exponent
        else:
            self.shift[i] = -1 if exponent <= 28 else 127  # 64 bits of finer units are less than a nanosecond
        self.multiply[i] = 10 ** (9 - exponent) if exponent <= 9 else 1
        self.divide[i] = 10 ** min(max(exponent - 9, 0), 19)
        self.ahead[i] = max(-SECONDS_MAX, min(SECONDS_MAX, offset)) * SECOND
        self.counts[i] = 0
        self.drops[i] = 0
        self.local = i + 1

    def packets_of(self, i: int) -> int:
        """Packets of the section's interface ``i`` so far."""
        return self.counts[i]

    def drops_of(self, i: int) -> int:
        """Count the drops that obsolete packet blocks of the section's interface ``i`` report."""
        return self.drops[i]

    def time(self, i: int, high: int, low: int) -> int:
        """Nanoseconds since 1970 of a timestamp of interface ``i``; sets `clamped` if it exceeds the range."""
        units = high
        units = units << 32 | low
        shift = self.shift[i]
        if shift >= 0:
            if shift > 63:
                units = units >> (shift - 63) if shift < 127 else 0
                shift = 63
            whole = units >> shift
            rest = units - (whole << shift)
            if shift > 32:
                rest >>= shift - 32
                shift = 32
            if whole >= SECONDS_MAX:
                self.clamped = True
                return TS_MAX
            units = whole * SECOND + (rest * SECOND >> shift)
        else:
            units //= self.divide[i]
            whole = TS_MAX
            if units > whole // self.multiply[i]:
                self.clamped = True
                return TS_MAX
            units *= self.multiply[i]
        ns = units
        ahead = self.ahead[i]
        if ahead > 0 and ns > TS_MAX - ahead:
            self.clamped = True
            return TS_MAX
        return ns + ahead

    def run(self, frames: Frames, pos: int, end: int) -> int:  # noqa: C901, PLR0912 the hot loop
        """Read packets of ``frames.data[pos:end]`` into ``frames``; return the status at which `pos` stopped."""
        self.b = frames.data
        status = NEED
        while True:
            if frames.count >= frames.capacity:
                status = FULL
                break
            if end - pos < 12:
                break
            kind = self.u32(pos)
            if kind == SECTION:
                status = BLOCK
                break
            total = self.u32(pos + 4)
            if total < 12 or total > self.limit:
                status = BAD if total < 12 else LONG
                break
            size = (total + 3) & ~3  # some writers omit the padding from the length
            if end - pos < size:
                break
            if self.u32(pos + size - 4) != total and self.base + pos != self.trusted:
                status = BAD
                break
            if kind in (ENHANCED, OLD_PACKET):
                status = self.packet(frames, pos, size, kind == OLD_PACKET)
            elif kind == SIMPLE:
                status = self.simple(frames, pos, size)
            elif kind == SECRETS:
                self.secrets += 1
            elif kind == STATISTICS and 24 <= total <= BARE_STATISTICS:
                status = NEED
            elif known_kind(kind):
                status = BLOCK
            else:
                self.unknown += 1
            if status not in (NEED, EVENT):
                break
            pos += size
            if status == EVENT:
                break
        self.pos = pos
        return status

    def packet(self, frames: Frames, pos: int, size: int, old: bool) -> int:
        """Read one enhanced or obsolete packet block of ``size`` bytes; `NEED` if it has no options to read."""
        if size < 32:
            return BAD_PACKET
        i = self.u16(pos + 8) if old else self.u32(pos + 8)
        if i >= self.local:
            return BAD_INTERFACE
        captured = self.u32(pos + 20)
        length = self.u32(pos + 24)
        if captured > MAX_FRAME or captured > size - 32:
            return BAD_PACKET
        if old:
            drop = self.u16(pos + 10)
            if drop != 0xFFFF:
                self.drops[i] += drop
        self.clamped = False
        n = frames.count
        self.put(frames, i, pos + 28, captured, length, self.time(i, self.u32(pos + 12), self.u32(pos + 16)))
        return self.read_flags(frames, n, pos + 28 + ((captured + 3) & ~3), pos + size - 4)

    def long_packet(self, frames: Frames, pos: int, end: int) -> int:
        """Read a packet block that extends beyond ``end``, without its options; `BAD_PACKET` if the packet does too."""
        noting = self.noting
        self.noting = False
        self.b = frames.data
        status = BAD_PACKET
        if end - pos >= 32 and self.u32(pos + 20) <= end - pos - 32:
            status = self.packet(frames, pos, end - pos, self.u32(pos) == OLD_PACKET)
        self.noting = noting
        return status

    def simple(self, frames: Frames, pos: int, size: int) -> int:
        """Read one simple packet block; it has the time of the previous packet."""
        if self.local == 0:
            return BAD_INTERFACE
        if size < 16:
            return BAD_PACKET
        length = self.u32(pos + 8)
        captured = length
        room = size - 16
        if self.snaplen[0] and captured > self.snaplen[0]:
            captured = self.snaplen[0]
        captured = min(captured, room)
        if captured > MAX_FRAME:
            return BAD_PACKET
        self.put(frames, 0, pos + 12, captured, length, self.last_ts)
        return NEED

    def put(self, frames: Frames, i: int, start: int, captured: int, length: int, ts: int) -> int:
        """Append one packet of interface ``i``."""
        n = frames.count
        frames.offset[n] = start
        frames.captured[n] = captured
        frames.length[n] = length
        frames.ts[n] = ts
        frames.link[n] = self.link[i]
        frames.interface[n] = self.index[i]
        frames.file_offset[n] = self.base + start
        frames.count = n + 1
        self.last_ts = ts
        self.packets += 1
        self.counts[i] += 1
        if captured > length:
            if self.oversize == 0:
                self.oversize_packet = self.packets
                self.oversize_offset = self.base + start
            self.oversize += 1
        return 0

    def put_other(self, frames: Frames, index: int, link: int, start: int, captured: int, length: int, ts: int) -> None:
        """Append a block that is numbered like a packet; ``index`` is its interface in the source's list."""
        n = frames.count
        frames.offset[n] = start
        frames.captured[n] = captured
        frames.length[n] = length
        frames.ts[n] = ts
        frames.link[n] = link
        frames.interface[n] = index
        frames.file_offset[n] = self.base + start
        frames.count = n + 1
        self.last_ts = ts
        self.packets += 1

    def read_flags(self, frames: Frames, n: int, start: int, stop: int) -> int:
        """Read the flags if they are the only option (the most frequent case); `EVENT` if there are others."""
        self.options = start
        self.options_end = start
        gap = stop - start if self.noting else 0
        if (
            gap >= 8
            and self.u16(start) == 2
            and self.u16(start + 2) == 4
            and (gap == 8 or (gap == 12 and self.u32(start + 8) == 0))
        ):
            flags = self.u32(start + 4)
            if flags:
                self.note_flags(frames, n, flags)
        elif gap > 4 or (gap == 4 and self.u32(start) != 0):
            note = self.known.get(bytes(self.b[start:stop])) if self.known and gap <= 2048 else None
            if note is not None:
                frames.notes[n] = note
                return EVENT if self.clamped else NEED
            self.options_end = stop
            return EVENT
        return EVENT if self.clamped else NEED

    def note_flags(self, frames: Frames, n: int, flags: int) -> None:
        """Attach the note of a frame's flags; frames with equal flags share one note."""
        note = self.flag_notes.get(flags)
        if note is None:
            note = Note(flags=flags, section=self.section)
            if len(self.flag_notes) < _FLAG_NOTES:
                self.flag_notes[flags] = note
        frames.notes[n] = note

    def find(self, pos: int, end: int, last: bool) -> int:
        """Find the next plausible block at or after ``pos``; -1 if there is none before `pos`, where to continue.

        ``last``: no data follows ``end``, so a block that extends beyond it is invalid.
        """
        while end - pos >= 12:
            verdict = self.plausible(pos, end, last)
            if verdict > 0:
                self.pos = pos
                return pos
            if verdict < 0:
                break
            pos += 1
        self.pos = pos
        return -1

    def plausible(self, pos: int, end: int, last: bool) -> int:  # noqa: PLR0911 each return is one verdict
        """Whether a block begins at ``pos``: 1 yes, 0 no, -1 needs bytes beyond ``end``, 2 a block beyond `limit`."""
        if end - pos < 12:
            return 0 if last else -1
        kind = self.u32(pos)
        if kind == SECTION:
            total = self.u32(pos + 8)
            return 1 if total in (0x1A2B3C4D, 0x4D3C2B1A) else 0
        if not known_kind(kind):
            return 0
        total = self.u32(pos + 4)
        if total < 12 or total & 3:
            return 0
        if total > self.limit:
            return 2
        after = pos + total
        if after > end:
            return 0 if last else -1
        if self.u32(after - 4) != total:
            return 0
        if end - after < 8 or self.u32(after) == SECTION:
            return 1
        total = self.u32(after + 4)
        return 1 if total >= 12 and (total <= self.limit or known_kind(self.u32(after))) else 0
