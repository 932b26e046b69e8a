"""Frames of link types that few captures have, and of wireless ones, with the flow that each must become."""

import struct
from typing import Any

from scapy.layers.dot11 import Dot11, Dot11QoS
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import GRE, LLC, SNAP, CookedLinux, CookedLinuxV2
from scapy.layers.ppp import PPP

from tests.engine.decode_cases import A4, B4, TCP4, TCP6, Case, eth, inner, inner6, packed, tagged
from tests.support.packets import arp

STATIONS = b"\2\0\0\0\0\2" + b"\2\0\0\0\0\1"
"""Destination and source."""
SNAP4 = b"\xaa\xaa\3\0\0\0\x08\0"
"""LLC and SNAP in front of an IPv4 packet."""


def firewall_cases() -> list[Case]:
    """Logs of BSD's packet filter, its ENC, Solaris's IPNET."""
    v4, v6 = packed(inner()), packed(inner6())

    def pflog(size: int, family: int) -> bytes:
        return bytes((size, family, 1, 0)).ljust(size + -size % 4, b"\7")

    def ipnet(family: int, size: int) -> bytes:
        return struct.pack(">BBHI", 1, family, 0, size) + bytes(16)

    return [
        *(Case(f"pflog {size}", pflog(size, 2) + v4, 117, TCP4) for size in (48, 61, 64, 69, 100)),
        *(Case(f"pflog family {family}", pflog(61, family) + v6, 117, TCP6) for family in (24, 28, 30)),
        *(Case(f"enc {order}", struct.pack(order + "III", 2, 7, 1) + v4, 109, TCP4) for order in "<>"),
        Case("enc ipv6", struct.pack("<III", 24, 7, 1) + v6, 109, TCP6),
        Case("ipnet", ipnet(2, len(v4)) + v4, 226, TCP4),
        Case("ipnet ipv6", ipnet(26, len(v6)) + v6, 226, TCP6),
    ]


def serial_cases() -> list[Case]:
    """PPP, Cisco's HDLC, frame relay, SLIP, MPLS."""
    v4, v6 = packed(inner()), packed(inner6())
    ppp = packed(PPP(proto=0x21)) + v4
    relay = b"\x18\x41"
    return [
        Case("ppp with direction", b"\1\xff\3" + ppp, 204, TCP4),
        Case("ppp with direction, bare", b"\0" + ppp, 204, TCP4),
        Case("ppp with direction, compressed", b"\1\x21" + v4, 204, TCP4),
        Case("cisco hdlc in ppp, broadcast", b"\x8f\0\x86\xdd" + v6, 50, TCP6),
        Case("pppd", b"\1\3" + ppp, 166, TCP4),
        Case("hdlc with direction", b"\1\x0f\0\x86\xdd" + v6, 205, TCP6),
        Case("frame relay", relay + b"\3\xcc" + v4, 107, TCP4),
        Case("frame relay ipv6", relay + b"\3\x8e" + v6, 107, TCP6),
        Case("frame relay of Cisco", relay + b"\x08\0" + v4, 107, TCP4),
        Case("frame relay, long address", b"\x18\x40\x02\x03" + b"\3\xcc" + v4, 107, TCP4),
        Case("frame relay snap", relay + b"\3\0\x80\0\0\0\x86\xdd" + v6, 107, TCP6),
        Case("frame relay bridged", relay + b"\3\0\x80\0\x80\xc2\0\x07" + packed(eth() / inner()), 107, TCP4),
        Case("frame relay ppp", relay + b"\3\xcf" + ppp, 107, TCP4),
        Case("frame relay with direction", b"\0" + relay + b"\3\xcc" + v4, 206, TCP4),
        Case("frame relay management", b"\0\1\3\x08\0\x75", 107, {"protocol": "frame_relay", "src": ("", 0)}),
        Case("slip", b"\0" + b"\x45".ljust(15, b"\0") + v4, 8, TCP4),
        Case("mpls link", struct.pack(">II", 0x1000FF, 0x11140) + v4, 219, TCP4),
        Case("mpls link ipv6", struct.pack(">I", 0x11140) + v6, 219, TCP6),
    ]


