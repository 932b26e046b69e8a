-- title: Countries that programs talk to
-- description: Programs (name and path, over all their processes) with the countries of the addresses to which they
-- description: opened conversations, by when each was first. Countries come from tables of addresses (docs/data.md).
-- subject: processes
-- parameter: limit int 1000 Most rows
-- column: country place
-- column: addresses count Different addresses in that country
-- column: first_destination host Name, else address, of the first destination there
WITH opened AS (
    SELECT processes.host, c.process_name, processes.exe, flows.dst_country AS country, c.remote_addr, c.flow_id,
        bytes_sent, bytes_received, first_seen, last_seen, coalesce(c.hostname, c.remote_addr) AS destination,
        row_number() OVER (PARTITION BY processes.host, c.process_name, processes.exe, flows.dst_country
            ORDER BY first_seen, c.flow_id) AS place
    FROM connections AS c
    JOIN flows ON flows.flow_id = c.flow_id
    JOIN processes ON processes.process_id = c.process_id
    WHERE local_initiated AND flows.dst_country IS NOT NULL
)
SELECT host, process_name, exe, country, count(DISTINCT remote_addr) AS addresses, count(*) AS flows,
    sum(bytes_sent)::BIGINT AS bytes_sent, sum(bytes_received)::BIGINT AS bytes_received,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen, max(destination) FILTER (place = 1) AS first_destination,
    max(flow_id) FILTER (place = 1) AS example_flow
FROM opened
GROUP BY host, process_name, exe, country
ORDER BY first_seen, host, process_name, exe, country
LIMIT $limit
