"""Fields of the events of ``eve.json`` and their types, as Suricata's schema has them."""

import re
from typing import Any

STAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d+[+\-]\d+")
_HASH = {"hash": str, "string": str}
_SIDE = {"proto_version": str, "software_version": str, "hassh": _HASH}
_RECORD = {"rrname": str, "rrtype": str, "ttl": int, "rdata": str}
_CERTIFICATE = dict.fromkeys(("fingerprint", "issuerdn", "notafter", "notbefore", "serial", "subject"), str)
_SYSTEM = {"native_os": str, "native_lm": str}

FIELDS: dict[str, Any] = {
    "timestamp": STAMP, "flow_id": int, "parent_id": int, "pcap_cnt": int, "pcap_filename": str, "event_type": str,
    "vlan": [int], "src_ip": str, "src_port": int, "dest_ip": str, "dest_port": int, "proto": str, "icmp_type": int,
    "icmp_code": int, "community_id": str, "app_proto": str,
    "ether": {"dest_macs": [str], "src_macs": [str]},
    "flow": {
        "pkts_toserver": int, "pkts_toclient": int, "bytes_toserver": int, "bytes_toclient": int, "start": STAMP,
        "end": STAMP, "age": int, "state": str, "reason": str, "alerted": bool,
    },
    "tcp": {
        "tcp_flags": str, "tcp_flags_ts": str, "tcp_flags_tc": str, "syn": bool, "fin": bool, "rst": bool, "psh": bool,
        "ack": bool, "urg": bool, "ecn": bool, "cwr": bool, "state": str, "ts_gap": bool, "tc_gap": bool,
    },
    "anomaly": {"app_proto": str, "event": str, "layer": str, "type": str},
    "dns": {
        "version": int, "type": str, "id": int, "flags": str, "qr": bool, "aa": bool, "rd": bool, "ra": bool,
        "rrname": str, "rrtype": str, "rcode": str, "answers": [_RECORD],
        "grouped": {kind: [str] for kind in ("A", "AAAA", "CNAME", "MX", "PTR", "TXT")},
    },
    "http": {
        "hostname": str, "http_port": int, "url": str, "http_user_agent": str, "http_content_type": str,
        "http_refer": str, "http_method": str, "protocol": str, "version": str, "status": int, "length": int,
        "redirect": str, "xff": str, "response_headers": [{"name": str, "value": str}],
    },
    "tls": _CERTIFICATE | {"sni": str, "version": str, "session_resumed": bool, "ja3": _HASH, "ja3s": _HASH,
                           "client": _CERTIFICATE},
    "quic": {"version": str, "sni": str, "ua": str, "ja3": _HASH, "ja3s": _HASH},
    "ssh": {"client": _SIDE, "server": _SIDE},
    "smb": {
        "dialect": str, "command": str, "status": str, "status_code": str, "session_id": int, "tree_id": int,
        "filename": str, "directory": str, "share": str, "disposition": str, "access": str, "size": int,
        "rename": {"from": str, "to": str}, "request": _SYSTEM, "response": _SYSTEM,
        "ntlmssp": {"domain": str, "user": str, "host": str},
    },
    "dhcp": {
        "type": str, "id": int, "client_mac": str, "assigned_ip": str, "client_ip": str, "relay_ip": str,
        "next_server_ip": str, "dhcp_type": str, "hostname": str, "lease_time": int, "subnet_mask": str,
        "routers": [str], "dns_servers": [str],
    },
    "ftp": {"command": str, "command_data": str, "reply": [str], "completion_code": [str], "reply_received": str,
            "dynamic_port": int},
    "sip": {"method": str, "uri": str, "code": str, "reason": str},
    "tftp": {"packet": str, "file": str, "mode": str},
    "snmp": {"version": int, "pdu_type": str, "vars": [str], "community": str, "usm": str},
}  # fmt: skip
"""Of objects the names that they may have; of lists the type of what they hold."""

NEWER: dict[str, Any] = {"in_iface": str, "dns": {"tc": bool}, "tls": {"ja4": str}, "quic": {"ja4": str}}
"""Fields that Suricata writes, and that its schema of version 7 lacks."""


def faults(value: Any, wanted: Any = FIELDS, newer: Any = NEWER, path: str = "") -> list[str]:
    """What of an event is not as the schema has it."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return [f"{path}: no object"]
        found = []
        for name, inner in value.items():
            further = newer.get(name) if isinstance(newer, dict) else None
            kind = wanted.get(name, further if not isinstance(further, dict) else None)
            found += [f"{path}.{name}: unknown"] if kind is None else faults(inner, kind, further, f"{path}.{name}")
        return found
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return [f"{path}: no list"]
        return [fault for each in value for fault in faults(each, wanted[0], None, f"{path}[]")]
    if wanted is STAMP:
        return [] if isinstance(value, str) and STAMP.fullmatch(value) else [f"{path}: no time"]
    return [] if type(value) is wanted else [f"{path}: {type(value).__name__}, not {wanted.__name__}"]
