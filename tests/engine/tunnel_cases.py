"""Tunnels over UDP and in GRE beyond the most usual ones, and what only looks like them."""

import struct
import warnings

from tests.engine.decode_cases import (
    A4,
    B4,
    C4,
    C6,
    D4,
    D6,
    TCP4,
    TCP6,
    Case,
    eth,
    inner,
    inner6,
    packed,
    tagged,
)
from tests.support.packets import arp_frame, checksum, ethernet, ip, udp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.contrib.cdp import CDPMsgDeviceID, CDPv2_HDR
    from scapy.contrib.mpls import MPLS
    from scapy.contrib.tzsp import TZSP, TZSPTagEnd, TZSPTagPadding, TZSPTagRawRSSIByte
    from scapy.layers.dot11 import Dot11, Dot11QoS
    from scapy.layers.l2 import LLC, SNAP, Dot1Q

PLAIN, PLAIN6, FRAME = packed(inner()), packed(inner6()), packed(eth() / inner())
TAGGED = packed(eth() / Dot1Q(vlan=7) / inner())
ARP_FRAME = arp_frame(A4, B4)[:42]
LABELS = packed(MPLS(label=3, s=0) / MPLS(label=16, s=1))
WIRELESS = packed(
    Dot11(type=2, subtype=8, FCfield=1, addr1="02:00:00:00:00:09", addr2="02:00:00:00:00:01", addr3="02:00:00:00:00:02")
    / Dot11QoS()
    / LLC()
    / SNAP()
    / inner()
)
ARP_FLOW: dict[str, object] = {"protocol": "arp", "src": (A4, 0), "dst": (B4, 0)}
ECM = b"\x80\0\0\0" + ip(A4, B4, 17, udp(40_000, 4_342, b"\x10\0\0\1" + bytes(28)))
"""A LISP control message for another router, wrapped for the one that knows it."""


def over_udp(port: int, payload: bytes, *, back: bool = False, v6: bool = False) -> bytes:
    """A frame with a datagram to a tunnel's port, or from it."""
    ends = (C6, D6) if v6 else (C4, D4)
    data = udp(port, 5_555, payload) if back else udp(5_555, port, payload)
    return ethernet(ip(*(ends[::-1] if back else ends), 17, data), 0x86DD if v6 else 0x0800)


def over_ip(protocol: int, payload: bytes) -> bytes:
    return ethernet(ip(C4, D4, protocol, payload))


def gpe(code: int, payload: bytes, flags: int = 0x0C, port: int = 4_790) -> bytes:
    """VXLAN-GPE with network 42."""
    return over_udp(port, struct.pack(">BHBI", flags, 0, code, 42 << 8) + payload)


def lisp(payload: bytes, flags: int = 0xC8, code: int = 5) -> bytes:
    """LISP with a nonce, and with instance 7."""
    return over_udp(4_341, struct.pack(">BHBI", flags, 0x1234, code, 7 << 8) + payload)


def gre(kind: int, payload: bytes, flags: int = 0, words: bytes = b"") -> bytes:
    return struct.pack(">HH", flags, kind) + words + payload


def eoip(frame: bytes) -> bytes:
    return gre(0x6400, frame, 0x2001, struct.pack(">H", len(frame)) + struct.pack("<H", 300))


def tzsp(kind: int, payload: bytes, tags: bytes = b"\x0a\x01\xb0\0\x0b\x02\0\x10\x01") -> bytes:
    """TZSP with a signal's strength, a padding byte and another tag."""
    return over_udp(37_008, struct.pack(">BBH", 1, 0, kind) + tags + payload)


def ayiya(kind: int, payload: bytes, operation: int = 1) -> bytes:
    """AYIYA with a numeric identity and a SHA-1 signature."""
    return struct.pack(">BBBBI", 0x41, 0x52, 0x10 | operation, kind, 1_700_000_000) + bytes(16 + 20) + payload


def register(packet: bytes) -> bytes:
    """PIM's register of a packet; its checksum covers the first 8 bytes."""
    head = b"\x21\0\0\0\0\0\0\0"
    return head[:2] + struct.pack(">H", checksum(head)) + head[4:] + packet


def case(name: str, frame: bytes, expected: dict[str, object] = TCP4, outer: str = "udp") -> Case:
    """A case whose tunnel is the first word of its name."""
    return Case(name, frame, expected=tagged(expected, tunnel=name.split(maxsplit=1)[0]), outer=(outer,))


