-- title: ICMP errors
-- description: Errors by their sender and reason, with the packets they are about. Anyone can send an ICMP error; a packet
-- description: that is not in the capture has no flow here.
-- subject: quality
-- parameter: limit int 200 Most rows
-- column: reporter address Sender of the errors
-- column: message word
-- column: reason word
-- column: target address Destination of the packets that failed
-- column: target_ports port
-- column: unseen count Errors about packets that the capture lacks
SELECT flows.src_ip AS reporter, icmp.message, icmp.reason, icmp.quoted_protocol AS protocol, icmp.quoted_dst_ip AS target,
    list_sort(list_distinct(list(icmp.quoted_dst_port) FILTER (icmp.quoted_dst_port IS NOT NULL)))[1:8] AS target_ports,
    greatest(count(DISTINCT icmp.quoted_dst_port) - 8, 0) AS further_target_ports, count(*) AS messages,
    count(DISTINCT icmp.quoted_src_ip) AS clients, list_sort(list_distinct(list(icmp.quoted_src_ip)))[1:5] AS client_ips,
    count(*) FILTER (about_flow_id IS NULL) AS unseen, min(icmp.mtu) AS mtu, min(icmp.ts) AS first_seen,
    max(icmp.ts) AS last_seen, min(icmp.flow_id) AS example_flow
FROM icmp LEFT JOIN flows ON flows.flow_id = icmp.flow_id
WHERE icmp.quoted_dst_ip IS NOT NULL
GROUP BY flows.src_ip, icmp.message, icmp.reason, icmp.quoted_protocol, icmp.quoted_dst_ip
ORDER BY messages DESC, reporter, target, icmp.message, icmp.reason, protocol
LIMIT $limit
