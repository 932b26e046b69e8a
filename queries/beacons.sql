-- title: Connections at regular intervals
-- description: Conversations that one host begins with one destination again and again, at intervals that differ little.
-- description: Clocks, updates, monitoring and mail programs do that as well. Jitter is the median deviation from the median
-- description: interval, as a part of it; intervals of several runs of a program may mix.
-- subject: security
-- parameter: least int 6 Fewest connections
-- parameter: jitter float 0.2 Largest jitter
-- parameter: shortest duration 1s Shortest median interval
-- parameter: limit int 200 Most rows
-- column: destination host Name of the destination, or its address
-- column: interval_ms duration Median interval
-- column: jitter ratio
-- column: shortest_ms duration Shortest interval
-- column: longest_ms duration Longest interval
-- column: median_sent bytes Median of the bytes that a connection sent
-- column: median_received bytes
-- column: size_jitter ratio The same measure of the bytes sent
-- column: process_names software
WITH begun AS (
    SELECT src_ip, coalesce(hostname, dst_ip) AS destination, dst_port, protocol, epoch_ns(started_at) AS begin_ns,
        src_bytes, dst_bytes, ended_at, flow_id, app, process_id
    FROM flows
    WHERE coalesce(direction, '') NOT IN ('multicast', 'broadcast') AND dst_port IS NOT NULL
), repeated AS (
    SELECT src_ip, destination, dst_port, protocol FROM begun GROUP BY ALL HAVING count(*) >= $least
), intervals AS (
    SELECT *, begin_ns - lag(begin_ns) OVER (PARTITION BY src_ip, destination, dst_port, protocol
        ORDER BY begin_ns, flow_id) AS gap
    FROM begun SEMI JOIN repeated USING (src_ip, destination, dst_port, protocol)
), regular AS ( -- what is costly is worked out for these alone
    SELECT src_ip, destination, dst_port, protocol, median(gap) AS gap, mad(gap) AS deviation, min(gap) AS shortest,
        max(gap) AS longest
    FROM intervals GROUP BY src_ip, destination, dst_port, protocol
    HAVING median(gap) >= $shortest AND mad(gap) <= $jitter * median(gap)
)
SELECT src_ip, destination, dst_port, begun.protocol, list_sort(list_distinct(list(app) FILTER (app IS NOT NULL)))[1:3] AS apps,
    greatest(count(DISTINCT app) - 3, 0) AS further_apps,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:3] AS process_names,
    greatest(count(DISTINCT processes.name) - 3, 0) AS further_process_names, count(*) AS flows,
    gap / 1e6 AS interval_ms, round(deviation / gap, 4) AS jitter, shortest / 1e6 AS shortest_ms,
    longest / 1e6 AS longest_ms, round(median(src_bytes))::BIGINT AS median_sent,
    round(median(dst_bytes))::BIGINT AS median_received,
    round(mad(src_bytes) / nullif(median(src_bytes), 0), 4) AS size_jitter, make_timestamp_ns(min(begin_ns)) AS first_seen,
    max(ended_at) AS last_seen, min(flow_id) AS example_flow
FROM regular JOIN begun USING (src_ip, destination, dst_port, protocol)
LEFT JOIN processes ON processes.process_id = begun.process_id
GROUP BY src_ip, destination, dst_port, begun.protocol, gap, deviation, shortest, longest
ORDER BY jitter, flows DESC, src_ip, destination, dst_port, begun.protocol
LIMIT $limit
