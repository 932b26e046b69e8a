"""Messages of the protocols without ports, built by hand from their specifications."""

import struct
from socket import AF_INET6, inet_aton, inet_pton

from tests.support.packets import MAC_A, MAC_B, MAC_C, arp, checksum, ip, udp

Talk = tuple[tuple[bool, bytes], ...]


# ---- LLDP --------------------------------------------------------------------------------------------------------


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack(">H", kind << 9 | len(value)) + value


def org(owner: str, kind: int, value: bytes) -> bytes:
    return tlv(127, bytes.fromhex(owner) + bytes([kind]) + value)


LLDP_SWITCH = (
    tlv(1, b"\4" + MAC_A) + tlv(2, b"\5Gi1/0/12") + tlv(3, b"\0\x78") + tlv(4, b"uplink to core")
    + tlv(5, b"access-1.example.org") + tlv(6, b"Example OS 15.2\nCopyright") + tlv(7, b"\0\x14\0\4")
    + tlv(8, b"\5\1" + inet_aton("192.0.2.10") + b"\2\0\0\0\1\0")
    + tlv(8, b"\x11\2" + bytes.fromhex("20010db8000000000000000000000010") + b"\2\0\0\0\1\0")
    + org("0080c2", 1, b"\0\x0a") + org("0080c2", 3, b"\0\x0a\5users") + org("0080c2", 3, b"\0\x14\5voice")
    + org("00120f", 1, b"\3\x6c\1\0\x1e") + org("00120f", 4, b"\x05\xf2") + tlv(0, b"")
)  # fmt: skip
LLDP_PHONE = (
    tlv(1, b"\5\1" + inet_aton("192.0.2.77")) + tlv(2, b"\3" + MAC_B) + tlv(3, b"\0\xb4") + tlv(5, b"SEP020000000002")
    + tlv(7, b"\0\x24\0\x24") + org("0012bb", 1, b"\0\x33\3") + org("0012bb", 2, b"\1\x40\xc9\x6e")
    + org("0012bb", 5, b"7") + org("0012bb", 6, b"tnp62") + org("0012bb", 7, b"SIP62.8-5-3")
    + org("0012bb", 8, b"FCH1234ABCD") + org("0012bb", 9, b"Example") + org("0012bb", 10, b"Phone 7")
    + org("0012bb", 11, b"inv-9") + tlv(0, b"")
)  # fmt: skip
LLDP_BYE = tlv(1, b"\7host \xc3\xa9") + tlv(2, b"\7" + bytes([0, 1, 0xFF])) + tlv(3, b"\0\0") + tlv(0, b"")

# ---- CDP ---------------------------------------------------------------------------------------------------------


def cdp_tlv(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value) + 4) + value


def cdp(version: int, ttl: int, *items: bytes) -> bytes:
    body = b"".join(items)
    return struct.pack(">BBH", version, ttl, checksum(bytes([version, ttl, 0, 0]) + body)) + body


def cdp_addresses(*addresses: str) -> bytes:
    made = [b"\1\1\xcc\0\4" + inet_aton(a) for a in addresses]
    return struct.pack(">I", len(made)) + b"".join(made)


