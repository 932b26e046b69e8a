-- title: Packet lengths
-- description: Packets by their bytes on the wire, in the ranges that Wireshark uses.
-- subject: overview
-- column: cumulative_percent number Share of this row and all above it
WITH counted AS (
    SELECT CASE WHEN length >= 5120 THEN 9 WHEN length >= 2560 THEN 8 WHEN length >= 1280 THEN 7 WHEN length >= 640 THEN 6
            WHEN length >= 320 THEN 5 WHEN length >= 160 THEN 4 WHEN length >= 80 THEN 3 WHEN length >= 40 THEN 2
            WHEN length >= 20 THEN 1 ELSE 0 END AS step,
        count(*) AS packets, sum(length)::BIGINT AS bytes, min(length) AS smallest_bytes, max(length) AS largest_bytes
    FROM packets GROUP BY step
)
SELECT [0, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120][range + 1] AS at_least_bytes,
    [20, 40, 80, 160, 320, 640, 1280, 2560, 5120, NULL][range + 1] AS below_bytes, coalesce(packets, 0) AS packets,
    round(100.0 * coalesce(packets, 0) / sum(packets) OVER (), 2) AS percent,
    round(100.0 * coalesce(sum(packets) OVER (ORDER BY range), 0) / sum(packets) OVER (), 2) AS cumulative_percent,
    coalesce(bytes, 0) AS bytes, round(bytes / packets, 1) AS mean_bytes, smallest_bytes, largest_bytes
FROM range(10) LEFT JOIN counted ON counted.step = range
WHERE EXISTS (FROM counted)
ORDER BY range
