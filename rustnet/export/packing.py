"""Packs batches of packets into records of pcap or blocks of pcapng; compiled.

It fills one output buffer and returns when the next packet may not fit, or when its caller has to act; the caller
(`rustnet.ingest.recorder`) writes the buffer out and calls again. C types are declared in ``packing.pxd``; the
uncompiled code works, but slowly. Little-endian, in nanoseconds.
"""

import cython
import numpy as np

from rustnet.sources.frames import MAX_FRAME, Frames, Note, zeros

if not cython.compiled:  # compiled, the .pxd has the same as a C function

    def copy(out: "memoryview[int]", at: int, data: "memoryview[int]", start: int, size: int) -> None:
        """Copy ``data[start:start + size]`` to ``out[at:]``."""
        out[at : at + size] = data[start : start + size]


# Module globals that the .pxd types: in compiled code they are C variables, invisible to other modules.
SECOND = 1_000_000_000
RECORD = 16  # bytes of pcap in front of a packet
BLOCK = 28  # bytes of pcapng in front of a packet
ENHANCED = 6
FLAGS = 2
FOREVER = (1 << 63) - 1
LATEST = 1 << 32  # first second that pcap cannot hold

MAX_OPTIONS = 1 << 18
"""Bytes of a packet's options at most."""
OUT_BYTES = (4 << 20) + MAX_FRAME + MAX_OPTIONS + 64
"""Size of the output buffer. A packet always fits an empty one."""
ALL, FULL, NEXT_SEGMENT, LINK, TIME = range(5)
"""Why `Packer.run` returned: the batch is packed, the output full, the packet belongs into the next segment, its
interface or link type is unknown, its time cannot be stored."""
_ALL, _FULL, _NEXT_SEGMENT, _LINK, _TIME = ALL, FULL, NEXT_SEGMENT, LINK, TIME


