-- title: Services that hosts offer
-- description: Ports that answered, by server: with the protocol by content (app_source payload) or only by its
-- description: port, the software that the server states, clients and traffic. Multicast and broadcast are left
-- description: out.
-- parameter: server address null Only this server
-- parameter: local bool no Only servers on this side: asked by hosts of the local networks, or from outside
-- parameter: limit int 1000 Most rows
-- subject: hosts
-- column: server address
-- column: port port
-- column: software software
-- column: clients count
SELECT f.dst_ip AS server, f.protocol, f.dst_port AS port, f.app, f.app_source, f.service,
    (SELECT list_sort(list_distinct(list(value))) FROM host_facts h
        WHERE h.ip = f.dst_ip AND h.fact = 'software' AND h.source = f.app) AS software,
    count(*) AS flows, count(DISTINCT f.src_ip) AS clients, sum(f.src_bytes + f.dst_bytes)::BIGINT AS bytes,
    min(f.started_at) AS first_seen, max(f.ended_at) AS last_seen, min(f.flow_id) AS example_flow
FROM flows f
WHERE f.dst_packets > 0 AND f.dst_port IS NOT NULL AND ($server IS NULL OR f.dst_ip = $server)
    AND f.direction NOT IN ('multicast', 'broadcast') AND (NOT $local OR f.direction IN ('inbound', 'internal'))
    AND (f.protocol <> 'tcp' OR f.app_source = 'payload' OR f.conn_state IN ('SF', 'S1', 'S2', 'S3', 'RSTO', 'RSTR'))
GROUP BY f.dst_ip, f.protocol, f.dst_port, f.app, f.app_source, f.service
ORDER BY flows DESC, server, f.protocol, port, f.app
LIMIT $limit
