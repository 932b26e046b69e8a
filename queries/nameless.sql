-- title: Nameless contacts
-- description: Public addresses that were contacted before the capture had learned any name for them, by process.
-- subject: destinations
-- parameter: process text null Only processes whose name contains this
-- parameter: silent bool false Only flows that gave no name of their own either (SNI, Host)
-- parameter: limit int 200 Most rows
-- column: process software Name of the process, or (unowned)
-- column: address address
-- column: named_itself host Names that its flows gave
WITH learned AS (
    SELECT ip, min(ts) AS at FROM names GROUP BY ip
), contacts AS (
    SELECT flows.*, connections.process_name, connections.pid, connections.username, connections.bytes_sent,
        connections.bytes_received
    FROM flows
    JOIN connections ON connections.flow_id = flows.flow_id
    LEFT JOIN learned ON learned.ip = flows.dst_ip AND learned.at <= flows.started_at
    WHERE flows.direction IN ('outbound', 'external') AND learned.ip IS NULL
        AND connections.local_initiated AND flows.protocol NOT IN ('arp', 'rarp')
        AND NOT ($silent AND coalesce(flows.hostname <> flows.dst_ip AND flows.hostname_source <> 'dns', false))
        AND ($process IS NULL OR contains(lower(connections.process_name), lower($process)))
)
SELECT coalesce(process_name, '(unowned)') AS process, pid, username, dst_ip AS address, protocol, dst_port AS port,
    list_sort(list_distinct(list(app)))[1:5] AS apps, greatest(count(DISTINCT app) - 5, 0) AS further_apps,
    count(*) AS flows, sum(bytes_sent)::BIGINT AS bytes_sent,
    sum(bytes_received)::BIGINT AS bytes_received,
    list_sort(list_distinct(list(hostname) FILTER (hostname_source <> 'dns' AND hostname <> dst_ip)))[1:5] AS named_itself,
    greatest(count(DISTINCT hostname) FILTER (hostname_source <> 'dns' AND hostname <> dst_ip) - 5, 0) AS further_names,
    unowned_reason, min(started_at) AS first_seen, max(ended_at) AS last_seen,
    min(flow_id) AS example_flow
FROM contacts
GROUP BY process_id, process_name, pid, username, dst_ip, protocol, dst_port, unowned_reason
ORDER BY first_seen, process, address, protocol, port
LIMIT $limit
