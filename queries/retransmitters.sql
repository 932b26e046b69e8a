-- title: Retransmissions and loss
-- description: Flows with retransmitted segments, most first; missed bytes are absent from the capture.
-- subject: quality
-- parameter: least int 1 Fewest retransmissions that count
-- parameter: limit int 100 Most rows
-- column: fast count Fast retransmissions
-- column: duplicate_acks count
-- column: zero_windows count
SELECT flow_id, src_ip, src_port, dst_ip, dst_port, hostname, app,
    src_retransmissions + dst_retransmissions AS retransmissions,
    src_retransmissions, dst_retransmissions, src_fast_retransmissions + dst_fast_retransmissions AS fast,
    round(100.0 * (src_retransmissions + dst_retransmissions) / nullif(src_packets + dst_packets, 0), 2) AS percent,
    src_out_of_order + dst_out_of_order AS out_of_order, src_duplicate_acks + dst_duplicate_acks AS duplicate_acks,
    src_zero_windows + dst_zero_windows AS zero_windows, src_missed_bytes + dst_missed_bytes AS missed_bytes,
    rtt_ms, src_packets + dst_packets AS packets, started_at
FROM flows
WHERE src_retransmissions + dst_retransmissions >= $least
ORDER BY retransmissions DESC, percent DESC, flow_id
LIMIT $limit
