"""Blocks of pcapng files crafted byte by byte."""

import struct

from tests.support.packets import START


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """Any block; its body is filled up to a multiple of four bytes."""
    body += bytes(-len(body) % 4)
    total = 12 + len(body)
    return struct.pack(order + "II", kind, total) + body + struct.pack(order + "I", total)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """One option."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def end(order: str = "<") -> bytes:
    """The option that ends a list of options."""
    return option(0, b"", order)


def shb(order: str = "<", options: bytes = b"", length: int = -1) -> bytes:
    """Section header block; a ``length`` of -1 is unknown."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, length) + options, order)


def idb(link: int = 1, snaplen: int = 0, options: bytes = b"", order: str = "<") -> bytes:
    """Interface description block."""
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options, order)


def epb(
    data: bytes,
    ts: int = START // 1_000,
    interface: int = 0,
    options: bytes = b"",
    length: int | None = None,
    order: str = "<",
) -> bytes:
    """Enhanced packet block; ``ts`` is in units of the interface, microseconds by default."""
    wire = len(data) if length is None else length
    head = struct.pack(order + "IIIII", interface, ts >> 32, ts & 0xFFFFFFFF, len(data), wire)
    return block(6, head + data + bytes(-len(data) % 4) + options, order)


def spb(data: bytes, length: int | None = None, order: str = "<") -> bytes:
    """Simple packet block."""
    return block(3, struct.pack(order + "I", len(data) if length is None else length) + data, order)


def old_packet(
    data: bytes,
    ts: int,
    interface: int = 0,
    drops: int = 0xFFFF,
    options: bytes = b"",
    order: str = "<",
    length: int | None = None,
) -> bytes:
    """Packet block (obsolete)."""
    wire = len(data) if length is None else length
    head = struct.pack(order + "HHIIII", interface, drops, ts >> 32, ts & 0xFFFFFFFF, len(data), wire)
    return block(2, head + data + bytes(-len(data) % 4) + options, order)


def nrb(records: bytes, options: bytes = b"", order: str = "<") -> bytes:
    """Name resolution block; ``records`` without the one that ends them."""
    return block(4, records + bytes(4) + options, order)
