-- title: Services on unusual ports
-- description: Services that a parser recognised by their content on ports to which no service belongs. Protocols whose ports
-- description: are agreed in each case (RTP, BitTorrent, RPC …) are left out; ports of another service are shown by
-- description: services-by-port-mismatch.
-- subject: security
-- parameter: limit int 200 Most rows
-- column: process_names software Of the servers or clients, as far as known
SELECT app, flows.protocol, dst_ip AS server, dst_port AS port, direction,
    list_sort(list_distinct(list(hostname) FILTER (hostname IS NOT NULL)))[1:5] AS hostnames,
    greatest(count(DISTINCT hostname) - 5, 0) AS further_hostnames, count(*) AS flows, count(DISTINCT src_ip) AS clients,
    list_sort(list_distinct(list(src_ip)))[1:5] AS client_ips,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT processes.name) - 5, 0) AS further_process_names, sum(src_bytes)::BIGINT AS bytes_sent,
    sum(dst_bytes)::BIGINT AS bytes_received, min(flows.started_at) AS first_seen, max(ended_at) AS last_seen,
    min(flow_id) AS example_flow
FROM flows LEFT JOIN processes ON processes.process_id = flows.process_id
WHERE app_source = 'payload' AND dst_port IS NOT NULL AND service IS NULL
    AND app NOT IN ('rtp', 'rtcp', 'bittorrent', 'dcerpc', 'stun', 'nfs', 'ftp-data', 'tftp')
GROUP BY app, flows.protocol, dst_ip, dst_port, direction
ORDER BY flows DESC, app, server, port, flows.protocol, direction
LIMIT $limit
