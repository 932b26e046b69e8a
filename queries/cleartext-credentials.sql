-- title: Credentials in the clear
-- description: Flows outside encryption in which a password or its like was seen, by server and user; the values are not
-- description: kept. Some methods (Digest, CRAM, SCRAM, APOP, NTLM) send a proof and not the password. What is seen is that
-- description: a credential was sent, not that it was right.
-- subject: security
-- parameter: limit int 500 Most rows
-- column: username user As sent; none where the protocol shows none
-- column: method term Command or method that carried it
WITH seen AS (
    SELECT flow_id, ts, NULL AS username, method FROM http WHERE has_authorization
    UNION ALL SELECT flow_id, ts, "user", command FROM ftp WHERE has_password
    UNION ALL SELECT flow_id, ts, "user", command FROM smtp WHERE has_password
    UNION ALL SELECT flow_id, ts, "user", command FROM pop3 WHERE has_password
    UNION ALL SELECT flow_id, ts, "user", command FROM imap WHERE has_password
    UNION ALL SELECT flow_id, ts, "user", command FROM nntp WHERE has_password
    UNION ALL SELECT flow_id, ts, "user", command FROM managesieve WHERE has_password
    UNION ALL SELECT flow_id, ts, username, NULL FROM telnet WHERE has_password
    UNION ALL SELECT flow_id, ts, dn, auth FROM ldap WHERE has_password
    UNION ALL SELECT flow_id, ts, username, command FROM redis WHERE has_password
    UNION ALL SELECT flow_id, ts, username, message FROM mqtt WHERE has_password
    UNION ALL SELECT flow_id, ts, username, auth_method FROM socks WHERE has_password
    UNION ALL SELECT flow_id, ts, username, auth_method FROM xmpp WHERE has_password
    UNION ALL SELECT flow_id, ts, coalesce(username, nick), command FROM irc WHERE has_password
    UNION ALL SELECT flow_id, ts, username, command FROM memcached WHERE has_password
    UNION ALL SELECT flow_id, ts, username, auth_method FROM cassandra WHERE has_password
    UNION ALL SELECT flow_id, ts, username, auth_method FROM amqp WHERE has_password
    UNION ALL SELECT flow_id, ts, username, coalesce(method, cseq) FROM sip WHERE has_authorization
    UNION ALL SELECT flow_id, ts, NULL, method FROM rtsp WHERE has_authorization
    UNION ALL SELECT flow_id, ts, NULL, version FROM snmp WHERE has_community
)
SELECT coalesce(flows.app, flows.protocol) AS app, flows.dst_ip AS server, flows.dst_port AS port, seen.username,
    seen.method, flows.direction, count(*) AS times, count(DISTINCT seen.flow_id) AS flows,
    count(DISTINCT flows.src_ip) AS clients, list_sort(list_distinct(list(flows.src_ip)))[1:5] AS client_ips,
    min(seen.ts) AS first_seen, max(seen.ts) AS last_seen, min(seen.flow_id) AS example_flow
FROM seen LEFT JOIN flows ON flows.flow_id = seen.flow_id
GROUP BY ALL
ORDER BY times DESC, app, server, port, seen.username, seen.method, flows.direction
LIMIT $limit
