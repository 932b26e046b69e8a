-- title: Coverage of owners
-- description: How much of a live capture had an owner, by interval: in the last minute and since its beginning, with the
-- description: method by which owners were learned, why it was not a better one, and what was lost until then.
-- subject: processes
-- parameter: interval duration 10s Length of an interval
-- parameter: limit int 5000 Most rows
-- column: minute_flows_percent number Flows with an owner among those with a packet in the last minute
-- column: minute_bytes_percent number Bytes of flows with an owner among those of these flows
-- column: flows_percent number Flows with an owner since the beginning
-- column: bytes_percent number Bytes of flows with an owner since the beginning
-- column: method word Best method in force; NULL: owners were not learned
-- column: missing_method word A better method that was not in force
-- column: missing_reason word Why it was not
-- column: sockets_without_owner count Sockets that had ended without a known owner
-- column: lost count Reports and notices of the kernel, packets, and looks at sockets that were lost or left out
WITH latest AS (
    SELECT * FROM coverage
    QUALIFY row_number() OVER (PARTITION BY capture_id, epoch_ns(ts) // greatest($interval, 1) ORDER BY ts DESC) = 1
), learned AS (
    SELECT capture_id, ts, method, missing_method, missing_reason, unowned AS sockets_without_owner,
        coalesce(events_lost, 0) + coalesce(notices_lost, 0) + coalesce(packets_lost, 0) + coalesce(too_busy, 0) AS lost
    FROM attribution
)
SELECT latest.capture_id, latest.ts, minute_flows, round(100 * minute_flows_owned / nullif(minute_flows, 0), 1)
    AS minute_flows_percent, minute_bytes, round(100 * minute_bytes_owned / nullif(minute_bytes, 0), 1)
    AS minute_bytes_percent, flows, round(100 * flows_owned / nullif(flows, 0), 1) AS flows_percent, bytes,
    round(100 * bytes_owned / nullif(bytes, 0), 1) AS bytes_percent, method, missing_method, missing_reason,
    sockets_without_owner, lost
FROM latest ASOF LEFT JOIN learned ON learned.capture_id = latest.capture_id AND learned.ts <= latest.ts
ORDER BY latest.capture_id, latest.ts
LIMIT $limit
