-- title: Slow DNS answers
-- description: Questions by the time from their first try to the answer, slowest first; of those without an answer in
-- description: the capture, by the time until the last try.
-- subject: dns
-- parameter: least duration 100ms Shortest time of answers that counts
-- parameter: limit int 100 Most rows
SELECT dns.ts, coalesce(dns.answer_ms, dns.unanswered_ms) AS waited_ms, dns.tries, dns.rtt_ms,
    CASE WHEN dns.unanswered_ms IS NULL THEN 'answered' ELSE 'no answer in the capture' END AS outcome, dns.query,
    dns.qtype, dns.rcode, flows.src_ip AS client, flows.dst_ip AS server, flows.protocol, dns.flow_id, dns.packet
FROM dns LEFT JOIN flows ON flows.flow_id = dns.flow_id
WHERE dns.response AND dns.answer_ms * 1000000 >= $least OR dns.unanswered_ms IS NOT NULL AND dns.transport = 'dns'
ORDER BY waited_ms DESC, outcome DESC, dns.ts, dns.packet
LIMIT $limit
