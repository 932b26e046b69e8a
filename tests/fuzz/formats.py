"""Every capture format that the sources read: what the fuzzer damages."""

import bz2
import gzip
import lzma
import random
import struct
from collections.abc import Callable, Sequence

import lz4.frame
import zstandard

from tests.support.packets import Captured
from tests.support.pcap import Magic, pcap_file
from tests.support.pcapng import block, end, epb, idb, old_packet, option, shb, spb


def classic(packets: Sequence[Captured], order: str = "<", magic: Magic = "us") -> bytes:
    """Classic pcap, in either byte order, micro- or nanoseconds, or with the longer headers of a patched libpcap."""
    return pcap_file(packets, order, magic, packets[0].link if packets else 1)


def pcapng(packets: Sequence[Captured], order: str = "<", sections: int = 1) -> bytes:
    """pcapng with an interface per link type, every packet block in turn, and blocks that hold no packets."""
    share = max(1, -(-len(packets) // sections))
    return b"".join(section(packets[at : at + share], order) for at in range(0, max(1, len(packets)), share))


def section(packets: Sequence[Captured], order: str) -> bytes:
    """One section."""
    stop = end(order)
    parts = [shb(order, option(4, b"a test", order) + option(1, b"a comment", order) + stop)]
    links = sorted({packet.link for packet in packets}) or [1]
    about = option(2, b"eth0", order) + option(9, b"\x09", order) + stop
    parts += [idb(link, 0, about, order) for link in links]
    for i, packet in enumerate(packets):
        interface, wire, ts = links.index(packet.link), packet.wire, packet.ts & 0xFFFFFFFF_FFFFFFFF
        if i % 17 == 5 and interface == 0 and wire == len(packet.data):
            parts.append(spb(packet.data, wire, order))
        elif i % 17 == 6:
            parts.append(old_packet(packet.data, ts, interface, 0, b"", order, wire))
        else:
            notes = option(1, b"seen", order) + option(2, b"\1\0\0\0", order) + stop if i % 5 == 0 else b""
            parts.append(epb(packet.data, ts, interface, notes, wire, order))
    parts.append(block(4, option(1, b"\x0a\0\0\1a.example\0", order) + stop, order))
    statistics = struct.pack(order + "III", 0, 0, 0) + option(5, struct.pack(order + "Q", 3), order) + stop
    parts.append(block(5, statistics, order))
    parts.append(block(0xA, struct.pack(order + "II", 0x544C534B, 6) + b"SECRET", order))
    parts.append(block(0xBAD, struct.pack(order + "I", 32_473) + b"custom", order))
    return b"".join(parts)


FORMATS: tuple[Callable[[Sequence[Captured]], bytes], ...] = (
    classic,
    lambda packets: classic(packets, ">"),
    lambda packets: classic(packets, "<", "ns"),
    lambda packets: classic(packets, ">", "ns"),
    lambda packets: classic(packets, "<", "modified"),
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
