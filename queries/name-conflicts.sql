-- title: Names that several hosts state
-- description: Names that are stated with several hardware addresses in one capture or, where these are not known,
-- description: by several addresses of IPv4: several hosts, or one with several cards; and NetBIOS registrations that
-- description: were refused because another host has the name.
-- parameter: limit int 100 Most rows
-- subject: hosts
-- column: name host
-- column: evidence word
-- column: hosts count
-- column: ips address
-- column: macs mac
-- column: sources word
WITH stated AS (
    SELECT h.capture_id, lower(h.value) AS name, h.ip, coalesce(h.mac, hosts.mac) AS mac, h.source, h.first_seen,
        h.last_seen, h.flow_id
    FROM host_facts h LEFT JOIN hosts ON hosts.ip = h.ip
    WHERE h.fact = 'hostname' AND h.value NOT IN ('localhost', 'localhost.localdomain')
), refused AS (
    SELECT n.capture_id, lower(n.name) AS name, unnest(n.addresses) AS ip, NULL AS mac, n.rcode AS source,
        n.ts AS first_seen, n.ts AS last_seen, n.flow_id
    FROM netbios n WHERE n.response AND n.rcode IN ('ACTIVE', 'CONFLICT')
)
SELECT name, CASE WHEN count(DISTINCT mac) > 1 THEN 'several hardware addresses' ELSE 'several addresses of IPv4' END
        AS evidence,
    greatest(count(DISTINCT mac), count(DISTINCT ip) FILTER (mac IS NULL AND NOT contains(ip, ':'))) AS hosts,
    list_sort(list_distinct(list(ip))) AS ips, list_sort(list_distinct(list(mac))) AS macs,
    list_sort(list_distinct(list(source))) AS sources, min(first_seen) AS first_seen, max(last_seen) AS last_seen,
    capture_id, min(flow_id) AS example_flow
FROM stated GROUP BY capture_id, name
HAVING count(DISTINCT mac) > 1 OR count(DISTINCT ip) FILTER (mac IS NULL AND NOT contains(ip, ':')) > 1
UNION ALL
SELECT name, 'registration refused', count(DISTINCT ip), list_sort(list_distinct(list(ip))), [],
    list_sort(list_distinct(list(source))), min(first_seen), max(last_seen), capture_id, min(flow_id)
FROM refused GROUP BY capture_id, name
ORDER BY hosts DESC, name, evidence, capture_id
LIMIT $limit
