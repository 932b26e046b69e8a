"""The pass enrichment: new addresses once, again with other tables, and what it costs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rustnet.columnar import Array
from rustnet.derive.enrichment import ENRICHMENT, enrich_again, enrich_new
from rustnet.derive.order import PASSES
from rustnet.derive.passes import Evidence, Span, run_live
from rustnet.enrich.geofiles import GeoFiles
from rustnet.enrich.lookup import LookupResult, ScopesOnly, Source, open_lookup, shipped
from rustnet.enrich.scope import number_of, scope_of
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN
from tests.attribute.conftest import Session
from tests.enrich.test_lookup import KNOWN, NOTHING
from tests.support.mmdb import place, system, write

SIDES = "src_country, src_city, src_asn, src_as_name, dst_country, dst_city, dst_asn, dst_as_name"
GOOGLE = ("US", None, 15169, "Google LLC")
NONE = (None, None, None, None)


class Counting:
    """The shipped tables; counts the addresses that are looked up."""

    def __init__(self) -> None:
        self.asked = 0

    @property
    def sources(self) -> tuple[Source, ...]:
        return shipped().sources

    failures: tuple[str, ...] = ()

    def find(self, high: Array, low: Array) -> LookupResult:
        self.asked += len(high)
        return shipped().find(high, low)


def flows(session: Session) -> list[tuple[Any, ...]]:
    return session.ask(f"SELECT {SIDES} FROM flows ORDER BY flow_id")


def test_flows_get_what_is_known_about_both_ends(session: Session) -> None:
    for address in (*KNOWN, *NOTHING):
        session.flow(src="10.0.0.1:1", dst=f"[{address}]:443")
        session.flow(src=f"[{address}]:443", dst="10.0.0.1:1")
    assert enrich_new(session.con, Span((1,))) == 2 * len(KNOWN)
    expected: list[tuple[Any, ...]] = []
    for address in (*KNOWN, *NOTHING):
        country, asn, name = KNOWN.get(address, (None, None, None))
        known = (country, None, asn, name)
        expected += [NONE + known, known + NONE]
    assert flows(session) == expected


def test_every_address_has_one_row_with_its_scope_and_sources(session: Session) -> None:
    for port in range(3):
        session.flow(src=f"192.168.1.1:{port}", dst="8.8.8.8:53")
    session.flow(src="8.8.8.8:53", dst="[ff02::1]:9")
    enrich_new(session.con, Span((1,)))
    country, asn = shipped().sources
    assert session.ask("SELECT * EXCLUDE (num, resolved_at) FROM addresses ORDER BY num") == [
        ("8.8.8.8", "global", *GOOGLE, country.name, asn.name),
        ("192.168.1.1", "private", *NONE, None, None),
        ("ff02::1", "multicast", *NONE, None, None),
    ]
    assert session.ask("SELECT num FROM addresses ORDER BY 1") == [
        (number_of(ip),) for ip in ("8.8.8.8", "192.168.1.1", "ff02::1")
    ]
    assert session.ask("SELECT name, kind, version, epoch_ns(built_at), licence FROM data_sources ORDER BY kind") == [
        (each.name, each.kind, each.version, each.built_at, each.licence) for each in (asn, country)
    ]


def test_sources_that_were_not_asked_are_not_listed(session: Session) -> None:
    session.flow(src="10.0.0.1:1", dst="192.168.1.1:2")
    assert enrich_new(session.con, Span((1,))) == 0
    assert session.ask("SELECT * FROM data_sources") == []
    assert session.ask("SELECT count(*) FROM addresses") == [(2,)]


def test_an_address_is_looked_up_once(session: Session) -> None:
    lookup = Counting()
    session.flow(src="10.0.0.1:1", dst="8.8.8.8:53")
    assert enrich_new(session.con, Span((1,)), lookup) == 1
    session.flow(src="10.0.0.1:2", dst="8.8.8.8:53", capture=2)
    session.flow(src="10.0.0.1:3", dst="1.1.1.1:53", capture=2)
    assert enrich_new(session.con, Span((2,)), lookup) == 2
    assert lookup.asked == 3
    assert enrich_new(session.con, Span((1, 2)), lookup) == 0
    assert [row[4] for row in flows(session)] == ["US", "US", "AU"]


def test_only_flows_of_the_span_change(session: Session) -> None:
    session.flow(dst="8.8.8.8:53")
    session.flow(dst="8.8.8.8:53")
    session.flow(dst="8.8.8.8:53", capture=2)
    assert enrich_new(session.con, Span((1,), {FLOWS_ENDED: 1})) == 1
    assert [row[4] for row in flows(session)] == [None, "US", None]


def test_open_flows_are_enriched_live_within_one_transaction(session: Session) -> None:
    session.flow(dst="8.8.8.8:53")
    session.con.execute(f"INSERT INTO {FLOWS_OPEN} FROM {FLOWS_ENDED}; DELETE FROM {FLOWS_ENDED}")
    session.con.execute("BEGIN")
    session.flow(dst="1.1.1.1:53")
    run_live([each for each in PASSES if each is ENRICHMENT], session.con, Span((1,), flows=FLOWS_OPEN))
    run_live([each for each in PASSES if each is ENRICHMENT], session.con, Span((1,)))
    session.con.execute("COMMIT")
    assert [row[4:] for row in flows(session)] == [GOOGLE, ("AU", None, 13335, "Cloudflare, Inc.")]


def test_again_with_other_tables_nothing_of_earlier_ones_remains(session: Session, tmp_path: Path) -> None:
    for address in ("8.8.8.8", "1.1.1.1", "10.0.0.9"):
        session.flow(src="10.0.0.1:1", dst=f"{address}:53")
    enrich_new(session.con, Span((1,)))
    first = session.ask("FROM addresses ORDER BY num"), flows(session), session.ask("FROM data_sources ORDER BY ALL")
    city = write(tmp_path / "c.mmdb", "GeoLite2-City", {"8.8.8.0/24": place("DE", "Köln")})
    asn = write(tmp_path / "a.mmdb", "GeoLite2-ASN", {"1.1.1.0/24": system(64500, "Example")})
    lookup = open_lookup(GeoFiles(city=str(city), asn=str(asn)))
    assert enrich_again(session.con, lookup) == 2 + 2
    assert [row[4:] for row in flows(session)] == [
        ("DE", "Köln", 15169, "Google LLC"), ("AU", None, 64500, "Example"), NONE,
    ]  # fmt: skip
    assert session.ask("SELECT version FROM data_sources WHERE licence IS NULL ORDER BY 1") == [
        ("GeoLite2-ASN",), ("GeoLite2-City",),
    ]  # fmt: skip
    assert session.ask("SELECT DISTINCT country_source FROM addresses WHERE ip = '8.8.8.8'")[0][0].startswith(str(city))
    assert enrich_again(session.con, lookup) == 0
    assert enrich_again(session.con, ScopesOnly()) == 2 + 2
    assert flows(session) == [NONE + NONE] * 3
    assert session.ask("SELECT * FROM data_sources") == []
    assert session.ask("SELECT count(scope) FROM addresses") == [(4,)]
    assert enrich_again(session.con) == 4
    assert first == (
        session.ask("FROM addresses ORDER BY num"), flows(session), session.ask("FROM data_sources ORDER BY ALL"),
    )  # fmt: skip


def test_the_pass_reports_databases_that_are_damaged(session: Session) -> None:
    session.flow(dst="8.8.8.8:53")

    class Damaged(Counting):
        failures = ("x.mmdb: is damaged",)

    outcome = ENRICHMENT.run(session.con, Span((1,), again=True), Evidence(lookup=Damaged()))
    assert (outcome.changed, outcome.failures) == (3, ["x.mmdb: is damaged"])


def test_many_addresses_in_several_parts(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rustnet.derive.enrichment.AT_ONCE", 7)
    rng = np.random.default_rng(2)
    numbers = [int(number) for number in rng.integers(0, 2**32, 100)]
    for number in numbers:
        session.flow(src="10.0.0.1:1", dst=f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:1")
    enrich_new(session.con, Span((1,)))
    rows = session.ask("SELECT ip, num, scope, country, asn FROM addresses")
    assert len(rows) == len({*numbers, number_of("10.0.0.1")})
    for ip, number, scope, country, asn in rows:
        assert (number, scope) == (number_of(ip), scope_of(ip))
        found = shipped().find(np.array([number >> 64], np.uint64), np.array([number & 2**64 - 1], np.uint64))
        assert country == (found.places[0].country if found.places and found.place[0] >= 0 else None)
        assert asn == (found.systems[0].asn if found.systems and found.system[0] >= 0 else None)
