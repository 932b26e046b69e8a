-- title: Long names
-- description: Names in DNS questions by their length. Content networks, blocklists and service discovery use long names
-- description: too; a name can carry data, and this does not say that one does.
-- subject: dns
-- parameter: least int 50 Fewest characters
-- parameter: limit int 200 Most rows
-- column: length count Characters of the name
-- column: longest_label count Characters of its longest label
-- column: digit_share ratio Digits among its characters
-- column: qtypes word
SELECT lower(query) AS query, length(lower(query)) AS length,
    list_max(list_transform(string_split(lower(query), '.'), lambda label: length(label))) AS longest_label,
    round(length(regexp_replace(lower(query), '[^0-9]', '', 'g')) / length(lower(query)), 3) AS digit_share,
    list_sort(list_distinct(list(qtype))) AS qtypes, count(*) AS asked, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips, min(ts) AS first_seen, max(ts) AS last_seen,
    min(dns.flow_id) AS example_flow
FROM dns LEFT JOIN flows ON flows.flow_id = dns.flow_id
WHERE NOT response AND length(query) >= $least
GROUP BY lower(query)
ORDER BY length DESC, query
LIMIT $limit
