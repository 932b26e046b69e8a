-- title: Certificates with a fault
-- description: Certificates in the clear (TLS 1.2 and older) that were expired or not yet valid by the capture's clock,
-- description: have the same issuer and subject, or lack the name that the client asked for. No signature is verified and
-- description: no chain is built; a client may have rejected the certificate.
-- subject: tls
-- parameter: limit int 200 Most rows
-- column: faults word
-- column: established count Handshakes that reached encryption all the same
WITH seen AS (
    SELECT tls.*, flows.src_ip, flows.dst_ip, flows.dst_port, rtrim(lower(sni), '.') AS name,
        list_transform(coalesce(sans, []), lambda san: lower(san)) AS valid
    FROM tls LEFT JOIN flows ON flows.flow_id = tls.flow_id
    WHERE cert_sha256 IS NOT NULL
), judged AS (
    SELECT *, list_filter([
        CASE WHEN ts > not_after THEN 'expired' END,
        CASE WHEN ts < not_before THEN 'not yet valid' END,
        CASE WHEN self_signed THEN 'issuer is subject' END,
        CASE WHEN name IS NOT NULL AND len(valid) > 0 AND NOT list_contains(valid, name)
            AND NOT list_contains(valid, '*' || substr(name, strpos(name, '.'))) THEN 'other name' END
    ], lambda fault: fault IS NOT NULL) AS faults
    FROM seen
)
SELECT faults, name AS sni, dst_ip AS server, dst_port AS port, subject, issuer, sans, not_before, not_after,
    count(*) AS handshakes, count(*) FILTER (established) AS established, count(DISTINCT src_ip) AS clients,
    list_sort(list_distinct(list(src_ip)))[1:5] AS client_ips, min(ts) AS first_seen, max(ts) AS last_seen, cert_sha256,
    min(flow_id) AS example_flow
FROM judged
WHERE len(faults) > 0
GROUP BY faults, name, dst_ip, dst_port, subject, issuer, sans, not_before, not_after, cert_sha256
ORDER BY len(faults) DESC, handshakes DESC, server, port, sni, cert_sha256
LIMIT $limit