CDP_SWITCH = cdp(
    2, 180, cdp_tlv(1, b"core-1.example.org"), cdp_tlv(2, cdp_addresses("192.0.2.1", "192.0.2.2")),
    cdp_tlv(3, b"GigabitEthernet0/1"), cdp_tlv(4, b"\0\0\0\x29"), cdp_tlv(5, b"Example IOS Software, Version 12.2(55)"),
    cdp_tlv(6, b"example WS-C3560"), cdp_tlv(9, b"campus"), cdp_tlv(10, b"\0\x63"), cdp_tlv(11, b"\1"),
    cdp_tlv(14, b"\1\0\xc8"), cdp_tlv(17, b"\0\0\x05\xdc"), cdp_tlv(20, b"core-1"),
    cdp_tlv(22, cdp_addresses("192.0.2.9")), cdp_tlv(23, b"\0room 12"),
)  # fmt: skip
CDP_PHONE = cdp(
    2, 180, cdp_tlv(1, b"SEP020000000003"),
    cdp_tlv(2, b"\0\0\0\1\2\x08\xaa\xaa\x03\0\0\0\x86\xdd\0\x10" + bytes.fromhex("fe80" + "00" * 13 + "07")),
    cdp_tlv(3, b"Port 1"), cdp_tlv(4, b"\0\0\0\x90"), cdp_tlv(5, b"P00308010200"), cdp_tlv(6, b"Example IP Phone 7960"),
    cdp_tlv(11, b"\0"), cdp_tlv(16, b"\x18\x9c"),
)  # fmt: skip
CDP_OLD = cdp(
    1, 180, cdp_tlv(1, b"R1"), cdp_tlv(3, b"Ethernet0"), cdp_tlv(4, b"\0\0\0\1"), cdp_tlv(5, b"Example IOS 11.0"),
    cdp_tlv(6, b"example 2500"), cdp_tlv(7, inet_aton("10.0.1.0") + b"\x18" + inet_aton("10.0.2.0") + b"\x19"),
)  # fmt: skip

# ---- LACP and spanning tree --------------------------------------------------------------------------------------


def lacp(actor_state: int, partner: bytes = MAC_B) -> bytes:
    ends = [(0x8000, MAC_A, 13, 0x8001, 22, actor_state), (0x7FFF, partner, 14, 0x8002, 23, 0x3C)]
    body = b"".join(bytes([kind, 20]) + struct.pack(">H6sHHHB3x", *end) for kind, end in zip((1, 2), ends, strict=True))
    return b"\1\1" + body + b"\3\x10\0\x32" + bytes(12) + bytes(52)


def bpdu(version: int, kind: int, flags: int, more: bytes = b"", cost: int = 4, vlan: int = 1) -> bytes:
    root, bridge = struct.pack(">H", 0x6000 | vlan) + MAC_A, struct.pack(">H", 0x8000 | vlan) + MAC_B
    times = struct.pack(">HHHH", 256, 20 * 256, 2 * 256, 15 * 256)
    return (
        struct.pack(">HBBB", 0, version, kind, flags)
        + root
        + struct.pack(">I", cost)
        + bridge
        + b"\x80\x0c"
        + times
        + more
    )


STP_CONFIGURATION = bpdu(0, 0, 0x81)
STP_NOTIFICATION = b"\0\0\0\x80"
RSTP = bpdu(2, 2, 0x3C, b"\0")
PVST = bpdu(0, 0, 0, b"\0" + b"\0\0\0\2\0\x0a", vlan=10)
RAPID_PVST = bpdu(2, 2, 0x7E, b"\0" + b"\0\0\0\2\x01\x2c", vlan=300)
MSTI = b"\x7c" + struct.pack(">H", 0x8001) + MAC_A + struct.pack(">I", 200) + b"\x80\x80\x13"
MSTP = bpdu(
    3, 2, 0x7C,
    b"\0" + struct.pack(">H", 64 + 16) + b"\0" + b"campus".ljust(32, b"\0") + b"\0\3" + bytes(range(16))
    + struct.pack(">I", 20000) + struct.pack(">H", 0x8000) + MAC_C + b"\x13" + MSTI,
)  # fmt: skip

# ---- IGMP --------------------------------------------------------------------------------------------------------


def summed(head: bytes, body: bytes) -> bytes:
    """A message whose first two bytes are ``head`` and whose next two are its checksum."""
    return head + struct.pack(">H", checksum(head + b"\0\0" + body)) + body


