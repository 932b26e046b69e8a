-- title: Names asked for
-- description: Names (lower case: DNS does not distinguish) by how often they were asked for, with clients and answers.
-- subject: dns
-- parameter: name text null Only names that contain this
-- parameter: limit int 100 Most rows
-- column: rcodes word Results of the answers
-- column: transports word DNS, multicast DNS, LLMNR …
WITH messages AS (
    SELECT lower(dns.query) AS name, dns.* EXCLUDE (query), flows.src_ip AS client
    FROM dns LEFT JOIN flows ON flows.flow_id = dns.flow_id
    WHERE dns.query IS NOT NULL AND ($name IS NULL OR contains(lower(dns.query), lower($name)))
), answered AS (
    SELECT name, qtype, list_sort(list_distinct(list(answer)))[1:8] AS answers,
        greatest(count(DISTINCT answer) - 8, 0) AS further_answers
    FROM (SELECT name, qtype, unnest(answers) AS answer FROM messages WHERE response)
    GROUP BY name, qtype
), asked AS (
    SELECT name, qtype, count(*) FILTER (NOT response) AS asked, count(*) FILTER (response) AS answered,
        list_sort(list_distinct(list(rcode) FILTER (response AND rcode IS NOT NULL))) AS rcodes,
        count(DISTINCT client) AS clients, list_sort(list_distinct(list(client)))[1:5] AS client_ips,
        list_sort(list_distinct(list(transport))) AS transports, round(avg(rtt_ms), 3) AS rtt_ms,
        min(ts) AS first_seen, max(ts) AS last_seen
    FROM messages GROUP BY name, qtype
)
SELECT asked.name AS query, asked.qtype, asked, answered, rcodes, clients, client_ips, answers,
    coalesce(further_answers, 0) AS further_answers, transports, rtt_ms, first_seen, last_seen
FROM asked LEFT JOIN answered ON answered.name = asked.name AND answered.qtype IS NOT DISTINCT FROM asked.qtype
ORDER BY asked DESC, answered DESC, query, asked.qtype
LIMIT $limit
