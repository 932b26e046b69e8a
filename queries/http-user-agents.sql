-- title: HTTP user agents
-- description: What HTTP clients call themselves, rarest first, with the processes that own the flows. A client may call
-- description: itself anything.
-- subject: http
-- parameter: limit int 200 Most rows
-- column: process_names software
-- column: hosts host Hosts that were asked
SELECT http.user_agent, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips, count(*) AS requests,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT processes.name) - 5, 0) AS further_process_names,
    list_sort(list_distinct(list(lower(http.host)) FILTER (http.host IS NOT NULL)))[1:5] AS hosts,
    greatest(count(DISTINCT lower(http.host)) - 5, 0) AS further_hosts, min(http.ts) AS first_seen,
    max(http.ts) AS last_seen, min(http.flow_id) AS example_flow
FROM http
LEFT JOIN flows ON flows.flow_id = http.flow_id
LEFT JOIN processes ON processes.process_id = flows.process_id
WHERE http.method IS NOT NULL
GROUP BY http.user_agent
ORDER BY clients, requests, http.user_agent NULLS FIRST
LIMIT $limit
