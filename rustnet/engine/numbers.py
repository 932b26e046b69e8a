"""Numbers that the modules of the engine share.

numbers.pxd has those of up to 31 bits as C constants, which compiled modules cimport; larger ones, and limits that are
compared with signed numbers, are C globals of the modules that use them.
"""

# Protocol numbers of flows: IP protocol numbers as assigned by IANA, and above them what runs on layer 2.
ICMP, IGMP, IPIP, TCP, UDP, IPV6_IN_IP, GRE, ESP, AH, ICMPV6, SCTP = 1, 2, 4, 6, 17, 41, 47, 50, 51, 58, 132
ETHERIP = 97
# Of link types other than Ethernet, where nothing above the link is decoded.
ARCNET, TOKEN_RING, FDDI, ATM, FRAME_RELAY, ERF, NETLINK, CAN, CAN_FD = 280, 281, 282, 283, 284, 285, 286, 287, 288
# IPv6 extension headers.
HOPOPT, ROUTING, FRAGMENT, DESTINATION, MOBILITY, HIP, SHIM6 = 0, 43, 44, 60, 135, 139, 140
ARP, LLDP, CDP, LACP, STP, WLAN, LLC, QINQ = 256, 257, 258, 259, 260, 261, 262, 263
SNAP, WLAN_MANAGEMENT, WLAN_CONTROL, WLAN_ENCRYPTED, WLAN_EMPTY = 264, 265, 266, 267, 268
ETHERTYPE = 0x10000
"""Layer-2 protocols without a decoder are keyed by ``ETHERTYPE + ethertype``."""
LLC_SAP, CISCO_SNAP, PPP_PROTOCOL = 0x2_0000, 0x3_0000, 0x4_0000
"""Likewise by the service access point of IEEE 802.2, Cisco's protocol identifier in SNAP, and the protocol in PPP."""

PROTOCOL_NAMES = {
    HOPOPT: "hopopt",
    ICMP: "icmp",
    IGMP: "igmp",
    3: "ggp",
    IPIP: "ipip",
    TCP: "tcp",
    8: "egp",
    9: "igp",
    UDP: "udp",
    33: "dccp",
    IPV6_IN_IP: "ipv6",
    46: "rsvp",
    GRE: "gre",
    ESP: "esp",
    AH: "ah",
    ICMPV6: "icmpv6",
    59: "ipv6-nonxt",
    88: "eigrp",
    89: "ospf",
    94: "ipip",
    ETHERIP: "etherip",
    103: "pim",
    108: "ipcomp",
    112: "vrrp",
    115: "l2tp",
    SCTP: "sctp",
    136: "udplite",
    137: "mpls-in-ip",
    ARP: "arp",
    LLDP: "lldp",
    CDP: "cdp",
    LACP: "lacp",
    STP: "stp",
    WLAN: "wlan",
    LLC: "llc",
    QINQ: "qinq",
    ARCNET: "arcnet",
    TOKEN_RING: "token_ring",
    FDDI: "fddi",
    ATM: "atm",
    FRAME_RELAY: "frame_relay",
    ERF: "erf",
    NETLINK: "netlink",
    CAN: "can",
    CAN_FD: "can_fd",
    SNAP: "snap",
    WLAN_MANAGEMENT: "wlan_management",
    WLAN_CONTROL: "wlan_control",
    WLAN_ENCRYPTED: "wlan_encrypted",
    WLAN_EMPTY: "wlan_empty",
}

NUMBERED = ((PPP_PROTOCOL, "ppp", 4), (CISCO_SNAP, "cisco", 4), (LLC_SAP, "llc", 2), (ETHERTYPE, "ethertype", 4))
"""Ranges of layer-2 protocols without a decoder, from the highest: first number, name, hexadecimal digits."""


def protocol_name(number: int) -> str:
    """Value of ``flows.protocol`` for a protocol number of the engine."""
    name = PROTOCOL_NAMES.get(number)
    if name is not None:
        return name
    for first, kind, digits in NUMBERED:
        if number >= first:
            return f"{kind}_0x{number - first:0{digits}x}"
    return f"ip_proto_{number}"


