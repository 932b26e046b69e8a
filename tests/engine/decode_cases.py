"""Frames of every link type, tunnel and protocol that the engine knows, with the flow that each must become."""

import struct
import warnings
from dataclasses import dataclass, field
from typing import Any

from tests.support.packets import ETHERNET, arp_frame, ethernet, ip, udp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.contrib.cdp import CDPMsgDeviceID, CDPv2_HDR
    from scapy.contrib.erspan import ERSPAN_I, ERSPAN_II, ERSPAN_III
    from scapy.contrib.geneve import GENEVE
    from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
    from scapy.contrib.igmp import IGMP  # type: ignore[attr-defined]
    from scapy.contrib.lacp import LACP
    from scapy.contrib.lldp import LLDPDUChassisID, LLDPDUEndOfLLDPDU, LLDPDUPortID, LLDPDUTimeToLive
    from scapy.contrib.mpls import MPLS
    from scapy.contrib.slowprot import SlowProtocol
    from scapy.layers.dot11 import Dot11, Dot11Beacon, Dot11QoS, RadioTap
    from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert, IPOption_Timestamp
    from scapy.layers.inet6 import (
        ICMPv6EchoRequest,
        ICMPv6ND_NS,
        IPv6,
        IPv6ExtHdrDestOpt,
        IPv6ExtHdrHopByHop,
        IPv6ExtHdrRouting,
        PadN,
    )
    from scapy.layers.ipsec import AH, ESP
    from scapy.layers.l2 import (
        ARP,
        GRE,
        GRE_PPTP,
        LLC,
        SNAP,
        STP,
        CookedLinux,
        CookedLinuxV2,
        Dot1AD,
        Dot1Q,
        Dot3,
        Ether,
        Loopback,
    )
    from scapy.layers.l2tp import L2TP
    from scapy.layers.ppp import HDLC, PPP, PPPoE
    from scapy.layers.sctp import SCTP, SCTPChunkInit
    from scapy.layers.vxlan import VXLAN
    from scapy.packet import Packet, Raw

A4, B4, A6, B6 = "10.1.1.1", "10.1.1.2", "2001:db8::1", "2001:db8::2"
C4, D4, C6, D6 = "192.0.2.1", "198.51.100.2", "2001:db8:1::1", "2001:db8:1::2"
CLIENT, SERVER = (A4, 40_000), (B4, 443)
CLIENT6, SERVER6 = (A6, 40_000), (B6, 443)
DATA = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """A frame, and what the innermost flow must say of it."""

    name: str
    data: bytes
    link: int = ETHERNET
    expected: dict[str, object] = field(default_factory=dict)
    outer: tuple[str, ...] = ()
    """Protocols of the flows around the innermost, outermost first."""


def packed(packet: Packet) -> bytes:
    """Bytes of a scapy packet, lengths and checksums filled in."""
    return bytes(packet)


def inner() -> Packet:
    """What tunnels carry in these tests."""
    return IP(src=A4, dst=B4) / TCP(sport=40_000, dport=443, seq=1, flags="PA") / Raw(DATA)


def inner6() -> Packet:
    """The same over IPv6."""
    return IPv6(src=A6, dst=B6) / TCP(sport=40_000, dport=443, seq=1, flags="PA") / Raw(DATA)


TCP4: dict[str, object] = {"protocol": "tcp", "src": CLIENT, "dst": SERVER, "src_payload": len(DATA), "history": "D"}
TCP6: dict[str, object] = {"protocol": "tcp", "src": CLIENT6, "dst": SERVER6, "src_payload": len(DATA), "history": "D"}


def eth(**more: str) -> Packet:
    ends: dict[str, Any] = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
    return Ether(**ends | more)


def outside() -> Packet:
    """Headers around a tunnel."""
    return eth() / IP(src=C4, dst=D4)


def dot3(dst: str = "02:00:00:00:00:02") -> Packet:
    return Dot3(src="02:00:00:00:00:01", dst=dst)


def tagged(case: dict[str, object], **more: object) -> dict[str, object]:
    return {**case, **more}


