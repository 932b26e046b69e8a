"""Scope of an IP address: what IANA's registries of special-purpose addresses reserve it for, or ``global``.

The networks are those of `rustnet.policy.networks`. Addresses are numbers of 128 bits, IPv4 as IPv4-mapped IPv6, as in
`flows.src_num`; so an IPv4-mapped address has the scope of its IPv4 address.

Only global addresses have a country and an AS. An address of the well-known prefix of NAT64 (`nat64`) and one of 6to4
(`6to4`) contain a public IPv4 address, which is looked up in its place if it is global itself; addresses of Teredo have
none, because what they contain was only claimed by their user.
"""

import ipaddress
from functools import cache

from rustnet.enrich.ranges import Step, changes
from rustnet.policy.networks import GLOBAL, NETWORKS, RESERVED

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
