"""Read classic pcap: file header, damaged records and resynchronisation. The record walk is in `pcapwalk`.

Byte order, resolution and record header size follow from the magic. The formats of patched libpcaps (longer record
headers under either magic) are recognised by the header size that gives plausible first records, as in Wireshark.
Fractions that are impossible in the header's unit, runs of zeros and headers of further files are recognised.
"""

import numpy as np

from rustnet.sources.damage import DamageLog, zero_tail
from rustnet.sources.frames import MAX_FRAME, Frames, Interface
from rustnet.sources.longblocks import LongPart
from rustnet.sources.pcapwalk import PcapWalk
from rustnet.sources.sniff import PCAP_HEADER, PCAP_MAGIC, SECTION_HEADER, byte_order, file_header, find_header
from rustnet.sources.status import BAD, EDGE, FULL

_HEADS = {"pcap": (16, 24, 20), "pcap-ns": (16,), "pcap-modified": (24, 28)}
_RESERVED = 0x03FF0000
_FCS_PRESENT = 0x04000000
_CERTAIN = 100
"""Packets whose fractions are all below 1,000,000, after which the unit is hardly nanoseconds."""
_SPREAD = 100_000
"""Least value of the largest of these fractions, as otherwise they may be counters."""
_BACK = 3
"""Packets before a damaged record that are taken back if another file begins within them."""
_TRIES = 8
"""File headers in one damaged place that are considered."""
_ZEROS = 4096
"""Bytes of zeros that are passed over without a search."""
_CHAIN = 4096
"""Records that are followed from one of them."""


