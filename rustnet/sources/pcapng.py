"""Read pcapng (draft-ietf-opsawg-pcapng): sections, interfaces, rare blocks, options, damage. The walk is in `walk`.

Contents other than packets go to the source's `SourceInfo` and interfaces, within limits that a hostile file cannot
exceed. Custom blocks, journal entries and sysdig events become frames with a private link type, because they are
numbered like packets.
"""

import struct

from rustnet.sources.ahead import NotYetError
from rustnet.sources.blocks import BlockContents
from rustnet.sources.damage import DamageLog, zero_tail
from rustnet.sources.frames import Frames, Interface, SourceInfo
from rustnet.sources.linktypes import CUSTOM_BLOCK, SYSDIG_EVENT, SYSTEMD_JOURNAL
from rustnet.sources.longblocks import AT_HAND, PACKETS, Lengths, LongBlock, LongPart, Look, padded
from rustnet.sources.options import OptionError
from rustnet.sources.sniff import BYTE_ORDERS, PCAP_HEADER, PCAPNG_MAGIC, byte_order, file_header
from rustnet.sources.status import BAD, BAD_INTERFACE, BAD_PACKET, BLOCK, EVENT, FULL, LONG, NEED

_SECTION = 0x0A0D0D0A
_ENHANCED = 6
_OLD_PACKET = 2
_BLOCKS = 4096
"""Blocks without packets that are read in one go: the consumer is asked in between."""


