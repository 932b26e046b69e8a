"""Captures made by hand, byte by byte, and a reader that keeps every promise of `Source` under watch."""

import struct
from dataclasses import dataclass
from pathlib import Path

from rustnet.sources.files import FileSource
from rustnet.sources.frames import Frames, Note

T0 = 1_700_000_000
MAGIC = {"us": 0xA1B2C3D4, "ns": 0xA1B23C4D, "modified": 0xA1B2CD34}


def payload(n: int, size: int) -> bytes:
    """Bytes that differ from packet to packet and look like nothing else."""
    return bytes((n * 31 + i * 7) & 0xFF for i in range(size))


def pcap_header(order: str = "<", magic: str = "us", link: int = 1, snaplen: int = 65535, version=(2, 4)) -> bytes:
    return struct.pack(order + "IHHiIII", MAGIC[magic], *version, 0, 0, snaplen, link)


def record(
    data: bytes, sec: int = T0, part: int = 0, length: int | None = None, order: str = "<", extra: int = 0
) -> bytes:
    wire = len(data) if length is None else length
    return struct.pack(order + "IIII", sec, part, len(data), wire) + bytes(extra) + data


def pcap(sizes: list[int], order: str = "<", magic: str = "us", extra: int = 0, **header) -> bytes:
    records = [record(payload(i, n), T0 + i, i * 10 + 1, None, order, extra) for i, n in enumerate(sizes)]
    return pcap_header(order, magic, **header) + b"".join(records)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    total = 12 + len(body)
    return struct.pack(order + "II", kind, total) + body + struct.pack(order + "I", total)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def end(order: str = "<") -> bytes:
    return option(0, b"", order)


def shb(order: str = "<", options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options, order)


def idb(link: int = 1, snaplen: int = 0, options: bytes = b"", order: str = "<") -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options, order)


def epb(
    data: bytes,
    ts: int = T0 * 10**6,
    interface: int = 0,
    options: bytes = b"",
    length: int | None = None,
    order: str = "<",
) -> bytes:
    wire = len(data) if length is None else length
    head = struct.pack(order + "IIIII", interface, ts >> 32, ts & 0xFFFFFFFF, len(data), wire)
    return block(6, head + data + bytes(-len(data) % 4) + options, order)


def spb(data: bytes, length: int | None = None, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", len(data) if length is None else length) + data, order)


def old_packet(
    data: bytes, ts: int, interface: int = 0, drops: int = 0xFFFF, options: bytes = b"", order: str = "<"
) -> bytes:
    head = struct.pack(order + "HHIIII", interface, drops, ts >> 32, ts & 0xFFFFFFFF, len(data), len(data))
    return block(2, head + data + bytes(-len(data) % 4) + options, order)


def pcapng(sizes: list[int], order: str = "<") -> bytes:
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
    found = []
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


def read(path: Path | str, **sizes: int) -> tuple[list[Packet], FileSource]:
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
