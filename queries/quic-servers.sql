-- title: QUIC servers
-- description: Servers of QUIC by name and address, from the Initial packets that can be read: versions, applications,
-- description: clients, and how many connections got past them.
-- subject: tls
-- parameter: sni text null Only names that contain this
-- parameter: limit int 100 Most rows
-- column: versions word
-- column: alpns term First application protocol that the clients offered
-- column: median_hello_ms duration From ClientHello to ServerHello
SELECT lower(quic.sni) AS sni, flows.dst_ip AS server, flows.dst_port AS port, count(*) AS connections,
    count(*) FILTER (quic.established) AS established, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips,
    list_sort(list_distinct(list(quic.version) FILTER (quic.version IS NOT NULL))) AS versions,
    list_sort(list_distinct(list(quic.alpn) FILTER (quic.alpn IS NOT NULL))) AS alpns,
    round(median(quic.server_hello_ms), 3) AS median_hello_ms, sum(flows.src_bytes)::BIGINT AS bytes_sent,
    sum(flows.dst_bytes)::BIGINT AS bytes_received, min(quic.ts) AS first_seen, max(quic.ts) AS last_seen,
    min(quic.flow_id) AS example_flow
FROM quic LEFT JOIN flows ON flows.flow_id = quic.flow_id
WHERE $sni IS NULL OR contains(lower(quic.sni), lower($sni))
GROUP BY lower(quic.sni), flows.dst_ip, flows.dst_port
ORDER BY connections DESC, sni NULLS LAST, server, port
LIMIT $limit
