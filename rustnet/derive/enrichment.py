"""Pass ``enrichment``: scope, country, city and autonomous system of every address that is an end of a flow.

Each distinct address is looked up once and has a row in ``addresses``; flows get their columns from there. At the end
of a run and at flushes only new addresses are looked up. ``rustnet refresh`` looks all of them up again, in the tables
of today; then nothing of earlier ones remains.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from rustnet.attribute.stage import Parameters, drop, run
from rustnet.columnar import Array, Column, integers, texts
from rustnet.derive.names import name_flows
from rustnet.derive.passes import Evidence, Outcome, Pass, Span
from rustnet.enrich.lookup import Lookup, LookupResult, Source, shipped
from rustnet.enrich.scope import SCOPES
from rustnet.store.arrow import ArrowStream
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

AT_ONCE = 262_144
"""Addresses that are looked up at once."""

_VALUES = ("country", "city", "asn", "as_name")
_NAMED = [f"{side}_{value}" for side in ("src", "dst") for value in _VALUES]

_SPAN = "capture_id IN (SELECT unnest($captures)) AND rowid >= $row"
# Within the transaction that creates a table its `rowid` does not begin at 0.
_NEW = """
CREATE OR REPLACE TEMP TABLE own_addresses AS
SELECT row_number() OVER (ORDER BY num) - 1 AS row, num, any_value(ip) AS ip FROM (
    SELECT src_num AS num, src_ip AS ip FROM {flows} WHERE {span}
    UNION ALL SELECT dst_num, dst_ip FROM {flows} WHERE {span})
WHERE num IS NOT NULL AND ip IS NOT NULL AND num NOT IN (SELECT num FROM addresses) GROUP BY num"""

_NUMBERS = """
SELECT row, (num >> 64)::UBIGINT AS high, (num & 18446744073709551615::UHUGEINT)::UBIGINT AS low
FROM own_addresses WHERE row >= $first AND row < $first + $count ORDER BY row"""

_STORE = f"""
INSERT INTO addresses BY NAME
SELECT a.ip, a.num, [{", ".join(f"'{scope}'" for scope in SCOPES)}][l.scope + 1] AS scope, p.country, p.city, s.asn,
    s.name AS as_name, p.source AS country_source, s.source AS asn_source
