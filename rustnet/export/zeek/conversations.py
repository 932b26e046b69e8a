"""Logs whose rows are made of several messages of a session."""

import re
from datetime import UTC, datetime

from rustnet.export.zeek.spec import WITH_FLOW, Field, Log, message_fields, milliseconds, plain, uid_of, unset

CLIENT_MESSAGES = "('DISCOVER', 'REQUEST', 'DECLINE', 'RELEASE', 'INFORM', 'BOOTREQUEST')"


def _last(column: str, where: str) -> str:
    return f"arg_max(d.{column}, d.packet) FILTER (WHERE {where} AND d.{column} IS NOT NULL) AS {column}"


_FROM_CLIENT = f"d.message IN {CLIENT_MESSAGES}"
_FROM_SERVER = f"NOT {_FROM_CLIENT}"
_DHCP = f"""gaps AS (
    SELECT d.*, {uid_of("f")} AS uid, CASE WHEN {_FROM_CLIENT} AND f.src_ip <> '0.0.0.0' THEN f.src_ip END AS sender,
        epoch_ns(d.ts) - lag(epoch_ns(d.ts)) OVER (PARTITION BY d.capture_id, d.xid, d.client_mac
            ORDER BY d.ts, d.packet) > 5000000000 AS late
    FROM dhcp d JOIN flows f ON f.capture_id = d.capture_id AND f.flow_id = d.flow_id
), parts AS (
    SELECT *, count(*) FILTER (WHERE late) OVER (PARTITION BY capture_id, xid, client_mac ORDER BY ts, packet) AS part
    FROM gaps
), exchanges AS (
    SELECT d.capture_id, d.xid, d.client_mac, min(d.ts) AS ts, max(d.ts) AS last, min(d.packet) AS packet,
        list(DISTINCT d.uid ORDER BY d.uid) AS uids, list(d.message ORDER BY d.ts, d.packet) AS messages,
        {_last("sender", _FROM_CLIENT)}, {_last("hostname", _FROM_CLIENT)}, {_last("fqdn", _FROM_CLIENT)},
        {_last("requested_ip", _FROM_CLIENT)}, {_last("domain", _FROM_SERVER)}, {_last("assigned_ip", _FROM_SERVER)},
        {_last("lease_seconds", _FROM_SERVER)}, {_last("server_ip", f"{_FROM_SERVER} AND d.assigned_ip IS NOT NULL")},
        arg_max(d.error_text, d.packet) FILTER (WHERE {_FROM_CLIENT} AND d.error_text IS NOT NULL) AS client_text,
        arg_max(d.error_text, d.packet) FILTER (WHERE {_FROM_SERVER} AND d.error_text IS NOT NULL) AS server_text
    FROM parts d GROUP BY d.capture_id, d.xid, d.client_mac, d.part
)"""  # noqa: S608 -- our own columns

DHCP = Log(
    "dhcp",
    ("flows", "dhcp"),
    "exchanges m",
    (
        Field("ts", "time", "epoch_ns(m.ts)", "of the first message"),
        Field("uids", "set[string]", "m.uids", "of the flows of its messages"),
        Field(
            "client_addr",
            "addr",
            "coalesce(m.sender, m.assigned_ip)",
            "sender of the client's messages, else `assigned_ip`",
        ),
        Field("server_addr", "addr", "m.server_ip", "the server that gave the address, as it identifies itself"),
        Field("mac", "string", "m.client_mac"),
        Field("host_name", "string", "m.hostname"),
        Field("client_fqdn", "string", "m.fqdn"),
        Field("domain", "string", "m.domain"),
        Field("requested_addr", "addr", "m.requested_ip"),
        Field("assigned_addr", "addr", "m.assigned_ip"),
        Field("lease_time", "interval", "m.lease_seconds::BIGINT * 1000000", "`lease_seconds`"),
        Field("client_message", "string", "m.client_text", "`error_text` of the client"),
        Field("server_message", "string", "m.server_text", "`error_text` of a server"),
        Field("msg_types", "vector[string]", "m.messages", "`message` of its messages, in order"),
        Field(
            "duration",
            "interval",
            "epoch_ns(m.last) // 1000 - epoch_ns(m.ts) // 1000",
            "from the first to the last message",
        ),
    ),
    ("m.ts", "m.packet", "m.xid"),
    "One row for each exchange: the messages of a transaction and a client that follow each other within 5 seconds.",
    common=(_DHCP,),
)

