-- title: Receivers that stopped the sender
-- description: TCP connections in which an end announced a window of zero: its program did not take the data fast enough.
-- subject: quality
-- parameter: limit int 100 Most rows
-- column: src_zero_windows count The initiator's
-- column: dst_zero_windows count The responder's
-- column: zero_windows count
SELECT flow_id, flows.started_at, (epoch_ns(ended_at) - epoch_ns(flows.started_at)) / 1e6 AS duration_ms, src_ip, src_port, dst_ip, dst_port,
    hostname, app, src_zero_windows + dst_zero_windows AS zero_windows, src_zero_windows, dst_zero_windows, src_payload,
    dst_payload, rtt_ms, processes.name AS process_name
FROM flows LEFT JOIN processes ON processes.process_id = flows.process_id
WHERE src_zero_windows + dst_zero_windows > 0
ORDER BY zero_windows DESC, flow_id
LIMIT $limit
