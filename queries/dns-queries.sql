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
), shown AS ( -- what is costly is worked out for these alone
    SELECT name, qtype, count(*) FILTER (NOT response) AS asked, count(*) FILTER (response) AS answered
    FROM messages GROUP BY name, qtype
    ORDER BY asked DESC, answered DESC, name, qtype
    LIMIT $limit
), chosen AS (
    SELECT messages.*, asked, answered
    FROM shown JOIN messages ON messages.name = shown.name AND messages.qtype IS NOT DISTINCT FROM shown.qtype
), given AS (
    SELECT name, qtype, list_sort(list_distinct(list(answer)))[1:8] AS answers,
        greatest(count(DISTINCT answer) - 8, 0) AS further_answers
    FROM (SELECT name, qtype, unnest(answers) AS answer FROM chosen WHERE response)
    GROUP BY name, qtype
)
SELECT chosen.name AS query, chosen.qtype, asked, answered,
    list_sort(list_distinct(list(rcode) FILTER (response AND rcode IS NOT NULL))) AS rcodes,
    count(DISTINCT client) AS clients, list_sort(list_distinct(list(client)))[1:5] AS client_ips, given.answers,
    coalesce(further_answers, 0) AS further_answers, list_sort(list_distinct(list(transport))) AS transports,
    round(avg(rtt_ms), 3) AS rtt_ms, min(ts) AS first_seen, max(ts) AS last_seen
FROM chosen LEFT JOIN given ON given.name = chosen.name AND given.qtype IS NOT DISTINCT FROM chosen.qtype
GROUP BY chosen.name, chosen.qtype, asked, answered, given.answers, further_answers
ORDER BY asked DESC, answered DESC, query, chosen.qtype