def gre_cases() -> list[Case]:
    """What vendors and other protocols put into GRE."""
    cdp = packed(CDPv2_HDR(msg=[CDPMsgDeviceID(val=b"sw1")]))
    erspan = b"\x20\0\0\7\0\0\0\1\0\0"
    return [
        case("gre wccp version 1", over_ip(47, gre(0x883E, PLAIN)), outer="gre"),
        case("gre wccp version 2", over_ip(47, gre(0x883E, b"\0\0\0\5" + PLAIN)), outer="gre"),
        case("gre wccp dynamic service", over_ip(47, gre(0x883E, b"\xc0\x5a\1\2" + PLAIN)), outer="gre"),
        case("gre wccp alternative bucket", over_ip(47, gre(0x883E, b"\x45\0\1\2" + PLAIN)), outer="gre"),
        case("gre wccp ipv6", over_ip(47, gre(0x883E, b"\x80\0\0\5" + PLAIN6)), TCP6, outer="gre"),
        case("gre multicast mpls", over_ip(47, gre(0x8848, LABELS + PLAIN)), outer="gre"),
        case("gre 802.1ad", over_ip(47, gre(0x88A8, TAGGED[14:])), tagged(TCP4, vlan=7), outer="gre"),
        case("gre arp", over_ip(47, gre(0x0806, ARP_FRAME[14:])), ARP_FLOW, outer="gre"),
        case("gre cdp", over_ip(47, gre(0x2000, cdp)), {"protocol": "cdp", "src_payload": len(cdp)}, outer="gre"),
        case("gre nvgre", over_ip(47, gre(0x6558, FRAME, 0x2000, b"\0\0\x2a\5")), outer="gre"),
        case("aruba wireless", over_ip(47, gre(0x8210, WIRELESS)), outer="gre"),
        case("aruba wireless with key", over_ip(47, gre(0x8370, WIRELESS, 0x2000, bytes(4))), outer="gre"),
        case("eoip frame", over_ip(47, eoip(FRAME)), outer="gre"),
        case("erspan 3 ip", over_ip(47, gre(0x22EB, erspan + b"\x08\0" + PLAIN, 0x1000, bytes(4))), outer="gre"),
        case(
            "erspan 3 with platform's header",
            over_ip(47, gre(0x22EB, erspan + b"\0\1" + bytes(8) + FRAME, 0x1000, bytes(4))),
            outer="gre",
        ),
    ]


def udp_cases() -> list[Case]:
    """Tunnels by their UDP port."""
    signal = packed(TZSPTagRawRSSIByte(raw_rssi=200) / TZSPTagPadding() / TZSPTagEnd())
    return [
        case("gre in udp", over_udp(4_754, gre(0x0800, PLAIN))),
        case("gre in udp with checksum and key", over_udp(4_754, gre(0x86DD, PLAIN6, 0xA000, bytes(8))), TCP6),
        case("gre in udp ethernet", over_udp(4_754, gre(0x6558, FRAME))),
        case("gre in udp mpls", over_udp(4_754, gre(0x8847, LABELS + PLAIN))),
        case("vxlan on its gpe port", over_udp(4_790, b"\x08\0\0\0\0\0\x2a\0" + FRAME)),
        case("vxlan on linux's port", over_udp(8_472, b"\x08\0\0\0\0\0\x2a\0" + FRAME)),
        case("vxlan with overlay id", over_udp(8_472, b"\x08\0\0\7\0\0\x2a\0" + FRAME)),
        case("vxlan-gpe ipv4", gpe(1, PLAIN)),
        case("vxlan-gpe ipv6", gpe(2, PLAIN6), TCP6),
        case("vxlan-gpe ethernet", gpe(3, FRAME)),
        case("vxlan-gpe mpls", gpe(5, LABELS + PLAIN)),
        case("vxlan-gpe mpls pseudowire", gpe(5, LABELS + bytes(4) + FRAME)),
        case("vxlan-gpe on vxlan's port", gpe(1, PLAIN, port=4_789)),
        case("vxlan-gpe on linux's port", gpe(3, FRAME, port=8_472)),
        case("vxlan-gpe without network", gpe(1, PLAIN, flags=0x04)),
        case("geneve arp", over_udp(6_081, b"\0\0\x08\x06\0\0\5\0" + ARP_FRAME[14:]), ARP_FLOW),
        case("geneve mpls", over_udp(6_081, b"\0\0\x88\x47\0\0\5\0" + LABELS + PLAIN)),
        case("tzsp ethernet", tzsp(1, FRAME)),
        case("tzsp without tags", tzsp(1, FRAME, b"\1")),
        case("tzsp vlan", tzsp(1, TAGGED), tagged(TCP4, vlan=7)),
        case("tzsp wireless", tzsp(18, WIRELESS)),
        case("tzsp by scapy", over_udp(37_008, packed(TZSP(type=0, encapsulated_protocol=1)) + signal + FRAME)),
        case("lisp ipv4", lisp(PLAIN)),
        case("lisp ipv6", lisp(PLAIN6), TCP6),
        case("lisp over ipv6", over_udp(4_341, bytes(8) + PLAIN, v6=True)),
        case("lisp ethernet", lisp(FRAME, 0x0C, 3)),
        case("lisp control", over_udp(4_342, ECM), {"protocol": "udp", "src": (A4, 40_000), "dst": (B4, 4_342)}),
        case("ayiya to server", over_udp(5_072, ayiya(41, PLAIN6)), TCP6),
        case("ayiya from server", over_udp(5_072, ayiya(4, PLAIN), back=True)),
        case("mpls in udp", over_udp(6_635, LABELS + PLAIN)),
        case("mpls in udp ethernet", over_udp(6_635, LABELS + bytes(4) + FRAME)),
        case("l2tpv3 in udp", over_udp(1_701, b"\0\3\0\0\0\0\0\5" + bytes(8) + FRAME)),
    ]


