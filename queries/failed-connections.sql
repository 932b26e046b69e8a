-- title: Failed connections
-- description: TCP attempts that were refused or not answered, and datagrams that only ICMP errors answered, by target.
-- subject: quality
-- parameter: limit int 100 Most rows
-- column: reporters address Senders of the ICMP errors
WITH errors AS (
    SELECT icmp.about_flow_id AS flow_id, sender.src_ip AS reporter,
        CASE WHEN message = 'parameter_problem' THEN message ELSE coalesce(reason, message) END AS error
    FROM icmp JOIN flows AS sender ON sender.flow_id = icmp.flow_id
    WHERE about_flow_id IS NOT NULL AND message IN ('destination_unreachable', 'time_exceeded', 'parameter_problem')
        AND reason IS DISTINCT FROM 'fragmentation_needed'
), reported AS (
    SELECT flow_id, list_sort(list(DISTINCT reporter)) AS reporters,
        'answered by ICMP ' || replace(array_to_string(list_sort(list(DISTINCT error)), ', '), '_', ' ') AS outcome
    FROM errors GROUP BY flow_id
)
SELECT protocol, dst_ip, dst_port, service, conn_state,
    CASE WHEN conn_state IN ('S0', 'RSTOS0') AND outcome IS NOT NULL THEN outcome
        WHEN conn_state = 'S0' THEN 'no answer' WHEN conn_state = 'REJ' THEN 'refused' WHEN conn_state = 'RSTOS0' THEN 'given up by reset'
        ELSE 'reset before it was open' END AS outcome,
    list_sort(list_distinct(flatten(list(reporters))))[1:5] AS reporters,
    greatest(len(list_distinct(flatten(list(reporters)))) - 5, 0) AS further_reporters,
    list_sort(list_distinct(list(hostname)))[1:5] AS hostnames,
    greatest(count(DISTINCT hostname) - 5, 0) AS further_hostnames, count(*) AS attempts,
    count(DISTINCT src_ip) AS sources, list_sort(list_distinct(list(src_ip)))[1:5] AS source_ips,
    min(started_at) AS first_seen, max(ended_at) AS last_seen, min(flows.flow_id) AS example_flow
FROM flows LEFT JOIN reported ON reported.flow_id = flows.flow_id
WHERE protocol = 'tcp' AND conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH')
        AND NOT (conn_state = 'S0' AND src_flags & 16 > 0) -- it goes on: the answers are not in the capture
    OR protocol IN ('udp', 'sctp', 'dccp', 'udplite') AND dst_packets = 0 AND outcome IS NOT NULL
GROUP BY ALL
ORDER BY attempts DESC, protocol, dst_ip, dst_port, outcome
LIMIT $limit
