-- title: Slow handshakes
-- description: TCP connections that took long to open, slowest first.
-- parameter: least duration 200ms Shortest time that counts
-- parameter: limit int 100 Most rows
SELECT flow_id, started_at, src_ip, dst_ip, dst_port, hostname, app, handshake_rtt_ms, min_rtt_ms, rtt_ms,
    src_retransmissions + dst_retransmissions AS retransmissions
FROM flows
WHERE handshake_rtt_ms * 1000000 >= $least
ORDER BY handshake_rtt_ms DESC, flow_id
LIMIT $limit
