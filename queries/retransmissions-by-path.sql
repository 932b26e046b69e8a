-- title: Retransmissions by path
-- description: Pairs of hosts by the share of TCP packets that were retransmitted, each direction by itself. Loss before
-- description: and after the place of capture look different here; packets lost on their way to the capture count as missed.
-- subject: quality
-- parameter: least int 100 Fewest packets of a direction
-- parameter: limit int 200 Most rows
-- column: sender address
-- column: receiver address
-- column: percent number Retransmissions per 100 packets
-- column: fast count Of these, after duplicate acknowledgements
-- column: missed_bytes bytes Not in the capture
WITH directions AS (
    SELECT src_ip AS sender, dst_ip AS receiver, src_packets AS packets, src_payload AS payload,
        src_retransmissions AS again, src_fast_retransmissions AS fast, src_out_of_order AS out_of_order,
        src_missed_bytes AS missed, rtt_ms, started_at, ended_at, flow_id
    FROM flows WHERE protocol = 'tcp' AND src_packets > 0
    UNION ALL
    SELECT dst_ip, src_ip, dst_packets, dst_payload, dst_retransmissions, dst_fast_retransmissions, dst_out_of_order,
        dst_missed_bytes, rtt_ms, started_at, ended_at, flow_id
    FROM flows WHERE protocol = 'tcp' AND dst_packets > 0
)
SELECT sender, receiver, count(*) AS flows, sum(packets)::BIGINT AS packets, sum(payload)::BIGINT AS payload_bytes,
    sum(again)::BIGINT AS retransmissions, round(100.0 * sum(again) / sum(packets), 3) AS percent,
    sum(fast)::BIGINT AS fast, sum(out_of_order)::BIGINT AS out_of_order, sum(missed)::BIGINT AS missed_bytes,
    round(median(rtt_ms), 3) AS rtt_ms, min(started_at) AS first_seen, max(ended_at) AS last_seen,
    min(flow_id) AS example_flow
FROM directions
GROUP BY sender, receiver
HAVING sum(packets) >= $least AND sum(again) > 0
ORDER BY percent DESC, retransmissions DESC, sender, receiver
LIMIT $limit
