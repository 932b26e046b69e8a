-- title: Capture health
-- description: Quality of each capture: cut-off and undecoded packets, drops, gaps in streams, completeness.
-- subject: capture
-- column: source path The capture
-- column: truncated count Packets that the snap length cut
-- column: flows_with_gaps count Flows with bytes that the capture lacks
-- column: anomalies count Rows of anomalies, with their repetitions
WITH gaps AS (
    SELECT capture_id, sum(src_missed_bytes + dst_missed_bytes)::BIGINT AS missed_bytes,
        count(*) FILTER (src_missed_bytes + dst_missed_bytes > 0) AS flows_with_gaps
    FROM flows GROUP BY capture_id
), odd AS (
    SELECT capture_id, sum(count)::BIGINT AS anomalies FROM anomalies GROUP BY capture_id
)
SELECT captures.capture_id, source, format, complete, packets, wire_bytes, captured_bytes, truncated, undecoded,
    out_of_order, dropped_kernel, dropped_interface, coalesce(missed_bytes, 0) AS missed_bytes,
    coalesce(flows_with_gaps, 0) AS flows_with_gaps, coalesce(duplicates, 0) AS duplicates,
    coalesce(without_duplicates, false) AS without_duplicates, coalesce(anomalies, 0) AS anomalies, snaplen, first_ts, last_ts,
    sha256
FROM captures
LEFT JOIN gaps ON gaps.capture_id = captures.capture_id
LEFT JOIN odd ON odd.capture_id = captures.capture_id
ORDER BY captures.capture_id
