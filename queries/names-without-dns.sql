-- title: Names without a DNS answer
-- description: Names that clients asked a server for in TLS, QUIC and HTTP, although no DNS answer to them had given its
-- description: address for that name; only clients with other answers before. Caches, encrypted DNS, alternative
-- description: services and connections that are used for several names look the same.
-- subject: dns
-- parameter: limit int 200 Most rows
-- column: asked_for host Name that the client asked for
WITH asked AS (
    SELECT flow_id, lower(sni) AS name, ts FROM tls WHERE sni IS NOT NULL
    UNION ALL SELECT flow_id, lower(sni), ts FROM quic WHERE sni IS NOT NULL
    UNION ALL SELECT flow_id, lower(host), ts FROM http
        WHERE host IS NOT NULL AND NOT coalesce(proxy, false) AND NOT regexp_matches(host, '^\[|^[0-9.:]+$')
), contacts AS (
    SELECT regexp_replace(asked.name, ':[0-9]+$', '') AS name, flows.*
    FROM asked JOIN flows ON flows.flow_id = asked.flow_id
), answered AS (
    SELECT client, min(ts) AS since FROM names WHERE source = 'dns' AND client IS NOT NULL GROUP BY client
), given AS (
    SELECT ip, lower(name) AS name, client, min(ts) AS at FROM names WHERE source = 'dns' GROUP BY ALL
)
SELECT contacts.name AS asked_for, dst_ip AS server, dst_port AS port, list_sort(list_distinct(list(app)))[1:5] AS apps,
    greatest(count(DISTINCT app) - 5, 0) AS further_apps, count(DISTINCT src_ip) AS clients,
    list_sort(list_distinct(list(src_ip)))[1:5] AS client_ips, count(DISTINCT flow_id) AS flows,
    min(started_at) AS first_seen, max(ended_at) AS last_seen, min(flow_id) AS example_flow
FROM contacts
JOIN answered ON answered.client = contacts.src_ip AND answered.since <= contacts.started_at
WHERE NOT EXISTS (
    SELECT 1 FROM given WHERE given.ip = contacts.dst_ip AND given.name = contacts.name
        AND given.client = contacts.src_ip AND given.at <= contacts.started_at)
GROUP BY contacts.name, dst_ip, dst_port
ORDER BY first_seen, asked_for, server, port
LIMIT $limit
