"""What rustnet reads in rewritten messages, against what its tables show redacted of the originals."""

from typing import Any

import pytest

from rustnet.dissect.dhcp import Dhcp
from rustnet.dissect.dhcpv6 import Dhcpv6
from rustnet.dissect.http.record import Http
from rustnet.dissect.netbios import Netbios
from rustnet.dissect.ntp import Ntp
from rustnet.dissect.smtp import Smtp
from rustnet.dissect.ssdp import Ssdp
from rustnet.dissect.ssh import Ssh
from rustnet.dissect.stun import Stun
from rustnet.dissect.tls.parser import Tls
from rustnet.policy.redaction import SHARE, STRICT, Policy
from rustnet.records import Kind, columns
from tests.dissect.harness import fields
from tests.dissect.samples import SAMPLES, Sample
from tests.dissect.samples_udp_secure import protocols, server_name, stun
from tests.dissect.samples_web import client_hello, handshake_message, numbers, tls_record, vector
from tests.export.payloads.support import CLIENT, SERVER, redactor, rewritten, rows, stream
from tests.export.payloads.support import context as context_of

BOTH = pytest.mark.parametrize("policy", [SHARE, STRICT], ids=lambda policy: policy.name)


def agrees(packet: object, table: object) -> bool:
    """Whether a text in a packet is a table's at the length that it had."""
    if isinstance(packet, list):
        return isinstance(table, list) and all(agrees(one, other) for one, other in zip(packet, table, strict=True))
    one, other = str(packet), str(table)
    if one == other or one.rstrip("_ ") == other or (len(one) >= 3 and other.startswith(one)):
        return True
    if set(one) <= {"x"}:
        return other == "[redacted]"
    pairs = list(zip(one.split("."), other.split("."), strict=False))
    return all(
        label == shown or label.rstrip("_") == shown or shown.removeprefix("h-").startswith(label.rstrip("_"))
        for label, shown in pairs
    )


