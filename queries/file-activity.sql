-- title: File activity
-- description: What clients did with files of SMB, NFS, FTP and TFTP, in the clear, in order of time. Contents are not looked at,
-- description: and encrypted sessions show nothing.
-- subject: protocols
-- parameter: file text null Only files whose path contains this
-- parameter: limit int 1000 Most rows
-- column: operation word
-- column: file path
-- column: place path Share or directory, if it is stated
-- column: new_name path
-- column: result word Server's result, as its protocol names it
-- column: bytes_read bytes
-- column: bytes_written bytes
WITH done AS (
    SELECT flow_id, ts, packet, lower(command) AS operation, coalesce(filename, pattern) AS file, coalesce(share, directory) AS place, new_name,
        username, result, bytes_read, bytes_written
    FROM smb WHERE command IN ('CREATE', 'RENAME', 'DELETE', 'CLOSE') AND filename IS NOT NULL
        AND (command <> 'CLOSE' OR coalesce(bytes_read, 0) + coalesce(bytes_written, 0) > 0)
    UNION ALL
    SELECT flow_id, ts, packet, procedure, filename, NULL, new_name, uid::VARCHAR, result, NULL, NULL
    FROM nfs WHERE filename IS NOT NULL
    UNION ALL
    SELECT flow_id, ts, packet, CASE command WHEN 'RETR' THEN 'read' WHEN 'STOR' THEN 'write' WHEN 'STOU' THEN 'write'
        WHEN 'APPE' THEN 'append' WHEN 'DELE' THEN 'delete' WHEN 'RNFR' THEN 'rename from' WHEN 'RNTO' THEN 'rename to'
        WHEN 'MKD' THEN 'make directory' WHEN 'RMD' THEN 'remove directory' END,
        argument, NULL, NULL, "user", reply_code::VARCHAR, NULL, NULL
    FROM ftp WHERE command IN ('RETR', 'STOR', 'STOU', 'APPE', 'DELE', 'RNFR', 'RNTO', 'MKD', 'RMD')
    UNION ALL
    SELECT flow_id, ts, packet, operation, filename, NULL, NULL, NULL, NULL,
        CASE WHEN operation = 'read' THEN nullif(transfer_size, 0) END, CASE WHEN operation = 'write' THEN transfer_size END
    FROM tftp WHERE operation IN ('read', 'write')
)
SELECT done.ts, coalesce(flows.app, flows.protocol) AS app, flows.src_ip AS client, flows.dst_ip AS server, done.username,
    done.operation, done.place, done.file, done.new_name, done.result, done.bytes_read, done.bytes_written, done.flow_id,
    done.packet
FROM done LEFT JOIN flows ON flows.flow_id = done.flow_id
WHERE $file IS NULL OR contains(lower(done.file), lower($file))
ORDER BY done.ts, done.flow_id, done.packet, done.operation, done.file
LIMIT $limit
