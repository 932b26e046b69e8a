"""Pass ``continuations``: a connection that goes on after its idle timeout keeps its application and name.

Its later generations begin in the middle, without the messages by which a parser recognises it. What they lack they
inherit from the generations before, marked as inherited. A generation that begins with a SYN, or after the one before
was closed, is another connection and inherits nothing.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from typing import TYPE_CHECKING

from rustnet.attribute.stage import drop, run
from rustnet.derive.names import name_flows
from rustnet.derive.passes import Evidence, Outcome, Pass, Span
from rustnet.policy.names import INHERITED, RANKS, UNKNOWN

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_SILENCE_SECONDS = 1_800
"""Silence after which UDP between the same ends is no continuation: ports are used again. TCP's SYN shows that."""

_CONTINUES = """generation > 0 AND community_id IS NOT NULL
        AND (protocol = 'tcp' AND NOT regexp_matches(coalesce(history, ''), '[SsHh]') OR protocol = 'udp')"""
"""Flows that may continue an earlier one: there is an earlier one, and no SYN or SYN-ACK."""

_LACKING = f"""capture_id IN (SELECT unnest($captures)) AND rowid >= $row AND {_CONTINUES}
        AND (hostname IS NULL OR coalesce(app_source, 'port') = 'port' OR hostname_source <> 'sni')"""

_ANY = f"SELECT 1 FROM {{flows}} WHERE {_LACKING} LIMIT 1"
"""Cheap check whether any flow may inherit something."""

_RANK = " ".join(f"WHEN '{source}' THEN {rank}" for source, rank in RANKS.items() if source != INHERITED)

_INHERITED = f"""
CREATE OR REPLACE TEMP TABLE own_inherited AS
WITH related AS (
    SELECT flow_id, capture_id, community_id, generation, epoch_ns(started_at) AS began, epoch_ns(ended_at) AS ended,
        end_reason, coalesce(vlan_id, -1) AS vlan, coalesce(outer_vlan_id, -1) AS outer_vlan,
        coalesce(tunnel, '') AS tunnel, {_CONTINUES} AS continues, protocol, service,
        CASE WHEN app_source IN ('payload', 'tshark') THEN app END AS app,
        CASE WHEN hostname_source <> '{INHERITED}' THEN hostname END AS hostname, hostname_ts,
        CASE WHEN hostname IS NULL OR hostname_source = '{INHERITED}' THEN NULL
            ELSE CASE hostname_source {_RANK} ELSE {UNKNOWN - 1} END END AS rank
    FROM flows WHERE capture_id IN (SELECT unnest($captures))
        AND community_id IN (SELECT community_id FROM {{flows}} WHERE {_LACKING})
), linked AS (
    SELECT *, continues AND coalesce(lag(generation) OVER ends + 1 = generation, false)
        AND coalesce(lag(end_reason) OVER ends IN ('idle', 'evicted'), false) AND lag(ended) OVER ends <= began
        AND (protocol = 'tcp' OR began - lag(ended) OVER ends <= {MAX_SILENCE_SECONDS}000000000) AS goes_on
    FROM related
    WINDOW ends AS (PARTITION BY capture_id, community_id, vlan, outer_vlan, tunnel ORDER BY began, flow_id)
), chained AS (
    SELECT *, count(*) FILTER (NOT goes_on) OVER (
        PARTITION BY capture_id, community_id, vlan, outer_vlan, tunnel ORDER BY began, flow_id
        ROWS UNBOUNDED PRECEDING) AS chain
    FROM linked
), known AS (
    SELECT flow_id, goes_on, app, rank, first_value(app IGNORE NULLS) OVER before AS first_app,
        first_value(CASE WHEN app IS NOT NULL THEN service END IGNORE NULLS) OVER before AS first_service,
        arg_min(hostname, rank) OVER before AS best, min(rank) OVER before AS best_rank,
        arg_min(hostname_ts, rank) OVER before AS best_ts
    FROM chained
    WINDOW before AS (PARTITION BY capture_id, community_id, vlan, outer_vlan, tunnel, chain ORDER BY began, flow_id
        ROWS UNBOUNDED PRECEDING)
)
SELECT flow_id, app IS NULL AND first_app IS NOT NULL AS takes_app, first_app, first_service,
    best IS NOT NULL AND coalesce(rank > best_rank, true) AS takes_name, best, best_ts
FROM known WHERE goes_on AND (takes_app OR takes_name)"""

_CHANGED = f"""
    (takes_app AND (app IS DISTINCT FROM first_app OR app_source IS DISTINCT FROM '{INHERITED}')
    OR takes_name AND (hostname IS DISTINCT FROM best OR hostname_source IS DISTINCT FROM '{INHERITED}'))"""

_UPDATE = f"""
UPDATE {{flows}} AS f SET
    app = CASE WHEN takes_app THEN first_app ELSE app END,
    app_source = CASE WHEN takes_app THEN '{INHERITED}' ELSE app_source END,
    service = CASE WHEN takes_app THEN coalesce(first_service, service) ELSE service END,
    hostname = CASE WHEN takes_name THEN best ELSE hostname END,
    hostname_source = CASE WHEN takes_name THEN '{INHERITED}' ELSE hostname_source END,
    hostname_ts = CASE WHEN takes_name THEN best_ts ELSE hostname_ts END
FROM own_inherited v WHERE f.rowid >= $row AND f.flow_id = v.flow_id AND {_CHANGED}"""


def inherit(con: "DuckDBPyConnection", span: Span) -> int:
    """Let the flows of a span that continue earlier ones inherit application and name; returns how many changed."""
    row = span.first_row(span.flows)
    values = {"captures": list(span.captures), "row": row}
    if not run(con, _ANY.format(flows=span.flows), values):
        return 0
    changed = 0
    if run(con, _INHERITED.format(flows=span.flows), values)[0][0]:
        changed = int(run(con, _UPDATE.format(flows=span.flows), {"row": row})[0][0])
    drop(con, "own_inherited")
    return changed


def name_all(con: "DuckDBPyConnection", span: Span, expected: int = 0) -> int:
    """Name the flows of a span, and let those that continue others inherit; returns the number of changes."""
    return name_flows(con, span, expected) + inherit(con, span)


def _run(con: "DuckDBPyConnection", span: Span, _evidence: Evidence) -> Outcome:
    return Outcome(inherit(con, span))


CONTINUATIONS = Pass("continuations", _run, live=True)
