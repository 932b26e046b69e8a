-- title: TLS servers
-- description: Servers by name and address: versions, ciphers and certificates they chose, and how often.
-- subject: tls
-- parameter: sni text null Only names that contain this
-- parameter: limit int 100 Most rows
-- column: versions word
-- column: ciphers word
-- column: alpns term
-- column: alerts word
SELECT lower(tls.sni) AS sni, flows.dst_ip AS server, flows.dst_port AS port, count(*) AS handshakes,
    count(*) FILTER (tls.established) AS established, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(tls.version) FILTER (tls.version IS NOT NULL))) AS versions,
    list_sort(list_distinct(list(tls.cipher) FILTER (tls.cipher IS NOT NULL))) AS ciphers,
    list_sort(list_distinct(list(tls.alpn) FILTER (tls.alpn IS NOT NULL))) AS alpns,
    list_sort(list_distinct(list(tls.ja3s)))[1:5] AS ja3s, greatest(count(DISTINCT tls.ja3s) - 5, 0) AS further_ja3s,
    list_sort(list_distinct(list(tls.cert_sha256)))[1:5] AS cert_sha256,
    greatest(count(DISTINCT tls.cert_sha256) - 5, 0) AS further_certificates,
    list_sort(list_distinct(list(tls.alert) FILTER (tls.alert IS NOT NULL))) AS alerts,
    min(tls.ts) AS first_seen, max(tls.ts) AS last_seen, min(tls.flow_id) AS example_flow
FROM tls LEFT JOIN flows ON flows.flow_id = tls.flow_id
WHERE $sni IS NULL OR contains(lower(tls.sni), lower($sni))
GROUP BY lower(tls.sni), flows.dst_ip, flows.dst_port
ORDER BY handshakes DESC, sni NULLS LAST, server, port
LIMIT $limit
