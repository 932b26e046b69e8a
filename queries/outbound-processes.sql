-- title: Programs that talk to the internet
-- description: Programs (name and path, over all their processes) that opened conversations with global addresses, by
-- description: when each did so first, and to where.
-- subject: processes
-- parameter: limit int 500 Most rows
-- column: processes count Processes of this program that did so
-- column: first_destination host Name, else address, of the first destination
-- column: first_port port Its port
WITH opened AS (
    SELECT processes.host, c.process_name, processes.exe, c.process_id, c.flow_id, bytes_sent, bytes_received,
        first_seen, last_seen, coalesce(hostname, remote_addr) AS destination, remote_port,
        row_number() OVER (PARTITION BY processes.host, c.process_name, processes.exe ORDER BY first_seen, c.flow_id)
            AS place
    FROM connections AS c
    JOIN processes ON processes.process_id = c.process_id
    WHERE local_initiated AND direction IN ('outbound', 'external')
)
SELECT host, process_name, exe, count(DISTINCT process_id) AS processes, count(*) AS flows,
    sum(bytes_sent)::BIGINT AS bytes_sent, sum(bytes_received)::BIGINT AS bytes_received,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen, max(destination) FILTER (place = 1) AS first_destination,
    max(remote_port) FILTER (place = 1) AS first_port, max(flow_id) FILTER (place = 1) AS example_flow
FROM opened
GROUP BY host, process_name, exe
ORDER BY first_seen, host, process_name, exe
LIMIT $limit
