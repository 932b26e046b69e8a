-- title: Listening ports
-- description: TCP ports on which programs of the captured machine waited for connections, and UDP ports that took
-- description: datagrams from anybody, with the programs. Sockets of one program and port are one row.
-- parameter: at time null Only ports that were open at this time
-- parameter: port int null Only this port
-- subject: machine
-- column: port port
-- column: addresses address Own addresses that it was open on
-- column: reach word
-- column: pids identifier
-- column: opened_at time When the first of them was opened; NULL: before the recording began
-- column: closed_at time When the last of them was closed; NULL: it was open to the end
-- column: flows count Flows to this port of one of the machine's addresses
WITH own AS (
    SELECT DISTINCT capture_id, split_part(unnest(ip_addresses), '/', 1) AS ip FROM machine_interfaces
), asked AS (
    SELECT f.capture_id, f.protocol, f.dst_port AS port, count(*) AS flows
    FROM flows f JOIN own o ON o.capture_id = f.capture_id AND o.ip = f.dst_ip
    GROUP BY f.capture_id, f.protocol, f.dst_port
), waiting AS (
    SELECT * FROM sockets
    WHERE (listening OR protocol = 'udp' AND remote_addr IS NULL) AND ($port IS NULL OR local_port = $port)
        AND ($at IS NULL OR epoch_ns(first_seen) <= $at AND (closed_at IS NULL OR epoch_ns(closed_at) > $at))
)
SELECT w.protocol, w.local_port AS port, list_sort(list_distinct(list(w.local_addr))) AS addresses,
    CASE WHEN bool_or(w.local_addr IN ('0.0.0.0', '::')) THEN 'all addresses'
        WHEN bool_and(starts_with(w.local_addr, '127.') OR w.local_addr = '::1') THEN 'this machine only'
        ELSE 'these addresses' END AS reach,
    w.process_name, list_sort(list_distinct(list(w.pid))) AS pids, w.username, w.exe,
    CASE WHEN count(*) = count(w.opened_at) THEN min(w.opened_at) END AS opened_at,
    CASE WHEN count(*) = count(w.closed_at) THEN max(w.closed_at) END AS closed_at,
    coalesce(max(a.flows), 0) AS flows, w.capture_id
FROM waiting w
LEFT JOIN asked a ON a.capture_id = w.capture_id AND a.protocol = w.protocol AND a.port = w.local_port
GROUP BY w.capture_id, w.protocol, w.local_port, w.process_name, w.username, w.exe
ORDER BY w.capture_id, w.protocol, port, w.process_name
