-- title: Rarely asked names
-- description: Names that few clients asked for, and not often, latest first. Rare means rare in these captures; caches
-- description: of clients and resolvers hide questions.
-- subject: dns
-- parameter: most int 1 Most questions for it
-- parameter: clients int 1 Most clients that asked
-- parameter: limit int 200 Most rows
-- column: qtypes word
-- column: rcodes word Results of the answers
WITH asked AS (
    SELECT lower(query) AS name, flow_id, qtype, ts
    FROM dns
    WHERE NOT response AND query <> '' AND coalesce(tries, 1) = 1 AND transport = 'dns' AND qtype <> 'PTR'
    QUALIFY count(*) OVER (PARTITION BY lower(query), qtype) <= $most
), results AS (
    SELECT lower(query) AS name, rcode FROM dns WHERE response AND transport = 'dns' AND rcode IS NOT NULL
), rare AS (
    SELECT name, count(*) AS asked, count(DISTINCT flows.src_ip) AS clients,
        list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips, list_sort(list_distinct(list(qtype))) AS qtypes,
        min(ts) AS first_seen, max(ts) AS last_seen, min(asked.flow_id) AS example_flow
    FROM asked LEFT JOIN flows ON flows.flow_id = asked.flow_id
    GROUP BY name
    HAVING count(DISTINCT flows.src_ip) <= $clients
)
SELECT rare.name AS query, qtypes, asked, clients, client_ips, list_sort(list_distinct(list(rcode))) AS rcodes,
    first_seen, last_seen, example_flow
FROM rare LEFT JOIN results ON results.name = rare.name
GROUP BY ALL
ORDER BY first_seen DESC, query
LIMIT $limit