IGMP_QUERY_1 = summed(b"\x11\0", bytes(4))
IGMP_QUERY_2 = summed(b"\x11\x64", bytes(4))
IGMP_QUERY_3 = summed(
    b"\x11\x8a", inet_aton("239.1.1.1") + b"\x0a\x7d\0\2" + inet_aton("10.0.0.1") + inet_aton("10.0.0.2")
)
IGMP_REPORT_1 = summed(b"\x12\0", inet_aton("239.1.1.1"))
IGMP_REPORT_2 = summed(b"\x16\0", inet_aton("239.1.1.1"))
IGMP_LEAVE = summed(b"\x17\0", inet_aton("239.1.1.1"))
IGMP_REPORT_3 = summed(
    b"\x22\0",
    b"\0\0\0\2" + b"\4\0\0\0" + inet_aton("224.0.0.251") + b"\5\0\0\1" + inet_aton("232.1.1.1") + inet_aton("10.0.0.9"),
)

# ---- ICMP --------------------------------------------------------------------------------------------------------


QUOTED_UDP = ip("192.0.2.1", "198.51.100.2", 17, udp(40000, 53), ident=7)
QUOTED_PING = ip("192.0.2.1", "198.51.100.2", 1, struct.pack(">BBHHH", 8, 0, 0, 77, 3), ident=7)
PORT_UNREACHABLE = summed(b"\3\3", bytes(4) + QUOTED_UDP)
TOO_LARGE = summed(b"\3\4", b"\0\0\x05\x78" + QUOTED_UDP)
REDIRECT = summed(b"\5\1", inet_aton("192.0.2.254") + QUOTED_UDP)
TIME_EXCEEDED = summed(b"\x0b\0", bytes(4) + QUOTED_PING)
BAD_PARAMETER = summed(b"\x0c\0", b"\x14\0\0\0" + QUOTED_UDP)
ROUTERS = summed(b"\x09\0", b"\2\2\x07\x08" + inet_aton("192.0.2.1") + bytes(4) + inet_aton("192.0.2.2") + bytes(4))


def ping(kind: int, seq: int, number: int = 77, data: bytes = b"abcdefgh") -> bytes:
    return summed(bytes([kind, 0]), struct.pack(">HH", number, seq) + data)


STAMP_REQUEST = summed(b"\x0d\0", struct.pack(">HHIII", 9, 1, 1000, 0, 0))
STAMP_REPLY = summed(b"\x0e\0", struct.pack(">HHIII", 9, 1, 1000, 1005, 1006))

# ---- ICMPv6: checksums are not read, and zero here ---------------------------------------------------------------

A6, B6 = "2001:db8::1", "2001:db8::2"
SRC6, DST6 = inet_pton(AF_INET6, A6), inet_pton(AF_INET6, B6)
QUOTED6 = ip(A6, B6, 17, udp(40000, 53))
HOP_BY_HOP = b"\x2c\0" + bytes(6)
FIRST_FRAGMENT = b"\x11\0\0\1" + bytes(4)
QUOTED6_FRAGMENT = ip(A6, B6, 0, HOP_BY_HOP + FIRST_FRAGMENT + udp(40000, 53))
QUOTED6_LATER = QUOTED6_FRAGMENT[:50] + b"\x05\xa8" + QUOTED6_FRAGMENT[52:]


def icmp6(kind: int, code: int, body: bytes) -> bytes:
    return bytes([kind, code, 0, 0]) + body


