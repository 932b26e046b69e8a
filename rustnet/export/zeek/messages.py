"""Logs with a row for each message or connection of a protocol, as the session's own tables have."""

import re

from rustnet.export.zeek.spec import PROTO, Field, cases, message_log, milliseconds, plain, quoted, renamed, unset

NTP_MODES = {
    "symmetric_active": "1", "symmetric_passive": "2", "client": "3", "server": "4", "broadcast": "5",
}  # fmt: skip
"""Numbers of the modes of which Zeek has rows; control and private messages have none."""
FTP_LOGGED = ("ACCT", "APPE", "DELE", "RETR", "STOR", "STOU", "PORT", "PASV", "EPRT", "EPSV")
"""Commands that Zeek logs by default."""
FTP_PASSIVE, FTP_ACTIVE = "('PASV', 'EPSV')", "('PORT', 'EPRT')"
SOCKS_5 = (
    "succeeded", "general SOCKS server failure", "connection not allowed by ruleset", "Network unreachable",
    "Host unreachable", "Connection refused", "TTL expired", "Command not supported", "Address type not supported",
)  # fmt: skip
SOCKS_4 = (
    "succeeded", "general SOCKS server failure", "request failed because client is not running identd",
    "request failed because client's identd could not confirm the user ID string in the request",
)  # fmt: skip
RDP_FAILURES = {
    "ssl required": "SSL_REQUIRED_BY_SERVER", "ssl not allowed": "SSL_NOT_ALLOWED_BY_SERVER",
    "no certificate": "SSL_CERT_NOT_ON_SERVER", "inconsistent flags": "INCONSISTENT_FLAGS",
    "hybrid required": "HYBRID_REQUIRED_BY_SERVER",
}  # fmt: skip
MODBUS_FUNCTIONS = {
    1: "READ_COILS", 2: "READ_DISCRETE_INPUTS", 3: "READ_HOLDING_REGISTERS", 4: "READ_INPUT_REGISTERS",
    5: "WRITE_SINGLE_COIL", 6: "WRITE_SINGLE_REGISTER", 7: "READ_EXCEPTION_STATUS", 8: "DIAGNOSTICS",
    9: "PROGRAM_484", 10: "POLL_484", 11: "GET_COMM_EVENT_COUNTER", 12: "GET_COMM_EVENT_LOG", 13: "PROGRAM_584_984",
    14: "POLL_584_984", 15: "WRITE_MULTIPLE_COILS", 16: "WRITE_MULTIPLE_REGISTERS", 17: "REPORT_SLAVE_ID",
    18: "PROGRAM_884_U84", 19: "RESET_COMM_LINK_884_U84", 20: "READ_FILE_RECORD", 21: "WRITE_FILE_RECORD",
    22: "MASK_WRITE_REGISTER", 23: "READ_WRITE_MULTIPLE_REGISTERS", 24: "READ_FIFO_QUEUE", 40: "PROGRAM_CONCEPT",
    41: "MULTIPLE_FUNCTION_CODES", 43: "ENCAP_INTERFACE_TRANSPORT", 90: "PROGRAM_UNITY", 91: "OBJECT_MESSAGING",
    125: "FIRMWARE_REPLACEMENT", 126: "PROGRAM_584_984_2", 127: "REPORT_LOCAL_ADDRESS",
}  # fmt: skip
MODBUS_EXCEPTIONS = {
    "server device failure": "SLAVE_DEVICE_FAILURE", "server device busy": "SLAVE_DEVICE_BUSY",
    "gateway target failed to respond": "GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND",
}  # fmt: skip
TUNNELS = {
    "gre": "Tunnel::GRE", "teredo": "Tunnel::TEREDO", "vxlan": "Tunnel::VXLAN", "geneve": "Tunnel::GENEVE",
    "gtpu": "Tunnel::GTPv1", "vxlan-gpe": "Tunnel::VXLAN", "ayiya": "Tunnel::AYIYA", "ipip": "Tunnel::IP",
    "6in4": "Tunnel::IP", "4in6": "Tunnel::IP",
}  # fmt: skip
LDAP_RESULTS = {
    "saslBindInProgress": "SASL bind in progress", "invalidDNSyntax": "invalid DN syntax",
    "notAllowedOnNonLeaf": "not allowed on non-leaf", "notAllowedOnRDN": "not allowed on RDN",
    "affectsMultipleDSAs": "affects multiple DSAs",
}  # fmt: skip


def ldap_result(name: str) -> str:
    """Zeek's words for a result, such as ``invalid credentials``; ``unknown`` for a number without a name."""
    if re.fullmatch(r"result\d+", name):
        return "unknown"
    return LDAP_RESULTS.get(name) or re.sub("[A-Z]", lambda match: f" {match[0].lower()}", name)


