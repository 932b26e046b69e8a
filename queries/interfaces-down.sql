-- title: Interfaces that went down
-- description: Interfaces that went down or vanished while they were captured, how often and when.
-- subject: capture
-- parameter: limit int 100 Most rows
-- column: detail free_text Which interface
SELECT capture_id, detail, sum(count)::BIGINT AS times, min(ts) AS first_seen, max(ts) AS last_seen
FROM anomalies WHERE kind IN ('interface_down', 'interface_gone')
GROUP BY capture_id, detail
ORDER BY first_seen, capture_id, detail
LIMIT $limit
