-- title: More sent than received
-- description: Remote ends outside to which a host sent much more than it received, by name or address. Backups, video
-- description: calls and mail look the same; what was sent is not known here.
-- subject: security
-- parameter: least size 1M Fewest bytes sent
-- parameter: ratio float 3 Least ratio of bytes sent to bytes received
-- parameter: limit int 100 Most rows
-- column: destination host Name of the remote end, or its address
-- column: local_addr address
-- column: ratio number Bytes sent for each byte received; none if nothing was received
-- column: process_names software
SELECT local_addr, coalesce(hostname, remote_addr) AS destination, count(DISTINCT remote_addr) AS addresses,
    list_sort(list_distinct(list(coalesce(app, protocol))))[1:5] AS apps,
    greatest(count(DISTINCT coalesce(app, protocol)) - 5, 0) AS further_apps,
    list_sort(list_distinct(list(process_name) FILTER (process_name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT process_name) - 5, 0) AS further_process_names, count(*) AS flows,
    sum(bytes_sent)::BIGINT AS bytes_sent, sum(bytes_received)::BIGINT AS bytes_received,
    round(sum(bytes_sent) / nullif(sum(bytes_received), 0), 2) AS ratio, min(first_seen) AS first_seen,
    max(last_seen) AS last_seen, min(flow_id) AS example_flow
FROM connections
WHERE direction IN ('outbound', 'inbound', 'external')
GROUP BY local_addr, coalesce(hostname, remote_addr)
HAVING sum(bytes_sent) >= $least AND sum(bytes_sent) >= $ratio * sum(bytes_received)
ORDER BY bytes_sent DESC, local_addr, destination
LIMIT $limit
