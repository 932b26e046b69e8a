-- title: Mail in the clear
-- description: Messages that were handed over by SMTP outside TLS: sender, recipients and size of the envelope. The contents
-- description: are not kept; what stands in the message may name other people.
-- subject: protocols
-- parameter: limit int 500 Most rows
-- column: mail_from user
-- column: recipients user As the client named them, accepted or not
-- column: helo host Name by which the client introduces itself
-- column: accepted boolean The server took the message; none without its answer
-- column: mail_bytes bytes
WITH commands AS (
    SELECT *, count(*) FILTER (command = 'MAIL') OVER (PARTITION BY flow_id ORDER BY ts, packet, rowid
        ROWS UNBOUNDED PRECEDING) AS envelope
    FROM smtp
), recipients AS (
    SELECT flow_id, envelope, list(rcpt_to ORDER BY ts, packet)[1:10] AS recipients, greatest(count(*) - 10, 0) AS further_recipients
    FROM commands WHERE command = 'RCPT' AND rcpt_to IS NOT NULL GROUP BY flow_id, envelope
), bodies AS (
    SELECT * FROM commands WHERE mail_bytes > 0
)
SELECT bodies.ts, flows.src_ip AS client, flows.dst_ip AS server, flows.dst_port AS port, bodies.helo, bodies.mail_from,
    recipients.recipients, recipients.further_recipients, bodies.mail_bytes, bodies.reply_code BETWEEN 200 AND 299 AS accepted,
    bodies.flow_id, bodies.packet
FROM bodies
LEFT JOIN recipients ON recipients.flow_id = bodies.flow_id AND recipients.envelope = bodies.envelope
LEFT JOIN flows ON flows.flow_id = bodies.flow_id
ORDER BY bodies.ts, bodies.flow_id, bodies.packet
LIMIT $limit
