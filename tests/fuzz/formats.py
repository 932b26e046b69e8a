"""Writers of every capture format that the sources read, byte by byte: what the fuzzer damages."""

import bz2
import gzip
import lzma
import random
import struct
from collections.abc import Callable, Sequence

import lz4.frame
import zstandard
from seeds import Captured

PCAPNG_TS_NANO = struct.pack("<HHB3x", 9, 1, 9)


def pcap(packets: Sequence[Captured], order: str = "<", nano: bool = False, modified: bool = False) -> bytes:
    """Classic pcap, in either byte order, micro- or nanoseconds, or with the longer headers of a patched libpcap."""
    magic = 0xA1B2CD34 if modified else 0xA1B23C4D if nano else 0xA1B2C3D4
    link = packets[0].link if packets else 1
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, link)]
    for packet in packets:
        fraction = packet.ts % 1_000_000_000
        head = (packet.ts // 1_000_000_000 & 0xFFFFFFFF, fraction if nano else fraction // 1_000)
        parts.append(struct.pack(order + "IIII", *head, len(packet.data), packet.wire))
        if modified:
            parts.append(struct.pack(order + "IHBB", 1, 0x0800, 0, 0))
        parts.append(packet.data)
    return b"".join(parts)


def block(order: str, kind: int, body: bytes) -> bytes:
    """One pcapng block."""
    body += b"\0" * (-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def option(order: str, code: int, value: bytes) -> bytes:
    """One pcapng option."""
    return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def pcapng(packets: Sequence[Captured], order: str = "<", sections: int = 1) -> bytes:
    """pcapng with an interface per link type, every packet block in turn, and blocks that hold no packets."""
    share = max(1, -(-len(packets) // sections))
    return b"".join(section(packets[at : at + share], order) for at in range(0, max(1, len(packets)), share))


def section(packets: Sequence[Captured], order: str) -> bytes:
    """One section."""
    end = struct.pack(order + "HH", 0, 0)
    who = option(order, 4, b"a test") + option(order, 1, b"a comment") + end
    parts = [block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + who)]
    links = sorted({packet.link for packet in packets}) or [1]
    for link in links:
        about = option(order, 2, b"eth0") + option(order, 9, b"\x09") + end
        parts.append(block(order, 1, struct.pack(order + "HHI", link, 0, 0) + about))
    for i, packet in enumerate(packets):
        head = (links.index(packet.link), packet.ts >> 32 & 0xFFFFFFFF, packet.ts & 0xFFFFFFFF, len(packet.data))
        data = packet.data + b"\0" * (-len(packet.data) % 4)
        if i % 17 == 5 and head[0] == 0 and packet.wire == len(packet.data):
            parts.append(block(order, 3, struct.pack(order + "I", packet.wire) + data))
        elif i % 17 == 6:
            old = struct.pack(order + "HHIIII", head[0], 0, *head[1:], packet.wire)
            parts.append(block(order, 2, old + data))
        else:
            notes = option(order, 1, b"seen") + option(order, 2, b"\1\0\0\0") + end if i % 5 == 0 else b""
            parts.append(block(order, 6, struct.pack(order + "IIIII", *head, packet.wire) + data + notes))
    parts.append(block(order, 4, option(order, 1, b"\x0a\0\0\1a.example\0") + end))
    parts.append(
        block(order, 5, struct.pack(order + "III", 0, 0, 0) + option(order, 5, struct.pack(order + "Q", 3)) + end)
    )
    parts.append(block(order, 0xA, struct.pack(order + "II", 0x544C534B, 6) + b"SECRET"))
    parts.append(block(order, 0xBAD, struct.pack(order + "I", 32_473) + b"custom"))
    return b"".join(parts)


FORMATS: tuple[Callable[[Sequence[Captured]], bytes], ...] = (
    pcap,
    lambda packets: pcap(packets, ">"),
    lambda packets: pcap(packets, "<", nano=True),
    lambda packets: pcap(packets, ">", nano=True),
    lambda packets: pcap(packets, "<", modified=True),
    pcapng,
    lambda packets: pcapng(packets, ">"),
    lambda packets: pcapng(packets, "<", sections=3),
)
COMPRESSIONS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: gzip.compress(data, 1),
    zstandard.ZstdCompressor(level=1).compress,
    lambda data: lzma.compress(data, preset=0),
    lz4.frame.compress,
    lambda data: bz2.compress(data, 1),
)


def write(packets: Sequence[Captured], chance: random.Random) -> bytes:
    """A capture file in a format drawn by chance, now and then compressed."""
    data = chance.choice(FORMATS)(packets)
    return data if chance.random() < 0.9 else chance.choice(COMPRESSIONS)(data)