def modbus_function(name: str) -> str:
    """Zeek's name of a function by its number, and `_EXCEPTION` where the reply is one."""
    number, exception = int(name.removesuffix("!")), name.endswith("!")
    known = MODBUS_FUNCTIONS.get(number)
    return f"unknown-{number}" if known is None else f"{known}_EXCEPTION" if exception else known


def modbus_exception(name: str) -> str:
    """Zeek's name of an exception."""
    if name.startswith("exception "):
        return f"unknown-{name.removeprefix('exception ')}"
    return MODBUS_EXCEPTIONS.get(name) or name.upper().replace(" ", "_")


def _one_of(names: tuple[str, ...], first: int) -> str:
    return f"[{', '.join(map(quoted, names))}][m.result_code - {first} + 1]"


def _power(column: str) -> str:
    """Microseconds of a power of two seconds."""
    return f"round(pow(2, m.{column}) * 1000000)::BIGINT"


def _moment(name: str, column: str) -> Field:
    return Field(name, "time", f"epoch_ns(m.{column})", "unset if it is zero")


NTP = message_log(
    "ntp",
    "ntp",
    "One row for each message but control and private ones, as in Zeek.",
    Field("version", "count", "try_cast(m.version AS INTEGER)"),
    Field(
        "mode",
        "count",
        cases("m.mode", NTP_MODES),
        "number of `mode`",
    ),
    plain("stratum", "count"),
    Field("poll", "interval", _power("poll"), "2 to the power of `poll` seconds"),
    Field("precision", "interval", _power('"precision"'), "2 to the power of `precision` seconds"),
    milliseconds("root_delay", "root_delay_ms"),
    milliseconds("root_disp", "root_dispersion_ms"),
    plain("ref_id", "string", "reference_id"),
    _moment("ref_time", "reference_time"),
    _moment("org_time", "originate_time"),
    _moment("rec_time", "receive_time"),
    _moment("xmt_time", "transmit_time"),
    unset("num_exts", "count"),
    where=f"m.mode IN {tuple(NTP_MODES)}",
)

QUIC = message_log(
    "quic",
    "quic",
    "One row for each connection.",
    Field("version", "string", "CASE m.version WHEN '2' THEN 'quicv2' ELSE m.version END", "`version`; `quicv2` for 2"),
    plain("client_initial_dcid", "string", "dcid"),
    plain("client_scid", "string", "scid"),
    plain("server_scid", "string", "server_cid"),
    plain("server_name", "string", "sni"),
    plain("client_protocol", "string", "alpn"),
    unset("history", "string", "the order of packets is not in a session"),
)

FTP = message_log(
    "ftp",
    "ftp",
    "One row for each command that Zeek logs by default: transfers, deletions, and those that open data connections.",
    plain("user", "string"),
    unset("password", "string", "a session knows only that one was sent"),
    plain("command", "string"),
    plain("arg", "string", "argument", "as sent; Zeek makes a URL of it with the current directory"),
    unset("mime_type", "string"),
    unset("file_size", "count"),
    plain("reply_code", "count"),
    Field("reply_msg", "string", "regexp_replace(m.replies[-1], '^\\d{3}[ -]', '')", "last line of `replies`"),
    Field(
        "data_channel.passive",
        "bool",
        f"CASE WHEN m.data_ip IS NULL THEN NULL WHEN m.command IN {FTP_PASSIVE} THEN true "
        f"WHEN m.command IN {FTP_ACTIVE} THEN false END",
        "by the command",
    ),
    Field(
        "data_channel.orig_h",
        "addr",
        f"CASE WHEN m.data_ip IS NULL THEN NULL WHEN m.command IN {FTP_PASSIVE} THEN f.src_ip "
        f"WHEN m.command IN {FTP_ACTIVE} THEN f.dst_ip END",
        "the end that opens the data connection",
    ),
    plain("data_channel.resp_h", "addr", "data_ip"),
    plain("data_channel.resp_p", "port", "data_port"),
    unset("fuid", "string"),
    where=f"m.command IN {FTP_LOGGED}",
)

SOCKS = message_log(
    "socks",
    "socks",
    "One row for each connection.",
    Field("version", "count", "try_cast(left(m.version, 1) AS INTEGER)", "4 for 4a too"),
    plain("user", "string", "username"),
    unset("password", "string", "a session knows only that one was sent"),
    Field(
        "status",
        "string",
        f"CASE m.version WHEN '5' THEN {_one_of(SOCKS_5, 0)} ELSE {_one_of(SOCKS_4, 90)} END",
        "Zeek's text of `result_code`",
    ),
    plain("request.host", "addr", "target_ip"),
    plain("request.name", "string", "host"),
    plain("request_p", "port", "target_port"),
    plain("bound.host", "addr", "bound_ip"),
    unset("bound.name", "string"),
    plain("bound_p", "port", "bound_port"),
)

