-- title: Programs that talk to the internet
-- description: Programs (name and path, over all their processes) that opened conversations with global addresses, by
-- description: when each did so first, and to where.
-- subject: processes
-- parameter: limit int 500 Most rows
-- column: processes count Processes of this program that did so
-- column: first_destination host Name, else address, of the first destination
-- column: first_port port Its port
SELECT processes.host, c.process_name, processes.exe, count(DISTINCT c.process_id) AS processes, count(*) AS flows,
    sum(bytes_sent)::BIGINT AS bytes_sent, sum(bytes_received)::BIGINT AS bytes_received,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen,
    arg_min(coalesce(hostname, remote_addr), (first_seen, c.flow_id)) AS first_destination,
    arg_min(remote_port, (first_seen, c.flow_id)) AS first_port,
    arg_min(c.flow_id, (first_seen, c.flow_id)) AS example_flow
FROM connections AS c
JOIN processes ON processes.process_id = c.process_id
WHERE local_initiated AND direction IN ('outbound', 'external')
GROUP BY processes.host, c.process_name, processes.exe
ORDER BY first_seen, processes.host, c.process_name, processes.exe
LIMIT $limit
