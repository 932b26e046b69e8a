-- title: Activity of a host
-- description: What one address did and what others did with it: a row for each remote end, name, port and direction, in
-- description: order of time.
-- subject: hosts
-- parameter: host address null The address; by default the one with the most bytes
-- parameter: limit int 500 Most rows
-- column: host address
-- column: initiated boolean The host began it
-- column: peer address The other end
-- column: process_names software
WITH chosen AS (
    SELECT coalesce($host, (SELECT ip FROM talkers ORDER BY bytes_sent + bytes_received DESC, ip LIMIT 1)) AS host
), activity_of AS (
    SELECT chosen.host, true AS initiated, dst_ip AS peer, src_bytes AS bytes_sent, dst_bytes AS bytes_received, flows.*
    FROM chosen JOIN flows ON src_ip = chosen.host
    UNION ALL
    SELECT chosen.host, false, src_ip, dst_bytes, src_bytes, flows.* FROM chosen JOIN flows ON dst_ip = chosen.host
    WHERE src_ip <> dst_ip
)
SELECT a.host, initiated, peer, a.protocol, dst_port AS port, CASE WHEN initiated THEN hostname END AS hostname,
    list_sort(list_distinct(list(app) FILTER (app IS NOT NULL)))[1:5] AS apps,
    greatest(count(DISTINCT app) - 5, 0) AS further_apps,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT processes.name) - 5, 0) AS further_process_names, count(*) AS flows,
    sum(bytes_sent)::BIGINT AS bytes_sent, sum(bytes_received)::BIGINT AS bytes_received, min(a.started_at) AS first_seen,
    max(ended_at) AS last_seen, min(flow_id) AS example_flow
FROM activity_of AS a LEFT JOIN processes ON processes.process_id = a.process_id
GROUP BY a.host, initiated, peer, a.protocol, port, CASE WHEN initiated THEN hostname END
ORDER BY first_seen, initiated DESC, peer, a.protocol, port, hostname NULLS LAST
LIMIT $limit