def ethernet_cases() -> list[Case]:
    """Ethernet with tags and labels, 802.3, PPPoE."""
    inside = packed(inner())
    return [
        Case("ethernet", packed(eth() / inner()), expected=tagged(TCP4, vlan=-1, tunnel=0)),
        Case(
            "ethernet padded",
            packed(eth() / IP(src=A4, dst=B4) / UDP(sport=5, dport=53) / b"x") + b"\0" * 17,
            expected={"protocol": "udp", "src": (A4, 5), "dst": (B4, 53), "src_payload": 1},
        ),
        Case("vlan", packed(eth() / Dot1Q(vlan=7) / inner()), expected=tagged(TCP4, vlan=7, outer_vlan=-1)),
        Case("vlan with priority", packed(eth() / Dot1Q(vlan=4095, prio=7, dei=1) / inner()), expected={"vlan": 4095}),
        Case(
            "qinq",
            packed(eth() / Dot1AD(vlan=9) / Dot1Q(vlan=7) / inner()),
            expected=tagged(TCP4, vlan=7, outer_vlan=9),
            outer=("qinq",),
        ),
        Case(
            "qinq 9100",
            ethernet(struct.pack(">HHHH", 3, 0x8100, 4, 0x0800) + inside, 0x9100),
            expected=tagged(TCP4, vlan=4, outer_vlan=3),
            outer=("qinq",),
        ),
        Case(
            "vlan with llc",
            packed(eth() / Dot1Q(vlan=7, type=43)) + packed(LLC() / SNAP() / inner()),
            expected=tagged(TCP4, vlan=7),
        ),
        Case("mpls", packed(eth() / MPLS(label=1, s=0) / MPLS(label=2, s=1) / inner()), expected=TCP4),
        Case("mpls ipv6", packed(eth() / MPLS(label=2, s=1)) + packed(inner6()), expected=TCP6),
        Case("mpls pseudowire", packed(eth() / MPLS(label=2, s=1)) + bytes(4) + packed(eth() / inner()), expected=TCP4),
        Case("pppoe", packed(eth() / PPPoE(sessionid=1) / PPP() / inner()), expected=TCP4),
        Case("pppoe ipv6", packed(eth() / PPPoE(sessionid=1) / PPP(proto=0x57) / inner6()), expected=TCP6),
        Case("802.3 snap", packed(dot3() / LLC() / SNAP() / inner()), expected=TCP4),
        Case("ipv6", packed(eth() / inner6()), expected=TCP6),
        Case("unknown ethertype", ethernet(b"what", 0x1234), expected={"protocol": "ethertype_0x1234"}),
    ]


def link_cases() -> list[Case]:
    """Link types other than Ethernet."""
    v4, v6 = packed(inner()), packed(inner6())
    nflog = struct.pack("<HH4s", 8, 1, b"\0\0\0\0") + struct.pack("<HH", 4 + len(v4), 9) + v4
    pktap1 = struct.pack("<III24sIIII", 156, 1, 1, b"en0", 2, 2, 14, 0) + bytes(156 - 52)
    pktap2 = bytes((60, 60, 0, 0, 1, 0, 12, 0)) + bytes(28) + struct.pack("<I", 0x80000) + bytes(20)
    sll = packed(CookedLinux(pkttype=4, lladdrlen=6, src=b"\2\0\0\0\0\1\0\0", proto=0x0800))
    sll2 = packed(CookedLinuxV2(lladdrlen=6, src=b"\2\0\0\0\0\1\0\0", proto=0x86DD))
    return [
        *(Case(f"raw {link}", v4, link, TCP4) for link in (12, 14, 101, 228)),
        *(Case(f"raw {link} ipv6", v6, link, TCP6) for link in (12, 101, 229)),
        Case("null", packed(Loopback(type=2)) + v4, 0, TCP4),
        Case("null big-endian", struct.pack(">I", 2) + v4, 0, TCP4),
        *(Case(f"null family {n}", struct.pack("<I", n) + v6, 0, TCP6) for n in (10, 24, 28, 30)),
        Case("loop", struct.pack(">I", 2) + v4, 108, TCP4),
        Case("sll", sll + v4, 113, tagged(TCP4)),
        Case("sll2", sll2 + v6, 276, TCP6),
        Case("ppp", packed(PPP(proto=0x21)) + v4, 9, TCP4),
        Case("ppp compressed", b"\x21" + v4, 9, TCP4),
        Case("ppp hdlc", packed(HDLC() / PPP() / inner()), 50, TCP4),
        Case("ppp mpls", struct.pack(">HI", 0x0281, 0x1100) + v4, 9, TCP4),
        Case("pppoe link", packed(PPPoE(sessionid=3) / PPP() / inner()), 51, TCP4),
        Case("cisco hdlc", b"\x0f\0" + struct.pack(">H", 0x0800) + v4, 104, TCP4),
        Case("cisco hdlc in ppp", b"\x0f\0" + struct.pack(">H", 0x86DD) + v6, 50, TCP6),
        Case("nflog", b"\2\0\0\0" + nflog, 239, TCP4),
        Case("nflog big-endian", b"\2\0\0\0" + struct.pack(">HH", 4 + len(v4), 9) + v4, 239, TCP4),
        Case("pktap v1", pktap1 + packed(eth() / inner()), 149, TCP4),
        Case("pktap v1, 258", pktap1 + packed(eth() / inner()), 258, TCP4),
        Case("pktap v2", pktap2 + v4, 258, TCP4),
    ]


