-- title: Destinations by autonomous system
-- description: Flows to public addresses by the autonomous system that announces the destination, by the address table
-- description: or the user's database. Without a number: the table does not have the address.
-- subject: destinations
-- parameter: limit int 200 Most rows
-- column: asn autonomous_system Number of the autonomous system
-- column: as_name autonomous_system
-- column: countries place
-- column: processes count Different processes that own the flows; unowned flows do not count
SELECT dst_asn AS asn, dst_as_name AS as_name,
    list_sort(list_distinct(list(dst_country) FILTER (dst_country IS NOT NULL)))[1:5] AS countries,
    greatest(count(DISTINCT dst_country) - 5, 0) AS further_countries,
    list_sort(list_distinct(list(hostname) FILTER (hostname IS NOT NULL)))[1:5] AS hostnames,
    greatest(count(DISTINCT hostname) - 5, 0) AS further_hostnames,
    count(*) AS flows, count(DISTINCT dst_ip) AS addresses, count(DISTINCT src_ip) AS sources,
    count(DISTINCT process_id) AS processes, sum(src_bytes)::BIGINT AS bytes_sent,
    sum(dst_bytes)::BIGINT AS bytes_received, sum(src_bytes + dst_bytes)::BIGINT AS bytes, min(started_at) AS first_seen,
    max(ended_at) AS last_seen, min(flow_id) AS example_flow
FROM flows
WHERE direction IN ('outbound', 'external') AND protocol NOT IN ('arp', 'rarp')
GROUP BY dst_asn, dst_as_name
ORDER BY bytes DESC, asn NULLS LAST, as_name
LIMIT $limit
