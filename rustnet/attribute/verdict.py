"""Apply the policy to a capture's claims and update `flows.process_id` and its companion columns."""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from typing import TYPE_CHECKING

from rustnet.attribute.processes import SAME_START_NS
from rustnet.attribute.stage import run
from rustnet.attribute.values import MAX_TIME
from rustnet.policy.ownership import KERNEL_ICMP, NOT_ATTRIBUTABLE
from rustnet.store.tables import FLOWS_ENDED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# All claims of the capture take part, also those of earlier runs; claims with a reused pid come last. A process's start
# time is from the same clock as its claim, so the claim's clock correction applies to it.
_ELIGIBLE = f"""
CREATE OR REPLACE TEMP TABLE own_eligible AS
WITH timed AS (
    SELECT c.flow_id, c.rowid AS claim, c.process_id, c.rank, c.distance_ms, c.observed_at, f.fs, f.fe,
        coalesce(c.reversed, false) AS reversed,
        coalesce(epoch_ns(p.started_at) + coalesce(c.offset_ms, 0) * 1000000 > f.fe + $slack_ms * 1000000, false)
            AS reused,
        coalesce(epoch_ns(c.window_start), {-MAX_TIME}) AS ws, coalesce(epoch_ns(c.window_end), {MAX_TIME}) AS we
    FROM {{claims}} c JOIN own_flow f ON f.flow_id = c.flow_id LEFT JOIN processes p ON p.process_id = c.process_id
    WHERE c.distance_ms <= $slack_ms
), measured AS (
    SELECT * EXCLUDE (fs, fe), greatest(0, least(we, fe) - greatest(ws, fs)) AS overlap FROM timed
)
SELECT *, row_number() OVER (PARTITION BY flow_id
    ORDER BY reused, rank, distance_ms > 0, reversed, overlap DESC, distance_ms, observed_at DESC NULLS LAST, process_id
) AS position
FROM measured"""

_SEVERAL = "SELECT 1 FROM own_eligible WHERE position > 1 AND NOT reused LIMIT 1"

_SIMULTANEOUS_NS = 1_000_000_000
"""Observations this close count as simultaneous: a source writes the holders of one socket one after another."""

# Two rows of `processes` are the same process if the pids are equal and the start times do not differ.
_RIVALS = f"""
CREATE OR REPLACE TEMP TABLE own_rival AS
SELECT w.flow_id, bool_or(r.rank = w.rank AND r.overlap = w.overlap AND r.distance_ms = w.distance_ms
    AND coalesce(abs(epoch_ns(r.observed_at) - epoch_ns(w.observed_at)) <= {_SIMULTANEOUS_NS},
        r.observed_at IS NOT DISTINCT FROM w.observed_at)) AS tied
FROM own_eligible w
JOIN own_eligible r ON r.flow_id = w.flow_id AND r.rank // 10 = w.rank // 10 AND r.process_id <> w.process_id
    AND r.reversed = w.reversed
JOIN processes p ON p.process_id = w.process_id
JOIN processes q ON q.process_id = r.process_id
WHERE w.position = 1 AND r.position > 1 AND NOT w.reused AND NOT r.reused
    AND (least(r.we, w.we) > greatest(r.ws, w.ws)
        OR (least(r.we, w.we) = greatest(r.ws, w.ws) AND (r.ws = r.we OR w.ws = w.we)))
    AND NOT (
        (p.host IS NULL OR q.host IS NULL OR p.host = q.host)
        AND CASE WHEN p.pid IS NULL OR q.pid IS NULL THEN p.name IS NOT DISTINCT FROM q.name
            ELSE p.pid = q.pid AND (p.started_at IS NULL OR q.started_at IS NULL
                OR abs(epoch_ns(p.started_at) - epoch_ns(q.started_at)) <= {SAME_START_NS}) END)
GROUP BY w.flow_id"""

_NO_RIVALS = "CREATE OR REPLACE TEMP TABLE own_rival (flow_id BIGINT, tied BOOLEAN)"

