-- title: Rare destinations
-- description: Destinations outside that few hosts of this session contacted, latest first. Rare means rare in these
-- description: captures, whose time and place decide what is seen.
-- subject: destinations
-- parameter: most int 1 Most hosts that contacted it
-- parameter: limit int 200 Most rows
-- column: destination host Its name, or its address without one
-- column: process_names software Processes that own the flows
WITH contacts AS (
    SELECT coalesce(hostname, dst_ip) AS destination, flows.*, processes.name AS process_name
    FROM flows LEFT JOIN processes ON processes.process_id = flows.process_id
    WHERE direction IN ('outbound', 'external') AND protocol NOT IN ('arp', 'rarp')
)
SELECT destination, count(DISTINCT src_ip) AS sources, list_sort(list_distinct(list(src_ip)))[1:5] AS source_ips,
    list_sort(list_distinct(list(process_name) FILTER (process_name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT process_name) - 5, 0) AS further_process_names,
    list_sort(list_distinct(list(coalesce(app, protocol))))[1:5] AS apps,
    greatest(count(DISTINCT coalesce(app, protocol)) - 5, 0) AS further_apps, count(DISTINCT dst_ip) AS addresses,
    count(*) AS flows, sum(src_bytes)::BIGINT AS bytes_sent, sum(dst_bytes)::BIGINT AS bytes_received,
    min(started_at) AS first_seen, max(ended_at) AS last_seen, min(flow_id) AS example_flow
FROM contacts
GROUP BY destination
HAVING count(DISTINCT src_ip) <= $most
ORDER BY first_seen DESC, destination
LIMIT $limit