class PcapReader:
    """Reads the records of one classic pcap input, batch by batch."""

    def __init__(
        self, head: bytes, interfaces: list[Interface], damage: DamageLog, *, packets: int = 0, section: int = 0
    ) -> None:
        self.base = 0
        """Offset in the uncompressed input of the first byte of the next batch's buffer."""
        self.finished = False
        self.full = False
        """The last batch was filled: the buffer may hold more packets."""
        self.gaps: list[tuple[int, int, bytes]] = []
        """Unused for this format."""
        self.long_parts: list[LongPart] = []
        """Unused for this format."""
        self.successor: str | None = None
        """Format of another file, whose header is at the offset that `read` returned."""
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
        self._before = packets
        interface = Interface(self._link, self._snaplen, section=section, fcs_bits=fcs)
        if not (interfaces and _alike(interfaces[-1], interface)):
            interfaces.append(interface)
        self._interface = len(interfaces) - 1
        if network & _RESERVED:
            # The highest bits are the length of the frame check sequence; those between it and the type are reserved.
            damage.add(
                "bad_link_type", 0, 20, f"the link type field holds {network:#010x}, read as {self._link}", lost=False
            )
        self._walk: PcapWalk | None = None
        self._lost_at = -1
        self._lost = ""
        self._zeros = False
        """All bytes since the last record are zeros."""

    @property
    def unit(self) -> int:
        """Nanoseconds per unit of the times, as far as known."""
        return self._walk.scale if self._walk else 1 if self._form == "pcap-ns" else 1000

    @property
    def packets(self) -> int:
        """Packets read so far."""
        return self._walk.packets if self._walk else self._before

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
        walk.look_at(frames.data)
        walk.survey(pos, end)
        while not self.finished:
            if self._lost_at >= 0:
                pos, in_sync = self._search(walk, frames, pos, end, eof)
                if not in_sync or self.successor:
                    return pos
            status = walk.run(frames, pos, end)
            pos = walk.pos
            if status == FULL:
                self.full = True
                break
            after = self._stop(walk, frames, pos, end, eof, status)
            if after < 0:
                break
            pos = after
            if self.successor:
                break
        return pos

    def _stop(self, walk: PcapWalk, frames: Frames, pos: int, end: int, eof: bool, status: int) -> int:
        """Handle what stopped the walk at ``pos``; return where to continue, -1 if more bytes are needed."""
        self.successor = file_header(frames.buffer[pos : min(end, pos + SECTION_HEADER)])
        if self.successor:
            return pos
        if status == BAD:
            return self._bad(walk, frames, pos, end, "invalid captured length or time")
        if status == EDGE and (eof or end - pos > PCAP_HEADER):
            return self._no_record(walk, frames, pos)
        return self._end(walk, frames, pos, end) if eof else -1

    def _no_record(self, walk: PcapWalk, frames: Frames, pos: int) -> int:
        """Handle zeros, or an empty record that only looked like a file header; return where to continue."""
        if any(frames.buffer[pos + 8 : pos + 16]):
            walk.passed = self.base + pos
            return pos
        self._zeros = True
        self._lost_at = self.base + pos
        self._lost = "zeros stand where a record is expected"
        return pos + 8

    def _bad(self, walk: PcapWalk, frames: Frames, pos: int, end: int, why: str) -> int:
        """Handle a damaged record: what precedes it may have been cut off where another file begins."""
        start = frames.offset[max(0, frames.count - _BACK)] - walk.head if frames.count else pos
        data = bytes(frames.buffer[start : min(end, pos + 2 * PCAP_HEADER)])
        at = -1
        for _ in range(_TRIES):
            at = find_header(data, at + 1)
            if at < 0:
                break
            if self._leads(frames, start + at, pos, end) > pos:
                return self._cut(walk, frames, pos, start + at)
        return self._lose_sync(pos, why)

    def _cut(self, walk: PcapWalk, frames: Frames, pos: int, header: int) -> int:
        """Take back the packets after ``header``, where another file begins, and the one that is cut off there."""
        start = pos
        while frames.count and (i := frames.count - 1) >= 0 and frames.offset[i] + frames.captured[i] > header:
            start = frames.offset[i] - walk.head
            frames.count -= 1
            walk.packets -= 1
        if walk.odd_packet > walk.packets:
            walk.odd = walk.odd_packet = 0
        if walk.oversize_packet > walk.packets:
            walk.oversize = walk.oversize_packet = 0
        self.successor = file_header(frames.buffer[header : header + SECTION_HEADER])
        if start < header:
            detail = f"a record is cut off after {header - start} bytes of it, where another file begins"
            self._damage.add("cut_off", walk.packets, self.base + start, detail, walk.last_ts)
        return header

    def _leads(self, frames: Frames, at: int, target: int, end: int) -> int:
        """Where the records after the file header at ``at`` lead, if they do not stop before ``target``; or -1."""
        buffer = frames.buffer
        form = PCAP_MAGIC.get(int.from_bytes(buffer[at : at + 4], "little"))
        order = byte_order(form is None)
        form = form or PCAP_MAGIC[int.from_bytes(buffer[at : at + 4], "big")]
        head = _HEADS[form][0]
        pos = at + PCAP_HEADER
        for _ in range(_CHAIN):
            if pos > target or pos + head > end:
                return pos
            captured = int.from_bytes(buffer[pos + 8 : pos + 12], order)
            if captured > int.from_bytes(buffer[pos + 12 : pos + 16], order) or captured > MAX_FRAME:
                return -1
            pos += head + captured
        return -1

    def _search(self, walk: PcapWalk, frames: Frames, pos: int, end: int, eof: bool) -> tuple[int, bool]:
        """Search for the next plausible record; return the offset to continue at, and whether it is a record."""
        if self._zeros and not eof and end - pos > _ZEROS and not np.asarray(frames.buffer)[pos:end].any():
            return end - PCAP_HEADER, False
        walk.look_at(frames.data)
        record = walk.find(pos, end, eof)
        if record < 0 and not eof and walk.pos == 0 and end == len(frames.buffer):
            # The buffer is full, but too short for a whole chain of records: judge what it holds.
            record = 0 if walk.chain(0, end, True) == 1 else walk.find(1, end, False)
        reached = record if record >= 0 else end if eof else walk.pos
        header = self._header_between(frames, pos, reached, end)
        if self._zeros:
            stop = header if header >= 0 else reached
            self._zeros = not bytes(frames.buffer[pos:stop]).strip(b"\0")
        if header >= 0 and (self._zeros or header + PCAP_HEADER == record):
            self.successor = file_header(frames.buffer[header : header + PCAP_HEADER])
            self._report(f"{self._lost}; another file begins {self.base + header - self._lost_at} bytes later", header)
            return header, True
        if record >= 0:
            self._report(f"{self._lost}; the next record is {self.base + record - self._lost_at} bytes later", record)
            return record, True
        if eof:
            self.finished = True
            self._report(
                f"{self._lost}; no further record in the remaining {self.base + end - self._lost_at} bytes", end
            )
            return end, False
        return walk.pos, False

    def _end(self, walk: PcapWalk, frames: Frames, pos: int, end: int) -> int:
        """Handle the end of the file: after a record, within one (both finish), or an invalid length."""
        rest = end - pos
        walk.look_at(frames.data)
        if rest >= walk.head and not walk.plausible(pos):
            return self._bad(
                walk, frames, pos, end, "its fields are implausible, or it extends beyond the end of the file"
            )
        data = bytes(frames.buffer[pos:end])
        at = find_header(data)
        if at >= 0 and self._leads(frames, pos + at, end - 1, end) == end:
            self.successor = file_header(data[at:])
            detail = f"a record is cut off after {at} bytes of it, where another file begins"
            self._damage.add("cut_off", walk.packets, self.base + pos, detail, walk.last_ts)
            return pos + at
        if rest >= 8 and not data.strip(b"\0"):
            self._damage.add("zero_tail", walk.packets, self.base + pos, zero_tail(rest), walk.last_ts)
        elif rest:
            detail = f"the file ends within a record, after {rest} bytes of it"
            self._damage.add("cut_off", walk.packets, self.base + pos, detail, walk.last_ts)
        self.finished = True
        return end

    def close(self) -> None:
        """Store the counts of the file, and the damage that concerns all of it."""
        walk = self._walk
        if walk is None:
            return
        self._interfaces[self._interface].packets += walk.packets - self._before
        self._report_times(walk)
        if walk.oversize:
            detail = f"{walk.oversize} packets have more captured bytes than their length; this is the first"
            self._damage.add("captured_exceeds_length", walk.oversize_packet, walk.oversize_offset, detail, lost=False)

    def _make_walk(self, frames: Frames, end: int, eof: bool) -> PcapWalk:
        """Create the walk, with the record header size that gives plausible first records."""
        limit = min(MAX_FRAME, len(frames.buffer) // 2)
        default: PcapWalk | None = None
        for head in _HEADS[self._form]:
            scale = 1 if self._form == "pcap-ns" else 1000
            walk = PcapWalk(self._big, head, scale, self._swap, self._link, limit, self._interface)
            walk.packets = walk.before = self._before
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

    def _header_between(self, frames: Frames, pos: int, stop: int, end: int) -> int:
        """Offset of a file header that begins in ``pos`` to ``stop``; -1 if there is none."""
        at = find_header(bytes(frames.buffer[pos : min(end, stop + PCAP_HEADER)]))
        return pos + at if 0 <= at < stop - pos else -1

    def _report(self, detail: str, pos: int) -> None:
        """Report what stood between the last record and ``pos``."""
        size = self.base + pos - self._lost_at
        if not self._zeros:
            kind, detail = "bad_record_length", f"a record is damaged: {detail}"
        elif self.finished:
            kind, detail = "zero_tail", zero_tail(size)
        else:
            kind, detail = "zero_gap", f"{size} bytes of zeros stand where a record is expected"
        self._damage.add(kind, self.packets, self._lost_at, detail, self.last_ts)
        self._lost_at = -1
        self._zeros = False

    def _report_times(self, walk: PcapWalk) -> None:
        """Report fractions of a second that do not fit the unit of the file header."""
        if walk.odd and walk.fine_from:
            kind = "bad_timestamp_unit"
            detail = (
                f"the file header says microseconds, but {walk.odd} fractions are 1,000,000 or more: times are read as"
                f" nanoseconds from packet {walk.fine_from} on"
            )
        elif walk.odd:
            kind = "bad_timestamp"
            detail = f"{walk.odd} packets have a fraction of a second and more; the whole second is kept"
        elif self._form == "pcap-ns" and self._hardly_fine(walk):
            kind = "bad_timestamp_unit"
            detail = (
                f"the file header says nanoseconds, but all fractions are below 1,000,000 (the largest is"
                f" {walk.largest}): they may be microseconds; they are read as the header says"
            )
        else:
            return
        packet, offset = (walk.odd_packet, walk.odd_offset) if walk.odd else (self._before + 1, 0)
        self._damage.add(kind, packet, offset, detail, walk.last_ts, lost=False)

    def _hardly_fine(self, walk: PcapWalk) -> bool:
        """Whether fractions of nanoseconds would hardly all be as small as these are."""
        many = walk.packets - self._before >= _CERTAIN and abs(walk.near - walk.first) >= 2
        return many and _SPREAD <= walk.largest < 1_000_000


def _alike(one: Interface, other: Interface) -> bool:
    """Whether interfaces of joined files may be one."""
    fields = ("link_type", "snaplen", "section", "fcs_bits", "name")
    return all(getattr(one, name) == getattr(other, name) for name in fields)
