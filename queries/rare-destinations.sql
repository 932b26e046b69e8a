-- title: Rare destinations
-- description: Destinations outside that few hosts of this session contacted, latest first. Rare means rare in these
-- description: captures, whose time and place decide what is seen.
-- subject: destinations
-- parameter: most int 1 Most hosts that contacted it
-- parameter: limit int 200 Most rows
-- column: destination host Its name, or its address without one
-- column: process_names software Processes that own the flows
WITH contacts AS (
    SELECT coalesce(hostname, dst_ip) AS destination, * FROM flows
    WHERE direction IN ('outbound', 'external') AND protocol NOT IN ('arp', 'rarp')
), seen AS ( -- one row per host and destination
    SELECT destination, src_ip, min(started_at) AS first_seen FROM contacts GROUP BY destination, src_ip
), rare AS ( -- the rows that are shown: what is costly is worked out for these alone
    SELECT destination, count(*) AS sources, min(first_seen) AS first_seen FROM seen GROUP BY destination
    HAVING count(*) <= $most
    ORDER BY first_seen DESC, destination
    LIMIT $limit
)
SELECT destination, rare.sources, list_sort(list_distinct(list(src_ip)))[1:5] AS source_ips,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT processes.name) - 5, 0) AS further_process_names,
    list_sort(list_distinct(list(coalesce(app, protocol))))[1:5] AS apps,
    greatest(count(DISTINCT coalesce(app, protocol)) - 5, 0) AS further_apps, count(DISTINCT dst_ip) AS addresses,
    count(*) AS flows, sum(src_bytes)::BIGINT AS bytes_sent, sum(dst_bytes)::BIGINT AS bytes_received,
    rare.first_seen, max(ended_at) AS last_seen, min(flow_id) AS example_flow
FROM rare JOIN contacts USING (destination)
LEFT JOIN processes ON processes.process_id = contacts.process_id
GROUP BY destination, rare.sources, rare.first_seen
ORDER BY rare.first_seen DESC, destination