_NOT_ATTRIBUTABLE = ", ".join(f"'{name}'" for name in NOT_ATTRIBUTABLE)

_KERNEL_ICMP = " OR ".join(
    f"(old.protocol = '{name}' AND old.icmp_type IN ({', '.join(map(str, types))}))"
    for name, types in KERNEL_ICMP.items()
)

# A reason from an earlier run is kept unless this run has a better one.
_VERDICT = f"""
CREATE OR REPLACE TEMP TABLE own_verdict AS
SELECT f.flow_id,
    CASE WHEN NOT coalesce(r.tied, false) THEN w.process_id END AS process_id,
    CASE WHEN NOT coalesce(r.tied, false) THEN w.source END AS source,
    CASE WHEN w.flow_id IS NOT NULL THEN r.flow_id IS NOT NULL END AS contested,
    CASE
        WHEN r.tied THEN 'contested'
        WHEN w.flow_id IS NOT NULL THEN NULL
        WHEN f.protocol IN ({_NOT_ATTRIBUTABLE}) OR {_KERNEL_ICMP} THEN 'not_attributable'
        WHEN f.flow_id IN (SELECT flow_id FROM own_eligible WHERE reused) THEN 'pid_reused'
        WHEN e.ownerless OR old.unowned_reason = 'ownerless' THEN 'ownerless'
        WHEN e.flow_id IS NOT NULL OR old.unowned_reason = 'outside_window' THEN 'outside_window'
        WHEN $has_sources OR old.unowned_reason = 'no_claim' THEN 'no_claim'
        ELSE 'no_sidecar' END AS reason
FROM own_flow f JOIN {{flows}} old ON old.flow_id = f.flow_id AND old.capture_id = $capture
LEFT JOIN (
    SELECT e.flow_id, e.process_id, c.source FROM own_eligible e JOIN {{claims}} c ON c.rowid = e.claim
    WHERE e.position = 1 AND NOT e.reused
) w ON w.flow_id = f.flow_id
LEFT JOIN own_rival r ON r.flow_id = f.flow_id
LEFT JOIN (
    SELECT flow_id, bool_or(process_id IS NULL AND distance <= $slack) AS ownerless FROM own_candidate GROUP BY flow_id
) e ON e.flow_id = f.flow_id"""

_UPDATE = """
UPDATE {flows} AS f SET process_id = v.process_id, process_source = v.source, process_contested = v.contested,
    unowned_reason = v.reason
FROM own_verdict v
WHERE f.capture_id = ? AND f.flow_id = v.flow_id
    AND (f.process_id IS DISTINCT FROM v.process_id OR f.process_source IS DISTINCT FROM v.source
        OR f.process_contested IS DISTINCT FROM v.contested OR f.unowned_reason IS DISTINCT FROM v.reason)"""


def apply_policy(
    con: "DuckDBPyConnection", capture_id: int, slack_ns: int, has_sources: bool, flows: str = FLOWS_ENDED
) -> int:
    """Write the verdict into the capture's flows and return the number of changed flows.

    ``has_sources``: a source of ownership was read; ``flows`` is the table of flows. Requires ``own_flow`` and
    ``own_candidate`` of `store_claims`.
    """
    judge(con, capture_id, slack_ns, has_sources, flows)
    return int(run(con, _UPDATE.format(flows=flows), [capture_id])[0][0])


def judge(
    con: "DuckDBPyConnection", capture_id: int, slack_ns: int, has_sources: bool, flows: str, claims: str = "claims"
) -> None:
    """Fill ``own_verdict`` by the policy, from the rows of table ``claims``; see `apply_policy`."""
    run(con, _ELIGIBLE.format(claims=claims), {"slack_ms": slack_ns / 1e6})
    run(con, _RIVALS if run(con, _SEVERAL) else _NO_RIVALS)
    given = {"has_sources": has_sources, "capture": capture_id, "slack": slack_ns}
    run(con, _VERDICT.format(flows=flows, claims=claims), given)
