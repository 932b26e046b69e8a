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
    SELECT hello.*, flows.src_ip, flows.dst_ip, flows.process_id
    FROM (
        SELECT ja4, sni, flow_id, ts, 'tcp' AS transport FROM tls WHERE ja4 IS NOT NULL
        UNION ALL
        SELECT ja4, sni, flow_id, ts, 'quic' FROM quic WHERE ja4 IS NOT NULL
    ) AS hello LEFT JOIN flows ON flows.flow_id = hello.flow_id
), rare AS ( -- what is costly is worked out for these alone
    SELECT ja4 FROM hellos GROUP BY ja4 HAVING count(DISTINCT src_ip) <= $most
)
SELECT ja4, list_sort(list_distinct(list(transport))) AS transports, count(DISTINCT src_ip) AS clients,
    list_sort(list_distinct(list(src_ip)))[1:5] AS client_ips, count(*) AS handshakes,
    list_sort(list_distinct(list(lower(sni)) FILTER (sni IS NOT NULL)))[1:5] AS snis,
    greatest(count(DISTINCT lower(sni)) - 5, 0) AS further_snis, count(DISTINCT dst_ip) AS servers,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT processes.name) - 5, 0) AS further_process_names, min(ts) AS first_seen,
    max(ts) AS last_seen, min(flow_id) AS example_flow
FROM rare JOIN hellos USING (ja4)
LEFT JOIN processes ON processes.process_id = hellos.process_id
GROUP BY ja4
ORDER BY clients, handshakes, first_seen DESC, ja4
LIMIT $limit
