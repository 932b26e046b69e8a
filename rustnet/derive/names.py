"""Pass ``names``: sets `flows.hostname` where a parser found no name, or one from a weaker source.

The ranking of the sources and the validity of their names are defined in `rustnet.policy.names`.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from typing import TYPE_CHECKING

from rustnet.attribute.stage import drop, run
from rustnet.derive.passes import Evidence, Outcome, Pass, Span
from rustnet.policy.names import ANSWERED, LEARNED, RANKS, SOURCES, UNKNOWN, group

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NS = 1_000_000_000

_BEST = min(named.rank for named in LEARNED)
_FINAL = ", ".join(f"'{n.source}'" for n in SOURCES if n.rank < _BEST)
"""Sources within the flow that outrank every name learned elsewhere."""

_ORDER = ", ".join(
    f"('{n.source}', {n.rank}, {n.rank == ANSWERED}, {g.before * _NS}, {g.after * _NS}, {g.own_capture})"
    for n in LEARNED
    for g in (group(n.rank),)
)
_RANK = " ".join(f"WHEN '{source}' THEN {rank}" for source, rank in RANKS.items())

_CONDITION = f"""capture_id IN (SELECT unnest($captures)) AND rowid >= $row
        AND dst_ip IN (SELECT ip FROM names) AND protocol NOT IN ('arp', 'rarp')
        AND (hostname IS NULL OR hostname_source NOT IN ({_FINAL}))"""

MANY = 10_000
"""Number of flows from which the check for unnamed flows is skipped: some will be unnamed."""

_ANY = f"SELECT 1 FROM {{flows}} WHERE {_CONDITION} LIMIT 1"
"""Cheap check whether any flow needs a name: planning the full statement takes ten times as long."""

# Names are matched by key: address, source, and where they matter the client and the capture. One statement is quicker
# than steps with temporary tables.
_CHOSEN = f"""
CREATE OR REPLACE TEMP TABLE own_named AS
WITH unnamed AS MATERIALIZED (
    SELECT rowid AS row, capture_id, src_ip, dst_ip, epoch_ns(started_at) AS at,
        CASE WHEN hostname IS NULL THEN {UNKNOWN} ELSE CASE hostname_source {_RANK} ELSE {UNKNOWN - 1} END END AS rank
    FROM {{flows}}
    WHERE {_CONDITION}
), ranked AS MATERIALIZED (
    SELECT n.ip, o.rank, CASE WHEN o.mine THEN n.client ELSE '' END AS client,
        CASE WHEN o.own THEN n.capture_id ELSE 0 END AS capture, epoch_ns(n.ts) AS ts, n.name, o.before,
        o.after + {_NS} * coalesce(n.ttl, 0)::BIGINT AS after
    FROM names n JOIN (VALUES {_ORDER}) o(source, rank, mine, before, after, own) ON o.source = n.source
    WHERE n.ip IN (SELECT dst_ip FROM unnamed) AND (NOT o.mine OR n.client IS NOT NULL)
), keys AS MATERIALIZED (
    SELECT row_number() OVER () AS key, *
    FROM (SELECT ip, rank, client, capture, max(before) > 0 AS early FROM ranked GROUP BY ip, rank, client, capture)
), learned AS MATERIALIZED (
    SELECT k.key, s.ts, min(s.name) AS name, s.ts - max(s.before) AS since, s.ts + max(s.after) AS until
    FROM ranked s JOIN keys k USING (ip, rank, client, capture) GROUP BY k.key, s.ts
), candidates AS MATERIALIZED (
    SELECT f.row, f.at, k.key, k.rank, k.early
    FROM unnamed f JOIN keys k ON k.ip = f.dst_ip AND k.rank < f.rank
        AND (k.client = '' OR k.client = f.src_ip) AND (k.capture = 0 OR k.capture = f.capture_id)
), matches AS (
    SELECT a.row, a.rank * 2 AS place, h.name, h.ts
    FROM candidates a ASOF JOIN learned h ON h.key = a.key AND a.at >= h.ts
    WHERE a.at <= h.until
    UNION ALL
    SELECT a.row, a.rank * 2 + 1, h.name, h.ts
    FROM (SELECT * FROM candidates WHERE early) a ASOF JOIN learned h ON h.key = a.key AND a.at < h.ts
    WHERE a.at >= h.since
)
SELECT row, min(place) // 2 AS rank, arg_min(name, place) AS name, arg_min(ts, place) AS ts
FROM matches GROUP BY row ORDER BY row"""

# Ordered by row number: an update in random order takes twenty times as long.
_UPDATE = f"""
UPDATE {{flows}} AS f SET hostname = v.name, hostname_source = o.source, hostname_ts = make_timestamp_ns(v.ts)
FROM own_named v JOIN (VALUES {_ORDER}) o(source, rank, mine, before, after, own) ON o.rank = v.rank
WHERE f.rowid >= $row AND f.rowid = v.row"""


def name_flows(con: "DuckDBPyConnection", span: Span, expected: int = 0) -> int:
    """Name the flows of a span that have no name or one from a weaker source; returns the number of flows changed.

    Checks first whether there are any, unless at least `MANY` flows are ``expected``.
    """
    row = span.first_row(span.flows)
    values = {"captures": list(span.captures), "row": row}
    if expected < MANY and not run(con, _ANY.format(flows=span.flows), values):
        return 0
    named = 0
    if run(con, _CHOSEN.format(flows=span.flows), values)[0][0]:
        named = int(run(con, _UPDATE.format(flows=span.flows), {"row": row})[0][0])
    drop(con, "own_named")
    return named


def _run(con: "DuckDBPyConnection", span: Span, _evidence: Evidence) -> Outcome:
    return Outcome(name_flows(con, span))


NAMES = Pass("names", _run, live=True)
