-- title: Protocols
-- description: Traffic by transport and application protocol; app_source is the content (payload) or the port.
-- subject: protocols
SELECT protocol, app, app_source, count(*) AS flows, sum(src_packets + dst_packets)::BIGINT AS packets,
    sum(src_bytes + dst_bytes)::BIGINT AS bytes,
    round(100.0 * sum(src_bytes + dst_bytes) / nullif(sum(sum(src_bytes + dst_bytes)) OVER (), 0), 2) AS percent
FROM flows
GROUP BY protocol, app, app_source
ORDER BY bytes DESC, protocol, app NULLS LAST
