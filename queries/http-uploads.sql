-- title: HTTP uploads
-- description: Requests in the clear with a large body, largest first. The size is the Content-Length that the client
-- description: states, or what was counted of chunks; whether all of it was sent, the flow's bytes show.
-- subject: http
-- parameter: least size 100k Smallest body
-- parameter: limit int 200 Most rows
-- column: method term
-- column: sent_bytes bytes Payload that the client sent in the whole flow
-- column: content_type term Of the request
SELECT http.ts, flows.src_ip AS client, flows.dst_ip AS server, flows.dst_port AS port, processes.name AS process_name,
    http.method, http.host, http.uri, http.request_content_type AS content_type, http.request_bytes,
    flows.src_payload AS sent_bytes, http.status, http.user_agent, http.flow_id, http.packet
FROM http
LEFT JOIN flows ON flows.flow_id = http.flow_id
LEFT JOIN processes ON processes.process_id = flows.process_id
WHERE http.request_bytes >= $least
ORDER BY http.request_bytes DESC, http.ts, http.packet
LIMIT $limit