def ip_cases() -> list[Case]:
    """Tunnels by their IP protocol."""
    short = ethernet(ip(A4, B4, 17, udp(40_000, 443, b"x"))).ljust(60, b"\0")
    flow: dict[str, object] = {"protocol": "udp", "src": (A4, 40_000), "dst": (B4, 443), "src_payload": 1}
    return [
        case("mpls in ip", over_ip(137, LABELS + PLAIN), outer="mpls-in-ip"),
        *(
            case(f"l2tpv3 after {size} bytes", over_ip(115, b"\0\0\0\5" + bytes(size) + FRAME), outer="l2tp")
            for size in (0, 4, 8, 12)
        ),
        case("l2tpv3 vlan", over_ip(115, b"\0\0\0\5" + TAGGED), tagged(TCP4, vlan=7), outer="l2tp"),
        case("l2tpv3 arp", over_ip(115, b"\0\0\0\5" + ARP_FRAME), ARP_FLOW, outer="l2tp"),
        case("l2tpv3 ipv6", over_ip(115, b"\0\0\0\5" + ethernet(PLAIN6, 0x86DD)), TCP6, outer="l2tp"),
        case("l2tpv3 padded", over_ip(115, b"\0\0\0\5" + short), flow, outer="l2tp"),
        case("pim register", over_ip(103, register(PLAIN)), outer="pim"),
        case("pim register ipv6", ethernet(ip(C6, D6, 103, register(PLAIN6)), 0x86DD), TCP6, outer="pim"),
    ]


TUNNELS = gre_cases() + udp_cases() + ip_cases()

STUN_ANSWER = bytes.fromhex("0101000c2112a442") + bytes(12) + bytes.fromhex("002000080001a147e112a643")
OTHER_UDP: list[tuple[str, int, bytes]] = [
    ("text on each port", 0, b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n" + b"x" * 60),
    ("zeros", 0, bytes(100)),
    ("ones", 0, b"\xff" * 100),
    ("counting", 0, bytes(range(100))),
    ("stun", 0, STUN_ANSWER),
    ("ip that does not fit", 4_341, bytes(8) + PLAIN + b"x"),
    ("ip cut short by its sender", 4_341, bytes(8) + PLAIN[:-1]),
    ("ipv6 where ipv4 is named", 4_790, b"\x0c\0\0\1\0\0\x2a\0" + PLAIN6),
    ("lisp encrypted", 4_341, b"\x09" + bytes(7) + PLAIN),
    ("gpe of another version", 4_790, b"\x3c\0\0\1\0\0\x2a\0" + PLAIN),
    ("gpe operations", 4_790, b"\x0d\0\0\1\0\0\x2a\0" + PLAIN),
    ("gpe without protocol", 4_790, b"\x0c\0\0\0\0\0\x2a\0" + PLAIN),
    ("tzsp keep-alive", 37_008, b"\1\4\0\1\1" + FRAME),
    ("tzsp without end", 37_008, b"\1\0\0\1" + b"\0" * 100),
    ("tzsp of another version", 37_008, b"\2\0\0\1\1" + FRAME),
    ("gre with routing", 4_754, gre(0x0800, bytes(4) + PLAIN, 0x4000)),
    ("gre of an unknown type", 4_754, gre(0x1234, PLAIN)),
    ("mpls of noise", 6_635, LABELS + b"\x45" + bytes(60)),
    ("mpls without bottom", 6_635, struct.pack(">I", 3 << 12) * 30),
    ("ayiya heartbeat", 5_072, ayiya(59, b"", 0)),
    ("ayiya of no operation", 5_072, ayiya(41, PLAIN6, 0)),
    ("map request", 4_342, b"\x10\0\0\1" + bytes(40)),
]
"""Payloads of UDP that are no tunnel, with the port (0: each port of one)."""

OTHER_IP: list[tuple[str, int, bytes]] = [
    ("l2tp control", 115, bytes(4) + b"\xc8\3\0\x14" + FRAME),
    ("l2tp of noise", 115, b"\0\0\0\5" + bytes(range(100))),
    ("l2tp with a wrong checksum", 115, b"\0\0\0\5" + FRAME[:24] + b"\0\0" + FRAME[26:]),
    ("pim hello", 103, b"\x20\0\0\0\0\1\0\2\0\x69" + PLAIN),
    ("pim register of noise", 103, b"\x21\0\0\0\0\0\0\0\x45" + bytes(40)),
    ("eoip of another length", 47, eoip(FRAME) + b"x"),
    ("gre of an unknown type", 47, gre(0x8205, WIRELESS)),
    ("gre keep-alive's answer", 47, gre(0, b"")),
]
"""Payloads of IP protocols that some tunnels have, which are none."""

PORTS = (4_341, 4_342, 4_754, 4_790, 5_072, 6_635, 37_008)
