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
MASK64 = (1 << 64) - 1
FACTOR, SECOND_FACTOR, THIRD_FACTOR = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
SLOTS = 1 << 16
SLOT_SHIFT = 48  # the upper 16 bits of a hash are its slot
IPV4, IPV6, VLAN, PROVIDER_VLAN = 0x0800, 0x86DD, 0x8100, 0x88A8
TCP, UDP, SCTP = 6, 17, 132
SYN_ACK, SYN = 0x12, 0x02
FREE_ROOM = 1 << 20  # bytes of rooms from which on they are at most a quarter of the segment

ROOM = 188
"""Bytes of a comment that is written later, into the first packet of a flow in each segment."""
FILLER = 0xFFF0
"""Code of the option that keeps this room: one of those for local use, which readers pass over."""
_ROOM, _FILLER = ROOM, FILLER
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
    segment, ``most_ns`` its length in packet time; 0: not limited. With ``rooms`` the first packet of a flow, as far as
    a short look at it shows, has room for a comment.
    """

    def __init__(self, pcapng: bool, places: bool, most_bytes: int, most_ns: int, rooms: bool = False) -> None:
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
        self.note: Note | None = None
        self.other_note: Note | None = None
        self.flags = self.other_flags = 0
        self.rooms = rooms
        self.room_bytes = 0
        """Bytes of rooms in the segment."""
        self.recent = zeros(SLOTS if rooms else 1, np.uint64)
        """Hashes of flows that have packets in the segment; of each slot the latest."""

    def begin(self) -> None:
        """Begin a segment."""
        self.base = self.used = self.packets = 0
        self.until = FOREVER
        self.first_ts = self.last_ts = 0
        self.room_bytes = 0
        np.asarray(self.recent)[:] = 0

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
                room = self.rooms and self.begins(start, captured, frames.link[i])
                self.block(self.numbers[frames.interface[i]], ts, captured, frames.length[i], start, note, room)
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

    def begins(self, start: int, captured: int, link: int) -> bool:
        """Whether a packet is likely the first of its flow in the segment, or opens a connection."""
        ip = self.network(start, captured, link)
        end = start + captured
        if ip < 0 or ip + 20 > end:
            return False
        version = self.data[ip] >> 4
        if version == 4:
            protocol = self.data[ip + 9]
            ports = ip + ((self.data[ip] & 0xF) << 2)
            if self.u16(ip + 6) & 0x1FFF:
                ports = end
            a, b = self.u32(ip + 12), self.u32(ip + 16)
        elif version == 6 and ip + 40 <= end:
            protocol = self.data[ip + 6]
            ports = ip + 40
            a = self.u32(ip + 8) << 32 ^ self.u32(ip + 12) << 16 ^ self.u32(ip + 16) << 8 ^ self.u32(ip + 20)
            b = self.u32(ip + 24) << 32 ^ self.u32(ip + 28) << 16 ^ self.u32(ip + 32) << 8 ^ self.u32(ip + 36)
        else:
            return False
        c = d = 0
        if ports + 4 <= end and protocol in (TCP, UDP, SCTP):
            c, d = self.u16(ports), self.u16(ports + 2)
        key = ((a + b) * FACTOR ^ (a ^ b) * SECOND_FACTOR ^ (c + d) * THIRD_FACTOR ^ (c ^ d) * FACTOR) & MASK64
        key = ((key ^ key >> 29) * THIRD_FACTOR + protocol) & MASK64
        slot = key >> SLOT_SHIFT
        opens = protocol == TCP and ports + 14 <= end and self.data[ports + 13] & SYN_ACK == SYN
        if self.recent[slot] == key and not opens:
            return False
        self.recent[slot] = key
        return self.room_bytes < FREE_ROOM or self.room_bytes < (self.base + self.used) >> 2

    def network(self, start: int, captured: int, link: int) -> int:
        """Where the IP header of a packet begins, -1 if it has none."""
        at = -1
        if link == 1:  # Ethernet
            at = start + 12
            if captured >= 22 and self.u16(at) in (VLAN, PROVIDER_VLAN):
                at += 4
                if self.u16(at) == VLAN:
                    at += 4
        elif link == 113:  # Linux cooked
            at = start + 14
        elif link == 276 and captured >= 20:  # Linux cooked, version 2
            kind = self.u16(start)
            return start + 20 if kind in (IPV4, IPV6) else -1
        elif link in (101, 228, 229):  # raw IP
            return start
        if at < 0 or at + 2 > start + captured:
            return -1
        kind = self.u16(at)
        return at + 2 if kind in (IPV4, IPV6) else -1

    def u16(self, p: int) -> int:
        """Two bytes of the batch in network order."""
        a = self.data[p]
        return a << 8 | self.data[p + 1]

    def u32(self, p: int) -> int:
        """Four bytes of the batch in network order."""
        a = self.u16(p)
        return a << 16 | self.u16(p + 2)

    def block(
        self, number: int, ts: int, captured: int, length: int, start: int, note: Note | None, room: bool
    ) -> None:
        """Append an enhanced packet block, with ``room`` for a comment."""
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
        options = self.used
        if note is not None:
            if note is self.note:
                flags = self.flags
            elif note is self.other_note:
                flags = self.other_flags
            else:
                flags = self.flags_of(note)
            if flags:
                self.put32(4 << 16 | FLAGS)
                self.put32(flags)
        if room:
            self.put32(_ROOM << 16 | _FILLER)
            for _ in range(0, _ROOM, 4):
                self.put32(0)
            self.room_bytes += _ROOM + 4
        if self.used > options:
            self.put32(0)
        total = self.used + 4 - begun
        self.put32(total)
        self.used = begun + 4
        self.put32(total)
        self.used = begun + total

    def flags_of(self, note: Note) -> int:
        """Flags of a note, whose comments are appended. Two notes without comments are kept, as live packets have."""
        flags = note.flags
        if note.comments:
            self.put(self.options_of(note))
        else:
            self.other_note, self.other_flags = self.note, self.flags
            self.note, self.flags = note, flags
        return flags

    def options_of(self, note: Note) -> bytes:
        """The comments of a note as options, as far as they fit."""
        options = b""
        for text in note.comments:
            raw = text.encode("utf-8", "replace")[:0xFFFF].decode("utf-8", "ignore").encode()
            option = b"\1\0" + len(raw).to_bytes(2, "little") + raw + bytes(-len(raw) & 3)
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
