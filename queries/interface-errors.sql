-- title: Errors and drops of interfaces
-- description: Packets that the captured interfaces received damaged, could not send, or dropped, as the system counted
-- description: them while it was recorded; interfaces without any are left out.
-- subject: machine
-- column: rx_errors count Bad packets received
-- column: rx_drops count Received packets that were dropped
-- column: tx_errors count Packets that could not be sent
-- column: tx_drops count Packets that were dropped instead of sent
-- column: percent number Share among its packets of both directions
-- column: seconds_with_any count Readings in which any of these grew
-- column: worst_at time When they grew most, the first time
SELECT capture_id, interface_name, sum(rx_errors)::BIGINT AS rx_errors, sum(rx_drops)::BIGINT AS rx_drops,
    sum(tx_errors)::BIGINT AS tx_errors, sum(tx_drops)::BIGINT AS tx_drops,
    sum(rx_packets)::BIGINT AS rx_packets, sum(tx_packets)::BIGINT AS tx_packets,
    round(100.0 * sum(bad) / greatest(sum(bad) + sum(rx_packets + tx_packets), 1), 3) AS percent,
    count(*) FILTER (bad > 0) AS seconds_with_any, min(ts) FILTER (bad = worst) AS worst_at
FROM (
    SELECT *, rx_errors + rx_drops + tx_errors + tx_drops AS bad, max(bad) OVER (PARTITION BY capture_id, interface_name) AS worst
    FROM interface_stats WHERE span_ms IS NOT NULL)
GROUP BY capture_id, interface_name HAVING sum(bad) > 0
ORDER BY sum(bad) DESC, capture_id, interface_name
