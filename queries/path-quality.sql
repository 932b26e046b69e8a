-- title: Quality by path
-- description: TCP's round-trip times, handshakes, retransmissions and loss between two addresses, most traffic first.
-- description: Percentiles are over flows: each counts with its smoothed round-trip time.
-- subject: quality
-- parameter: host address null Only paths with this address at an end
-- parameter: limit int 100 Most rows
-- column: local_ip address Local end: the initiator, or the responder of connections from outside
-- column: remote_ip address Remote end
-- column: flows count TCP connections with payload or a handshake
-- column: rtt_flows count Of these, those with a round-trip time
-- column: rtt_p50_ms duration Median of the flows' round-trip times
-- column: rtt_p95_ms duration 95 % have no longer one
-- column: min_rtt_ms duration Smallest round-trip time
-- column: handshake_p50_ms duration Median handshake
-- column: handshake_p95_ms duration 95 % took no longer
-- column: segments count Packets of both ends
-- column: sent_again_percent number Segments that the local end retransmitted, in percent of its packets
-- column: received_again_percent number Segments that the remote end retransmitted, in percent of its packets
-- column: zero_windows count Zero windows that both ends announced
-- column: missed_bytes bytes Bytes that are missing in the capture
-- column: note free_text What limits the figures
WITH sided AS (
    SELECT src_payload, dst_payload, src_packets, dst_packets, src_retransmissions, dst_retransmissions, src_out_of_order,
        dst_out_of_order, src_zero_windows, dst_zero_windows, src_missed_bytes, dst_missed_bytes, rtt_ms, min_rtt_ms,
        handshake_rtt_ms, started_at, ended_at,
        direction IS NOT DISTINCT FROM 'inbound' AS reversed, CASE WHEN reversed THEN dst_ip ELSE src_ip END AS local_ip,
        CASE WHEN reversed THEN src_ip ELSE dst_ip END AS remote_ip
    FROM flows WHERE protocol = 'tcp' AND ($host IS NULL OR src_ip = $host OR dst_ip = $host)
        AND (src_payload + dst_payload > 0 OR handshake_rtt_ms IS NOT NULL)
), largest AS (
    SELECT local_ip, remote_ip, sum(src_payload + dst_payload) AS payload FROM sided GROUP BY local_ip, remote_ip
    ORDER BY payload DESC, local_ip, remote_ip LIMIT $limit
)
SELECT local_ip, remote_ip, count(*) AS flows, count(rtt_ms) AS rtt_flows, round(median(rtt_ms), 3) AS rtt_p50_ms,
    round(quantile_cont(rtt_ms, 0.95), 3) AS rtt_p95_ms, round(min(min_rtt_ms), 3) AS min_rtt_ms,
    round(median(handshake_rtt_ms), 3) AS handshake_p50_ms,
    round(quantile_cont(handshake_rtt_ms, 0.95), 3) AS handshake_p95_ms, sum(src_packets + dst_packets)::BIGINT AS segments,
    round(100.0 * sum(CASE WHEN reversed THEN dst_retransmissions ELSE src_retransmissions END)
        / nullif(sum(CASE WHEN reversed THEN dst_packets ELSE src_packets END), 0), 3) AS sent_again_percent,
    round(100.0 * sum(CASE WHEN reversed THEN src_retransmissions ELSE dst_retransmissions END)
        / nullif(sum(CASE WHEN reversed THEN src_packets ELSE dst_packets END), 0), 3) AS received_again_percent,
    sum(src_out_of_order + dst_out_of_order)::BIGINT AS out_of_order,
    sum(src_zero_windows + dst_zero_windows)::BIGINT AS zero_windows,
    sum(src_missed_bytes + dst_missed_bytes)::BIGINT AS missed_bytes,
    sum(src_payload + dst_payload)::BIGINT AS payload_bytes,
    CASE WHEN rtt_flows = 0 THEN 'no round-trip time can be seen'
        WHEN rtt_flows = 1 THEN 'percentiles over 1 flow only'
        WHEN rtt_flows < 20 THEN format('percentiles over {} flows only', rtt_flows) END AS note,
    min(started_at) AS first_seen, max(ended_at) AS last_seen
FROM sided SEMI JOIN largest USING (local_ip, remote_ip)
GROUP BY local_ip, remote_ip
ORDER BY payload_bytes DESC, local_ip, remote_ip
LIMIT $limit
