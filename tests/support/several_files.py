"""Captures of several files: rotated ones, and the two directions of a tap."""

import gzip
from pathlib import Path

from tests.support.conversations import dns_flow, http_flow
from tests.support.packets import Captured, paced
from tests.support.pcap import pcap_file


def rotated(folder: Path, names: tuple[str, ...] = ("cap.pcap", "cap.pcap1", "cap.pcap2"), gap: int = 0) -> list[Path]:
    """One HTTP conversation over several files that are ``gap`` nanoseconds apart."""
    frames = http_flow()
    packets = paced(frames)
    size = -(-len(packets) // len(names))
    paths = []
    for i, name in enumerate(names):
        part = [Captured(p.ts + i * gap, p.data) for p in packets[i * size : (i + 1) * size]]
        path = folder / name
        data = pcap_file(part, link=1)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        paths.append(path)
    return paths


def tap(folder: Path) -> tuple[Path, Path, list[Captured]]:
    """Both directions of two conversations in a file each, and all packets."""
    packets = paced([frame for flow in (http_flow(), dns_flow()) for frame in flow])
    client = bytes([10, 0, 0, 2])
    sent = [p for p in packets if p.data[26:30] == client]
    received = [p for p in packets if p.data[26:30] != client]
    (folder / "tx.pcap").write_bytes(pcap_file(sent))
    (folder / "rx.pcap").write_bytes(pcap_file(received))
    return folder / "rx.pcap", folder / "tx.pcap", packets
