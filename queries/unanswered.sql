-- title: Unanswered
-- description: Addresses that never answered, in any protocol, except multicast and broadcast. The outcome says whether
-- description: ICMP errors answered for them, and where the capture may lack the other direction.
-- subject: quality
-- parameter: limit int 100 Most rows
-- column: reporters address Senders of the ICMP errors
WITH errors AS (
    SELECT icmp.about_flow_id AS flow_id, sender.src_ip AS reporter,
        CASE WHEN message = 'parameter_problem' THEN message ELSE coalesce(reason, message) END AS error
    FROM icmp JOIN flows AS sender ON sender.flow_id = icmp.flow_id
    WHERE about_flow_id IS NOT NULL AND message IN ('destination_unreachable', 'time_exceeded', 'parameter_problem')
        AND reason IS DISTINCT FROM 'fragmentation_needed'
), reported AS (
    SELECT flow_id, list_sort(list(DISTINCT reporter)) AS reporters,
        'answered by ICMP ' || replace(array_to_string(list_sort(list(DISTINCT error)), ', '), '_', ' ') AS outcome
    FROM errors GROUP BY flow_id
), asked AS (
    SELECT * FROM flows
    WHERE dst_packets = 0 AND dst_ip IS NOT NULL AND coalesce(direction, '') NOT IN ('multicast', 'broadcast')
        AND NOT (dst_port IS NULL AND protocol IN ('tcp', 'udp', 'sctp')) -- fragments, not a conversation
        AND CASE protocol WHEN 'icmp' THEN icmp_type IN (8, 10, 13, 15, 17, 42)
            WHEN 'icmpv6' THEN icmp_type IN (128, 133, 135, 139, 160)
            WHEN 'arp' THEN state IS DISTINCT FROM 'ARP_REPLY' AND src_ip <> dst_ip ELSE true END
), silent AS (
    SELECT * FROM asked
    WHERE protocol NOT IN ('arp', 'icmpv6') OR NOT EXISTS ( -- whose answers are flows of their own
        SELECT 1 FROM flows AS answer
        WHERE answer.protocol = asked.protocol AND answer.src_ip = asked.dst_ip AND answer.dst_ip = asked.src_ip
            AND answer.capture_id = asked.capture_id
            AND (asked.protocol = 'arp' OR answer.icmp_type = asked.icmp_type + 1))
)
SELECT protocol, dst_ip, dst_port,
    coalesce(outcome, CASE WHEN protocol = 'tcp' AND src_flags & 16 > 0
        THEN 'unknown: acknowledges what is not in the capture' ELSE 'no answer' END) AS outcome,
    list_sort(list_distinct(flatten(list(reporters))))[1:5] AS reporters,
    greatest(len(list_distinct(flatten(list(reporters)))) - 5, 0) AS further_reporters,
    list_sort(list_distinct(list(hostname)))[1:5] AS hostnames,
    greatest(count(DISTINCT hostname) - 5, 0) AS further_hostnames, list_sort(list_distinct(list(app)))[1:5] AS apps,
    greatest(count(DISTINCT app) - 5, 0) AS further_apps, count(*) AS flows, count(DISTINCT src_ip) AS sources, list_sort(list_distinct(list(src_ip)))[1:5] AS source_ips,
    sum(src_packets)::BIGINT AS packets, sum(src_bytes)::BIGINT AS bytes, min(started_at) AS first_seen,
    max(ended_at) AS last_seen, min(silent.flow_id) AS example_flow
FROM silent LEFT JOIN reported ON reported.flow_id = silent.flow_id
GROUP BY ALL
ORDER BY packets DESC, protocol, dst_ip, dst_port, outcome
LIMIT $limit
