-- title: Users
-- description: Accounts that own flows, by the sources of ownership, with their programs. Flows without an owner have none.
-- subject: processes
-- parameter: limit int 100 Most rows
-- column: programs software
SELECT processes.host, c.username, count(DISTINCT c.process_id) AS processes,
    list_sort(list_distinct(list(c.process_name) FILTER (c.process_name IS NOT NULL)))[1:8] AS programs,
    greatest(count(DISTINCT c.process_name) - 8, 0) AS further_programs, count(*) AS flows,
    count(DISTINCT remote_addr) AS remote_hosts, sum(bytes_sent)::BIGINT AS bytes_sent,
    sum(bytes_received)::BIGINT AS bytes_received, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM connections AS c
JOIN processes ON processes.process_id = c.process_id
GROUP BY processes.host, c.username
ORDER BY sum(c.bytes_sent + c.bytes_received) DESC, processes.host, c.username
LIMIT $limit
