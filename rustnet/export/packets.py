"""Selected packets of captures into one new capture, byte for byte."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rustnet import __version__
from rustnet.errors import InputError, RustnetError
from rustnet.export.pcap import PcapWriter
from rustnet.export.pcapng import PcapngWriter
from rustnet.query.comments import named_by
from rustnet.sources.files import reread
from rustnet.sources.frames import Frames, Interface, Source
from rustnet.sources.linktypes import CUSTOM_BLOCK, SYSDIG_EVENT, SYSTEMD_JOURNAL, link_name

_NO_PACKETS = frozenset((CUSTOM_BLOCK, SYSTEMD_JOURNAL, SYSDIG_EVENT))


@dataclass(frozen=True, slots=True)
class Part:
    """One capture and the packets wanted of it."""

    path: Path
    sha256: str | None
    numbers: Callable[[], Iterator[int]]
    """Packet numbers, ascending, each once."""
    remark: Callable[[int], str] | None = None
    """What is to be said of a packet, by its number, in a format that holds comments."""


@dataclass(slots=True)
class Extracted:
    """What was written."""

    packets: int = 0
    left_out: int = 0
    """Numbered blocks of a pcapng that are no packets (custom blocks, journal entries, events)."""


def write_pcapng(parts: Iterable[Part], stream: BinaryIO) -> Extracted:
    """Write packets with their interfaces, comments and nanoseconds; one section per capture.

    Raises `InputError` where a capture cannot be read, or has fewer packets than are wanted of it.
    """
    made = Extracted()
    writer = PcapngWriter(stream)
    for part in parts:
        source = reread(str(part.path))
        begun = False
        try:
            for frames, i in _picked(source, part):
                info = source.info
                if not begun:
                    origin = f"extracted from {part.path.name}" + (f", sha256 {part.sha256}" if part.sha256 else "")
                    by = [f"captured by {info.application}"] if info.application else []
                    writer.section(application=f"rustnet {__version__}", hardware=info.hardware, os=info.os,
                                   comments=[*info.comments, origin, *by])  # fmt: skip
                    begun = True
                if frames.link[i] in _NO_PACKETS:
                    made.left_out += 1
                    continue
                key = frames.interface[i]
                start = frames.offset[i]
                writer.write(key, _interface(source, frames, i), frames.ts[i],
                             frames.data[start : start + frames.captured[i]], frames.length[i],
                             frames.notes.get(i), info.processes, _remark(part, frames, i))  # fmt: skip
        finally:
            source.close()
    made.packets = writer.packets
    return made


def _remark(part: Part, frames: Frames, i: int) -> str:
    """Comment that a packet is to get, if it does not say the same already."""
    text = part.remark(frames.first_number + i) if part.remark else ""
    note = frames.notes.get(i)
    return "" if text and note and named_by(text, note.comments) else text


def write_pcap(parts: Iterable[Part], stream: BinaryIO) -> Extracted:
    """Write packets of one link type as classic pcap, in microseconds only if all captures have no more.

    Raises `RustnetError` where link types are mixed; `InputError` as `write_pcapng`.
    """
    parts = list(parts)
    made = Extracted()
    writer: PcapWriter | None = None
    link = -1
    fine = not all(_coarse(part.path) for part in parts)
    for part in parts:
        source = reread(str(part.path))
        try:
            for frames, i in _picked(source, part):
                if frames.link[i] in _NO_PACKETS:
                    made.left_out += 1
                    continue
                if writer is None:
                    link = frames.link[i]
                    snaplen = _interface(source, frames, i).snaplen
                    writer = PcapWriter(stream, link, snaplen=snaplen, nanoseconds=fine)
                elif frames.link[i] != link:
                    raise RustnetError(
                        "the packets have several link types ({link}, {link_name}), and a pcap file has one: "
                        "write pcapng instead",
                        link=link_name(link),
                        link_name=link_name(frames.link[i]),
                    )
                start = frames.offset[i]
                data = frames.data[start : start + frames.captured[i]]
                writer.write(frames.ts[i], data, frames.length[i])
        finally:
            source.close()
    made.packets = writer.packets if writer else 0
    return made


def _coarse(path: Path) -> bool:
    """Whether a capture's times are microseconds by its format."""
    source = reread(str(path))
    try:
        return source.info.format.partition("+")[0] in ("pcap", "pcap-modified")
    finally:
        source.close()


def _interface(source: Source, frames: Frames, i: int) -> Interface:
    """Describe the interface of a frame; one without a description has at least its link type."""
    number = frames.interface[i]
    if number < len(source.interfaces) and source.interfaces[number].link_type == frames.link[i]:
        return source.interfaces[number]
    return Interface(frames.link[i])


def _picked(source: Source, part: Part) -> Iterator[tuple[Frames, int]]:
    """Yield the wanted packets of a source as batch and index; reading stops behind the last."""
    numbers = part.numbers()
    wanted = next(numbers, None)
    if wanted is None:
        return
    for frames in source.batches():
        first, beyond = frames.first_number, frames.first_number + frames.count
        while wanted is not None and wanted < beyond:
            yield frames, wanted - first
            wanted = next(numbers, None)
        if wanted is None:
            return
    raise InputError(
        "{path}: has no packet {wanted}: it is not the file that was ingested", path=part.path, wanted=wanted
    )
