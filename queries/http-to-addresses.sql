-- title: HTTP to bare addresses
-- description: Requests in the clear whose Host is an address and no name. Updates of devices and monitoring do that too.
-- subject: http
-- parameter: limit int 200 Most rows
-- column: methods term
-- column: uris uri
-- column: user_agents software
-- column: process_names software
SELECT http.host, flows.dst_ip AS server, flows.dst_port AS port, flows.direction, count(*) AS requests,
    list_sort(list_distinct(list(http.method) FILTER (http.method IS NOT NULL))) AS methods,
    list_sort(list_distinct(list(http.uri) FILTER (http.uri IS NOT NULL)))[1:5] AS uris,
    greatest(count(DISTINCT http.uri) - 5, 0) AS further_uris,
    list_sort(list_distinct(list(http.user_agent) FILTER (http.user_agent IS NOT NULL)))[1:5] AS user_agents,
    greatest(count(DISTINCT http.user_agent) - 5, 0) AS further_user_agents, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT processes.name) - 5, 0) AS further_process_names, min(http.ts) AS first_seen,
    max(http.ts) AS last_seen, min(http.flow_id) AS example_flow
FROM http
LEFT JOIN flows ON flows.flow_id = http.flow_id
LEFT JOIN processes ON processes.process_id = flows.process_id
WHERE http.method IS NOT NULL AND (regexp_matches(http.host, '^[0-9]{1,3}(\.[0-9]{1,3}){3}(:[0-9]+)?$') OR starts_with(http.host, '['))
GROUP BY http.host, flows.dst_ip, flows.dst_port, flows.direction
ORDER BY requests DESC, http.host, server, port, flows.direction
LIMIT $limit