_LDAP_TEXT = "`result` in Zeek's words"
LDAP = message_log(
    "ldap",
    "ldap",
    "One row for each operation but searches.",
    unset("message_id", "int"),
    Field("version", "int", "try_cast(m.version AS INTEGER)"),
    Field(
        "opcode",
        "string",
        """CASE WHEN m.operation = 'bind' AND m.auth LIKE 'sasl%' THEN 'bind SASL'
        WHEN m.operation = 'bind' AND m.auth IN ('simple', 'anonymous') THEN 'bind simple'
        WHEN m.operation = 'rename' THEN 'modify' ELSE m.operation END""",
        "`operation` in Zeek's words",
    ),
    Field("result", "string", "m.result", _LDAP_TEXT, ldap_result),
    plain("diagnostic_message", "string", "diagnostic"),
    Field(
        "object",
        "string",
        """CASE WHEN m.oid IS NULL THEN nullif(m.dn, '') ELSE m.oid || CASE m.oid
        WHEN '1.3.6.1.4.1.1466.20037' THEN ' (StartTLS)' WHEN '1.3.6.1.4.1.4203.1.11.3' THEN ' (whoami)'
        ELSE ' (unknown)' END END""",
        "`dn`, or the extended operation",
    ),
    Field(
        "argument",
        "string",
        "CASE WHEN m.has_password THEN 'REDACTED' WHEN m.auth LIKE 'sasl %' THEN substr(m.auth, 6) END",
        "`REDACTED` for a password, as in Zeek; the mechanism of SASL",
    ),
    where="m.operation <> 'search'",
)
LDAP_SEARCH = message_log(
    "ldap_search",
    "ldap",
    "One row for each search.",
    unset("message_id", "int"),
    Field(
        "scope",
        "string",
        "CASE m.scope WHEN 'base' THEN 'base' WHEN 'one' THEN 'single' WHEN 'subtree' THEN 'tree' END",
        "`scope` in Zeek's words",
    ),
    unset("deref_aliases", "string"),
    Field("base_object", "string", "nullif(m.dn, '')", "`dn`"),
    plain("result_count", "count", "entries"),
    Field("result", "string", "m.result", _LDAP_TEXT, ldap_result),
    plain("diagnostic_message", "string", "diagnostic"),
    plain("filter", "string"),
    plain("attributes", "vector[string]", text="those requested"),
    where="m.operation = 'search'",
)

SMB_MAPPING = message_log(
    "smb_mapping",
    "smb",
    "One row for each share that was connected to.",
    plain("path", "string", "share"),
    unset("service", "string"),
    unset("native_file_system", "string"),
    unset("share_type", "string"),
    where="m.command = 'TREE_CONNECT' AND m.result = 'SUCCESS'",
)
_SMB_ACTIONS = {"CREATE": "SMB::FILE_OPEN", "RENAME": "SMB::FILE_RENAME", "DELETE": "SMB::FILE_DELETE"}
SMB_FILES = message_log(
    "smb_files",
    "smb",
    "One row for each file that was opened, renamed or deleted with success.",
    unset("fuid", "string", "files.log has files when they are closed"),
    Field(
        "action",
        "enum",
        renamed("m.command", _SMB_ACTIONS),
        "by `command`",
    ),
    plain("path", "string", "share"),
    Field(
        "name",
        "string",
        "CASE WHEN m.command = 'RENAME' THEN m.new_name ELSE m.filename END",
        "after a renaming the new one",
    ),
    plain("size", "count"),
    Field("prev_name", "string", "CASE WHEN m.command = 'RENAME' THEN m.filename END", "`filename` of a renaming"),
    unset("times.modified", "time"),
    unset("times.accessed", "time"),
    unset("times.created", "time"),
    unset("times.changed", "time"),
    where=f"m.command IN {tuple(_SMB_ACTIONS)} AND m.result = 'SUCCESS'",
)

RDP = message_log(
    "rdp",
    "rdp",
    "One row for each connection over TCP.",
    plain("cookie", "string"),
    Field(
        "result",
        "string",
        "coalesce(m.failure, CASE WHEN m.protocol NOT IN ('rdp') THEN 'encrypted' END)",
        "Zeek's name of `failure`, or `encrypted` unless RDP's own security was chosen",
        lambda value: RDP_FAILURES.get(value, value),
    ),
    Field(
        "security_protocol",
        "string",
        "CASE WHEN m.protocol IN ('rdp', 'ssl', 'hybrid', 'hybrid_ex') THEN upper(m.protocol) END",
        "`protocol` in upper case",
    ),
    unset("keyboard_layout", "string", "Zeek has names, a session numbers"),
    unset("client_build", "string", "Zeek has names, a session numbers"),
    plain("client_name", "string"),
    unset("client_dig_product_id", "string"),
    plain("desktop_width", "count", "width"),
    plain("desktop_height", "count", "height"),
    unset("requested_color_depth", "string"),
    unset("cert_type", "string"),
    unset("cert_count", "count"),
    unset("cert_permanent", "bool"),
    unset("encryption_level", "string"),
    unset("encryption_method", "string"),
    where="coalesce(m.protocol, '') NOT LIKE 'rdpeudp%'",
)

