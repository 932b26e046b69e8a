-- title: Tunnels
-- description: What was carried in tunnels (GRE, VXLAN, IP in IP …), by the ends of the tunnel, and conversations of VPN
-- description: protocols, whose content is encrypted. Fragments are no tunnel.
-- subject: protocols
-- parameter: limit int 200 Most rows
-- column: tunnel word
-- column: src mixed Address, or hardware address below the network layer
-- column: dst mixed
-- column: inside_flows count Flows inside; none of encrypted ones
-- column: inside_protocols word
WITH inside AS (
    SELECT outer_flow_id, tunnel, coalesce(app, protocol) AS app, src_bytes + dst_bytes AS bytes
    FROM flows WHERE tunnel IS NOT NULL AND tunnel <> 'fragments' AND outer_flow_id IS NOT NULL
), carriers AS (
    SELECT outer_flow_id AS flow_id, tunnel, count(*) AS inside_flows, sum(bytes)::BIGINT AS inside_bytes,
        list_sort(list_distinct(list(app)))[1:8] AS inside_protocols,
        greatest(count(DISTINCT app) - 8, 0) AS further_inside_protocols
    FROM inside GROUP BY outer_flow_id, tunnel
)
SELECT coalesce(carriers.tunnel, app, protocol) AS tunnel, coalesce(src_ip, src_mac) AS src, coalesce(dst_ip, dst_mac) AS dst,
    dst_port, direction, src_packets + dst_packets AS packets, src_bytes + dst_bytes AS bytes,
    coalesce(inside_flows, 0) AS inside_flows, inside_bytes, inside_protocols, further_inside_protocols, started_at, ended_at,
    flows.flow_id
FROM flows LEFT JOIN carriers ON carriers.flow_id = flows.flow_id
WHERE carriers.flow_id IS NOT NULL OR app IN ('openvpn', 'wireguard', 'ipsec') OR protocol IN ('esp', 'ah')
ORDER BY bytes DESC, flows.flow_id
LIMIT $limit
