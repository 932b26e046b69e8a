-- title: Encrypted DNS
-- description: Flows to port 853, with the application protocol dot or doq, or to names of well-known resolvers over
-- description: HTTPS. Resolvers over HTTPS with other names look like any web server and are not listed.
-- subject: dns
-- parameter: limit int 100 Most rows
-- column: reason word Why it is listed
WITH hellos AS (
    SELECT flow_id, lower(sni) AS sni, offered_alpn FROM tls UNION ALL SELECT flow_id, lower(sni), offered_alpn FROM quic
), resolvers(name) AS (
    VALUES ('dns.google'), ('dns64.dns.google'), ('cloudflare-dns.com'), ('one.one.one.one'), ('mozilla.cloudflare-dns.com'),
        ('chrome.cloudflare-dns.com'), ('security.cloudflare-dns.com'), ('family.cloudflare-dns.com'), ('dns.quad9.net'),
        ('dns9.quad9.net'), ('dns10.quad9.net'), ('dns11.quad9.net'), ('doh.opendns.com'), ('doh.familyshield.opendns.com'),
        ('dns.adguard.com'), ('dns.adguard-dns.com'), ('dns.nextdns.io'), ('firefox.dns.nextdns.io'), ('doh.cleanbrowsing.org'),
        ('dns.mullvad.net'), ('doh.dns.sb'), ('dns.alidns.com'), ('doh.pub'), ('dns.controld.com'), ('freedns.controld.com')
), judged AS (
    SELECT flows.*, hellos.sni, CASE WHEN list_has_any(coalesce(offered_alpn, []), ['dot', 'doq']) THEN 'application protocol'
        WHEN flows.dst_port = 853 AND flows.protocol IN ('tcp', 'udp') THEN 'port 853'
        WHEN hellos.sni IN (SELECT name FROM resolvers) THEN 'name of a resolver' END AS reason
    FROM flows LEFT JOIN hellos ON hellos.flow_id = flows.flow_id
)
SELECT reason, dst_ip AS server, dst_port AS port, protocol, sni, count(DISTINCT flow_id) AS flows,
    count(DISTINCT src_ip) AS clients, list_sort(list_distinct(list(src_ip)))[1:5] AS client_ips,
    sum(src_bytes)::BIGINT AS bytes_sent, sum(dst_bytes)::BIGINT AS bytes_received, min(started_at) AS first_seen,
    max(ended_at) AS last_seen, min(flow_id) AS example_flow
FROM judged
WHERE reason IS NOT NULL
GROUP BY reason, dst_ip, dst_port, protocol, sni
ORDER BY flows DESC, server, port, protocol, sni
LIMIT $limit
