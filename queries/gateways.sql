-- title: Gateways
-- description: Routers on the link and whether they are default gateways: announced by DHCP or a router
-- description: advertisement, next hop of traffic to several networks, redirects, shared addresses of VRRP and
-- description: HSRP. Evidence and confidence are in words.
-- subject: hosts
-- column: ip address
-- column: mac mac
-- column: vendor software
-- column: confidence word
-- column: evidence word
-- column: senders count
-- column: destinations count
-- column: asked_by count
WITH owner AS (
    SELECT DISTINCT capture_id, ip, mac FROM host_facts WHERE fact = 'mac' AND source IN ('arp', 'ndp')
), stated AS (
    SELECT capture_id, ip, mac, first_seen, last_seen, flow_id,
        CASE WHEN value = 'default gateway' AND source = 'dhcp' THEN 'announced by DHCP'
            WHEN value = 'default gateway' THEN 'announces itself (router advertisement)'
            WHEN value = 'next hop' THEN 'next hop of traffic to several networks'
            WHEN value = 'internet gateway' THEN 'announces an Internet gateway (SSDP)'
            WHEN source = 'icmp' THEN 'ICMP: redirect, router discovery, or the end of hops'
            WHEN starts_with(value, 'virtual router') THEN 'address shared by routers' || value[15:]
            ELSE 'is a router (' || source || ')' END AS evidence
    FROM host_facts
    WHERE fact = 'role' AND (starts_with(value, 'virtual router')
        OR value IN ('default gateway', 'next hop', 'internet gateway', 'router'))
), placed AS (
    -- What is said of an address has its hardware address, and the other way round, where ARP or NDP shows them.
    SELECT s.* REPLACE (coalesce(s.ip, i.ip) AS ip, coalesce(m.mac, s.mac) AS mac), m.mac IS NOT NULL AS on_link
    FROM stated s LEFT JOIN owner m ON m.capture_id = s.capture_id AND m.ip = s.ip
    LEFT JOIN owner i ON s.ip IS NULL AND i.capture_id = s.capture_id AND i.mac = s.mac
), router AS (
    SELECT capture_id, ip, mac, list_sort(list_distinct(list(evidence))) AS evidence, min(first_seen) AS first_seen,
        max(last_seen) AS last_seen, min(flow_id) AS example_flow, bool_or(starts_with(evidence, 'announce')) AS announced,
        bool_or(starts_with(evidence, 'next hop')) AS used
    FROM placed WHERE on_link OR mac IS NOT NULL OR evidence NOT LIKE 'ICMP%' GROUP BY capture_id, ip, mac
), traffic AS (
    SELECT capture_id, dst_mac AS mac, count(DISTINCT src_ip) AS senders, count(DISTINCT dst_ip) AS destinations
    FROM flows WHERE direction IN ('outbound', 'external') AND tunnel IS NULL
        AND dst_mac IN (SELECT mac FROM router) GROUP BY capture_id, dst_mac
), asked AS (
    SELECT capture_id, target_ip AS ip, count(DISTINCT sender_mac) AS askers
    FROM arp WHERE operation = 'request' AND NOT gratuitous GROUP BY capture_id, target_ip
)
SELECT r.ip, r.mac, card.vendor,
    CASE WHEN announced AND used THEN 'high: announced, and carries traffic to other networks'
        WHEN announced THEN 'medium: announced; this capture has no traffic to several networks through it'
        WHEN used THEN 'medium: carries traffic to several networks, and is not announced'
        ELSE 'low: a router; nothing shows that it is a default gateway' END AS confidence,
    r.evidence, coalesce(senders, 0) AS senders, coalesce(destinations, 0) AS destinations,
    coalesce(askers, 0) AS asked_by, r.first_seen, r.last_seen, r.capture_id, r.example_flow
FROM router r LEFT JOIN traffic t ON t.capture_id = r.capture_id AND t.mac = r.mac
LEFT JOIN asked a ON a.capture_id = r.capture_id AND a.ip = r.ip
LEFT JOIN (SELECT DISTINCT mac, value AS vendor FROM host_facts WHERE fact = 'vendor' AND source IN ('ieee', 'address'))
    AS card ON card.mac = r.mac
ORDER BY confidence, senders DESC, r.capture_id, r.ip, r.mac
