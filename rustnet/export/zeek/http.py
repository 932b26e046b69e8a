"""http.log, and the bodies of HTTP in files.log."""

from rustnet.export.zeek.spec import WITH_FLOW, Field, Log, identifier, message_fields, plain, unset

_RESERVED = frozenset(":/?#[]@!$&'()*+,;=")
_HEX = frozenset("0123456789abcdefABCDEF")

_INTERIM = "(method IS NULL AND coalesce(status, 200) < 200 AND (status <> 101 OR stream_id IS NOT NULL))"
"""A status 101 ends an exchange, unless the response follows on a stream of HTTP/2."""
TRANSACTIONS = f"""transactions AS (
    SELECT *, row_number() OVER (PARTITION BY capture_id, flow_id ORDER BY ts, packet) AS depth,
        epoch_ns(ts) + round(response_ms * 1000000)::BIGINT AS answered
    FROM http WHERE NOT {_INTERIM}
), interim AS (
    SELECT i.capture_id, i.flow_id, i.ts, i.packet, i.status, i.reason, i.version,
        CASE WHEN epoch_ns(i.ts) <= t.answered THEN t.depth END AS depth
    FROM (SELECT * FROM http WHERE {_INTERIM}) i
    ASOF LEFT JOIN transactions t ON t.capture_id = i.capture_id AND t.flow_id = i.flow_id
        AND coalesce(t.stream_id, 0) = coalesce(i.stream_id, 0) AND t.ts <= i.ts
), last_interim AS (
    SELECT capture_id, flow_id, depth, arg_max(status, ts) AS status, arg_max(reason, ts) AS reason
    FROM interim WHERE depth IS NOT NULL GROUP BY ALL
), bodies AS (
    SELECT t.*, i.status AS info_code, i.reason AS info_msg, true AS final
    FROM transactions t LEFT JOIN last_interim i USING (capture_id, flow_id, depth)
    UNION ALL BY NAME
    SELECT capture_id, flow_id, ts, packet, status, reason, version, status AS info_code, reason AS info_msg,
        false AS final
    FROM interim WHERE depth IS NULL
)"""  # noqa: S608 -- our own columns
"""Requests with their responses, and with the interim responses (100, 103) that have rows of their own in a session."""


def fuid(side: str) -> str:
    """Expression of the identifier of a body; unset without one."""
    made = identifier(
        "'http'", f"'{side}'", "f.capture_id", "f.flow_id", "f.community_id", "epoch_ns(m.ts)", "m.packet", "m.depth"
    )
    return f"CASE WHEN m.{side}_bytes > 0 THEN 'F' || {made} END"


def unescaped(uri: str) -> str:
    """A target as Zeek writes it: without escapes, but for those of a second percent sign and incomplete ones."""
    if "%" not in uri:
        return uri
    raw = bytearray()
    at, data = 0, uri.encode("utf-8", "surrogatepass")
    while at < len(data):
        two = data[at + 1 : at + 3]
        if data[at] != 0x25:
            raw.append(data[at])
        elif len(two) < 2:
            raw += data[at:]
            break
        elif two[0] == 0x25:
            pass  # Zeek leaves out the first of two percent signs
        elif chr(two[0]) in _HEX and chr(two[1]) in _HEX:
            raw.append(int(two, 16))
            at += 2
        else:
            raw.append(0x25)
        at += 1
    return raw.decode("utf-8", "backslashreplace")


_LISTED = "CASE WHEN {0} IS NOT NULL THEN [{0}] END"
FIELDS = message_fields(
    Field("trans_depth", "count", "coalesce(m.depth, 1)", "number of the request within its flow"),
    plain("method", "string"),
    plain("host", "string"),
    Field("uri", "string", "m.uri", "`uri` with percent escapes resolved, as in Zeek", unescaped),
    Field("referrer", "string", "m.referer"),
    Field(
        "version",
        "string",
        "CASE WHEN m.method IS NULL OR m.version NOT IN ('HTTP/1.0', 'HTTP/1.1') "
        "THEN replace(m.version, 'HTTP/', '') END",
        "Zeek has the response's, a session the request's: set where they cannot differ (HTTP/2), or without a request",
    ),
    plain("user_agent", "string"),
    unset("origin", "string"),
    Field(
        "request_body_len",
        "count",
        "CASE WHEN m.method IS NOT NULL THEN coalesce(m.request_bytes, 0) END",
        "`request_bytes`",
    ),
    Field(
        "response_body_len",
        "count",
        "CASE WHEN m.status IS NOT NULL THEN coalesce(m.response_bytes, 0) END",
        "`response_bytes`",
    ),
    Field("status_code", "count", "m.status"),
    Field("status_msg", "string", "m.reason"),
    Field("info_code", "count", "m.info_code", "of the last interim response (100, 103) to the request"),
    Field("info_msg", "string", "m.info_msg", "of the last interim response to the request"),
    Field("tags", "set[enum]", "[]::VARCHAR[]", "always empty: tags come from scripts of Zeek"),
    unset("username", "string", "a session knows only that credentials were sent"),
    unset("password", "string", "a session knows only that credentials were sent"),
    Field(
        "proxied",
        "set[string]",
        "CASE WHEN m.forwarded_for IS NOT NULL THEN ['X-FORWARDED-FOR -> ' || m.forwarded_for] END",
        "X-Forwarded-For alone; other headers of proxies are not in a session",
    ),
    Field("orig_fuids", "vector[string]", _LISTED.format(fuid("request")), "the request's body in files.log"),
    unset("orig_filenames", "vector[string]"),
    unset("orig_mime_types", "vector[string]", "Zeek recognises them by content; a session has the header"),
    Field("resp_fuids", "vector[string]", _LISTED.format(fuid("response")), "the response's body in files.log"),
    unset("resp_filenames", "vector[string]"),
    unset("resp_mime_types", "vector[string]", "Zeek recognises them by content; a session has the header"),
    text="of the request, else of the response",
)

HTTP = Log(
    "http",
    ("flows", "http"),
    f"bodies m {WITH_FLOW}",
    FIELDS,
    ("m.ts", "m.packet", "m.flow_id", "m.depth"),
    "One row for each request with its response. An interim response is part of the row of its request. Zeek has no "
    "analyzer of HTTP/2: rows of HTTP/2 in clear text have version `2`. Lengths of bodies are those that their headers "
    "state, or counted where they state none.",
    common=(TRANSACTIONS,),
)
