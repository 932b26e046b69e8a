-- title: Percentiles of flows
-- description: Bytes, packets and durations that 50, 90 and 99 % of the flows do not exceed, and the largest. Each is the
-- description: value of one of the flows; NULL where there are too few of them (p50 needs 2 flows, p90 10, p99 100).
-- subject: overview
-- parameter: by_app bool no A row for each application instead of one for all flows
-- column: bytes_p50 bytes
-- column: bytes_p90 bytes
-- column: bytes_p99 bytes
-- column: bytes_max bytes
-- column: packets_p50 count
-- column: packets_p90 count
-- column: packets_p99 count
-- column: packets_max count
WITH measured AS (
    SELECT CASE WHEN $by_app THEN protocol END AS protocol, CASE WHEN $by_app THEN app END AS app,
        src_bytes + dst_bytes AS bytes, src_packets + dst_packets AS packets,
        (epoch_ns(ended_at) - epoch_ns(started_at)) / 1e6 AS duration_ms
    FROM flows
), grouped AS (
    SELECT protocol, app, count(*) AS flows, quantile_disc(bytes, [0.5, 0.9, 0.99, 1]) AS b,
        quantile_disc(packets, [0.5, 0.9, 0.99, 1]) AS p, quantile_disc(duration_ms, [0.5, 0.9, 0.99, 1]) AS d
    FROM measured GROUP BY ALL
)
SELECT protocol, app, flows,
    CASE WHEN flows >= 2 THEN b[1] END AS bytes_p50, CASE WHEN flows >= 10 THEN b[2] END AS bytes_p90,
    CASE WHEN flows >= 100 THEN b[3] END AS bytes_p99, b[4] AS bytes_max,
    CASE WHEN flows >= 2 THEN p[1] END AS packets_p50, CASE WHEN flows >= 10 THEN p[2] END AS packets_p90,
    CASE WHEN flows >= 100 THEN p[3] END AS packets_p99, p[4] AS packets_max,
    CASE WHEN flows >= 2 THEN d[1] END AS duration_p50_ms, CASE WHEN flows >= 10 THEN d[2] END AS duration_p90_ms,
    CASE WHEN flows >= 100 THEN d[3] END AS duration_p99_ms, d[4] AS duration_max_ms
FROM grouped
ORDER BY flows DESC, protocol, app NULLS LAST