def arcnet_cases() -> list[Case]:
    """ARCnet of BSD and of Linux."""
    v4, v6 = packed(inner()), packed(inner6())
    asked: dict[str, object] = {"protocol": "arp", "src": (A4, 0), "dst": (B4, 0)}
    request = struct.pack(">HHBBH", 7, 0x0800, 1, 4, 1) + b"\1" + arp(1, A4, B4)[14:18] + b"\0" + arp(1, A4, B4)[24:28]
    return [
        Case("arcnet", b"\1\2\xd4\0\0\1" + v4, 7, TCP4),
        Case("arcnet ipv6", b"\1\2\xc4\0\0\1" + v6, 7, TCP6),
        Case("arcnet arp", b"\1\2\xd5\0\0\1" + request, 7, asked),
        Case("arcnet, first part", b"\1\2\xd4\1\0\1" + v4, 7, TCP4),
        Case("arcnet, second part", b"\1\2\xd4\2\0\1" + v4, 7, {"protocol": "arcnet"}),
        Case("arcnet exception", b"\1\2\xd4\xff\xff\xff\xd4\0\0\1" + v4, 7, TCP4),
        Case("arcnet of RFC 1051", b"\1\2\xf0" + v4, 7, TCP4),
        Case("arcnet of Linux", b"\1\2\0\x80\xd4\0\0\1" + v4, 129, TCP4),
        Case("arcnet diagnosis", b"\1\2\x80abc", 7, {"protocol": "arcnet"}),
    ]


def cell_cases() -> list[Case]:
    """ATM, InfiniBand, Fibre Channel, IEEE 1394, token ring, FDDI."""
    v4, v6 = packed(inner()), packed(inner6())
    ring = b"\x10\x40" + STATIONS
    routed = b"\x10\x40" + STATIONS[:6] + b"\x82" + STATIONS[7:] + b"\x06\x30\0\x11\0\x20"
    return [
        *(Case(f"atm {link}", SNAP4 + v4, link, TCP4) for link in (11, 100, 106)),
        Case("atm routed", b"\xfe\xfe\3\xcc" + v4, 100, TCP4),
        Case("atm, ip alone", v4, 106, TCP4),
        Case("sunatm", b"\x82\0\0\x64" + SNAP4 + v4, 123, TCP4),
        Case("sunatm lan", b"\1\0\0\x64\0\7" + packed(eth() / inner()), 123, TCP4),
        Case("sunatm signalling", b"\6\0\0\5" + bytes(8), 123, {"protocol": "atm"}),
        Case("ipoib", b"\x08\0\0\0" + v4, 242, TCP4),
        Case("ipoib ipv6", b"\x86\xdd\0\0" + v6, 242, TCP6),
        Case("ipoib with address", bytes(20) + b"\x08\0\0\0" + v4, 242, TCP4),
        Case("ipoib with route header", b"\x60".ljust(40, b"\1") + b"\x86\xdd\0\0" + v6, 242, TCP6),
        Case("fibre channel", b"\x10\0" + STATIONS[:6] + b"\x10\0" + STATIONS[6:] + SNAP4 + v4, 122, TCP4),
        Case("ieee 1394", bytes(16) + b"\x08\0" + v4, 138, TCP4),
        Case("token ring", ring + SNAP4 + v4, 6, TCP4),
        Case("token ring with source route", routed + SNAP4 + v4, 6, TCP4),
        Case("token ring control", b"\x10\0" + STATIONS + bytes(8), 6, {"protocol": "token_ring"}),
        Case("fddi", b"\x50" + STATIONS + SNAP4 + v4, 10, TCP4),
        Case("fddi control", b"\xc2" + STATIONS + bytes(8), 10, {"protocol": "fddi"}),
    ]