_SMTP = """commands AS (
    SELECT *, count(*) FILTER (WHERE command = 'MAIL')
        OVER (PARTITION BY capture_id, flow_id ORDER BY ts, packet ROWS UNBOUNDED PRECEDING) AS mails
    FROM smtp
), mails AS (
    SELECT capture_id, flow_id, greatest(mails, 1) AS depth, min(ts) AS ts, min(packet) AS packet,
        arg_max(helo, packet) FILTER (WHERE helo IS NOT NULL) AS helo,
        arg_max(mail_from, packet) FILTER (WHERE command = 'MAIL' AND mail_from IS NOT NULL) AS mail_from,
        list(DISTINCT rcpt_to ORDER BY rcpt_to) FILTER (WHERE rcpt_to IS NOT NULL) AS rcpt_to,
        coalesce(arg_max(replies, packet) FILTER (WHERE command IN ('DATA', 'BDAT') AND len(replies) > 0),
            arg_max(replies, packet) FILTER (WHERE len(replies) > 0)) AS replies,
        coalesce(bool_or(command = 'STARTTLS' AND reply_code = 220), false) AS tls
    FROM commands GROUP BY ALL
)"""

SMTP = Log(
    "smtp",
    ("flows", "smtp"),
    f"mails m {WITH_FLOW}",
    message_fields(
        Field("trans_depth", "count", "m.depth", "number of the message within its flow"),
        plain("helo", "string"),
        plain("mailfrom", "string", "mail_from"),
        plain("rcptto", "set[string]", "rcpt_to"),
        unset("date", "string", "headers of messages are not in a session"),
        unset("from", "string", "headers of messages are not in a session"),
        unset("to", "set[string]", "headers of messages are not in a session"),
        unset("cc", "set[string]", "headers of messages are not in a session"),
        unset("reply_to", "string", "headers of messages are not in a session"),
        unset("msg_id", "string", "headers of messages are not in a session"),
        unset("in_reply_to", "string", "headers of messages are not in a session"),
        unset("subject", "string", "headers of messages are not in a session"),
        unset("x_originating_ip", "addr", "headers of messages are not in a session"),
        unset("first_received", "string", "headers of messages are not in a session"),
        unset("second_received", "string", "headers of messages are not in a session"),
        Field("last_reply", "string", "m.replies[-1]", "last line of the reply to DATA, else of the last reply"),
        unset("path", "vector[addr]", "headers of messages are not in a session"),
        unset("user_agent", "string", "headers of messages are not in a session"),
        Field("tls", "bool", "m.tls", "STARTTLS was accepted before or with the message"),
        unset("fuids", "vector[string]", "contents of messages are not in a session"),
        text="of the first command that belongs to the message",
    ),
    ("m.ts", "m.packet", "m.flow_id", "m.depth"),
    "One row for each message of a connection, with the commands before and after it; a connection without a message "
    "has one row.",
    common=(_SMTP,),
)

