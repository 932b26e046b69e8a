-- title: Round-trip times by path
-- description: Round-trip times of TCP connections by client and server: of the handshake, and the smallest and the usual
-- description: one of the connection, slowest on average first. They are measured where the capture was taken; a proxy in
-- description: between answers for the server.
-- subject: quality
-- parameter: least int 1 Fewest connections
-- parameter: limit int 200 Most rows
-- column: measured count Connections with a measured time
-- column: mean_ms duration Of the smoothed times; of the handshake where there is none
-- column: smallest_ms duration
-- column: handshake_median_ms duration
-- column: handshake_p95_ms duration
-- column: rtt_median_ms duration Of the connections' smoothed round-trip times
-- column: rtt_p95_ms duration
WITH paths AS ( -- the rows that are shown: what is costly is worked out for these alone
    SELECT src_ip, dst_ip, avg(coalesce(rtt_ms, handshake_rtt_ms)) AS mean_ms
    FROM flows
    WHERE protocol = 'tcp' AND coalesce(rtt_ms, handshake_rtt_ms) IS NOT NULL
    GROUP BY src_ip, dst_ip
    HAVING count(*) >= $least
    ORDER BY mean_ms DESC, src_ip, dst_ip
    LIMIT $limit
)
SELECT src_ip AS client, dst_ip AS server, list_sort(list_distinct(list(hostname) FILTER (hostname IS NOT NULL)))[1:3] AS hostnames,
    greatest(count(DISTINCT hostname) - 3, 0) AS further_hostnames, count(*) AS connections,
    count(*) FILTER (coalesce(rtt_ms, handshake_rtt_ms) IS NOT NULL) AS measured, round(mean_ms, 3) AS mean_ms,
    round(min(min_rtt_ms), 3) AS smallest_ms, round(median(handshake_rtt_ms), 3) AS handshake_median_ms,
    round(quantile_cont(handshake_rtt_ms, 0.95), 3) AS handshake_p95_ms, round(median(rtt_ms), 3) AS rtt_median_ms,
    round(quantile_cont(rtt_ms, 0.95), 3) AS rtt_p95_ms, min(started_at) AS first_seen, max(ended_at) AS last_seen
FROM paths JOIN flows USING (src_ip, dst_ip)
WHERE protocol = 'tcp'
GROUP BY src_ip, dst_ip, paths.mean_ms
ORDER BY paths.mean_ms DESC, client, server
