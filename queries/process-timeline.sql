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
WITH begun AS (
    SELECT flow_id, process_id, process_name, pid, username, local_initiated, first_seen, remote_addr,
        coalesce(hostname, remote_addr) AS remote, epoch_ns(first_seen) // $interval AS slot
    FROM connections
    WHERE process_id IS NOT NULL AND ($process IS NULL OR contains(lower(process_name), lower($process)))
), counted AS ( -- an interval has at least as many rows as processes that begin flows in it
    SELECT slot, sum(count(DISTINCT process_id)) OVER (ORDER BY slot) AS rows_so_far FROM begun GROUP BY slot
), horizon AS ( -- the last interval that is shown
    SELECT coalesce(min(slot) FILTER (rows_so_far >= $limit), max(9223372036854775807)) AS last_slot FROM counted
), owned AS (
    SELECT begun.* FROM begun, horizon WHERE slot <= last_slot
), first_flows AS ( -- of a process to an address, and to a remote name
    SELECT min(struct_pack(first_seen, flow_id)).flow_id AS flow_id, true AS new_address
    FROM owned GROUP BY process_id, remote_addr
    UNION ALL
    SELECT min(struct_pack(first_seen, flow_id)).flow_id, false FROM owned GROUP BY process_id, remote
), novel AS (
    SELECT flow_id, bool_or(new_address) AS new_address, bool_or(NOT new_address) AS new FROM first_flows GROUP BY flow_id
), both_sides AS (
    SELECT flow_id, slot, 1 AS begun, 0 AS active, 0 AS packets, 0 AS bytes, 0 AS src_bytes FROM owned
    UNION ALL
    SELECT flow_id, epoch_ns(ts) // $interval AS slot, 0, 1, count(*), sum(length)::BIGINT,
        coalesce(sum(length) FILTER (from_src), 0)::BIGINT
    FROM packets, horizon
    WHERE epoch_ns(ts) // $interval <= last_slot
    GROUP BY flow_id, epoch_ns(ts) // $interval
)
SELECT make_timestamp_ns(both_sides.slot * $interval) AS begins, process_name, pid, username, remote,
    coalesce(bool_or(new AND begun = 1), false) AS new, count(*) FILTER (new_address AND begun = 1) AS new_addresses,
    sum(begun)::BIGINT AS flows_begun, sum(active)::BIGINT AS flows_active, sum(packets)::BIGINT AS packets,
    sum(CASE WHEN local_initiated THEN src_bytes ELSE bytes - src_bytes END)::BIGINT AS bytes_sent,
    sum(CASE WHEN local_initiated THEN bytes - src_bytes ELSE src_bytes END)::BIGINT AS bytes_received,
    sum(bytes)::BIGINT AS bytes
FROM both_sides
JOIN owned ON owned.flow_id = both_sides.flow_id
LEFT JOIN novel ON novel.flow_id = both_sides.flow_id
GROUP BY both_sides.slot, process_id, process_name, pid, username, remote
ORDER BY begins, process_name, pid, process_id, bytes DESC, remote NULLS LAST
LIMIT $limit
