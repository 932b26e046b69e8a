-- title: TLS certificates
-- description: Certificates seen in the clear (TLS 1.2 and older), with what is odd: out of date, signed by itself, small key.
-- subject: tls
-- parameter: odd bool no Only odd ones
-- parameter: limit int 100 Most rows
-- column: remarks word What is unusual
-- column: key_type word
-- column: key_bits number
-- column: signature word Algorithm of the signature
WITH certificates AS (
    SELECT cert_sha256, subject, issuer, sans, not_before, not_after, cert_key_type AS key_type,
        cert_key_bits AS key_bits, cert_signature AS signature, self_signed, count(*) AS handshakes,
        min(ts) AS first_seen, max(ts) AS last_seen, min(flow_id) AS example_flow
    FROM tls
    WHERE cert_sha256 IS NOT NULL
    GROUP BY ALL
), judged AS (
    SELECT *, list_filter([
        CASE WHEN last_seen > not_after THEN 'expired' END,
        CASE WHEN first_seen < not_before THEN 'not yet valid' END,
        CASE WHEN self_signed THEN 'self-signed' END,
        CASE WHEN key_type = 'RSA' AND key_bits < 2048 THEN 'small key' END,
        CASE WHEN contains(lower(signature), 'md5') OR contains(lower(signature), 'sha1') THEN 'weak signature' END
    ], lambda word: word IS NOT NULL) AS remarks
    FROM certificates
)
SELECT subject, issuer, remarks, not_before, not_after, sans, key_type, key_bits, signature, handshakes, first_seen,
    last_seen, cert_sha256, example_flow
FROM judged
WHERE NOT $odd OR len(remarks) > 0
ORDER BY len(remarks) DESC, handshakes DESC, cert_sha256
LIMIT $limit
