-- title: Endpoints
-- description: Addresses, or addresses with protocol and port, by bytes in both directions; of each the name by which most
-- description: of its bytes went to it.
-- parameter: ports bool no A row for each protocol and port of an address
-- parameter: limit int 50 Most rows
-- subject: hosts
WITH ends AS (
    SELECT src_ip AS ip, src_port AS port, protocol, dst_ip AS peer, 1 AS flows, 1 AS initiated, NULL AS hostname,
        src_packets AS packets_sent, dst_packets AS packets_received, src_bytes AS bytes_sent, dst_bytes AS bytes_received,
        started_at, ended_at
    FROM flows WHERE src_ip IS NOT NULL
    UNION ALL
    SELECT dst_ip, dst_port, protocol, src_ip, CASE WHEN dst_ip = src_ip AND (NOT $ports OR dst_port = src_port) THEN 0 ELSE 1 END,
        0, hostname, dst_packets, src_packets, dst_bytes, src_bytes, started_at, ended_at
    FROM flows WHERE dst_ip IS NOT NULL
)
SELECT ip, CASE WHEN $ports THEN protocol END AS protocol, CASE WHEN $ports THEN port END AS port,
    arg_max(hostname, bytes_sent + bytes_received) AS hostname, count(DISTINCT peer) AS peers, sum(flows)::BIGINT AS flows,
    sum(initiated)::BIGINT AS flows_initiated, sum(packets_sent + packets_received)::BIGINT AS packets,
    sum(bytes_sent + bytes_received)::BIGINT AS bytes, sum(packets_sent)::BIGINT AS packets_sent,
    sum(packets_received)::BIGINT AS packets_received, sum(bytes_sent)::BIGINT AS bytes_sent,
    sum(bytes_received)::BIGINT AS bytes_received, min(started_at) AS first_seen, max(ended_at) AS last_seen
FROM ends
GROUP BY ALL
ORDER BY bytes DESC, ip, protocol, port
LIMIT $limit
