-- title: New listeners
-- description: Sockets of the captured machine that began to wait for connections or datagrams while it was recorded,
-- description: with their programs. Sockets were looked at every 5 seconds, so that opened_after is up to that earlier.
-- parameter: protocol choice:tcp|udp|any tcp Which protocol
-- subject: machine
-- column: opened_after time
-- column: opened_at time
-- column: closed_at time NULL: it was open to the end
-- column: local_addr address
-- column: local_port port
-- column: also_before boolean The same program had waited on this port before
SELECT s.opened_at, s.opened_after, s.closed_at, s.protocol, s.local_addr, s.local_port, s.process_name, s.pid, s.username,
    s.exe, s.cmdline,
    EXISTS (SELECT 1 FROM sockets o WHERE o.capture_id = s.capture_id AND o.protocol = s.protocol
        AND o.local_port = s.local_port AND o.first_seen < s.first_seen AND (o.listening OR o.remote_addr IS NULL)
        AND o.exe IS NOT DISTINCT FROM s.exe AND o.process_name IS NOT DISTINCT FROM s.process_name) AS also_before,
    s.capture_id
FROM sockets s
WHERE s.opened_at IS NOT NULL AND ($protocol = 'any' OR s.protocol = $protocol)
    AND (s.listening OR s.protocol = 'udp' AND s.remote_addr IS NULL)
ORDER BY s.opened_at, s.capture_id, s.socket
