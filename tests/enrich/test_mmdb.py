"""The user's databases: their shapes, their precedence, where they are found, and files that are none."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rustnet.enrich import geofiles
from rustnet.enrich.geofiles import GeoFiles, find
from rustnet.enrich.lookup import Lookup, LookupResult, ScopesOnly, Shipped, open_lookup, shipped
from rustnet.enrich.mmdb import Database, Layered, Stated, stated
from rustnet.errors import InputError
from tests.enrich.test_lookup import numbers
from tests.support.mmdb import place, system, write


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory where databases are looked for."""
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setattr(geofiles, "SYSTEM", (str(home / "system"),))
    return home


def values(lookup: Lookup, *addresses: str) -> list[tuple[Any, ...]]:
    """Country, city, AS number and name of each address."""
    found: LookupResult = lookup.find(*numbers(list(addresses)))
    rows: list[tuple[Any, ...]] = []
    for i, j in zip(found.place.tolist(), found.system.tolist(), strict=True):
        rows.append(
            (*(found.places[i][:2] if i >= 0 else (None, None)), *(found.systems[j][:2] if j >= 0 else (None, None)))
        )
    return rows


SHAPES: dict[str, tuple[object, Stated]] = {
    "GeoLite2-City": (place("DE", "Köln"), Stated("DE", "Köln")),
    "GeoLite2-Country": (place("DE"), Stated("DE")),
    "GeoLite2-ASN": (system(64500, "Example"), Stated(asn=64500, as_name="Example")),
    "GeoIP2-Enterprise": (
        {**place("DE"), "traits": {"autonomous_system_number": 7, "autonomous_system_organization": "E"}},
        Stated("DE", None, 7, "E"),
    ),
    "ip-location-db": ({"country_code": "de"}, Stated("DE")),
    "ip-location-db city": ({"country_code": "DE", "city": "Köln", "state1": "NW"}, Stated("DE", "Köln")),
    "IPinfo": ({"country": "DE", "asn": "AS7", "as_name": "E"}, Stated("DE", None, 7, "E")),
    "nothing": (None, Stated()),
    "a list": ([1], Stated()),
    "no names": ({"city": {"names": ["x"]}, "country": {"iso_code": 7}}, Stated()),
    "wrong types": ({"country": [], "city": 7, "asn": True, "as_name": {}, "traits": 1}, Stated()),
    "no country": ({"country_code": "DEU"}, Stated()),
    "numbers too large": ({"asn": 2**32}, Stated()),
    "number zero": ({"autonomous_system_number": 0}, Stated()),
    "control characters": (
        {"city": "\x1b[31mK\n\u202eöln", "as_name": "x" * 9999},
        Stated(None, "[31mK öln", None, "x" * 200),
    ),
    "digits of another script": ({"asn": "AS\u0667"}, Stated()),
}


@pytest.mark.parametrize(("record", "expected"), SHAPES.values(), ids=SHAPES)
def test_records_of_every_shape(record: object, expected: Stated) -> None:
    assert stated(record) == expected


def test_each_field_is_that_of_the_first_database_that_states_it(tmp_path: Path) -> None:
    city = write(tmp_path / "c.mmdb", "GeoLite2-City", {
        "8.8.8.0/24": place("DE", "Köln"), "9.9.9.0/24": place("FR"), "10.0.0.0/8": place("US", "Nowhere"),
        "2001:4860::/32": place("IT", "Roma"),
    })  # fmt: skip
    asn = write(tmp_path / "a.mmdb", "GeoLite2-ASN", {"8.8.8.8/32": system(64500, "Example")})
    lookup = open_lookup(GeoFiles(city=str(city), asn=str(asn)))
    assert values(lookup, "8.8.8.8", "8.8.8.9", "9.9.9.9", "1.1.1.1", "10.0.0.1", "2001:4860:4860::8888") == [
        ("DE", "Köln", 64500, "Example"),
        ("DE", "Köln", 15169, "Google LLC"),
        ("FR", None, 19281, "Quad9"),
        ("AU", None, 13335, "Cloudflare, Inc."),
        (None, None, None, None),  # whatever a database states about private addresses
        ("IT", "Roma", 15169, "Google LLC"),
    ]
    assert values(lookup, "64:ff9b::8.8.8.8", "2002:808:808::1", "64:ff9b::10.0.0.1") == [
        ("DE", "Köln", 64500, "Example"), ("DE", "Köln", 64500, "Example"), (None, None, None, None),
    ]  # fmt: skip
    found = lookup.find(*numbers(["8.8.8.8", "1.1.1.1"]))
    day = lookup.sources[0].name.split()[-1]
    assert [found.places[i].source for i in found.place] == [f"{city} {day}", shipped().country_source.name]
    assert [(source.kind, source.version) for source in lookup.sources[:2]] == [
        ("city", "GeoLite2-City"), ("asn", "GeoLite2-ASN"),
    ]  # fmt: skip
    assert all(source.built_at and source.built_at > 1_700_000_000 * 10**9 for source in lookup.sources)


