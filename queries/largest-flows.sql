-- title: Largest flows
-- description: Flows by the bytes of both directions.
-- subject: overview
-- parameter: limit int 100 Most rows
SELECT flow_id, flows.started_at, (epoch_ns(ended_at) - epoch_ns(flows.started_at)) / 1e6 AS duration_ms, flows.protocol, src_ip, src_port,
    dst_ip, dst_port, hostname, app, src_packets + dst_packets AS packets, src_bytes, dst_bytes,
    src_bytes + dst_bytes AS bytes, processes.name AS process_name
FROM flows LEFT JOIN processes ON processes.process_id = flows.process_id
ORDER BY bytes DESC, flow_id
LIMIT $limit
