-- title: Failed connections
-- description: TCP attempts that were refused or not answered, by target.
-- parameter: limit int 100 Most rows
SELECT dst_ip, dst_port, any_value(hostname) AS hostname, any_value(service) AS service, conn_state,
    CASE conn_state WHEN 'S0' THEN 'no answer' WHEN 'REJ' THEN 'refused' WHEN 'RSTOS0' THEN 'given up by reset'
        ELSE 'reset before it was open' END AS outcome,
    count(*) AS attempts, count(DISTINCT src_ip) AS sources, any_value(src_ip) AS example_source,
    min(started_at) AS first_seen, max(ended_at) AS last_seen, min(flow_id) AS example_flow
FROM flows
WHERE protocol = 'tcp' AND conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH')
GROUP BY dst_ip, dst_port, conn_state
ORDER BY attempts DESC, dst_ip, dst_port
LIMIT $limit
