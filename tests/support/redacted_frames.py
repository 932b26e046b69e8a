"""Frames of every sort that the rewriting of packets knows, made around a payload that must not be shown."""

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.packets import (
    CISCO_SNAP,
    COOKED,
    COOKED2,
    PPP,
    TYPE_ARP,
    TYPE_IPV4,
    TYPE_IPV6,
    arp,
    bridge,
    checksum,
    cooked,
    cooked2,
    ethernet,
    ip,
    kind_of,
    llc,
    udp,
)

SENDER, RECEIVER, THIRD = "198.18.77.61", "203.0.99.142", "145.97.201.33"
SENDER6, RECEIVER6, THIRD6 = "2a03:5a17:c0de:91::77", "2607:f8b0:1234:9b::e1", "2a10:4646:99::b7"
SENDER_MAC, RECEIVER_MAC = bytes.fromhex("3c5ab4d1e2f3"), bytes.fromhex("a4b1c197d8e9")
MARK = b"S3cret-Payl0ad!/"


def packed(address: str) -> bytes:
    """Bytes of an address."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def summed(packet: bytes) -> bytes:
    """An IP packet, without options or extension headers, with the right checksum of what it carries."""
    version = packet[0] >> 4
    head, protocol = (20, packet[9]) if version == 4 else (40, packet[6])
    ends = packet[12:20] if version == 4 else packet[8:40]
    body = bytearray(packet[head:])
    place = {6: 16, 17: 6, 1: 2, 58: 2, 2: 2}[protocol]
    body[place : place + 2] = bytes(2)
    pseudo = ends + struct.pack(">HH", protocol, len(body)) if protocol in (6, 17, 58) else b""
    value = checksum(pseudo + bytes(body))
    body[place : place + 2] = (value or (0xFFFF if protocol == 17 else 0)).to_bytes(2)
    return packet[:head] + bytes(body)


def frame(packet: bytes, kind: int = 0) -> bytes:
    """Ethernet frame of a packet."""
    return ethernet(packet, kind or kind_of(packet), src=SENDER_MAC, dst=RECEIVER_MAC)


def segment(payload: bytes, options: bytes = b"", flags: int = 0x18) -> bytes:
    """TCP segment."""
    head = struct.pack(">HHIIBBHHH", 40123, 8081, 7_000_001, 9_000_001, (20 + len(options)) << 2, flags, 512, 0, 0)
    return head + options + payload


def tcp4(payload: bytes, options: bytes = b"") -> bytes:
    """IPv4 packet with TCP."""
    return summed(ip(SENDER, RECEIVER, 6, segment(payload, options), ident=4711))


def tcp6(payload: bytes) -> bytes:
    """IPv6 packet with TCP."""
    return summed(ip(SENDER6, RECEIVER6, 6, segment(payload)))


def udp4(payload: bytes, port: int = 9999) -> bytes:
    """IPv4 packet with UDP."""
    return summed(ip(SENDER, RECEIVER, 17, udp(45123, port, payload), ident=4712))


def udp6(payload: bytes) -> bytes:
    """IPv6 packet with UDP."""
    return summed(ip(SENDER6, RECEIVER6, 17, udp(45123, 9999, payload)))


def icmp4(kind: int, rest: bytes, body: bytes) -> bytes:
    """IPv4 packet with ICMP."""
    return summed(ip(RECEIVER, SENDER, 1, bytes((kind, 0, 0, 0)) + rest + body))


def icmp6(kind: int, body: bytes) -> bytes:
    """IPv6 packet with ICMPv6; the body follows type, code and checksum."""
    return summed(ip(SENDER6, RECEIVER6, 58, bytes((kind, 0, 0, 0)) + body))


def address_option(kind: int, mac: bytes = SENDER_MAC) -> bytes:
    """Option of neighbour discovery with a hardware address."""
    return bytes((kind, 1)) + mac


def dot11(mark: bytes, flags: int = 1, control: int = 0x88) -> bytes:
    """Frame of IEEE 802.11 with quality of service, LLC and an IPv4 packet."""
    head = bytes((control, flags, 0, 0)) + RECEIVER_MAC + SENDER_MAC + RECEIVER_MAC + bytes(2) + bytes(2)
    return head + bytes.fromhex("aaaa030000000800") + tcp4(mark)


def routing(mark: bytes) -> bytes:
    """IPv6 packet with a routing header and a home address."""
    home = bytes((6, 2)) + bytes((1, 2, 0, 0, 0xC9, 16)) + packed(THIRD6)
    route = bytes((60, 2, 0, 1)) + bytes(4) + packed(THIRD6)
    return ip(SENDER6, RECEIVER6, 43, route + home + segment(mark))


def sctp(mark: bytes) -> bytes:
    """SCTP: INIT with addresses, then DATA."""
    init = struct.pack(">BBHIIHHI", 1, 0, 20 + 8 + 20, 77, 65535, 1, 1, 99)
    init += struct.pack(">HH", 5, 8) + packed(THIRD) + struct.pack(">HH", 6, 20) + packed(THIRD6)
    data = struct.pack(">BBHIHHI", 0, 3, 16 + len(mark), 1, 0, 0, 0) + mark
    return ip(SENDER, RECEIVER, 132, struct.pack(">HHII", 2905, 2905, 0x5EC12E7A, 0) + init + data)


def fragments(mark: bytes, offset: int) -> bytes:
    """A fragment of a datagram."""
    whole = udp(45123, 9999, mark * 200)
    return ip(SENDER, RECEIVER, 17, whole[offset : offset + 800], ident=99, offset=offset, more=offset < 1600)


@dataclass(frozen=True)
class Sort:
    """A sort of frames."""

    make: Callable[[bytes], bytes]
    link: int = 1


def _gre(mark: bytes) -> bytes:
    return frame(ip(SENDER, RECEIVER, 47, struct.pack(">HHI", 0x2000, TYPE_IPV4, 7) + tcp4(mark)))


def _tunnel(port: int, head: bytes, inner: bytes) -> bytes:
    return frame(udp4(head + inner, port))


def _pktap(mark: bytes) -> bytes:
    head = struct.pack("<III", 108, 1, 1) + b"en0\0".ljust(24, b"\0") + struct.pack("<I", 1)
    return head.ljust(52, b"\0") + struct.pack("<I", 4242) + mark.ljust(52, b"\0")[:52] + frame(tcp4(mark))


def _nflog(mark: bytes) -> bytes:
    def item(kind: int, value: bytes) -> bytes:
        return struct.pack("<HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

    return bytes((2, 0, 0, 0)) + item(10, mark) + item(11, struct.pack(">I", 4711)) + item(9, tcp4(mark))


_RECORDED_ROUTE = b"\x07\x0b\x08" + packed(THIRD) * 2 + b"\x01"


def _options(mark: bytes) -> bytes:
    """A cookie of TCP Fast Open, an address of MPTCP, an unknown option."""
    options = b"\x22\x0c" + mark[:10] + b"\x1e\x08\x31\x01" + packed(THIRD) + b"\xfd\x0c" + mark[:10]
    return frame(tcp4(mark, options))


def _router(mark: bytes) -> bytes:
    """Router advertisement: hardware address, prefix, name servers, search list."""
    options = address_option(1) + b"\x03\x04\x40\xc0" + bytes(12) + packed("2a10:4646:99:7::")
    options += b"\x19\x03\0\0\0\0\0\x3c" + packed(THIRD6) + b"\x1f\x04\0\0\0\0\0\x3c" + mark + bytes(8)
    return frame(icmp6(134, bytes.fromhex("4000070800000000") + bytes(4) + options))


def _listeners(_mark: bytes) -> bytes:
    record = b"\x06\0\0\1" + packed("ff1e::4f:1191") + packed(THIRD6)
    return frame(icmp6(143, struct.pack(">HH", 0, 1) + record))


def _igmp(mark: bytes) -> bytes:
    record = b"\x04\0\0\1" + packed("233.88.77.191") + packed(THIRD)
    return frame(summed(ip(SENDER, RECEIVER, 2, b"\x22\0\0\0\0\0\0\1" + record + mark)))


def _authenticated(mark: bytes) -> bytes:
    head = b"\x06\x04\0\0\x5e\xc1\x2e\x7a\0\0\0\1" + mark[:12]
    return frame(ip(SENDER, RECEIVER, 51, head + segment(mark)))


def _capwap(mark: bytes) -> bytes:
    """With the radio's hardware address and information about its signal."""
    head = b"\0\x28\x03\x30" + bytes(4) + b"\x06" + SENDER_MAC + b"\x04" + mark[:4]
    return _tunnel(5247, head, dot11(mark))


