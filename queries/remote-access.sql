-- title: Remote access
-- description: Conversations of protocols that operate other machines (SSH, RDP, VNC, Telnet, SMB, RPC, WinRM, X11, rlogin), by
-- description: client, with the number of machines that each reached. Administration looks like this.
-- subject: security
-- parameter: limit int 200 Most rows
-- column: answered count Flows in which the server sent something
-- column: server_ips address
WITH remote AS (
    SELECT CASE WHEN app_source IN ('payload', 'inherited', 'tshark') AND app IN ('ssh', 'rdp', 'vnc', 'telnet', 'smb', 'dcerpc') THEN app
        WHEN app_source IN ('payload', 'inherited', 'tshark') AND app NOT IN ('http', 'tls') THEN NULL
        WHEN flows.protocol = 'tcp' THEN CASE dst_port WHEN 22 THEN 'port 22 (ssh)' WHEN 23 THEN 'port 23 (telnet)'
            WHEN 135 THEN 'port 135 (dcerpc)' WHEN 445 THEN 'port 445 (smb)' WHEN 513 THEN 'port 513 (rlogin)'
            WHEN 514 THEN 'port 514 (rsh)' WHEN 3389 THEN 'port 3389 (rdp)' WHEN 5900 THEN 'port 5900 (vnc)'
            WHEN 5985 THEN 'port 5985 (winrm)' WHEN 5986 THEN 'port 5986 (winrm)' WHEN 6000 THEN 'port 6000 (x11)' END
        END AS service, *
    EXCLUDE (service) FROM flows
)
SELECT service, src_ip AS client, direction, count(DISTINCT dst_ip) AS servers,
    list_sort(list_distinct(list(dst_ip)))[1:8] AS server_ips, count(*) AS flows,
    count(*) FILTER (dst_packets > 0) AS answered, sum(src_bytes)::BIGINT AS bytes_sent,
    sum(dst_bytes)::BIGINT AS bytes_received, min(started_at) AS first_seen, max(ended_at) AS last_seen,
    min(flow_id) AS example_flow
FROM remote
WHERE service IS NOT NULL
GROUP BY service, src_ip, direction
ORDER BY servers DESC, flows DESC, service, client, direction
LIMIT $limit
