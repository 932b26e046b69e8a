-- title: Undecoded packets
-- description: What of a capture was counted and not decoded, by kind; frames below IP without a decoder, encrypted ones, and
-- description: those whose link type is unknown or whose headers are cut off or malformed.
-- subject: capture
-- column: kind word What the packets are
-- column: reason word Why they were not decoded
-- column: protocol word Their flows' protocol; none where they belong to no flow
-- column: bytes bytes On the wire; none where those of several reasons are not known apart
WITH named(key, name) AS (VALUES
    ('wlan', '802.11, other frames'), ('wlan_management', '802.11 management'), ('wlan_control', '802.11 control'),
    ('wlan_encrypted', '802.11 data, encrypted'), ('wlan_empty', '802.11 data frames without data'), ('llc', 'LLC, cut off'),
    ('arcnet', 'ARCnet'), ('token_ring', 'Token Ring'),
    ('fddi', 'FDDI'), ('atm', 'ATM'), ('frame_relay', 'Frame Relay'), ('erf', 'ERF'), ('netlink', 'Netlink'), ('can', 'CAN'),
    ('can_fd', 'CAN FD'), ('snap', 'SNAP, protocols of other organizations'), ('arp', 'ARP of other protocols than IPv4'),
    ('llc_0x00', 'tests and identification'), ('llc_0x04', 'SNA'), ('llc_0x06', 'IP, not readable'), ('llc_0x7e', 'X.25'),
    ('llc_0x80', 'XNS'), ('llc_0xaa', 'SNAP, cut off'), ('llc_0xbc', 'VINES'), ('llc_0xe0', 'IPX'), ('llc_0xf0', 'NetBIOS'),
    ('llc_0xf4', 'LAN management'), ('llc_0xf8', 'remote program load'), ('llc_0xfc', 'remote program load'),
    ('llc_0xfe', 'ISO network layer: IS-IS, ES-IS, CLNP'), ('llc_0xff', 'IPX, raw 802.3'), ('cisco_0x0102', 'DRiP'),
    ('cisco_0x0104', 'PAgP'), ('cisco_0x0105', 'MLS hello'), ('cisco_0x0111', 'UDLD'), ('cisco_0x2003', 'VTP'),
    ('cisco_0x2004', 'DTP'), ('cisco_0x200a', 'STP UplinkFast'), ('ppp_0x003d', 'multilink'), ('ppp_0x0053', 'encrypted'),
    ('ppp_0x00fd', 'compressed or encrypted'), ('ppp_0x002d', 'TCP/IP headers compressed'), ('ppp_0x002b', 'IPX'),
    ('ppp_0x8021', 'IPCP'), ('ppp_0x8057', 'IPV6CP'), ('ppp_0x8053', 'ECP'), ('ppp_0x80fd', 'CCP'), ('ppp_0xc021', 'LCP'),
    ('ppp_0xc023', 'PAP'), ('ppp_0xc025', 'link quality report'), ('ppp_0xc223', 'CHAP'), ('ppp_0xc227', 'EAP'),
    ('ethertype_0x0600', 'XNS'), ('ethertype_0x0842', 'Wake-on-LAN'), ('ethertype_0x0bad', 'VINES'), ('ethertype_0x22ea', 'SRP'),
    ('ethertype_0x22f0', 'AVTP'), ('ethertype_0x22f3', 'TRILL'), ('ethertype_0x22f4', 'TRILL IS-IS'),
    ('ethertype_0x6002', 'DEC MOP'),
    ('ethertype_0x6003', 'DECnet'), ('ethertype_0x6004', 'DEC LAT'), ('ethertype_0x8035', 'RARP'), ('ethertype_0x809b', 'AppleTalk'),
    ('ethertype_0x80f3', 'AppleTalk ARP'), ('ethertype_0x8137', 'IPX'), ('ethertype_0x8191', 'NetBEUI'), ('ethertype_0x8204', 'QNX'),
    ('ethertype_0x8808', 'Ethernet flow control'), ('ethertype_0x8809', 'slow protocols: OAM, markers'), ('ethertype_0x8819', 'CobraNet'),
    ('ethertype_0x8847', 'MPLS, unknown payload'), ('ethertype_0x8863', 'PPPoE discovery'), ('ethertype_0x886d', 'Intel teaming'),
    ('ethertype_0x886f', 'Microsoft NLB'), ('ethertype_0x887b', 'HomePlug'), ('ethertype_0x888e', 'EAPOL: 802.1X, MKA'),
    ('ethertype_0x8892', 'PROFINET'), ('ethertype_0x8899', 'Realtek'), ('ethertype_0x88a2', 'ATA over Ethernet'),
    ('ethertype_0x88a4', 'EtherCAT'), ('ethertype_0x88ab', 'POWERLINK'), ('ethertype_0x88b5', 'local experiment'),
    ('ethertype_0x88b6', 'local experiment'), ('ethertype_0x88b7', 'OUI extended'), ('ethertype_0x88b8', 'GOOSE'),
    ('ethertype_0x88b9', 'GSE'), ('ethertype_0x88ba', 'sampled values'), ('ethertype_0x88c7', '802.11 preauthentication'),
    ('ethertype_0x88cd', 'SERCOS III'), ('ethertype_0x88e1', 'HomePlug AV'), ('ethertype_0x88e3', 'MRP'),
    ('ethertype_0x88e5', 'MACsec, encrypted'), ('ethertype_0x88f5', 'MVRP'), ('ethertype_0x88f6', 'MMRP'), ('ethertype_0x88f7', 'PTP'),
    ('ethertype_0x88f8', 'NC-SI'), ('ethertype_0x88fb', 'PRP supervision'), ('ethertype_0x8902', 'CFM'), ('ethertype_0x8906', 'FCoE'),
    ('ethertype_0x8914', 'FIP'), ('ethertype_0x8915', 'RoCE'), ('ethertype_0x891d', 'TTEthernet'), ('ethertype_0x8940', 'EVB'),
    ('ethertype_0x894f', 'NSH'), ('ethertype_0x872d', 'WLCCP'), ('ethertype_0x9000', 'loopback test'), ('ethertype_0x9003', 'GNET'),
    ('ethertype_0x8909', 'Cisco metadata'), ('ethertype_0xdada', 'EDSA'), ('link type 6', 'Token Ring'), ('link type 10', 'FDDI'), ('link type 107', 'Frame Relay'),
    ('link type 143', 'DOCSIS'), ('link type 187', 'Bluetooth'), ('link type 201', 'Bluetooth'), ('link type 251', 'Bluetooth LE'),
    ('link type 256', 'Bluetooth LE'), ('link type 272', 'Bluetooth LE'), ('link type 189', 'USB, Linux'), ('link type 220', 'USB, Linux'),
    ('link type 249', 'USB, Windows'), ('link type 195', '802.15.4'), ('link type 230', '802.15.4'), ('link type 283', '802.15.4'),
    ('link type 227', 'CAN'), ('link type 253', 'Netlink'), ('link type 177', 'ISDN'), ('link type 203', 'ISDN')
), below AS (
    SELECT capture_id, protocol AS key, protocol, 'without a decoder' AS reason, count(*) AS flows,
        sum(src_packets + dst_packets)::BIGINT AS packets, sum(src_bytes + dst_bytes)::BIGINT AS bytes,
        min(flow_id) AS example_flow, min(started_at) AS first_seen, max(ended_at) AS last_seen
    FROM flows WHERE src_ip IS NULL AND (protocol = 'arp' OR regexp_matches(protocol,
        '^(wlan|llc|cisco_|ppp_|ethertype_|(snap|arcnet|token_ring|fddi|atm|frame_relay|erf|netlink|can|can_fd)$)'))
    GROUP BY capture_id, protocol
), lost AS ( -- packets of no flow
    SELECT p.capture_id, 'link type ' || link_type AS key, count(*) AS packets, sum(length)::BIGINT AS bytes
    FROM packets AS p JOIN interfaces AS i ON i.capture_id = p.capture_id AND i.interface = p.interface
    WHERE flow_id IS NULL GROUP BY p.capture_id, link_type
), refused AS (
    SELECT capture_id, detail AS key, CASE kind WHEN 'unknown_link_type' THEN 'without a decoder' WHEN 'headers_cut_off'
            THEN 'headers cut off' WHEN 'malformed_headers' THEN 'malformed headers' ELSE 'inside a tunnel' END AS reason,
        sum(count)::BIGINT AS packets, min(ts) AS first_seen, max(ts) AS last_seen
    FROM anomalies WHERE kind IN ('unknown_link_type', 'headers_cut_off', 'malformed_headers', 'tunnel_undecoded')
    GROUP BY capture_id, kind, detail
), listed AS (
    SELECT * FROM below UNION ALL BY NAME
    SELECT r.*, NULL AS protocol, 0 AS flows, bytes FROM refused AS r
    LEFT JOIN lost ON lost.capture_id = r.capture_id AND lost.key = r.key AND lost.packets = r.packets -- of one reason only
)
SELECT capture_id, CASE WHEN NOT (contains(listed.key, '_0x') OR starts_with(listed.key, 'link type')) THEN coalesce(name, listed.key)
        ELSE concat(CASE split_part(listed.key, '_', 1) WHEN 'ethertype' THEN 'ethertype 0x' WHEN 'llc' THEN 'LLC, SAP 0x'
            WHEN 'cisco' THEN 'Cisco, 0x' WHEN 'ppp' THEN 'PPP 0x' ELSE listed.key END,
            upper(split_part(listed.key, '_0x', 2)), ' (' || name || ')') END AS kind,
    reason, protocol, flows, packets, bytes, first_seen, last_seen, example_flow
FROM listed LEFT JOIN named ON named.key = listed.key
ORDER BY capture_id, packets DESC, kind, reason
