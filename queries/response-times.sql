-- title: Response times
-- description: How long services took to answer, by service: the times that 50, 90, 95 and 99 % of the samples do not
-- description: exceed, each one of the samples; NULL where there are too few of them (p50 needs 2, p90 10, p95 20, p99 100).
-- description: Times are as captured: they contain the network between the place of capture and the server. Negative ones,
-- description: of packets whose times are in another order, are counted and left out.
-- subject: quality
-- parameter: by_server bool no A row for each server of a service
-- parameter: service text null Only this service
-- column: measured word From which message to which
-- column: server address
-- column: samples count
-- column: slowest_flow flow Flow of the longest time
-- column: negative count Samples that are left out: the answer came before the question
WITH samples(service, measured, flow_id, ms) AS (
    SELECT 'tcp', 'SYN to open', flow_id, open_ms FROM flows
    UNION ALL SELECT 'tls', 'hello to hello', flow_id, server_hello_ms FROM tls
    UNION ALL SELECT 'quic', 'hello to hello', flow_id, server_hello_ms FROM quic
    UNION ALL SELECT transport, 'query to answer', flow_id, answer_ms FROM dns
    UNION ALL SELECT 'icmp', 'request to reply', flow_id, rtt_ms FROM icmp
    UNION ALL SELECT 'ntp', 'request to reply', flow_id, rtt_ms FROM ntp
    UNION ALL SELECT 'http', 'request to response', flow_id, response_ms FROM http
    UNION ALL SELECT 'coap', 'request to response', flow_id, response_ms FROM coap
    UNION ALL SELECT 'dcerpc', 'request to response', flow_id, rtt_ms FROM dcerpc
    UNION ALL SELECT 'ldap', 'request to result', flow_id, rtt_ms FROM ldap
    UNION ALL SELECT 'nfs', 'call to reply', flow_id, rtt_ms FROM nfs
    UNION ALL SELECT 'smb', 'request to response', flow_id, rtt_ms FROM smb
    UNION ALL SELECT 'kafka', 'request to response', flow_id, response_ms FROM kafka
    UNION ALL SELECT 'memcached', 'command to end of reply', flow_id, response_ms FROM memcached
    UNION ALL SELECT 'mongodb', 'request to reply', flow_id, response_ms FROM mongodb
    UNION ALL SELECT 'redis', 'command to reply', flow_id, response_ms FROM redis
    UNION ALL SELECT 'ftp', 'command to final reply', flow_id, response_ms FROM ftp
    UNION ALL SELECT 'imap', 'command to tagged response', flow_id, response_ms FROM imap
    UNION ALL SELECT 'pop3', 'command to reply', flow_id, response_ms FROM pop3
    UNION ALL SELECT 'smtp', 'command to final reply', flow_id, response_ms FROM smtp
    UNION ALL SELECT 'nntp', 'command to reply', flow_id, response_ms FROM nntp
    UNION ALL SELECT 'managesieve', 'command to result', flow_id, response_ms FROM managesieve
    UNION ALL SELECT 'finger', 'query to answer', flow_id, response_ms FROM finger
    UNION ALL SELECT 'gopher', 'request to answer', flow_id, response_ms FROM gopher
    UNION ALL SELECT 'rtsp', 'request to response', flow_id, response_ms FROM rtsp
    UNION ALL SELECT 'modbus', 'request to response', flow_id, rtt_ms FROM modbus
    UNION ALL SELECT 'radius', 'request to answer', flow_id, response_ms FROM radius
    UNION ALL SELECT 'snmp', 'request to response', flow_id, rtt_ms FROM snmp
    UNION ALL SELECT 'stun', 'request to answer', flow_id, response_ms FROM stun
    UNION ALL SELECT 'openvpn', 'reset to reset', flow_id, response_ms FROM openvpn
    UNION ALL SELECT 'wireguard', 'initiation to response', flow_id, response_ms FROM wireguard
), grouped AS (
    SELECT samples.service, measured, CASE WHEN $by_server THEN dst_ip END AS server, CASE WHEN $by_server THEN dst_port END AS port,
        count(*) FILTER (ms >= 0) AS n, count(*) FILTER (ms < 0) AS negative, count(DISTINCT dst_ip) AS servers,
        quantile_disc(ms, [0, 0.5, 0.9, 0.95, 0.99, 1]) FILTER (ms >= 0) AS q, avg(ms) FILTER (ms >= 0) AS mean,
        max({'ms': ms, 'flow': flow_id}) FILTER (ms >= 0) AS slowest
    FROM samples JOIN flows USING (flow_id)
    WHERE ms IS NOT NULL AND ($service IS NULL OR samples.service = lower($service))
    GROUP BY ALL
)
SELECT service, measured, server, port, servers, n AS samples, q[1] AS min_ms, CASE WHEN n >= 2 THEN q[2] END AS p50_ms,
    CASE WHEN n >= 10 THEN q[3] END AS p90_ms, CASE WHEN n >= 20 THEN q[4] END AS p95_ms,
    CASE WHEN n >= 100 THEN q[5] END AS p99_ms, q[6] AS max_ms, round(mean, 3) AS mean_ms, slowest.flow AS slowest_flow, negative
FROM grouped
ORDER BY samples DESC, service, server, port
