-- title: Slow handshakes
-- description: TCP connections that took long to open from the first try, or tried for long in vain; slowest first.
-- subject: quality
-- parameter: least duration 200ms Shortest time that counts
-- parameter: limit int 100 Most rows
WITH openings AS (
    SELECT *, coalesce(open_ms, handshake_rtt_ms) AS opened_ms, syn_tries > 0 AND open_ms IS NULL AS in_vain,
        (epoch_ns(ended_at) - epoch_ns(started_at)) / 1e6 AS tried_ms
    FROM flows WHERE protocol = 'tcp'
)
SELECT flow_id, started_at, src_ip, dst_ip, dst_port, hostname, app,
    CASE WHEN in_vain THEN tried_ms ELSE opened_ms END AS took_ms,
    CASE WHEN NOT coalesce(in_vain, false) THEN 'opened' WHEN conn_state = 'REJ' THEN 'refused'
        WHEN dst_packets = 0 THEN 'no answer' ELSE 'not completed' END AS outcome,
    syn_tries, handshake_rtt_ms, min_rtt_ms, rtt_ms, src_retransmissions + dst_retransmissions AS retransmissions
FROM openings
WHERE CASE WHEN in_vain THEN tried_ms ELSE opened_ms END * 1000000 >= $least
ORDER BY took_ms DESC, flow_id
LIMIT $limit
