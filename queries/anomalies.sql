-- title: Anomalies
-- description: Everything malformed, cut off, ambiguous or dropped, by kind, with an example of each.
SELECT kind, sum(count)::BIGINT AS times, count(DISTINCT flow_id) AS flows, count(DISTINCT capture_id) AS captures,
    any_value(detail) AS example, min(packet) AS first_packet, min(flow_id) AS example_flow, min(ts) AS first_seen,
    max(ts) AS last_seen
FROM anomalies
GROUP BY kind
ORDER BY times DESC, kind
