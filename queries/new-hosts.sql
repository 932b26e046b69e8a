-- title: New hosts
-- description: Addresses by the time of their first packet, latest first, with hardware address, name, what they
-- description: disclose and their traffic.
-- parameter: after time null Only addresses first seen at this time or later
-- parameter: local bool no Only hosts on the link: those with a hardware address
-- parameter: limit int 100 Most rows
-- subject: hosts
-- column: mac mac
-- column: vendor software
-- column: device software
-- column: roles word
SELECT ip, mac, vendor, hostname, os, device, roles, flows, bytes_sent, bytes_received, hosts.first_seen,
    hosts.last_seen
FROM hosts LEFT JOIN (SELECT ip, flows, bytes_sent, bytes_received FROM talkers) USING (ip)
WHERE ($after IS NULL OR epoch_ns(hosts.first_seen) >= $after) AND (NOT $local OR mac IS NOT NULL)
ORDER BY hosts.first_seen DESC, ip
LIMIT $limit
