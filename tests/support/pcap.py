"""Classic pcap files crafted byte by byte."""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from tests.support.packets import SECOND, START, Captured, paced

Magic = Literal["us", "ns", "modified"]
"""Times in micro- or nanoseconds, or the longer packet headers of a patched libpcap (Kuznetzov's)."""
MAGIC: dict[Magic, int] = {"us": 0xA1B2C3D4, "ns": 0xA1B23C4D, "modified": 0xA1B2CD34}


def pcap_header(
    order: str = "<", magic: Magic = "us", link: int = 1, snaplen: int = 65_535, version: tuple[int, int] = (2, 4)
) -> bytes:
    """File header."""
    return struct.pack(order + "IHHiIII", MAGIC[magic], *version, 0, 0, snaplen, link)


def record(
    data: bytes,
    seconds: int = START // SECOND,
    fraction: int = 0,
    length: int | None = None,
    order: str = "<",
    extra: bytes = b"",
) -> bytes:
    """Packet with its header; ``extra`` follows the header, as in modified pcap."""
    wire = len(data) if length is None else length
    return struct.pack(order + "IIII", seconds, fraction, len(data), wire) + extra + data


def pcap_file(packets: Iterable[Captured], order: str = "<", magic: Magic = "us", link: int = 1) -> bytes:
    """Capture of packets with their times."""
    parts = [pcap_header(order, magic, link, 262_144)]
    extra = struct.pack(order + "IHBB", 1, 0x0800, 0, 0) if magic == "modified" else b""
    for packet in packets:
        seconds, fraction = divmod(packet.ts, SECOND)
        fraction = fraction if magic == "ns" else fraction // 1_000
        parts.append(record(packet.data, seconds & 0xFFFFFFFF, fraction, packet.wire, order, extra))
    return b"".join(parts)


def pcap(frames: Iterable[bytes], link: int = 1, snaplen: int = 65_535, step: int = 1_000_000) -> bytes:
    """Capture of frames ``step`` ns apart, each cut to ``snaplen`` bytes."""
    made = [pcap_header("<", "us", link, snaplen)]
    for packet in paced(frames, step=step):
        seconds, rest = divmod(packet.ts, SECOND)
        made.append(record(packet.data[:snaplen], seconds, rest // 1_000, packet.wire))
    return b"".join(made)


def write_pcap(path: Path, frames: Iterable[bytes], link: int = 1, step: int = 1_000_000) -> Path:
    """Write a capture of frames ``step`` ns apart."""
    path.write_bytes(pcap(frames, link, 262_144, step))
    return path
