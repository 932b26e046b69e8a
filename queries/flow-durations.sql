-- title: Durations of flows
-- description: Flows by the time from their first to their last packet, in steps of 1, 2 and 5 times a power of ten. Flows of one
-- description: packet last no time.
-- subject: overview
-- column: cumulative_percent number Share of this row and all above it
WITH measured AS (
    SELECT (epoch_ns(ended_at) - epoch_ns(started_at)) // 1000 AS value, src_bytes + dst_bytes AS bytes FROM flows
), scaled AS ( -- 10 to the power of a value's digits less one
    SELECT value, bytes, CASE WHEN value > 0 THEN (10 ** (length(value::VARCHAR) - 1))::BIGINT END AS scale FROM measured
), counted AS (
    SELECT CASE WHEN value <= 0 THEN 0 WHEN value < 2 * scale THEN scale WHEN value < 5 * scale THEN 2 * scale ELSE 5 * scale END
        AS low, count(*) AS flows, sum(bytes)::BIGINT AS bytes
    FROM scaled GROUP BY low
), steps AS (
    SELECT digit * (10 ** exponent)::BIGINT AS low, CASE digit WHEN 1 THEN 2 WHEN 2 THEN 5 ELSE 10 END * (10 ** exponent)::BIGINT AS high
    FROM unnest([1, 2, 5]) AS d(digit), range(18) AS e(exponent)
    UNION ALL
    SELECT 0, 1
)
SELECT steps.low / 1000.0 AS at_least_ms, steps.high / 1000.0 AS below_ms, coalesce(flows, 0) AS flows,
    round(100.0 * coalesce(flows, 0) / sum(flows) OVER (), 2) AS percent,
    round(100.0 * sum(flows) OVER (ORDER BY steps.low) / sum(flows) OVER (), 2) AS cumulative_percent, coalesce(bytes, 0) AS bytes
FROM steps LEFT JOIN counted ON counted.low = steps.low
WHERE flows > 0 OR steps.low BETWEEN (SELECT min(low) FROM counted WHERE low > 0) AND (SELECT max(low) FROM counted)
ORDER BY steps.low
