"""Headers as the reference reads them.

Ethernet, 802.1Q, IPv4 and IPv6 without options, TCP, UDP, ICMP and ICMPv6 echoes.
"""

import ipaddress
import struct
from dataclasses import dataclass

End = tuple[str, int]
Key = tuple[frozenset[End], str, int, int]
"""Ends, protocol, VLAN (-1: none) and identifier of an echo (-1: none)."""


@dataclass
class Seen:
    """One packet as its headers read."""

    src: End
    dst: End
    protocol: str
    vlan: int
    ttl: int
    payload: bytes
    seq: int = 0
    ack: int = 0
    flags: int = 0
    window: int = 0
    kind: int = -1
    code: int = -1
    ident: int = -1

    @property
    def key(self) -> Key:
        return frozenset((self.src, self.dst)), self.protocol, self.vlan, self.ident


def parse(frame: bytes) -> Seen:
    """Headers of one frame."""
    kind, at, vlan = struct.unpack_from(">H", frame, 12)[0], 14, -1
    while kind == 0x8100:
        vlan, kind = struct.unpack_from(">HH", frame, at)
        vlan = vlan & 0xFFF or -1  # 0 is a priority tag
        at += 4
    if kind == 0x0800:
        size = (frame[at] & 15) * 4
        total = struct.unpack_from(">H", frame, at + 2)[0]
        ttl, number = frame[at + 8], frame[at + 9]
        src, dst = (str(ipaddress.IPv4Address(frame[at + x : at + x + 4])) for x in (12, 16))
        body = frame[at + size : at + total]
    else:
        total, number, ttl = struct.unpack_from(">HBB", frame, at + 4)
        src, dst = (str(ipaddress.IPv6Address(frame[at + x : at + x + 16])) for x in (8, 24))
        body = frame[at + 40 : at + 40 + total]
    return transport(body, number, src, dst, vlan, ttl)


def transport(body: bytes, number: int, src: str, dst: str, vlan: int, ttl: int) -> Seen:
    """Transport header of one packet."""
    if number == 6:
        sport, dport, seq, ack, offset, flags, window = struct.unpack_from(">HHIIBBH", body)
        payload = body[(offset >> 4) * 4 :]
        return Seen((src, sport), (dst, dport), "tcp", vlan, ttl, payload, seq, ack, flags, window)
    if number == 17:
        sport, dport = struct.unpack_from(">HH", body)
        return Seen((src, sport), (dst, dport), "udp", vlan, ttl, body[8:])
    kind, code, _, ident = struct.unpack_from(">BBHH", body)
    name = "icmp" if number == 1 else "icmpv6"
    return Seen((src, 0), (dst, 0), name, vlan, ttl, body[8:], kind=kind, code=code, ident=ident)
