"""Why observations of a source match no flow: compares those of sources without any claim with the capture's flows.

Readers count the records that cannot match any flow, and so yield no observation, in `Faults.skipped`.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from collections import Counter
from typing import TYPE_CHECKING

from rustnet.attribute.reasons import NO_PROCESS, OTHER_ENDS, OTHER_TIME
from rustnet.attribute.stage import run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CLAIMED = """
SELECT s.origin, bool_or(c.distance <= $slack) AS timely
FROM own_candidate c JOIN own_observation s ON s.seq = c.seq WHERE c.process_id IS NOT NULL GROUP BY s.origin
UNION ALL
SELECT DISTINCT origin, true FROM own_observation WHERE packet IS NOT NULL OR alias IS NOT NULL"""
"""Origins with a claim, and whether one is valid at its flow's time. Statements on packets and names of connections are
no statements on ends."""

_REASONS = f"""
WITH span AS (SELECT min(fs) - $slack AS first, max(fe) + $slack AS last FROM own_flow)
SELECT origin, CASE WHEN fact IS NULL THEN $process WHEN we < first OR ws > last THEN $time ELSE $ends END AS reason,
    count(DISTINCT (position, local, local_port, remote, remote_port, ws)) AS records
FROM own_observation, span WHERE origin NOT IN (SELECT origin FROM ({_CLAIMED}) WHERE timely)
GROUP BY origin, reason"""


def unmatched(con: "DuckDBPyConnection", slack_ns: int) -> dict[int, Counter[str]]:
    """Reasons by the number of each staged origin without a claim at its flow's time."""
    reasons: dict[int, Counter[str]] = {}
    names = {"process": NO_PROCESS, "time": OTHER_TIME, "ends": OTHER_ENDS}
    for origin, reason, records in run(con, _REASONS, {"slack": slack_ns, **names}):
        reasons.setdefault(origin, Counter())[reason] += records
    return reasons


def claimed(con: "DuckDBPyConnection", slack_ns: int) -> dict[int, bool]:
    """Staged origins with a claim by number, and whether one is valid at its flow's time."""
    origins: dict[int, bool] = {}
    for origin, timely in run(con, _CLAIMED, {"slack": slack_ns}):
        origins[origin] = origins.get(origin, False) or timely
    return origins
