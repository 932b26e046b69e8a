-- title: Scans
-- description: Sources that tried many ports of one host, or one port of many hosts, mostly without success, and how:
-- description: SYN, connect, FIN, NULL, XMAS, ACK, Maimon, UDP, SCTP, ping, ARP or IP protocol.
-- subject: security
-- parameter: ports int 20 Fewest ports of one host
-- parameter: hosts int 20 Fewest hosts on one port
-- parameter: failed float 0.5 Least share of attempts that failed
-- parameter: limit int 100 Most rows
-- column: scan word How the ports or hosts were tried
-- column: target mixed An address or a port
-- column: width count Different ports, hosts or protocols
WITH wanted AS (
    SELECT *, src_payload + dst_payload AS payload,
        coalesce(starts_with(history, '^') AND protocol = 'tcp', false) AS turned -- dst sent the first packet
    FROM flows
    WHERE coalesce(direction, '') NOT IN ('multicast', 'broadcast')
        AND (protocol IN ('tcp', 'udp', 'sctp') AND dst_port IS NOT NULL
            OR protocol IN ('icmp', 'icmpv6') AND icmp_type IN (8, 13, 17, 128)
            OR protocol = 'arp' AND state = 'ARP_REQUEST' AND src_ip NOT IN (dst_ip, '0.0.0.0'))
), probes AS ( -- from the end that sent the first packet, as sent (flags, packets) and as answered
    SELECT src_ip, src_port, dst_ip, dst_port, src_flags AS flags, src_packets AS sent, dst_flags AS back,
        dst_packets AS received, payload, protocol, capture_id, flow_id, started_at, ended_at
    FROM wanted WHERE NOT turned
    UNION ALL
    SELECT dst_ip, dst_port, src_ip, src_port, dst_flags, dst_packets, src_flags, src_packets, payload, protocol,
        capture_id, flow_id, started_at, ended_at FROM wanted WHERE turned AND dst_flags & 18 <> 18
), kinds AS ( -- FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32; what is neither an attempt nor a probe has no kind
    SELECT *, CASE WHEN protocol IN ('icmp', 'icmpv6') THEN 'ping' WHEN protocol <> 'tcp' THEN upper(protocol)
            WHEN flags & 2 > 0 THEN 'SYN' WHEN flags & 63 = 1 THEN 'FIN' WHEN flags & 63 = 41 THEN 'XMAS'
            WHEN flags & 63 = 0 THEN CASE WHEN EXISTS (SELECT 1 FROM flows AS other WHERE other.protocol = 'tcp'
                AND other.capture_id = probes.capture_id AND other.src_flags | other.dst_flags > 0) -- else cut off
                OR capture_id IN (SELECT capture_id FROM captures WHERE truncated = 0) THEN 'NULL' END
            WHEN flags & 20 = 0 THEN 'other flags'
            -- Connections captured from their last packets on: their ports are the other way round, or all differ.
            WHEN flags & 46 = 0 AND payload = 0 AND back & 43 = 0 AND (received = 0 OR back & 4 > 0)
                AND received <= sent AND (dst_port < 1024 OR dst_port < src_port) THEN CASE WHEN flags & 1 > 0 THEN 'Maimon' ELSE 'ACK' END
            END AS scan
    FROM probes
), attempts AS (
    SELECT *, CASE WHEN scan = 'SYN' THEN flags & 16 = 0 OR back & 6 = 4
            WHEN protocol = 'tcp' THEN received = 0 OR back & 4 > 0
            WHEN protocol = 'sctp' THEN least(sent, received) < 2
            WHEN protocol = 'arp' THEN (capture_id, dst_ip, src_ip) NOT IN (
                SELECT (capture_id, src_ip, dst_ip) FROM flows WHERE protocol = 'arp') ELSE received = 0 END AS failed,
        scan = 'SYN' AND flags & 16 > 0 AS opened, scan = 'SYN' AND flags & 16 = 0 AND back & 18 = 18 AS half_open
    FROM kinds WHERE scan IS NOT NULL
), many_ports AS ( -- who may have a row: counting distinct ports and hosts is costly
    SELECT src_ip, dst_ip, protocol, scan FROM attempts GROUP BY ALL
    HAVING count(*) >= $ports AND avg(failed::INT) >= $failed
), many_hosts AS (
    SELECT src_ip, dst_port, protocol, scan FROM attempts GROUP BY ALL
    HAVING count(*) >= $hosts AND avg(failed::INT) >= $failed
), found AS (
    SELECT 'many ports of one host' AS kind, src_ip, dst_ip AS target, protocol, scan,
        count(DISTINCT dst_port) AS width, count(*) AS attempts, avg(failed::INT) AS failed_share, bool_or(opened) AS opened,
        bool_or(half_open) AS half_open, min(started_at) AS first_seen, max(ended_at) AS last_seen,
        min(flow_id) AS example_flow
    FROM attempts SEMI JOIN many_ports USING (src_ip, dst_ip, protocol, scan)
    GROUP BY src_ip, dst_ip, protocol, scan HAVING count(DISTINCT dst_port) >= $ports
    UNION ALL
    SELECT CASE WHEN dst_port IS NULL THEN 'many hosts' ELSE 'one port of many hosts' END, src_ip, 'port ' || dst_port,
        protocol, scan, count(DISTINCT dst_ip), count(*), avg(failed::INT), bool_or(opened), bool_or(half_open),
        min(started_at), max(ended_at), min(flow_id)
    FROM attempts SEMI JOIN many_hosts AS m ON m.src_ip = attempts.src_ip AND m.protocol = attempts.protocol
        AND m.scan = attempts.scan AND m.dst_port IS NOT DISTINCT FROM attempts.dst_port
    GROUP BY src_ip, dst_port, protocol, scan
    HAVING count(DISTINCT dst_ip) >= $hosts
        AND (scan NOT IN ('ACK', 'Maimon') OR count(DISTINCT src_port) * 2 <= count(DISTINCT dst_ip))
    UNION ALL
    SELECT 'many protocols of one host', src_ip, dst_ip, 'ip', 'IP protocol', count(DISTINCT protocol), count(*),
        avg((dst_packets = 0)::INT), false, false, min(started_at), max(ended_at), min(flow_id)
    FROM flows WHERE dst_ip IS NOT NULL GROUP BY src_ip, dst_ip HAVING count(DISTINCT protocol) >= $ports
)
SELECT kind, CASE WHEN scan <> 'SYN' OR half_open THEN scan WHEN opened THEN 'connect' ELSE 'SYN or connect' END
    AS scan, src_ip, target, protocol, width, attempts, round(failed_share, 3) AS failed_share, first_seen,
    last_seen, example_flow
FROM found WHERE failed_share >= $failed
ORDER BY width DESC, src_ip, target, scan
LIMIT $limit
