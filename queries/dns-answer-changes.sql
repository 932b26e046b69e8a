-- title: Names whose addresses changed
-- description: Names that resolved to different sets of addresses in the course of the captures, most changes first. Names
-- description: of content networks change all the time, and resolvers give clients different answers.
-- subject: dns
-- parameter: least int 1 Fewest changes
-- parameter: limit int 100 Most rows
-- column: changes count Answers whose addresses are not those of the answer before, to whichever client
-- column: sets count Different sets of addresses
-- column: ips address
-- column: ttl duration Smallest time to live, in seconds
WITH answers AS (
    SELECT lower(query) AS query, qtype, ts, packet, flow_id, ttl,
        list_sort(list_filter(list_zip(answers, answer_types), lambda a: a[2] IN ('A', 'AAAA'))) AS given
    FROM dns
    WHERE response AND transport = 'dns' AND qtype IN ('A', 'AAAA') AND rcode = 'NOERROR' AND answer_count > 0
), sets AS (
    SELECT query, qtype, ts, flow_id, ttl, list_distinct(list_transform(given, lambda a: a[1])) AS ips,
        lag(given) OVER (PARTITION BY query, qtype ORDER BY ts, packet) AS earlier, given
    FROM answers WHERE len(given) > 0
), each AS (
    SELECT query, qtype, unnest(ips) AS ip FROM sets
), addresses AS (
    SELECT query, qtype, count(DISTINCT ip) AS addresses, list_sort(list_distinct(list(ip)))[1:8] AS ips
    FROM each GROUP BY query, qtype
)
SELECT sets.query, sets.qtype, count(*) FILTER (earlier IS NOT NULL AND earlier <> given) AS changes,
    count(DISTINCT given) AS sets, count(*) AS answered, addresses.addresses, addresses.ips, min(sets.ttl) AS ttl,
    min(sets.ts) AS first_seen, max(sets.ts) AS last_seen, min(sets.flow_id) AS example_flow
FROM sets JOIN addresses ON addresses.query = sets.query AND addresses.qtype = sets.qtype
GROUP BY sets.query, sets.qtype, addresses.addresses, addresses.ips
HAVING changes >= $least
ORDER BY changes DESC, sets.query, sets.qtype
LIMIT $limit