FROM own_looked_up l JOIN own_addresses a ON a.row = l.row
LEFT JOIN own_places p ON p.id = l.place LEFT JOIN own_systems s ON s.id = l.system"""

_SOURCES = """
INSERT INTO data_sources SELECT $name, $kind, $version, make_timestamp_ns($built), $licence, $attribution
WHERE NOT EXISTS (FROM data_sources WHERE name = $name AND kind = $kind)"""

_KNOWN = f"(SELECT num, {', '.join(_VALUES)} FROM addresses WHERE country IS NOT NULL OR asn IS NOT NULL)"
_ANY = "SELECT 1 FROM addresses WHERE country IS NOT NULL OR asn IS NOT NULL LIMIT 1"
"""Cheap check whether anything is known: planning the update takes ten times as long."""
_DIFFERS = " OR ".join(f"f.{name} IS DISTINCT FROM {name[:3]}.{name[4:]}" for name in _NAMED)

# Ordered by row number: an update in random order takes twenty times as long.
_UPDATE = f"""
UPDATE {{flows}} AS f SET {", ".join(f"{name} = v.{name}" for name in _NAMED)} FROM (
    SELECT f.rowid AS row, {", ".join(f"{name[:3]}.{name[4:]} AS {name}" for name in _NAMED)}
    FROM (SELECT rowid, * FROM {{flows}} WHERE {{span}}) f
    LEFT JOIN {_KNOWN} src ON src.num = f.src_num LEFT JOIN {_KNOWN} dst ON dst.num = f.dst_num
    WHERE {_DIFFERS} ORDER BY f.rowid
) v WHERE f.rowid = v.row"""

_STATED = "scope, country, city, asn, as_name, country_source, asn_source"
_FORMER = "CREATE OR REPLACE TEMP TABLE own_former AS FROM addresses; DELETE FROM addresses; DELETE FROM data_sources"
_RESOLVED = """
UPDATE addresses SET resolved_at = f.resolved_at FROM own_former f
WHERE f.num = addresses.num AND f.resolved_at IS NOT NULL"""
_CHANGED = f"""
SELECT count(*) FROM addresses n FULL JOIN own_former o ON o.num = n.num
WHERE n.num IS NULL OR o.num IS NULL
    OR {" OR ".join(f"n.{name} IS DISTINCT FROM o.{name}" for name in _STATED.split(", "))}"""


def enrich_new(con: "DuckDBPyConnection", span: Span, lookup: Lookup | None = None) -> int:
    """Enrich the flows of a span, looking up addresses that are new; returns the number of flows that changed."""
    values = {"captures": list(span.captures), "row": span.first_row(span.flows)}
    _look_up(con, _NEW.format(flows=span.flows, span=_SPAN), values, lookup)
    return _update(con, span.flows, _SPAN, values)


def enrich_again(con: "DuckDBPyConnection", lookup: Lookup | None = None) -> int:
    """Look up all addresses of the session; returns the number of rows of ``addresses`` and of flows that changed."""
    run(con, _FORMER)
    _look_up(con, _NEW.format(flows="flows", span="true"), {}, lookup)
    run(con, _RESOLVED)
    changed = int(run(con, _CHANGED)[0][0])
    drop(con, "own_former")
    return changed + sum(_update(con, flows, "true", {}) for flows in (FLOWS_ENDED, FLOWS_OPEN))


def _update(con: "DuckDBPyConnection", flows: str, span: str, values: Parameters) -> int:
    if not (span == "true" or run(con, _ANY)):
        return 0
    return int(run(con, _UPDATE.format(flows=flows, span=span), values)[0][0])


def _look_up(con: "DuckDBPyConnection", sql: str, values: Parameters, lookup: Lookup | None) -> None:
    """Add the addresses that a statement selects."""
    number = int(run(con, sql, values)[0][0])
    lookup = lookup or shipped()
    known = False
    for first in range(0, number, AT_ONCE):
        rows = con.execute(_NUMBERS, {"first": first, "count": AT_ONCE}).fetchnumpy()
        result = lookup.find(np.asarray(rows["high"]), np.asarray(rows["low"]))
        known = known or bool(result.places or result.systems)
        with _streams(con, np.asarray(rows["row"]), result):
            run(con, _STORE)
    if known:
        for source in lookup.sources:
            run(con, _SOURCES, _stated(source))
    drop(con, "own_addresses")


def _stated(source: Source) -> Parameters:
    return {
        "name": source.name, "kind": source.kind, "version": source.version, "built": source.built_at,
        "licence": source.licence, "attribution": source.attribution,
    }  # fmt: skip


@contextmanager
def _streams(con: "DuckDBPyConnection", rows: Array, result: LookupResult) -> Iterator[None]:
    """Let statements read what is known about addresses, as ``own_looked_up``, ``own_places`` and ``own_systems``."""
    tables: dict[str, dict[str, Column]] = {
        "own_looked_up": {"row": rows, "scope": result.scopes, "place": result.place, "system": result.system},
        "own_places": {
            "id": np.arange(len(result.places)),
            "country": texts([place.country for place in result.places]),
            "city": texts([place.city for place in result.places]),
            "source": texts([place.source for place in result.places]),
        },
        "own_systems": {
            "id": np.arange(len(result.systems)),
            "asn": integers([system.asn for system in result.systems]),
            "name": texts([system.name for system in result.systems]),
            "source": texts([system.source for system in result.systems]),
        },
    }
    streams = {name: ArrowStream([columns]) for name, columns in tables.items()}
    try:
        for name, stream in streams.items():
            con.register(name, stream)
        yield
        for name in streams:
            con.unregister(name)  # after an error, the transaction's end does it
    finally:
        for stream in streams.values():
            stream.close()


def _run(con: "DuckDBPyConnection", span: Span, evidence: Evidence) -> Outcome:
    if not span.again:
        return Outcome(enrich_new(con, span, evidence.lookup))
    outcome = Outcome(enrich_again(con, evidence.lookup))
    if evidence.lookup is not None:
        outcome.failures += evidence.lookup.failures
    if evidence.resolve is not None:
        from rustnet.derive.resolving import resolve  # noqa: PLC0415 -- only if asked for

        resolved = resolve(con, evidence.resolve)
        outcome.notes.append(resolved.note)
        outcome.changed += sum(name_flows(con, Span(span.captures, flows=flows)) for flows in (FLOWS_ENDED, FLOWS_OPEN))
    return outcome


ENRICHMENT = Pass("enrichment", _run, live=True)