_SNMP = """snmp_flows AS (
    SELECT capture_id, flow_id, min(ts) AS ts, max(ts) AS last, min(packet) AS packet,
        arg_min(version, packet) AS version,
        arg_min(community, packet) FILTER (WHERE community IS NOT NULL) AS community,
        count(*) FILTER (WHERE pdu IN ('get', 'get_next')) AS gets, count(*) FILTER (WHERE pdu = 'get_bulk') AS bulks,
        count(*) FILTER (WHERE pdu = 'response') AS responses, count(*) FILTER (WHERE pdu = 'set') AS sets,
        arg_max(system_description, packet) FILTER (WHERE system_description IS NOT NULL) AS description
    FROM snmp GROUP BY ALL
)"""
SNMP = Log(
    "snmp",
    ("flows", "snmp"),
    f"snmp_flows m {WITH_FLOW}",
    message_fields(
        Field(
            "duration",
            "interval",
            "epoch_ns(m.last) // 1000 - epoch_ns(m.ts) // 1000",
            "from the first to the last message",
        ),
        Field("version", "string", "substr(m.version, 2)", "`1`, `2c` or `3`"),
        plain("community", "string", text="`public` or `private`; others are passwords, which a session does not keep"),
        Field("get_requests", "count", "m.gets", "get and get-next"),
        Field("get_bulk_requests", "count", "m.bulks", "messages of this kind"),
        Field("get_responses", "count", "m.responses", "messages of this kind"),
        Field("set_requests", "count", "m.sets", "messages of this kind"),
        Field("display_string", "string", "m.description", "`system_description`"),
        unset("up_since", "time"),
        text="of the first message",
    ),
    ("m.ts", "m.packet", "m.flow_id"),
    "One row for each flow.",
    common=(_SNMP,),
)

_SIP = """sip_calls AS (
    SELECT q.*, r.status AS final_status, r.reason AS final_reason, r.server AS final_server,
        row_number() OVER (PARTITION BY q.capture_id, q.flow_id ORDER BY q.ts, q.packet) AS depth
    FROM (SELECT * FROM sip WHERE method IS NOT NULL) q
    ASOF LEFT JOIN (SELECT * FROM sip WHERE status >= 200) r ON r.capture_id = q.capture_id AND r.flow_id = q.flow_id
        AND r.call_id = q.call_id AND r.cseq = q.cseq AND r.ts >= q.ts
)"""
SIP = Log(
    "sip",
    ("flows", "sip"),
    f"sip_calls m {WITH_FLOW}",
    message_fields(
        Field("trans_depth", "count", "m.depth", "number of the request within its flow"),
        plain("method", "string"),
        plain("uri", "string"),
        unset("date", "string"),
        plain("request_from", "string", "from_uri"),
        plain("request_to", "string", "to_uri"),
        unset("response_from", "string"),
        unset("response_to", "string"),
        unset("reply_to", "string"),
        plain("call_id", "string"),
        plain("seq", "string", "cseq"),
        unset("subject", "string"),
        unset("request_path", "vector[string]", "a session has the last hop alone"),
        unset("response_path", "vector[string]", "a session has the last hop alone"),
        plain("user_agent", "string"),
        Field("status_code", "count", "m.final_status", "of the first final response"),
        Field("status_msg", "string", "m.final_reason", "of the first final response"),
        unset("warning", "string"),
        unset("request_body_len", "count"),
        unset("response_body_len", "count"),
        plain("content_type", "string", text="of the request"),
    ),
    ("m.ts", "m.packet", "m.flow_id"),
    "One row for each request with its final response. Responses to requests that were not captured have no place.",
    common=(_SIP,),
)


def kerberos_time(text: str) -> str | None:
    """Time of Kerberos, such as ``20370913024805Z``, as seconds since 1970."""
    if not re.fullmatch(r"\d{14}Z", text):
        return None
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return f"{int(moment.timestamp())}.000000"


