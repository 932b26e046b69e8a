-- title: DNS failures
-- description: Questions that got an error (NXDOMAIN, SERVFAIL, REFUSED …) or no answer to any of their tries, by name.
-- subject: dns
-- parameter: limit int 100 Most rows
WITH failed AS (
    SELECT flow_id, ts, lower(query) AS query, qtype, rcode AS failure
    FROM dns
    WHERE response AND rcode IS NOT NULL AND rcode <> 'NOERROR'
    UNION ALL
    SELECT flow_id, ts, lower(query), qtype, 'no answer'
    FROM dns WHERE unanswered_ms IS NOT NULL AND transport = 'dns'
    UNION ALL
    SELECT flow_id, ts, lower(query), qtype, 'no answer yet'
    FROM dns AS asked
    WHERE NOT response AND transport = 'dns' AND capture_id IN (SELECT capture_id FROM captures WHERE NOT finished)
        AND NOT EXISTS (
            SELECT 1 FROM dns AS answer
            WHERE answer.flow_id = asked.flow_id AND answer.txid = asked.txid AND answer.response
        )
)
SELECT failed.query, failed.qtype, failure, count(*) AS times, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips, count(DISTINCT flows.dst_ip) AS servers,
    list_sort(list_distinct(list(flows.dst_ip)))[1:5] AS server_ips,
    min(failed.ts) AS first_seen, max(failed.ts) AS last_seen, min(failed.flow_id) AS example_flow
FROM failed LEFT JOIN flows ON flows.flow_id = failed.flow_id
GROUP BY failed.query, failed.qtype, failure
ORDER BY times DESC, failed.query, failed.qtype, failure
LIMIT $limit