def test_a_city_comes_before_a_country_and_a_country_before_the_shipped_one(tmp_path: Path) -> None:
    city = write(tmp_path / "c.mmdb", "DBIP-City-Lite", {"8.8.8.0/24": place("DE", "Köln")})
    country = write(tmp_path / "l.mmdb", "DBIP-Country-Lite", {"8.8.0.0/16": place("FR")})
    lookup = open_lookup(GeoFiles(country=str(country), city=str(city)))
    assert [row[:2] for row in values(lookup, "8.8.8.8", "8.8.4.4", "9.9.9.9")] == [
        ("DE", "Köln"), ("FR", None), ("US", None),
    ]  # fmt: skip


def test_a_database_of_ipv4_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "4.mmdb", "x", {"8.8.8.0/24": {"country_code": "DE"}}, version=4)
    lookup = open_lookup(GeoFiles(country=str(path)))
    assert [row[0] for row in values(lookup, "8.8.8.8", "8.8.9.0", "8.8.7.255", "2001:4860:4860::8888")] == [
        "DE", "US", "US", "US",
    ]  # fmt: skip


def test_every_address_gets_the_record_of_its_own_network(tmp_path: Path) -> None:
    rng = random.Random(3)
    records = {f"8.{rng.randrange(256)}.{rng.randrange(256)}.0/{rng.choice((24, 25, 28, 31))}": {"asn": n}
               for n in range(1, 200)}  # fmt: skip
    path = write(tmp_path / "n.mmdb", "x", records)
    database = Database("asn", str(path))
    addresses = [f"8.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}" for _ in range(2000)]
    addresses += [network.partition("/")[0] for network in records]
    for address, row in zip(addresses, values(Layered([database]), *addresses), strict=True):
        own = stated(database.reader.get(address)).asn
        assert own is None or row[2] == own
    assert len({row[2] for row in values(Layered([database]), *addresses)}) > 150


def test_databases_are_found_in_the_usual_places(nowhere: Path) -> None:
    assert list(find()) == []
    assert isinstance(open_lookup(GeoFiles()), Shipped)
    for place_of, name, kind, record in (
        ("system", "GeoLite2-City.mmdb", "GeoLite2-City", place("DE", "Köln")),
        ("system", "GeoLite2-Country.mmdb", "GeoLite2-Country", place("FR")),
        ("data/GeoIP", "dbip-asn-lite.mmdb", "DBIP-ASN-Lite", system(64500, "Example")),
    ):
        (nowhere / place_of).mkdir(parents=True, exist_ok=True)
        write(nowhere / place_of / name, kind, {"8.8.8.0/24": record})
    assert list(find()) == [
        ("city", nowhere / "system" / "GeoLite2-City.mmdb"), ("asn", nowhere / "data/GeoIP" / "dbip-asn-lite.mmdb"),
    ]  # fmt: skip
    assert values(open_lookup(GeoFiles()), "8.8.8.8") == [("DE", "Köln", 64500, "Example")]
    own = nowhere / "data/rustnet/geoip"
    own.mkdir(parents=True)
    write(own / "GeoLite2-City.mmdb", "GeoLite2-City", {"8.8.8.0/24": place("IT")})
    assert values(open_lookup(GeoFiles()), "8.8.8.8") == [("IT", None, 64500, "Example")]  # rustnet's own first
    given = GeoFiles(country=str(nowhere / "system" / "GeoLite2-Country.mmdb"))
    assert values(open_lookup(given), "8.8.8.8") == [("FR", None, 15169, "Google LLC")]  # then no others are looked for
    assert isinstance(open_lookup(GeoFiles(off=True)), ScopesOnly)
    assert values(open_lookup(GeoFiles(off=True)), "8.8.8.8") == [(None, None, None, None)]


