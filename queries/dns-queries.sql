-- title: Names asked for
-- description: Names by how often they were asked for, with clients and answers.
-- parameter: name text null Only names that contain this
-- parameter: limit int 100 Most rows
SELECT dns.query, dns.qtype, count(*) FILTER (NOT response) AS asked, count(*) FILTER (response) AS answered,
    list_sort(list_distinct(list(dns.rcode) FILTER (response AND dns.rcode IS NOT NULL))) AS rcodes,
    count(DISTINCT flows.src_ip) AS clients, any_value(flows.src_ip) AS example_client,
    any_value(dns.answers) FILTER (response AND len(dns.answers) > 0) AS example_answers,
    list_sort(list_distinct(list(dns.transport))) AS transports,
    round(avg(dns.rtt_ms), 3) AS rtt_ms, min(dns.ts) AS first_seen, max(dns.ts) AS last_seen
FROM dns LEFT JOIN flows ON flows.flow_id = dns.flow_id
WHERE dns.query IS NOT NULL AND ($name IS NULL OR contains(lower(dns.query), lower($name)))
GROUP BY dns.query, dns.qtype
ORDER BY asked DESC, answered DESC, dns.query, dns.qtype
LIMIT $limit
