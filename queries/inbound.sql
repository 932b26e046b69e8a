-- title: Connections from outside
-- description: Services at private addresses that public addresses contacted, and how far that went. A capture behind
-- description: address translation shows the private address, one before it the public.
-- subject: security
-- parameter: answered bool no Only services that answered
-- parameter: limit int 200 Most rows
-- column: answered count Flows in which the service sent something
-- column: process_names software
SELECT dst_ip AS server, dst_port AS port, flows.protocol, list_sort(list_distinct(list(app) FILTER (app IS NOT NULL)))[1:5] AS apps,
    greatest(count(DISTINCT app) - 5, 0) AS further_apps, count(*) AS flows,
    count(*) FILTER (dst_packets > 0) AS answered,
    count(*) FILTER (conn_state NOT IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR', 'OTH')) AS established,
    count(DISTINCT src_ip) AS sources, list_sort(list_distinct(list(src_ip)))[1:5] AS source_ips,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT processes.name) - 5, 0) AS further_process_names, sum(src_bytes)::BIGINT AS bytes_received,
    sum(dst_bytes)::BIGINT AS bytes_sent, min(flows.started_at) AS first_seen, max(ended_at) AS last_seen,
    min(flow_id) AS example_flow
FROM flows LEFT JOIN processes ON processes.process_id = flows.process_id
WHERE direction = 'inbound'
GROUP BY dst_ip, dst_port, flows.protocol
HAVING NOT $answered OR count(*) FILTER (dst_packets > 0) > 0
ORDER BY flows DESC, server, port, flows.protocol
LIMIT $limit
