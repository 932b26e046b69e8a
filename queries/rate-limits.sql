-- title: Rate limits
-- description: Bulk TCP transfers whose throughput stays at a plateau, and what holds it there: a queue (shaping), drops
-- description: without a queue (policing), or neither, with the rate and burst of the token bucket. A limit of NULL is
-- description: explained in the note. docs/quality.md has the method.
-- subject: quality
-- parameter: least size 256k Smallest payload of a transfer, in one direction
-- parameter: limit int 100 Most rows
-- column: local_ip address Local end: the initiator, or the responder of connections from outside
-- column: remote_ip address Remote end
-- column: direction word `upload` from the local end, or `download`
-- column: rate_limit word `shaping` (a token bucket with a queue), `policing` (a token bucket that drops), `bottleneck` (a queue that drains at a constant rate: a slow link, or a shaper without burst), or NULL
-- column: rate_mbit number Rate of the plateau, in Mbit/s on the wire
-- column: burst_bytes bytes Bytes on the wire that passed above the rate until the first loss: the bucket
-- column: mean_mbit number Mean throughput, in Mbit/s on the wire
-- column: in_band ratio Share of the time in which the throughput was within a fifth of the rate
-- column: baseline_ms duration Smallest round trip
-- column: queued_ms duration Median increase of the round trip over the smallest
-- column: loss_percent number Retransmitted segments, in percent of all
-- column: retransmissions count Segments that were sent again
-- column: loss_episodes count Moments of loss at least a quarter of a second and two round trips apart
-- column: duration_s duration From the first to the last byte
-- column: note free_text What limits the claim
-- column: flow_ids flow The connections, at most ten
-- column: further_flow_ids count Connections beyond these
-- column: from_ts time First byte
-- column: first_loss_ts time First loss
-- column: last_loss_ts time Last loss
-- column: to_ts time Last byte
WITH sided AS (
    SELECT flow_id, capture_id, direction IS NOT DISTINCT FROM 'inbound' AS reversed, handshake_rtt_ms,
        CASE WHEN reversed THEN dst_ip ELSE src_ip END AS local_ip,
        CASE WHEN reversed THEN src_ip ELSE dst_ip END AS remote_ip, src_payload, dst_payload, src_bytes, dst_bytes
    FROM flows WHERE protocol = 'tcp'
), bulk AS (
    SELECT flow_id, capture_id, local_ip, remote_ip, from_src, from_src <> reversed AS upload, handshake_rtt_ms,
        CASE WHEN from_src THEN src_payload ELSE dst_payload END AS payload,
        CASE WHEN from_src THEN src_bytes ELSE dst_bytes END AS wire
    FROM sided CROSS JOIN (VALUES (true), (false)) AS direction(from_src)
    WHERE CASE WHEN from_src THEN src_payload ELSE dst_payload END >= $least
), paths AS (
    SELECT capture_id, local_ip, remote_ip, upload, row_number() OVER () AS path, sum(wire) / nullif(sum(payload), 0) AS overhead,
        min(handshake_rtt_ms) AS handshake_ms, list(flow_id ORDER BY flow_id)[:10] AS flow_ids,
        greatest(count(*) - 10, 0) AS further_flow_ids
    FROM bulk GROUP BY ALL
), members AS (
    SELECT flow_id, from_src, path FROM bulk JOIN paths USING (capture_id, local_ip, remote_ip, upload)
), steps AS (
    SELECT path, flow_id, from_src, epoch_ns(began_at) / 1e9 AS began, epoch_ns(ts) / 1e9 AS ended,
        acknowledged_bytes AS bytes, retransmissions,
        sum(acknowledged_bytes) OVER flow AS flow_total, sum(acknowledged_bytes) OVER path AS total
    FROM tcp_intervals JOIN members USING (flow_id, from_src)
    WINDOW flow AS (PARTITION BY flow_id, from_src ORDER BY ts, began_at ROWS UNBOUNDED PRECEDING),
        path AS (PARTITION BY path ORDER BY ts, flow_id ROWS UNBOUNDED PRECEDING)
), spans AS (
    SELECT path, min(ended) FILTER (bytes > 0) AS low, max(ended) FILTER (bytes > 0) AS high, sum(bytes) AS passed,
        sum(retransmissions)::BIGINT AS retransmissions,
        min(began) FILTER (retransmissions > 0) AS first_loss, max(ended) FILTER (retransmissions > 0) AS last_loss,
        min(ended) FILTER (retransmissions > 0) AS first_loss_end,
        (max(total) FILTER (retransmissions > 0) - min(total - bytes) FILTER (retransmissions > 0)) / nullif(last_loss - first_loss, 0) AS loss_speed,
        greatest(least(greatest((high - low) / 16, 0.2), 1), (high - low) / 1000) AS width
    FROM steps GROUP BY path
), marks AS (
    SELECT path, n, low + n * width AS moment FROM spans CROSS JOIN range(1001) AS numbers(n)
    WHERE high > low AND n <= floor((high - low) / width)
), reached AS (
    SELECT marks.path, n, sum(flow_total - bytes + bytes * least(1, (moment - began) / nullif(ended - began, 0))) AS total
    FROM (SELECT * FROM marks JOIN members USING (path)) AS marks
    ASOF JOIN steps ON steps.flow_id = marks.flow_id AND steps.from_src = marks.from_src AND marks.moment >= steps.began
    GROUP BY marks.path, n
), speeds AS (
    SELECT path, n, (total - lag(total) OVER (PARTITION BY path ORDER BY n)) / width AS speed
    FROM reached JOIN spans USING (path)
), plateaus AS (
    SELECT path, count(*) AS windows, max(middle) AS speed,
        avg((speed BETWEEN 0.8 * middle AND 1.2 * middle)::INT) AS in_band
    FROM (SELECT *, median(speed) OVER (PARTITION BY path) AS middle FROM speeds WHERE n >= 2) GROUP BY path
), trips AS (
    SELECT path, tcp_intervals.from_src, rtt_ms - least_rtt_ms AS queued_ms, least_rtt_ms,
        min(min_rtt_ms - least_rtt_ms) OVER (PARTITION BY path, tcp_intervals.flow_id, tcp_intervals.from_src
            ORDER BY epoch_ns(ts) RANGE BETWEEN 250000000 PRECEDING AND 250000000 FOLLOWING) AS lasting_ms
    FROM tcp_intervals JOIN members USING (flow_id) WHERE rtt_samples > 0
), queues AS (
    SELECT path, max(queued_ms) AS queued_ms, max(least_ms) AS baseline_ms FROM (
        SELECT path, from_src, min(least_rtt_ms) AS least_ms,
            -- a queue that lasts keeps all round trips of a moment long; a receiver that pauses only some of them
            CASE WHEN median(lasting_ms) < 0.5 * median(queued_ms) THEN median(lasting_ms) ELSE median(queued_ms) END AS queued_ms
        FROM trips GROUP BY path, from_src) JOIN paths USING (path)
    WHERE least_ms >= 0.25 * handshake_ms OR handshake_ms IS NULL AND least_ms >= 5
    GROUP BY path
), later AS (
    SELECT path, (max(total) - min(total)) / nullif(max(ended) - min(ended), 0) AS slope
    FROM steps JOIN spans USING (path) WHERE ended BETWEEN low + 0.25 * (high - low) AND high GROUP BY path
), lines AS (
    SELECT path, max(slope) AS slope, avg((abs(off - middle) <= slope * slack)::INT) AS in_line
    FROM (SELECT path, slope, off, slack, median(off) OVER (PARTITION BY path) AS middle FROM (
        SELECT path, slope, total - slope * (ended - low) AS off,
            greatest((coalesce(baseline_ms, 0) + coalesce(queued_ms, 0)) / 1e3, 0.1) AS slack
        FROM steps JOIN spans USING (path) JOIN later USING (path) LEFT JOIN queues USING (path)
        WHERE ended BETWEEN low + 0.25 * (high - low) AND high))
    GROUP BY path
), known AS (
    SELECT spans.*, windows, in_band, in_line, coalesce(queued_ms, 0) AS queued_ms, baseline_ms,
        coalesce(queued_ms, 0) >= greatest(10, 0.25 * baseline_ms) AS queue,
        CASE WHEN queue AND in_band < 0.5 THEN slope
            WHEN queue OR in_band >= 0.5 AND speed > loss_speed OR coalesce(loss_speed, 0) <= 0 THEN speed
            ELSE loss_speed END AS speed,
        greatest(coalesce(baseline_ms, 0) / 1e3, 0.1) AS slack
    FROM spans JOIN plateaus USING (path) JOIN lines USING (path) LEFT JOIN queues USING (path)
), risen AS (
    SELECT path, retransmissions > 0 AS lossy, ended, began, total, slack, speed * slack AS tolerance,
        ended <= coalesce(first_loss_end, low + 0.25 * (high - low)) AS early,
        ended BETWEEN first_loss AND last_loss AS between_losses,
        lag(ended) OVER (PARTITION BY path, retransmissions > 0 ORDER BY ended) AS previous,
        total - speed * (ended - low) AS above, total - bytes - speed * (began - low) AS below
    FROM (SELECT path, retransmissions, ended, began, total, bytes FROM steps)
    JOIN (SELECT path, speed, slack, low, high, first_loss, last_loss, first_loss_end FROM known) USING (path)
), taken AS (  -- what is missing in a bucket that fills at this speed: how far the total is above its lowest line so far
    SELECT *, above - min(below) OVER before AS missing, ended - (min({'below': below, 'began': began}) OVER before).began AS rising
    FROM risen WINDOW before AS (PARTITION BY path ORDER BY ended ROWS UNBOUNDED PRECEDING)
), bursts AS (
    SELECT path, max(missing) AS burst, max(total) AS before_loss, max({'missing': missing, 'rising': rising}).rising AS rising
    FROM taken WHERE early GROUP BY path
), buckets AS (
    SELECT path, max(burst) AS burst, max(before_loss) AS before_loss, max(bursts.rising) AS rising,
        count(*) FILTER (lossy AND (previous IS NULL OR ended - previous > greatest(0.25, 2 * slack))) AS episodes,
        avg((missing >= burst - tolerance)::INT) FILTER (lossy) AS empty_at_loss,
        avg((missing <= burst + tolerance)::INT) FILTER (between_losses) AS within
    FROM taken JOIN bursts USING (path) GROUP BY path
), judged AS (
    SELECT *, burst >= greatest(16384, 0.05 * speed, 0.05 * before_loss, 0.25 * speed * rising) AS bucket,
        CASE WHEN windows < 8 THEN NULL
            WHEN queue AND (in_line >= 0.8 OR in_band >= 0.5) THEN CASE WHEN bucket THEN 'shaping' ELSE 'bottleneck' END
            WHEN queue THEN NULL
            WHEN bucket AND (episodes >= 2 OR last_loss - first_loss >= 1) AND empty_at_loss >= 0.5 AND within >= 0.95 THEN 'policing' END AS rate_limit,
        coalesce(baseline_ms < 0.5 * handshake_ms, true) AS near
    FROM known JOIN buckets USING (path) JOIN paths USING (path)
)
SELECT capture_id, local_ip, remote_ip, CASE WHEN upload THEN 'upload' ELSE 'download' END AS direction, rate_limit,
    CASE WHEN rate_limit IS NOT NULL THEN round(speed * overhead * 8 / 1e6, 3) END AS rate_mbit,
    CASE WHEN rate_limit IN ('shaping', 'policing') THEN (burst * overhead)::BIGINT END AS burst_bytes,
    round(passed * overhead * 8 / 1e6 / (high - low), 3) AS mean_mbit, round(in_band, 2) AS in_band,
    round(baseline_ms, 3) AS baseline_ms, round(queued_ms, 3) AS queued_ms,
    round(100 * retransmissions * 1448 / passed, 2) AS loss_percent, retransmissions, episodes AS loss_episodes,
    round(high - low, 3) AS duration_s,
    CASE WHEN rate_limit = 'shaping' THEN 'round trips grow, and more than the rate passed at first'
        WHEN rate_limit = 'bottleneck' THEN 'round trips grow at a constant rate: a link of this rate, or a shaper whose burst was used up'
        WHEN rate_limit = 'policing' THEN format('{} losses in {} episodes, where the bucket is empty; '
            'an application that sends a burst and then paces itself looks alike on a lossy path', retransmissions, episodes)
        WHEN windows < 8 THEN 'shorter than two seconds: nothing is claimed'
        WHEN queue THEN 'round trips grow, but the rate is not constant'
        WHEN near AND retransmissions = 0 THEN 'no loss; a queue would not be seen, since round trips are only those of the near end'
        WHEN retransmissions = 0 THEN 'neither loss nor queue: the application or the receive window sets the rate'
        WHEN episodes < 2 AND last_loss - first_loss < 1 THEN 'losses at one moment only: the end of slow start'
        WHEN NOT coalesce(bucket, false) THEN 'losses, but nothing passed above the rate before: a short queue, or losses of other causes'
        ELSE 'losses do not follow a token bucket: other causes' END AS note,
    flow_ids, further_flow_ids, make_timestamp_ns((low * 1e6)::BIGINT * 1000) AS from_ts, make_timestamp_ns((first_loss * 1e6)::BIGINT * 1000) AS first_loss_ts,
    make_timestamp_ns((last_loss * 1e6)::BIGINT * 1000) AS last_loss_ts, make_timestamp_ns((high * 1e6)::BIGINT * 1000) AS to_ts
FROM judged
ORDER BY rate_limit IS NULL, mean_mbit DESC, capture_id, local_ip, remote_ip, direction
LIMIT $limit
