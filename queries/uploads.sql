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
WITH outside AS (
    SELECT *, coalesce(hostname, remote_addr) AS destination FROM connections
    WHERE direction IN ('outbound', 'inbound', 'external')
), largest AS ( -- the rows that are shown: what is costly is worked out for these alone
    SELECT local_addr, destination, sum(bytes_sent)::BIGINT AS sent, sum(bytes_received)::BIGINT AS received
    FROM outside GROUP BY local_addr, destination
    HAVING sent >= $least AND sent >= $ratio * received
    ORDER BY sent DESC, local_addr, destination
    LIMIT $limit
)
SELECT local_addr, destination, count(DISTINCT remote_addr) AS addresses,
    list_sort(list_distinct(list(coalesce(app, protocol))))[1:5] AS apps,
    greatest(count(DISTINCT coalesce(app, protocol)) - 5, 0) AS further_apps,
    list_sort(list_distinct(list(process_name) FILTER (process_name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT process_name) - 5, 0) AS further_process_names, count(*) AS flows, sent AS bytes_sent,
    received AS bytes_received, round(sent / nullif(received, 0), 2) AS ratio, min(first_seen) AS first_seen,
    max(last_seen) AS last_seen, min(flow_id) AS example_flow
FROM largest JOIN outside USING (local_addr, destination)
GROUP BY local_addr, destination, sent, received
ORDER BY bytes_sent DESC, local_addr, destination
