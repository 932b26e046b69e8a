-- title: Owners
-- description: Processes and their remote ends, names and applications, by bytes. Requests of mixed flows went to
-- description: several hosts, of which the name is one.
-- subject: processes
-- parameter: process text null Only processes whose name contains this
-- parameter: limit int 200 Most rows
-- column: sources word Sources of the ownership
-- column: contested count Flows whose claims disagree
WITH mixed AS ( -- a proxy's, say
    SELECT flow_id FROM http WHERE host IS NOT NULL GROUP BY flow_id HAVING count(DISTINCT lower(host)) > 1
), owned AS (
    SELECT * FROM connections
    WHERE process_id IS NOT NULL AND ($process IS NULL OR contains(lower(process_name), lower($process)))
), busiest AS ( -- the rows that are shown: what is costly is worked out for these alone
    SELECT process_id, process_name, pid, remote_addr, remote_port, hostname, sum(bytes_sent + bytes_received)::BIGINT AS bytes
    FROM owned GROUP BY ALL
    ORDER BY bytes DESC, process_name, pid, process_id, remote_addr, remote_port, hostname NULLS LAST
    LIMIT $limit
)
SELECT processes.host, c.process_name, c.pid, c.username, processes.exe, processes.lineage[-1] AS parent, c.remote_addr,
    c.remote_port, c.hostname, list_sort(list_distinct(list(app)))[1:5] AS apps,
    greatest(count(DISTINCT app) - 5, 0) AS further_apps, count(*) AS flows,
    count(*) FILTER (flow_id IN (SELECT flow_id FROM mixed)) AS mixed_flows, sum(bytes_sent)::BIGINT AS bytes_sent,
    sum(bytes_received)::BIGINT AS bytes_received, busiest.bytes,
    list_sort(list_distinct(list(process_source))) AS sources, count(*) FILTER (process_contested) AS contested,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM busiest
JOIN owned AS c ON c.process_id = busiest.process_id AND c.remote_addr IS NOT DISTINCT FROM busiest.remote_addr
    AND c.remote_port IS NOT DISTINCT FROM busiest.remote_port AND c.hostname IS NOT DISTINCT FROM busiest.hostname
JOIN processes ON processes.process_id = c.process_id
GROUP BY c.process_id, processes.host, c.process_name, c.pid, c.username, processes.exe, processes.lineage[-1],
    c.remote_addr, c.remote_port, c.hostname, busiest.bytes
ORDER BY bytes DESC, c.process_name, c.pid, c.process_id, c.remote_addr, c.remote_port, c.hostname NULLS LAST
