-- title: Services on unusual ports
-- description: Services that a parser recognised by their content on ports other than their usual ones, which are in the SQL.
-- description: Protocols without usual ports (RTP, BitTorrent, RPC …) are left out. Ports that belong to another service
-- description: are also shown by services-by-port-mismatch.
-- subject: security
-- parameter: limit int 200 Most rows
-- column: process_names software Of the servers or clients, as far as known
WITH usual(name, ports) AS (
    VALUES ('http', [80, 81, 591, 3128, 5985, 8000, 8008, 8080, 8081, 8088, 8888]), ('http2', [80, 443, 8080]),
        ('tls', [443, 4433, 5228, 465, 563, 587, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 3269, 5061, 5223, 5671, 5986, 6443, 6514,
            6697, 8443, 8883, 9443]),
        ('quic', [80, 443, 784, 853, 8443]), ('ssh', [22]), ('ftp', [21, 2121]), ('telnet', [23, 2323]), ('smtp', [25, 465, 587, 2525]), ('lmtp', [24]), ('nntp', [119, 433]), ('managesieve', [4190]),
        ('dns', [53]), ('pop3', [110, 995]), ('imap', [143, 993]), ('rdp', [3389]), ('vnc', [5800, 5900, 5901, 5902, 5903]),
        ('smb', [139, 445]), ('ldap', [389, 3268]), ('kerberos', [88, 464]), ('mysql', [3306, 3307]), ('postgresql', [5432]),
        ('tds', [1433, 1434]), ('redis', [6379, 6380]), ('mongodb', [27017, 27018, 27019]), ('memcached', [11211]), ('cassandra', [9042, 9142]),
        ('mqtt', [1883, 1884]), ('amqp', [5672]), ('kafka', [9092, 9093, 9094]), ('irc', [194, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667,
            6668, 6669, 7000]), ('socks', [1080, 9050, 9150]), ('xmpp', [5222, 5269, 5280]), ('sip', [5060, 5080]), ('rtsp', [554, 8554]),
        ('snmp', [161, 162]), ('ntp', [123]), ('tftp', [69]), ('syslog', [514, 601]), ('openvpn', [1194]),
        ('wireguard', [51820]), ('ipsec', [500, 4500]), ('radius', [1645, 1646, 1812, 1813, 3799]), ('bgp', [179]),
        ('modbus', [502]), ('dnp3', [20000]), ('finger', [79]), ('gopher', [70])
)
SELECT app, flows.protocol, dst_ip AS server, dst_port AS port, direction,
    list_sort(list_distinct(list(hostname) FILTER (hostname IS NOT NULL)))[1:5] AS hostnames,
    greatest(count(DISTINCT hostname) - 5, 0) AS further_hostnames, count(*) AS flows, count(DISTINCT src_ip) AS clients,
    list_sort(list_distinct(list(src_ip)))[1:5] AS client_ips,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:5] AS process_names,
    greatest(count(DISTINCT processes.name) - 5, 0) AS further_process_names, sum(src_bytes)::BIGINT AS bytes_sent,
    sum(dst_bytes)::BIGINT AS bytes_received, min(flows.started_at) AS first_seen, max(ended_at) AS last_seen,
    min(flow_id) AS example_flow
FROM flows JOIN usual ON usual.name = flows.app AND NOT list_contains(usual.ports, flows.dst_port)
LEFT JOIN processes ON processes.process_id = flows.process_id
WHERE app_source = 'payload'
GROUP BY app, flows.protocol, dst_ip, dst_port, direction
ORDER BY flows DESC, app, server, port, flows.protocol, direction
LIMIT $limit
