"""Replacements of addresses: the published permutation, prefixes, scopes, and the way back."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.enrich.scope import scope_of
from rustnet.policy.networks import NETWORKS
from rustnet.policy.redaction.addresses import Addresses, CryptoPan

PUBLISHED_KEY = bytes.fromhex("1522178d33a4cf80130a5b1649907d10d8988f837979652762574c2d2a842202")
PUBLISHED = {
    "128.11.68.132": "135.242.180.132",
    "129.118.74.4": "134.136.186.123",
    "130.132.252.244": "133.68.164.234",
    "141.223.7.43": "141.167.8.160",
    "141.233.145.108": "141.129.237.235",
    "152.163.225.39": "151.140.114.167",
    "156.29.3.236": "147.225.12.42",
    "165.247.96.84": "162.9.99.234",
    "166.107.77.190": "160.132.178.185",
    "192.102.249.13": "252.138.62.131",
}
"""Of the sample trace of Crypto-PAn 1.0."""

ONE = Addresses(PUBLISHED_KEY, b"h" * 32)
OTHER = Addresses(bytes(range(32)), b"i" * 32)


def addresses(network: str) -> st.SearchStrategy[IPv4Address | IPv6Address]:
    parsed = ipaddress.ip_network(network)
    numbers = st.integers(int(parsed[0]), int(parsed[-1]))
    return numbers.map(IPv4Address) if parsed.version == 4 else numbers.map(IPv6Address)


ANY = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.integers(0, 2**128 - 1).map(IPv6Address),
    st.sampled_from([network for network, _scope in NETWORKS] + ["::ffff:0:0/96", "::/96"]).flatmap(addresses),
)
CONSTANT = [
    ipaddress.ip_network(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/23", "ff00::/12")
]


def common(a: int, b: int, bits: int) -> int:
    """How many of the first bits are the same."""
    return bits - (a ^ b).bit_length()


@pytest.mark.parametrize("address", PUBLISHED)
def test_the_published_vectors(address: str) -> None:
    pan = CryptoPan(PUBLISHED_KEY)
    assert str(IPv4Address(pan.replace(int(IPv4Address(address)), 32))) == PUBLISHED[address]


@given(st.integers(0, 2**128 - 1))
def test_all_blocks_at_once_are_as_one_after_another(number: int) -> None:
    pan = CryptoPan(PUBLISHED_KEY)
    flips = [pan.flip(number, 128, level) for level in range(128)]
    assert pan.flips(number, 128) == int("".join(map(str, flips)), 2)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_common_prefixes_of_ipv4_stay(a: int, b: int) -> None:
    assert common(ONE.v4.replace(a), ONE.v4.replace(b), 32) == common(a, b, 32)


@given(st.data(), st.integers(0, 127))
def test_common_prefixes_of_ipv6_stay(data: st.DataObject, length: int) -> None:
    a = int(data.draw(ANY.filter(lambda address: address.version == 6)))
    b = a ^ data.draw(st.integers(1 << (127 - length), (1 << (128 - length)) - 1))
    assert common(ONE.number(a), ONE.number(b), 128) == common(a, b, 128) == length


@given(ANY)
def test_every_address_has_one_original(address: IPv4Address | IPv6Address) -> None:
    assert ONE.address(ONE.address(address), back=True) == address


@given(ANY)
def test_the_scope_of_an_address_stays(address: IPv4Address | IPv6Address) -> None:
    assert scope_of(ONE.address(address)) == scope_of(address)


@given(ANY)
def test_no_address_stays_but_constants(address: IPv4Address | IPv6Address) -> None:
    inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    named = any(each in net for net in CONSTANT for each in (address, inner) if each.version == net.version)
    near = any(
        common(int(each), int(constant), bits) >= bits - 2
        for each, constant, bits in [
            *((inner, IPv4Address(text), 32) for text in ("239.255.255.250", "255.255.255.255", "192.0.0.9")),
            *(
                (address, IPv6Address(text), 128)
                for text in ("::1", "2001:1::1", "2001:1::2", "2001:1::3")
                if address.version == 6
            ),
        ]
    )
    assert named or near or ONE.address(address) != address


def test_keys_are_independent() -> None:
    for network in ("10.1.2.0/24", "93.184.216.0/24", "2a00:1450:4001::/120"):
        hosts: list[IPv4Address | IPv6Address] = list(ipaddress.ip_network(network))
        same = sum(ONE.address(host) == OTHER.address(host) for host in hosts)
        assert same < len(hosts) / 8


@pytest.mark.parametrize(
    ("address", "kept"),
    [("10.0.0.1", 8), ("172.16.9.9", 12), ("192.168.7.7", 16), ("fe80::1", 64), ("fd00::1", 7), ("ff15::9", 16)],
)
def test_only_the_range_is_known_of_an_address_in_it(address: str, kept: int) -> None:
    parsed = ipaddress.ip_address(address)
    tree = ONE.v4 if parsed.version == 4 else ONE.v6
    assert tree.fixed(int(parsed)) == kept


@given(st.integers(0, 2**48 - 1))
def test_hardware_addresses_are_a_permutation(number: int) -> None:
    replaced = ONE.hardware.replace(number)
    assert replaced != number
    local = number >> 40 & 3 == 2  # no vendor: only the bits that say so stay
    assert replaced >> 40 == number >> 40
    assert local or replaced >> 24 == number >> 24
    assert ONE.hardware.original(replaced) == number


def test_addresses_without_a_vendor_keep_no_other_bits() -> None:
    middle = {ONE.hardware.replace(0x4E5E92_000000 | last) >> 24 for last in range(4)}
    assert 0x4E5E92 not in middle
