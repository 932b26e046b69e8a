-- title: Timeline
-- description: Packets and bytes on the wire per interval of time; intervals without packets are left out.
-- subject: overview
-- parameter: interval duration 1s Length of an interval
-- column: syns count Packets with SYN
-- column: resets count Packets with RST
SELECT make_timestamp_ns(epoch_ns(ts) // $interval * $interval) AS begins, count(*) AS packets,
    sum(length)::BIGINT AS bytes, sum(payload)::BIGINT AS payload_bytes, count(DISTINCT flow_id) AS flows,
    count(*) FILTER (tcp_flags & 2 > 0) AS syns, count(*) FILTER (tcp_flags & 4 > 0) AS resets
FROM packets
GROUP BY begins
ORDER BY begins
