"""Read classic pcap: file header, damaged records and resynchronisation. The record walk is in `pcapwalk`.

Byte order, resolution and record header size follow from the magic. The formats of patched libpcaps (longer record
headers under either magic) are recognised by the header size that gives plausible first records, as in Wireshark.
"""

from rustnet.sources.damage import DamageLog
from rustnet.sources.frames import MAX_FRAME, Frames, Interface
from rustnet.sources.longblocks import LongPart
from rustnet.sources.pcapwalk import PcapWalk
from rustnet.sources.sniff import PCAP_HEADER, PCAP_MAGIC, byte_order
from rustnet.sources.status import BAD, FULL

_HEADS = {"pcap": (16, 24, 20), "pcap-ns": (16,), "pcap-modified": (24, 28)}
_RESERVED = 0x03FF0000
_FCS_PRESENT = 0x04000000


class PcapReader:
    """Reads the records of one classic pcap input, batch by batch."""

    def __init__(self, head: bytes, interfaces: list[Interface], damage: DamageLog) -> None:
        self.base = 0
        """Offset in the uncompressed input of the first byte of the next batch's buffer."""
        self.finished = False
        self.full = False
        """The last batch was filled: the buffer may hold more packets."""
        self.gaps: list[tuple[int, int, bytes]] = []
        """Unused for this format."""
        self.long_parts: list[LongPart] = []
        """Unused for this format."""
        self._damage = damage
        self._interfaces = interfaces
        self._big = int.from_bytes(head[:4], "big") in PCAP_MAGIC
        order = byte_order(self._big)
        fields = [int.from_bytes(head[at : at + size], order) for at, size in ((4, 2), (6, 2), (16, 4), (20, 4))]
        major, minor, self._snaplen, network = fields
        self._form = PCAP_MAGIC[int.from_bytes(head[:4], order)]
        self._swap = 1 if major != 2 or minor < 3 else 2 if minor == 3 else 0
        self._link = network & 0xFFFF
        fcs = network >> 28 << 4 if network & _FCS_PRESENT else 0
        interfaces.append(Interface(self._link, self._snaplen, fcs_bits=fcs))
        if network & _RESERVED:
            # The highest bits are the length of the frame check sequence; those between it and the type are reserved.
            damage.add(
                "bad_link_type", 0, 20, f"the link type field holds {network:#010x}, read as {self._link}", lost=False
            )
        self._walk: PcapWalk | None = None
        self._lost_at = -1
        self._lost = ""

    @property
    def packets(self) -> int:
        """Packets read so far."""
        return self._walk.packets if self._walk else 0

    @property
    def last_ts(self) -> int:
        """Time of the last packet."""
        return self._walk.last_ts if self._walk else 0

    def read(self, frames: Frames, end: int, eof: bool) -> int:
        """Read the packets of ``frames.data[:end]``; return the offset to continue at. ``eof``: no data follows."""
        if self._walk is None and end < PCAP_HEADER:
            self.finished = eof
            return end if eof else 0
        pos = 0
        self.full = False
        if self._walk is None:
            self._walk = self._make_walk(frames, end, eof)
            pos = PCAP_HEADER
        walk = self._walk
        walk.base = self.base
        while not self.finished:
            if self._lost_at >= 0:
                pos, in_sync = self._search(walk, frames, pos, end, eof)
                if not in_sync:
                    return pos
            status = walk.run(frames, pos, end)
            pos = walk.pos
            if status == FULL:
                self.full = True
                break
            if status == BAD:
                pos = self._lose_sync(pos, "invalid captured length")
            elif not eof:
                break
            else:
                pos = self._end(walk, frames, pos, end)
        return pos

    def _search(self, walk: PcapWalk, frames: Frames, pos: int, end: int, eof: bool) -> tuple[int, bool]:
        """Search for the next plausible record; return the offset to continue at, and whether it is a record."""
        walk.look_at(frames.data)
        record = walk.find(pos, end, eof)
        if record < 0 and not eof and walk.pos == 0 and end == len(frames.buffer):
            # The buffer is full, but too short for a whole chain of records: judge what it holds.
            record = 0 if walk.chain(0, end, True) == 1 else walk.find(1, end, False)
        if record >= 0:
            self._report(f"{self._lost}; the next record is {self.base + record - self._lost_at} bytes later")
            return record, True
        if eof:
            self._report(f"{self._lost}; no further record in the remaining {self.base + end - self._lost_at} bytes")
            self.finished = True
            return end, False
        return walk.pos, False

    def _end(self, walk: PcapWalk, frames: Frames, pos: int, end: int) -> int:
        """Handle the end of the file: after a record, within one (both finish), or an invalid length."""
        rest = end - pos
        walk.look_at(frames.data)
        if rest >= walk.head and not walk.plausible(pos):
            return self._lose_sync(pos, "it extends beyond the end of the file")
        if rest:
            detail = f"the file ends within a record, after {rest} bytes of it"
            self._damage.add("cut_off", walk.packets, self.base + pos, detail, walk.last_ts)
        self.finished = True
        return end

    def close(self) -> None:
        """Store the counts of the file, and the damage that concerns all of it."""
        walk = self._walk
        if walk is None:
            return
        self._interfaces[0].packets = walk.packets
        if walk.oversize:
            detail = f"{walk.oversize} packets have more captured bytes than their length; this is the first"
            self._damage.add("captured_exceeds_length", walk.oversize_packet, walk.oversize_offset, detail, lost=False)

    def _make_walk(self, frames: Frames, end: int, eof: bool) -> PcapWalk:
        """Create the walk, with the record header size that gives plausible first records."""
        limit = min(MAX_FRAME, len(frames.buffer) // 2)
        default: PcapWalk | None = None
        for head in _HEADS[self._form]:
            walk = PcapWalk(self._big, head, 1 if self._form == "pcap-ns" else 1000, self._swap, self._link, limit)
            walk.look_at(frames.data)
            if walk.chain(PCAP_HEADER, end, eof) == 1 and (default is None or self._has_second(frames, head, end)):
                return walk
            default = default or walk
        assert default is not None
        return default

    def _has_second(self, frames: Frames, head: int, end: int) -> bool:
        """Whether a second record follows the first: one record is not enough for an unusual header size."""
        size = bytes(frames.buffer[PCAP_HEADER + 8 : PCAP_HEADER + 12])
        return PCAP_HEADER + head + int.from_bytes(size, byte_order(self._big)) < end

    def _lose_sync(self, pos: int, why: str) -> int:
        self._lost_at = self.base + pos
        self._lost = why
        return pos + 1

    def _report(self, detail: str) -> None:
        self._damage.add(
            "bad_record_length", self.packets, self._lost_at, f"a record is damaged: {detail}", self.last_ts
        )
        self._lost_at = -1
