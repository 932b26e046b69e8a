"""Copies a capture to pcapng and adds comments to its packets.

pcapng is copied block by block, unknown blocks and options included, in its byte order. Only packet blocks that get a
comment become longer, and the length of sections is set to unknown. Classic pcap becomes pcapng with one interface of
its link type, snap length and resolution. Damaged blocks are left out, so that other programs can read the result to
its end.
"""

import struct
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

import numpy as np

from rustnet import __version__
from rustnet.export.mend import MOST_BLOCK, Comment, Mender
from rustnet.export.pcapng import PcapngWriter
from rustnet.export.splice import Splicer
from rustnet.sources.files import FileSource
from rustnet.sources.frames import Damage, Frames
from rustnet.sources.longblocks import LongPart, padded
from rustnet.sources.sniff import BYTE_ORDERS
from rustnet.sources.stored import Stored

_NANOSECONDS, _MICROSECONDS = 9, 6
_ENHANCED = 6
Numbers: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int32]]"


class CommentSource(Protocol):
    """Comments of packets, by packet number."""

    texts: list[bytes]
    heads: list[int]
    """Length in bytes of the owner at the start of each text; a comment that begins with it is not repeated."""
    chunk: int

    def which(self, first: int, count: int) -> Numbers:
        """Index in `texts` of each packet's comment, -1 for none; `chunk` is incremented when `texts` changes."""


@dataclass(slots=True)
class Annotated:
    """Result of an annotation."""

    packets: int = 0
    commented: int = 0
    """Packets that size a comment."""
    present: int = 0
    """Packets that had a comment with the same owner already."""
    mute: int = 0
    """Packets with an owner in blocks that hold no options (simple packet blocks)."""
    complete: bool = False
    """The input was read to a clean end."""
    damage: list[Damage] = field(default_factory=list)
    mended: dict[str, int] = field(default_factory=dict)
    """What Wireshark would not have read, and was left out or rewritten (`Mender.counts`)."""


def regular(capture: str, folder: Path) -> str:
    """Path of the capture as a file that can be read twice: a pipe is copied into ``folder`` first."""
    stored = Stored(capture)
    try:
        if not stored.waits:
            return capture
        copy = folder / "capture"
        view = memoryview(bytearray(1 << 20))
        with copy.open("wb") as stream:
            while size := stored.readinto(view):
                stream.write(view[:size])
    finally:
        stored.close()
    return str(copy)


def annotate(path: str, comments: CommentSource, stream: BinaryIO) -> Annotated:
    """Write the capture at ``path`` with ``comments`` to ``stream`` as pcapng; it stays open.

    Raises `InputError` if the file cannot be opened or is not a capture.
    """
    result = Annotated()
    copy = _Copy(comments, stream)
    with FileSource(path, hashing=False, notes=False) as source:
        begun = (0, 0)
        for frames, used in source.pieces():
            copy.begin(frames)
            if source.form == "pcapng":
                copy.blocks(used, source.gaps, source.long_parts)
            else:
                part = (source.info.parts, source.unit)
                if part != begun:
                    _begin_file(source, stream)
                    copy.splicer.big = False
                    copy.mender.begin_section(False)
                    begun = part
                copy.records(source.unit)
            result.packets += frames.count
        result.complete, result.damage = source.info.complete, source.damage
    counts, splicer = copy.mender.counts, copy.splicer
    result.packets -= counts.pop("unnumbered", 0)
    result.commented, result.mute = splicer.commented + counts.pop("commented", 0), splicer.mute
    result.present = splicer.present + counts.pop("present", 0)
    result.mended = {what: count for what, count in counts.items() if count}
    return result


def _begin_file(source: FileSource, stream: BinaryIO) -> None:
    """Write the section and interface for a classic pcap."""
    writer = PcapngWriter(stream)
    writer.section(application=f"rustnet {__version__}")
    writer.describe(source.interfaces[-1], _NANOSECONDS if source.unit == 1 else _MICROSECONDS)


class _Copy:
    """Copies batch after batch; what Wireshark would refuse goes through a `Mender`."""

    def __init__(self, comments: CommentSource, stream: BinaryIO) -> None:
        self.splicer = Splicer()
        self.mender = Mender()
        self._comments = comments
        self._stream = stream
        self._chunk = 0
        self._frames = Frames(0, 0)
        self._which: Numbers = np.zeros(0, np.int32)
        self._long = bytearray()
        """Bytes so far of a block that is longer than a batch."""
        self._long_comment = -1

    def begin(self, frames: Frames) -> None:
        """Begin a batch."""
        comments = self._comments
        count = frames.count
        self._which = comments.which(frames.first_number, count) if count else np.zeros(0, np.int32)
        if comments.chunk != self._chunk:
            self._chunk = comments.chunk
            self.splicer.set_texts(comments.texts, comments.heads)
        self._frames = frames
        self.splicer.begin(frames)

    def records(self, scale: int) -> None:
        """Write the packets of a classic pcap."""
        splicer, frames = self.splicer, self._frames
        done = False
        while not done:
            done = splicer.records(frames, self._which.data, scale)
            self._stream.write(splicer.take())
            if splicer.waiting:
                i = splicer.i - 1
                units = frames.ts[i] // scale
                head = struct.pack("<III", 0, units >> 32, units & 0xFFFFFFFF)
                comment = self._comment(splicer.comment_of)
                packet = self.mender.packet(
                    _ENHANCED, head, frames.frame(i), frames.length[i], frames.link[i], b"", comment
                )
                self._stream.write(packet)

    def blocks(self, used: int, gaps: list[tuple[int, int, bytes]], parts: list[LongPart]) -> None:
        """Write the undamaged blocks of a piece."""
        at = 0
        places: list[tuple[int, int, bytes | LongPart]] = [*gaps, *((part.start, part.stop, part) for part in parts)]
        for start, stop, what in [*sorted(places, key=itemgetter(0, 1)), (used, used, b"")]:
            self._sound(at, start)
            at = stop
            if isinstance(what, LongPart):
                self._part(what)
            elif what:
                self._stream.write(what)
                self.splicer.big = what[8:12] == BYTE_ORDERS[0]
                self.mender.begin_section(self.splicer.big)

    def _sound(self, at: int, stop: int) -> None:
        """Write consecutive blocks."""
        splicer, frames = self.splicer, self._frames
        while at < stop:
            at = splicer.blocks(frames, self._which.data, at, stop)
            self._stream.write(splicer.take())
            if splicer.waiting:
                raw = bytes(frames.buffer[at : at + splicer.waiting])
                self._stream.write(self.mender.block(raw, self._comment(splicer.comment_of)))
                at += splicer.waiting

    def _part(self, part: LongPart) -> None:
        """Collect a part of a long block, and write the block once it is whole."""
        number = self.splicer.advance(self._frames, self._which.data, part.stop)
        if number >= 0:
            self._long_comment = number
        block = part.block
        if padded(block.total) > MOST_BLOCK:
            self.mender.counts["blocks"] += part.first
            return
        self._long += self._frames.buffer[part.start : part.stop]
        if len(self._long) < padded(block.total):
            return
        self._stream.write(self.mender.block(bytes(self._long), self._comment(self._long_comment)))
        self.splicer.big = self.mender.big
        self._long.clear()
        self._long_comment = -1

    def _comment(self, number: int) -> Comment | None:
        return Comment(self._comments.texts[number], self._comments.heads[number]) if number >= 0 else None
