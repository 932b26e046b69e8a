-- title: New since a moment
-- description: Destinations, names, processes, applications and TLS clients (JA4) that appear since a moment and not
-- description: before it in this session, in order of time. A short time before it makes much look new.
-- subject: security
-- parameter: since time null The moment; by default the middle between the first and the last packet
-- parameter: kind choice:destination|name|process|app|ja4 null Only this kind
-- parameter: limit int 500 Most rows
-- column: kind word
-- column: what mixed The new address, name, process, application or fingerprint
-- column: bytes bytes Of the flows with it; none for names that were only learned
-- column: flows count
WITH moment AS (
    SELECT coalesce($since::BIGINT, min(epoch_ns(started_at)) // 2 + max(epoch_ns(ended_at)) // 2) AS since_ns FROM flows
), seen AS (
    SELECT 'destination' AS kind, dst_ip AS what, min(started_at) AS first_seen, max(ended_at) AS last_seen,
        count(*) AS flows, sum(src_bytes + dst_bytes)::BIGINT AS bytes, min(flow_id) AS example_flow
    FROM flows WHERE dst_ip IS NOT NULL AND coalesce(direction, '') NOT IN ('multicast', 'broadcast') GROUP BY dst_ip
    UNION ALL
    SELECT 'app', app, min(started_at), max(ended_at), count(*), sum(src_bytes + dst_bytes)::BIGINT, min(flow_id)
    FROM flows WHERE app IS NOT NULL GROUP BY app
    UNION ALL
    SELECT 'process', processes.name, min(flows.started_at), max(ended_at), count(*),
        sum(src_bytes + dst_bytes)::BIGINT, min(flow_id)
    FROM flows JOIN processes ON processes.process_id = flows.process_id
    WHERE processes.name IS NOT NULL GROUP BY processes.name
    UNION ALL
    SELECT 'name', lower(name), min(ts), max(ts), NULL, NULL, NULL FROM names GROUP BY lower(name)
    UNION ALL
    SELECT 'ja4', hello.ja4, min(hello.ts), max(hello.ts), count(DISTINCT hello.flow_id), NULL, min(hello.flow_id)
    FROM (SELECT ja4, ts, flow_id FROM tls UNION ALL SELECT ja4, ts, flow_id FROM quic) AS hello
    WHERE hello.ja4 IS NOT NULL GROUP BY hello.ja4
)
SELECT kind, what, first_seen, last_seen, flows, bytes, example_flow
FROM seen, moment
WHERE epoch_ns(first_seen) >= since_ns AND ($kind IS NULL OR kind = $kind)
ORDER BY first_seen, kind, what
LIMIT $limit
