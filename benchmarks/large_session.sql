-- Rows of a large session for `benchmarks.queries`: after each `-- table:` a SELECT with columns of that table. What must
-- not be NULL and has no column here is 0, false or empty. $flows and $packets are numbers of rows; draw(of, salt, below)
-- is a number below another one that looks random. Later statements read the flows that the first one makes.

-- table: flows
SELECT
    f AS flow_id, 1 AS capture_id, make_timestamp_ns(first_ns() + f * (span_ns() // $flows)) AS started_at,
    make_timestamp_ns(first_ns() + f * (span_ns() // $flows) + CASE WHEN f % 500 = 1 THEN 10000000000
    ELSE draw(f, 3, 20000) * draw(f, 4, 1000000) END) AS ended_at,
    CASE WHEN kind IN ('dns', 'quic', 'ntp') THEN 'udp' WHEN kind IN ('icmp', 'arp') THEN kind ELSE 'tcp' END
        AS protocol,
    '10.0.' || draw(f, 5, 8) || '.' || draw(f, 6, 250) AS src_ip,
    CASE WHEN kind NOT IN ('icmp', 'arp') THEN 20000 + draw(f, 7, 40000) END AS src_port,
    CASE WHEN kind = 'dns' THEN '10.0.0.53' WHEN kind IN ('smb', 'ssh', 'arp') THEN '10.0.9.' || server % 200
        ELSE (93 + server // 65536) || '.' || server % 200 || '.' || server // 256 % 256 || '.'
        || server % 256 END AS dst_ip,
    CASE kind WHEN 'dns' THEN 53 WHEN 'tls' THEN 443 WHEN 'quic' THEN 443 WHEN 'http' THEN 80 WHEN 'ssh' THEN 22
        WHEN 'smb' THEN 445 WHEN 'ntp' THEN 123 WHEN 'other' THEN 1024 + server END AS dst_port,
    printf('02:00:00:00:%02x:%02x', (f % 8)::INT, (f % 250)::INT) AS src_mac, '02:00:00:00:ff:01' AS dst_mac,
    CASE WHEN kind IN ('dns', 'smb', 'ssh', 'arp') THEN 'internal' ELSE 'outbound' END AS direction,
    CASE WHEN draw(f, 8, 20) = 0 THEN 'S0' WHEN draw(f, 8, 20) = 1 THEN 'REJ' ELSE 'SF' END AS conn_state,
    'ShADadFf' AS history, 'fin' AS end_reason, 1 + draw(f, 9, 10) AS src_packets,
    CASE WHEN draw(f, 8, 20) = 0 THEN 0 ELSE 1 + draw(f, 10, 12) END AS dst_packets,
    80 + draw(f, 9, 10) * draw(f, 11, 900) AS src_bytes, draw(f, 10, 12) * draw(f, 12, 1400) AS dst_bytes,
    draw(f, 9, 10) * draw(f, 11, 850) AS src_payload, CASE WHEN f % 500 = 1 THEN 2000000 ELSE draw(f, 10, 12) * draw(f, 12, 1350) END AS dst_payload,
    281470681743360 + 167772160 + f % 2000 AS src_num, 281470681743360 + 1560281088 + server AS dst_num,
    CASE kind WHEN 'dns' THEN 'domain' WHEN 'tls' THEN 'https' WHEN 'quic' THEN 'https'
        WHEN 'http' THEN 'www-http' WHEN 'ssh' THEN 'ssh' WHEN 'smb' THEN 'microsoft-ds' WHEN 'ntp' THEN 'ntp' END
        AS service,
    nullif(kind, 'other') AS app,
    CASE WHEN kind = 'other' THEN NULL WHEN f % 50 = 0 THEN 'port' ELSE 'payload' END AS app_source,
    CASE WHEN kind IN ('tls', 'quic', 'http') THEN 'host' || server // 3 || '.site' || server % 4000
        || '.example' END AS hostname,
    CASE WHEN kind IN ('tls', 'quic') THEN 'sni' WHEN kind = 'http' THEN 'http' END AS hostname_source,
    CASE WHEN kind IN ('tls', 'http', 'ssh', 'smb') THEN 1 + draw(f, 13, 200) / 3.0 END AS rtt_ms,
    CASE WHEN kind IN ('tls', 'http', 'ssh', 'smb') THEN 1 + draw(f, 13, 200) / 4.0 END AS min_rtt_ms,
    CASE WHEN kind IN ('tls', 'http', 'ssh', 'smb') THEN 1 + draw(f, 13, 200) / 2.0 END AS handshake_rtt_ms,
    CASE WHEN kind IN ('tls', 'http', 'ssh', 'smb') THEN 1 + draw(f, 13, 200) / 2.0 END AS open_ms,
    CASE WHEN kind IN ('tls', 'http', 'ssh', 'smb', 'other') THEN 1 + (f % 40 = 0)::INT END AS syn_tries,
    CASE WHEN draw(f, 14, 30) = 0 THEN draw(f, 15, 5) ELSE 0 END AS src_retransmissions,
    CASE WHEN f % 500 = 0 THEN 1400 ELSE 0 END AS src_missed_bytes, (f % 300 = 0)::INT AS src_zero_windows,
    27 AS src_flags, 27 AS dst_flags,
    CASE WHEN kind NOT IN ('dns', 'smb', 'ssh', 'arp') THEN chr(65 + (server % 13)::INT)
        || chr(65 + (server % 17)::INT) END AS dst_country,
    CASE WHEN kind NOT IN ('dns', 'smb', 'ssh', 'arp') THEN 1000 + server % 3000 END AS dst_asn,
    CASE WHEN kind NOT IN ('dns', 'smb', 'ssh', 'arp') THEN 'Network ' || server % 3000 END AS dst_as_name,
    CASE WHEN kind = 'icmp' THEN 8 END AS icmp_type, f * 10 AS first_packet,
    CASE WHEN f % 10 < 8 THEN 1 + f % 400 END AS process_id,
    CASE WHEN f % 10 < 8 THEN 'rustnet-sidecar' END AS process_source, f % 100 = 0 AS process_contested,
    CASE WHEN f % 10 >= 8 THEN 'no_claim' END AS unowned_reason
FROM (SELECT *, CASE WHEN draw(f, 20, 100) < 35 THEN 'dns' WHEN draw(f, 20, 100) < 70 THEN 'tls'
    WHEN draw(f, 20, 100) < 76 THEN 'quic' WHEN draw(f, 20, 100) < 88 THEN 'http'
    WHEN draw(f, 20, 100) < 89 THEN 'ssh' WHEN draw(f, 20, 100) < 91 THEN 'smb'
    WHEN draw(f, 20, 100) < 93 THEN 'icmp' WHEN draw(f, 20, 100) < 95 THEN 'arp'
    WHEN draw(f, 20, 100) < 97 THEN 'ntp' ELSE 'other' END
    AS kind, ((draw(f, 1, 60000) * draw(f, 2, 60000)) // 60000) AS server FROM (SELECT range + 1 AS f
    FROM range($flows)))

-- table: packets
SELECT
    1 AS capture_id, n AS number, make_timestamp_ns(first_ns() + n * (span_ns() // $packets)) AS ts,
    CASE WHEN n % 5 = 0 THEN n * $flows // $packets // 500 * 500 + 1 -- a large transfer
    ELSE greatest(1, n * $flows // $packets - (-ln((draw(n, 1, 1000000) + 1) / 1000001.0) * 2000)::BIGINT) END AS flow_id,
    n % 2 = 0 AS from_src, 60 + draw(n, 2, 1400) AS length, 60 + draw(n, 2, 1400) AS captured,
    draw(n, 2, 1400) AS payload, CASE WHEN draw(n, 3, 20) = 0 THEN 2 ELSE 16 END AS tcp_flags,
    24 + n * 800 AS file_offset
FROM (SELECT range + 1 AS n FROM range($packets))

-- table: captures
SELECT
    1 AS capture_id, 'large.pcap' AS source, 'file' AS kind, 'pcap' AS format, $packets AS packets, true AS complete,
    true AS finished, '0' AS rustnet_version
FROM (SELECT 1)

-- table: interfaces
SELECT
    1 AS capture_id, '' AS name, '' AS description, 1 AS link_type, $packets AS packets
FROM (SELECT 1)

-- table: processes
SELECT
    n AS process_id, 'pc' || n % 40 AS host, 1000 + n AS pid, 'program' || n % 60 AS name,
    'user' || n % 50 AS username, '/usr/bin/program' || n % 60 AS exe, ['systemd(1)', 'bash(' || n || ')'] AS lineage
FROM (SELECT range + 1 AS n FROM range(400))

-- table: claims
SELECT
    flow_id AS flow_id, process_id AS process_id, 'rustnet-sidecar' AS source, 'exact-tuple' AS quality, rank AS rank,
    'large.jsonl:' || flow_id AS evidence, 'tuple' AS match
FROM (SELECT flow_id, process_id, unnest(CASE WHEN process_contested THEN [1, 2] ELSE [1] END) AS rank
    FROM flows WHERE process_id IS NOT NULL)

-- table: names
SELECT
    1 AS capture_id, dst_ip AS ip, hostname AS name, 'dns' AS source, started_at AS ts, 300 AS ttl, src_ip AS client
FROM (SELECT DISTINCT ON (hostname, dst_ip, src_ip) hostname, dst_ip, src_ip, started_at
    FROM flows WHERE hostname IS NOT NULL AND flow_id % 3 = 0)

-- table: host_facts
SELECT
    1 AS capture_id, ip AS ip, '02:00:00:' || substr(md5(ip), 1, 2) || ':00:01' AS mac, fact AS fact,
    fact || ip AS value, 'arp' AS source, 1 AS count
FROM (SELECT DISTINCT src_ip AS ip, unnest(['mac', 'hostname', 'os']) AS fact FROM flows)

-- table: anomalies
SELECT
    1 AS capture_id, 'malformed_' || n % 9 AS kind, 'detail ' || n % 90 AS detail, 1 AS count, n + 1 AS flow_id,
    n AS packet, make_timestamp_ns(first_ns() + n) AS ts
FROM (SELECT range AS n FROM range(5000))

-- table: dns
SELECT
    1 AS capture_id, flow_id AS flow_id, started_at AS ts, first_packet AS packet, asked AS query,
    ['A', 'AAAA', 'HTTPS', 'TXT'][1 + f % 4] AS qtype, 'IN' AS qclass, answered AS response,
    CASE WHEN answered THEN ['NOERROR', 'NOERROR', 'NOERROR', 'NXDOMAIN', 'SERVFAIL'][1 + f % 5] END AS rcode,
    CASE WHEN answered AND f % 5 < 3 THEN ['93.1.' || f % 200 || '.' || f % 250, '93.2.2.' || f % 90] END AS answers,
    CASE WHEN answered AND f % 5 < 3 THEN ['A', 'A'] END AS answer_types,
    CASE WHEN answered AND f % 5 < 3 THEN 2 ELSE 0 END AS answer_count, 'dns' AS transport, f % 65536 AS txid,
    1 AS tries, CASE WHEN answered THEN f % 90 END AS rtt_ms, CASE WHEN answered THEN f % 90 END AS answer_ms,
    answered AND f % 3 = 0 AS authoritative, 300 AS ttl
FROM (SELECT *, unnest([false, true]) AS answered, 'n' || f % 30000 || '.site' || f % 4000 || '.example'
    AS asked FROM (SELECT flow_id, started_at, first_packet, src_ip, dst_ip, hostname, app, flow_id AS f
    FROM flows WHERE app = 'dns'))

-- table: tls
SELECT
    1 AS capture_id, flow_id AS flow_id, started_at AS ts, first_packet AS packet, hostname AS sni,
    ['TLS 1.3', 'TLS 1.3', 'TLS 1.2', 'TLS 1.0'][1 + f % 4] AS version, 'TLS_' || f % 9 AS cipher,
    md5((f % 300)::VARCHAR) AS ja3, md5((f % 90)::VARCHAR) AS ja3s, 't13d1516h2_' || f % 900 AS ja4,
    ['TLS 1.3', 'TLS 1.2'] AS offered_versions, ['h2', 'http/1.1'] AS offered_alpn, f % 30 > 0 AS established,
    CASE WHEN f % 30 = 0 THEN 'handshake_failure' END AS alert, f % 70 AS server_hello_ms,
    CASE WHEN f % 4 = 2 THEN 'CN=' || hostname END AS subject,
    CASE WHEN f % 4 = 2 THEN 'CN=CA ' || f % 20 END AS issuer,
    CASE WHEN f % 4 = 2 THEN [hostname, '*.other.example'] END AS sans,
    CASE WHEN f % 4 = 2 THEN f % 50 = 2 END AS self_signed, make_timestamp_ns(1776760000000000000) AS not_before,
    make_timestamp_ns(first_ns() + f % 9000 * 1000000000) AS not_after,
    CASE WHEN f % 4 = 2 THEN sha256(hostname) END AS cert_sha256, 'RSA' AS cert_key_type, 2048 AS cert_key_bits,
    'sha256WithRSAEncryption' AS cert_signature
FROM (SELECT flow_id, started_at, first_packet, src_ip, dst_ip, hostname, app, flow_id AS f
    FROM flows WHERE app = 'tls')

-- table: quic
SELECT
    1 AS capture_id, flow_id AS flow_id, started_at AS ts, first_packet AS packet, hostname AS sni, '1' AS version,
    'h3' AS alpn, ['h3'] AS offered_alpn, 'q13d0312h3_' || f % 50 AS ja4, true AS established,
    f % 40 AS server_hello_ms
FROM (SELECT flow_id, started_at, first_packet, src_ip, dst_ip, hostname, app, flow_id AS f
    FROM flows WHERE app = 'quic')

-- table: http
SELECT
    1 AS capture_id, flow_id AS flow_id, started_at AS ts, first_packet AS packet,
    CASE WHEN f % 20 = 0 THEN 'POST' ELSE 'GET' END AS method, hostname AS host,
    '/path/' || f % 50000 || '?q=' || time AS uri, 'HTTP/1.1' AS version, 'Agent/' || f % 400 AS user_agent,
    [200, 200, 200, 304, 404, 500][1 + f % 6] AS status,
    ['text/html', 'application/json', 'application/zip'][1 + f % 3] AS content_type, 'nginx' AS server,
    CASE WHEN f % 20 = 0 THEN f % 900000 END AS request_bytes, f % 90000 AS response_bytes, f % 300 AS response_ms,
    f % 50 = 0 AS has_authorization
FROM (SELECT *, unnest([1, 2]) AS time
    FROM (SELECT flow_id, started_at, first_packet, src_ip, dst_ip, hostname, app, flow_id AS f
    FROM flows WHERE app = 'http'))

-- table: ssh
SELECT
    1 AS capture_id, flow_id AS flow_id, started_at AS ts, first_packet AS packet,
    'OpenSSH_9.' || f % 8 AS client_software, 'OpenSSH_9.2' AS server_software, md5((f % 20)::VARCHAR) AS hassh,
    md5((f % 9)::VARCHAR) AS hassh_server, 'curve25519-sha256' AS kex, 'ssh-ed25519' AS host_key, true AS established
FROM (SELECT flow_id, started_at, first_packet, src_ip, dst_ip, hostname, app, flow_id AS f
    FROM flows WHERE app = 'ssh')

-- table: smb
SELECT
    1 AS capture_id, flow_id AS flow_id, started_at AS ts, first_packet AS packet, command AS command,
    'dir\\file' || f % 5000 AS filename, '\\\\server\\data' AS share,
    CASE WHEN command = 'SESSION_SETUP' THEN 'user' || f % 300 END AS username, 'CORP' AS domain,
    CASE WHEN f % 20 = 0 THEN 'LOGON_FAILURE' ELSE 'SUCCESS' END AS result, f % 90000 AS bytes_read, f % 9 AS rtt_ms
FROM (SELECT *, unnest(['SESSION_SETUP', 'CREATE', 'CLOSE']) AS command
    FROM (SELECT flow_id, started_at, first_packet, src_ip, dst_ip, hostname, app, flow_id AS f
    FROM flows WHERE app = 'smb'))

-- table: icmp
SELECT
    1 AS capture_id, flow_id AS flow_id, started_at AS ts, first_packet AS packet, 'icmp' AS protocol,
    CASE WHEN f % 3 = 0 THEN 3 ELSE 8 END AS icmp_type,
    CASE WHEN f % 3 = 0 THEN 'destination_unreachable' ELSE 'echo_request' END AS message,
    CASE WHEN f % 3 = 0 THEN 'port_unreachable' END AS reason, CASE WHEN f % 3 = 0 THEN dst_ip END AS quoted_dst_ip,
    CASE WHEN f % 3 = 0 THEN src_ip END AS quoted_src_ip, CASE WHEN f % 3 = 0 THEN 'udp' END AS quoted_protocol,
    CASE WHEN f % 3 = 0 THEN f % 60000 END AS quoted_dst_port, CASE WHEN f % 3 = 0 THEN f - 1 END AS about_flow_id
FROM (SELECT flow_id, started_at, first_packet, src_ip, dst_ip, hostname, app, flow_id AS f
    FROM flows WHERE app = 'icmp')

-- table: tcp_intervals
SELECT
    1 AS capture_id, flow_id, false AS from_src, make_timestamp_ns(epoch_ns(started_at) + n * 50000000) AS began_at,
    make_timestamp_ns(epoch_ns(started_at) + (n + 1) * 50000000) AS ts, 4 AS rtt_samples, 20 + draw(flow_id, n, 9) AS min_rtt_ms,
    25 + draw(flow_id, n, 30) AS rtt_ms, 60 + draw(flow_id, n, 30) AS max_rtt_ms, 20 AS least_rtt_ms, 10000 AS sent_bytes,
    10000 AS acknowledged_bytes, 30000 AS in_flight_bytes, (n % 40 = 0)::INT AS retransmissions
FROM (SELECT flow_id, started_at, unnest(range(200)) AS n FROM flows WHERE flow_id % 500 = 1)

-- table: addresses
SELECT ip, num, 'global' AS scope, 'US' AS country, 'Network' AS as_name, 15169 AS asn
FROM (SELECT dst_ip AS ip, max(dst_num) AS num FROM flows GROUP BY dst_ip)
