"""Frames with the rarer tags and encapsulations of Ethernet, with the flow that each must become."""

import struct
import warnings

from tests.engine.decode_cases import DATA, TCP4, TCP6, Case, dot3, eth, inner, inner6, packed, tagged
from tests.support.packets import BRIDGES, MAC_A, ethernet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.contrib.macsec import MACsec, MACsecSCI  # type: ignore[attr-defined]
    from scapy.contrib.mpls import MPLS
    from scapy.contrib.nsh import NSH
    from scapy.layers.l2 import LLC, SNAP, Dot1AD, Dot1Q, Dot3
    from scapy.packet import Raw

V4, V6 = packed(inner()), packed(inner6())
FRAME, TAGGED_FRAME = packed(eth() / inner()), packed(eth() / Dot1Q(vlan=7) / inner())
MACS = FRAME[:12]
IP_SNAP = packed(LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x0800))
"""LLC and SNAP header of an IP packet."""
CHECK_VALUE = b"\xc5" * 16


def outside(kind: int, body: bytes, vlan: int = 0) -> bytes:
    """Frame between backbone bridges."""
    ends = bytes.fromhex("0200000000b2 0200000000b1")
    tag = struct.pack(">HH", 0x88A8, vlan) if vlan else b""
    return ends + tag + struct.pack(">H", kind) + body


def redundancy_cases() -> list[Case]:
    """Tags of a few bytes in front of another type or length."""
    length = struct.pack(">H", len(IP_SNAP) + len(V4)) + IP_SNAP + V4
    typed4, typed6, vlan = b"\x08\0" + V4, b"\x86\xdd" + V6, struct.pack(">HHH", 0x8100, 7, 0x0800) + V4
    tags = {
        "vn-tag": (0x8926, struct.pack(">I", 0x8001_0002)),
        "e-tag": (0x893F, struct.pack(">HHH", 0x2001, 0x0002, 0)),
        "cisco metadata": (0x8909, struct.pack(">BBHH", 1, 1, 1, 99)),
        "r-tag": (0xF1C1, struct.pack(">HH", 0, 300)),
        "hsr": (0x892F, struct.pack(">HH", 0x1000 | len(V4), 4)),
        "edsa": (0xDADA, b"\0\0\xc0\x08\0\0"),
    }
    cases = []
    for name, (kind, tag) in tags.items():
        inside = packed(eth() / Dot1Q(vlan=9, type=kind)) + tag + typed4
        cases += [
            Case(name, MACS + struct.pack(">H", kind) + tag + typed4, expected=tagged(TCP4, vlan=-1)),
            Case(f"{name} ipv6", MACS + struct.pack(">H", kind) + tag + typed6, expected=TCP6),
            Case(f"{name} vlan", MACS + struct.pack(">H", kind) + tag + vlan, expected=tagged(TCP4, vlan=7)),
            Case(f"{name} llc", MACS + struct.pack(">H", kind) + tag + length, expected=TCP4),
            Case(f"vlan {name}", inside, expected=tagged(TCP4, vlan=9)),
        ]
    return [
        *cases,
        Case("cisco metadata of another version", MACS + b"\x89\x09\2\1" + bytes(4) + typed4,
             expected={"protocol": "ethertype_0x8909"}),
        Case("edsa with a vlan", MACS + b"\xda\xda\0\0\xe0\x08\0\x07" + typed4, expected=tagged(TCP4, vlan=7)),
        Case("9300", ethernet(struct.pack(">HH", 4, 0x0800) + V4, 0x9300), expected=tagged(TCP4, vlan=4)),
        Case(
            "three vlans",
            packed(eth() / Dot1AD(vlan=9) / Dot1Q(vlan=8) / Dot1Q(vlan=7) / inner()),
            expected=tagged(TCP4, vlan=7, outer_vlan=8),
            outer=("qinq", "qinq"),
        ),
    ]  # fmt: skip


