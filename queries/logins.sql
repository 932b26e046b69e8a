-- title: Logins
-- description: Logins whose user the protocol shows, with the servers' answers: accepted, refused, or unknown where the answer
-- description: was not seen or does not tell. Logins within encryption (SSH, TLS) are not seen.
-- subject: security
-- parameter: username text null Only users whose name contains this
-- parameter: limit int 500 Most rows
-- column: username user
-- column: accepted count
-- column: refused count
-- column: unknown count
WITH tried AS (
    SELECT flow_id, ts, "user" AS username, CASE WHEN reply_code = 230 THEN true WHEN reply_code >= 400 THEN false END AS good
    FROM ftp WHERE command = 'PASS'
    UNION ALL SELECT flow_id, ts, "user", CASE WHEN reply_code = 235 THEN true WHEN reply_code >= 400 THEN false END
    FROM smtp WHERE command = 'AUTH'
    UNION ALL SELECT flow_id, ts, "user", ok FROM pop3 WHERE command IN ('PASS', 'APOP', 'AUTH')
    UNION ALL SELECT flow_id, ts, "user", CASE result WHEN 'OK' THEN true WHEN 'NO' THEN false END
    FROM imap WHERE command IN ('LOGIN', 'AUTHENTICATE')
    UNION ALL SELECT flow_id, ts, "user", CASE result WHEN 'OK' THEN true WHEN 'NO' THEN false END
    FROM managesieve WHERE command = 'AUTHENTICATE'
    UNION ALL SELECT flow_id, ts, "user", CASE WHEN reply_code IN (281, 283) THEN true WHEN reply_code >= 400 THEN false END
    FROM nntp WHERE command IN ('AUTHINFO PASS', 'AUTHINFO SASL')
    UNION ALL SELECT flow_id, ts, CASE WHEN domain <> '' THEN domain || '\' || username ELSE username END,
        CASE WHEN result = 'SUCCESS' THEN true WHEN result IS NULL THEN NULL ELSE false END
    FROM smb WHERE command = 'SESSION_SETUP' AND username IS NOT NULL AND result IS DISTINCT FROM 'MORE_PROCESSING_REQUIRED'
    UNION ALL SELECT flow_id, ts, coalesce(username, dn), CASE WHEN result = 'success' THEN true WHEN result IS NULL
        OR result = 'saslBindInProgress' THEN NULL ELSE false END
    FROM ldap WHERE operation = 'bind' AND coalesce(username, dn) <> ''
    UNION ALL SELECT flow_id, ts, username, authenticated FROM mysql WHERE username IS NOT NULL
    UNION ALL SELECT flow_id, ts, username, authenticated FROM postgresql WHERE username IS NOT NULL
    UNION ALL SELECT flow_id, ts, username, authenticated FROM tds WHERE username IS NOT NULL
    UNION ALL SELECT flow_id, ts, username, authenticated FROM xmpp WHERE username IS NOT NULL
    UNION ALL SELECT flow_id, ts, username, authenticated FROM cassandra WHERE username IS NOT NULL
    UNION ALL SELECT flow_id, ts, username, ok FROM socks WHERE username IS NOT NULL
    UNION ALL SELECT flow_id, ts, username, CASE WHEN result = 'error' THEN false WHEN result IS NOT NULL THEN true END
    FROM redis WHERE command = 'AUTH' AND username IS NOT NULL
    UNION ALL SELECT flow_id, ts, username, NULL FROM telnet WHERE username IS NOT NULL
    UNION ALL SELECT flow_id, ts, cookie, NULL FROM rdp WHERE cookie IS NOT NULL
    UNION ALL SELECT flow_id, ts, coalesce(cname || '@' || realm, cname), message = 'AS-REP'
    FROM kerberos WHERE message = 'AS-REP' OR message = 'KRB-ERROR' AND cname IS NOT NULL AND error = 'KDC_ERR_PREAUTH_FAILED'
)
SELECT coalesce(flows.app, flows.protocol) AS app, flows.dst_ip AS server, flows.dst_port AS port, tried.username,
    count(*) AS attempts, count(*) FILTER (good) AS accepted, count(*) FILTER (NOT good) AS refused,
    count(*) FILTER (good IS NULL) AS unknown, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips, min(tried.ts) AS first_seen,
    max(tried.ts) AS last_seen, min(tried.flow_id) AS example_flow
FROM tried LEFT JOIN flows ON flows.flow_id = tried.flow_id
WHERE $username IS NULL OR contains(lower(tried.username), lower($username))
GROUP BY ALL
ORDER BY refused DESC, attempts DESC, app, server, port, tried.username
LIMIT $limit
