-- title: Top destinations
-- description: Responders by address, port and name (a row for each name), by bytes in both directions. Requests of
-- description: mixed flows went to several hosts, of which the name is one.
-- subject: destinations
-- parameter: limit int 20 Most rows
WITH mixed AS ( -- a proxy's, say
    SELECT flow_id FROM http WHERE host IS NOT NULL GROUP BY flow_id HAVING count(DISTINCT lower(host)) > 1
), busiest AS ( -- the rows that are shown: what is costly is worked out for these alone
    SELECT dst_ip, dst_port, protocol, hostname, sum(src_bytes + dst_bytes)::BIGINT AS bytes
    FROM flows WHERE dst_ip IS NOT NULL
    GROUP BY dst_ip, dst_port, protocol, hostname
    ORDER BY bytes DESC, dst_ip, dst_port, protocol, hostname NULLS LAST
    LIMIT $limit
)
SELECT f.dst_ip, f.dst_port, f.protocol, f.hostname, list_sort(list_distinct(list(app)))[1:5] AS apps,
    greatest(count(DISTINCT app) - 5, 0) AS further_apps, count(*) AS flows,
    count(*) FILTER (flow_id IN (SELECT flow_id FROM mixed)) AS mixed_flows, count(DISTINCT src_ip) AS sources,
    sum(src_bytes)::BIGINT AS bytes_sent, sum(dst_bytes)::BIGINT AS bytes_received,
    sum(src_bytes + dst_bytes)::BIGINT AS bytes, min(started_at) AS first_seen, max(ended_at) AS last_seen
FROM busiest JOIN flows AS f ON f.dst_ip = busiest.dst_ip AND f.dst_port IS NOT DISTINCT FROM busiest.dst_port
    AND f.protocol = busiest.protocol AND f.hostname IS NOT DISTINCT FROM busiest.hostname
GROUP BY f.dst_ip, f.dst_port, f.protocol, f.hostname
ORDER BY bytes DESC, f.dst_ip, f.dst_port, f.protocol, f.hostname NULLS LAST