TUNNEL_NONE, TUNNEL_GRE, TUNNEL_ERSPAN, TUNNEL_IPIP, TUNNEL_6IN4, TUNNEL_TEREDO = 0, 1, 2, 3, 4, 5
TUNNEL_VXLAN, TUNNEL_GENEVE, TUNNEL_GTPU, TUNNEL_L2TP, TUNNEL_4IN6, TUNNEL_CAPWAP, TUNNEL_ETHERIP = (
    6,
    7,
    8,
    9,
    10,
    11,
    12,
)
TUNNEL_QINQ, TUNNEL_FRAGMENTS = 13, 14
TUNNEL_VXLAN_GPE, TUNNEL_TZSP, TUNNEL_LISP, TUNNEL_AYIYA, TUNNEL_MPLS, TUNNEL_L2TPV3, TUNNEL_PIM, TUNNEL_EOIP = (
    15,
    16,
    17,
    18,
    19,
    20,
    21,
    22,
)
TUNNEL_ARUBA = 23
TUNNEL_NAMES = (
    None,
    "gre",
    "erspan",
    "ipip",
    "6in4",
    "teredo",
    "vxlan",
    "geneve",
    "gtpu",
    "l2tp",
    "4in6",
    "capwap",
    "etherip",
    "qinq",
    "fragments",
    "vxlan-gpe",
    "tzsp",
    "lisp",
    "ayiya",
    "mpls",
    "l2tpv3",
    "pim",
    "eoip",
    "aruba",
)

MAPPED = 0xFFFF_0000_0000
"""Low half of an IPv4-mapped IPv6 address, before the four address bytes."""

OK, UNKNOWN_LINK, CUT, MALFORMED = 0, 1, 2, 3
"""Return codes of every decoding method."""

DECODE_ERRORS = {UNKNOWN_LINK: "unknown_link_type", CUT: "headers_cut_off", MALFORMED: "malformed_headers"}
"""Kinds of ``anomalies`` rows, by return code."""

IP4, IP6, TEB, PPP, DOT11 = 0x0800, 0x86DD, 0x6558, 0x880B, 0x1_0001
"""Inner types of tunnels: ethertypes, and one of our own for an 802.11 frame."""

# Other ethertypes; smaller numbers in their place are lengths (IEEE 802.3).
MIN_ETHERTYPE = 0x600
DOT1Q, DOT1AD, OLD_QINQ, OLD_QINQ2 = 0x8100, 0x88A8, 0x9100, 0x9200
MPLS, MPLS_MULTICAST, PPPOE_SESSION, FABRICPATH = 0x8847, 0x8848, 0x8864, 0x8903
ARP_TYPE, LLDP_TYPE, SLOW_TYPE, CDP_TYPE, ERSPAN2_TYPE, ERSPAN3_TYPE = 0x0806, 0x88CC, 0x8809, 0x2000, 0x88BE, 0x22EB
PVST_TYPE = 0x010B
"""Cisco's spanning tree, and `CDP_TYPE` its discovery protocol, both under its own OUI in SNAP."""
PPP_IPV4, PPP_IPV6, PPP_MPLS, PPP_CDP = 0x0021, 0x0057, 0x0281, 0x0207
"""Protocol fields of PPP."""
SNAP_SAP, STP_SAP, IP_SAP = 0xAA, 0x42, 0x06
"""Service access points of IEEE 802.2."""

# Tags and encapsulations of Ethernet frames, by ethertype.
OLD_QINQ3, ETAG, VNTAG, CISCO_METADATA, REDUNDANCY_TAG, HSR, EDSA = (
    0x9300,
    0x893F,
    0x8926,
    0x8909,
    0xF1C1,
    0x892F,
    0xDADA,
)
PBB, TRILL, MACSEC, JUMBO_LLC = 0x88E7, 0x22F3, 0x88E5, 0x8870
BRIDGED_FCS, BRIDGED, BRIDGED_STP = 0x0001, 0x0007, 0x000E
"""Protocol identifiers under the OUI of IEEE 802.1 in SNAP (RFC 2427)."""
MACSEC_VERSION, MACSEC_SCI, MACSEC_CHANGED, MACSEC_CHECK = 0x80, 0x20, 0x0C, 16
"""Of MACsec's tag: version; it has a channel identifier; its data are changed or encrypted; size of the check value."""
PWACH_IPV4, PWACH_IPV6 = 0x0021, 0x0057
"""Channel types of a pseudowire's associated channel (RFC 4385)."""
LINK_BROADCOM, LINK_BROADCOM_PREPEND, LINK_DSA, LINK_EDSA = 281, 282, 284, 285
"""Link types of frames with a switch chip's tag."""

