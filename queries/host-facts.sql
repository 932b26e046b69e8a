-- title: What hosts disclose of themselves
-- description: Each fact about an address or a hardware address, with its source, when it was stated, how often,
-- description: and the flow and packet of the first time. docs/hosts.md lists the facts.
-- parameter: host text null Only this address or hardware address
-- parameter: fact text null Only this fact, such as hostname or role
-- parameter: source text null Only what this source states
-- parameter: limit int 1000 Most rows
-- subject: hosts
-- column: ip address
-- column: mac mac
-- column: value mixed
-- column: source word
SELECT ip, mac, fact, value, source, first_seen, last_seen, count, capture_id, flow_id, packet
FROM host_facts
WHERE ($host IS NULL OR ip = $host OR mac = lower($host)) AND ($fact IS NULL OR fact = $fact)
    AND ($source IS NULL OR source = $source)
ORDER BY ip IS NULL, ip, mac, fact, count DESC, value, source, capture_id
LIMIT $limit