class Packer:
    """Packs packets as pcapng or pcap.

    ``places`` writes the position of each packet's bytes into `Frames.file_offset`. ``most_bytes`` is the size of a
    segment, ``most_ns`` its length in packet time; 0: not limited.
    """

    def __init__(self, pcapng: bool, places: bool, most_bytes: int, most_ns: int) -> None:
        self.pcapng = pcapng
        self.places = places
        self.most_bytes = most_bytes
        self.most_ns = most_ns
        self.buffer = zeros(OUT_BYTES, np.uint8)
        self.out = self.buffer
        self.used = 0
        """Bytes in the output buffer."""
        self.base = 0
        """Position of the output buffer in the segment."""
        self.packets = 0
        """Packets of the segment, those in the output buffer included."""
        self.until = FOREVER
        """Time from which on packets belong into the next segment."""
        self.first_ts = 0
        self.last_ts = 0
        self.why = ALL
        self.numbers = zeros(1, np.int32)
        """Number in the segment of each interface of the source, -1 before it is described."""
        self.links = zeros(1, np.int32)
        """Link type with which it is described."""
        self.interfaces = 0
        """Interfaces in these tables."""
        self.ends = zeros(1, np.int64)
        """End in the output buffer of each packet of the batch that is in it."""
        self.data = memoryview(b"")

    def begin(self) -> None:
        """Begin a segment."""
        self.base = self.used = self.packets = 0
        self.until = FOREVER
        self.first_ts = self.last_ts = 0

    def put(self, data: bytes) -> None:
        """Append bytes that are no packet; they have to fit."""
        size = len(data)
        self.buffer[self.used : self.used + size] = data
        self.used += size

    def written(self) -> None:
        """Empty the output buffer, which was written out."""
        self.base += self.used
        self.used = 0

    def know(self, numbers: "memoryview[int]", links: "memoryview[int]") -> None:
        """Replace the tables of interfaces."""
        self.numbers, self.links, self.interfaces = numbers, links, len(numbers)

    def run(self, frames: Frames, i: int) -> int:
        """Pack the packets of a batch from ``i`` on; returns the index of the first that is not packed."""
        if len(self.ends) < frames.capacity:
            self.ends = zeros(frames.capacity, np.int64)
        self.data = frames.data
        noted = bool(frames.notes)
        while i < frames.count:
            self.why = self.obstacle(frames, i)
            if self.why != _ALL:
                return i
            ts = frames.ts[i]
            if not self.packets:
                self.first_ts = ts
                if self.most_ns:
                    self.until = ts + self.most_ns
            captured = frames.captured[i]
            start = frames.offset[i]
            if start < 0 or captured > len(self.data) - start:
                raise ValueError(f"packet {i} lies outside of its batch")
            if self.places:
                frames.file_offset[i] = self.base + self.used + (BLOCK if self.pcapng else RECORD)
            if self.pcapng:
                note = frames.notes.get(i) if noted else None
                self.block(self.numbers[frames.interface[i]], ts, captured, frames.length[i], start, note)
            else:
                self.record(ts, captured, frames.length[i], start)
            self.ends[i] = self.used
            self.last_ts = ts
            self.packets += 1
            i += 1
        self.why = _ALL
        return i

    def obstacle(self, frames: Frames, i: int) -> int:
        """Why a packet cannot be packed now; `ALL` if it can."""
        captured = frames.captured[i]
        ts = frames.ts[i]
        size = BLOCK + ((captured + 3) & ~3) + 4 if self.pcapng else RECORD + captured
        if self.used + size > len(self.out) - MAX_OPTIONS - 64:
            return _FULL
        if ts >= self.until or (self.most_bytes and self.packets and self.base + self.used + size > self.most_bytes):
            return _NEXT_SEGMENT
        if ts < 0 or (not self.pcapng and ts // SECOND >= LATEST):
            return _TIME
        interface = frames.interface[i] if self.pcapng else 0
        known = interface < self.interfaces and self.numbers[interface] >= 0
        return _ALL if known and self.links[interface] == frames.link[i] else _LINK

    def record(self, ts: int, captured: int, length: int, start: int) -> None:
        """Append a record of pcap."""
        self.put32(ts // SECOND)
        self.put32(ts % SECOND)
        self.put32(captured)
        self.put32(length)
        if captured:
            copy(self.out, self.used, self.data, start, captured)
        self.used += captured

    def block(self, number: int, ts: int, captured: int, length: int, start: int, note: Note | None) -> None:
        """Append an enhanced packet block."""
        begun = self.used
        self.put32(ENHANCED)
        self.put32(0)
        self.put32(number)
        self.put32(ts >> 32)
        self.put32(ts)
        self.put32(captured)
        self.put32(length)
        if captured:
            copy(self.out, self.used, self.data, start, captured)
        self.used += captured
        while self.used & 3:
            self.out[self.used] = 0
            self.used += 1
        if note is not None:
            if note.comments:
                self.put(self.options_of(note))
            flags = note.flags
            if flags:
                self.put32(4 << 16 | FLAGS)
                self.put32(flags)
            if flags or note.comments:
                self.put32(0)
        total = self.used + 4 - begun
        self.put32(total)
        self.used = begun + 4
        self.put32(total)
        self.used = begun + total

    def options_of(self, note: Note) -> bytes:
        """The comments of a note as options, as far as they fit."""
        options = b""
        for text in note.comments:
            raw = text.encode("utf-8", "replace")[:0xFFFF].decode("utf-8", "ignore").encode()
            option = b"\1\0" + len(raw).to_bytes(2, "little") + raw + bytes(-len(raw) % 4)
            if len(options) + len(option) > MAX_OPTIONS:
                break
            options += option
        return options

    def put32(self, value: int) -> None:
        """Append four bytes."""
        at = self.used
        self.out[at] = value & 0xFF
        self.out[at + 1] = value >> 8 & 0xFF
        self.out[at + 2] = value >> 16 & 0xFF
        self.out[at + 3] = value >> 24 & 0xFF
        self.used = at + 4
