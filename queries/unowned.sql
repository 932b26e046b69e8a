-- title: Unowned flows
-- description: Flows without a process: the reason, the processes of the nearest claims, and their distance in time.
WITH named AS (
    SELECT claims.flow_id, min(distance_ms) AS nearest_ms, list(DISTINCT processes.name) AS names
    FROM claims JOIN processes ON processes.process_id = claims.process_id
    JOIN flows ON flows.flow_id = claims.flow_id AND flows.process_id IS NULL
    GROUP BY claims.flow_id
)
SELECT coalesce(unowned_reason, 'no reason recorded') AS reason,
    CASE unowned_reason
        WHEN 'not_attributable' THEN 'kernels and switches speak this protocol, not processes'
        WHEN 'contested' THEN 'two processes have equally good claims'
        WHEN 'pid_reused' THEN 'the processes named began after the flow had ended'
        WHEN 'ownerless' THEN 'a source saw it and knew no process'
        WHEN 'outside_window' THEN 'its ends are named, but not at its time'
        WHEN 'no_claim' THEN 'sources were read, none names its ends'
        WHEN 'no_sidecar' THEN 'no source of ownership was read'
        ELSE 'it was not judged' END AS why,
    protocol, count(*) AS flows, sum(src_bytes + dst_bytes)::BIGINT AS bytes,
    arg_max(coalesce(hostname, dst_ip), src_bytes + dst_bytes) AS busiest, median(nearest_ms) AS off_by_ms,
    list_sort(list_distinct(flatten(list(names) FILTER (names IS NOT NULL))))[1:5] AS claimed_by,
    min(started_at) AS first_seen, max(ended_at) AS last_seen, min(flows.flow_id) AS example_flow
FROM flows LEFT JOIN named ON named.flow_id = flows.flow_id
WHERE process_id IS NULL
GROUP BY unowned_reason, protocol
ORDER BY flows DESC, reason, protocol
