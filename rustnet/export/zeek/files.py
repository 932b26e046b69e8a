"""files.log: bodies of HTTP, and files of SMB, as far as a session knows them."""

from rustnet.export.zeek.http import TRANSACTIONS, fuid
from rustnet.export.zeek.spec import COMMON, FLOW_FIELDS, WITH_FLOW, Field, Log, identifier, unset

_SMB = "'F' || " + identifier(
    "'smb'", "f.capture_id", "f.flow_id", "f.community_id", "epoch_ns(m.ts)", "m.packet", "m.filename"
)


def _body(side: str, *, is_orig: bool) -> str:
    return f"""SELECT m.capture_id, m.flow_id, m.ts, m.packet, {fuid(side)} AS fuid, 'HTTP' AS source, m.depth,
        {str(is_orig).lower()} AS is_orig, m.{side}_bytes AS total_bytes
    FROM bodies m {WITH_FLOW} WHERE m.{side}_bytes > 0"""  # noqa: S608 -- our own columns


_FILES = f"""contents AS (
    {_body("request", is_orig=True)}
    UNION ALL BY NAME
    {_body("response", is_orig=False)}
    UNION ALL BY NAME
    SELECT m.capture_id, m.flow_id, m.ts, m.packet, {_SMB} AS fuid, 'SMB' AS source, 0 AS depth, m.filename,
        m.size AS total_bytes,
        CASE WHEN coalesce(m.bytes_read, 0) = 0 THEN true WHEN coalesce(m.bytes_written, 0) = 0 THEN false END
            AS is_orig
    FROM smb m {WITH_FLOW} WHERE m.command = 'CLOSE' AND (m.bytes_read > 0 OR m.bytes_written > 0)
)"""  # noqa: S608 -- our own columns

FILES = Log(
    "files",
    ("flows", "http", "smb", "addresses"),
    f"""contents m {WITH_FLOW}
  LEFT JOIN places s ON s.ip = CASE m.is_orig WHEN true THEN f.src_ip WHEN false THEN f.dst_ip END""",
    (
        Field(
            "ts",
            "time",
            "epoch_ns(m.ts)",
            "of the request that the body belongs to; of a file of SMB when it was closed",
        ),
        Field("fuid", "string", "m.fuid", "made of the flow and the message: the same in http.log"),
        *FLOW_FIELDS,
        Field("source", "string", "m.source", "`HTTP` or `SMB`"),
        Field("depth", "count", "m.depth", "number of the request within its flow; 0 for SMB"),
        Field("analyzers", "set[string]", "[]::VARCHAR[]", "always empty: a session's files were not analysed"),
        unset("mime_type", "string", "Zeek recognises it by content; a session has the header"),
        Field("filename", "string", "m.filename", "of files of SMB"),
        unset("duration", "interval"),
        Field("local_orig", "bool", "s.local", "of the sender, by `addresses.scope`"),
        Field("is_orig", "bool", "m.is_orig", "unset for a file of SMB that was read and written"),
        unset("seen_bytes", "count", "a session has the size that headers state, or counts it where they state none"),
        Field("total_bytes", "count", "m.total_bytes", "`request_bytes`, `response_bytes`, or `smb.size`"),
        unset("missing_bytes", "count"),
        unset("overflow_bytes", "count"),
        unset("timedout", "bool"),
        unset("parent_fuid", "string"),
        unset("md5", "string", "a session has no hashes of contents"),
        unset("sha1", "string", "a session has no hashes of contents"),
        unset("sha256", "string", "a session has no hashes of contents"),
        unset("extracted", "string", "`rustnet extract` writes bodies to files"),
        unset("extracted_cutoff", "bool"),
        unset("extracted_size", "count"),
    ),
    ("m.ts", "m.packet", "m.flow_id", "m.fuid"),
    "One row for each body of HTTP that is not empty, and for each file of SMB that was read or written, when it was "
    "closed. Certificates are in x509.log alone, as in Zeek. Files of FTP, SMTP and others have no place: a session "
    "does not have them one by one.",
    common=(TRANSACTIONS, COMMON["places"], _FILES),
)
