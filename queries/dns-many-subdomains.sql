-- title: Domains with many names
-- description: Domains below which many different names were asked for. A domain is the last labels of a name, as many
-- description: as asked for: which part is registered is not known. Blocklists, content networks and tunnels look alike.
-- subject: dns
-- parameter: least int 20 Fewest different names
-- parameter: labels int 2 Labels of a domain
-- parameter: limit int 100 Most rows
-- column: domain host
-- column: per_name number Questions per name
-- column: longest_name count Characters of the longest name
-- column: mean_name number Characters of its names, on average
-- column: qtypes word
-- column: answered_share ratio Questions (first tries) with an answer of any result
WITH parts AS (
    SELECT lower(query) AS name, string_split(lower(query), '.') AS labels, dns.*, flows.src_ip
    FROM dns LEFT JOIN flows ON flows.flow_id = dns.flow_id
    WHERE NOT response AND transport = 'dns' AND coalesce(tries, 1) = 1 AND query <> ''
        AND NOT ends_with(lower(query), '.arpa')
)
SELECT array_to_string(labels[-$labels::INT:], '.') AS domain, count(DISTINCT name) AS names, count(*) AS asked,
    round(count(*) / count(DISTINCT name), 2) AS per_name, max(length(name)) AS longest_name,
    round(avg(length(name)), 1) AS mean_name, list_sort(list_distinct(list(qtype)))[1:8] AS qtypes,
    greatest(count(DISTINCT qtype) - 8, 0) AS further_qtypes,
    round(1 - avg((unanswered_ms IS NOT NULL)::INT), 3) AS answered_share, count(DISTINCT src_ip) AS clients,
    list_sort(list_distinct(list(src_ip)))[1:5] AS client_ips, min(ts) AS first_seen, max(ts) AS last_seen,
    min(flow_id) AS example_flow
FROM parts
WHERE len(labels) > $labels
GROUP BY domain
HAVING count(DISTINCT name) >= $least
ORDER BY names DESC, domain
LIMIT $limit