def card_cases() -> list[Case]:
    """Headers of capture cards and network devices in front of a frame."""
    v4, v6, frame = packed(inner()), packed(inner6()), packed(eth() / inner())

    def erf(kind: int, body: bytes, extensions: bytes = b"") -> bytes:
        size = 16 + len(extensions) + len(body)
        kind |= 0x80 if extensions else 0
        return bytes(8) + struct.pack(">BBHHH", kind, 4, size, 0, len(body)) + extensions + body

    juniper = b"\x4d\x47\x43"
    return [
        *(Case(f"erf {kind}", erf(kind, b"\0\0" + frame), 197, TCP4) for kind in (2, 11, 16, 20)),
        Case("erf with padding", erf(2, b"\0\0" + frame) + bytes(5), 197, TCP4),
        Case("erf with extensions", erf(2, b"\0\0" + frame, b"\x83" + bytes(7) + b"\4" + bytes(7)), 197, TCP4),
        Case("erf hdlc", erf(1, b"\x0f\0\x08\0" + v4), 197, TCP4),
        Case("erf ppp", erf(15, b"\xff\3\0\x21" + v4), 197, TCP4),
        Case("erf ipv4", erf(22, v4), 197, TCP4),
        Case("erf ipv6", erf(23, v6), 197, TCP6),
        Case("erf of another type", erf(27, bytes(8)), 197, {"protocol": "erf"}),
        Case("juniper ethernet", juniper + b"\1" + frame, 178, TCP4),
        Case("juniper with extensions", juniper + b"\x81\0\6\1\1\x10\3\1\0" + frame, 178, TCP4),
        Case("juniper without link header", juniper + b"\2\0\0\0\2" + v4, 178, TCP4),
        Case("juniper ppp", juniper + b"\0\xff\3\0\x21" + v4, 179, TCP4),
        Case("juniper frame relay", juniper + b"\0\x18\x41\3\xcc" + v4, 180, TCP4),
        Case("juniper hdlc", juniper + b"\0\x0f\0\x86\xdd" + v6, 181, TCP6),
        Case("netanalyzer", bytes(4) + frame, 240, TCP4),
        Case("netanalyzer transparent", bytes(4) + b"\x55" * 7 + b"\xd5" + frame, 241, TCP4),
        Case("mpacket", b"\x55" * 7 + b"\xd5" + frame, 274, TCP4),
        Case("epon, six bytes", b"\xd5\x55\x55\1\2\3" + frame, 259, TCP4),
        Case("netanalyzer transparent, short preamble", bytes(4) + b"\x55\xd5" + frame, 241, TCP4),
        Case("epon", b"\x55\x55\xd5\x55\x55\1\2\3" + frame, 259, TCP4),
    ]


def cooked_cases() -> list[Case]:
    """Linux's cooked captures of interfaces of other types."""
    v4 = packed(inner())
    air = packed(data_frame() / LLC() / SNAP() / inner())
    radio = struct.pack("<BBHI", 0, 0, 8, 0) + air
    prism = struct.pack("<II", 0x44, 144) + bytes(136) + air

    def sll(hardware: int, kind: int, body: bytes) -> bytes:
        return packed(CookedLinux(lladdrtype=hardware, lladdrlen=6, src=STATIONS[:8], proto=kind)) + body

    def sll2(hardware: int, kind: int, body: bytes) -> bytes:
        return packed(CookedLinuxV2(lladdrtype=hardware, lladdrlen=6, src=STATIONS[:8], proto=kind)) + body

    cases = []
    for link, header in ((113, sll), (276, sll2)):
        cases += [
            Case(f"{link} wireless", header(801, 0x19, air), link, TCP4),
            Case(f"{link} prism", header(802, 0x19, prism), link, TCP4),
            Case(f"{link} radiotap", header(803, 3, radio), link, TCP4),
            Case(f"{link} frame relay", header(770, 0, b"\x18\x41\3\xcc" + v4), link, TCP4),
            Case(f"{link} gre", header(778, 0x0800, v4), link, TCP4),
            Case(f"{link} gre ppp", header(778, 0x880B, packed(PPP(proto=0x21)) + v4), link, TCP4),
            Case(f"{link} netlink", header(824, 0, bytes(16)), link, {"protocol": "netlink"}),
            Case(f"{link} can", header(280, 0x0C, bytes(16)), link, {"protocol": "can"}),
            Case(f"{link} can fd", header(280, 0x0D, bytes(16)), link, {"protocol": "can_fd"}),
            Case(f"{link} tun", header(0xFFFE, 0x0800, v4), link, TCP4),
            Case(f"{link} ppp", header(512, 7, b"\xff\3\0\x21" + v4), link, TCP4),
        ]
    return cases


