-- title: Contested flows
-- description: Every claim on the flows whose claims disagree; the winner, if there is one, is marked.
-- subject: processes
-- parameter: limit int 200 Most rows
-- column: source word What made the claim
SELECT flows.flow_id, flows.src_ip, flows.src_port, flows.dst_ip, flows.dst_port, processes.host,
    processes.name AS process_name, processes.pid, processes.started_at, processes.username,
    coalesce(claims.process_id = flows.process_id, false) AS wins, claims.source, claims.quality, claims.match,
    claims.rank, claims.distance_ms, claims.window_start, claims.window_end, claims.evidence
FROM flows
JOIN claims ON claims.flow_id = flows.flow_id
LEFT JOIN processes ON processes.process_id = claims.process_id
WHERE flows.process_contested
ORDER BY flows.flow_id, wins DESC, claims.rank, claims.distance_ms, processes.pid
LIMIT $limit