def test_nothing_is_looked_for_next_to_the_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "GeoLite2-City.mmdb", "GeoLite2-City", {"8.8.8.0/24": place("DE")})
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_DATA_HOME", "HOME"):
        monkeypatch.setenv(name, ".")
    assert list(find()) == []


def good(path: Path) -> bytes:
    return write(path, "GeoLite2-ASN", {f"{n}.0.0.0/8": system(n, "x" * n) for n in range(1, 100)}).read_bytes()


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "text": lambda data: b"no database",
    "no metadata": lambda data: data[: len(data) // 2],
    "metadata cut off": lambda data: data[:-20],
    "metadata of zeros": lambda data: data[: data.rindex(b"MaxMind.com") + 11] + bytes(100),
    "a version of the format that is unknown": lambda data: data.replace(b"ip_version", b"op_version"),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "x.mmdb"
    data = good(path)
    path.write_bytes(damage(data))
    with pytest.raises(InputError, match="is not a database in MaxMind's format, or is damaged") as caught:
        open_lookup(GeoFiles(asn=str(path)))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        open_lookup(GeoFiles(asn=str(tmp_path / "none.mmdb")))
    with pytest.raises(InputError):
        open_lookup(GeoFiles(asn=str(tmp_path)))


def test_a_database_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mmdb", "GeoLite2-ASN", {"8.8.8.0/24": system(1, "x")})
    with pytest.raises(InputError, match="of the type GeoLite2-ASN, and states no countries"):
        open_lookup(GeoFiles(country=str(path)))
    with pytest.raises(InputError, match="states no cities"):
        open_lookup(GeoFiles(city=str(path)))


def test_every_changed_byte_is_an_answer_or_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.mmdb"
    data = good(path)
    rng = random.Random(7)
    addresses = [f"{n}.1.2.3" for n in range(1, 120)]
    sentences = 0
    for i in range(300):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 4, 40))):
            changed[rng.randrange(len(data))] = rng.randrange(256)
        file = tmp_path / f"{i}.mmdb"
        file.write_bytes(changed)
        try:
            lookup = open_lookup(GeoFiles(asn=str(file)))
        except InputError:
            sentences += 1
            continue
        rows = values(lookup, *addresses)
        assert len(rows) == len(addresses)
        sentences += len(lookup.failures)
        file.unlink()
    assert sentences


def test_a_database_that_turns_out_to_be_damaged_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.mmdb"
    database = Database("asn", str(write(path, "GeoLite2-ASN", {"8.8.8.0/24": system(64500, "x")})))

    class Torn:
        def get_with_prefix_len(self, address: object) -> Any:
            raise ValueError(f"no record\nof {address}")

    database.reader = Torn()
    lookup = Layered([database])
    assert values(lookup, "8.8.8.8") == [("US", None, 15169, "Google LLC")]
    assert lookup.failures == [f"{path}: is not a database in MaxMind's format, or is damaged (no record of 8.8.8.8)"]
    assert values(lookup, "1.1.1.1")[0][0] == "AU"
    assert len(lookup.failures) == 1


def test_a_damaged_database_that_was_only_found_does_not_stop_anything(nowhere: Path) -> None:
    (nowhere / "system").mkdir(parents=True)
    (nowhere / "system" / "GeoLite2-ASN.mmdb").write_bytes(b"no database")
    lookup = open_lookup(GeoFiles())
    assert values(lookup, "8.8.8.8") == [("US", None, 15169, "Google LLC")]
    assert len(lookup.failures) == 1
