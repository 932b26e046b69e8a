"""Looking addresses up in the shipped tables, and in tables that the script makes of small packages."""

import time
from datetime import date
from ipaddress import ip_address

import numpy as np
import pytest

from rustnet.enrich.lookup import LookupResult, Shipped, shipped
from rustnet.enrich.make_tables import make
from rustnet.enrich.scope import LOWER, SCOPES, number_of
from tests.enrich.packages import COUNTRIES, COUNTRIES_6, SYSTEMS, SYSTEMS_6, Row, contents, pack

KNOWN = {
    "8.8.8.8": ("US", 15169, "Google LLC"),
    "8.8.4.4": ("US", 15169, "Google LLC"),
    "2001:4860:4860::8888": ("US", 15169, "Google LLC"),
    "1.1.1.1": ("AU", 13335, "Cloudflare, Inc."),
    "2606:4700:4700::1111": ("US", 13335, "Cloudflare, Inc."),
    "9.9.9.9": ("US", 19281, "Quad9"),
    "140.82.121.4": ("US", 36459, "GitHub, Inc."),
    "185.199.108.153": ("US", 54113, "Fastly, Inc."),
    "193.0.6.139": ("NL", 3333, "Reseaux IP Europeens Network Coordination Centre (RIPE NCC)"),
    "2001:67c:2e8:22::c100:68b": ("NL", 3333, "Reseaux IP Europeens Network Coordination Centre (RIPE NCC)"),
    "208.67.222.222": ("US", 36692, "Cisco OpenDNS, LLC"),
    "17.253.144.10": ("US", 714, "Apple Inc."),
    "13.107.42.14": ("US", 8068, "Microsoft Corporation"),
    "199.7.83.42": ("US", 20144, "ICANN"),
    "2001:500:2::c": ("US", 2149, "Cogent Communications"),
    "::ffff:8.8.8.8": ("US", 15169, "Google LLC"),
    "64:ff9b::8.8.8.8": ("US", 15169, "Google LLC"),  # NAT64: the address behind it
    "2002:808:808::1": ("US", 15169, "Google LLC"),  # 6to4: the address of the site
}
NOTHING = (
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.1.1", "172.16.0.1", "192.0.2.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.5", "224.0.0.251", "240.0.0.1", "255.255.255.255", "::", "::1",
    "fe80::1", "fd00::1", "ff02::fb", "2001:db8::1", "2001::1", "64:ff9b::192.168.1.1", "64:ff9b:1::8.8.8.8",
    "2002:a00:1::1", "4000::1",
)  # fmt: skip


def numbers(addresses: list[str]) -> "tuple[np.ndarray[tuple[int], np.dtype[np.uint64]], ...]":
    """Upper and lower halves of addresses."""
    every = [number_of(address) for address in addresses]
    return (
        np.array([number >> 64 for number in every], np.uint64),
        np.array([number & LOWER for number in every], np.uint64),
    )


def values(found: LookupResult) -> list[tuple[str | None, int | None, str | None]]:
    """Country, AS number and AS name of each address."""
    rows = []
    for place, system in zip(found.place.tolist(), found.system.tolist(), strict=True):
        country = found.places[place].country if place >= 0 else None
        asn, name = found.systems[system][:2] if system >= 0 else (None, None)
        rows.append((country, asn, name))
    return rows


def test_known_addresses_have_their_country_and_autonomous_system() -> None:
    addresses = list(KNOWN)
    assert dict(zip(addresses, values(shipped().find(*numbers(addresses))), strict=True)) == KNOWN
    for address, expected in KNOWN.items():  # alone, too
        assert values(shipped().find(*numbers([address]))) == [expected]


@pytest.mark.parametrize("address", NOTHING)
def test_addresses_that_are_not_global_have_neither(address: str) -> None:
    found = shipped().find(*numbers([address]))
    assert values(found) == [(None, None, None)]
    assert SCOPES[found.scopes[0]] != "global"


def test_nothing_is_looked_up_for_no_address() -> None:
    assert values(shipped().find(*numbers([]))) == []


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    directory = tmp_path_factory.mktemp("tables")
    make(pack(directory / "packages", contents(date(2026, 6, 20))), directory / "data", date(2026, 6, 20))
    return Shipped(directory / "data")


def expected(address: str, rows: list[Row]) -> Row | None:
    """The smallest range that has an address, by comparing all."""
    number = int(ip_address(address))
    holding = [row for row in rows if int(ip_address(row[0])) <= number <= int(ip_address(row[1]))]
    return max(holding, key=lambda row: int(ip_address(row[0])), default=None)


def test_every_edge_of_small_tables(small: Shipped) -> None:
    for countries, systems in ((COUNTRIES, SYSTEMS), (COUNTRIES_6, SYSTEMS_6)):
        addresses = []
        for row in (*countries, *systems):
            first, last = ip_address(row[0]), ip_address(row[1])
            addresses += [str(first - 1), str(first), str(last), *([] if int(last) == 2**32 - 1 else [str(last + 1)])]
        found = values(small.find(*numbers(addresses)))
        for address, (country, asn, _name) in zip(addresses, found, strict=True):
            place, system = expected(address, countries), expected(address, systems)
            if SCOPES[small.find(*numbers([address])).scopes[0]] != "global":
                place = system = None
            assert (country, asn) == (place and place[2], system and system[2]), address


def test_sources_have_their_version_and_date(small: Shipped) -> None:
    country, asn = small.sources
    assert (country.name, country.kind) == ("@ip-location-db/geo-whois-asn-country 2.3.2026062019", "country")
    assert (asn.name, asn.kind, asn.licence) == ("@ip-location-db/asn 2.3.2026062019", "asn", "CC-BY-4.0")
    assert asn.built_at == 1_781_913_600_000_000_000


def test_a_million_addresses_take_little_time() -> None:
    rng = np.random.default_rng(1)
    high = np.zeros(1_000_000, np.uint64)
    high[500_000:] = np.sort(rng.choice(shipped().systems.v6.first, 500_000))
    low = np.uint64(0xFFFF << 32) + np.sort(rng.integers(0, 2**32, 1_000_000).astype(np.uint64))
    began = time.process_time()
    found = shipped().find(high, low)
    assert time.process_time() - began < 2
    assert (found.place >= 0).sum() > 700_000
