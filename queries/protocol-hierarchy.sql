-- title: Protocol hierarchy
-- description: Frames and bytes by layer, as a tree in which a frame counts once for each of its layers. Layers above the
-- description: transport have the frames with payload of recognised flows (guessed - by their port); data is payload that
-- description: was not recognised, fragment a part of a datagram that others complete, undecoded an unreadable frame.
-- subject: overview
-- column: layers word The layer and those around it
-- column: depth number Number of layers around it
-- column: layer word
-- column: frames count
-- column: percent_frames number
-- column: percent number Share of all bytes
-- column: frames_end count Frames whose last layer it is
-- column: bytes_end bytes
WITH RECURSIVE links AS (
    SELECT capture_id, interface, CASE WHEN link_type = 1 THEN 'eth' WHEN link_type IN (113, 276) THEN 'sll'
        WHEN link_type IN (12, 14, 101) THEN 'raw' WHEN link_type IN (0, 108) THEN 'null' WHEN link_type IN (9, 50) THEN 'ppp'
        WHEN link_type = 51 THEN 'pppoes:ppp' WHEN link_type = 104 THEN 'chdlc' WHEN link_type = 105 THEN 'wlan'
        WHEN link_type = 127 THEN 'radiotap:wlan' WHEN link_type = 192 THEN 'ppi' WHEN link_type = 239 THEN 'nflog'
        WHEN link_type IN (149, 258) THEN 'pktap' WHEN link_type NOT IN (228, 229) THEN 'linktype ' || link_type END AS link
    FROM interfaces
), layered AS NOT MATERIALIZED ( -- layers of each flow, inside its tunnel
    SELECT *, vlan_id IS NOT NULL AS src_tag, dst_vlan_id IS NOT NULL AS dst_tag,
        CASE WHEN src_ip IS NULL OR protocol = 'arp' THEN NULL WHEN contains(src_ip, ':') THEN 'ipv6' ELSE 'ip' END AS network,
        CASE WHEN fragments > 0 AND fragments >= src_packets + dst_packets THEN 'fragment'
            WHEN protocol <> 'qinq' THEN protocol END AS transport,
        CASE WHEN app = protocol OR protocol NOT IN ('tcp', 'udp', 'sctp', 'dccp', 'udplite') THEN NULL
            WHEN app IS NULL THEN 'data' WHEN app_source = 'port' THEN app || '?' ELSE app END AS above
    FROM flows
), nested AS (
    SELECT * FROM layered WHERE outer_flow_id IS NOT NULL OR flow_id IN (SELECT outer_flow_id FROM flows)
), tunnels AS ( -- layers around the flows inside tunnels
    SELECT flow_id, NULL::VARCHAR AS around, 0 AS depth FROM nested WHERE outer_flow_id IS NULL
    UNION ALL
    SELECT f.flow_id, CASE WHEN f.tunnel = 'fragments' THEN around ELSE concat_ws(':', around,
            CASE WHEN carrier.src_tag OR carrier.dst_tag THEN 'vlan' END, carrier.network,
            CASE WHEN carrier.transport NOT IN ('ipip', 'ipv6', 'fragment', 'mpls-in-ip') THEN carrier.transport END,
            CASE WHEN f.tunnel NOT IN ('gre', 'etherip', 'ipip', '6in4', '4in6', 'qinq', 'pim', 'aruba', 'eoip')
                    AND carrier.transport <> 'l2tp' OR f.tunnel = 'gre' AND carrier.transport = 'udp' THEN f.tunnel END,
            CASE WHEN f.tunnel = 'l2tp' THEN 'ppp' WHEN f.tunnel IN ('vxlan', 'erspan', 'etherip', 'eoip', 'l2tpv3')
                OR f.tunnel IN ('gre', 'geneve', 'vxlan-gpe', 'lisp', 'mpls')
                    AND f.src_mac NOT IN (carrier.src_mac, carrier.dst_mac) THEN 'eth' END) END,
        depth + 1
    FROM tunnels JOIN nested AS f ON f.outer_flow_id = tunnels.flow_id
        JOIN nested AS carrier ON carrier.flow_id = tunnels.flow_id
    WHERE depth < 16
), kinds AS NOT MATERIALIZED (
    SELECT *, hash(network, transport, above, src_tag, dst_tag) AS kind FROM layered
), counted AS (
    SELECT packets.capture_id, packets.interface, kind, CASE WHEN outer_flow_id IS NOT NULL THEN kinds.flow_id END AS inside,
        from_src, payload > 0 AS filled, count(*) AS frames, sum(length)::BIGINT AS bytes
    FROM packets LEFT JOIN kinds ON kinds.flow_id = packets.flow_id GROUP BY ALL
), chains AS (
    SELECT string_split(concat_ws(':', link, around, CASE WHEN CASE WHEN from_src THEN src_tag ELSE dst_tag END THEN 'vlan' END,
            CASE WHEN transport IN ('stp', 'snap') OR regexp_matches(transport, '^(cisco|llc)_') AND transport <> 'llc_0xff' OR transport = 'cdp'
                AND link = 'eth' OR link LIKE '%wlan' AND NOT starts_with(transport, 'wlan') THEN 'llc' END, network,
            CASE WHEN link NOT LIKE '%wlan' OR NOT starts_with(transport, 'wlan') THEN transport END,
            CASE WHEN filled AND transport <> 'fragment' THEN above END, CASE WHEN counted.kind IS NULL THEN 'undecoded' END),
        ':') AS chain, frames, bytes
    FROM counted LEFT JOIN links USING (capture_id, interface) LEFT JOIN tunnels ON tunnels.flow_id = inside
        LEFT JOIN (SELECT DISTINCT kind, src_tag, dst_tag, network, transport, above FROM kinds) AS named ON named.kind = counted.kind
), nodes AS (
    SELECT chain[1:depth] AS node, sum(frames)::BIGINT AS frames, sum(bytes)::BIGINT AS bytes,
        coalesce(sum(frames) FILTER (depth = len(chain)), 0)::BIGINT AS frames_end,
        coalesce(sum(bytes) FILTER (depth = len(chain)), 0)::BIGINT AS bytes_end
    FROM chains, range(1, 200) AS r(depth) WHERE depth <= len(chain) GROUP BY node
), placed AS (
    SELECT nodes.node, list((-above.frames, above.node[-1]) ORDER BY len(above.node)) AS place
    FROM nodes JOIN nodes AS above ON nodes.node[1:len(above.node)] = above.node GROUP BY nodes.node
)
SELECT rtrim(array_to_string(node, ':'), '?') AS layers, len(node) - 1 AS depth, rtrim(node[-1], '?') AS layer,
    ends_with(node[-1], '?') AS guessed, frames, round(100.0 * frames / (SELECT sum(frames) FROM chains), 2) AS percent_frames,
    bytes, round(100.0 * bytes / nullif((SELECT sum(bytes) FROM chains), 0), 2) AS percent, frames_end, bytes_end
FROM nodes JOIN placed USING (node)
ORDER BY place
