"""Copies a capture to pcapng and adds comments to its packets.

pcapng is copied block by block, unknown blocks and options included, in its byte order. Only packet blocks that get a
comment become longer, and the length of sections is set to unknown. Classic pcap becomes pcapng with one interface of
its link type, snap length and resolution. Damaged blocks are left out, so that other programs can read the result to
its end.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

import numpy as np

from rustnet import __version__
from rustnet.export.pcapng import PcapngWriter
from rustnet.export.splice import Splicer
from rustnet.sources.files import FileSource
from rustnet.sources.frames import Damage, Frames
from rustnet.sources.sniff import BYTE_ORDERS
from rustnet.sources.stored import Stored

_NANOSECONDS, _MICROSECONDS = 9, 6
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
    splicer = Splicer()
    no_comments = np.zeros(0, np.int32)
    chunk = 0
    with FileSource(path, hashing=False, notes=False) as source:
        form = source.info.format.partition("+")[0]
        if form != "pcapng":
            _begin_file(source, form, stream)
        for frames, used in source.pieces():
            which = comments.which(frames.first_number, frames.count) if frames.count else no_comments
            if comments.chunk != chunk:
                chunk = comments.chunk
                splicer.set_texts(comments.texts, comments.heads)
            splicer.begin(frames)
            if form == "pcapng":
                _blocks(splicer, frames, which, used, source.gaps, stream)
            else:
                _records(splicer, frames, which, 1 if form == "pcap-ns" else 1000, stream)
            result.packets += frames.count
        result.complete, result.damage = source.info.complete, source.damage
    result.commented, result.present, result.mute = splicer.commented, splicer.present, splicer.mute
    return result


def _begin_file(source: FileSource, form: str, stream: BinaryIO) -> None:
    """Write the section and interface for a classic pcap."""
    writer = PcapngWriter(stream)
    writer.section(application=f"rustnet {__version__}")
    writer.describe(source.interfaces[0], _NANOSECONDS if form == "pcap-ns" else _MICROSECONDS)


def _records(splicer: Splicer, frames: Frames, which: Numbers, scale: int, stream: BinaryIO) -> None:
    """Write a batch of packets of a classic pcap."""
    done = False
    while not done:
        done = splicer.records(frames, which.data, scale)
        stream.write(splicer.take())


def _blocks(
    splicer: Splicer, frames: Frames, which: Numbers, used: int, gaps: list[tuple[int, int, bytes]], stream: BinaryIO
) -> None:
    """Write the undamaged blocks of a piece."""
    at = 0
    for start, stop, replacement in [*gaps, (used, used, b"")]:
        while at < start:
            at = splicer.blocks(frames, which.data, at, start)
            stream.write(splicer.take())
        if replacement:
            stream.write(replacement)
            splicer.big = replacement[8:12] == BYTE_ORDERS[0]
        at = stop