SORTS: dict[str, Sort] = {
    "tcp4": Sort(lambda mark: frame(tcp4(mark))),
    "tcp4 options": Sort(_options),
    "tcp6": Sort(lambda mark: frame(tcp6(mark))),
    "udp4": Sort(lambda mark: frame(udp4(mark))),
    "udp6": Sort(lambda mark: frame(udp6(mark))),
    "padding": Sort(lambda mark: frame(tcp4(b"")) + mark),
    "ip options": Sort(lambda mark: frame(ip(SENDER, RECEIVER, 6, segment(mark), options=_RECORDED_ROUTE))),
    "first fragment": Sort(lambda mark: frame(fragments(mark, 0))),
    "later fragment": Sort(lambda mark: frame(fragments(mark, 800))),
    "routing": Sort(lambda mark: frame(routing(mark))),
    "vlans": Sort(lambda mark: ethernet(tcp4(mark), TYPE_IPV4, (7, 12), src=SENDER_MAC, dst=RECEIVER_MAC)),
    "mpls": Sort(lambda mark: frame(bytes.fromhex("0001013f") + tcp4(mark), 0x8847)),
    "pppoe": Sort(lambda mark: frame(b"\x11\0\x12\x34\0\x3a\0\x21" + tcp4(mark), 0x8864)),
    "pppoe discovery": Sort(lambda mark: frame(b"\x11\x09\0\0\0\x14\x01\x03\0\x10" + mark, 0x8863)),
    "snap": Sort(lambda mark: llc(b"\xaa\xaa\x03\0\0\0\x08\0" + tcp4(mark), RECEIVER_MAC)),
    "cdp": Sort(lambda mark: llc(CISCO_SNAP + b"\x20\0" + b"\x02\xb4\0\0" + mark, RECEIVER_MAC)),
    "spanning tree": Sort(lambda mark: bridge(mark * 2)),
    "lldp": Sort(lambda mark: frame(b"\x02\x07\x04" + SENDER_MAC + mark, 0x88CC)),
    "unknown ethertype": Sort(lambda mark: frame(mark, 0x88B5)),
    "arp": Sort(lambda mark: frame(arp(1, SENDER, RECEIVER, SENDER_MAC, RECEIVER_MAC) + mark, TYPE_ARP)),
    "rarp": Sort(lambda mark: frame(arp(3, SENDER, RECEIVER, SENDER_MAC, RECEIVER_MAC) + mark, 0x8035)),
    "icmp error": Sort(lambda mark: frame(icmp4(3, bytes(4), udp4(mark)))),
    "icmp redirect": Sort(lambda mark: frame(icmp4(5, packed(THIRD), tcp4(mark)[:28]))),
    "echo": Sort(lambda mark: frame(icmp4(8, b"\x12\x34\0\1", mark))),
    "icmpv6 error": Sort(lambda mark: frame(icmp6(1, bytes(4) + udp6(mark)))),
    "neighbour": Sort(lambda mark: frame(icmp6(135, bytes(4) + packed(THIRD6) + address_option(1)))),
    "router": Sort(_router),
    "listener report": Sort(_listeners),
    "igmp": Sort(_igmp),
    "gre": Sort(_gre),
    "ipip": Sort(lambda mark: frame(ip(SENDER, RECEIVER, 4, tcp4(mark)))),
    "6in4": Sort(lambda mark: frame(ip(SENDER, RECEIVER, 41, tcp6(mark)))),
    "vxlan": Sort(lambda mark: _tunnel(4789, b"\x08\0\0\0\0\0\x07\0", frame(tcp4(mark)))),
    "geneve": Sort(lambda mark: _tunnel(6081, b"\x05\0\x65\x58\0\0\x07\0" + b"\1\2\3\4" + mark, frame(tcp4(mark)))),
    "gtp": Sort(lambda mark: _tunnel(2152, b"\x30\xff" + struct.pack(">HI", len(tcp4(mark)), 0x5EC12E7A), tcp4(mark))),
    "teredo": Sort(
        lambda mark: _tunnel(3544, b"\0\0\xaa\xbb" + bytes(byte ^ 255 for byte in packed(THIRD)), tcp6(mark))
    ),
    "capwap": Sort(_capwap),
    "l2tp": Sort(lambda mark: _tunnel(1701, b"\0\x02\0\1\0\2", b"\xff\x03\0\x21" + tcp4(mark))),
    "gre in udp": Sort(lambda mark: _tunnel(4754, struct.pack(">HHI", 0x2000, TYPE_IPV4, 7), tcp4(mark))),
    "vxlan-gpe": Sort(lambda mark: _tunnel(4790, b"\x0c\0\0\1\0\0\x07\0", tcp4(mark))),
    "vxlan-gpe ethernet": Sort(lambda mark: _tunnel(4790, b"\x0c\0\0\3\0\0\x07\0", frame(tcp4(mark)))),
    "vxlan-gpe labels": Sort(lambda mark: _tunnel(4790, b"\x0c\0\0\5\0\0\x07\0\0\1\1\x3f", tcp4(mark))),
    "lisp": Sort(lambda mark: _tunnel(4341, b"\x88" + mark[:3] + b"\0\0\x07\0", tcp4(mark))),
    "lisp control": Sort(lambda mark: _tunnel(4342, b"\x80\0\0\0", udp4(mark))),
    "tzsp": Sort(lambda mark: _tunnel(37008, b"\1\0\0\1\x3c" + bytes([len(mark)]) + mark + b"\0\1", frame(tcp4(mark)))),
    "tzsp wireless": Sort(lambda mark: _tunnel(37008, b"\1\0\0\x12\1", dot11(mark))),
    "ayiya": Sort(
        lambda mark: _tunnel(
            5072, b"\x41\x52\x11\4" + bytes(4) + mark[:8].ljust(16, b"x") + mark[:20].ljust(20), tcp4(mark)
        )
    ),
    "mpls in udp": Sort(lambda mark: _tunnel(6635, b"\0\1\1\x3f", tcp4(mark))),
    "mpls in ip": Sort(lambda mark: frame(ip(SENDER, RECEIVER, 137, b"\0\1\1\x3f" + tcp4(mark)))),
    "pim register": Sort(lambda mark: frame(ip(SENDER, RECEIVER, 103, b"\x21\0\xde\xff\0\0\0\0" + tcp4(mark)))),
    "gre wccp": Sort(lambda mark: frame(ip(SENDER, RECEIVER, 47, b"\0\0\x88\x3e\x80\5\0\0" + tcp4(mark)))),
    "gre wireless": Sort(lambda mark: frame(ip(SENDER, RECEIVER, 47, b"\0\0\x82\x10" + dot11(mark)))),
    "eoip": Sort(
        lambda mark: frame(
            ip(
                SENDER,
                RECEIVER,
                47,
                struct.pack(">HHHH", 0x2001, 0x6400, len(frame(tcp4(mark))), 7) + frame(tcp4(mark)),
            )
        )
    ),
    "esp": Sort(lambda mark: frame(ip(SENDER, RECEIVER, 50, b"\x5e\xc1\x2e\x7a\0\0\0\1" + mark))),
    "ah": Sort(_authenticated),
    "sctp": Sort(lambda mark: frame(sctp(mark))),
    "ospf": Sort(lambda mark: frame(ip(SENDER, RECEIVER, 89, mark * 3))),
    "loopback": Sort(lambda mark: struct.pack("<I", 2) + tcp4(mark), 0),
    "raw": Sort(tcp6, 101),
    "ppp": Sort(lambda mark: b"\xff\x03\0\x21" + tcp4(mark), PPP),
    "ppp authentication": Sort(lambda mark: b"\xff\x03\xc0\x23\1\1\0\x14" + mark, PPP),
    "cooked": Sort(lambda mark: cooked(TYPE_IPV4, tcp4(mark)), COOKED),
    "cooked2": Sort(lambda mark: cooked2(TYPE_IPV6, tcp6(mark)), COOKED2),
    "dot11": Sort(dot11, 105),
    "radiotap": Sort(lambda mark: b"\0\0\x18\0" + bytes(4) + mark + dot11(mark), 127),
    "beacon": Sort(lambda mark: b"\x80\0\0\0" + b"\xff" * 6 + SENDER_MAC * 2 + bytes(14) + b"\0\x10" + mark, 105),
    "ppi": Sort(lambda mark: b"\0\0\x18\0" + struct.pack("<I", 1) + mark + frame(tcp4(mark)), 192),
    "nflog": Sort(_nflog, 239),
    "pktap": Sort(_pktap, 258),
    "usb": Sort(lambda mark: mark * 4, 220),
}
