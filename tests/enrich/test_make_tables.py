"""The script that makes the shipped tables: what it makes of packages, and which packages it refuses."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rustnet.enrich import make_tables
from rustnet.enrich.make_tables import OLDEST, DataError, halves, make
from rustnet.enrich.ranges import changes
from tests.enrich.packages import contents, pack

TODAY = date(2026, 6, 20)


def steps(output: Path, name: str) -> list[tuple[str, Any]]:
    first = np.load(output / f"{name}.first.npy")
    value = np.load(output / f"{name}.value.npy")
    if first.dtype == np.dtype("S16"):
        texts = [str(IPv6Address(number.ljust(16, b"\0"))) for number in first.tolist()]
    elif name.endswith("v6"):
        texts = [str(IPv6Address(number << 64)) for number in first.tolist()]
    else:
        texts = [str(IPv4Address(number)) for number in first.tolist()]
    return list(zip(texts, value.tolist(), strict=True))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = pack(tmp_path_factory.mktemp("packages"), contents(TODAY))
    output = directory / "data"
    files = make(directory, output, TODAY)
    assert sorted(files) == sorted(output.iterdir())
    return output


def test_ranges_become_first_addresses_of_each_value(made: Path) -> None:
    assert steps(made, "country_v4") == [
        ("0.0.0.0", b""),
        ("1.0.0.0", b"AU"),
        ("1.0.1.0", b"CN"),  # two ranges of one country are one
        ("1.0.3.0", b""),
        ("2.0.0.0", b"FR"),
        ("2.16.0.0", b"DE"),  # the smaller of overlapping ranges, then the larger one again
        ("2.16.0.8", b"BE"),
        ("2.16.0.9", b"DE"),
        ("2.16.1.0", b"FR"),
        ("3.0.0.0", b""),
        ("255.255.255.0", b"US"),
    ]
    assert steps(made, "asn_v4") == [
        ("0.0.0.0", 0), ("1.0.0.0", 13335), ("1.0.1.0", 0), ("1.0.4.0", 38803), ("1.0.8.0", 13335), ("1.0.10.0", 0)
    ]  # fmt: skip


def test_ipv6_ranges_within_a_network_of_64_bits_are_kept_apart(made: Path) -> None:
    assert steps(made, "country_v6") == [
        ("::", b""), ("2001:200::", b"JP"), ("2001:201::", b""),
    ]  # fmt: skip
    assert steps(made, "country_v6_within") == [
        ("2001:200:0:1::", b"JP"), ("2001:200:0:1::10", b"KR"), ("2001:200:0:1::20", b"JP"),
        ("2001:300::", b""), ("2001:300::5", b"NL"), ("2001:300::6", b""),
    ]  # fmt: skip
    assert steps(made, "asn_v6") == [("::", 0), ("2400:cb00::", 13335), ("2400:cb01::", 0)]
    assert steps(made, "asn_v6_within") == []


def test_the_value_of_every_address_is_that_of_its_smallest_range() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        lows = rng.integers(0, 250, 8).tolist()
        ranges = [(low, low + int(size), index) for index, (low, size) in
                  enumerate(zip(lows, rng.integers(0, 6, 8) ** 2, strict=True)) if low + size <= 255]  # fmt: skip
        made = changes(ranges, 255, -1)
        assert [first for first, _value in made] == sorted({first for first, _value in made})
        assert all(before[1] != after[1] for before, after in pairwise(made))
        for address in range(256):
            value = next(value for first, value in reversed(made) if first <= address)
            holding = [each for each in ranges if each[0] <= address <= each[1]]
            latest = max((each[0] for each in holding), default=None)
            assert value in ([each[2] for each in holding if each[0] == latest] or [-1])


def test_halves_lose_nothing() -> None:
    rng = np.random.default_rng(6)
    for _ in range(100):
        numbers = {0, *((int(high) << 64) + int(low) for high, low in rng.integers(0, 4, (12, 2)).tolist())}
        given = [(number, int(rng.integers(0, 3))) for number in sorted(numbers)]
        networks, within = halves(given, 0)
        for high in range(6):
            for low in range(6):
                number = (high << 64) + low
                expected = next(value for first, value in reversed(given) if first <= number)
                inner = [value for first, value in within if first >> 64 == high and first <= number]
                outer = [value for first, value in networks if first <= high]
                assert (inner or outer)[-1] == expected


def test_names_and_vendors(made: Path) -> None:
    numbers, ends = np.load(made / "as_names.asn.npy").tolist(), np.load(made / "as_names.ends.npy")
    text = np.load(made / "as_names.text.npy").tobytes()
    names = {n: text[a:b].decode() for n, a, b in zip(numbers, ends, ends[1:], strict=False)}
    assert names == {13335: "Cloudflare, Inc.", 38803: "Gtelecom"}  # the most frequent name, in printable characters
    blocks, places = np.load(made / "vendors.block.npy").tolist(), np.load(made / "vendors.name.npy").tolist()
    ends, text = np.load(made / "vendors.ends.npy").tolist(), np.load(made / "vendors.text.npy").tobytes()
    rows = [
        (block & 0xFF, f"{block >> 8:012x}", text[ends[n] : ends[n + 1]].decode())
        for block, n in zip(blocks, places, strict=True)
    ]
    assert rows == [
        (24, "00000c000000", "Cisco Systems, Inc"), (36, "70b3d5fff000", "A B"), (28, "c85ce2700000", "SYNERGY"),
    ]  # fmt: skip


def test_sources_state_licence_date_and_attribution(made: Path) -> None:
    sources = json.loads((made / "sources.json").read_text("utf-8"))
    assert [(each["package"], each["date"], each["licence"]) for each in sources] == [
        ("@ip-location-db/geo-whois-asn-country", "2026-06-20", "CC0-1.0; statistics of the NRO: CC-BY-4.0"),
        ("@ip-location-db/asn", "2026-06-20", "CC-BY-4.0"),
        ("oui-data", "2026-06-20", "BSD-2-Clause; registries of the IEEE: public"),
    ]
    assert sources[1]["licence_texts"].keys() == {"NRO_LICENSE", "ROUTEVIEWS-LICENSE", "DBIP-LICENSE"}
    assert "db-ip.com" in sources[1]["attribution"]
    assert "redistributions" in sources[2]["licence_texts"]["BSD-2-Clause"].lower()


Change = Callable[[dict[str, dict[str, bytes]]], object]


def edited(package: str, file: str, old: bytes, new: bytes) -> Change:
    def change(packages: dict[str, dict[str, bytes]]) -> None:
        assert old in packages[package][file]
        packages[package][file] = packages[package][file].replace(old, new)

    return change


GEO, ASN, OUI = "@ip-location-db/geo-whois-asn-country", "@ip-location-db/asn", "oui-data"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edited(GEO, "package.json", b"CC0-1.0", b"CC-BY-SA-4.0"), "its licence is 'CC-BY-SA-4.0', expected 'CC0-1.0'"),
        (edited(OUI, "package.json", b"BSD-2-Clause", b"GPL-2.0"), "its licence is 'GPL-2.0'"),
        (edited(ASN, "DBIP-LICENSE", b"Attribution", b"NonCommercial"), "file DBIP-LICENSE does not state"),
        (lambda packages: packages[ASN].pop("ROUTEVIEWS-LICENSE"), "file ROUTEVIEWS-LICENSE does not state"),
        (edited(GEO, "package.json", b"geo-whois", b"other"), "calls itself '@ip-location-db/other-asn-country'"),
        (edited(GEO, "package.json", b"2.3.2026062019", b"2.3.1"), "does not state the day of its data"),
        (edited(OUI, "package.json", b"20260620", b"20261399"), "does not state the day of its data"),
        (lambda packages: packages.pop(OUI), "expected one file oui-data-VERSION.tgz, not 0"),
        (lambda packages: packages[ASN].pop("asn-ipv6-num.csv"), "has no file asn-ipv6-num.csv"),
        (edited(GEO, "geo-whois-asn-country-ipv4-num.csv", b"AU", b"au"), "has the row '16777216,16777471,au'"),
        (edited(ASN, "asn-ipv4-num.csv", b"38803", b"99999999999"), "has the row '16778240"),
        (edited(ASN, "asn-ipv4-num.csv", b"16778240", b"16799999"), "has the range 16799999 to 16779263"),
        (edited(OUI, "index.json", b"00000C", b"00000"), "index.json is not a table of vendors"),
    ],
)
def test_packages_that_are_not_as_expected_are_refused(tmp_path: Path, change: Change, message: str) -> None:
    packages = contents(TODAY)
    change(packages)
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        make(pack(tmp_path / "packages", packages), tmp_path / "data", TODAY)


def test_old_data_are_refused(tmp_path: Path) -> None:
    directory = pack(tmp_path / "packages", contents(TODAY))
    make(directory, tmp_path / "data", TODAY + timedelta(OLDEST))
    with pytest.raises(DataError, match=f"its data are of 2026-06-20, older than {OLDEST} days"):
        make(directory, tmp_path / "data", TODAY + timedelta(OLDEST + 1))


def test_a_file_that_is_no_package_is_refused(tmp_path: Path) -> None:
    directory = pack(tmp_path / "packages", contents(TODAY))
    next(directory.glob("oui-data-*.tgz")).write_bytes(b"no archive")
    with pytest.raises(DataError, match="is not an npm package"):
        make(directory, tmp_path / "data", TODAY)


def test_the_script_states_a_failure_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", make_tables.__name__, str(tmp_path), "--output", str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"make_tables: {tmp_path}: expected one file")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()
