-- title: Bufferbloat
-- description: How much longer a round trip takes while a bulk transfer fills the path, by path and direction, against
-- description: the idle path. Grades by the median increase: under 5 ms A+, 30 A, 60 B, 200 C, 400 D, else F; none where
-- description: samples are few or nothing shows that the path was full. docs/quality.md explains the method.
-- subject: quality
-- parameter: least size 256k Smallest payload of a transfer, in one direction, that counts as load
-- parameter: samples int 5 Fewest round trips under load for a grade
-- parameter: limit int 100 Most rows
-- column: local_ip address Local end: the initiator, or the responder of a connection from outside
-- column: remote_ip address Remote end of the transfers that are the load
-- column: direction word Direction of the load: `upload` from the local end, or `download`
-- column: measured_on word `loading flows`, `same path` (other flows between both ends) or `other paths` (of the local end)
-- column: measured_by word Basis of the times: `tcp` (data to their acknowledgement, acknowledgement to echoed timestamp), `echo` or `handshake`
-- column: idle_samples count Round trips while the local end had no load
-- column: loaded_samples count Round trips under load
-- column: baseline_ms duration Round trip of the idle path: median of at least five, else the smallest
-- column: loaded_ms duration Median round trip under load
-- column: loaded_p95_ms duration Round trip that 95 % of those under load do not exceed
-- column: increase_ms duration Median increase over the baseline
-- column: grade word Grade, or NULL with the reason in `note`
-- column: confidence word `high` from 30 samples under load and 5 idle ones on, `medium` from 10 on, else `low`
-- column: note free_text What limits the claim
-- column: load_mbit number Median load, in Mbit/s of payload
-- column: loaded_seconds duration Time under load
-- column: retransmissions count Segments of the load that were retransmitted
-- column: congestion_marks count Acknowledgements that report congestion (ECN)
-- column: flow_ids flow Flows of the load, at most ten
-- column: further_flow_ids count Flows of the load beyond these
-- column: from_ts time Begin of the load
-- column: to_ts time End of the load
-- column: worst_ts time Moment of the longest round trip under load
WITH sided AS (
    SELECT flow_id, capture_id, protocol, started_at, handshake_rtt_ms, src_payload, dst_payload,
        direction IS NOT DISTINCT FROM 'inbound' AS reversed,
        CASE WHEN reversed THEN dst_ip ELSE src_ip END AS local_ip,
        CASE WHEN reversed THEN src_ip ELSE dst_ip END AS remote_ip
    FROM flows WHERE protocol IN ('tcp', 'udp', 'icmp', 'icmpv6') AND src_ip IS NOT NULL
), bulk AS (
    SELECT flow_id, capture_id, local_ip, remote_ip, from_src, from_src <> reversed AS upload
    FROM sided CROSS JOIN (VALUES (true), (false)) AS direction(from_src)
    WHERE protocol IN ('tcp', 'udp') AND CASE WHEN from_src THEN src_payload ELSE dst_payload END >= $least
), busy AS (
    SELECT * FROM sided WHERE (capture_id, local_ip) IN (SELECT (capture_id, local_ip) FROM bulk)
), counted AS (
    SELECT flow_id, from_src, epoch_ns(ts) // 250000000 AS bin, sum(payload) AS bytes,
        count(*) FILTER (tcp_flags & 66 = 64) AS marks
    FROM packets WHERE flow_id IN (SELECT flow_id FROM bulk) AND NOT duplicate
    GROUP BY flow_id, from_src, bin
), marked AS (
    SELECT bulk.capture_id, local_ip, remote_ip, upload, sum(marks)::BIGINT AS marks
    FROM counted JOIN bulk ON bulk.flow_id = counted.flow_id AND bulk.from_src <> counted.from_src GROUP BY ALL
), binned AS (
    SELECT capture_id, local_ip, remote_ip, upload, bin, sum(bytes) AS bytes
    FROM counted JOIN bulk USING (flow_id, from_src) GROUP BY ALL HAVING sum(bytes) > 0
), ranked AS (
    SELECT *, sum(bytes) OVER path AS whole, sum(bytes) OVER (path ORDER BY bytes, bin ROWS UNBOUNDED PRECEDING) AS up_to
    FROM binned WINDOW path AS (PARTITION BY capture_id, local_ip, remote_ip, upload)
), measured AS (  -- half of all bytes were sent at this speed or a higher one
    SELECT *, min(bytes) FILTER (2 * up_to >= whole) OVER (PARTITION BY capture_id, local_ip, remote_ip, upload) AS typical
    FROM ranked
), load AS (
    SELECT capture_id, local_ip, remote_ip, upload, bin, bytes FROM measured WHERE bytes >= 0.5 * typical
), loads AS (
    SELECT capture_id, local_ip, remote_ip, upload, count(*) AS bins, median(bytes) * 32 / 1e6 AS mbit,
        make_timestamp_ns(min(bin) * 250000000) AS from_ts, make_timestamp_ns((max(bin) + 1) * 250000000) AS to_ts
    FROM load GROUP BY ALL
), not_idle AS (
    SELECT DISTINCT capture_id, local_ip, unnest([bin - 1, bin, bin + 1, bin + 2]) AS bin FROM binned
), intervals AS (
    SELECT busy.capture_id, local_ip, remote_ip, flow_id, tcp_intervals.ts, tcp_intervals.from_src <> reversed AS outward,
        rtt_samples, rtt_ms, min_rtt_ms, least_rtt_ms, sent_bytes, retransmissions,
        (epoch_ns(tcp_intervals.ts) - epoch_ns(began_at)) / 1e6 AS lasted_ms
    FROM tcp_intervals JOIN busy USING (flow_id)
), lost AS (
    SELECT capture_id, local_ip, remote_ip, outward AS upload, sum(retransmissions)::BIGINT AS retransmissions
    FROM intervals GROUP BY ALL
), samples AS (
    SELECT capture_id, local_ip, remote_ip, flow_id, ts, rtt_samples AS samples, least_rtt_ms AS least_ms,
        CASE WHEN outward THEN 'tcp outward' ELSE 'tcp inward' END AS basis,
        -- the acknowledgement of a single segment waits for the next one
        greatest(rtt_ms - coalesce(1448 * lasted_ms / nullif(sent_bytes, 0), 0), least_rtt_ms) AS ms,
        min(min_rtt_ms) OVER (PARTITION BY flow_id, outward ORDER BY epoch_ns(ts)
            RANGE BETWEEN 250000000 PRECEDING AND 250000000 FOLLOWING) AS low_ms
    FROM intervals WHERE rtt_samples > 0
    UNION ALL
    SELECT capture_id, local_ip, remote_ip, flow_id, started_at, 1, handshake_rtt_ms, 'handshake', handshake_rtt_ms, handshake_rtt_ms
    FROM busy WHERE handshake_rtt_ms IS NOT NULL
    UNION ALL
    SELECT busy.capture_id, local_ip, remote_ip, busy.flow_id, icmp.ts, 1, rtt_ms, 'echo', rtt_ms, rtt_ms
    FROM icmp JOIN busy USING (flow_id) WHERE rtt_ms IS NOT NULL AND message = 'echo_reply'
), timed AS (
    SELECT samples.*, epoch_ns(ts) // 250000000 AS bin, not_idle.bin IS NULL AS idle
    FROM samples LEFT JOIN not_idle ON not_idle.capture_id = samples.capture_id
        AND not_idle.local_ip = samples.local_ip AND not_idle.bin = epoch_ns(ts) // 250000000
), baselines AS (
    SELECT capture_id, local_ip, remote_ip, basis,
        coalesce(sum(samples) FILTER (idle), 0)::BIGINT AS idle_samples,
        CASE WHEN basis IN ('echo', 'handshake') AND idle_samples >= 5 THEN median(ms) FILTER (idle)
            ELSE least(min(ms), min(least_ms)) END AS baseline_ms
    FROM timed GROUP BY capture_id, local_ip, remote_ip, basis
), paths AS (
    SELECT capture_id, local_ip, remote_ip, min(handshake_rtt_ms) AS path_ms FROM busy GROUP BY ALL
), under_load AS (
    SELECT load.capture_id, load.local_ip, load.remote_ip, load.upload, load.bin, timed.basis, timed.ts, timed.ms, timed.low_ms, timed.samples,
        baseline_ms, idle_samples,
        CASE WHEN timed.remote_ip <> load.remote_ip THEN 'other paths'
            WHEN (timed.flow_id, load.upload) IN (SELECT (flow_id, upload) FROM bulk) THEN 'loading flows'
            ELSE 'same path' END AS measured_on
    FROM load JOIN timed ON timed.capture_id = load.capture_id AND timed.local_ip = load.local_ip
        AND timed.bin = load.bin
    JOIN baselines ON baselines.capture_id = timed.capture_id AND baselines.local_ip = timed.local_ip
        AND baselines.remote_ip = timed.remote_ip AND baselines.basis = timed.basis
), moments AS (  -- short round trips give more samples than long ones: each quarter of a second counts once
    SELECT capture_id, local_ip, remote_ip, upload, measured_on, basis, sum(samples)::BIGINT AS samples,
        max(idle_samples) AS idle_samples, median(baseline_ms) AS baseline_ms, median(ms) AS ms, max(ms) AS longest_ms,
        median(low_ms) AS low_ms, median(ms - baseline_ms) AS more_ms, median(low_ms - baseline_ms) AS lasting_ms,
        max({'ms': ms, 'ts': ts}) AS longest
    FROM under_load LEFT JOIN paths USING (capture_id, local_ip, remote_ip)
    WHERE basis IN ('echo', 'handshake') OR baseline_ms >= 0.25 * path_ms OR path_ms IS NULL AND baseline_ms >= 5
    GROUP BY capture_id, local_ip, remote_ip, upload, measured_on, basis, bin
), judged AS (
    SELECT capture_id, local_ip, remote_ip, upload, measured_on, basis, sum(samples)::BIGINT AS loaded_samples,
        max(idle_samples) AS idle_samples, median(baseline_ms) AS baseline_ms, quantile_cont(longest_ms, 0.95) AS loaded_p95_ms,
        -- a queue that lasts keeps all round trips of a moment long; a receiver that pauses only some of them
        median(lasting_ms) < 0.5 * median(more_ms) AS pauses,
        greatest(CASE WHEN pauses THEN median(lasting_ms) ELSE median(more_ms) END, 0) AS increase_ms,
        CASE WHEN pauses THEN median(low_ms) ELSE median(ms) END AS loaded_ms, max(longest).ts AS worst_ts
    FROM moments GROUP BY ALL
), loading AS (
    SELECT capture_id, local_ip, remote_ip, upload, list(flow_id ORDER BY flow_id)[:10] AS flow_ids,
        greatest(count(*) - 10, 0) AS further_flow_ids
    FROM bulk GROUP BY ALL
), chosen AS (
    SELECT * FROM judged QUALIFY row_number() OVER (
        PARTITION BY capture_id, local_ip, remote_ip, upload, measured_on
        ORDER BY loaded_samples >= $samples DESC, CASE basis WHEN 'echo' THEN 1 WHEN 'handshake' THEN 2 ELSE 3 END,
            increase_ms DESC, basis DESC) = 1
), listed AS (
    SELECT loads.*, measured_on, basis, loaded_ms, loaded_p95_ms, increase_ms, baseline_ms, worst_ts,
        coalesce(loaded_samples, 0) AS loaded_samples, coalesce(idle_samples, 0) AS idle_samples,
        coalesce(retransmissions, 0) AS retransmissions, coalesce(marks, 0) AS marks,
        flow_ids, further_flow_ids,
        CASE WHEN coalesce(loaded_samples, 0) = 0 THEN 'no round trip over the whole path can be seen under load: no grade'
            WHEN loaded_samples < $samples THEN format('{} samples only: no grade', loaded_samples)
            WHEN bins < 4 THEN 'load of less than a second: no grade'
            WHEN increase_ms < 30 AND starts_with(basis, 'tcp') AND coalesce(baseline_ms < 0.5 * path_ms, true)
            THEN 'round trips over half of the path at most: no grade'
            WHEN increase_ms < 30 AND coalesce(retransmissions, 0) + coalesce(marks, 0) = 0
            THEN 'nothing shows that the path was full (no loss, no congestion mark, no queue): no grade' END AS refusal
    FROM loads LEFT JOIN chosen USING (capture_id, local_ip, remote_ip, upload)
    LEFT JOIN loading USING (capture_id, local_ip, remote_ip, upload)
    LEFT JOIN paths USING (capture_id, local_ip, remote_ip)
    LEFT JOIN lost USING (capture_id, local_ip, remote_ip, upload)
    LEFT JOIN marked USING (capture_id, local_ip, remote_ip, upload)
)
SELECT capture_id, local_ip, remote_ip, CASE WHEN upload THEN 'upload' ELSE 'download' END AS direction, measured_on,
    split_part(basis, ' ', 1) AS measured_by, idle_samples, loaded_samples, round(baseline_ms, 3) AS baseline_ms,
    round(loaded_ms, 3) AS loaded_ms, round(loaded_p95_ms, 3) AS loaded_p95_ms, round(increase_ms, 3) AS increase_ms,
    CASE WHEN refusal IS NOT NULL THEN NULL WHEN increase_ms < 5 THEN 'A+' WHEN increase_ms < 30 THEN 'A'
        WHEN increase_ms < 60 THEN 'B' WHEN increase_ms < 200 THEN 'C' WHEN increase_ms < 400 THEN 'D' ELSE 'F'
    END AS grade,
    CASE WHEN refusal IS NOT NULL THEN NULL WHEN loaded_samples >= 30 AND idle_samples >= 5 THEN 'high'
        WHEN loaded_samples >= 10 THEN 'medium' ELSE 'low' END AS confidence,
    coalesce(refusal, CASE WHEN idle_samples < 5
        THEN format('idle round trips: {}; the baseline is the smallest one seen', idle_samples) END) AS note,
    round(mbit, 3) AS load_mbit, bins * 0.25 AS loaded_seconds, retransmissions, marks AS congestion_marks, flow_ids, further_flow_ids,
    from_ts, to_ts, worst_ts
FROM listed
ORDER BY increase_ms DESC NULLS LAST, capture_id, local_ip, remote_ip, direction, measured_on
LIMIT $limit
