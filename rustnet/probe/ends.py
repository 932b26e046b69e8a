"""The two ends of a socket: protocol, addresses and ports."""

from __future__ import annotations

import socket
import struct
from typing import Tuple

TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP

End = Tuple[bytes, int]
"""Address and port."""
Ends = Tuple[int, End, End]
"""Protocol number and two ends."""


def unmapped(packed: bytes) -> bytes:
    """An IPv4-mapped address as IPv4, others as they are."""
    return packed[12:] if len(packed) == 16 and packed[:12] == b"\0" * 10 + b"\xff\xff" else packed


def endpoint(packed: bytes, port: int) -> str:
    """4 or 16 address bytes and a port as text; an IPv4-mapped address as IPv4."""
    packed = unmapped(packed)
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{port}"


def packet_ends(data: bytes) -> Ends | None:
    """Protocol, source and destination of an IP packet; None for what is not watched."""
    if len(data) >= 28 and data[0] >> 4 == 4:
        at, protocol, source, target = (data[0] & 15) * 4, data[9], data[12:16], data[16:20]
    elif len(data) >= 48 and data[0] >> 4 == 6:
        at, protocol, source, target = 40, data[6], data[8:24], data[24:40]
    else:
        return None
    if protocol not in {TCP, UDP} or len(data) < at + 4:
        return None
    source_port, target_port = struct.unpack_from(">HH", data, at)
    return protocol, (source, source_port), (target, target_port)
