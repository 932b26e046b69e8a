-- title: HTTP errors
-- description: Responses with status 400 and above in the clear, by host, method and status.
-- subject: http
-- parameter: least int 400 Lowest status
-- parameter: limit int 200 Most rows
-- column: method term
-- column: responses count
-- column: uris uri
SELECT http.status, http.method, lower(http.host) AS host, flows.dst_ip AS server, flows.dst_port AS port,
    count(*) AS responses, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips,
    list_sort(list_distinct(list(http.uri) FILTER (http.uri IS NOT NULL)))[1:5] AS uris,
    greatest(count(DISTINCT http.uri) - 5, 0) AS further_uris, min(http.ts) AS first_seen, max(http.ts) AS last_seen,
    min(http.flow_id) AS example_flow
FROM http LEFT JOIN flows ON flows.flow_id = http.flow_id
WHERE http.status >= $least
GROUP BY http.status, http.method, lower(http.host), flows.dst_ip, flows.dst_port
ORDER BY responses DESC, http.status, host, server, port, http.method
LIMIT $limit