def data_frame(subtype: int = 0, flags: int = 1) -> Dot11:
    stations = (f"02:00:00:00:00:0{n}" for n in (9, 1, 2))
    ends: dict[str, Any] = dict(zip(("addr1", "addr2", "addr3"), stations, strict=True))
    return Dot11(type=2, subtype=subtype, FCfield=flags, **ends)


def air_cases() -> list[Case]:
    """802.11 with padded and extended headers, and under the headers of several drivers."""
    quality = packed(data_frame(8) / Dot11QoS())
    body = SNAP4 + packed(inner())
    plain = packed(data_frame()) + body
    aligned = struct.pack("<BBHII", 0, 0, 33, 0x80000003, 0) + bytes(4) + bytes(8) + b"\x20" + bytes(8)
    mesh = bytes((quality[0], 3)) + quality[2:24] + STATIONS[6:] + b"\0\1"
    return [
        Case("802.11 padded", radiotap(0x20) + quality + b"\0\0" + body, 127, TCP4),
        Case("802.11 padded, flags after the time", aligned + quality + b"\0\0" + body, 127, TCP4),
        Case("802.11 with checksum", radiotap(0x10) + plain + b"\1\2\3\4", 127, TCP4),
        Case("802.11 with a wrong checksum", radiotap(0x50) + plain + b"\1\2\3\4", 127, TCP4),
        Case("802.11 ht control", bytes((quality[0], 0x81)) + quality[2:] + b"\0\0\0\0" + body, 105, TCP4),
        Case("802.11 second part", plain[:22] + b"\x11\0\xaa" + body, 105, {"protocol": "wlan"}),
        Case("802.11 stp", packed(data_frame()) + b"\x42\x42\3" + bytes(35), 105, {"protocol": "stp"}),
        Case("802.11 mesh", mesh + b"\0\x1f\0\0\0\1" + body, 105, TCP4),
        Case("802.11 mesh, six addresses", mesh + b"\2\x1f\0\0\0\1" + STATIONS + body, 105, TCP4),
        Case("prism", struct.pack("<II", 0x44, 144) + bytes(136) + plain, 119, TCP4),
        Case("prism big-endian", struct.pack(">II", 0x44, 144) + bytes(136) + plain, 119, TCP4),
        Case("avs", struct.pack(">II", 0x80211001, 64) + bytes(56) + plain, 163, TCP4),
        Case("avs under the number of prism", struct.pack(">II", 0x80211002, 64) + bytes(56) + plain, 119, TCP4),
    ]


def radiotap(flags: int) -> bytes:
    """Radiotap header with nothing but flags."""
    return struct.pack("<BBHIB", 0, 0, 9, 2, flags)


def subframe(packet: bytes, source: int = 1, length: int | None = None, kind: int = 0x0800) -> bytes:
    """Subframe of an A-MSDU, without its padding."""
    data = SNAP4[:6] + struct.pack(">H", kind) + packet
    return b"\2\0\0\0\0\2\2\0\0\0\0" + bytes((source,)) + struct.pack(">H", length or len(data)) + data


def aggregate(*subframes: bytes, flags: int = 1) -> bytes:
    """802.11 frame with an A-MSDU, each subframe but the last padded to four bytes."""
    head = bytearray(packed(data_frame(8, flags) / Dot11QoS()))
    head[-2] |= 0x80
    inside = [frame + bytes(-len(frame) % 4) for frame in subframes[:-1]]
    return bytes(head) + b"".join(inside) + subframes[-1]


def datagram(port: int, data: bytes = b"odd") -> bytes:
    """IPv4 packet with a UDP datagram."""
    return packed(IP(src=A4, dst=B4) / UDP(sport=port, dport=53) / data)


def bridged_over_gre(frame: bytes) -> bytes:
    """Ethernet frame with a GRE tunnel that bridges ``frame``."""
    return packed(eth() / IP(src="192.0.2.1", dst="198.51.100.2") / GRE(proto=0x6558)) + frame


CASES = firewall_cases() + serial_cases() + arcnet_cases() + cell_cases() + card_cases() + cooked_cases() + air_cases()
CASES += [Case("a-msdu of one packet", aggregate(subframe(packed(inner()))), 105, tagged(TCP4, src_packets=1))]
assert len({case.name for case in CASES}) == len(CASES)
