-- title: Neighbours
-- description: Hardware addresses that the captured machine knew of its neighbours at a time, or in all of the recording;
-- description: others counts those that it knew for the same address at other times.
-- parameter: at time null When; null: all of the recording
-- parameter: ip address null Only this address
-- subject: machine
-- column: mac mac
-- column: vendor software
-- column: since time
-- column: until time NULL: it was so to the end
-- column: others count
WITH card AS (
    SELECT mac, max(value) AS vendor FROM host_facts
    WHERE fact = 'vendor' AND source IN ('ieee', 'address') GROUP BY mac
), known AS (
    SELECT capture_id, ip, ifindex, count(DISTINCT mac) AS macs FROM neighbours GROUP BY capture_id, ip, ifindex
)
SELECT n.ip, n.mac, card.vendor, n.interface_name, n.state, n.router, n.since, n.until,
    k.macs - (CASE WHEN n.mac IS NULL THEN 0 ELSE 1 END) AS others, n.capture_id
FROM neighbours n JOIN known k ON k.capture_id = n.capture_id AND k.ip = n.ip AND k.ifindex = n.ifindex
LEFT JOIN card ON card.mac = n.mac
WHERE ($ip IS NULL OR n.ip = $ip)
    AND ($at IS NULL OR epoch_ns(n.since) <= $at AND (n.until IS NULL OR epoch_ns(n.until) > $at))
ORDER BY n.capture_id, n.interface_name, contains(n.ip, ':'), n.ip, n.since
