-- title: DNS servers
-- description: Servers that were asked by DNS, with their clients, results and times. Times are those of first answers;
-- description: encrypted DNS is not among them.
-- subject: dns
-- parameter: limit int 100 Most rows
-- column: direction word From the clients to the server
-- column: asked count Questions, without repeated tries
-- column: answered count Responses, of which a zone transfer has several
-- column: failed count Answers with an error (SERVFAIL, REFUSED …; NXDOMAIN is none)
-- column: unanswered count Questions without an answer in the capture
-- column: median_ms duration
-- column: p95_ms duration
-- column: authoritative count Answers with the bit AA
SELECT flows.dst_ip AS server, flows.dst_port AS port, flows.protocol, flows.direction,
    count(*) FILTER (NOT response AND coalesce(tries, 1) = 1) AS asked, count(*) FILTER (response) AS answered,
    count(*) FILTER (response AND rcode NOT IN ('NOERROR', 'NXDOMAIN')) AS failed,
    count(*) FILTER (unanswered_ms IS NOT NULL) AS unanswered, count(*) FILTER (authoritative) AS authoritative,
    count(DISTINCT flows.src_ip) AS clients, list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips,
    round(median(answer_ms), 3) AS median_ms, round(quantile_cont(answer_ms, 0.95), 3) AS p95_ms,
    min(ts) AS first_seen, max(ts) AS last_seen, min(dns.flow_id) AS example_flow
FROM dns JOIN flows ON flows.flow_id = dns.flow_id
WHERE transport = 'dns'
GROUP BY flows.dst_ip, flows.dst_port, flows.protocol, flows.direction
ORDER BY asked DESC, server, port, flows.protocol, flows.direction
LIMIT $limit
