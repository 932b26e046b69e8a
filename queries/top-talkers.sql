-- title: Top talkers
-- description: Addresses by the bytes they sent and received, with the number of flows and peers.
-- subject: hosts
-- parameter: limit int 20 Most rows
-- column: flows_initiated count
WITH ends AS (
    SELECT src_ip AS ip, dst_ip AS peer FROM flows
    UNION ALL
    SELECT dst_ip, src_ip FROM flows
), peers AS (
    SELECT ip, count(DISTINCT peer) AS peers FROM ends GROUP BY ip
)
SELECT talkers.ip, peers, flows, flows_initiated, packets_sent, packets_received, bytes_sent, bytes_received,
    bytes_sent + bytes_received AS bytes, first_seen, last_seen
FROM talkers LEFT JOIN peers ON peers.ip = talkers.ip
ORDER BY bytes DESC, talkers.ip
LIMIT $limit
