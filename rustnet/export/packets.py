"""Copies selected packets of captures into a new capture, byte for byte."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rustnet import __version__
from rustnet.errors import InputError, RustnetError
from rustnet.export.pcap import PcapWriter
from rustnet.export.pcapng import PcapngWriter
from rustnet.filenames import as_text
from rustnet.present.text import safe
from rustnet.query.comments import named_by
from rustnet.sources.assembled import reread_files
from rustnet.sources.files import reread
from rustnet.sources.frames import Frames, Interface, Source
from rustnet.sources.linktypes import CUSTOM_BLOCK, SYSDIG_EVENT, SYSTEMD_JOURNAL, link_name

_NOT_PACKETS = frozenset((CUSTOM_BLOCK, SYSTEMD_JOURNAL, SYSDIG_EVENT))


@dataclass(frozen=True, slots=True)
class Part:
    """One capture, which may be several files, and its selected packets."""

    paths: tuple[Path, ...]
    sha256: str | None
    """Of a capture of one file."""
    numbers: Callable[[], Iterator[int]]
    """Packet numbers, ascending, each once."""
    comment: Callable[[int], str] | None = None
    """Returns the comment to add to a packet, by its number; for pcapng only."""
    merged: bool = False
    """Its files are merged by time."""

    def open(self) -> Source:
        """Open its files. Raises `InputError`."""
        return reread_files([str(path) for path in self.paths], self.merged)


@dataclass(slots=True)
class Extracted:
    """Result of an extraction."""

    packets: int = 0
    left_out: int = 0
    """Numbered blocks of a pcapng that are not packets (custom blocks, journal entries, events)."""


def write_pcapng(parts: Iterable[Part], stream: BinaryIO) -> Extracted:
    """Write packets with their interfaces, comments and nanoseconds; one section per capture.

    Raises `InputError` if a capture cannot be read or lacks a selected packet.
    """
    result = Extracted()
    writer = PcapngWriter(stream)
    for part in parts:
        source = part.open()
        section_written = False
        try:
            for frames, i in _selected(source, part):
                info = source.info
                if not section_written:
                    origin = f"extracted from {', '.join(safe(as_text(path.name)) for path in part.paths)}" + (
                        f", sha256 {part.sha256}" if part.sha256 else ""
                    )
                    by = [f"captured by {safe(info.application)}"] if info.application else []
                    writer.section(application=f"rustnet {__version__}", hardware=info.hardware, os=info.os,
                                   comments=[*info.comments, origin, *by])  # fmt: skip
                    section_written = True
                if frames.link[i] in _NOT_PACKETS:
                    result.left_out += 1
                    continue
                key = frames.interface[i]
                start = frames.offset[i]
                writer.write(key, _interface(source, frames, i), frames.ts[i],
                             frames.data[start : start + frames.captured[i]], frames.length[i],
                             frames.notes.get(i), info.processes, _comment(part, frames, i))  # fmt: skip
        finally:
            source.close()
    result.packets = writer.packets
    return result


def _comment(part: Part, frames: Frames, i: int) -> str:
    """Comment to add to a packet; empty if it already has one with the same owner."""
    text = part.comment(frames.first_number + i) if part.comment else ""
    note = frames.notes.get(i)
    return "" if text and note and named_by(text, note.comments) else text


def write_pcap(parts: Iterable[Part], stream: BinaryIO) -> Extracted:
    """Write packets of one link type as classic pcap, in microseconds if that is the resolution of all captures.

    Raises `RustnetError` if link types differ; `InputError` as `write_pcapng`.
    """
    parts = list(parts)
    result = Extracted()
    writer: PcapWriter | None = None
    link = -1
    nanoseconds = not all(_coarse(path) for part in parts for path in part.paths)
    for part in parts:
        source = part.open()
        try:
            for frames, i in _selected(source, part):
                if frames.link[i] in _NOT_PACKETS:
                    result.left_out += 1
                    continue
                if writer is None:
                    link = frames.link[i]
                    snaplen = _interface(source, frames, i).snaplen
                    writer = PcapWriter(stream, link, snaplen=snaplen, nanoseconds=nanoseconds)
                elif frames.link[i] != link:
                    raise RustnetError(
                        "the packets have several link types ({link}, {link_name}), but pcap allows only one: "
                        "write pcapng instead",
                        link=link_name(link),
                        link_name=link_name(frames.link[i]),
                    )
                start = frames.offset[i]
                data = frames.data[start : start + frames.captured[i]]
                writer.write(frames.ts[i], data, frames.length[i])
        finally:
            source.close()
    result.packets = writer.packets if writer else 0
    return result


def _coarse(path: Path) -> bool:
    """Whether the times of a capture are microseconds; its header may be wrong about that."""
    source = reread(str(path))
    try:
        next(source.batches(), None)
        return source.unit > 1 and source.info.parts == 1
    finally:
        source.close()


def _interface(source: Source, frames: Frames, i: int) -> Interface:
    """Interface of a frame; without a description, one that has only its link type."""
    number = frames.interface[i]
    if number < len(source.interfaces) and source.interfaces[number].link_type == frames.link[i]:
        return source.interfaces[number]
    return Interface(frames.link[i])


def _selected(source: Source, part: Part) -> Iterator[tuple[Frames, int]]:
    """Yield the selected packets of a source as batch and index; stops reading after the last."""
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
    raise InputError("{path}: has no packet {wanted}: it is not the ingested file", path=part.paths[-1], wanted=wanted)
