-- title: Rates
-- description: Packets and bits per second in each interval of time, empty ones included up to 10,000 intervals. By default
-- description: the interval makes at most 50 rows. A rate is the mean over the whole interval; the traffic begins or ends
-- description: within a partial one, whose rate is too low.
-- subject: overview
-- parameter: interval duration null Length of an interval
-- column: seconds duration Length of the interval
-- column: partial boolean
-- column: packets_per_s number
-- column: bits_per_s number Bits on the wire
-- column: new_flows count Flows that begin in it
WITH span AS (
    SELECT min(epoch_ns(ts)) AS first_ns, max(epoch_ns(ts)) AS last_ns FROM packets
), steps AS ( -- 1 µs to 500 ms, then what clocks have
    SELECT digit * (10 ** exponent)::BIGINT AS step FROM unnest([1, 2, 5]) AS d(digit), range(3, 9) AS e(exponent)
    UNION ALL
    SELECT 1000000000::BIGINT * unnest([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
        86400, 172800, 604800, 2592000])
), chosen AS (
    SELECT *, greatest(1, coalesce($interval::BIGINT, shortest, (last_ns - first_ns) // 49 + 1)) AS width
    FROM span, (SELECT min(step) AS shortest FROM steps, span WHERE last_ns // step - first_ns // step < 50)
), counted AS (
    SELECT epoch_ns(ts) // width AS slot, count(*) AS packets, sum(length)::BIGINT AS bytes FROM packets, chosen GROUP BY slot
), begun AS (
    SELECT epoch_ns(started_at) // width AS slot, count(*) AS new_flows FROM flows, chosen GROUP BY slot
), slots AS (
    SELECT slot FROM counted
    UNION
    SELECT first_ns // width + number FROM chosen, range(10000) AS r(number)
    WHERE number <= last_ns // width - first_ns // width AND last_ns // width - first_ns // width < 10000
)
SELECT make_timestamp_ns(slot * width) AS begins, width / 1e9 AS seconds, coalesce(packets, 0) AS packets,
    coalesce(bytes, 0) AS bytes, round(coalesce(packets, 0) * 1e9 / width, 3) AS packets_per_s,
    round(coalesce(bytes, 0) * 8e9 / width, 3) AS bits_per_s, coalesce(new_flows, 0) AS new_flows,
    slot * width < first_ns OR (slot + 1) * width > last_ns + 1 AS partial
FROM slots LEFT JOIN counted USING (slot) LEFT JOIN begun USING (slot), chosen
ORDER BY slot
