-- title: Destinations by country
-- description: Flows to public addresses by the country of the destination. The country is that of the address table or
-- description: of the user's database: where the block is registered or used, not where a person is. Unknown ones are '-'.
-- subject: destinations
-- parameter: limit int 300 Most rows
-- column: country place Two letters (ISO 3166), '-' if unknown
-- column: as_names autonomous_system The busiest holders of the address blocks
-- column: processes count Different processes that own the flows; unowned flows do not count
WITH abroad AS (
    SELECT coalesce(dst_country, '-') AS country, dst_ip, dst_as_name, src_ip, process_id, src_bytes, dst_bytes, started_at,
        ended_at, flow_id
    FROM flows
    WHERE direction IN ('outbound', 'external') AND protocol NOT IN ('arp', 'rarp')
), holders AS (
    SELECT country, dst_as_name, row_number() OVER (PARTITION BY country
        ORDER BY sum(src_bytes + dst_bytes) DESC, dst_as_name) AS place
    FROM abroad WHERE dst_as_name IS NOT NULL GROUP BY country, dst_as_name
), listed AS (
    SELECT country, list(dst_as_name ORDER BY place) FILTER (place <= 5) AS as_names,
        greatest(count(*) - 5, 0) AS further_as_names
    FROM holders GROUP BY country
)
SELECT abroad.country, count(*) AS flows, count(DISTINCT dst_ip) AS addresses, count(DISTINCT src_ip) AS sources,
    count(DISTINCT process_id) AS processes, sum(src_bytes)::BIGINT AS bytes_sent,
    sum(dst_bytes)::BIGINT AS bytes_received, sum(src_bytes + dst_bytes)::BIGINT AS bytes, as_names,
    coalesce(further_as_names, 0) AS further_as_names, min(started_at) AS first_seen, max(ended_at) AS last_seen,
    min(flow_id) AS example_flow
FROM abroad LEFT JOIN listed ON listed.country = abroad.country
GROUP BY abroad.country, as_names, further_as_names
ORDER BY bytes DESC, abroad.country
LIMIT $limit
