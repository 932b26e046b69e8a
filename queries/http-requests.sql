-- title: HTTP requests
-- description: Requests in the clear, in order of time.
-- subject: http
-- parameter: host text null Only hosts that contain this
-- parameter: status int null Only this status
-- parameter: limit int 200 Most rows
-- column: method term
SELECT http.ts, flows.src_ip AS client, flows.dst_ip AS server, flows.dst_port AS port, http.method, http.host,
    http.uri, http.status, http.content_type, http.request_bytes, http.response_bytes, http.response_ms, http.pair_unknown,
    http.user_agent, http.referer, http.flow_id, http.packet
FROM http LEFT JOIN flows ON flows.flow_id = http.flow_id
WHERE ($host IS NULL OR contains(lower(http.host), lower($host))) AND ($status IS NULL OR http.status = $status)
ORDER BY http.ts, http.packet
LIMIT $limit
