-- title: Addresses with several hardware addresses
-- description: Addresses that several hardware addresses claimed in one VLAN of a capture. At the same time it is
-- description: an address conflict, or ARP spoofing, unless routers share the address; one after another it may be
-- description: another lease, a new card, or a failover.
-- parameter: limit int 100 Most rows
-- subject: hosts
-- column: ip address
-- column: vlan number
-- column: macs mac
-- column: vendors software
-- column: remark word
-- column: claims count
WITH claim AS (
    SELECT h.capture_id, h.ip, h.mac, f.vlan_id, min(h.first_seen) AS first_seen, max(h.last_seen) AS last_seen,
        sum(h.count)::BIGINT AS claims, min(h.flow_id) AS flow_id
    FROM host_facts h LEFT JOIN flows f ON f.flow_id = h.flow_id
    WHERE h.fact = 'mac' GROUP BY h.capture_id, h.ip, h.mac, f.vlan_id
), ordered AS (
    SELECT *, max(last_seen) OVER (PARTITION BY capture_id, ip, vlan_id ORDER BY first_seen, mac
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM claim
)
SELECT o.ip, o.vlan_id AS vlan, list(o.mac ORDER BY o.first_seen, o.mac) AS macs,
    list(coalesce(card.vendor, '') ORDER BY o.first_seen, o.mac) AS vendors,
    CASE WHEN count(shared.mac) > 0 THEN 'routers share it'
        WHEN bool_or(o.before > o.first_seen) THEN 'at the same time'
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
