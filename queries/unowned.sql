-- title: Unowned flows
-- description: Flows without a process, by the reason why, with the busiest destination of each reason.
SELECT coalesce(unowned_reason, 'no reason recorded') AS reason, protocol, count(*) AS flows,
    sum(src_bytes + dst_bytes)::BIGINT AS bytes,
    arg_max(coalesce(hostname, dst_ip), src_bytes + dst_bytes) AS busiest, min(started_at) AS first_seen,
    max(ended_at) AS last_seen, min(flow_id) AS example_flow
FROM flows
WHERE process_id IS NULL
GROUP BY reason, protocol
ORDER BY flows DESC, reason, protocol
