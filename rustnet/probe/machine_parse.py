"""What rtnetlink's messages say of interfaces, addresses, routes and neighbours; nothing here asks the system."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from rustnet.probe.lines import text
from rustnet.probe.netlink import attributes

AF_UNSPEC, AF_INET, AF_INET6 = 0, 2, 10
IFF_UP = 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_OPERSTATE = 1, 3, 4, 5, 10, 16
IFLA_LINKINFO, IFLA_INFO_KIND, IFLA_STATS64, IFLA_LINK_NETNSID = 18, 1, 23, 37
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTA_DST, RTA_SRC, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC = 1, 2, 4, 5, 6, 7
RTA_MULTIPATH, RTA_TABLE, RTA_VIA = 9, 15, 18
NDA_DST, NDA_LLADDR = 1, 2
RTM_F_CLONED, NTF_PROXY, NTF_ROUTER = 0x200, 0x8, 0x80
RTPROT_KERNEL = 2
OF_ADDRESSES = {2, 3, 4, 5}
"""Types of routes that the kernel derives from addresses: local, broadcast, anycast, multicast."""
HARDWARE_KINDS = {1: "ethernet", 772: "loopback", 801: "wlan", 802: "wlan", 803: "wlan"}
"""Kinds of interfaces without one of their own, by hardware type."""
MAC_HARDWARE = {1, 24, 27, 32, 801, 802, 803}
"""Hardware types whose addresses are those of cards, not of tunnels' ends."""
OPERATION = ("unknown", "not-present", "down", "lower-layer-down", "testing", "dormant", "up")
ROUTE_TYPES = ("unspecified", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable",
               "prohibit", "throw", "nat", "xresolve")  # fmt: skip
ROUTE_ORIGINS = {
    0: "unspecified", 1: "redirect", 2: "kernel", 3: "boot", 4: "static", 8: "gated", 9: "ra", 10: "mrt", 11: "zebra",
    12: "bird", 13: "dnrouted", 14: "xorp", 15: "ntk", 16: "dhcp", 17: "mrouted", 18: "keepalived", 42: "babel",
    99: "openr", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip", 192: "eigrp",
}  # fmt: skip
ROUTE_TABLES = {253: "default", 254: "main", 255: "local"}
INCOMPLETE, FAILED, NOARP, PERMANENT = 0x1, 0x20, 0x40, 0x80
RESOLVED = 0x2 | 0x4 | 0x8 | 0x10  # reachable, stale, delay, probe
MOST_HOPS = 256
"""Next hops of one route that are taken in."""


class Link(NamedTuple):
    """One interface."""

    ifindex: int
    name: str
    kind: str | None
    mac: str | None
    mtu: int
    up: bool
    state: str
    master: int
    parent: int
    """Interface below it, such as that of a VLAN; 0 for none in this network namespace."""


class Route(NamedTuple):
    """One way to a network: a route with several next hops is several of them."""

    table: str
    destination: str
    origin_network: str | None
    """Network of the senders that it holds for."""
    service: int
    """Type of service that it holds for."""
    gateway: str | None
    ifindex: int
    metric: int
    kind: str
    origin: str
    source: str | None
    weight: int


class Neighbour(NamedTuple):
    """One neighbour on a link."""

    ifindex: int
    address: str
    mac: str | None
    state: str
    """`resolved`, `permanent`, `failed` or `incomplete`."""
    router: bool


def number(raw: bytes | None) -> int:
    """A 32-bit number of an attribute; 0 if it has none."""
    return int(struct.unpack_from("=I", raw)[0]) if raw and len(raw) >= 4 else 0


def address(raw: bytes | None) -> str | None:
    """An IPv4 or IPv6 address as text; None for anything else."""
    if raw is None or len(raw) not in {4, 16}:
        return None
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def mac(raw: bytes | None) -> str | None:
    """A hardware address as text; None if there is none or it is nothing but zeros."""
    return raw.hex(":") if raw and len(raw) in {6, 8, 20} and any(raw) else None


def name_of(raw: bytes | None) -> str:
    """A name that ends with a NUL."""
    return text((raw or b"").split(b"\0")[0])


def link(body: bytes) -> Link | None:
    """The interface that a message describes; None for messages about bridge ports and malformed ones."""
    if len(body) < 16 or body[0] != AF_UNSPEC:
        return None
    hardware, index, flags = struct.unpack_from("=HiI", body, 2)
    values = attributes(body[16:])
    name = name_of(values.get(IFLA_IFNAME))
    if index <= 0 or not name:
        return None
    kind = name_of(attributes(values.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND)) or HARDWARE_KINDS.get(hardware)
    operation = (values.get(IFLA_OPERSTATE) or b"\0")[0]
    return Link(
        index,
        name,
        kind,
        mac(values.get(IFLA_ADDRESS)) if hardware in MAC_HARDWARE else None,
        number(values.get(IFLA_MTU)),
        bool(flags & IFF_UP),
        OPERATION[operation] if operation < len(OPERATION) else "unknown",
        number(values.get(IFLA_MASTER)),
        0 if IFLA_LINK_NETNSID in values or number(values.get(IFLA_LINK)) == index else number(values.get(IFLA_LINK)),
    )