def wireless_cases() -> list[Case]:
    """802.11 under its several headers."""
    to_ap = Dot11(
        type=2, subtype=0, FCfield=1, addr1="02:00:00:00:00:09", addr2="02:00:00:00:00:01", addr3="02:00:00:00:00:02"
    )
    qos = Dot11(
        type=2, subtype=8, FCfield=2, addr1="02:00:00:00:00:02", addr2="02:00:00:00:00:09", addr3="02:00:00:00:00:01"
    )
    plain = packed(to_ap / LLC() / SNAP() / inner())
    wds = bytes((8, 3)) + plain[2:24] + b"\2\0\0\0\0\7" + plain[24:]
    ppi = struct.pack("<BBHI", 0, 0, 8, 105)
    beacon = packed(Dot11(type=0, subtype=8, addr1="ff:ff:ff:ff:ff:ff", addr2="02:00:00:00:00:09") / Dot11Beacon())
    return [
        Case("802.11", plain, 105, tagged(TCP4)),
        Case("802.11 qos", packed(qos / Dot11QoS() / LLC() / SNAP() / inner()), 105, TCP4),
        Case("802.11 four addresses", wds, 105, TCP4),
        Case("802.11 protected", bytes((8, 0x41)) + plain[2:], 105, {"protocol": "wlan_encrypted"}),
        Case("802.11 beacon", beacon, 105, {"protocol": "wlan_management"}),
        Case("802.11 ack", b"\xd4\0\0\0\2\0\0\0\0\1", 105, {"protocol": "wlan_control"}),
        Case("802.11 null", bytes((0x48, 1)) + plain[2:24], 105, {"protocol": "wlan_empty"}),
        Case("radiotap", packed(RadioTap() / to_ap / LLC() / SNAP() / inner()), 127, TCP4),
        Case("ppi", ppi + plain, 192, TCP4),
        Case("ppi ethernet", struct.pack("<BBHI", 0, 0, 8, 1) + packed(eth() / inner()), 192, TCP4),
    ]


def tunnel_cases() -> list[Case]:
    """Tunnels; the tunnel's number is checked by the test through its name."""
    frame = eth() / inner()
    over_udp = {"vxlan": 4789, "geneve": 6081, "gtpu": 2152, "l2tp": 1701}

    def carried(name: str, packet: Packet | bytes) -> Case:
        port = over_udp.get(name.split(maxsplit=1)[0])
        if port is None:
            return Case(name, bytes(packet), expected=tagged(TCP4, tunnel=name.split(maxsplit=1)[0]), outer=("gre",))
        whole = packed(outside() / UDP(sport=5_555, dport=port) / Raw(bytes(packet)))
        return Case(name, whole, expected=tagged(TCP4, tunnel=name.split(maxsplit=1)[0]), outer=("udp",))

    session = GTPPDUSessionContainer(type=0, QFI=9)
    cases = [
        carried("gre", packed(outside() / GRE() / inner())),
        carried("gre with key and number", packed(outside() / GRE(key_present=1, key=7, seqnum_present=1) / inner())),
        carried("gre with checksum", packed(outside() / GRE(chksum_present=1) / inner())),
        carried("gre ethernet", packed(outside() / GRE(proto=0x6558) / frame)),
        carried(
            "gre pptp", packed(outside() / GRE_PPTP(call_id=3, seqnum_present=1, acknum_present=1) / PPP() / inner())
        ),
        carried("erspan 1", packed(outside() / GRE(proto=0x88BE) / ERSPAN_I() / frame)),
        carried("erspan 2", packed(outside() / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II(session_id=2) / frame)),
        carried("erspan 3", packed(outside() / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III(session_id=2) / frame)),
        carried("vxlan", packed(VXLAN(vni=77)) + packed(frame)),
        carried("vxlan with group policy", bytes((0x88, 0, 0, 5, 0, 0, 77, 0)) + packed(frame)),
        carried("geneve", GENEVE(vni=5, proto=0x6558) / frame),
        carried("geneve ip", GENEVE(vni=5, proto=0x0800) / inner()),
        carried("gtpu", GTP_U_Header(teid=9, gtp_type=255) / inner()),
        carried("gtpu with extension", GTP_U_Header(teid=9, gtp_type=255, E=1, next_ex=0x85) / session / inner()),
        carried("l2tp", L2TP(hdr=0x0002, tunnel_id=1, session_id=2) / PPP() / inner()),
        carried(
            "l2tp with length and sequence", struct.pack(">HHHHHH", 0x4802, 80, 1, 2, 3, 4) + packed(PPP() / inner())
        ),
    ]
    return cases + ip_tunnel_cases()