_KERBEROS = """tickets AS (
    SELECT q.*, r.message AS reply, r.cname AS reply_cname, r.realm AS reply_realm, r.error AS reply_error,
        r.ticket_etype AS cipher
    FROM (SELECT * FROM kerberos WHERE message IN ('AS-REQ', 'TGS-REQ')) q
    ASOF LEFT JOIN (SELECT * FROM kerberos WHERE message IN ('AS-REP', 'TGS-REP', 'KRB-ERROR')) r
        ON r.capture_id = q.capture_id AND r.flow_id = q.flow_id AND r.ts >= q.ts
)"""
KERBEROS = Log(
    "kerberos",
    ("flows", "kerberos"),
    f"tickets m {WITH_FLOW}",
    message_fields(
        Field("request_type", "string", "replace(m.message, '-REQ', '')", "`AS` or `TGS`"),
        Field(
            "client",
            "string",
            "coalesce(m.reply_cname || '/' || m.reply_realm, m.cname || '/' || m.realm)",
            "`cname` and `realm` of the reply, else of the request",
        ),
        plain("service", "string", "sname"),
        Field(
            "success",
            "bool",
            "CASE WHEN m.reply = 'KRB-ERROR' THEN false WHEN m.reply IS NOT NULL THEN true END",
            "by the reply",
        ),
        Field("error_msg", "string", "m.reply_error", "`error` of the reply"),
        unset("from", "time"),
        Field("till", "time", "m.till", "`till`", kerberos_time),
        Field("cipher", "string", "m.cipher", "`ticket_etype` of the reply"),
        Field("forwardable", "bool", "(m.kdc_options & 1073741824) <> 0", "of `kdc_options`"),
        Field("renewable", "bool", "(m.kdc_options & 8388608) <> 0", "of `kdc_options`"),
        unset("client_cert_subject", "string"),
        unset("client_cert_fuid", "string"),
        unset("server_cert_subject", "string"),
        unset("server_cert_fuid", "string"),
        text="of the request",
    ),
    ("m.ts", "m.packet", "m.flow_id"),
    "One row for each request for a ticket with the next reply in its flow. Replies without a request have no place.",
    common=(_KERBEROS,),
)

_RADIUS = """logins AS (
    SELECT q.*, r.message AS reply, r.framed_ip AS given_ip, r.reply_message AS said, r.response_ms AS waited_ms
    FROM (SELECT * FROM radius WHERE message = 'Access-Request') q
    ASOF LEFT JOIN (SELECT * FROM radius WHERE message IN ('Access-Accept', 'Access-Reject', 'Access-Challenge')) r
        ON r.capture_id = q.capture_id AND r.flow_id = q.flow_id AND r.identifier = q.identifier AND r.ts >= q.ts
)"""
_MAC = "regexp_replace(lower(m.calling_station), '[^0-9a-f]', '', 'g')"
RADIUS = Log(
    "radius",
    ("flows", "radius"),
    f"logins m {WITH_FLOW}",
    message_fields(
        plain("username", "string"),
        Field(
            "mac",
            "string",
            f"""CASE WHEN regexp_full_match(m.calling_station, '([0-9A-Fa-f]{{2}}[-:.]?){{5}}[0-9A-Fa-f]{{2}}')
            THEN regexp_replace({_MAC}, '(..)(..)(..)(..)(..)(..)', '\\1:\\2:\\3:\\4:\\5:\\6') END""",
            "`calling_station`, if it is a hardware address",
        ),
        Field(
            "framed_addr", "addr", "coalesce(m.given_ip, m.framed_ip)", "`framed_ip` of the reply, else of the request"
        ),
        unset("remote_ip", "addr"),
        unset("connect_info", "string"),
        Field("reply_msg", "string", "m.said", "`reply_message` of the reply"),
        Field(
            "result",
            "string",
            "CASE m.reply WHEN 'Access-Accept' THEN 'success' WHEN 'Access-Reject' THEN 'failed' END",
            "by the reply",
        ),
        milliseconds("ttl", "waited_ms", "`response_ms` of the reply"),
        text="of the request",
    ),
    ("m.ts", "m.packet", "m.flow_id"),
    "One row for each Access-Request with its reply. Accounting has no place.",
    common=(_RADIUS,),
)
