-- title: Process timeline
-- description: Activity of each process per interval of time: started flows, new addresses, traffic.
-- parameter: interval duration 1m Length of an interval
-- parameter: process text null Only processes whose name contains this
-- parameter: limit int 1000 Most rows
WITH owned AS (
    SELECT flow_id, process_id, process_name, pid, username, local_initiated, first_seen, remote_addr, hostname,
        row_number() OVER (PARTITION BY process_id, remote_addr ORDER BY first_seen, flow_id) = 1 AS new
    FROM connections
    WHERE process_id IS NOT NULL AND ($process IS NULL OR contains(lower(process_name), lower($process)))
), begun AS (
    SELECT process_id, epoch_ns(first_seen) // $interval AS slot, count(*) AS flows_begun,
        count(*) FILTER (new) AS new_addresses, list_sort(list_distinct(list(coalesce(hostname, remote_addr))
        FILTER (new)))[1:5] AS new_remotes
    FROM owned GROUP BY process_id, slot
), moved AS (
    SELECT process_id, epoch_ns(ts) // $interval AS slot, count(DISTINCT owned.flow_id) AS flows_active,
        count(*) AS packets, sum(length) FILTER (from_src = local_initiated)::BIGINT AS bytes_sent,
        sum(length) FILTER (from_src <> local_initiated)::BIGINT AS bytes_received
    FROM packets JOIN owned ON owned.flow_id = packets.flow_id GROUP BY process_id, slot
), people AS (
    SELECT process_id, any_value(process_name) AS process_name, any_value(pid) AS pid, any_value(username) AS username
    FROM owned GROUP BY process_id
)
SELECT make_timestamp_ns(slot * $interval) AS begins, process_name, pid, username,
    coalesce(flows_begun, 0) AS flows_begun, coalesce(flows_active, 0) AS flows_active,
    coalesce(new_addresses, 0) AS new_addresses, coalesce(new_remotes, []) AS new_remotes,
    coalesce(packets, 0) AS packets, coalesce(bytes_sent, 0) AS bytes_sent,
    coalesce(bytes_received, 0) AS bytes_received
FROM begun FULL JOIN moved USING (process_id, slot) JOIN people USING (process_id)
ORDER BY begins, process_name, pid, process_id
LIMIT $limit
