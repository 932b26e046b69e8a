-- title: Anomalies
-- description: Everything malformed, cut off, ambiguous or dropped, by kind, with the first example of each.
-- subject: capture
-- column: example free_text Detail of the first one
-- column: details count Different details
WITH ordered AS (
    SELECT *, row_number() OVER (PARTITION BY kind ORDER BY capture_id, packet NULLS LAST, ts, detail) AS place
    FROM anomalies
)
SELECT kind, sum(count)::BIGINT AS times, count(DISTINCT flow_id) AS flows, count(DISTINCT capture_id) AS captures,
    max(detail) FILTER (place = 1) AS example, count(DISTINCT detail) AS details, min(packet) AS first_packet,
    min(flow_id) AS example_flow, min(ts) AS first_seen, max(ts) AS last_seen
FROM ordered
GROUP BY kind
ORDER BY times DESC, kind
