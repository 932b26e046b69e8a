"""Events of application protocols in ``eve.json``."""

import re
from collections.abc import Callable, Iterator, Sequence

from rustnet.export.answers import ANSWER_COLUMNS, answer_records
from rustnet.export.eve.header import FLOW_COLUMNS, IP_ONLY, Header, application, plain_stamp
from rustnet.export.eve.smb import SMB_COLUMNS, smb
from rustnet.export.formats import COMPACT, dumps
from rustnet.export.timeline import Fields, Source, present

Body = Callable[[Fields], Fields | None]
"""Makes an event's own part of a row; ``None`` if it has no place."""

_TLS_VERSIONS = {"SSL 2.0": "SSLv2", "SSL 3.0": "SSLv3", "TLS 1.0": "TLSv1"}
_GROUPED = frozenset({"A", "AAAA", "CNAME", "MX", "PTR", "TXT"})
"""Types of records whose data are also grouped by type."""
_DN_PART = re.compile(r"((?:[^,+\\]|\\.)+)([,+]|$)", re.DOTALL)
_DN_ESCAPE = re.compile(r"\\(?:([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_HOST_PORT = re.compile(r"(.*):(\d{1,5})", re.DOTALL)


def message_sources(header: Header) -> list[Source]:
    """Tables of protocols that Suricata has events for."""
    return [_source(header, *each) for each in _EVENTS]


def _source(header: Header, table: str, name: str, app: str, columns: Sequence[str], body: Body, where: str) -> Source:
    """Make the source of a protocol's events; ``app`` is its name if the flow has none of its own."""

    def texts(row: Fields) -> Iterator[str]:
        own = body(row)
        if own is None:
            return
        event = header.common(row, name, row["packet"])
        event["app_proto"] = application(row["f.app"], row["f.app_source"], row["f.protocol"]) or app
        event[name] = own
        yield dumps(event, COMPACT)

    condition = f"coalesce({IP_ONLY}, true)" + (f" AND ({where})" if where else "")  # a flow may not be stored yet
    return Source(table, "ts", texts, columns=("packet", *columns), flow=FLOW_COLUMNS, where=condition)


# ---- DNS -------------------------------------------------------------------------------------------------------------

_DNS = (*ANSWER_COLUMNS, "qtype", "rcode", "response", "txid", "flags")  # fmt: skip


def _dns(row: Fields) -> Fields:
    """Query or answer in version 2 of the format, which Suricata 7 and 8 both write."""
    question = {"rrname": row["query"], "rrtype": row["qtype"]}
    if not row["response"]:
        return present({"type": "query", "id": row["txid"]}) | {k: v for k, v in question.items() if v is not None}
    flags = row["flags"] or 0
    event: Fields = {"version": 2, "type": "answer", "id": row["txid"], "flags": f"{flags:x}", "qr": True}
    event |= {name: True for bit, name in ((0x400, "aa"), (0x200, "tc"), (0x100, "rd"), (0x80, "ra")) if flags & bit}
    event |= question | {"rcode": row["rcode"]}
    answers = answer_records(row)
    if answers:
        event["answers"] = answers
        grouped: dict[str, list[str]] = {}
        for answer in answers:
            if answer.get("rrtype") in _GROUPED and "rdata" in answer:
                grouped.setdefault(answer["rrtype"], []).append(answer["rdata"])
        if grouped:
            event["grouped"] = grouped
    return {name: value for name, value in event.items() if value is not None}


# ---- HTTP ------------------------------------------------------------------------------------------------------------

_HTTP = ("method", "host", "uri", "version", "user_agent", "referer", "status", "content_type", "server", "location",
         "response_bytes", "forwarded_for")  # fmt: skip


def _http(row: Fields) -> Fields:
    """One transaction, as with Suricata's extended logging."""
    host, port = row["host"], None
    if host:
        match = _HOST_PORT.fullmatch(host)
        if match and (":" not in match[1] or match[1].endswith("]")):
            host, port = match[1], int(match[2])
    version = row["version"]
    event = present({
        "hostname": host,
        "http_port": port if port is not None and port <= 0xFFFF else None,
        "url": row["uri"],
        "http_user_agent": row["user_agent"],
        "http_content_type": row["content_type"],
        "http_refer": row["referer"],
        "http_method": row["method"],
    })  # fmt: skip
    if version and version.startswith("HTTP/2"):
        event["version"] = "2"
    elif version:
        event["protocol"] = version
    event |= present({"status": row["status"], "redirect": row["location"], "xff": row["forwarded_for"]})
    if row["status"] is not None:
        event["length"] = row["response_bytes"] or 0
    if row["server"]:
        event["response_headers"] = [{"name": "Server", "value": row["server"]}]
    return event


# ---- TLS, QUIC, SSH --------------------------------------------------------------------------------------------------

_TLS = ("subject", "issuer", "cert_serial", "sni", "version", "not_before", "not_after", "resumed", "ja3", "ja3s",
        "ja4", "client_subject")  # fmt: skip


def _tls(row: Fields) -> Fields:
    """One handshake over TCP."""
    version = row["version"]
    serial = row["cert_serial"]
    return present({
        "subject": distinguished(row["subject"]),
        "issuerdn": distinguished(row["issuer"]),
        "serial": serial and octets(serial),
        "sni": row["sni"],
        "version": version and _TLS_VERSIONS.get(version, version),
        "notbefore": None if row["not_before"] is None else plain_stamp(row["not_before"]),
        "notafter": None if row["not_after"] is None else plain_stamp(row["not_after"]),
        "session_resumed": row["resumed"] or None,
        "ja3": present({"hash": row["ja3"]}),
        "ja3s": present({"hash": row["ja3s"]}),
        "ja4": row["ja4"],
        "client": present({"subject": distinguished(row["client_subject"])}),
    })  # fmt: skip


def distinguished(name: str | None) -> str | None:
    """Turn a name in the form of RFC 4514 into Suricata's: in the certificate's order, and without escapes."""
    if not name:
        return None
    parts: list[list[str]] = [[]]
    place = 0
    while place < len(name):
        match = _DN_PART.match(name, place)
        if match is None:
            return name  # not of this form: as it is
        parts[-1].append(_DN_ESCAPE.sub(_unescaped, match[1]))
        if match[2] == ",":
            parts.append([])
        place = match.end()
    return ", ".join(" + ".join(part) for part in reversed(parts))


def _unescaped(match: re.Match[str]) -> str:
    """Character of an escape; an octet in hexadecimal stays as it is, since it may be a part of a character."""
    return match[0] if match[1] else match[2]


def octets(digits: str) -> str:
    """Turn hexadecimal digits into ``0A:1B``."""
    even = digits.upper().zfill(len(digits) + len(digits) % 2)
    return ":".join(even[place : place + 2] for place in range(0, len(even), 2))


_QUIC = ("version", "sni", "user_agent", "ja3", "ja3s", "ja4")


def _quic(row: Fields) -> Fields:
    """One connection, as its Initial packets show it."""
    return present({
        "version": row["version"],
        "sni": row["sni"],
        "ua": row["user_agent"],
        "ja3": present({"hash": row["ja3"]}),
        "ja3s": present({"hash": row["ja3s"]}),
        "ja4": row["ja4"],
    })  # fmt: skip


_SSH = ("client_banner", "server_banner", "client_software", "server_software", "hassh", "hassh_server")


def _ssh(row: Fields) -> Fields:
    """One connection: version, software and HASSH of both sides."""
    sides = {}
    for side, fingerprint in (("client", "hassh"), ("server", "hassh_server")):
        banner = row[f"{side}_banner"] or ""
        version = banner.split("-", 2)[1] if banner.startswith("SSH-") and banner.count("-") >= 2 else None
        sides[side] = present({
            "proto_version": version,
            "software_version": row[f"{side}_software"],
            "hassh": present({"hash": row[fingerprint]}),
        })  # fmt: skip
    return present(sides)


# ---- others ----------------------------------------------------------------------------------------------------------

_DHCP = ("message", "hostname", "client_mac", "client_ip", "assigned_ip", "next_server", "relay_ip", "lease_seconds",
         "subnet_mask", "routers", "dns_servers", "xid")  # fmt: skip
_DHCP_REQUESTS = frozenset({"DISCOVER", "REQUEST", "DECLINE", "RELEASE", "INFORM", "BOOTREQUEST"})
_DHCP_REPLIES = frozenset({"OFFER", "ACK", "NAK", "BOOTREPLY"})


def _dhcp(row: Fields) -> Fields:
    """One message, as with Suricata's extended logging."""
    message = row["message"]
    kind = "request" if message in _DHCP_REQUESTS else "reply" if message in _DHCP_REPLIES else None
    return present({
        "type": kind,
        "id": row["xid"],
        "client_mac": row["client_mac"],
        "assigned_ip": row["assigned_ip"],
        "client_ip": row["client_ip"],
        "relay_ip": row["relay_ip"],
        "next_server_ip": row["next_server"],
        "dhcp_type": None if message is None or message.startswith("BOOT") else message.lower(),
        "hostname": row["hostname"],
        "lease_time": row["lease_seconds"],
        "subnet_mask": row["subnet_mask"],
        "routers": row["routers"],
        "dns_servers": row["dns_servers"],
    })  # fmt: skip


_FTP = ("command", "argument", "reply_code", "replies", "preliminary_code", "data_port")


def _ftp(row: Fields) -> Fields:
    """One command and its reply; the reply's lines are without their codes."""
    code = row["reply_code"]
    replies = [line[4:] if line[:3] == str(code) and line[3:4] in (" ", "-") else line for line in row["replies"] or ()]
    codes = [str(each) for each in (row["preliminary_code"], code) if each is not None]
    return present({
        "command": row["command"],
        "command_data": row["argument"],
        "reply": replies,
        "completion_code": codes,
        "reply_received": "yes" if code is not None else "no",
        "dynamic_port": row["data_port"],
    })  # fmt: skip


_SIP = ("method", "uri", "status", "reason")


def _sip(row: Fields) -> Fields:
    """One message."""
    status = row["status"]
    return present({
        "method": row["method"],
        "uri": row["uri"],
        "code": None if status is None else str(status),
        "reason": row["reason"],
    })  # fmt: skip


_TFTP = ("operation", "filename", "mode")


def _tftp(row: Fields) -> Fields:
    """One request."""
    return present({"packet": row["operation"], "file": row["filename"], "mode": row["mode"]})


_SNMP = ("version", "community", "pdu", "objects", "username")
_SNMP_VERSIONS = {"v1": 1, "v2c": 2, "v3": 3}
_SNMP_TYPES = {
    "get": "get_request", "get_next": "get_next_request", "response": "response", "set": "set_request",
    "trap_v1": "trap_v1", "get_bulk": "get_bulk_request", "inform": "inform_request", "trap": "trap_v2",
    "report": "report",
}  # fmt: skip


def _snmp(row: Fields) -> Fields:
    """One message."""
    return present({
        "version": _SNMP_VERSIONS.get(row["version"]),
        "pdu_type": _SNMP_TYPES.get(row["pdu"], row["pdu"]),
        "vars": row["objects"],
        "community": row["community"],
        "usm": row["username"],
    })  # fmt: skip


_EVENTS: tuple[tuple[str, str, str, Sequence[str], Body, str], ...] = (
    ("dns", "dns", "dns", _DNS, _dns, "m.transport = 'dns'"),
    ("http", "http", "http", _HTTP, _http, ""),
    ("tls", "tls", "tls", _TLS, _tls, "coalesce(f.protocol = 'tcp', true)"),
    ("quic", "quic", "quic", _QUIC, _quic, ""),
    ("ssh", "ssh", "ssh", _SSH, _ssh, ""),
    ("smb", "smb", "smb", SMB_COLUMNS, smb, ""),
    ("dhcp", "dhcp", "dhcp", _DHCP, _dhcp, ""),
    ("ftp", "ftp", "ftp", _FTP, _ftp, ""),
    ("sip", "sip", "sip", _SIP, _sip, ""),
    ("tftp", "tftp", "tftp", _TFTP, _tftp, "m.operation IN ('read', 'write')"),
    ("snmp", "snmp", "snmp", _SNMP, _snmp, ""),
)
"""Table, type of the event, Suricata's name of the protocol, columns, body, condition."""
EVENT_TABLES = tuple(event[0] for event in _EVENTS)