DCE_RPC = message_log(
    "dce_rpc",
    "dcerpc",
    "One row for each call.",
    milliseconds("rtt", "rtt_ms"),
    unset("named_pipe", "string"),
    Field("endpoint", "string", "coalesce(m.interface, m.interface_uuid)", "name of the interface, else its UUID"),
    unset("operation", "string", "Zeek has names of calls, a session numbers (`opnum`)"),
    where="m.operation = 'request'",
)

SYSLOG = message_log(
    "syslog",
    "syslog",
    "One row for each message. The text of messages is not in a session.",
    Field("proto", "enum", PROTO, "as in conn.log"),
    Field("facility", "string", "upper(m.facility)"),
    Field("severity", "string", "upper(m.severity)"),
    unset("message", "string", "a session does not keep the text"),
)

MYSQL = message_log(
    "mysql",
    "mysql",
    "One row for each login, and for each change of the user or the database; other commands are not in a session.",
    Field("cmd", "string", "coalesce(m.command, 'login')", "`login`, `change_user` or `init_db`"),
    Field(
        "arg", "string", "CASE WHEN m.command = 'init_db' THEN m.database ELSE m.username END", "the user or database"
    ),
    plain("success", "bool", "authenticated"),
    unset("rows", "count"),
    plain("response", "string", "error"),
)

IRC = message_log(
    "irc",
    "irc",
    "One row for each NICK, USER and JOIN of a client, the commands that Zeek logs.",
    plain("nick", "string"),
    plain("user", "string", "username"),
    plain("command", "string"),
    Field(
        "value",
        "string",
        "CASE m.command WHEN 'NICK' THEN m.nick WHEN 'USER' THEN m.username ELSE m.irc_channel END",
        "the new name, the user, or the channel",
    ),
    Field("addl", "string", "CASE m.command WHEN 'USER' THEN m.real_name END", "the real name, of USER"),
    unset("dcc_file_name", "string"),
    unset("dcc_file_size", "count"),
    unset("dcc_mime_type", "string"),
    unset("fuid", "string"),
    where="m.command IN ('NICK', 'USER', 'JOIN') AND NOT coalesce(m.from_server, false)",
)

_MODBUS = """pdus AS (
    SELECT capture_id, flow_id, ts, packet, txid, unit_id, function_code::VARCHAR AS code, 'REQ' AS kind,
        NULL::VARCHAR AS exception, 0 AS place FROM modbus
    UNION ALL
    SELECT capture_id, flow_id, make_timestamp_ns(epoch_ns(ts) + round(rtt_ms * 1000000)::BIGINT), packet, txid,
        unit_id,
        function_code || CASE WHEN exception IS NULL THEN '' ELSE '!' END, 'RESP', exception, 1
    FROM modbus WHERE answered AND rtt_ms IS NOT NULL
)"""
MODBUS = message_log(
    "modbus",
    "modbus",
    "One row for each request and one for its response. Requests that a client repeats with the same outcome are one "
    "row in a session, and the first of them has rows here.",
    plain("tid", "count", "txid"),
    plain("unit", "count", "unit_id"),
    Field("func", "string", "m.code", "Zeek's name of `function_code`", modbus_function),
    Field("pdu_type", "string", "m.kind", "`REQ` or `RESP`"),
    Field("exception", "string", "m.exception", "Zeek's name", modbus_exception),
    rows="pdus",
    common=_MODBUS,
    order=("m.place",),
)
_TUNNELS = f"""tunnels AS (
    SELECT capture_id, outer_flow_id AS flow_id, min(started_at) AS ts, tunnel, min(first_packet) AS packet
    FROM flows WHERE tunnel IN {tuple(TUNNELS)} AND outer_flow_id IS NOT NULL GROUP BY ALL
)"""  # noqa: S608 -- our own columns
TUNNEL = message_log(
    "tunnel",
    "flows",
    "One row for each flow that carried others, when the first of them began; Zeek's rows for the end of tunnels have "
    "no place.",
    Field(
        "tunnel_type",
        "enum",
        renamed("m.tunnel", TUNNELS),
        "by `flows.tunnel`; kinds that Zeek does not know have no row",
    ),
    Field("action", "enum", "'Tunnel::DISCOVER'", "always `Tunnel::DISCOVER`"),
    rows="tunnels",
    common=_TUNNELS,
    ts="when the first flow that it carried began",
)
