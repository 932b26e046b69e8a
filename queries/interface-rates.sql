-- title: Rates of interfaces
-- description: Packets and bits per second of the captured interfaces, as the system counted them: also what was not
-- description: captured. A rate is the mean over the seconds whose counters were read within the interval.
-- subject: machine
-- parameter: interval duration 10s Length of an interval
-- parameter: interface text null Only this interface
-- parameter: limit int 5000 Most rows
-- column: seconds duration Time that the counters of the interval span
-- column: rx_packets_per_s number
-- column: rx_bits_per_s number
-- column: tx_packets_per_s number
-- column: tx_bits_per_s number
-- column: rx_drops count Received packets that were dropped
-- column: tx_drops count Packets that were dropped instead of sent
SELECT make_timestamp_ns(epoch_ns(ts) // greatest($interval, 1) * greatest($interval, 1)) AS begins, capture_id, interface_name,
    round(sum(span_ms) / 1000, 3) AS seconds, sum(rx_packets)::BIGINT AS rx_packets, sum(rx_bytes)::BIGINT AS rx_bytes,
    sum(tx_packets)::BIGINT AS tx_packets, sum(tx_bytes)::BIGINT AS tx_bytes,
    round(1000 * sum(rx_packets) / sum(span_ms), 3) AS rx_packets_per_s,
    round(8000 * sum(rx_bytes) / sum(span_ms), 3) AS rx_bits_per_s,
    round(1000 * sum(tx_packets) / sum(span_ms), 3) AS tx_packets_per_s,
    round(8000 * sum(tx_bytes) / sum(span_ms), 3) AS tx_bits_per_s,
    sum(rx_drops)::BIGINT AS rx_drops, sum(tx_drops)::BIGINT AS tx_drops
FROM interface_stats
WHERE span_ms > 0 AND ($interface IS NULL OR interface_name = $interface)
GROUP BY begins, capture_id, interface_name
ORDER BY begins, capture_id, interface_name
LIMIT $limit