class PcapngReader(BlockContents):
    """Reads the blocks of one pcapng input, batch by batch."""

    def __init__(
        self,
        info: SourceInfo,
        interfaces: list[Interface],
        damage: DamageLog,
        buffer: int,
        *,
        look: Look,
        notes: bool = True,
    ) -> None:
        super().__init__(info, interfaces, damage, buffer // 2, notes=notes)
        self.finished = False
        self.full = False
        """The last batch was filled: the buffer may hold more packets."""
        self.successor: str | None = None
        """Format of another file, whose header is at the offset that `read` returned."""
        self.gaps: list[tuple[int, int, bytes]] = []
        """Ranges of the bytes consumed by the last `read` that are not valid blocks: start, end, and a section header
        that replaces a damaged one (or nothing). All other bytes are consecutive blocks."""
        self.long_parts: list[LongPart] = []
        """Ranges of the bytes consumed by the last `read` that belong to valid blocks longer than a batch may hold."""
        self._look = look
        self._long: LongBlock | None = None
        self._lost_at = -1
        self._lost = ""
        self._zeros = False
        """All bytes since the last block are zeros."""

    @property
    def unit(self) -> int:
        """Nanoseconds per unit of the times: interfaces have their own."""
        return 1

    def follow(self, packets: int, section: int) -> None:
        """Begin after another file in the same input: with so many packets, and as this section."""
        self._walk.packets = packets
        self._section = section - 1

    def read(self, frames: Frames, end: int, eof: bool) -> int:
        """Read the packets of ``frames.data[:end]``; return the offset to continue at. ``eof``: no data follows."""
        self._walk.base = self.base
        self.full = False
        self.gaps = []
        self.long_parts = []
        pos = self._pass_over(frames, 0, end, eof) if self._long else 0
        if not self._long:
            pos = self._read(frames, pos, end, eof)
        self._info.secrets = self._walk.secrets
        self._info.skipped_blocks = self._walk.unknown
        return pos

    def _read(self, frames: Frames, pos: int, end: int, eof: bool) -> int:  # noqa: C901, PLR0912 one branch per status
        walk = self._walk
        blocks = 0
        while not self.finished:
            if self._lost_at >= 0:
                before = pos
                pos, in_sync = self._search(frames, pos, end, eof)
                self._skip(before, pos)
                if not in_sync:
                    return pos
            status = walk.run(frames, pos, end)
            pos = walk.pos
            if status == BLOCK:
                status, pos = self._block(frames, pos, end)
                blocks += 1
                if status == BLOCK and blocks >= _BLOCKS:
                    self.full = True
                    break
            if status in (BAD, LONG, NEED):
                self.successor = file_header(frames.buffer[pos : min(end, pos + PCAP_HEADER)])
                if self.successor:
                    break
            if status == LONG:
                after = self._long_block(frames, pos, end, eof)
                if after < 0:
                    break
                pos = after
                if self._long:
                    break
                continue
            if status == FULL or (status == NEED and not eof):
                self.full = status == FULL
                break
            if status == NEED:
                pos = self._end(frames, pos, end)
            elif status == BAD:
                after = self._bad(frames, pos, end, eof)
                if after < 0:
                    break
                pos = after
            elif status == EVENT:
                self._event(frames)
            elif status != BLOCK:
                pos = self._skip_packet(frames, pos, status)
        return pos

    def close(self) -> None:
        """Store the counts of the file, and the damage that concerns all of it."""
        self._count_packets()
        walk = self._walk
        for what, count in self._crowded.items():
            detail = f"too many {what}: {count} were left out"
            self._damage.add_total(self.packets, self.base, detail, self.last_ts)
        if walk.oversize:
            detail = f"{walk.oversize} packets have more captured bytes than their length; this is the first"
            self._damage.add("captured_exceeds_length", walk.oversize_packet, walk.oversize_offset, detail, lost=False)

    def _block(self, frames: Frames, pos: int, end: int) -> tuple[int, int]:
        """Read a block other than a packet at ``pos``; return a status of the walk and the offset to continue at."""
        data = frames.buffer[pos:end]
        order = ">" if self._walk.big else "<"
        kind = struct.unpack_from(order + "I", data)[0]
        if kind == _SECTION:
            return self._begin_section(data, pos)
        total = struct.unpack_from(order + "I", data, 4)[0]
        body = data[8 : ((total + 3) & ~3) - 4]
        if kind in self._blocks:
            try:
                self._blocks[kind](body)
            except OptionError as problem:
                self._add_damage("bad_option", pos, f"block {kind:#x}: {problem}")
            except struct.error:
                self._add_damage("bad_block", pos, f"block {kind:#x} of {total} bytes is too short for its fields")
                self._skip(pos, pos + ((total + 3) & ~3))
        elif kind in (0xBAD, 0x40000BAD):
            self._other(frames, pos, body, CUSTOM_BLOCK)
        elif kind == 9:
            self._other(frames, pos, body, SYSTEMD_JOURNAL)
        elif kind in (0x204, 0x208, 0x216, 0x217):
            self._other(frames, pos, body, SYSDIG_EVENT)
        return BLOCK, pos + ((total + 3) & ~3)

    def _begin_section(self, data: memoryview, pos: int) -> tuple[int, int]:
        """Read a section header block, which defines its own byte order."""
        if len(data) < 28:
            return NEED, pos
        magic = bytes(data[8:12])
        big = magic == BYTE_ORDERS[0]
        order = ">" if big else "<"
        total = struct.unpack_from(order + "I", data, 4)[0]
        known = magic in BYTE_ORDERS
        size = (total + 3) & ~3
        valid = known and total >= 28
        if valid and total > self._limit:
            return LONG, pos
        if valid and len(data) < size:
            return NEED, pos
        if known:  # the section begins even with an invalid length: the following blocks have its byte order
            self._open_section(data, pos, big)
        if not valid:
            if known:
                self._skip(pos, pos, _bare_section(big))
            return BAD, pos
        if struct.unpack_from(order + "I", data, size - 4)[0] != total:
            self._add_damage(
                "bad_block", pos, f"a section header of {total} bytes has a different trailing length", lost=False
            )
        try:
            self._section_options(data[24 : size - 4], big)
        except OptionError as problem:
            self._add_damage("bad_option", pos, f"section header: {problem}")
        return BLOCK, pos + size

    def _open_section(self, data: memoryview, pos: int, big: bool) -> None:
        self._count_packets()
        self._section += 1
        self._local = []
        self._walk.begin_section(self._section, big)
        self._walk.known = {}
        major, minor = struct.unpack_from(">HH" if big else "<HH", data, 12)
        if major != 1 or minor not in (0, 2):
            self._add_damage("bad_block", pos, f"a section has version {major}.{minor}, read as 1.0", lost=False)

    def _skip_packet(self, frames: Frames, pos: int, status: int) -> int:
        """Skip a packet block with a valid length and invalid contents."""
        after = pos + padded(self._report_packet(frames.buffer[pos:], pos, status))
        self._skip(pos, after)
        return after

    def _report_packet(self, data: memoryview, pos: int, status: int) -> int:
        """Report a packet block with invalid contents; returns its length."""
        order = ">" if self._walk.big else "<"
        kind, total = struct.unpack_from(order + "II", data)
        if status == BAD_INTERFACE:
            at = struct.unpack_from(order + ("H" if kind == _OLD_PACKET else "I"), data, 8)[0] if kind != 3 else 0
            self._add_damage(
                "bad_interface", pos, f"a packet refers to interface {at}, but its section has only {len(self._local)}"
            )
        else:
            self._add_damage("bad_block", pos, f"a packet block of {total} bytes is inconsistent")
        return int(total)

    def _bad(self, frames: Frames, pos: int, end: int, eof: bool) -> int:
        """Handle a block with an invalid length: if another block follows it, only its trailing length is wrong.

        Returns the offset to continue at, or -1 if more bytes are needed.
        """
        walk = self._walk
        walk.look_at(frames.data)
        data = frames.buffer[pos : pos + 8]
        total = int.from_bytes(data[4:8], byte_order(walk.big))
        after = pos + ((total + 3) & ~3)
        section = bytes(data[:4]) == PCAPNG_MAGIC
        if not section and 12 <= total <= self._limit and after <= end:
            verdict = 1 if eof and after == end else walk.plausible(after, end, eof)
            if verdict < 0:
                return -1
            if verdict > 1:
                try:
                    verdict = int(Lengths(frames.buffer, end, self._look, walk.big).verdict(after) == "same")
                except NotYetError:
                    return -1
            if verdict == 1:
                walk.trusted = self.base + pos
                self._add_damage(
                    "bad_block", pos, f"a block of {total} bytes has a different trailing length", lost=False
                )
                return pos
        self._zeros = end - pos >= 8 and not any(data)
        return self._lose_sync(pos, "its length is invalid, or differs from the trailing length")

    def _search(self, frames: Frames, pos: int, end: int, eof: bool) -> tuple[int, bool]:
        """Search for the next plausible block; return the offset to continue at, and whether it is a block."""
        walk = self._walk
        walk.look_at(frames.data)
        block = walk.find(pos, end, eof)
        if self._zeros:
            reached = block if block >= 0 else end if eof else walk.pos
            self._zeros = not bytes(frames.buffer[pos:reached]).strip(b"\0")
        try:
            while block >= 0 and not self._lengths_agree(frames, block, end):
                block = walk.find(block + 1, end, eof)
        except NotYetError:
            return block, False
        if block >= 0:
            self._report(f"{self._lost}; the next block is {self.base + block - self._lost_at} bytes later")
            return block, True
        if eof:
            size = self.base + end - self._lost_at
            if self._zeros:
                self._damage.add("zero_tail", self.packets, self._lost_at, zero_tail(size), self.last_ts)
            else:
                self._report(f"{self._lost}; no further block in the remaining {size} bytes")
            self.finished = True
            return end, False
        return walk.pos, False

    def _lengths_agree(self, frames: Frames, pos: int, end: int) -> bool:
        """Whether a plausible block is no long one, or a valid long one."""
        kind, total = struct.unpack_from(">II" if self._walk.big else "<II", frames.buffer, pos)
        if kind == _SECTION or total <= self._limit:
            return True
        return Lengths(frames.buffer, end, self._look, self._walk.big).verdict(pos) == "same"

    def _long_block(self, frames: Frames, pos: int, end: int, eof: bool) -> int:
        """Begin to pass over a block longer than a batch may hold, or find that it is damaged.

        Returns the offset to continue at, or -1 if more bytes are needed.
        """
        data = frames.buffer[pos:end]
        section = bytes(data[:4]) == PCAPNG_MAGIC
        big = bytes(data[8:12]) == BYTE_ORDERS[0] if section else self._walk.big
        kind, total = struct.unpack_from(">II" if big else "<II", data)
        if len(data) < min(total, AT_HAND, self._limit) and not eof:
            return -1
        lengths = Lengths(frames.buffer, end, self._look, big)
        try:
            verdict = lengths.verdict(pos)
        except NotYetError:
            return -1
        valid = verdict in ("same", "other") or (verdict == "unknown" and lengths.believed(pos))
        if section:
            self._open_section(data, pos, big)
            if not valid:
                self._skip(pos, pos, _bare_section(big))
        if verdict == "other":
            detail = f"a block of {total} bytes has a different trailing length"
            self._add_damage("bad_block", pos, detail, lost=False)
        elif not valid and not (verdict == "cut" and lengths.ordinary(pos)):
            return self._lose_sync(pos, "its length is invalid, or differs from the trailing length")
        kept = valid and self._long_contents(frames, pos, data, kind, total)
        self._long = LongBlock(kind, total, self.base + pos, padded(total), valid and verdict != "unknown", kept)
        return self._pass_over(frames, pos, end, eof)

    def _long_contents(self, frames: Frames, pos: int, data: memoryview, kind: int, total: int) -> bool:
        """Read what is at hand of a long block; returns whether it is valid."""
        walk = self._walk
        body = data[8 : padded(total) - 4]
        others = {0xBAD: CUSTOM_BLOCK, 0x40000BAD: CUSTOM_BLOCK, 9: SYSTEMD_JOURNAL}
        if kind in PACKETS:
            status = BAD_PACKET if kind == 3 else walk.long_packet(frames, pos, pos + len(data))
            if status in (BAD_PACKET, BAD_INTERFACE):
                self._report_packet(data, pos, status)
                return False
            if status == EVENT:
                self._event(frames)
            self._add_damage("bad_option", pos, f"the options of a packet block of {total} bytes are not read")
        elif kind == 10:
            walk.secrets += 1
        elif kind in others or kind in (0x204, 0x208, 0x216, 0x217):
            self._other(frames, pos, body, others.get(kind, SYSDIG_EVENT), total - 12)
        elif kind in self._blocks or kind == _SECTION:
            try:
                if kind == _SECTION:
                    self._section_options(data[24 : padded(total) - 4], walk.big)
                else:
                    self._blocks[kind](body)
            except OptionError:
                pass
            detail = f"block {kind:#x} of {total} bytes: only its first {len(data)} bytes are read"
            self._add_damage("bad_option", pos, detail)
        else:
            walk.unknown += 1
        return True

    def _pass_over(self, frames: Frames, pos: int, end: int, eof: bool) -> int:
        """Consume bytes of the long block; returns the offset to continue at. `_long` is None after its last byte."""
        block = self._long
        assert block is not None
        take = min(block.left, end - pos)
        if 0 < block.left - take < 4:
            take = max(0, block.left - 4)  # so that the trailing length comes in one piece
        if eof and block.left > end - pos:
            take = end - pos
        first = block.left == padded(block.total)
        block.left -= take
        if block.kept:
            self.long_parts.append(LongPart(pos, pos + take, block, first))
        else:
            self._skip(pos, pos + take)
        pos += take
        if block.left == 0:
            self._long = None
            order = byte_order(self._walk.big)
            if not block.verified and int.from_bytes(frames.buffer[pos - 4 : pos], order) != block.total:
                detail = f"a block of {block.total} bytes, which were passed over, has a different trailing length"
                self._damage.add("bad_block", self.packets, block.offset, detail, self.last_ts)
        elif eof:
            self._long = None
            self.finished = True
            read = padded(block.total) - block.left
            detail = f"the file ends within a block, after {read} bytes of it"
            self._damage.add("cut_off", self.packets, block.offset, detail, self.last_ts)
        return pos

    def _end(self, frames: Frames, pos: int, end: int) -> int:
        """Handle the end of the file: after a block, within one (both finish), or an invalid length."""
        rest = end - pos
        if rest >= 28 and not self._plausible(frames.buffer[pos:end]):
            return self._lose_sync(pos, "it extends beyond the end of the file")
        if rest:
            self._add_damage("cut_off", pos, f"the file ends within a block, after {rest} bytes of it")
            self._skip(pos, end)
        self.finished = True
        return end

    def _plausible(self, data: memoryview) -> bool:
        """Whether a block that extends beyond the end of the file is consistent as far as it is present."""
        order = ">" if self._walk.big else "<"
        kind, total, _, _, _, captured, length = struct.unpack_from(order + "7I", data)
        if kind not in (_ENHANCED, _OLD_PACKET):
            return True
        room = total - 32 - ((captured + 3) & ~3)
        return bool(captured <= length and 0 <= room <= 1 << 17)

    def _lose_sync(self, pos: int, why: str) -> int:
        self._lost_at = self.base + pos
        self._lost = why
        self._skip(pos, pos + 1)
        return pos + 1

    def _skip(self, start: int, stop: int, replacement: bytes = b"") -> None:
        """Record bytes that are not a valid block."""
        if self.gaps and self.gaps[-1][1] == start and not replacement:
            start, _, replacement = self.gaps.pop()
        if start < stop or replacement:
            self.gaps.append((start, stop, replacement))

    def _report(self, detail: str) -> None:
        self._damage.add("bad_block", self.packets, self._lost_at, f"a block is damaged: {detail}", self.last_ts)
        self._lost_at = -1


def _bare_section(big: bool) -> bytes:
    """Section header without options and with unknown length."""
    return struct.pack(">IIIHHqI" if big else "<IIIHHqI", _SECTION, 28, 0x1A2B3C4D, 1, 0, -1, 28)
