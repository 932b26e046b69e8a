-- title: Broadcast and multicast
-- description: What hosts sent to groups and to everyone on the link, by sender, group and protocol.
-- subject: hosts
-- parameter: limit int 200 Most rows
-- column: sender mixed Address, or hardware address below the network layer
-- column: receiver mixed Group, or its hardware address
SELECT direction, coalesce(src_ip, src_mac) AS sender, coalesce(dst_ip, dst_mac) AS receiver, protocol, dst_port AS port,
    coalesce(app, service) AS app, count(*) AS flows, sum(src_packets + dst_packets)::BIGINT AS packets,
    sum(src_bytes + dst_bytes)::BIGINT AS bytes, min(started_at) AS first_seen, max(ended_at) AS last_seen,
    min(flow_id) AS example_flow
FROM flows
WHERE direction IN ('multicast', 'broadcast')
GROUP BY ALL
ORDER BY packets DESC, sender, receiver, protocol, port, direction, app
LIMIT $limit
