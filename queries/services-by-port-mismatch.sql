-- title: Services on ports that are not theirs
-- description: Flows whose content is one protocol and whose well-known port belongs to another.
-- subject: protocols
-- parameter: limit int 100 Most rows
WITH alike(app, service) AS (
    -- Names of one thing: what a parser calls it, and what the port is called.
    VALUES ('tls', 'https'), ('tls', 'imaps'), ('tls', 'pop3s'), ('tls', 'smtps'), ('tls', 'submissions'),
        ('tls', 'ldaps'), ('tls', 'ftps'), ('tls', 'domain-s'), ('tls', 'secure-mqtt'), ('tls', 'sips'),
        ('tls', 'ircs-u'), ('tls', 'nntps'), ('tls', 'telnets'), ('quic', 'https'), ('http', 'http-alt'), ('http2', 'http'), ('http2', 'https'), ('http2', 'http-alt'),
        ('http', 'http-proxy'), ('http', 'webcache'), ('dns', 'domain'), ('mdns', 'mdns'), ('smtp', 'submission'), ('managesieve', 'sieve'),
        ('dhcp', 'bootps'), ('dhcp', 'bootpc'), ('dhcp', 'dhcpv6-client'), ('dhcp', 'dhcpv6-server'),
        ('dhcpv6', 'dhcpv6-client'), ('dhcpv6', 'dhcpv6-server'), ('smb', 'microsoft-ds'), ('smb', 'netbios-ssn'),
        ('imap', 'imap2'), ('imap', 'imap4'), ('netbios', 'netbios-ns'), ('netbios', 'netbios-dgm'),
        ('kerberos', 'kerberos-sec'), ('postgresql', 'postgres'), ('mqtt', 'ibm-mqtt'), ('snmp', 'snmptrap'),
        ('snmp', 'snmp-trap'), ('bittorrent', 'bittorrent-tracker'), ('radius', 'radius-acct'), ('ssdp', 'upnp')
)
SELECT app, service, protocol, dst_ip, dst_port, list_sort(list_distinct(list(hostname)))[1:5] AS hostnames,
    greatest(count(DISTINCT hostname) - 5, 0) AS further_hostnames, count(*) AS flows,
    count(DISTINCT src_ip) AS sources, sum(src_bytes + dst_bytes)::BIGINT AS bytes, min(flow_id) AS example_flow
FROM flows
WHERE app_source = 'payload' AND service IS NOT NULL
    AND replace(service, '-', '') <> replace(app, '-', '')
    AND NOT starts_with(service, app)
    AND NOT EXISTS (SELECT 1 FROM alike WHERE alike.app = flows.app AND alike.service = flows.service)
GROUP BY app, service, protocol, dst_ip, dst_port
ORDER BY flows DESC, app, dst_ip, dst_port
LIMIT $limit
