-- title: Slow DNS answers
-- description: Answers that came late, slowest first.
-- parameter: least duration 100ms Shortest time that counts
-- parameter: limit int 100 Most rows
SELECT dns.ts, dns.rtt_ms, dns.query, dns.qtype, dns.rcode, flows.src_ip AS client, flows.dst_ip AS server,
    dns.flow_id, dns.packet
FROM dns LEFT JOIN flows ON flows.flow_id = dns.flow_id
WHERE dns.response AND dns.rtt_ms * 1000000 >= $least
ORDER BY dns.rtt_ms DESC, dns.ts
LIMIT $limit
