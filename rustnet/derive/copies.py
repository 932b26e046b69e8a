"""Pass ``copies``: packets of a capture that another capture of the same time has as well.

Within a capture the engine recognises copies (`rustnet.engine.copies`). Files of one time that were read as captures of
their own, such as one link in two files, are compared here: by conversation, sender, size, payload and flags, in order.
The packets of the capture with the higher number are the copies.
"""

from typing import TYPE_CHECKING

from rustnet.attribute.stage import drop, run
from rustnet.derive.passes import Evidence, Outcome, Pass, Span

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_PACKETS = 5_000_000
"""Packets that are compared at most: beyond them only the summary states that captures have conversations in common."""

NEAR = 1_000_000_000
"""Nanoseconds that a packet and its copy are apart at most: the captures may have clocks of their own."""

_SHARED = """
CREATE OR REPLACE TEMP TABLE own_shared AS
WITH spans AS (SELECT capture_id, first_ts, last_ts FROM captures WHERE first_ts IS NOT NULL),
seen AS (SELECT DISTINCT community_id, capture_id FROM flows WHERE community_id IS NOT NULL),
shared AS (SELECT community_id, min(capture_id) AS first FROM seen GROUP BY community_id HAVING count(*) > 1)
SELECT flows.flow_id, flows.capture_id, flows.community_id, shared.first, flows.capture_id = shared.first AS original,
    flows.src_packets + flows.dst_packets AS packets, src_num, src_port
FROM flows JOIN shared USING (community_id)
JOIN spans AS own ON own.capture_id = flows.capture_id JOIN spans AS other ON other.capture_id = shared.first
WHERE own.first_ts <= other.last_ts AND other.first_ts <= own.last_ts AND (
    flows.capture_id = shared.first OR flows.capture_id IN (SELECT unnest($captures)))"""

_COPIES = f"""
CREATE OR REPLACE TEMP TABLE own_copies AS
WITH numbered AS (
    SELECT p.capture_id, p.number, s.flow_id, s.community_id, s.original, p.ts, p.length, p.payload, p.tcp_flags,
        CASE WHEN p.from_src THEN s.src_num END IS NOT DISTINCT FROM first_end.num
            AND CASE WHEN p.from_src THEN s.src_port END IS NOT DISTINCT FROM first_end.port AS from_first,
        row_number() OVER (PARTITION BY p.capture_id, s.community_id, from_first, p.length, p.payload, p.tcp_flags
            ORDER BY p.number) AS nth
    FROM packets AS p JOIN own_shared AS s ON s.flow_id = p.flow_id
    JOIN (SELECT community_id, arg_min(src_num, flow_id) AS num, arg_min(src_port, flow_id) AS port
        FROM own_shared WHERE original GROUP BY community_id) AS first_end ON first_end.community_id = s.community_id
)
SELECT c.capture_id, c.number, c.flow_id FROM numbered AS c JOIN numbered AS o
    ON o.original AND NOT c.original AND o.community_id = c.community_id AND o.from_first = c.from_first
    AND o.length = c.length AND o.payload = c.payload AND o.tcp_flags = c.tcp_flags AND o.nth = c.nth
WHERE abs(epoch_ns(c.ts) - epoch_ns(o.ts)) <= {NEAR}"""  # noqa: S608 -- ours

_MARK = """
UPDATE packets SET duplicate = true FROM own_copies AS c
    WHERE packets.capture_id = c.capture_id AND packets.number = c.number;
UPDATE flows_ended SET duplicates = greatest(duplicates, c.n)
    FROM (SELECT flow_id, count(*)::INTEGER AS n FROM own_copies GROUP BY flow_id) AS c
    WHERE flows_ended.flow_id = c.flow_id;
UPDATE captures SET duplicates = greatest(duplicates, c.n)
    FROM (SELECT capture_id, count(*) AS n FROM own_copies GROUP BY capture_id) AS c
    WHERE captures.capture_id = c.capture_id"""


def mark_copies(con: "DuckDBPyConnection", span: Span) -> int:
    """Mark the packets of the span's captures that an earlier capture has as well; returns their number."""
    if run(con, "SELECT count(*) FROM captures")[0][0] < 2:
        return 0
    run(con, _SHARED, {"captures": list(span.captures)})
    ((packets, copied),) = run(con, "SELECT coalesce(sum(packets), 0), count(*) FILTER (NOT original) FROM own_shared")
    count = 0
    if copied and packets <= MAX_PACKETS:
        run(con, _COPIES)
        ((count,),) = run(con, "SELECT count(*) FROM own_copies")
        if count:
            run(con, _MARK)
        drop(con, "own_copies")
    drop(con, "own_shared")
    return int(count)


def _run(con: "DuckDBPyConnection", span: Span, _evidence: Evidence) -> Outcome:
    return Outcome(changed=mark_copies(con, span))


COPIES = Pass("copies", _run)