def counters(body: bytes) -> tuple[str, list[int]] | None:
    """Name and counters of an interface: packets, bytes, errors, drops received, then those sent; None without them."""
    if len(body) < 16:
        return None
    values = attributes(body[16:])
    raw, name = values.get(IFLA_STATS64, b""), name_of(values.get(IFLA_IFNAME))
    if len(raw) < 16 * 8 or not name:
        return None
    of = struct.unpack_from("=16Q", raw)
    missed = of[15]  # by the card, for want of room; /proc/net/dev counts them as dropped too
    return name, [of[0], of[2], of[4], of[6] + missed, of[1], of[3], of[5], of[7]]


def interface_address(body: bytes) -> tuple[int, str] | None:
    """Index of an interface and an address of it with its prefix length; None for malformed messages."""
    if len(body) < 8 or body[0] not in {AF_INET, AF_INET6}:
        return None
    index = struct.unpack_from("=I", body, 4)[0]
    values = attributes(body[8:])
    own = address(values.get(IFA_LOCAL) or values.get(IFA_ADDRESS))
    return (index, f"{own}/{body[1]}") if own else None


def network(family: int, raw: bytes | None, bits: int) -> str:
    """A network as text; without an address, all of them."""
    size = 4 if family == AF_INET else 16
    return f"{address(raw if raw and len(raw) == size else bytes(size))}/{bits}"


def routes(body: bytes) -> list[Route]:
    """The ways of a route; none for those that the kernel derives from addresses, cached and malformed ones."""
    if len(body) < 12 or body[0] not in {AF_INET, AF_INET6}:
        return []
    family, bits, source_bits, service, table, origin, _, kind, flags = struct.unpack_from("=BBBBBBBBI", body)
    if flags & RTM_F_CLONED or (origin == RTPROT_KERNEL and kind in OF_ADDRESSES):
        return []
    values = attributes(body[12:])
    table = number(values.get(RTA_TABLE)) or table
    common = Route(
        ROUTE_TABLES.get(table, str(table)),
        network(family, values.get(RTA_DST), bits),
        network(family, values.get(RTA_SRC), source_bits) if source_bits else None,
        service,
        _gateway(values),
        number(values.get(RTA_OIF)),
        number(values.get(RTA_PRIORITY)),
        ROUTE_TYPES[kind] if kind < len(ROUTE_TYPES) else str(kind),
        ROUTE_ORIGINS.get(origin, str(origin)),
        address(values.get(RTA_PREFSRC)),
        1,
    )
    several = values.get(RTA_MULTIPATH)
    return _hops(common, several) if several else [common]


def _gateway(values: dict[int, bytes]) -> str | None:
    """The next hop, which may be one of the other family."""
    return address(values.get(RTA_GATEWAY)) or address(values.get(RTA_VIA, b"")[2:])


def _hops(common: Route, raw: bytes) -> list[Route]:
    """A route's next hops (struct rtnexthop), up to the first that is malformed."""
    hops: list[Route] = []
    at = 0
    while at + 8 <= len(raw) and len(hops) < MOST_HOPS:
        length, _, weight, index = struct.unpack_from("=HBBi", raw, at)
        if length < 8 or at + length > len(raw):
            break
        values = attributes(raw[at + 8 : at + length])
        hops.append(common._replace(gateway=_gateway(values), ifindex=max(index, 0), weight=weight + 1))
        at += length + 3 & ~3
    return hops


def neighbour(body: bytes) -> Neighbour | None:
    """The neighbour that a message describes; None for those without resolution, proxies and malformed ones."""
    if len(body) < 12 or body[0] not in {AF_INET, AF_INET6}:
        return None
    index, state, flags = struct.unpack_from("=iHB", body, 4)
    values = attributes(body[12:])
    ip = address(values.get(NDA_DST))
    if ip is None or index <= 0 or state & NOARP or flags & NTF_PROXY:
        return None
    word = "permanent" if state & PERMANENT else "resolved" if state & RESOLVED else "failed"
    if not state & (PERMANENT | RESOLVED | FAILED):
        word = "incomplete"
    card = None if word in {"failed", "incomplete"} else mac(values.get(NDA_LLADDR))
    return Neighbour(index, ip, card, word, bool(flags & NTF_ROUTER))
