"""A capture once more, whole and in order, with a comment on every packet that has one to get.

pcapng stays as it is, block for block: sections, interfaces, names, statistics, secrets, blocks of any kind, options,
byte order. Only packet blocks with a comment more become longer, and sections say that their length is unknown. Classic
pcap becomes pcapng with one interface of its link type, snap length and resolution. What is damaged beyond reading is
left out, so that other programs can read the result to its end.
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


class Remarks(Protocol):
    """What is to be said of packets, by their numbers."""

    texts: list[bytes]
    heads: list[int]
    """How many bytes of each text say who; a packet of which that is said already gets no second comment."""
    chunk: int

    def which(self, first: int, count: int) -> Numbers:
        """Place in `texts` of each packet's comment, -1 for none; `chunk` counts up when `texts` change."""


@dataclass(slots=True)
class Annotated:
    """What was written."""

    packets: int = 0
    commented: int = 0
    """Packets that got a comment."""
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
            while got := stored.readinto(view):
                stream.write(view[:got])
    finally:
        stored.close()
    return str(copy)


def annotate(path: str, remarks: Remarks, stream: BinaryIO) -> Annotated:
    """Write the capture at ``path`` with ``remarks`` to ``stream`` as pcapng; it stays open.

    Raises `InputError` if the capture cannot be opened or is none.
    """
    made = Annotated()
    splicer = Splicer()
    nothing = np.zeros(0, np.int32)
    chunk = 0
    with FileSource(path, hashing=False, notes=False) as source:
        form = source.info.format.partition("+")[0]
        if form != "pcapng":
            _head(source, form, stream)
        for frames, used in source.pieces():
            which = remarks.which(frames.first_number, frames.count) if frames.count else nothing
            if remarks.chunk != chunk:
                chunk = remarks.chunk
                splicer.say(remarks.texts, remarks.heads)
            splicer.begin(frames)
            if form == "pcapng":
                _blocks(splicer, frames, which, used, source.gaps, stream)
            else:
                _records(splicer, frames, which, 1 if form == "pcap-ns" else 1000, stream)
            made.packets += frames.count
        made.complete, made.damage = source.info.complete, source.damage
    made.commented, made.present, made.mute = splicer.commented, splicer.present, splicer.mute
    return made


def _head(source: FileSource, form: str, stream: BinaryIO) -> None:
    """Begin the pcapng file that a classic pcap becomes."""
    writer = PcapngWriter(stream)
    writer.section(application=f"rustnet {__version__}")
    writer.describe(source.interfaces[0], _NANOSECONDS if form == "pcap-ns" else _MICROSECONDS)


def _records(splicer: Splicer, frames: Frames, which: Numbers, scale: int, stream: BinaryIO) -> None:
    """Write a batch of packets that had no blocks."""
    done = False
    while not done:
        done = splicer.records(frames, which.data, scale)
        stream.write(splicer.taken())


def _blocks(
    splicer: Splicer, frames: Frames, which: Numbers, used: int, gaps: list[tuple[int, int, bytes]], stream: BinaryIO
) -> None:
    """Write the blocks of a piece, all but the damaged ones."""
    at = 0
    for start, stop, instead in [*gaps, (used, used, b"")]:
        while at < start:
            at = splicer.blocks(frames, which.data, at, start)
            stream.write(splicer.taken())
        if instead:
            stream.write(instead)
            splicer.big = instead[8:12] == BYTE_ORDERS[0]
        at = stop
