"""Scope of an IP address: what IANA's registries of special-purpose addresses reserve it for, or ``global``.

The registries are those of IPv4 (RFC 6890) and IPv6 special-purpose addresses, and the IPv6 address space, of which
only 2000::/3 is global unicast. Addresses are numbers of 128 bits, IPv4 as IPv4-mapped IPv6, as in `flows.src_num`; so
an IPv4-mapped address has the scope of its IPv4 address.

Only global addresses have a country and an AS. An address of the well-known prefix of NAT64 (`nat64`) and one of 6to4
(`6to4`) contain a public IPv4 address, which is looked up in its place if it is global itself; addresses of Teredo have
none, because what they contain was only claimed by their user.
"""

import ipaddress
from functools import cache

from rustnet.enrich.ranges import Step, changes

GLOBAL, RESERVED, NAT64, SIX_TO_FOUR = "global", "reserved", "nat64", "6to4"

NETWORKS: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this-network"),
    ("0.0.0.0/32", "unspecified"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "cgnat"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", RESERVED),  # of protocols of the IETF, but for the anycast addresses of PCP and TURN
    ("192.0.0.9/32", GLOBAL),
    ("192.0.0.10/32", GLOBAL),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", RESERVED),  # relays of 6to4, until 2015
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", RESERVED),
    ("255.255.255.255/32", "broadcast"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("64:ff9b::/96", NAT64),
    ("64:ff9b:1::/48", "nat64-local"),
    ("100::/64", "discard"),
    ("2000::/3", GLOBAL),
    ("2001::/23", RESERVED),  # of protocols of the IETF, but for those that follow
    ("2001::/32", "teredo"),
    ("2001:1::1/128", GLOBAL),  # anycast addresses of PCP, TURN and DNS-SD
    ("2001:1::2/128", GLOBAL),
    ("2001:1::3/128", GLOBAL),
    ("2001:2::/48", "benchmarking"),
    ("2001:3::/32", GLOBAL),  # AMT
    ("2001:4:112::/48", GLOBAL),  # AS112
    ("2001:20::/28", "identifier"),  # ORCHIDv2
    ("2001:30::/28", "identifier"),  # remote identification of drones
    ("2001:db8::/32", "documentation"),
    ("2002::/16", SIX_TO_FOUR),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment-routing"),
    ("fc00::/7", "unique-local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
"""Networks and their scopes; the smallest one holds."""

MAPPED = 0xFFFF << 32
"""Where IPv4 addresses begin among the numbers (``::ffff:0:0/96``)."""
LAST = (1 << 128) - 1
LOWER = (1 << 64) - 1


def _range(network: str, scope: str) -> tuple[int, int, str]:
    """First and last number of a network."""
    parsed = ipaddress.ip_network(network)
    offset = MAPPED if parsed.version == 4 else 0
    return offset + int(parsed[0]), offset + int(parsed[-1]), scope


@cache
def steps() -> tuple[Step, ...]:
    """First numbers from which each scope holds, in ascending order."""
    mapped = (MAPPED, MAPPED + 0xFFFF_FFFF, GLOBAL)
    return tuple(changes([mapped, *(_range(*each) for each in NETWORKS)], LAST, RESERVED))


SCOPES: tuple[str, ...] = tuple(sorted({GLOBAL, RESERVED, *(scope for _network, scope in NETWORKS)}))
"""All scopes."""


def scope_of(address: "str | int | ipaddress.IPv4Address | ipaddress.IPv6Address") -> str:
    """Scope of an address; a number is one of 128 bits. Raises ``ValueError`` for what is no address."""
    number = address if isinstance(address, int) else number_of(address)
    if not 0 <= number <= LAST:
        raise ValueError(f"{number} is not the number of an address")
    return str(next(scope for first, scope in reversed(steps()) if first <= number))


def number_of(address: "str | ipaddress.IPv4Address | ipaddress.IPv6Address") -> int:
    """Number of an address, IPv4 as IPv4-mapped IPv6."""
    parsed = ipaddress.ip_address(address)
    return int(parsed) + (MAPPED if parsed.version == 4 else 0)


def scope_sql(number: str) -> str:
    """SQL expression of the scope of an address, by the expression of its number (UHUGEINT); NULL without one."""
    cases = " ".join(f"WHEN {number} >= {first}::UHUGEINT THEN '{scope}'" for first, scope in reversed(steps()))
    return f"CASE {cases} END"


def spans(scope: str) -> list[tuple[int, int]]:
    """First and last numbers of the addresses of a scope."""
    every = steps()
    ends = [first - 1 for first, _scope in every[1:]] + [LAST]
    return [(first, last) for (first, own), last in zip(every, ends, strict=True) if own == scope]
