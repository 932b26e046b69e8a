-- title: New names
-- description: Names by the time at which they first appeared, latest first, with their addresses.
-- subject: dns
-- parameter: after time null Only names first seen at this time or later
-- parameter: limit int 100 Most rows
-- column: name host
-- column: ips address Its first addresses, in alphabetical order
-- column: sources word Where the name was learned
SELECT name, min(ts) AS first_seen, max(ts) AS last_seen, count(*) AS times, count(DISTINCT ip) AS addresses,
    list_sort(list_distinct(list(ip)))[1:5] AS ips, list_sort(list_distinct(list(source))) AS sources,
    min(ttl) AS ttl
FROM names
GROUP BY name
HAVING $after IS NULL OR epoch_ns(min(ts)) >= $after
ORDER BY first_seen DESC, name
LIMIT $limit
