-- title: Endpoints
-- description: Addresses, or addresses with protocol and port, by bytes in both directions, with the names by which flows
-- description: reached them. ARP is left out: it goes from card to card, about addresses.
-- subject: hosts
-- parameter: ports bool no A row for each protocol and port of an address
-- parameter: limit int 50 Most rows
-- column: asn number
-- column: flows_initiated count Flows that it began
WITH pairs AS (
    SELECT src_ip, dst_ip, CASE WHEN $ports THEN protocol END AS protocol, CASE WHEN $ports THEN src_port END AS src_port,
        CASE WHEN $ports THEN dst_port END AS dst_port, hostname, count(*) AS flows, sum(src_packets) AS sp, sum(dst_packets) AS dp,
        sum(src_bytes) AS sb, sum(dst_bytes) AS db, min(started_at) AS first_seen, max(ended_at) AS last_seen
    FROM flows WHERE protocol <> 'arp' GROUP BY ALL
), ends AS (
    SELECT src_ip AS ip, protocol, src_port AS port, dst_ip AS peer, flows, flows AS initiated, sp AS packets_sent,
        dp AS packets_received, sb AS bytes_sent, db AS bytes_received, first_seen, last_seen
    FROM pairs WHERE src_ip IS NOT NULL
    UNION ALL
    SELECT dst_ip, protocol, dst_port, src_ip, CASE WHEN dst_ip = src_ip AND dst_port IS NOT DISTINCT FROM src_port THEN 0
        ELSE flows END, 0, dp, sp, db, sb, first_seen, last_seen
    FROM pairs WHERE dst_ip IS NOT NULL
), counted AS (
    SELECT ip, protocol, port, count(DISTINCT peer) AS peers, sum(flows)::BIGINT AS flows,
        sum(initiated)::BIGINT AS flows_initiated, sum(packets_sent + packets_received)::BIGINT AS packets,
        sum(bytes_sent + bytes_received)::BIGINT AS bytes, sum(packets_sent)::BIGINT AS packets_sent,
        sum(packets_received)::BIGINT AS packets_received, sum(bytes_sent)::BIGINT AS bytes_sent,
        sum(bytes_received)::BIGINT AS bytes_received, min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM ends GROUP BY ip, protocol, port ORDER BY bytes DESC, ip, protocol, port LIMIT $limit
), named AS (
    SELECT dst_ip AS ip, protocol, dst_port AS port, list_sort(list(DISTINCT hostname))[1:5] AS hostnames,
        greatest(count(DISTINCT hostname) - 5, 0) AS further_hostnames
    FROM pairs WHERE hostname IS NOT NULL AND dst_ip IN (SELECT ip FROM counted) GROUP BY dst_ip, protocol, dst_port
)
SELECT counted.ip, counted.protocol, counted.port, hostnames, coalesce(further_hostnames, 0) AS further_hostnames, country, asn,
    as_name, counted.* EXCLUDE (ip, protocol, port)
FROM counted LEFT JOIN addresses ON addresses.ip = counted.ip
LEFT JOIN named ON named.ip = counted.ip AND named.protocol IS NOT DISTINCT FROM counted.protocol
    AND named.port IS NOT DISTINCT FROM counted.port
ORDER BY bytes DESC, counted.ip, counted.protocol, counted.port
