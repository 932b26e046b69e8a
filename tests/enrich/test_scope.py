"""Scopes of addresses by IANA's registries: in Python, in columns, in SQL and as ranges, at every edge."""

import itertools
from ipaddress import IPv4Address, IPv6Address, ip_network

import duckdb
import numpy as np
import pytest

from rustnet.enrich.numbers import scopes_of
from rustnet.enrich.scope import (
    LAST,
    LOWER,
    MAPPED,
    SCOPES,
    number_of,
    scope_of,
    scope_sql,
    spans,
)
from rustnet.policy.networks import NETWORKS

KNOWN = {
    "0.0.0.0": "unspecified",
    "0.0.0.1": "this-network",
    "0.255.255.255": "this-network",
    "1.0.0.0": "global",
    "9.255.255.255": "global",
    "10.0.0.0": "private",
    "10.255.255.255": "private",
    "11.0.0.0": "global",
    "100.63.255.255": "global",
    "100.64.0.0": "cgnat",
    "100.127.255.255": "cgnat",
    "100.128.0.0": "global",
    "126.255.255.255": "global",
    "127.0.0.1": "loopback",
    "128.0.0.0": "global",
    "169.253.255.255": "global",
    "169.254.169.254": "link-local",
    "169.255.0.0": "global",
    "172.15.255.255": "global",
    "172.16.0.0": "private",
    "172.31.255.255": "private",
    "172.32.0.0": "global",
    "191.255.255.255": "global",
    "192.0.0.8": "reserved",
    "192.0.0.9": "global",
    "192.0.0.10": "global",
    "192.0.0.11": "reserved",
    "192.0.0.170": "reserved",
    "192.0.1.0": "global",
    "192.0.2.1": "documentation",
    "192.0.3.0": "global",
    "192.31.196.1": "global",
    "192.88.99.1": "reserved",
    "192.88.100.0": "global",
    "192.167.255.255": "global",
    "192.168.1.1": "private",
    "192.169.0.0": "global",
    "198.17.255.255": "global",
    "198.18.0.0": "benchmarking",
    "198.19.255.255": "benchmarking",
    "198.20.0.0": "global",
    "198.51.100.7": "documentation",
    "203.0.113.5": "documentation",
    "203.0.114.0": "global",
    "223.255.255.255": "global",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.0": "reserved",
    "255.255.255.254": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::2": "reserved",
    "::fffe:ffff:ffff": "reserved",
    "::ffff:10.0.0.1": "private",
    "::ffff:8.8.8.8": "global",
    "::1:0:0:0": "reserved",
    "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff": "reserved",
    "64:ff9b::8.8.8.8": "nat64",
    "64:ff9b::1:0:0": "reserved",
    "64:ff9b:1::1": "nat64-local",
    "64:ff9b:2::": "reserved",
    "100::1": "discard",
    "100:0:0:1::": "reserved",
    "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "reserved",
    "2000::": "global",
    "2001::1": "teredo",
    "2001:0:ffff:ffff:ffff:ffff:ffff:ffff": "teredo",
    "2001:1::": "reserved",
    "2001:1::1": "global",
    "2001:1::2": "global",
    "2001:1::3": "global",
    "2001:1::4": "reserved",
    "2001:2::1": "benchmarking",
    "2001:2:1::": "reserved",
    "2001:3::1": "global",
    "2001:4:112::1": "global",
    "2001:10::1": "reserved",
    "2001:20::1": "identifier",
    "2001:30::1": "identifier",
    "2001:40::": "reserved",
    "2001:1ff:ffff::": "reserved",
    "2001:200::1": "global",
    "2001:db8::1": "documentation",
    "2001:db9::": "global",
    "2002:808:808::1": "6to4",
    "2003::1": "global",
    "2620:4f:8000::1": "global",
    "3ffe::1": "global",
    "3fff::1": "documentation",
    "3fff:1000::": "global",
    "4000::": "reserved",
    "5f00::1": "segment-routing",
    "5f01::": "reserved",
    "fbff::1": "reserved",
    "fc00::1": "unique-local",
    "fd12::1": "unique-local",
    "fe00::1": "reserved",
    "fe80::1": "link-local",
    "febf::1": "link-local",
    "fec0::1": "site-local",
    "ff00::": "multicast",
    "ff02::1": "multicast",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "multicast",
}


@pytest.mark.parametrize(("address", "scope"), KNOWN.items())
def test_a_known_address_has_its_scope(address: str, scope: str) -> None:
    assert scope_of(address) == scope
    assert scope_of(number_of(address)) == scope


def edges() -> list[int]:
    """First and last number of each network, with their neighbours, and of all numbers."""
    numbers = {0, LAST, MAPPED - 1, MAPPED, MAPPED + 2**32 - 1, MAPPED + 2**32, LOWER, LOWER + 1}
    for text, _scope in NETWORKS:
        network = ip_network(text)
        first, last = number_of(network[0]), number_of(network[-1])
        numbers |= {first - 1, first, first + 1, last - 1, last, last + 1}
    return sorted(number for number in numbers if 0 <= number <= LAST)


def smallest_network(number: int) -> str:
    """Scope by comparing all networks."""
    mapped = MAPPED <= number < MAPPED + 2**32
    address = IPv4Address(number - MAPPED) if mapped else IPv6Address(number)
    holding = [(ip_network(text).prefixlen, scope) for text, scope in NETWORKS if address in ip_network(text)]
    return max(holding)[1] if holding else "global" if mapped else "reserved"


def test_all_forms_agree_with_the_networks_at_every_edge() -> None:
    numbers = edges()
    expected = [smallest_network(number) for number in numbers]
    assert [scope_of(number) for number in numbers] == expected
    high = np.array([number >> 64 for number in numbers], np.uint64)
    low = np.array([number & LOWER for number in numbers], np.uint64)
    assert [SCOPES[scope] for scope in scopes_of(high, low).tolist()] == expected
    with duckdb.connect() as con:
        rows = con.execute(
            f"SELECT {scope_sql('n')} FROM (SELECT unnest(?::VARCHAR[])::UHUGEINT AS n)", [list(map(str, numbers))]
        ).fetchall()
        assert [scope for (scope,) in rows] == expected
        assert con.execute(f"SELECT {scope_sql('NULL::UHUGEINT')}").fetchall() == [(None,)]


def test_the_ranges_of_all_scopes_cover_every_number_once() -> None:
    every = sorted(span for scope in SCOPES for span in spans(scope))
    assert every[0][0] == 0
    assert every[-1][1] == LAST
    assert all(before[1] + 1 == after[0] for before, after in itertools.pairwise(every))
    assert spans("cgnat") == [(number_of("100.64.0.0"), number_of("100.127.255.255"))]
    for scope in SCOPES:
        assert all(scope_of(first) == scope == scope_of(last) for first, last in spans(scope))


def test_no_address_has_no_scope() -> None:
    assert len(scopes_of(np.array([], np.uint64), np.array([], np.uint64))) == 0
    for wrong in ("", "10.0.0", "x"):
        with pytest.raises(ValueError, match="address"):
            scope_of(wrong)
    for number in (-1, LAST + 1):
        with pytest.raises(ValueError, match="is not the number of an address"):
            scope_of(number)
