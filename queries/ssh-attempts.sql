-- title: SSH connections by client
-- description: Clients and servers of SSH with the number of their connections and how many were short. What was tried and
-- description: whether a login succeeded is encrypted: many short connections may be failed logins, or a script's.
-- subject: ssh
-- parameter: short duration 5s Longest that counts as short
-- parameter: limit int 200 Most rows
-- column: short count Connections that were over within this time
-- column: median_ms duration How long they lasted
-- column: longest_ms duration
-- column: busiest_minute count Most connections that began within one minute of the clock
WITH opened AS (
    SELECT flows.src_ip, flows.dst_ip, flows.dst_port, ssh.established, ssh.client_software, flows.flow_id, started_at,
        ended_at, src_bytes, dst_bytes, epoch_ns(ended_at) - epoch_ns(started_at) AS lasted,
        count(*) OVER (PARTITION BY src_ip, dst_ip, dst_port, epoch_ns(started_at) // 60000000000) AS in_minute
    FROM ssh JOIN flows ON flows.flow_id = ssh.flow_id
)
SELECT src_ip AS client, dst_ip AS server, dst_port AS port, count(*) AS connections,
    count(*) FILTER (established) AS established, count(*) FILTER (lasted <= $short) AS short,
    max(in_minute) AS busiest_minute, round(median(lasted) / 1e6, 3) AS median_ms, max(lasted) / 1e6 AS longest_ms,
    list_sort(list_distinct(list(client_software) FILTER (client_software IS NOT NULL)))[1:5] AS client_software,
    greatest(count(DISTINCT client_software) - 5, 0) AS further_client_software, sum(src_bytes)::BIGINT AS bytes_sent,
    sum(dst_bytes)::BIGINT AS bytes_received, min(started_at) AS first_seen, max(ended_at) AS last_seen,
    min(flow_id) AS example_flow
FROM opened
GROUP BY src_ip, dst_ip, dst_port
ORDER BY short DESC, count(*) DESC, client, server, port
LIMIT $limit
