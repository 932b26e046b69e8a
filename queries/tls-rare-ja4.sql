-- title: Rare TLS clients
-- description: JA4 fingerprints of TLS and QUIC clients that few hosts of this session have, with the names they asked for.
-- description: A fingerprint is that of a library and its settings: different programs share one, and a new version of a
-- description: program has another.
-- subject: tls
-- parameter: most int 1 Most hosts with it
-- parameter: limit int 200 Most rows
-- column: transports word
-- column: snis host
-- column: process_names software
WITH hellos AS (
    SELECT ja4, lower(sni) AS sni, flow_id, ts, 'tcp' AS transport FROM tls WHERE ja4 IS NOT NULL
    UNION ALL
    SELECT ja4, lower(sni), flow_id, ts, 'quic' FROM quic WHERE ja4 IS NOT NULL
)
SELECT ja4, list_sort(list_distinct(list(transport))) AS transports, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips, count(*) AS handshakes,
    list_sort(list_distinct(list(sni) FILTER (sni IS NOT NULL)))[1:5] AS snis,
    greatest(count(DISTINCT sni) - 5, 0) AS further_snis, count(DISTINCT flows.dst_ip) AS servers,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT processes.name) - 5, 0) AS further_process_names, min(ts) AS first_seen,
    max(ts) AS last_seen, min(hellos.flow_id) AS example_flow
FROM hellos
LEFT JOIN flows ON flows.flow_id = hellos.flow_id
LEFT JOIN processes ON processes.process_id = flows.process_id
GROUP BY ja4
HAVING count(DISTINCT flows.src_ip) <= $most
ORDER BY clients, handshakes, first_seen DESC, ja4
LIMIT $limit