def nested_cases() -> list[Case]:
    """Whole frames inside of frames."""
    ids = struct.pack(">I", 0x4000_0ABC)
    trill = struct.pack(">HHH", 0x003F, 1, 2)
    options = struct.pack(">HHH", 0x003F | 2 << 6, 1, 2) + bytes(8)
    ends = {"src_mac": 0x02_0000_0000_01, "dst_mac": 0x02_0000_0000_02}
    inside = tagged(TCP4, vlan=7, outer_vlan=-1, **ends)
    isl = inter_switch(FRAME, 7)
    return [
        Case("pbb", outside(0x88E7, ids + FRAME), expected=tagged(TCP4, vlan=-1)),
        Case("pbb customer vlan", outside(0x88E7, ids + TAGGED_FRAME), expected=inside),
        Case("pbb backbone vlan", outside(0x88E7, ids + FRAME, vlan=100), expected=tagged(TCP4, vlan=100)),
        Case(
            "pbb both vlans",
            outside(0x88E7, ids + TAGGED_FRAME, vlan=100),
            expected=tagged(TCP4, vlan=7, outer_vlan=100),
            outer=("qinq",),
        ),
        Case("fabric path", outside(0x8903, b"\0\x45" + TAGGED_FRAME), expected=inside),
        Case("trill", outside(0x22F3, trill + TAGGED_FRAME), expected=inside),
        Case("trill with options", outside(0x22F3, options + TAGGED_FRAME), expected=inside),
        Case("trill of another version", outside(0x22F3, b"\xc0" + trill[1:] + TAGGED_FRAME),
             expected={"protocol": "ethertype_0x22f3"}),
        Case("isl", isl, expected=tagged(TCP4, vlan=7, **ends)),
        Case("isl 03", b"\3" + isl[1:], expected=tagged(TCP4, vlan=7)),
        Case("isl bpdu", inter_switch(BRIDGES + MAC_A + b"\0\x07\x42\x42\x03\0\0\0\0", 1),
             expected={"protocol": "stp"}),
        Case("mpls entropy label", packed(eth() / MPLS(label=3000, s=0) / MPLS(label=7, s=0) / MPLS(label=9, s=1) /
                                          inner()), expected=TCP4),
        Case("pseudowire channel", packed(eth() / MPLS(label=2, s=1)) + b"\x10\0\0\x21" + V4, expected=TCP4),
        Case("pseudowire channel ipv6", packed(eth() / MPLS(label=2, s=1)) + b"\x10\0\0\x57" + V6, expected=TCP6),
    ]  # fmt: skip


def inter_switch(frame: bytes, vlan: int) -> bytes:
    """Cisco's ISL around a frame, with its checksum."""
    body = b"\xaa\xaa\x03\0\0\x0c" + struct.pack(">HHH", vlan << 1, 0, 0) + frame + b"fcs1"
    return bytes.fromhex("01000c000000 020000000009") + struct.pack(">H", len(body)) + body + b"crc1"


def service_cases() -> list[Case]:
    """Network service headers."""
    again = NSH(mdtype=1, nextproto=4) / NSH(mdtype=2, nextproto=1)
    return [
        Case("nsh", outside(0x894F, packed(NSH(mdtype=1, nextproto=1)) + V4), expected=TCP4),
        Case("nsh ipv6", outside(0x894F, packed(NSH(mdtype=2, nextproto=2)) + V6), expected=TCP6),
        Case("nsh ethernet", outside(0x894F, packed(NSH(mdtype=1, nextproto=3)) + TAGGED_FRAME),
             expected=tagged(TCP4, vlan=7)),
        Case("nsh nsh", outside(0x894F, packed(again) + V4), expected=TCP4),
        Case("nsh mpls", outside(0x894F, packed(NSH(mdtype=1, nextproto=5) / MPLS(label=2, s=1)) + V4), expected=TCP4),
        Case("nsh of another kind", outside(0x894F, packed(NSH(mdtype=1, nextproto=200)) + V4),
             expected={"protocol": "ethertype_0x894f"}),
    ]  # fmt: skip


def macsec_cases() -> list[Case]:
    """MACsec with and without encryption."""
    plain = eth() / MACsec(AN=1, PN=5)
    named = eth() / MACsec(SC=1, SCI=MACsecSCI(), PN=5)
    lldp = bytes.fromhex("0207040200000000010403023130060200780000")
    short = MACsec(PN=5, SL=2 + len(lldp))
    return [
        Case("macsec", packed(plain) + b"\x08\0" + V4 + CHECK_VALUE, expected=tagged(TCP4, vlan=-1)),
        Case("macsec with channel", packed(named) + b"\x86\xdd" + V6 + CHECK_VALUE, expected=TCP6),
        Case("macsec vlan", packed(plain) + struct.pack(">HHH", 0x8100, 7, 0x0800) + V4 + CHECK_VALUE,
             expected=tagged(TCP4, vlan=7)),
        Case("macsec check value", packed(plain) + b"\x88\xcc" + lldp + CHECK_VALUE,
             expected={"protocol": "lldp", "src_payload": len(lldp)}),
        Case("macsec short", packed(eth() / short) + b"\x88\xcc" + lldp + bytes(20) + CHECK_VALUE,
             expected={"protocol": "lldp", "src_payload": len(lldp)}),
        Case("macsec encrypted", packed(eth() / MACsec(E=1, C=1, PN=5)) + V4 + CHECK_VALUE,
             expected={"protocol": "ethertype_0x88e5"}),
        Case("macsec changed", packed(eth() / MACsec(C=1, PN=5)) + b"\x08\0" + V4 + CHECK_VALUE,
             expected={"protocol": "ethertype_0x88e5"}),
    ]  # fmt: skip


