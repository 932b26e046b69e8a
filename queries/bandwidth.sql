-- title: Bandwidth over time
-- description: Bytes and bits per second of each interval, by application, process, server or protocol; intervals without
-- description: packets are left out.
-- subject: overview
-- parameter: interval duration 10s Length of an interval
-- parameter: by choice:app|process|server|protocol app What to group by
-- parameter: limit int 5000 Most rows
-- column: what mixed Application, process, address or protocol; '-' if unknown
-- column: bits_per_second number On average over the interval
WITH groups AS (
    SELECT flow_id, coalesce(CASE $by WHEN 'app' THEN coalesce(app, flows.protocol) WHEN 'process' THEN processes.name
        WHEN 'server' THEN coalesce(hostname, dst_ip) ELSE flows.protocol END, '-') AS what
    FROM flows LEFT JOIN processes ON processes.process_id = flows.process_id
), moved AS (
    SELECT flow_id, epoch_ns(ts) // $interval AS slot, count(*) AS packets, sum(length)::BIGINT AS bytes
    FROM packets GROUP BY flow_id, slot
)
SELECT make_timestamp_ns(slot * $interval) AS begins, coalesce(what, '-') AS what, count(DISTINCT moved.flow_id) AS flows,
    sum(packets)::BIGINT AS packets, sum(bytes)::BIGINT AS bytes, round(sum(bytes) * 8e9 / $interval, 1) AS bits_per_second
FROM moved LEFT JOIN groups ON groups.flow_id = moved.flow_id
GROUP BY slot, what
ORDER BY begins, bytes DESC, what
LIMIT $limit
