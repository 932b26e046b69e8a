-- title: Conversations
-- description: Pairs of addresses in either direction, by bytes.
-- subject: overview
-- parameter: limit int 50 Most rows
-- column: a address The lower address
-- column: b address The higher address
WITH pairs AS (
    SELECT *, least(src_ip, dst_ip) AS a, greatest(src_ip, dst_ip) AS b, src_ip <= dst_ip AS from_a
    FROM flows WHERE src_ip IS NOT NULL AND dst_ip IS NOT NULL
), busiest AS ( -- the rows that are shown: what is costly is worked out for these alone
    SELECT a, b, sum(src_bytes + dst_bytes)::BIGINT AS bytes FROM pairs
    GROUP BY a, b
    ORDER BY bytes DESC, a, b
    LIMIT $limit
)
SELECT a, b, count(*) AS flows, sum(CASE WHEN from_a THEN src_bytes ELSE dst_bytes END)::BIGINT AS a_to_b_bytes,
    sum(CASE WHEN from_a THEN dst_bytes ELSE src_bytes END)::BIGINT AS b_to_a_bytes,
    sum(src_bytes + dst_bytes)::BIGINT AS bytes, sum(src_packets + dst_packets)::BIGINT AS packets,
    list_sort(list_distinct(list(coalesce(app, protocol))))[1:8] AS apps,
    greatest(count(DISTINCT coalesce(app, protocol)) - 8, 0) AS further_apps,
    min(started_at) AS first_seen, max(ended_at) AS last_seen
FROM busiest JOIN pairs USING (a, b)
GROUP BY a, b
ORDER BY bytes DESC, a, b