def ip_tunnel_cases() -> list[Case]:
    """IP in IP in all four ways, Teredo, EtherIP, and tunnels in tunnels."""
    v4, v6 = packed(inner()), packed(inner6())
    etherip = ip(C4, D4, 97, b"\x30\0" + packed(eth() / inner()))
    double = outside() / GRE() / IP(src=C4, dst=D4, proto=4) / inner()
    return [
        Case("ipip", packed(outside() / inner()), expected=tagged(TCP4, tunnel="ipip"), outer=("ipip",)),
        Case("6in4", packed(outside() / inner6()), expected=tagged(TCP6, tunnel="6in4"), outer=("ipv6",)),
        Case("4in6", ethernet(ip(C6, D6, 4, v4), 0x86DD), expected=tagged(TCP4, tunnel="4in6"), outer=("ipip",)),
        Case("6in6", ethernet(ip(C6, D6, 41, v6), 0x86DD), expected=TCP6, outer=("ipv6",)),
        Case(
            "teredo",
            ethernet(ip(C4, D4, 17, udp(40_001, 3544, v6))),
            expected=tagged(TCP6, tunnel="teredo"),
            outer=("udp",),
        ),
        Case(
            "teredo with origin",
            ethernet(ip(C4, D4, 17, udp(3544, 40_001, b"\0\0" + bytes(6) + v6))),
            expected=tagged(TCP6, tunnel="teredo"),
            outer=("udp",),
        ),
        Case(
            "teredo with authentication",
            ethernet(ip(C4, D4, 17, udp(3544, 40_001, b"\0\1\0\0" + bytes(9) + b"\0\0" + bytes(6) + v6))),
            expected=tagged(TCP6, tunnel="teredo"),
            outer=("udp",),
        ),
        Case("etherip", ethernet(etherip), expected=tagged(TCP4, tunnel="etherip"), outer=("etherip",)),
        Case("ipip in gre", packed(double), expected=tagged(TCP4, tunnel="ipip"), outer=("gre", "ipip")),
        Case(
            "authentication header around ipip",
            packed(outside() / AH(nh=4, payloadlen=4, icv=b"x" * 12) / inner()),
            expected=TCP4,
            outer=("ipip",),
        ),
    ]


def network_cases() -> list[Case]:
    """Options and extension headers."""
    options = [IPOption_Router_Alert(), IPOption_Timestamp(flg=0)]
    chain = (
        IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 12)]) / IPv6ExtHdrRouting(addresses=[D6]) / IPv6ExtHdrDestOpt()
    )
    body = TCP(sport=40_000, dport=443, flags="PA") / Raw(DATA)
    return [
        Case("ipv4 options", packed(eth() / IP(src=A4, dst=B4, options=options) / body), expected=TCP4),
        Case(
            "tcp options",
            packed(
                eth()
                / IP(src=A4, dst=B4)
                / TCP(
                    sport=40_000,
                    dport=443,
                    flags="PA",
                    options=[("MSS", 1460), ("SAckOK", ""), ("Timestamp", (1, 2)), ("WScale", 7)],
                )
                / Raw(DATA)
            ),
            expected=TCP4,
        ),
        Case("ipv6 extension headers", packed(eth() / IPv6(src=A6, dst=B6) / chain / body), expected=TCP6),
        Case(
            "ipv6 atomic fragment",
            ethernet(ip(A6, B6, 44, struct.pack(">BBHI", 6, 0, 0, 1) + bytes(body)), 0x86DD),
            expected=TCP6,
        ),
        Case("length filled in by the card", ethernet(b"E\0\0\0" + packed(inner())[4:]), expected=TCP4),
        Case("no next header", ethernet(ip(A6, B6, 59, b""), 0x86DD), expected={"protocol": "ipv6-nonxt"}),
    ]


