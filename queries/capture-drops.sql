-- title: Packets that a capture lost
-- description: Captures of which the operating system or the interface dropped packets, so that what they show is not
-- description: complete. Captures that do not state their losses have no row.
-- subject: capture
-- parameter: limit int 100 Most rows
-- column: source path The input, or the interfaces
-- column: dropped count By the system and the interface
-- column: at_least count The largest power of ten that is not more than that
-- column: dropped_share ratio Of all packets, the lost ones included
WITH lost AS (
    SELECT *, coalesce(dropped_kernel, 0) + coalesce(dropped_interface, 0) AS dropped FROM captures
)
SELECT capture_id, source, dropped, dropped_kernel, dropped_interface, packets,
    round(dropped / (packets + dropped), 6) AS dropped_share, (10 ** floor(log10(dropped)))::BIGINT AS at_least,
    first_ts AS first_seen, last_ts AS last_seen
FROM lost WHERE dropped > 0
ORDER BY dropped DESC, capture_id
LIMIT $limit
