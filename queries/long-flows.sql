-- title: Long flows
-- description: Flows by how long they lasted.
-- subject: overview
-- parameter: least duration 1m Shortest that counts
-- parameter: limit int 100 Most rows
SELECT flow_id, started_at, (epoch_ns(ended_at) - epoch_ns(started_at)) / 1000000.0 AS duration_ms, protocol, src_ip,
    src_port, dst_ip, dst_port, hostname, app, state, end_reason, src_packets + dst_packets AS packets,
    src_bytes + dst_bytes AS bytes
FROM flows
WHERE epoch_ns(ended_at) - epoch_ns(started_at) >= $least
ORDER BY duration_ms DESC, flow_id
LIMIT $limit
