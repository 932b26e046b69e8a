-- title: Destinations of programs
-- description: Programs (name and path, over all their processes) with the remote ends that they talked to.
-- subject: processes
-- parameter: process text null Only programs whose name contains this
-- parameter: limit int 200 Most rows
-- column: processes count Processes of this program that own flows
-- column: usernames user
-- column: ports port Remote ports
SELECT processes.host, c.process_name, processes.exe, count(DISTINCT c.process_id) AS processes,
    list_sort(list_distinct(list(c.username) FILTER (c.username IS NOT NULL)))[1:5] AS usernames,
    greatest(count(DISTINCT c.username) - 5, 0) AS further_usernames,
    count(DISTINCT remote_addr) AS addresses,
    list_sort(list_distinct(list(hostname) FILTER (hostname IS NOT NULL)))[1:8] AS hostnames,
    greatest(count(DISTINCT hostname) - 8, 0) AS further_hostnames,
    list_sort(list_distinct(list(remote_port) FILTER (remote_port IS NOT NULL AND local_initiated)))[1:8] AS ports,
    greatest(count(DISTINCT remote_port) FILTER (local_initiated) - 8, 0) AS further_ports,
    list_sort(list_distinct(list(app) FILTER (app IS NOT NULL)))[1:8] AS apps,
    greatest(count(DISTINCT app) - 8, 0) AS further_apps, count(*) AS flows, sum(bytes_sent)::BIGINT AS bytes_sent,
    sum(bytes_received)::BIGINT AS bytes_received, min(first_seen) AS first_seen, max(last_seen) AS last_seen,
    min(c.flow_id) AS example_flow
FROM connections AS c
JOIN processes ON processes.process_id = c.process_id
WHERE $process IS NULL OR contains(lower(c.process_name), lower($process))
GROUP BY processes.host, c.process_name, processes.exe
ORDER BY flows DESC, processes.host, c.process_name, processes.exe
LIMIT $limit