def snap(oui: int, kind: int, body: bytes) -> bytes:
    """IEEE 802.3 frame with SNAP."""
    return packed(dot3() / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=oui, code=kind) / Raw(body))


def llc_cases() -> list[Case]:
    """IEEE 802.2 and what goes for it."""
    framed = Dot3(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", len=1_500)
    whole = IP_SNAP + V4
    return [
        Case("snap of cisco's", snap(0xF8, 0x0800, V4), expected=TCP4),
        Case("snap with padding", snap(0, 0x0800, V4) + bytes(9), expected=TCP4),
        Case("snap longer than the frame", packed(framed) + whole, expected=TCP4),
        Case("snap length 1535", ethernet(whole, 1_535), expected=TCP4),
        Case("snap without a length", ethernet(whole, 0), expected=TCP4),
        Case("snap with two control bytes", ethernet(b"\xaa\xaa\0\0" + whole[3:], len(whole) + 1), expected=TCP4),
        Case("snap response", ethernet(b"\xaa\xab\3" + whole[3:], len(whole)), expected=TCP4),
        Case("snap vlan", snap(0, 0x8100, struct.pack(">HH", 7, 0x0800) + V4), expected=tagged(TCP4, vlan=7)),
        Case("jumbo llc", ethernet(whole, 0x8870), expected=TCP4),
        Case("jumbo llc vlan", ethernet(whole, 0x8870, [7]), expected=tagged(TCP4, vlan=7)),
        Case("llc ip", ethernet(b"\6\6\3" + V4, 3 + len(V4)), expected=TCP4),
        Case("llc ip vlan", ethernet(b"\6\6\3" + V4, 3 + len(V4), [7]), expected=tagged(TCP4, vlan=7)),
        Case("snap bridged", snap(0x80C2, 7, TAGGED_FRAME), expected=tagged(TCP4, vlan=7)),
        Case("snap bridged with padding", snap(0x80C2, 7, bytes(2) + TAGGED_FRAME), expected=tagged(TCP4, vlan=7)),
        Case("snap bridged with checksum", snap(0x80C2, 1, FRAME + b"fcs1"), expected=TCP4),
        Case("snap bridged stp", snap(0x80C2, 14, bytes(4)), expected={"protocol": "stp"}),
        Case("snap of others", snap(0x4096, 0, b"wlccp"), expected={"protocol": "snap", "src_payload": 5}),
        Case("snap appletalk", snap(0x80007, 0x809B, b"ddp"), expected={"protocol": "ethertype_0x809b"}),
        Case("dtp", snap(0x0C, 0x2004, b"\1"), expected={"protocol": "cisco_0x2004"}),
        Case("novell", ethernet(b"\xff\xff\0\x1e" + bytes(26), 30), expected={"protocol": "llc_0xff"}),
        Case("llc ipx", ethernet(b"\xe0\xe0\3\xff\xff" + bytes(28), 33), expected={"protocol": "llc_0xe0"}),
        Case("llc cut", ethernet(b"\xe0\xe0", 2), expected={"protocol": "llc"}),
        Case("ppp control", b"\xc0\x21\1\1\0\4", 9, {"protocol": "ppp_0xc021"}),
    ]


def switch_cases() -> list[Case]:
    """Link types of frames with a switch chip's tag."""
    rest = FRAME[12:]
    return [
        Case("broadcom", MACS + b"\0\0\0\1" + rest, 281, TCP4),
        Case("broadcom vlan", MACS + b"\0\0\0\1" + TAGGED_FRAME[12:], 281, tagged(TCP4, vlan=7)),
        Case("broadcom in front", b"\0\0\0\1" + TAGGED_FRAME, 282, tagged(TCP4, vlan=7)),
        Case("dsa", MACS + b"\xc0\x08\0\x07" + rest, 284, tagged(TCP4, vlan=-1)),
        Case("dsa with a vlan", MACS + b"\xe0\x08\0\x07" + rest, 284, tagged(TCP4, vlan=7)),
        Case("dsa llc", MACS + b"\xc0\x08\0\0" + struct.pack(">H", len(IP_SNAP + V4)) + IP_SNAP + V4, 284, TCP4),
        Case("edsa link", MACS + b"\xda\xda\0\0\xc0\x08\0\0" + rest, 285, TCP4),
    ]


TAG_CASES = [
    *redundancy_cases(),
    *nested_cases(),
    *service_cases(),
    *macsec_cases(),
    *llc_cases(),
    *switch_cases(),
]
assert len({case.name for case in TAG_CASES}) == len(TAG_CASES)
assert DATA in FRAME