def protocol_cases() -> list[Case]:
    """What is neither TCP nor UDP."""
    v4, v6 = eth() / IP(src=A4, dst=B4), eth() / IPv6(src=A6, dst=B6)
    ends: dict[str, object] = {"src": (A4, 0), "dst": (B4, 0)}
    ends6: dict[str, object] = {"src": (A6, 0), "dst": (B6, 0)}
    sctp = v4 / SCTP(sport=40_000, dport=443) / SCTPChunkInit()
    lldp = LLDPDUChassisID(subtype=4, id=b"\2\0\0\0\0\1") / LLDPDUPortID(subtype=5, id="eth0")
    lldp = lldp / LLDPDUTimeToLive(ttl=120) / LLDPDUEndOfLLDPDU()
    cdp = dot3("01:00:0c:cc:cc:cc") / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0xC, code=0x2000)
    pvst = dot3("01:00:0c:cc:cc:cd") / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0xC, code=0x010B)
    return [
        Case("sctp", packed(sctp), expected={"protocol": "sctp", "src": CLIENT, "dst": SERVER}),
        Case(
            "echo",
            packed(v4 / ICMP(id=5, seq=1) / b"abc"),
            expected={
                **ends,
                "protocol": "icmp",
                "icmp_type": 8,
                "icmp_id": 5,
                "state": "ECHO_REQUEST",
                "src_payload": 3,
            },
        ),
        Case(
            "echo reply",
            packed(v4 / ICMP(type=0, id=5) / b"abc"),
            expected={"src": (B4, 0), "dst": (A4, 0), "icmp_type": 0, "state": "ECHO_REPLY", "dst_payload": 3},
        ),
        Case(
            "unreachable",
            packed(v4 / ICMP(type=3, code=3) / packed(inner())[:28]),
            expected={**ends, "protocol": "icmp", "icmp_type": 3, "icmp_code": 3, "icmp_id": -1},
        ),
        Case(
            "echo ipv6",
            packed(v6 / ICMPv6EchoRequest(id=0xFFFF)),
            expected={**ends6, "protocol": "icmpv6", "icmp_type": 128, "icmp_id": 0xFFFF},
        ),
        Case("neighbour", packed(v6 / ICMPv6ND_NS(tgt=B6)), expected={**ends6, "protocol": "icmpv6", "icmp_type": 135}),
        Case("igmp", packed(v4 / IGMP(type=0x16, gaddr="224.1.1.1")), expected={**ends, "protocol": "igmp"}),
        Case("esp", packed(v4 / ESP(spi=1, seq=1, data=b"secret" * 3)), expected={**ends, "protocol": "esp"}),
        Case(
            "ah",
            packed(v4 / AH(nh=6, payloadlen=4, icv=b"x" * 12) / TCP(sport=40_000, dport=443, flags="PA") / DATA),
            expected=TCP4,
        ),
        Case(
            "ah with esp",
            packed(v4 / AH(nh=50, payloadlen=4, icv=b"x" * 12) / b"12345678"),
            expected={**ends, "protocol": "ah"},
        ),
        Case("ospf", ethernet(ip(A4, B4, 89, b"\2\1\0\x2c")), expected={**ends, "protocol": "ospf"}),
        Case("unassigned", ethernet(ip(A4, B4, 200, b"xyz")), expected={"protocol": "ip_proto_200", "src_payload": 3}),
        Case("arp", arp_frame(A4, B4), expected={**ends, "protocol": "arp", "state": "ARP_REQUEST"}),
        Case(
            "arp reply",
            packed(eth() / ARP(op=2, psrc=B4, pdst=A4, hwsrc="02:00:00:00:00:01")),
            expected={"src": (B4, 0), "dst": (A4, 0), "state": "ARP_REPLY"},
        ),
        Case(
            "arp of another kind",
            ethernet(struct.pack(">HHBBH", 1, 0x1234, 6, 4, 1) + bytes(20), 0x0806),
            expected={"protocol": "arp"},
        ),
        Case("lldp", packed(eth(dst="01:80:c2:00:00:0e") / lldp), expected={"protocol": "lldp"}),
        Case("cdp", packed(cdp / CDPv2_HDR(msg=[CDPMsgDeviceID(val=b"sw1")])), expected={"protocol": "cdp"}),
        Case("lacp", packed(eth(dst="01:80:c2:00:00:02") / SlowProtocol() / LACP()), expected={"protocol": "lacp"}),
        Case(
            "stp",
            packed(dot3("01:80:c2:00:00:00") / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP()),
            expected={"protocol": "stp"},
        ),
        Case("pvst", packed(pvst / STP()), expected={"protocol": "stp"}),
        Case(
            "netbeui", packed(dot3() / LLC(dsap=0xF0, ssap=0xF0, ctrl=3)) + b"abcd", expected={"protocol": "llc_0xf0"}
        ),
    ]


CASES = ethernet_cases() + link_cases() + wireless_cases() + tunnel_cases() + network_cases() + protocol_cases()
assert len({case.name for case in CASES}) == len(CASES)