def nd_option(kind: int, value: bytes) -> bytes:
    return bytes([kind, (len(value) + 2) // 8]) + value


UNREACHABLE6 = icmp6(1, 4, bytes(4) + QUOTED6)
TOO_BIG6 = icmp6(2, 0, struct.pack(">I", 1280) + QUOTED6_FRAGMENT)
EXPIRED6 = icmp6(3, 0, bytes(4) + QUOTED6_LATER)
PARAMETER6 = icmp6(4, 1, struct.pack(">I", 40) + QUOTED6)
SOLICITATION = icmp6(135, 0, bytes(4) + DST6 + nd_option(1, MAC_A))
ADVERTISEMENT = icmp6(136, 0, b"\x60\0\0\0" + DST6 + nd_option(2, MAC_B))
ROUTER_SOLICITATION = icmp6(133, 0, bytes(4) + nd_option(1, MAC_A))
ROUTER_ADVERTISEMENT = icmp6(
    134, 0,
    b"\x40\xc0\x07\x08" + bytes(8) + nd_option(1, MAC_A) + nd_option(5, b"\0\0\0\0\x05\xdc")
    + nd_option(3, b"\x40\xc0" + struct.pack(">II", 86400, 14400) + bytes(4) + SRC6[:8] + bytes(8))
    + nd_option(25, b"\0\0" + struct.pack(">I", 600) + SRC6 + DST6)
    + nd_option(31, b"\0\0" + struct.pack(">I", 600) + b"\7example\3org\0\3lab\0" + bytes(6)),
)  # fmt: skip
REDIRECT6 = icmp6(137, 0, bytes(4) + SRC6 + DST6 + nd_option(2, MAC_B) + nd_option(4, bytes(6) + QUOTED6))
GROUP6 = bytes.fromhex("ff02" + "00" * 12 + "00fb")
LISTENER_QUERY_1 = icmp6(130, 0, b"\x27\x10\0\0" + bytes(16))
LISTENER_QUERY_2 = icmp6(130, 0, b"\x90\x10\0\0" + GROUP6 + b"\2\x7d\0\0")
LISTENER_REPORT_1 = icmp6(131, 0, bytes(4) + GROUP6)
LISTENER_DONE = icmp6(132, 0, bytes(4) + GROUP6)
LISTENER_REPORT_2 = icmp6(143, 0, b"\0\0\0\2" + b"\4\0\0\0" + GROUP6 + b"\3\0\0\1" + GROUP6[:15] + b"\xfc" + SRC6)


def said(*messages: bytes) -> Talk:
    return tuple((True, message) for message in messages)


LAYER2: dict[str, tuple[tuple[str, int, Talk], ...]] = {
    "arp": (
        ("arp", 0, said(arp(1, "192.0.2.1", "192.0.2.2"), arp(2, "192.0.2.2", "192.0.2.1", MAC_B, MAC_A))),
        ("arp", 0, said(arp(1, "0.0.0.0", "192.0.2.1"), arp(1, "192.0.2.1", "192.0.2.1"))),
    ),
    "lldp": (("lldp", 0, said(LLDP_SWITCH)), ("lldp", 0, said(LLDP_PHONE, LLDP_BYE))),
    "cdp": (("cdp", 0, said(CDP_SWITCH)), ("cdp", 0, said(CDP_PHONE, CDP_OLD))),
    "lacp": (("lacp", 0, said(lacp(0x3D), lacp(0x45, bytes(6)))),),
    "stp": (("stp", 0, said(STP_CONFIGURATION, STP_NOTIFICATION, RSTP, MSTP)), ("stp", 0, said(PVST, RAPID_PVST))),
    "igmp": (
        ("igmp", 0, said(IGMP_QUERY_1, IGMP_QUERY_2, IGMP_QUERY_3)),
        ("igmp", 0, said(IGMP_REPORT_3, IGMP_REPORT_1, IGMP_REPORT_2, IGMP_LEAVE)),
    ),
    "icmp": (
        ("icmp", 0, ((True, ping(8, 1)), (False, ping(0, 1)), (True, ping(8, 2)))),
        ("icmp", 0, said(PORT_UNREACHABLE, TOO_LARGE, REDIRECT, TIME_EXCEEDED, BAD_PARAMETER, ROUTERS)),
        ("icmp", 0, ((True, STAMP_REQUEST), (False, STAMP_REPLY))),
    ),
    "icmpv6": (
        ("icmpv6", 0, ((True, ping(128, 1)), (False, ping(129, 1)))),
        ("icmpv6", 0, said(UNREACHABLE6, TOO_BIG6, EXPIRED6, PARAMETER6, REDIRECT6)),
        ("icmpv6", 0, said(SOLICITATION, ADVERTISEMENT, ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT)),
        ("icmpv6", 0, said(LISTENER_QUERY_1, LISTENER_QUERY_2, LISTENER_REPORT_1, LISTENER_DONE, LISTENER_REPORT_2)),
    ),
}  # fmt: skip