# Link types, as the LINKTYPE registry of pcap and pcapng numbers them.
LINK_NULL, LINK_ETHERNET, LINK_PPP, LINK_RAW12, LINK_RAW14, LINK_PPP_HDLC, LINK_PPP_ETHER = 0, 1, 9, 12, 14, 50, 51
LINK_RAW, LINK_HDLC, LINK_DOT11, LINK_LOOP, LINK_SLL, LINK_RADIOTAP, LINK_PKTAP_OLD = 101, 104, 105, 108, 113, 127, 149
LINK_PPI, LINK_IPV4, LINK_IPV6, LINK_NFLOG, LINK_PKTAP, LINK_SLL2 = 192, 228, 229, 239, 258, 276

# Link types that few captures have.
LINK_TOKEN_RING, LINK_ARCNET, LINK_SLIP, LINK_FDDI, LINK_RFC1483_OLD, LINK_RFC1483 = 6, 7, 8, 10, 11, 100
LINK_CLIP, LINK_FRAME_RELAY, LINK_ENC, LINK_PFLOG, LINK_PRISM, LINK_FC, LINK_SUNATM = 106, 107, 109, 117, 119, 122, 123
LINK_ARCNET_LINUX, LINK_FIREWIRE, LINK_AVS, LINK_PPPD = 129, 138, 163, 166
LINK_JUNIPER_ETHER, LINK_JUNIPER_PPP, LINK_JUNIPER_RELAY, LINK_JUNIPER_HDLC = 178, 179, 180, 181
LINK_ERF, LINK_PPP_DIR, LINK_HDLC_DIR, LINK_RELAY_DIR, LINK_MPLS, LINK_IPNET = 197, 204, 205, 206, 219, 226
LINK_NETANALYZER, LINK_NETANALYZER_RAW, LINK_IPOIB, LINK_EPON, LINK_MPACKET = 240, 241, 242, 259, 274
RADIO_FCS, RADIO_PADDED = 0x10, 0x20
"""Flags of radiotap: a checksum ends the frame; the 802.11 header is padded to a multiple of four bytes."""
MAX_MSDU = 2304
"""Bytes of data in one 802.11 frame, or in one of those that are aggregated."""
AGGREGATE = 255
"""In the place of a tunnel: an 802.11 frame (A-MSDU) that carries several packets, each on the same level as others."""
PART_BITS = 9
"""Bits that hold the number of a packet within such a frame (`Packet.part`)."""

IPV4_FRAGMENT, IPV4_OFFSET = 0x3FFF, 0x1FFF
"""Of the header's flags and fragment offset: what only fragments have set; the offset."""
IPV6_FRAGMENT, IPV6_OFFSET = 0xFFF9, 0xFFF8
"""The same of IPv6's fragment header."""

# TCP flags, and groups of them.
FIN, SYN, RST, ACK = 1, 2, 4, 16
FIN_RST, SYN_RST, SYN_ACK, FIN_SYN_RST = 5, 6, 18, 7
NO_ACK = -1
"""Acknowledgement number of a segment without one."""

MARK_SYN, MARK_SYNACK, MARK_ACK, MARK_DATA, MARK_FIN, MARK_RST, MARK_ISN, MARK_GAP = 1, 2, 4, 8, 16, 32, 64, 128
"""What a direction of a flow has sent (`Half.marks`), each a letter in the history; `MARK_ISN`: its first segment was
its SYN or SYN-ACK, so ``isn`` is known and the stream begins after it; `MARK_GAP`: bytes of it are missing."""

MAX_HOLES = 32
"""Holes that are remembered per direction; older ones count as missed for good."""
MAX_JUMP = 1 << 20
"""A jump of sequence numbers by more bytes has to be confirmed: by a network that could have carried what is missing in
the time, and by what follows. Otherwise the numbers are another stream's (of the other side of a device that renumbers,
of an attacker, of a broken device)."""
POSSIBLE, FOREIGN = 1, 2
"""What a jump of a direction may be: a loss, or surely another stream (`Half.other`; 0: there was none)."""
INTERVAL = 2
"""Result of a segment that ends an interval of the other direction (`rustnet.engine.tally`)."""
BULK_PACKETS = 32
"""Packets of a direction before its first interval ends, and in each but its early ones."""
TIMESTAMPS = 0x0101080A
"""Start of TCP's options where they are timestamps alone: two NOPs, kind 8, length 10 (RFC 7323)."""

