"""Numbers that the compiled modules share; each declares the ones it uses as C globals of its own."""

# Protocol numbers of flows: IP protocol numbers as assigned by IANA, and above them what runs on layer 2.
ICMP, IGMP, IPIP, TCP, UDP, IPV6_IN_IP, GRE, ESP, AH, ICMPV6, SCTP = 1, 2, 4, 6, 17, 41, 47, 50, 51, 58, 132
ARP, LLDP, CDP, LACP, STP, WLAN, LLC, QINQ = 256, 257, 258, 259, 260, 261, 262, 263
ETHERTYPE = 0x10000
"""Layer-2 protocols without a decoder are keyed by ``ETHERTYPE + ethertype``."""

PROTOCOL_NAMES = {
    0: "hopopt",
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
    97: "etherip",
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
}


def protocol_name(number: int) -> str:
    """Value of ``flows.protocol`` for a protocol number of the engine."""
    name = PROTOCOL_NAMES.get(number)
    if name is not None:
        return name
    if number >= ETHERTYPE:
        return f"ethertype_0x{number - ETHERTYPE:04x}"
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
)

MAPPED = 0xFFFF_0000_0000
"""Low half of an IPv4-mapped IPv6 address, before the four address bytes."""

OK, UNKNOWN_LINK, CUT, MALFORMED = 0, 1, 2, 3
"""Answers of every decoding method."""

DECODE_ERRORS = {UNKNOWN_LINK: "unknown_link_type", CUT: "headers_cut_off", MALFORMED: "malformed_headers"}
"""Kinds of ``anomalies`` rows, by answer."""

IP4, IP6, TEB, PPP, DOT11 = 0x0800, 0x86DD, 0x6558, 0x880B, 0x1_0001
"""Inner types of tunnels: ethertypes, and one of our own for an 802.11 frame."""

FABRICPATH = 0x8903

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
"""A flow leaves the table this much later than its timeout, so that mild reordering cannot tell the difference."""

WANTED_SIZE = 512
"""Protocol numbers below this can have their payload read."""

EVERYONE = 255
"""Stands for all trackers where they divide packets (`rustnet.engine.shares`)."""

SHARE_SHIFT = 56
"""A packet's flow, as such a tracker says it, has the tracker's own share from this bit on."""
OWN_NUMBER = (1 << SHARE_SHIFT) - 1
"""And below the number that it gave the flow."""
