-- title: SSH servers
-- description: Servers with their software, fingerprints and chosen algorithms, and their clients.
-- subject: ssh
-- parameter: limit int 100 Most rows
-- column: host_keys term Algorithms of the host keys
SELECT flows.dst_ip AS server, flows.dst_port AS port, ssh.server_software, ssh.hassh_server, count(*) AS connections,
    count(*) FILTER (ssh.established) AS established, count(DISTINCT flows.src_ip) AS clients,
    list_sort(list_distinct(list(ssh.client_software) FILTER (ssh.client_software IS NOT NULL)))[1:8]
        AS client_software,
    greatest(count(DISTINCT ssh.client_software) - 8, 0) AS further_client_software,
    list_sort(list_distinct(list(ssh.kex) FILTER (ssh.kex IS NOT NULL))) AS kex,
    list_sort(list_distinct(list(ssh.host_key) FILTER (ssh.host_key IS NOT NULL))) AS host_keys,
    bool_and(ssh.strict_kex) AS strict_kex, min(ssh.ts) AS first_seen, max(ssh.ts) AS last_seen,
    min(ssh.flow_id) AS example_flow
FROM ssh LEFT JOIN flows ON flows.flow_id = ssh.flow_id
GROUP BY flows.dst_ip, flows.dst_port, ssh.server_software, ssh.hassh_server
ORDER BY connections DESC, server, port
LIMIT $limit
