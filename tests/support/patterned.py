"""Captures whose packets have sizes and bytes that nothing else has, and what a source reads of a capture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rustnet.sources.files import FileSource
from rustnet.sources.frames import Frames, Note
from tests.support.packets import SECOND, START
from tests.support.pcap import Magic, pcap_header, record
from tests.support.pcapng import epb, idb, shb

T0 = START // SECOND


def payload(n: int, size: int) -> bytes:
    """Bytes that differ from packet to packet and look like nothing else."""
    return bytes((n * 31 + i * 7) & 0xFF for i in range(size))


def pcap(sizes: Sequence[int], order: str = "<", magic: Magic = "us", extra: int = 0, **header: Any) -> bytes:
    """Classic pcap with a packet of each size, a second apart; ``extra`` zeros follow each packet's header."""
    records = [record(payload(i, n), T0 + i, i * 10 + 1, None, order, bytes(extra)) for i, n in enumerate(sizes)]
    return pcap_header(order, magic, **header) + b"".join(records)


def pcapng(sizes: Sequence[int], order: str = "<") -> bytes:
    """pcapng with a packet of each size, a second apart."""
    packets = [epb(payload(i, n), (T0 + i) * 10**6 + i, order=order) for i, n in enumerate(sizes)]
    return shb(order) + idb(order=order) + b"".join(packets)


@dataclass(frozen=True)
class Packet:
    number: int
    ts: int
    link: int
    interface: int
    length: int
    offset: int
    data: bytes
    comments: tuple[str, ...] = ()
    flags: int = 0
    process: int = -1
    effective: int = -1


def packets_of(frames: Frames) -> list[Packet]:
    found: list[Packet] = []
    for i in range(frames.count):
        note = frames.notes.get(i, Note())
        assert frames.captured[i] == len(frames.frame(i))
        found.append(
            Packet(
                frames.first_number + i,
                frames.ts[i],
                frames.link[i],
                frames.interface[i],
                frames.length[i],
                frames.file_offset[i],
                frames.frame(i),
                tuple(note.comments),
                note.flags,
                note.process,
                note.effective_process,
            )
        )
    return found


def read(path: Path | str, **sizes: Any) -> tuple[list[Packet], FileSource]:
    """All packets of a capture; each batch is looked at only after the next one was asked for, as is allowed."""
    source = FileSource(str(path), **sizes)
    packets: list[Packet] = []
    held: Frames | None = None
    for frames in source.batches():
        assert 0 < frames.count <= frames.capacity
        if held is not None:
            packets += packets_of(held)
        held = frames
    if held is not None:
        packets += packets_of(held)
    assert [p.number for p in packets] == list(range(1, len(packets) + 1))
    assert source.position() == source.info.bytes
    return packets, source


def kinds(source: FileSource) -> list[str]:
    return [damage.kind for damage in source.damage]
