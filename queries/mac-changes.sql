-- title: Addresses with several hardware addresses
-- description: Addresses that several hardware addresses claimed in one VLAN of a capture. At the same time it is an
-- description: address conflict, or ARP spoofing, unless routers share the address; one after another it may be another
-- description: lease, a new card, or a failover. Of repeated ARP messages only the first has a row.
-- parameter: limit int 100 Most rows
-- subject: hosts
-- column: ip address
-- column: vlan number
-- column: macs mac
-- column: vendors software
-- column: remark word
-- column: claims count
WITH message AS (
    SELECT a.capture_id, sender_ip AS ip, sender_mac AS mac, f.vlan_id, a.ts AS first, a.ts AS last, 1 AS claims,
        a.flow_id, CASE WHEN f.src_packets + f.dst_packets > count(*) OVER (PARTITION BY a.flow_id) THEN f.ended_at
            ELSE a.ts END AS perhaps
    FROM arp a LEFT JOIN flows f ON f.flow_id = a.flow_id
    WHERE operation IN ('request', 'reply') AND sender_ip <> '0.0.0.0'
    UNION ALL
    SELECT h.capture_id, h.ip, h.mac, f.vlan_id, h.first_seen, h.last_seen, h.count, h.flow_id, h.last_seen
    FROM host_facts h LEFT JOIN flows f ON f.flow_id = h.flow_id WHERE h.fact = 'mac' AND h.source <> 'arp'
), claim AS (
    SELECT capture_id, ip, vlan_id, mac, min(first) AS first_seen, max(last) AS last_seen, max(perhaps) AS perhaps,
        sum(claims)::BIGINT AS claims, min(flow_id) AS flow_id
    FROM message GROUP BY capture_id, ip, vlan_id, mac
), ordered AS (
    SELECT *, max(last_seen) OVER earlier AS before, max(perhaps) OVER earlier AS perhaps_before FROM claim
    WINDOW earlier AS (PARTITION BY capture_id, ip, vlan_id ORDER BY first_seen, mac
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT o.ip, o.vlan_id AS vlan, list(o.mac ORDER BY o.first_seen, o.mac) AS macs,
    list(coalesce(card.vendor, '') ORDER BY o.first_seen, o.mac) AS vendors,
    CASE WHEN count(shared.mac) > 0 THEN 'routers share it'
        WHEN bool_or(o.before > o.first_seen) THEN 'at the same time'
        WHEN bool_or(o.perhaps_before > o.first_seen) THEN 'perhaps at the same time: messages were repeated'
        ELSE 'one after another' END AS remark,
    sum(o.claims)::BIGINT AS claims, min(o.first_seen) AS first_seen, max(o.last_seen) AS last_seen, o.capture_id,
    min(o.flow_id) AS example_flow
FROM ordered o
LEFT JOIN (SELECT DISTINCT mac, value AS vendor FROM host_facts WHERE fact = 'vendor' AND source IN ('ieee', 'address'))
    AS card ON card.mac = o.mac
LEFT JOIN (SELECT DISTINCT mac FROM host_facts WHERE fact = 'role' AND starts_with(value, 'virtual router')) AS shared
    ON shared.mac = o.mac
GROUP BY o.capture_id, o.ip, o.vlan_id
HAVING count(DISTINCT o.mac) > 1
ORDER BY remark, claims DESC, o.capture_id, o.ip, vlan
LIMIT $limit
