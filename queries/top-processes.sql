-- title: Top processes
-- description: Processes by the bytes of the flows they own; the last row is the traffic without a known owner.
-- subject: processes
-- parameter: limit int 20 Most rows
WITH owned AS (
    SELECT process_name, pid, username, host, flows, contested_flows, remote_hosts, bytes_sent, bytes_received,
        bytes_sent + bytes_received AS bytes, first_seen, last_seen, false AS nobody
    FROM activity
    ORDER BY bytes DESC, process_id
    LIMIT $limit
), rest AS (
    SELECT '(unowned)' AS process_name, NULL AS pid, NULL AS username, NULL AS host, count(*) AS flows,
        count(*) FILTER (process_contested) AS contested_flows, count(DISTINCT remote_addr) AS remote_hosts,
        sum(bytes_sent)::BIGINT AS bytes_sent, sum(bytes_received)::BIGINT AS bytes_received,
        sum(bytes_sent + bytes_received)::BIGINT AS bytes, min(first_seen) AS first_seen,
        max(last_seen) AS last_seen, true AS nobody
    FROM connections
    WHERE process_id IS NULL
    HAVING count(*) > 0
)
SELECT * EXCLUDE (nobody)
FROM (SELECT * FROM owned UNION ALL SELECT * FROM rest)
ORDER BY nobody, bytes DESC, process_name, pid
