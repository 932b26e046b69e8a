-- title: Unowned flows
-- description: Flows without a process: the reason, the processes of the nearest claims, and their distance in time.
-- subject: processes
-- column: reason word
-- column: why word The reason in words
-- column: busiest host Remote end with the most bytes: its name or address
-- column: claimed_by software Processes of the nearest claims
WITH named AS (
    SELECT claims.flow_id, min(distance_ms) AS nearest_ms, list(DISTINCT processes.name) AS names
    FROM claims JOIN processes ON processes.process_id = claims.process_id
    JOIN flows ON flows.flow_id = claims.flow_id AND flows.process_id IS NULL
    GROUP BY claims.flow_id
), remotes AS (
    SELECT unowned_reason, protocol, coalesce(hostname, dst_ip) AS remote, sum(src_bytes + dst_bytes)::BIGINT AS bytes,
        row_number() OVER (PARTITION BY unowned_reason, protocol
            ORDER BY sum(src_bytes + dst_bytes) DESC, coalesce(hostname, dst_ip)) AS place,
        count(*) OVER (PARTITION BY unowned_reason, protocol) AS remotes
    FROM flows WHERE process_id IS NULL
    GROUP BY unowned_reason, protocol, coalesce(hostname, dst_ip)
)
SELECT coalesce(flows.unowned_reason, 'no reason recorded') AS reason,
    CASE flows.unowned_reason
        WHEN 'not_attributable' THEN 'kernels and switches speak this protocol, not processes'
        WHEN 'contested' THEN 'two processes have equally good claims'
        WHEN 'pid_reused' THEN 'the processes named began after the flow had ended'
        WHEN 'ownerless' THEN 'a source saw it and knew no process'
        WHEN 'outside_window' THEN 'its ends are named, but not at its time'
        WHEN 'no_claim' THEN 'sources were read, none names its ends'
        WHEN 'no_sidecar' THEN 'no source of ownership was read'
        ELSE 'it was not judged' END AS why,
    flows.protocol, count(*) AS flows, sum(src_bytes + dst_bytes)::BIGINT AS bytes, busiest.remote AS busiest,
    busiest.bytes AS busiest_bytes, busiest.remotes - 1 AS further_remotes, median(nearest_ms) AS off_by_ms,
    list_sort(list_distinct(flatten(list(names) FILTER (names IS NOT NULL))))[1:5] AS claimed_by,
    greatest(len(list_distinct(flatten(list(names) FILTER (names IS NOT NULL)))) - 5, 0) AS further_claimants,
    min(started_at) AS first_seen, max(ended_at) AS last_seen, min(flows.flow_id) AS example_flow
FROM flows LEFT JOIN named ON named.flow_id = flows.flow_id
JOIN (SELECT * FROM remotes WHERE place = 1) AS busiest
    ON busiest.unowned_reason IS NOT DISTINCT FROM flows.unowned_reason AND busiest.protocol = flows.protocol
WHERE process_id IS NULL
GROUP BY flows.unowned_reason, flows.protocol, busiest.remote, busiest.bytes, busiest.remotes
ORDER BY flows DESC, reason, flows.protocol