def both(app: str, sample: Sample, row: type, policy: Policy = SHARE) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Fields of rows of rewritten messages, and the redacted ones of their originals."""
    one = redactor(policy)
    before = [each for each in rows(sample.talk, sample) if isinstance(each, row)]
    after = [each for each in rows(rewritten(sample, app, policy), sample) if isinstance(each, row)]
    assert before
    assert len(before) == len(after)
    kinds = {column.name: column.kind for column in columns(row)}
    return [
        (fields(new), {name: one.value(kinds[name], value, name) for name, value in fields(old).items()})
        for new, old in zip(after, before, strict=True)
    ]


def check(app: str, row: type, *removed: str, policy: Policy = SHARE, sample: int | None = None) -> None:
    """Check that all fields but some agree."""
    for at, each in enumerate(SAMPLES[app]):
        if sample is not None and at != sample:
            continue
        for packet, table in both(app, each, row, policy):
            for name in sorted(set(table) - set(removed)):
                assert name in packet, (name, table[name])
                assert agrees(packet[name], table[name]), (name, packet[name], table[name])


@BOTH
def test_dhcp(policy: Policy) -> None:
    gone = {"client_id", "parameters"} if policy is STRICT else {"client_id"}
    check("dhcp", Dhcp, *gone, policy=policy)


def test_dhcp_client_identifier_has_the_replaced_hardware_address() -> None:
    packet, _table = both("dhcp", SAMPLES["dhcp"][0], Dhcp)[0]
    assert packet["client_id"] == "01" + packet["client_mac"].replace(":", "")


@BOTH
def test_dhcpv6(policy: Policy) -> None:
    gone = ["client_duid", "server_duid", "relay_interface", "domains", "parameters"]
    check("dhcpv6", Dhcpv6, *(gone if policy is STRICT else gone[:-1]), policy=policy)
    packet, table = both("dhcpv6", SAMPLES["dhcpv6"][0], Dhcpv6, policy)[1]
    assert packet["client_mac"] == table["client_mac"]
    assert len(packet["client_duid"]) == 28
    assert agrees(packet["domains"][1], table["domains"][1])


@BOTH
def test_netbios(policy: Policy) -> None:
    check("netbios", Netbios, "mailslot", "os_version", "comment", "operation", "names", "mac", policy=policy)


def test_ntp() -> None:
    check("ntp", Ntp, "operation")


def test_ssdp() -> None:
    check("ssdp", Ssdp, "friendly_name", "location", "server")


@BOTH
def test_stun(policy: Policy) -> None:
    check("stun", Stun, "txid_hex", "error_reason", "username", policy=policy, sample=0)


@pytest.mark.parametrize("family", [1, 2])
def test_stun_addresses_stay_readable(family: int) -> None:
    cookie, txid = b"\x21\x12\xa4\x42", bytes(range(40, 52))
    raw = bytes([93, 184, 216, 34]) if family == 1 else bytes.fromhex("26001234567800000000000000000099")
    masked = bytes(a ^ b for a, b in zip(raw, cookie + txid, strict=False))
    value = bytes((0, family)) + (40000 ^ 0x2112).to_bytes(2) + masked
    sample = Sample("udp", 3478, ((True, stun(1, txid=txid)), (False, stun(0x101, (0x20, value), txid=txid))))
    packet, table = both("stun", sample, Stun)[1]
    assert (packet["mapped_ip"], packet["mapped_port"]) == (table["mapped_ip"], 40000)
    assert packet["response_ms"] == table["response_ms"]  # request and answer still belong together


# ---- TLS -------------------------------------------------------------------------------------------------------------

HELLO = client_hello(
    (0x1301, 0xC02B),
    (
        server_name("payroll-portal.customer-site.com"),
        (10, vector(numbers(29, 23))),
        (11, b"\1\0"),
        (13, vector(numbers(0x0403, 0x0804))),
        protocols("h2", "http/1.1"),
        (43, b"\4\3\4\3\3"),
        (51, vector(numbers(29) + vector(b"K" * 32))),
        (35, b"TICKETTICKET"),
        (41, vector(vector(b"IDENTITY") + bytes(4)) + vector(vector(b"BINDERBINDERBINDERBINDERBINDER!!", 1))),
    ),
    session_id=b"S" * 32,
)


def test_fingerprints_and_names_of_a_hello() -> None:
    record = tls_record(22, handshake_message(1, HELLO))
    sample = Sample("tcp", 443, ((True, record),))
    packet, table = both("tls", sample, Tls)[0]
    assert agrees(packet.pop("sni"), table.pop("sni"))
    assert packet == table
    assert packet["ja3"]
    assert packet["ja4"]


def test_secrets_of_a_hello_are_removed() -> None:
    data, _ = stream(tls_record(22, handshake_message(1, HELLO)), context_of("tls", "tcp", 443))
    for secret in (b"KKKK", b"TICKET", b"IDENT", b"BINDER", b"SSSS", bytes(range(32)), b"payroll", b"customer"):
        assert secret not in data


def test_fingerprints_do_not_stay_under_strict() -> None:
    sample = Sample("tcp", 443, ((True, tls_record(22, handshake_message(1, HELLO))),))
    original = next(row for row in rows(sample.talk, sample) if isinstance(row, Tls))
    strict = next(row for row in rows(rewritten(sample, "tls", STRICT), sample) if isinstance(row, Tls))
    assert strict.sni
    assert strict.ja3 != original.ja3
    assert strict.ja4 != original.ja4


def test_hello_in_several_records() -> None:
    message = handshake_message(1, HELLO)
    whole, _ = stream(tls_record(22, message), context_of("tls", "tcp", 443))
    parts = [message[:70], message[70:130], message[130:]]
    data, spans = stream(b"".join(tls_record(22, part) for part in parts), context_of("tls", "tcp", 443))
    assert spans == [(0, len(data))]
    joined, at = b"", 0
    for part in parts:
        joined += data[at + 5 : at + 5 + len(part)]
        at += 5 + len(part)
    assert joined == whole[5:]


def test_certificates_and_data_are_removed() -> None:
    for sample in SAMPLES["tls"]:
        after = b"".join(data for _side, data in rewritten(sample, "tls"))
        before = b"".join(data for _side, data in sample.talk)
        assert b"server.example" not in after
        assert b"\x2a\x86\x48" not in after  # no object identifiers
        assert before.count(b"\0") < after.count(b"\0")


def test_names_of_rewritten_handshakes() -> None:
    for sample in SAMPLES["tls"]:
        for packet, table in both("tls", sample, Tls):
            assert agrees(packet["sni"], table["sni"])
            assert (packet["version"], packet["cipher"]) == (table["version"], table["cipher"])
            assert (packet["ja3"], packet["ja3s"]) == (table["ja3"], table["ja3s"])
            assert packet["established"] == table["established"]


# ---- protocols of text -----------------------------------------------------------------------------------------------


def test_http() -> None:
    for packet, table in both("http", SAMPLES["http"][0], Http):
        for name in ("method", "version", "status", "request_bytes", "has_authorization", "has_cookie"):
            assert packet.get(name) == table.get(name), name
        for name in ("host", "user_agent", "server", "uri"):
            if name in table:
                assert agrees(packet[name], table[name]), (name, packet[name], table[name])


def test_http_values_and_bodies() -> None:
    request = (
        b"POST /payroll/run?token=SECRET1 HTTP/1.1\r\nHost: intranet.customer-site.com:8080\r\n"
        b"X-Customer: SECRET2\r\n"
        b"Cookie: sid=SECRET3\r\nAuthorization: Bearer SECRET4\r\n"
        b"Content-Type: text/plain; boundary=SECRET5\r\n"
        b"Content-Length: 7\r\n\r\nSECRET6"
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7;SECRET7\r\nSECRET8\r\n"
        b"0\r\nTrailer: SECRET9\r\n\r\nGET /last HTTP/1.1\r\n\r\n"
    )
    data, _ = stream(request, context_of("http", "tcp", 80))
    assert b"SECRET" not in data
    lines = data.split(b"\r\n")
    host = redactor().value(Kind.HOST, "intranet.customer-site.com:8080")
    assert agrees(lines[1].removeprefix(b"Host: ").decode(), host)
    assert lines[4] == b"Authorization: Bearer xxxxxxx"
    assert lines[5].startswith(b"Content-Type: text/plain;xxx")
    assert b"\r\n\r\n" + bytes(7) + b"POST " in data
    assert b"\r\n7" + b" " * 8 + b"\r\n" + bytes(7) + b"\r\n0\r\n" in data
    assert data.endswith(b" HTTP/1.1\r\n\r\n")


def test_http_response_to_head_has_no_body() -> None:
    memory: dict[str, object] = {}
    client, server = context_of("http", "tcp", 80), context_of("http", "tcp", 80, client=SERVER)
    client.memory = server.memory = memory
    stream(b"HEAD /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", client)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    data, _ = stream(head + head + b"hello", server)
    assert data == head + head + bytes(5)


def test_ssh() -> None:
    packet, table = both("ssh", SAMPLES["ssh"][0], Ssh)[0]
    for name in ("hassh", "hassh_server", "established", "strict_kex"):
        assert packet.get(name) == table.get(name)
    for name in ("client_software", "server_software"):
        assert agrees(packet[name], table[name])


def test_commands_of_mail() -> None:
    sample = SAMPLES["smtp"][0]
    before = [each.command for each in rows(sample.talk, sample) if isinstance(each, Smtp)]
    after = [each.command for each in rows(rewritten(sample, "smtp"), sample) if isinstance(each, Smtp)]
    assert after == [None if command and command.startswith("unknown") else command for command in before]


def test_message_of_a_mail_is_removed() -> None:
    talk = b"EHLO me.corp\r\nMAIL FROM:<jane@corp>\r\nDATA\r\nSubject: RCPT\r\nMAIL is nice\r\n.\r\nQUIT\r\n"
    data, _ = stream(talk, context_of("smtp", "tcp", 25))
    assert data.startswith(b"EHLO xxxxxxx\r\nMAIL xxxxxxxxxxxxxxxx\r\nDATA\r\n\0\0")
    assert data.endswith(b"\0.\r\nQUIT\r\n")


def test_data_connections_of_ftp() -> None:
    before = "10.0.0.9"
    after = redactor().value(Kind.ADDRESS, before)
    line = f"PORT {before.replace('.', ',')},195,80\r\n".encode()
    data, _ = stream(line, context_of("ftp", "tcp", 21))
    if len(after) == len(before):
        assert data == f"PORT {after.replace('.', ',')},195,80\r\n".encode()
    else:
        assert data == b"x" * (len(line) - 2) + b"\r\n"
    reply, _ = stream(b"229 Entering (|||50001|)\r\n", context_of("ftp", "tcp", 21, client=SERVER))
    assert reply == b"229 xxxxxxxxx(|||50001|)\r\n"


def test_tls_after_starttls() -> None:
    hello = tls_record(22, handshake_message(1, HELLO))
    data, _ = stream(b"EHLO a.corp\r\nSTARTTLS\r\n" + hello, context_of("smtp", "tcp", 25))
    assert data[13 + 10 :] == stream(hello, context_of("tls", "tcp", 443))[0]


def test_snmp_community_is_hidden() -> None:
    for sample in SAMPLES["snmp"]:
        for _side, data in rewritten(sample, "snmp"):
            assert b"public" not in data
            assert b"core-switch" not in data


def test_cut_messages_keep_only_what_was_read() -> None:
    """A payload that the capture cut is not an error, and shows no more than the whole one."""
    for app in ("dns", "dhcp", "dhcpv6", "stun", "netbios", "ntp", "dtls"):
        for sample in SAMPLES[app]:
            if sample.transport != "udp":
                continue
            for size in range(0, len(sample.talk[0][1]), 7):
                part = Sample("udp", sample.port, ((CLIENT, sample.talk[0][1][:size]),))
                shown = rewritten(part, app)[0][1]
                whole = rewritten(sample, app)[0][1]
                assert all(byte in (0, whole[at]) or app == "stun" for at, byte in enumerate(shown)), (app, size)
