-- title: DHCP leases
-- description: Addresses that DHCP servers gave, by client: with name, vendor class, time of the first and the last
-- description: confirmation and the end of the lease, and what the server told the client about the network.
-- parameter: limit int 1000 Most rows
-- subject: hosts
-- column: ip address
-- column: client_mac mac
-- column: vendor software
-- column: hostnames host
-- column: vendor_classes software
-- column: server_ip address
-- column: confirmations count
-- column: ends_at time
-- column: routers address
-- column: dns_servers address
-- column: domain host
WITH client AS (
    SELECT capture_id, client_mac, list_sort(list_distinct(list(coalesce(fqdn, hostname)))) AS hostnames,
        list_sort(list_distinct(list(vendor_class))) AS vendor_classes
    FROM dhcp WHERE message IN ('DISCOVER', 'REQUEST', 'INFORM') GROUP BY capture_id, client_mac
)
SELECT assigned_ip AS ip, dhcp.client_mac, vendor, hostnames, vendor_classes, server_ip, count(*) AS confirmations,
    min(ts) AS first_seen, max(ts) AS last_seen, lease_seconds,
    max(ts + to_seconds(coalesce(lease_seconds, 0)::DOUBLE)) FILTER (lease_seconds < 4294967295) AS ends_at,
    routers, dns_servers, domain, subnet_mask, relay_ip, dhcp.capture_id, min(flow_id) AS example_flow
FROM dhcp LEFT JOIN client ON client.capture_id = dhcp.capture_id AND client.client_mac = dhcp.client_mac
LEFT JOIN (SELECT DISTINCT mac, value AS vendor FROM host_facts WHERE fact = 'vendor' AND source IN ('ieee', 'address'))
    AS card ON card.mac = dhcp.client_mac
WHERE message = 'ACK' AND assigned_ip IS NOT NULL
GROUP BY assigned_ip, dhcp.client_mac, vendor, hostnames, vendor_classes, server_ip, lease_seconds, routers,
    dns_servers, domain, subnet_mask, relay_ip, dhcp.capture_id
ORDER BY last_seen DESC, ip, dhcp.client_mac, server_ip
LIMIT $limit
