-- title: Process timeline
-- description: Activity of each process per interval of time and remote name (or address), the most bytes first.
-- subject: processes
-- parameter: interval duration 1m Length of an interval
-- parameter: process text null Only processes whose name contains this
-- parameter: limit int 1000 Most rows
-- column: remote host Name of the remote end, or its address
-- column: new_addresses count Addresses that the process had not used before
-- column: flows_begun count
-- column: flows_active count
WITH owned AS (
    SELECT flow_id, process_id, process_name, pid, username, local_initiated, first_seen,
        coalesce(hostname, remote_addr) AS remote,
        row_number() OVER (PARTITION BY process_id, remote_addr ORDER BY first_seen, flow_id) = 1 AS new_address,
        row_number() OVER (PARTITION BY process_id, remote ORDER BY first_seen, flow_id) = 1 AS new
    FROM connections
    WHERE process_id IS NOT NULL AND ($process IS NULL OR contains(lower(process_name), lower($process)))
), begun AS (
    SELECT process_id, process_name, pid, username, remote, epoch_ns(first_seen) // $interval AS slot,
        count(*) AS flows_begun, count(*) FILTER (new_address) AS new_addresses, bool_or(new) AS new
    FROM owned GROUP BY ALL
), moved AS (
    SELECT process_id, process_name, pid, username, remote, epoch_ns(ts) // $interval AS slot,
        count(DISTINCT owned.flow_id) AS flows_active, count(*) AS packets,
        sum(length) FILTER (from_src = local_initiated)::BIGINT AS bytes_sent,
        sum(length) FILTER (from_src <> local_initiated)::BIGINT AS bytes_received, sum(length)::BIGINT AS bytes
    FROM packets JOIN owned ON owned.flow_id = packets.flow_id GROUP BY ALL
), both_sides AS (
    SELECT process_id, process_name, pid, username, remote, slot, flows_begun, new_addresses, new, 0 AS flows_active,
        0 AS packets, 0 AS bytes_sent, 0 AS bytes_received, 0 AS bytes
    FROM begun
    UNION ALL
    SELECT process_id, process_name, pid, username, remote, slot, 0, 0, false, flows_active, packets, bytes_sent,
        bytes_received, bytes
    FROM moved
)
SELECT make_timestamp_ns(slot * $interval) AS begins, process_name, pid, username, remote, bool_or(new) AS new,
    sum(new_addresses)::BIGINT AS new_addresses, sum(flows_begun)::BIGINT AS flows_begun,
    sum(flows_active)::BIGINT AS flows_active, sum(packets)::BIGINT AS packets,
    coalesce(sum(bytes_sent), 0)::BIGINT AS bytes_sent, coalesce(sum(bytes_received), 0)::BIGINT AS bytes_received,
    sum(bytes)::BIGINT AS bytes
FROM both_sides
GROUP BY slot, process_id, process_name, pid, username, remote
ORDER BY begins, process_name, pid, process_id, bytes DESC, remote NULLS LAST
LIMIT $limit
