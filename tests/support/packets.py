"""Packets crafted byte by byte: link layers, IP, TCP, UDP and ARP."""

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
"""Time of a crafted capture's first packet."""

ETHERNET, PPP, CHDLC, COOKED, COOKED2 = 1, 9, 104, 113, 276
"""Link types."""
TYPE_IPV4, TYPE_ARP, TYPE_IPV6, TYPE_LLDP = 0x0800, 0x0806, 0x86DD, 0x88CC
"""Ethertypes."""
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MAC_A, MAC_B, MAC_C = (bytes.fromhex(f"0200000000{n:02x}") for n in (1, 2, 3))
NEAREST, CDP_GROUP, BRIDGES, SLOW, PVST_GROUP = (
    bytes.fromhex(digits) for digits in ("0180c200000e", "01000ccccccc", "0180c2000000", "0180c2000002", "01000ccccccd")
)
"""Group addresses of link layer protocols."""
CISCO_SNAP = bytes.fromhex("aaaa0300000c")
"""LLC and SNAP header with Cisco's OUI."""

End = tuple[str, int]
"""IP address and port."""


@dataclass(frozen=True)
class Captured:
    """One captured packet; ``length`` is its size on the wire, its captured size by default."""

    ts: int
    data: bytes
    link: int = ETHERNET
    length: int = 0
    interface: int = 0

    @property
    def wire(self) -> int:
        return self.length or len(self.data)


def paced(frames: Iterable[bytes], start: int = START, step: int = 1_000_000, link: int = ETHERNET) -> list[Captured]:
    """Packets at equal distances in time."""
    return [Captured(start + i * step, data, link) for i, data in enumerate(frames)]


def checksum(data: bytes) -> int:
    """Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


# ---- link layers ---------------------------------------------------------------------------------------------------


def ethernet(
    payload: bytes, kind: int = TYPE_IPV4, vlans: Sequence[int] = (), *, src: bytes = MAC_A, dst: bytes = MAC_B
) -> bytes:
    """Ethernet frame with 802.1Q tags, outermost first."""
    tags = b"".join(struct.pack(">HH", 0x8100, vlan) for vlan in vlans)
    return dst + src + tags + struct.pack(">H", kind) + payload


def padded(frame: bytes) -> bytes:
    """Ethernet frame filled up to the 60 bytes that it has on the wire."""
    return frame.ljust(60, b"\0")


def llc(body: bytes, dst: bytes, vlans: Sequence[int] = ()) -> bytes:
    """IEEE 802.3 frame: the length in the field of the type, and padding."""
    return padded(ethernet(body, len(body), vlans, dst=dst))


def snap(kind: int, body: bytes, dst: bytes = CDP_GROUP, vlans: Sequence[int] = ()) -> bytes:
    """IEEE 802.3 frame with a SNAP header of Cisco's."""
    return llc(CISCO_SNAP + struct.pack(">H", kind) + body, dst, vlans)


def bridge(body: bytes) -> bytes:
    """IEEE 802.3 frame with a message of the spanning tree protocol."""
    return llc(b"\x42\x42\x03" + body, BRIDGES)


def cooked(kind: int, body: bytes) -> bytes:
    """Packet of Linux' cooked capture, version 1."""
    return struct.pack(">HHH", 1, 1, 6) + MAC_A + bytes(2) + struct.pack(">H", kind) + body


def cooked2(kind: int, body: bytes) -> bytes:
    """Packet of Linux' cooked capture, version 2."""
    return struct.pack(">HHIHBB", kind, 0, 1, 1, 1, 6) + MAC_A + bytes(2) + body


def arp(operation: int, sender: str, target: str, mac: bytes = MAC_A, asked: bytes = bytes(6)) -> bytes:
    """ARP message for Ethernet and IPv4: request (1), reply (2) or another operation."""
    head = struct.pack(">HHBBH", 1, TYPE_IPV4, 6, 4, operation)
    return head + mac + socket.inet_aton(sender) + asked + socket.inet_aton(target)


def arp_frame(sender: str, target: str, operation: int = 1) -> bytes:
    """Ethernet frame with one ARP message."""
    return ethernet(arp(operation, sender, target), TYPE_ARP)


# ---- IP and above --------------------------------------------------------------------------------------------------


def ip(
    src: str,
    dst: str,
    protocol: int,
    payload: bytes,
    *,
    options: bytes = b"",
    ttl: int = 64,
    ident: int = 0,
    offset: int = 0,
    more: bool = False,
) -> bytes:
    """IPv4 or IPv6 packet; ``offset`` is in bytes; IPv6 gets a fragment header where ``offset`` or ``more`` say so."""
    if ":" in src:
        if offset or more:
            payload = struct.pack(">BBHI", protocol, 0, offset | more, ident) + payload
            protocol = 44
        ends = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
        return struct.pack(">IHBB", 0x60000000, len(payload), protocol, ttl) + ends + payload
    size = 20 + len(options)
    flags = (offset >> 3) | (0x2000 if more else 0)
    ends = socket.inet_aton(src) + socket.inet_aton(dst)
    head = struct.pack(">BBHHHBBH", 0x40 | size >> 2, 0, size + len(payload), ident, flags, ttl, protocol, 0) + ends
    head = head[:10] + struct.pack(">H", checksum(head + options)) + head[12:]
    return head + options + payload


def kind_of(packet: bytes) -> int:
    """Ethertype of an IP packet."""
    return TYPE_IPV4 if packet[0] >> 4 == 4 else TYPE_IPV6


def tcp(
    sport: int,
    dport: int,
    seq: int,
    ack: int,
    flags: int,
    payload: bytes = b"",
    window: int = 8192,
    options: bytes = b"",
) -> bytes:
    """TCP segment (checksum left empty: the engine does not look at it)."""
    offset = (20 + len(options)) << 2
    head = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, flags, window, 0, 0)
    return head + options + payload


def udp(sport: int, dport: int, payload: bytes = b"") -> bytes:
    """UDP datagram (without a checksum)."""
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def ip_frame(src: str, dst: str, protocol: int, payload: bytes, *, options: bytes = b"", ttl: int = 64) -> bytes:
    """Ethernet frame with one IP packet."""
    packet = ip(src, dst, protocol, payload, options=options, ttl=ttl)
    return ethernet(packet, kind_of(packet))


def tcp_frame(src: End, dst: End, seq: int, ack: int, flags: int, payload: bytes = b"", window: int = 8192) -> bytes:
    """Ethernet frame with one TCP segment."""
    return ip_frame(src[0], dst[0], 6, tcp(src[1], dst[1], seq, ack, flags, payload, window))


def udp_frame(src: End, dst: End, payload: bytes = b"") -> bytes:
    """Ethernet frame with one UDP datagram."""
    return ip_frame(src[0], dst[0], 17, udp(src[1], dst[1], payload))
