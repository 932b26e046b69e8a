"""The flows that no parser knew, as SQL: which packets of them a foreign dissector is shown, and what it answered."""

from typing import TYPE_CHECKING

import numpy as np

from rustnet.attribute.stage import run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_FLOWS = 20_000
"""Flows of a capture that are asked about, the largest first."""
PACKETS = 10
"""First packets of each that are shown: a dissector must see how a stream begins."""
MAX_BYTES = 64 << 20
"""Bytes of a capture that are shown."""

_UNKNOWN = """capture_id = $capture AND (app_source IS NULL OR app_source NOT IN ('payload', 'tshark'))
        AND protocol IN ('tcp', 'udp', 'sctp') AND (src_payload + dst_payload > 0 OR protocol = 'sctp')"""

_COUNT = f"SELECT count(*) FROM flows WHERE {_UNKNOWN}"  # noqa: S608 -- ours

_SHOWN = f"""
WITH chosen AS (
    SELECT flow_id, protocol, tunnel IS NOT NULL AS inside FROM flows WHERE {_UNKNOWN}
    ORDER BY src_bytes + dst_bytes DESC, flow_id LIMIT {MAX_FLOWS}
), first AS (
    SELECT p.number, p.flow_id, c.protocol, c.inside, p.captured
    FROM packets p JOIN chosen c ON c.flow_id = p.flow_id WHERE p.capture_id = $capture
    QUALIFY row_number() OVER (PARTITION BY p.flow_id ORDER BY p.number) <= {PACKETS}
)
SELECT number, flow_id, protocol, inside FROM first
QUALIFY sum(captured) OVER (ORDER BY number ROWS UNBOUNDED PRECEDING) <= {MAX_BYTES}
ORDER BY number"""  # noqa: S608 -- ours

_NAME = """
UPDATE flows_ended AS f SET app = v.app, app_source = 'tshark' FROM own_batch v
WHERE f.flow_id = v.flow_id AND (app_source IS NULL OR app_source <> 'payload')"""

Shown = tuple[int, int, str, bool]
"""Packet number, flow, its transport protocol, and whether it was carried in a tunnel."""


def unknown_flows(con: "DuckDBPyConnection", capture_id: int) -> int:
    """Count the flows of a capture that carry payload which no parser knew."""
    return int(run(con, _COUNT, {"capture": capture_id})[0][0])


def packets_to_show(con: "DuckDBPyConnection", capture_id: int) -> list[Shown]:
    """First packets of these flows, by number, within the bounds."""
    return [(n, f, p, i) for n, f, p, i in run(con, _SHOWN, {"capture": capture_id})]


def store_apps(con: "DuckDBPyConnection", apps: dict[int, str]) -> int:
    """Write the answers, flow to application, and return how many flows have a name by it."""
    if not apps:
        return 0
    flows = sorted(apps)
    names = np.fromiter((apps[flow] for flow in flows), object, len(flows))
    con.register("own_batch", {"flow_id": np.array(flows, np.int64), "app": names})
    try:
        return int(run(con, _NAME)[0][0])
    finally:
        con.unregister("own_batch")


def note(con: "DuckDBPyConnection", capture_id: int, detail: str, count: int) -> None:
    """Record in `anomalies` that flows were not asked about, or not answered for."""
    sql = "INSERT INTO anomalies (capture_id, kind, detail, count) VALUES (?, 'tshark_incomplete', ?, ?)"
    run(con, sql, [capture_id, detail[:500], count])
