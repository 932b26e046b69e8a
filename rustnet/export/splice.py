"""Copies packets and pcapng blocks and adds comments; compiled.

It fills one output buffer and returns when the next block may not fit; the caller (`annotate`) writes the buffer out
and calls again. C types are declared in ``splice.pxd``; the uncompiled code works, but slowly.
"""

from collections.abc import Sequence

import numpy as np

from rustnet.sources.frames import Frames, zeros

OUT_BYTES = 8 << 20
"""Size of the output buffer. A block (at most half an input buffer) and a comment always fit an empty one."""

SECTION = 0x0A0D0D0A
SIMPLE = 3
OLD_PACKET = 2
ENHANCED = 6
MASK32 = 0xFFFFFFFF
SPACE = 0x20
FIXED = 28  # bytes of an enhanced or obsolete packet block before its packet
CAPTURED = 262_144  # most captured bytes of a packet that Wireshark reads
ROOM = 16  # bytes that a comment adds to a block besides its text: option header, padding, end of options


def has_header(link: int) -> bool:
    """Whether captures of a link type have a header before each packet that Wireshark examines."""
    return link in (123, 139, 144, 177, 196, 197, 201, 204, 209, 245, 254)


class Splicer:
    """Adds comments to packets.

    Comment ``k`` is ``texts[k]``, UTF-8 of at most 65,535 bytes; ``which`` has the comment number of each packet of a
    batch, -1 for none. A packet whose comment already begins with the first ``heads[k]`` bytes gets no second one.
    """

    def __init__(self) -> None:
        self.buffer = zeros(OUT_BYTES, np.uint8)
        self.out = self.buffer
        self.filled = 0
        self.big = False
        self.texts = memoryview(b"")
        self.bounds = zeros(1, np.int64)
        self.heads = zeros(1, np.int64)
        self.commented = 0
        self.present = 0
        self.mute = 0
        self.i = 0
        self.waiting = 0
        self.comment_of = -1
        self.data = memoryview(b"")

    def set_texts(self, texts: Sequence[bytes], heads: Sequence[int]) -> None:
        """Set the texts for the following batches."""
        self.texts = memoryview(b"".join(texts))
        self.bounds = zeros(len(texts) + 1, np.int64)
        self.heads = zeros(len(texts), np.int64)
        at = 0
        for k, text in enumerate(texts):
            at += len(text)
            self.bounds[k + 1] = at
            self.heads[k] = heads[k]

    def begin(self, frames: Frames) -> None:
        """Begin a batch."""
        self.i = 0
        self.data = frames.data

    def take(self) -> memoryview:
        """Return the contents of the output buffer, which must be written before the next call reuses it."""
        size = self.filled
        self.filled = 0
        return memoryview(self.buffer)[:size]

    def blocks(self, frames: Frames, which: "memoryview[int]", pos: int, end: int) -> int:
        """Copy the pcapng blocks in ``frames.data[pos:end]``; returns the position at which it stopped.

        It stops where the output is full, or at a block that the caller has to copy: then `waiting` is the size of the
        block, and `comment_of` the number of its comment. Inconsistent block lengths are corrected.
        """
        run = pos
        self.waiting = 0
        capacity = len(self.out)
        while pos < end:
            kind = self.u32(pos)
            if kind == SECTION:
                self.big = self.data[pos + 8] == 0x1A
            total = self.u32(pos + 4)
            size = (total + 3) & ~3
            if size < 12 or size > end - pos:
                raise ValueError(f"no block at {pos}")
            k = -1
            while self.i < frames.count and frames.offset[self.i] <= pos + size:
                k = which[self.i]
                self.i += 1
            if k >= 0 and kind not in (ENHANCED, OLD_PACKET):
                self.mute += 1
                k = -1
            odd = self.is_odd(frames, kind, pos, size)
            more = self.bounds[k + 1] - self.bounds[k] + ROOM if k >= 0 else 0
            if self.filled + (pos - run) + size + more > capacity:
                if k >= 0:
                    self.i -= 1
                break
            if odd:
                self.waiting = size
                self.comment_of = k
                break
            if k >= 0 or total != size or self.u32(pos + size - 4) != total:
                self.copy(run, pos)
                self.block(pos, size, k)
                run = pos + size
            pos += size
        self.copy(run, pos)
        return pos

    def is_odd(self, frames: Frames, kind: int, pos: int, size: int) -> bool:  # noqa: PLR0911 one per rule
        """Whether Wireshark may refuse a block as it is: the caller examines all that hold no packet."""
        if kind not in (ENHANCED, OLD_PACKET):
            return kind <= 10 or kind == SECTION or kind in (0xBAD, 0x40000BAD, 0x80000001, 0x204, 0x216, 0x221)
        captured = self.u32(pos + 20)
        if captured > CAPTURED or self.i == 0 or has_header(frames.link[self.i - 1]):
            return True
        at = pos + FIXED + ((captured + 3) & ~3)
        stop = pos + size - 4
        while stop - at >= 4:
            code = self.u16(at)
            length = self.u16(at + 2)
            if code == 0:
                return length != 0
            at += 4 + ((length + 3) & ~3)
            if at > stop or code == 7:
                return True
            if (code in (2, 6) and length != 4) or (code in (4, 5) and length != 8):
                return True
            if code in (2988, 2989, 19372, 19373) and length < 4:
                return True
        return False

    def advance(self, frames: Frames, which: "memoryview[int]", end: int) -> int:
        """Pass over the packets that begin before ``end``; returns the number of the last one's comment, -1 for none.

        For blocks that the caller copies.
        """
        k = -1
        while self.i < frames.count and frames.offset[self.i] < end:
            k = which[self.i]
            self.i += 1
        return k

    def block(self, pos: int, size: int, k: int) -> None:
        """Copy one block with correct lengths and with comment ``k``, unless that is negative."""
        begun = self.filled
        if k < 0:
            self.copy(pos, pos + size - 4)
        else:
            options = pos + FIXED + ((self.u32(pos + 20) + 3) & ~3)
            stop = pos + size - 4
            if options > stop:
                raise ValueError(f"the packet at {pos} goes beyond its block")
            self.copy(pos, options)
            if options < stop and self.has(options, stop, k):
                self.present += 1
            else:
                self.comment(k)
            self.copy(options, stop)
            if options == stop:
                self.put32(0)
        self.put32(self.filled + 4 - begun)
        end = self.filled
        self.filled = begun + 4
        self.put32(end - begun)
        self.filled = end

    def has(self, at: int, stop: int, k: int) -> bool:
        """Whether the options from ``at`` on have a comment that begins like comment ``k``."""
        start = self.bounds[k]
        length = self.heads[k]
        while stop - at >= 4:
            code = self.u16(at)
            size = self.u16(at + 2)
            at += 4
            if code == 0 or size > stop - at:
                return False
            if code == 1 and size >= length:
                same = size == length or self.data[at + length] == SPACE
                for n in range(length):
                    if self.data[at + n] != self.texts[start + n]:
                        same = False
                        break
                if same:
                    return True
            at += (size + 3) & ~3
        return False

    def records(self, frames: Frames, which: "memoryview[int]", scale: int) -> bool:
        """Write the batch's packets as little-endian enhanced packet blocks of interface 0.

        ``scale`` is the interface's time unit in nanoseconds. Returns whether the batch is complete: it stops where the
        output is full, or at a packet that the caller has to write, which then is `waiting`.
        """
        capacity = len(self.out)
        self.waiting = 0
        while self.i < frames.count:
            i = self.i
            captured = frames.captured[i]
            k = which[i]
            size = FIXED + 4 + ((captured + 3) & ~3)
            more = self.bounds[k + 1] - self.bounds[k] + ROOM if k >= 0 else 0
            if self.filled + size + more > capacity:
                return False
            self.i += 1
            if captured > CAPTURED or has_header(frames.link[i]):
                self.waiting = size
                self.comment_of = k
                return False
            begun = self.filled
            units = frames.ts[i] // scale
            self.put32(ENHANCED)
            self.put32(0)
            self.put32(0)
            self.put32(units >> 32)
            self.put32(units & MASK32)
            self.put32(captured)
            self.put32(frames.length[i])
            self.copy(frames.offset[i], frames.offset[i] + captured)
            self.pad()
            if k >= 0:
                self.comment(k)
                self.put32(0)
            self.put32(self.filled + 4 - begun)
            end = self.filled
            self.filled = begun + 4
            self.put32(end - begun)
            self.filled = end
        return True

    def comment(self, k: int) -> None:
        """Append a comment option."""
        start = self.bounds[k]
        length = self.bounds[k + 1] - start
        self.put32(0x10000 | length if self.big else length << 16 | 1)
        self.out[self.filled : self.filled + length] = self.texts[start : start + length]
        self.filled += length
        self.pad()
        self.commented += 1

    def copy(self, start: int, stop: int) -> None:
        """Append ``data[start:stop]``."""
        size = stop - start
        if size > 0:
            self.out[self.filled : self.filled + size] = self.data[start:stop]
            self.filled += size

    def pad(self) -> None:
        """Append zeros up to a multiple of four."""
        while self.filled & 3:
            self.out[self.filled] = 0
            self.filled += 1

    def put32(self, value: int) -> None:
        """Append four bytes in the section's byte order."""
        at = self.filled
        self.filled = at + 4
        if self.big:
            self.out[at] = value >> 24 & 0xFF
            self.out[at + 1] = value >> 16 & 0xFF
            self.out[at + 2] = value >> 8 & 0xFF
            self.out[at + 3] = value & 0xFF
        else:
            self.out[at] = value & 0xFF
            self.out[at + 1] = value >> 8 & 0xFF
            self.out[at + 2] = value >> 16 & 0xFF
            self.out[at + 3] = value >> 24 & 0xFF

    def u32(self, p: int) -> int:
        """Four bytes at ``p`` in the section's byte order."""
        a = self.data[p]
        b = self.data[p + 1]
        c = self.data[p + 2]
        d = self.data[p + 3]
        if self.big:
            return a << 24 | b << 16 | c << 8 | d
        return d << 24 | c << 16 | b << 8 | a

    def u16(self, p: int) -> int:
        """Two bytes at ``p`` in the section's byte order."""
        a = self.data[p]
        b = self.data[p + 1]
        return a << 8 | b if self.big else b << 8 | a