FLIPPED, DATA, GAP, RETRANSMISSION, ZERO_WINDOW = 94, 68, 71, 84, 87
"""Zeek's history letters ``^DGTW``, as characters."""
MAX_LETTERS = 43
"""Letters of a history: ``^``, six marks and a gap once a direction, two counted ones at most seven times each."""
LOWER = 32
"""Bit that makes a letter lower-case."""

# ICMP and ICMPv6 types: echoes, and answers to other requests.
ECHO_REPLY, ECHO_REQUEST, TIMESTAMP_REPLY, INFORMATION_REPLY, MASK_REPLY = 0, 8, 14, 16, 18
ECHO6_REQUEST, ECHO6_REPLY = 128, 129
ARP_IS_REPLY = 2
"""Operation of an ARP reply."""

L2TP_PORT, GTPU_PORT, TEREDO_PORT, VXLAN_PORT, CAPWAP_PORT, GENEVE_PORT, OLD_VXLAN_PORT = (
    1701,
    2152,
    3544,
    4789,
    5247,
    6081,
    8472,
)
"""UDP ports of tunnels; `OLD_VXLAN_PORT` is what Linux took before one was assigned."""
LISP_PORT, LISP_CONTROL_PORT, GRE_PORT, VXLAN_GPE_PORT, AYIYA_PORT, MPLS_PORT, TZSP_PORT = (
    4341,
    4342,
    4754,
    4790,
    5072,
    6635,
    37008,
)
"""UDP ports of further tunnels."""
PIM, L2TP, MPLS_IN_IP = 103, 115, 137
"""IP protocols of further tunnels."""
WCCP_TYPE, NSH_TYPE, EOIP_TYPE, ARUBA_FIRST, ARUBA_LAST = 0x883E, 0x894F, 0x6400, 0x8200, 0x8370
"""Protocol types in GRE: sent to a web cache, a service function chain, MikroTik's bridges, Aruba's wireless frames."""
LINK_WITHIN = 0x2_0000
"""Inner types of tunnels from here on are link types: `LINK_WITHIN` + the number of the LINKTYPE registry."""
"""Link types of further headers in front of 802.11 frames."""

MAX_HEADERS = 16
"""Tags, labels and extension headers that are followed before a packet counts as malformed."""

(
    STATE_NONE,
    SYN_SENT,
    SYN_RECV,
    ESTABLISHED,
    FIN_WAIT1,
    FIN_WAIT2,
    CLOSE_WAIT,
    LAST_ACK,
    CLOSING,
    TIME_WAIT,
    CLOSED,
    UDP_ACTIVE,
    UDP_IDLE,
    UDP_STALE,
    ECHO_SENT,
    ECHO_ANSWERED,
    ARP_REQUEST,
    ARP_REPLY,
) = range(18)

STATE_NAMES = (
    None,
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "CLOSE_WAIT",
    "LAST_ACK",
    "CLOSING",
    "TIME_WAIT",
    "CLOSED",
    "UDP_ACTIVE",
    "UDP_IDLE",
    "UDP_STALE",
    "ECHO_REQUEST",
    "ECHO_REPLY",
    "ARP_REQUEST",
    "ARP_REPLY",
)
"""Values of ``flows.state`` by code; TCP states are those of the flow's ``src``."""

MASK32, HALF32, TWO32 = 0xFFFF_FFFF, 0x8000_0000, 0x1_0000_0000
MASK64 = 0xFFFF_FFFF_FFFF_FFFF
# Literals beyond 31 bits would be Python integers in the compiled code; as C globals they are machine words.

SECOND = 1_000_000_000
"""Nanoseconds."""

SWEEP_SLACK = 10 * SECOND
"""A flow leaves the table this much later than its timeout, so that mild reordering does not change where flows end."""

WANTED_SIZE = 512
"""Protocol numbers below this can have their payload read."""

EVERYONE = 127
"""Owner of packets that all trackers of a divided capture follow (`rustnet.engine.shares`)."""
COPY, OWNER = 128, 127
"""Of an owner's byte: the packet is a copy (`rustnet.engine.copies`); whose it is."""

SHARE_SHIFT = 56
"""Flow ids that a tracker of a divided capture writes to the packet index have its share from this bit on."""
OWN_NUMBER = (1 << SHARE_SHIFT) - 1
"""The bits below: its own number of the flow."""
