"""What is read below the transport: link types, headers around frames, and tunnels; for the reference of protocols."""

from typing import NamedTuple

LINK_TYPES = (
    0, 1, 6, 7, 8, 9, 10, 11, 12, 14, 50, 51, 100, 101, 104, 105, 106, 107, 108, 109, 113, 117, 119, 122, 123, 127,
    129, 138, 149, 163, 166, 178, 179, 180, 181, 192, 197, 204, 205, 206, 219, 226, 228, 229, 239, 240, 241, 242, 258,
    259, 274, 276, 281, 282, 284, 285,
)  # fmt: skip
"""Numbers of the LINKTYPE registry whose frames are decoded; names are those of `rustnet.sources.linktypes`."""


class Encapsulation(NamedTuple):
    """Headers between a link and a network protocol."""

    title: str
    mark: str
    """How it is recognised."""
    about: str
    """What is read of it, and what is not."""


ENCAPSULATIONS = (
    Encapsulation("VLAN tags (IEEE 802.1Q, 802.1ad)", "0x8100, 0x88a8, 0x9100, 0x9200, 0x9300",
                  "`vlan_id` and `outer_vlan_id` of a flow, by direction"),
    Encapsulation("LLC and SNAP (IEEE 802.2, RFC 1042)", "a length in place of the ethertype, or 0x8870",
                  "IP, ARP, STP, CDP; bridged Ethernet; others are named by their access point"),
    Encapsulation("MPLS (RFC 3032)", "0x8847, 0x8848", "IP and Ethernet pseudowires, by the bits after the labels"),
    Encapsulation("PPPoE (RFC 2516)", "0x8864", "IP and MPLS in sessions; discovery is named"),
    Encapsulation("E-tag (IEEE 802.1BR), VN-tag", "0x893f, 0x8926", "the frame behind the tag"),
    Encapsulation("Provider backbone bridges (IEEE 802.1ah)", "0x88e7", "the inner frame"),
    Encapsulation("FabricPath, ISL, TRILL (RFC 6325)", "0x8903, ISL's address, 0x22f3", "the inner frame"),
    Encapsulation("NSH (RFC 8300)", "0x894f, in VXLAN-GPE, GENEVE, GRE", "IP, Ethernet, MPLS behind it"),
    Encapsulation("MACsec (IEEE 802.1AE)", "0x88e5", "the frame if it is not encrypted"),
    Encapsulation("HSR, redundancy tag (IEC 62439-3, IEEE 802.1CB), Cisco metadata", "0x892f, 0xf1c1, 0x8909",
                  "the frame behind the tag"),
    Encapsulation("Switch tags: DSA, EDSA, Broadcom", "their link types, 0xdada", "the frame behind the tag"),
    Encapsulation("802.11 data (IEEE 802.11)", "its link types, also in Linux cooked captures",
                  "frames that are not encrypted; all parts of an A-MSDU; mesh headers, padding, trailing checksums"),
)  # fmt: skip


class Tunnel(NamedTuple):
    """Tunnel whose inner packets are flows of their own."""

    title: str
    over: str
    """IP protocol or UDP port."""


TUNNELS = {
    "gre": Tunnel("Generic Routing Encapsulation, PPTP, NVGRE, WCCP (RFC 2784, 2890, 2637, 8086)", "IP 47, UDP 4754"),
    "erspan": Tunnel("Encapsulated remote SPAN, types I to III", "GRE"),
    "eoip": Tunnel("MikroTik Ethernet over IP", "GRE"),
    "aruba": Tunnel("Wireless frames of Aruba controllers", "GRE"),
    "ipip": Tunnel("IP in IP (RFC 2003, 2473)", "IP 4"),
    "6in4": Tunnel("IPv6 in IPv4 (RFC 4213)", "IP 41"),
    "4in6": Tunnel("IPv4 in IPv6 (RFC 2473)", "IP 4"),
    "etherip": Tunnel("Ethernet in IP (RFC 3378)", "IP 97"),
    "mpls": Tunnel("MPLS in IP and in UDP (RFC 4023, 7510)", "IP 137, UDP 6635"),
    "l2tp": Tunnel("Layer Two Tunneling Protocol 2 (RFC 2661)", "UDP 1701"),
    "l2tpv3": Tunnel("Layer Two Tunneling Protocol 3 with Ethernet (RFC 3931)", "IP 115, UDP 1701"),
    "pim": Tunnel("Registers of PIM (RFC 7761)", "IP 103"),
    "teredo": Tunnel("Teredo (RFC 4380)", "UDP 3544"),
    "ayiya": Tunnel("Anything In Anything", "UDP 5072"),
    "vxlan": Tunnel("Virtual eXtensible LAN, OTV (RFC 7348)", "UDP 4789, 8472"),
    "vxlan-gpe": Tunnel("VXLAN with a next protocol", "UDP 4790, 4789, 8472"),
    "geneve": Tunnel("Generic Network Virtualization Encapsulation (RFC 8926)", "UDP 6081"),
    "gtpu": Tunnel("GPRS Tunneling Protocol, user plane 1 (3GPP TS 29.281)", "UDP 2152"),
    "capwap": Tunnel("CAPWAP data (RFC 5415)", "UDP 5247"),
    "lisp": Tunnel("Locator/ID Separation Protocol (RFC 9300)", "UDP 4341, 4342"),
    "tzsp": Tunnel("TaZmen Sniffer Protocol", "UDP 37008"),
    "qinq": Tunnel("Inner VLAN of stacked tags (IEEE 802.1ad)", "Ethernet"),
    "fragments": Tunnel("A datagram put together from IP fragments (RFC 791, 8200)", "IP"),
}  # fmt: skip
"""Tunnels by their value of ``flows.tunnel``."""
