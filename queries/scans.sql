-- title: Scans
-- description: Sources that tried many ports of one host, or one port of many hosts, mostly without success.
-- parameter: ports int 20 Fewest ports of one host
-- parameter: hosts int 20 Fewest hosts on one port
-- parameter: failed float 0.5 Least share of attempts that failed
-- parameter: limit int 100 Most rows
WITH attempts AS (
    SELECT src_ip, dst_ip, dst_port, protocol, started_at, ended_at, flow_id,
        coalesce(conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH'), false) OR dst_packets = 0 AS failed
    FROM flows
    WHERE protocol IN ('tcp', 'udp', 'sctp') AND dst_port IS NOT NULL
        AND coalesce(direction, '') NOT IN ('multicast', 'broadcast')
), vertical AS (
    SELECT 'many ports of one host' AS kind, src_ip, dst_ip AS target, protocol, count(DISTINCT dst_port) AS width,
        count(*) AS attempts, avg(failed::INT) AS failed_share, min(started_at) AS first_seen,
        max(ended_at) AS last_seen, min(flow_id) AS example_flow
    FROM attempts
    GROUP BY src_ip, dst_ip, protocol
    HAVING count(DISTINCT dst_port) >= $ports
), horizontal AS (
    SELECT 'one port of many hosts' AS kind, src_ip, 'port ' || dst_port AS target, protocol,
        count(DISTINCT dst_ip) AS width, count(*) AS attempts, avg(failed::INT) AS failed_share,
        min(started_at) AS first_seen, max(ended_at) AS last_seen, min(flow_id) AS example_flow
    FROM attempts
    GROUP BY src_ip, dst_port, protocol
    HAVING count(DISTINCT dst_ip) >= $hosts
)
SELECT kind, src_ip, target, protocol, width, attempts, round(failed_share, 3) AS failed_share, first_seen, last_seen,
    example_flow
FROM (SELECT * FROM vertical UNION ALL SELECT * FROM horizontal)
WHERE failed_share >= $failed
ORDER BY width DESC, src_ip, target
LIMIT $limit
