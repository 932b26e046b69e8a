-- title: Old versions of TLS
-- description: Handshakes in which the server chose SSL or TLS below 1.2, or in which it was not seen and the client offered
-- description: nothing newer, by server and version.
-- subject: tls
-- parameter: limit int 200 Most rows
-- column: version word Version chosen, or the newest that the client offered
-- column: chosen boolean The server chose it; false: only the client was seen
-- column: ciphers word
-- column: process_names software
WITH hellos AS (
    SELECT *, coalesce(version, list_max(list_filter(offered_versions, lambda v: starts_with(v, 'SSL') OR starts_with(v, 'TLS'))))
        AS newest
    FROM tls
)
SELECT newest AS version, hellos.version IS NOT NULL AS chosen, lower(sni) AS sni, flows.dst_ip AS server,
    flows.dst_port AS port, count(*) AS handshakes, count(*) FILTER (established) AS established,
    list_sort(list_distinct(list(cipher) FILTER (cipher IS NOT NULL)))[1:5] AS ciphers,
    greatest(count(DISTINCT cipher) - 5, 0) AS further_ciphers, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT processes.name) - 5, 0) AS further_process_names, min(ts) AS first_seen,
    max(ts) AS last_seen, min(hellos.flow_id) AS example_flow
FROM hellos
LEFT JOIN flows ON flows.flow_id = hellos.flow_id
LEFT JOIN processes ON processes.process_id = flows.process_id
WHERE newest IN ('SSL 2.0', 'SSL 3.0', 'TLS 1.0', 'TLS 1.1')
GROUP BY newest, hellos.version IS NOT NULL, lower(sni), flows.dst_ip, flows.dst_port
ORDER BY handshakes DESC, version, server, port, sni
LIMIT $limit
