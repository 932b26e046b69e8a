-- title: Unanswered
-- description: Addresses that never answered, in any protocol, except multicast and broadcast.
-- parameter: limit int 100 Most rows
SELECT protocol, dst_ip, dst_port, any_value(hostname) AS hostname, any_value(app) AS app, count(*) AS flows,
    count(DISTINCT src_ip) AS sources, any_value(src_ip) AS example_source, sum(src_packets)::BIGINT AS packets,
    sum(src_bytes)::BIGINT AS bytes, min(started_at) AS first_seen, max(ended_at) AS last_seen,
    min(flow_id) AS example_flow
FROM flows
WHERE dst_packets = 0 AND dst_ip IS NOT NULL AND coalesce(direction, '') NOT IN ('multicast', 'broadcast')
GROUP BY protocol, dst_ip, dst_port
ORDER BY packets DESC, protocol, dst_ip, dst_port
LIMIT $limit
