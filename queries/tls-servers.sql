-- title: TLS servers
-- description: Servers by name and address: versions, ciphers and certificates they chose, and how often.
-- subject: tls
-- parameter: sni text null Only names that contain this
-- parameter: limit int 100 Most rows
-- column: versions word
-- column: ciphers word
-- column: alpns term
-- column: alerts word
WITH handshakes AS (
    SELECT lower(tls.sni) AS name, tls.* EXCLUDE (sni), flows.src_ip, flows.dst_ip, flows.dst_port
    FROM tls LEFT JOIN flows ON flows.flow_id = tls.flow_id
    WHERE $sni IS NULL OR contains(lower(tls.sni), lower($sni))
), busiest AS ( -- the rows that are shown: what is costly is worked out for these alone
    SELECT name, dst_ip, dst_port, count(*) AS handshakes FROM handshakes
    GROUP BY name, dst_ip, dst_port
    ORDER BY handshakes DESC, name NULLS LAST, dst_ip, dst_port
    LIMIT $limit
)
SELECT h.name AS sni, h.dst_ip AS server, h.dst_port AS port, count(*) AS handshakes,
    count(*) FILTER (established) AS established, count(DISTINCT src_ip) AS clients,
    list_sort(list_distinct(list(version) FILTER (version IS NOT NULL))) AS versions,
    list_sort(list_distinct(list(cipher) FILTER (cipher IS NOT NULL))) AS ciphers,
    list_sort(list_distinct(list(alpn) FILTER (alpn IS NOT NULL))) AS alpns,
    list_sort(list_distinct(list(ja3s)))[1:5] AS ja3s, greatest(count(DISTINCT ja3s) - 5, 0) AS further_ja3s,
    list_sort(list_distinct(list(cert_sha256)))[1:5] AS cert_sha256,
    greatest(count(DISTINCT cert_sha256) - 5, 0) AS further_certificates,
    list_sort(list_distinct(list(alert) FILTER (alert IS NOT NULL))) AS alerts,
    min(ts) AS first_seen, max(ts) AS last_seen, min(flow_id) AS example_flow
FROM busiest JOIN handshakes AS h ON h.name IS NOT DISTINCT FROM busiest.name
    AND h.dst_ip IS NOT DISTINCT FROM busiest.dst_ip AND h.dst_port IS NOT DISTINCT FROM busiest.dst_port
GROUP BY h.name, h.dst_ip, h.dst_port
ORDER BY handshakes DESC, h.name NULLS LAST, server, port
