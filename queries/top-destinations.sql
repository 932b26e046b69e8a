-- title: Top destinations
-- description: Responders by address, port and name, by bytes in both directions.
-- parameter: limit int 20 Most rows
SELECT dst_ip, dst_port, protocol, any_value(hostname ORDER BY started_at) AS hostname, any_value(app) AS app,
    count(*) AS flows, count(DISTINCT src_ip) AS sources,
    sum(src_bytes)::BIGINT AS bytes_sent, sum(dst_bytes)::BIGINT AS bytes_received,
    sum(src_bytes + dst_bytes)::BIGINT AS bytes, min(started_at) AS first_seen, max(ended_at) AS last_seen
FROM flows
WHERE dst_ip IS NOT NULL
GROUP BY dst_ip, dst_port, protocol
ORDER BY bytes DESC, dst_ip, dst_port
LIMIT $limit
