-- title: Owners
-- description: Processes and their remote ends and applications, by bytes.
-- parameter: process text null Only processes whose name contains this
-- parameter: limit int 200 Most rows
SELECT any_value(processes.host) AS host, process_name, c.pid, c.username,
    any_value(processes.exe) AS exe, any_value(processes.lineage[-1]) AS parent, remote_addr, remote_port,
    any_value(hostname) AS hostname, any_value(app) AS app, count(*) AS flows, sum(bytes_sent)::BIGINT AS bytes_sent,
    sum(bytes_received)::BIGINT AS bytes_received, list_sort(list_distinct(list(process_source))) AS sources,
    count(*) FILTER (process_contested) AS contested, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM connections AS c
JOIN processes ON processes.process_id = c.process_id
WHERE $process IS NULL OR contains(lower(process_name), lower($process))
GROUP BY c.process_id, process_name, c.pid, c.username, remote_addr, remote_port
ORDER BY sum(bytes_sent + bytes_received) DESC, process_name, c.pid, remote_addr, remote_port
LIMIT $limit
