-- title: Share of traffic that was captured
-- description: What a live capture read on each interface against what the system counted there meanwhile. A share is
-- description: below 100 % with a capture filter, with drops, and where the card or the system counts what is no packet
-- description: of the capture; above it where seconds at the ends are not in the counters.
-- subject: capture
-- column: interface_name object
-- column: captured_packets count Packets that were read
-- column: counted_packets count Packets that the system counted, received and sent; on loopback these are the same
-- column: captured_bytes bytes
-- column: counted_bytes bytes Their bytes; loopback is counted without the header of 14 bytes, which is added
-- column: bytes_percent number Captured bytes among those counted
-- column: dropped count Packets that the kernel dropped because they were not read in time
WITH loopback AS (
    SELECT DISTINCT capture_id, name FROM machine_interfaces WHERE kind = 'loopback'
), counted AS (
    SELECT s.capture_id, interface_name, min(ts - to_microseconds((1000 * span_ms)::BIGINT)) AS begins, max(ts) AS ends,
        sum(rx_packets + CASE WHEN l.name IS NULL THEN tx_packets ELSE 0 END)::BIGINT AS counted_packets,
        sum(rx_bytes + CASE WHEN l.name IS NULL THEN tx_bytes ELSE 14 * rx_packets END)::BIGINT AS counted_bytes
    FROM interface_stats AS s LEFT JOIN loopback AS l ON l.capture_id = s.capture_id AND l.name = s.interface_name
    WHERE span_ms > 0 GROUP BY s.capture_id, interface_name
), captured AS (
    SELECT s.capture_id, i.name AS interface_name, s.at, s.packets, s.bytes, s.dropped
    FROM capture_stats AS s
    JOIN interfaces AS i ON i.capture_id = s.capture_id AND i.interface = s.interface
)
SELECT n.capture_id, n.interface_name, coalesce(sum(c.packets), 0)::BIGINT AS captured_packets, max(n.counted_packets)
    AS counted_packets, coalesce(sum(c.bytes), 0)::BIGINT AS captured_bytes, max(n.counted_bytes) AS counted_bytes,
    round(100 * coalesce(sum(c.bytes), 0) / nullif(max(n.counted_bytes), 0), 1) AS bytes_percent,
    coalesce(sum(c.dropped), 0)::BIGINT AS dropped
FROM counted AS n
LEFT JOIN captured AS c ON c.capture_id = n.capture_id AND c.interface_name = n.interface_name AND c.at > n.begins
    AND c.at <= n.ends + INTERVAL 1 SECOND
GROUP BY n.capture_id, n.interface_name
ORDER BY n.capture_id, n.interface_name
