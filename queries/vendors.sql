-- title: Vendors of hardware addresses
-- description: Makers of the network cards in the traffic, by the blocks of addresses that the IEEE assigned, with
-- description: the cards and the addresses that were seen with them. What is in parentheses describes the address:
-- description: virtual, locally administered.
-- parameter: limit int 100 Most rows
-- subject: hosts
-- column: vendor software
-- column: cards count
-- column: macs mac
-- column: further_macs count
-- column: ips address
-- column: addresses count
SELECT v.value AS vendor, count(DISTINCT v.mac) AS cards, list_sort(list_distinct(list(v.mac)))[1:5] AS macs,
    greatest(count(DISTINCT v.mac) - 5, 0) AS further_macs, list_sort(list_distinct(list(m.ip)))[1:5] AS ips,
    count(DISTINCT m.ip) AS addresses, min(v.first_seen) AS first_seen, max(v.last_seen) AS last_seen
FROM host_facts v LEFT JOIN host_facts m ON m.fact = 'mac' AND m.mac = v.mac AND m.capture_id = v.capture_id
WHERE v.fact = 'vendor' AND v.source IN ('ieee', 'address')
GROUP BY v.value
ORDER BY cards DESC, vendor
LIMIT $limit
