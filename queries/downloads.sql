-- title: Downloads
-- description: Files that were fetched in the clear by HTTP, FTP, TFTP and SMB, in order of time: HTTP responses that are
-- description: programs, archives or documents by their type or name, or at least as large as asked for. The type is what
-- description: the server states. Of FTP the size is not in the command.
-- subject: http
-- parameter: least size 1M Size from which on any HTTP response counts
-- parameter: limit int 500 Most rows
-- column: file uri What was asked for
-- column: bytes bytes
WITH fetched AS (
    SELECT flow_id, ts, packet, host, uri AS file, content_type, response_bytes AS bytes
    FROM http
    WHERE status BETWEEN 200 AND 299 AND method = 'GET' AND (response_bytes >= $least
        OR regexp_matches(lower(content_type), 'octet-stream|msdownload|portable-executable|x-dosexec|x-executable|x-sharedlib'
            '|x-elf|java-archive|android|x-sh|shellscript|powershell|zip|x-tar|gzip|x-7z|x-rar|x-xz|x-bzip|zstd|x-iso9660|pdf'
            '|msword|officedocument|ms-excel|vbscript|hta')
        OR regexp_matches(lower(split_part(uri, '?', 1)), '\.(exe|dll|scr|msi|com|bat|cmd|ps1|psm1|vbs|vbe|wsf|hta|jar|apk|elf|so'
            '|sh|py|deb|rpm|dmg|pkg|iso|img|zip|rar|7z|gz|tgz|bz2|xz|zst|tar|cab|doc|docm|docx|xls|xlsm|xlsx|ppt|pptm|rtf|pdf|lnk)$'))
    UNION ALL
    SELECT flow_id, ts, packet, NULL, argument, NULL, NULL FROM ftp WHERE command = 'RETR' AND (
        preliminary_code IS NOT NULL OR reply_code BETWEEN 200 AND 299)
    UNION ALL
    SELECT flow_id, ts, packet, NULL, filename, NULL, nullif(transfer_size, 0) FROM tftp WHERE operation = 'read'
    UNION ALL
    SELECT flow_id, ts, packet, share, filename, NULL, bytes_read FROM smb WHERE command = 'CLOSE' AND bytes_read > 0
)
SELECT fetched.ts, coalesce(flows.app, flows.protocol) AS app, flows.src_ip AS client, flows.dst_ip AS server, flows.dst_port AS port,
    fetched.host, fetched.file, fetched.content_type, fetched.bytes, processes.name AS process_name, fetched.flow_id,
    fetched.packet
FROM fetched
LEFT JOIN flows ON flows.flow_id = fetched.flow_id
LEFT JOIN processes ON processes.process_id = flows.process_id
ORDER BY fetched.ts, fetched.flow_id, fetched.packet, fetched.file
LIMIT $limit
