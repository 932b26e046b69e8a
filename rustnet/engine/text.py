"""Numbers of the engine as text: addresses, hardware addresses, community ids."""

import struct
from binascii import b2a_base64
from functools import lru_cache
from hashlib import sha1
from ipaddress import IPv6Address

from rustnet.columnar import TextBuilder
from rustnet.engine.numbers import ICMP, ICMPV6, SCTP, TCP, UDP

OCTETS = tuple(str(number) for number in range(256))
HEX = b"0123456789abcdef"
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def address(high: int, low: int) -> str:
    """Canonical text of a 128-bit address; IPv4-mapped ones as IPv4 (RFC 5952 otherwise)."""
    if high == 0 and low >> 32 == 0xFFFF:
        a, b, c, d = (low >> 24) & 255, (low >> 16) & 255, (low >> 8) & 255, low & 255
        return f"{OCTETS[a]}.{OCTETS[b]}.{OCTETS[c]}.{OCTETS[d]}"
    return _address6(high, low)


def write_address(column: TextBuilder, high: int, low: int) -> None:
    """Write the text of an address as the next one of a column."""
    if high or low >> 32 != 0xFFFF:
        column.put(_address6(high, low))
    else:
        column.need(15)
        for shift in range(24, -8, -8):
            octet = (low >> shift) & 255
            if octet > 99:
                column.byte(48 + octet // 100)
            if octet > 9:
                column.byte(48 + octet // 10 % 10)
            column.byte(48 + octet % 10)
            if shift:
                column.byte(46)
        column.end()


def write_mac(column: TextBuilder, number: int) -> None:
    """Write a hardware address, ``aa:bb:cc:dd:ee:ff``, as the next text of a column; NULL for a negative number."""
    if number < 0:
        column.null()
    else:
        column.need(17)
        for shift in range(40, -8, -8):
            column.byte(HEX[(number >> (shift + 4)) & 15])
            column.byte(HEX[(number >> shift) & 15])
            if shift:
                column.byte(58)
        column.end()


def write_digest(column: TextBuilder, digest: bytearray) -> None:
    """Write the community id with this SHA-1 (`community_digest`) as the next text of a column."""
    column.need(30)
    column.byte(49)
    column.byte(58)
    for at in range(0, 18, 3):
        three = (digest[at] << 16) | (digest[at + 1] << 8) | digest[at + 2]
        for shift in (18, 12, 6, 0):
            column.byte(BASE64[(three >> shift) & 63])
    three = (digest[18] << 16) | (digest[19] << 8)
    for shift in (18, 12, 6):
        column.byte(BASE64[(three >> shift) & 63])
    column.byte(61)
    column.end()


@lru_cache(maxsize=65_536)
def _address6(high: int, low: int) -> str:
    return str(IPv6Address((high << 64) | low))


ICMP_PAIRS = {8: 0, 0: 8, 9: 10, 10: 9, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17}
ICMPV6_PAIRS = {
    128: 129,
    129: 128,
    130: 131,
    131: 130,
    133: 134,
    134: 133,
    135: 136,
    136: 135,
    139: 140,
    140: 139,
    144: 145,
    145: 144,
}


def packed(high: int, low: int) -> bytes:
    """Network bytes of an address: 4 for IPv4, 16 for IPv6."""
    if high == 0 and low >> 32 == 0xFFFF:
        return struct.pack(">I", low & 0xFFFFFFFF)
    return struct.pack(">QQ", high, low)


def community_id(
    protocol: int, src: tuple[int, int], dst: tuple[int, int], src_port: int, dst_port: int, icmp: tuple[int, int]
) -> str:
    """Community ID version 1 with seed 0 (corelight/community-id-spec).

    ``src`` and ``dst`` are (high, low) halves; ``icmp`` is (type, code) and stands for the ports of ICMP flows.
    """
    source, target = packed(*src), packed(*dst)
    with_ports = protocol in (TCP, UDP, SCTP)
    one_way = False
    if protocol in (ICMP, ICMPV6):
        with_ports = True
        pair = (ICMP_PAIRS if protocol == ICMP else ICMPV6_PAIRS).get(icmp[0])
        src_port = icmp[0] & 0xFFFF
        one_way = pair is None
        dst_port = (icmp[1] & 0xFFFF) if pair is None else pair
    if not one_way and (target, dst_port) < (source, src_port):
        source, target, src_port, dst_port = target, source, dst_port, src_port
    text = b"\0\0" + source + target + bytes((protocol & 255, 0))
    if with_ports:
        text += struct.pack(">HH", src_port, dst_port)
    return community_digest(text)


def community_digest(text: bytes | bytearray) -> str:
    """Version and SHA-1 of the bytes that a community ID is made of."""
    return "1:" + b2a_base64(sha1(text, usedforsecurity=False).digest(), newline=False).decode("ascii")
