-- title: Failed TLS handshakes
-- description: Handshakes that did not reach encryption in the capture, by server and alert. Without an alert, the end of
-- description: the connection or of the capture came first.
-- subject: tls
-- parameter: limit int 200 Most rows
-- column: alert_from word Sender of the alert
-- column: conn_states word Zeek's connection states
SELECT lower(sni) AS sni, flows.dst_ip AS server, flows.dst_port AS port, alert,
    CASE WHEN alert IS NULL OR alert_from_client IS NULL THEN NULL WHEN alert_from_client THEN 'client' ELSE 'server' END
        AS alert_from,
    count(*) AS handshakes, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips,
    list_sort(list_distinct(list(flows.conn_state))) AS conn_states, min(ts) AS first_seen, max(ts) AS last_seen,
    min(tls.flow_id) AS example_flow
FROM tls LEFT JOIN flows ON flows.flow_id = tls.flow_id
WHERE NOT coalesce(established, false)
GROUP BY lower(sni), flows.dst_ip, flows.dst_port, alert, alert_from
ORDER BY handshakes DESC, server, port, sni, alert, alert_from
LIMIT $limit
