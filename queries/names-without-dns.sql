-- title: Names without a DNS answer
-- description: Names that clients asked a server for in TLS, QUIC and HTTP, although no DNS answer to them had given its
-- description: address for that name; only clients with other answers before. Caches, aliases that are asked for by
-- description: themselves, encrypted DNS, alternative services and connections that serve several names look the same.
-- subject: dns
-- parameter: limit int 200 Most rows
-- column: asked_for host Name that the client asked for
WITH asked AS (
    SELECT flow_id, lower(sni) AS name FROM tls WHERE sni IS NOT NULL
    UNION ALL SELECT flow_id, lower(sni) FROM quic WHERE sni IS NOT NULL
    UNION ALL SELECT flow_id, regexp_replace(lower(host), ':[0-9]+$', '') FROM http
        WHERE host IS NOT NULL AND NOT coalesce(proxy, false) AND NOT regexp_matches(host, '^\[|^[0-9.:]+$')
), answered AS (
    SELECT client, min(ts) AS since FROM names WHERE source = 'dns' AND client IS NOT NULL GROUP BY client
), given AS (
    SELECT ip, lower(name) AS name, client, min(ts) AS given_at FROM names WHERE source = 'dns' GROUP BY ALL
), contacts AS (
    SELECT asked.name, flows.flow_id, src_ip, dst_ip, dst_port, app, started_at, ended_at
    FROM asked JOIN flows ON flows.flow_id = asked.flow_id
    JOIN answered ON answered.client = flows.src_ip AND answered.since <= flows.started_at
    LEFT JOIN given ON given.ip = flows.dst_ip AND given.name = asked.name AND given.client = flows.src_ip
    WHERE given_at IS NULL OR given_at > started_at
), earliest AS ( -- the rows that are shown: what is costly is worked out for these alone
    SELECT name, dst_ip, dst_port, min(started_at) AS first_seen FROM contacts
    GROUP BY name, dst_ip, dst_port
    ORDER BY first_seen, name, dst_ip, dst_port
    LIMIT $limit
)
SELECT c.name AS asked_for, c.dst_ip AS server, c.dst_port AS port, list_sort(list_distinct(list(app)))[1:5] AS apps,
    greatest(count(DISTINCT app) - 5, 0) AS further_apps, count(DISTINCT src_ip) AS clients,
    list_sort(list_distinct(list(src_ip)))[1:5] AS client_ips, count(DISTINCT flow_id) AS flows,
    earliest.first_seen, max(ended_at) AS last_seen, min(flow_id) AS example_flow
FROM earliest JOIN contacts AS c ON c.name = earliest.name AND c.dst_ip = earliest.dst_ip
    AND c.dst_port IS NOT DISTINCT FROM earliest.dst_port
GROUP BY c.name, c.dst_ip, c.dst_port, earliest.first_seen
ORDER BY earliest.first_seen, asked_for, server, port
