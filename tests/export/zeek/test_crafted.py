"""Rows that no sample has: hostile texts, further protocols, and what Zeek writes in another way than a session."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rustnet.export.zeek.conversations import kerberos_time
from rustnet.export.zeek.dns import answer, class_name, class_number, type_name, type_number
from rustnet.export.zeek.http import unescaped
from rustnet.export.zeek.messages import ldap_result, modbus_exception, modbus_function
from rustnet.export.zeek.tls import kind_of_name, unknown, version
from tests.export.zeek.reading import Rows, altered, ask, exported
from tests.support.paths import SAMPLES
from tests.support.sessions import replay

Export = Callable[[Sequence[str]], dict[str, Rows]]
AT = "TIMESTAMP_NS '2026-11-23 16:23:34.000001999'"
HOSTILE = "a\tb\nc\\d,\x1b[31m\u202e-é"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crafted") / "session.duckdb"
    replay(path, SAMPLES / "web.pcap").con.close()
    return path


@pytest.fixture
def export(session: Path, tmp_path: Path) -> Export:
    """Export of the session on which statements were run, with `$tcp` and `$udp` for two of its flows."""
    [tcp] = ask(session, "SELECT max(flow_id) AS id FROM flows WHERE app = 'tls'")
    [udp] = ask(session, "SELECT min(flow_id) AS id FROM flows WHERE app = 'dns'")

    def run(statements: Sequence[str]) -> dict[str, Rows]:
        ready = [text.replace("$tcp", str(tcp["id"])).replace("$udp", str(udp["id"])) for text in statements]
        return exported(altered(session, tmp_path / "altered.duckdb", ready), tmp_path / "logs")

    return run


def insert(table: str, flow: str = "$tcp", ts: str = AT, packet: int = 1, **values: Any) -> str:
    """INSERT of a row; texts are quoted, `!` before a text makes it an expression."""
    shown = []
    for value in values.values():
        text = str(value)
        if isinstance(value, str):
            text = value[1:] if value.startswith("!") else "'" + value.replace("'", "''") + "'"
        shown.append(text)
    names = ", ".join(f'"{name}"' for name in ("capture_id", "flow_id", "ts", "packet", *values))
    return f"INSERT INTO {table} ({names}) VALUES (1, {flow}, {ts}, {packet}, {', '.join(shown)})"


def later(microseconds: int) -> str:
    return f"{AT} + to_microseconds({microseconds})"


def without_flow(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name[:3] not in {"id.", "uid"}}


def test_hostile_texts_are_read_back(export: Export) -> None:
    logs = export([
        "DELETE FROM http",
        insert("http", method="GET", host=HOSTILE, uri="/" + HOSTILE,
               user_agent="-", referer="", forwarded_for=HOSTILE),
        "DELETE FROM tls",
        insert("tls", sni="(empty)", sans=f"!['{HOSTILE}', 'a,b']", cert_sha256="ab"),
    ])  # fmt: skip
    [row] = logs["http"]
    assert (row["host"], row["uri"]) == (HOSTILE, "/" + HOSTILE)
    assert (row["user_agent"], row["referrer"]) == ("-", "")
    assert row["proxied"] == [f"X-FORWARDED-FOR -> {HOSTILE}"]
    assert "status_code" not in row
    assert logs["ssl"][0]["server_name"] == "(empty)"
    assert logs["x509"][0]["san.dns"] == [HOSTILE, "a,b"]


def test_times_are_cut_to_microseconds(export: Export) -> None:
    [row] = export(["DELETE FROM http", insert("http", method="GET")])["http"]
    assert row["ts"] == 1795451014.000001


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("/a%20b%2fc", "/a b/c"),
        ("/caf%C3%A9", "/café"),
        ("/%ff", "/\\xff"),
        ("/%%41", "/A"),
        ("/100%", "/100%"),
        ("/1%4", "/1%4"),
        ("/%zz", "/%zz"),
        ("/", "/"),
    ],
)
def test_targets_are_unescaped_as_by_zeek(uri: str, shown: str) -> None:
    assert unescaped(uri) == shown


def test_interim_responses_belong_to_their_requests(export: Export) -> None:
    logs = export([
        "DELETE FROM http",
        insert("http", ts=later(0), packet=10, method="PUT", status=200, reason="OK", response_ms=5.0, request_bytes=7),
        insert("http", ts=later(2000), packet=11, status=100, reason="Continue", version="HTTP/1.1"),
        insert("http", ts=later(9000), packet=12, status=103, reason="Early Hints", version="HTTP/1.1"),
    ])  # fmt: skip
    first, second = logs["http"]
    assert (first["trans_depth"], first["status_code"], first["info_code"], first["info_msg"]) == (
        1,
        200,
        100,
        "Continue",
    )
    assert (second["status_code"], second["info_code"], second["version"]) == (103, 103, "1.1")
    [body] = logs["files"]
    assert first["orig_fuids"] == [body["fuid"]]
    assert (body["source"], body["is_orig"], body["total_bytes"], body["depth"]) == ("HTTP", True, 7, 1)


def dns(**values: Any) -> str:
    usual = {"query": "a.example", "qtype": "A", "qclass": "IN", "opcode": "QUERY", "txid": 7, "flags": 0x0100,
             "questions": 1, "answer_count": 0, "authority_count": 0, "additional_count": 0, "truncated": False,
             "authoritative": False}  # fmt: skip
    return insert("dns", "$udp", **{**usual, **values})


def test_questions_and_answers(export: Export) -> None:
    logs = export([
        "DELETE FROM dns",
        dns(ts=later(0), packet=1, response=False),
        dns(ts=later(1000), packet=2, response=False),
        dns(ts=later(3000), packet=3, response=True, rtt_ms=2.0, flags=0x8180, answer_count=2, ttl=60, rcode="NOERROR",
            answers="!['192.0.2.1', '192.0.2.2', '192.0.2.9']", answer_types="!['A', 'A', 'A']"),
        dns(ts=later(4000), packet=4, response=True, flags=0x8183, rcode="NXDOMAIN"),
        dns(ts=later(5000), packet=5, response=False, opcode="NOTIFY"),
        dns(ts=later(6000), packet=6, response=False, qtype="TYPE65280", qclass="CH", query="", flags=0x0010),
    ])  # fmt: skip
    lost, answered, unasked, odd = map(without_flow, logs["dns"])
    assert "rcode" not in lost
    assert answered["ts"] - lost["ts"] == pytest.approx(0.001, abs=1e-6)
    assert (answered["rtt"], answered["answers"]) == (0.002, ["192.0.2.1", "192.0.2.2"])
    assert "TTLs" not in answered  # of several answers a session has the smallest alone
    assert (answered["RD"], answered["RA"], answered["rejected"]) == (True, True, False)
    assert (unasked["rcode"], unasked["rcode_name"], unasked["rejected"]) == (3, "NXDOMAIN", True)
    assert "rtt" not in unasked
    assert (odd["query"], odd["qtype"], odd["qtype_name"], odd["qclass"], odd["Z"]) == ("", 65280, "query-65280", 3, 1)
    assert odd["qclass_name"] == "C_CHAOS"


def test_names_of_dns() -> None:
    assert [type_name(name) for name in ("A", "ANY", "TYPE99", "HTTPS", "odd")] == ["A", "*", "SPF", "HTTPS", "odd"]
    assert [type_number(name) for name in ("A", "ANY", "TYPE7777", "HTTPS", "odd")] == ["1", "255", "7777", "65", None]
    assert [class_name(name) for name in ("IN", "CLASS77", "ANY")] == ["C_INTERNET", "qclass-77", "C_ANY"]
    assert [class_number(name) for name in ("IN", "CLASS77", "odd")] == ["1", "77", None]


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        ("MX", "10 mail.example", "mail.example"),
        ("SRV", "0 5 389 dc.example", "dc.example"),
        ("SOA", "ns.example root.example 1 2 3 4 5", "ns.example"),
        ("TXT", "v=spf1 -all", "TXT 11 v=spf1 -all"),
        ("TXT", '"one" "zwei ü"', "TXT 3 one TXT 7 zwei ü"),
        ("TXT", "\\007bell", "\\007bell"),
        ("HTTPS", "1 . alpn=h2", "1 . alpn=h2"),
        ("A", "192.0.2.1", "192.0.2.1"),
    ],
)
def test_answers_as_zeek_writes_them(kind: str, data: str, shown: str) -> None:
    assert answer(kind, data) == shown


def test_conn_of_rare_flows(export: Export) -> None:
    logs = export([
        "UPDATE interfaces SET link_type = 101",
        "UPDATE flows_ended SET vlan_id = 5, outer_vlan_id = 9, src_bytes = 777 WHERE flow_id = $tcp",
        "UPDATE flows_ended SET app_source = 'inherited' WHERE app = 'dns'",
        "UPDATE flows_ended SET protocol = 'ip_proto_99', src_port = NULL, dst_port = NULL WHERE flow_id = $udp",
        "UPDATE flows_ended SET tunnel = 'vxlan', outer_flow_id = $udp WHERE flow_id = $tcp",
    ])  # fmt: skip
    [outer] = [row for row in logs["conn"] if row["ip_proto"] == 99]
    [inner] = [row for row in logs["conn"] if row.get("vlan") == 9]
    assert (outer["proto"], outer["conn_state"], outer["id.orig_p"]) == ("unknown_transport", "OTH", 0)
    assert "service" not in outer
    assert inner["inner_vlan"] == 5
    assert inner["tunnel_parents"] == [outer["uid"]]
    assert "orig_ip_bytes" not in inner  # its packets were counted with those of the tunnel
    assert inner["service"] == "ssl"
    others = [row for row in logs["conn"] if row not in (outer, inner)]
    assert all(row["orig_ip_bytes"] >= row["orig_pkts"] * 28 for row in others)
    [tunnel] = logs["tunnel"]
    assert (tunnel["uid"], tunnel["tunnel_type"], tunnel["action"]) == (
        outer["uid"],
        "Tunnel::VXLAN",
        "Tunnel::DISCOVER",
    )


def test_certificates_of_clients_and_days(export: Export) -> None:
    seen: dict[str, Any] = {
        "cert_sha256": "aa",
        "client_cert_sha256": "bb",
        "client_subject": "CN=me",
        "chain_length": 3,
    }
    logs = export([
        "DELETE FROM tls",
        insert("tls", packet=1, alert="unknown_ca", alert_level="fatal", cert_key_type="RSA", **seen),
        insert("tls", packet=2, ts=f"{AT} + INTERVAL 2 HOUR", alert="close_notify", alert_level="warning", **seen),
        insert("tls", packet=3, ts=f"{AT} + INTERVAL 25 HOUR", **seen),
    ])  # fmt: skip
    assert [(row["fingerprint"], row["client_cert"]) for row in logs["x509"]] == [
        ("aa", False), ("bb", True), ("aa", False), ("bb", True),
    ]  # fmt: skip
    assert [row.get("last_alert") for row in logs["ssl"]] == ["unknown_ca", None, None]
    assert logs["ssl"][0]["cert_chain_fps"] == ["aa", None, None]
    assert logs["ssl"][0]["client_cert_chain_fps"] == ["bb"]
    assert (logs["x509"][0]["certificate.key_alg"], logs["x509"][0]["certificate.key_type"]) == ("rsaEncryption", "rsa")


def test_names_of_tls() -> None:
    names = ["SSL 3.0", "TLS 1.0", "TLS 1.3", "DTLS 1.2", "TLS 1.3 draft 28", "0x0305"]
    assert [version(name) for name in names] == [
        "SSLv3",
        "TLSv10",
        "TLSv13",
        "DTLSv12",
        "TLSv13-draft28",
        "unknown-773",
    ]
    assert (unknown("0x1301"), unknown("TLS_AES_128_GCM_SHA256")) == ("unknown-4865", "TLS_AES_128_GCM_SHA256")
    kinds = ["www.example", "*.example", "192.0.2.1", "2001:db8::1", "me@example", "https://a.example/x"]
    assert [kind_of_name(name) for name in kinds] == ["dns", "dns", "ip", "ip", "email", "uri"]


@pytest.mark.parametrize(
    ("client", "server", "number"),
    [
        ("SSH-2.0-a", "SSH-2.0-b", 2), ("SSH-1.99-a", "SSH-2.0-b", 2), ("SSH-2.0-a", "SSH-1.99-b", 2),
        ("SSH-1.99-a", "SSH-1.99-b", 2), ("SSH-1.5-a", "SSH-1.99-b", 1), ("SSH-1.5-a", "SSH-1.5-b", 1),
        ("SSH-1.5-a", "SSH-2.0-b", 0), ("SSH-2.0-a", None, None),
    ],
)  # fmt: skip
def test_ssh_versions(export: Export, client: str, server: str | None, number: int | None) -> None:
    values: dict[str, Any] = {"client_banner": client, "cipher": "one", "server_cipher": "two"}
    if server is not None:
        values["server_banner"] = server
    [row] = export([insert("ssh", **values)])["ssh"]
    assert row.get("version") == number
    assert row["cipher_alg"] == "To server: one, to client: two"


FURTHER: dict[str, tuple[list[str], list[dict[str, Any]]]] = {
    "dhcp": (
        [insert("dhcp", "$udp", ts=later(at), packet=at, xid=5, client_mac="02:00:00:00:00:01", **values)
         for at, values in (
             (1, {"message": "DISCOVER", "hostname": "ws", "requested_ip": "192.0.2.7"}),
             (2000, {"message": "OFFER", "assigned_ip": "192.0.2.7", "server_ip": "192.0.2.1", "lease_seconds": 60}),
             (9_000_000, {"message": "REQUEST"}))],
        [{"ts": 1795451014.000002, "client_addr": "192.0.2.11", "server_addr": "192.0.2.1", "mac": "02:00:00:00:00:01",
          "host_name": "ws", "requested_addr": "192.0.2.7", "assigned_addr": "192.0.2.7", "lease_time": 60.0,
          "msg_types": ["DISCOVER", "OFFER"], "duration": 0.001999},
         {"ts": 1795451023.000001, "client_addr": "192.0.2.11", "mac": "02:00:00:00:00:01", "msg_types": ["REQUEST"],
          "duration": 0.0}],
    ),
    "ntp": (
        [insert("ntp", "$udp", version="4", mode="server", stratum=2, poll=6, precision=-20, root_delay_ms=1.5,
                reference_id="192.0.2.1", transmit_time="!TIMESTAMP_NS '2026-11-23 16:23:34.5'"),
         insert("ntp", "$udp", version="2", mode="private")],
        [{"version": 4, "mode": 4, "stratum": 2, "poll": 64.0, "precision": 0.000001, "root_delay": 0.0015,
          "ref_id": "192.0.2.1", "xmt_time": 1795451014.5, "ts": 1795451014.000001}],
    ),
    "kerberos": (
        [insert("kerberos", ts=later(0), packet=1, message="AS-REQ", cname="bob",
                realm="EXAMPLE", sname="krbtgt/EXAMPLE",
                till="20370913024805Z", kdc_options=0x40810010),
         insert("kerberos", ts=later(9), packet=2, message="AS-REP", cname="bob", realm="EXAMPLE",
                ticket_etype="aes256-cts-hmac-sha1-96")],
        [{"ts": 1795451014.000001, "request_type": "AS", "client": "bob/EXAMPLE", "service": "krbtgt/EXAMPLE",
          "success": True, "till": 2136422885.0, "cipher": "aes256-cts-hmac-sha1-96", "forwardable": True,
          "renewable": True}],
    ),
    "ldap": (
        [insert("ldap", operation="bind", version="3", auth="simple", has_password=True,
                dn="cn=x", result="invalidCredentials"),
         insert("ldap", packet=2, operation="bind", version="3", auth="sasl GSS-SPNEGO", dn="",
                result="saslBindInProgress")],
        [{"ts": 1795451014.000001, "version": 3, "opcode": "bind simple", "result": "invalid credentials",
          "object": "cn=x", "argument": "REDACTED"},
         {"ts": 1795451014.000001, "version": 3, "opcode": "bind SASL", "result": "SASL bind in progress",
          "argument": "GSS-SPNEGO"}],
    ),
    "ldap_search": (
        [insert("ldap", operation="search", dn="dc=example", scope="subtree", filter="(cn=*)", entries=2,
                attributes="!['cn', 'sn']", result="success")],
        [{"ts": 1795451014.000001, "scope": "tree", "base_object": "dc=example", "result_count": 2,
          "result": "success", "filter": "(cn=*)", "attributes": ["cn", "sn"]}],
    ),
    "modbus": (
        [insert("modbus", function="read_coils", function_code=1, unit_id=3, txid=9, answered=True, rtt_ms=1.0,
                exception="server device busy")],
        [{"ts": 1795451014.000001, "tid": 9, "unit": 3, "func": "READ_COILS", "pdu_type": "REQ"},
         {"ts": 1795451014.001001, "tid": 9, "unit": 3, "func": "READ_COILS_EXCEPTION", "pdu_type": "RESP",
          "exception": "SLAVE_DEVICE_BUSY"}],
    ),
    "smb_files": (
        [insert("smb", command="CREATE", share="\\\\srv\\data", filename="a\\b.txt", size=5, result="SUCCESS"),
         insert("smb", packet=2, command="RENAME", share="\\\\srv\\data", filename="a", new_name="b", result="SUCCESS"),
         insert("smb", packet=3, command="CREATE", filename="c", result="ACCESS_DENIED")],
        [{"ts": 1795451014.000001, "action": "SMB::FILE_OPEN", "path": "\\\\srv\\data", "name": "a\\b.txt", "size": 5},
         {"ts": 1795451014.000001, "action": "SMB::FILE_RENAME", "path": "\\\\srv\\data", "name": "b",
          "prev_name": "a"}],
    ),
    "smb_mapping": (
        [insert("smb", command="TREE_CONNECT", share="\\\\srv\\data", result="SUCCESS")],
        [{"ts": 1795451014.000001, "path": "\\\\srv\\data"}],
    ),
    "rdp": (
        [insert("rdp", cookie="bob", protocol="hybrid", width=800),
         insert("rdp", packet=2, protocol="rdp", failure="ssl not allowed")],
        [{"ts": 1795451014.000001, "cookie": "bob", "result": "encrypted", "security_protocol": "HYBRID",
          "desktop_width": 800},
         {"ts": 1795451014.000001, "result": "SSL_NOT_ALLOWED_BY_SERVER", "security_protocol": "RDP"}],
    ),
    "dce_rpc": (
        [insert("dcerpc", operation="bind", interface="samr"),
         insert("dcerpc", packet=2, operation="request", interface="samr", opnum=5, rtt_ms=0.5)],
        [{"ts": 1795451014.000001, "rtt": 0.0005, "endpoint": "samr"}],
    ),
    "sip": (
        [insert("sip", "$udp", ts=later(0), packet=1, method="INVITE", uri="sip:b@x", call_id="1", cseq="1 INVITE"),
         insert("sip", "$udp", ts=later(5), packet=2, status=180, reason="Ringing", call_id="1", cseq="1 INVITE"),
         insert("sip", "$udp", ts=later(9), packet=3, status=486, reason="Busy Here", call_id="1", cseq="1 INVITE")],
        [{"ts": 1795451014.000001, "trans_depth": 1, "method": "INVITE", "uri": "sip:b@x", "call_id": "1",
          "seq": "1 INVITE", "status_code": 486, "status_msg": "Busy Here"}],
    ),
    "snmp": (
        [insert("snmp", "$udp", packet=1, version="v2c", community="public", pdu="get"),
         insert("snmp", "$udp", ts=later(50), packet=2, version="v2c", pdu="response", system_description="box")],
        [{"ts": 1795451014.000001, "duration": 0.00005, "version": "2c", "community": "public", "get_requests": 1,
          "get_bulk_requests": 0, "get_responses": 1, "set_requests": 0, "display_string": "box"}],
    ),
    "socks": (
        [insert("socks", version="5", host="a.example", target_port=80, result_code=5, bound_ip="0.0.0.0"),
         insert("socks", packet=2, version="4a", username="u", result_code=93)],
        [{"ts": 1795451014.000001, "version": 5, "status": "Connection refused", "request.name": "a.example",
          "request_p": 80, "bound.host": "0.0.0.0"},
         {"ts": 1795451014.000001, "version": 4, "user": "u", "status": "request failed because client's identd could "
          "not confirm the user ID string in the request"}],
    ),
    "syslog": (
        [insert("syslog", "$udp", facility="local0", severity="err")],
        [{"ts": 1795451014.000001, "proto": "udp", "facility": "LOCAL0", "severity": "ERR"}],
    ),
    "radius": (
        [insert("radius", "$udp", packet=1, message="Access-Request", identifier=1, username="bob",
                calling_station="02-00-00-AA-BB-CC"),
         insert("radius", "$udp", ts=later(30), packet=2, message="Access-Accept", identifier=1, framed_ip="192.0.2.99",
                response_ms=0.03)],
        [{"ts": 1795451014.000001, "username": "bob", "mac": "02:00:00:aa:bb:cc", "framed_addr": "192.0.2.99",
          "result": "success", "ttl": 0.00003}],
    ),
    "mysql": (
        [insert("mysql", username="bob", authenticated=False, error="no")],
        [{"ts": 1795451014.000001, "cmd": "login", "arg": "bob", "success": False, "response": "no"}],
    ),
    "irc": (
        [insert("irc", command="USER", username="u", real_name="U U", from_server=False),
         insert("irc", packet=2, command="JOIN", nick="n", irc_channel="#c", from_server=False),
         insert("irc", packet=3, command="JOIN", nick="n", irc_channel="#c", from_server=True)],
        [{"ts": 1795451014.000001, "user": "u", "command": "USER", "value": "u", "addl": "U U"},
         {"ts": 1795451014.000001, "nick": "n", "command": "JOIN", "value": "#c"}],
    ),
    "quic": (
        [insert("quic", "$udp", version="2", sni="q.example", dcid="ab", alpn="h3", cipher="TLS_AES_128_GCM_SHA256")],
        [{"ts": 1795451014.000001, "version": "quicv2", "client_initial_dcid": "ab", "server_name": "q.example",
          "client_protocol": "h3"}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FURTHER)
def test_further_logs(export: Export, name: str) -> None:
    statements, expected = FURTHER[name]
    rows = [without_flow(row) for row in export(statements)[name]]
    assert [{key: value for key, value in row.items() if key != "uids"} for row in rows] == expected


def test_handshakes_of_quic(export: Export) -> None:
    logs = export([
        "UPDATE flows_ended SET app = 'quic' WHERE flow_id = $udp",
        insert("quic", "$udp", sni="q.example", cipher="TLS_AES_128_GCM_SHA256", key_group="x25519", established=True),
    ])  # fmt: skip
    [row] = [row for row in logs["ssl"] if row.get("server_name") == "q.example"]
    assert (row["version"], row["cipher"], row["curve"]) == ("TLSv13", "TLS_AES_128_GCM_SHA256", "x25519")
    assert [conn["service"] for conn in logs["conn"] if conn["uid"] == row["uid"]] == ["quic,ssl"]


def test_files_of_smb(export: Export) -> None:
    logs = export([
        insert("smb", packet=1, command="CLOSE", filename="read.txt", size=10, bytes_read=10, bytes_written=0),
        insert("smb", packet=2, command="CLOSE", filename="written.txt", bytes_read=0, bytes_written=7),
        insert("smb", packet=3, command="CLOSE", filename="untouched.txt", bytes_read=0, bytes_written=0),
    ])  # fmt: skip
    read, written = [row for row in logs["files"] if row["source"] == "SMB"]
    assert (read["filename"], read["is_orig"], read["total_bytes"], read["depth"]) == ("read.txt", False, 10, 0)
    assert (written["filename"], written["is_orig"]) == ("written.txt", True)
    assert "total_bytes" not in written
    assert read["fuid"] != written["fuid"]


def test_anomalies_of_flows(export: Export) -> None:
    logs = export([
        ("INSERT INTO anomalies (ts, capture_id, packet, flow_id, kind, detail, count) "
        f"VALUES ({AT}, 1, 1, $tcp, 'k', 'd', 1)")
    ])  # fmt: skip
    [row] = logs["weird"]
    [conn] = [conn for conn in logs["conn"] if conn["uid"] == row["uid"]]
    assert (row["id.orig_p"], row["name"], row["addl"]) == (conn["id.orig_p"], "k", "d")
    assert (row["notice"], row["peer"]) == (False, "rustnet")


def test_words() -> None:
    assert [ldap_result(name) for name in ("success", "notAllowedOnRDN", "result99")] == [
        "success", "not allowed on RDN", "unknown",
    ]  # fmt: skip
    assert [modbus_function(name) for name in ("3", "3!", "100")] == [
        "READ_HOLDING_REGISTERS", "READ_HOLDING_REGISTERS_EXCEPTION", "unknown-100",
    ]  # fmt: skip
    assert [modbus_exception(name) for name in ("illegal function", "exception 77")] == [
        "ILLEGAL_FUNCTION",
        "unknown-77",
    ]
    assert [kerberos_time(text) for text in ("19700101000001Z", "20370913", "20371313000000Z")] == [
        "1.000000",
        None,
        None,
    ]


def test_older_sessions_lack_columns_and_tables(export: Export) -> None:
    logs = export(
        ["ALTER TABLE dns DROP COLUMN additional_count", "ALTER TABLE tls DROP COLUMN sans", "DROP TABLE ssh"]
    )
    assert len(logs["dns"]) == 8
    assert "san.dns" not in logs["x509"][0]
    assert "ssh" not in logs


def test_anomalies_without_time_are_remarked(session: Path, tmp_path: Path) -> None:
    statement = "INSERT INTO anomalies (capture_id, kind, detail, count) VALUES (1, 'odd', 'x', 1)"
    assert "weird" not in exported(altered(session, tmp_path / "altered.duckdb", [statement]), tmp_path / "logs")
