import ssl
from hashlib import md5

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.tls.fingerprints import ja3, ja3s, ja4
from rustnet.dissect.tls.handshake import parse_client_hello, parse_server_hello
from rustnet.dissect.tls.names import CIPHERS, cipher_name, version_name
from rustnet.dissect.tls.parser import TLS, Tls
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_web import (
    Peers,
    client_hello,
    client_pem,
    handshake_message,
    numbers,
    server_pem,
    tls_record,
    tls_talk,
    vector,
)

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CHROME = (
    0x1301,
    0x1302,
    0x1303,
    0xC02B,
    0xC02F,
    0xC02C,
    0xC030,
    0xCCA9,
    0xCCA8,
    0xC013,
    0xC014,
    0x9C,
    0x9D,
    0x2F,
    0x35,
)
SNI = (0, vector(b"\0" + vector(b"www.example.org")))
ALPN = (16, vector(b"\x02h2\x08http/1.1"))


def talk(said: tuple[tuple[bool, bytes], ...] | list[tuple[bool, bytes]], close: bool = True) -> tuple[Flow, list[Tls]]:
    flow = Flow(TLS)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    if close:
        flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Tls)]


def chrome(alpn: tuple[int, bytes] = ALPN) -> bytes:
    """A ClientHello with the offers of the Chrome whose JA4 FoxIO publishes, GREASE included."""
    empty = (5, 0x12, 0x15, 0x17, 0x1B, 0x23, 0x2D, 0x33, 0x4469, 0xFF01)
    extensions = [
        (0x3A3A, b""),
        SNI,
        alpn,
        (43, b"\x06" + numbers(0x4A4A, 0x0304, 0x0303)),
        (13, vector(numbers(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601))),
        (10, vector(numbers(0x1A1A, 29, 23, 24))),
        (11, b"\x01\0"),
        *((kind, b"") for kind in empty),
        (0xFAFA, b"\0"),
    ]
    return client_hello((0x2A2A, *CHROME), tuple(extensions))


def test_ja4_of_chrome() -> None:
    extensions = (5, 0x0A, 0x0B, 0x0D, 0x12, 0x15, 0x17, 0x1B, 0x23, 0x2B, 0x2D, 0x33, 0x4469, 0xFF01)
    hello = parse_client_hello(chrome())
    assert sorted(t for t in hello.types if t & 0x0F0F != 0x0A0A and t not in {0, 16}) == sorted(extensions)
    assert ja4(hello) == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    assert ja4(hello, "q").startswith("q13d1516h2_")
    assert hello.versions == (0x0304, 0x0303)


def test_ja4_of_a_chrome_with_grease_among_its_signatures() -> None:
    """FoxIO's result for its capture `sigalg-grease.pcapng`: GREASE counts nowhere, the order of signatures does."""
    types = (0xFE0D, 16, 0x17, 0x33, 0x44CD, 0xFF01, 10, 13, 0x23, 0x2B, 11, 0xCA34, 0x2D, 0, 5, 0x1B, 0x12)
    signatures = (0x0904, 0x0905, 0x0906, 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)
    known = {
        0: SNI[1],
        16: ALPN[1],
        13: vector(numbers(0x5A5A, *signatures, 0x7A7A)),
        0x2B: b"\x06" + numbers(0x4A4A, 0x0304, 0x0303),
    }
    extensions = ((0x3A3A, b""), *((kind, known.get(kind, b"")) for kind in types), (0xFAFA, b"\0"))
    assert ja4(parse_client_hello(client_hello((0x2A2A, *CHROME), extensions))) == (
        "t13d1517h2_8daaf6152771_cb7bf5808d99"
    )


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"http/1.1", "h1"),
        (b"h", "hh"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
        (b"\x0a\x0a", "00"),
    ],
)
def test_ja4_protocol(first: bytes, code: str) -> None:
    assert ja4(parse_client_hello(chrome((16, vector(vector(first, 1))))))[8:10] == code


def test_ja4_without_anything() -> None:
    hello = parse_client_hello(client_hello((), None, 0x0301))
    assert ja4(hello) == "t10i000000_000000000000_000000000000"
    many = parse_client_hello(client_hello(tuple(range(1, 150)), tuple((0x5000 + i, b"") for i in range(120))))
    assert ja4(many)[:8] == "t12i9999"


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0", "ada70206e40642a3e4461f35503241d5"),
        ("769,4-5-10-9-100-98-3-6-19-18-99,,,", "de350869b8c85de67a350c8d186f11e6"),
    ],
)
def test_published_ja3(text: str, digest: str) -> None:
    version, ciphers, extensions, groups, points = text.split(",")
    bodies = {
        10: vector(numbers(*map(int, groups.split("-")))) if groups else b"",
        11: b"\x01\0" if points else b"",
        0: SNI[1],
    }
    offered = tuple((int(e), bodies[int(e)]) for e in extensions.split("-") if e)
    hello = parse_client_hello(client_hello(tuple(map(int, ciphers.split("-"))), offered or None, int(version)))
    assert md5(text.encode()).hexdigest() == digest
    assert ja3(hello) == digest


def test_ja3_ignores_grease() -> None:
    text = "771," + "-".join(map(str, CHROME)) + ",0-16-43-13-10-11-5-18-21-23-27-35-45-51-17513-65281,29-23-24,0"
    assert ja3(parse_client_hello(chrome())) == md5(text.encode()).hexdigest()


def test_ja3s() -> None:
    body = (
        b"\x03\x03"
        + bytes(32)
        + b"\0"
        + numbers(0xC02F)
        + b"\0"
        + vector(numbers(0xFF01, 1) + b"\0" + numbers(0x0B, 2) + b"\x01\0")
    )
    assert ja3s(parse_server_hello(body)) == md5(b"771,49199,65281-11").hexdigest()


def test_genuine_tls_12() -> None:
    flow, (row,) = talk(tls_talk(12), close=False)
    assert (row.sni, row.version, row.alpn) == ("www.example.org", "TLS 1.2", "h2")
    assert row.cipher is not None
    assert row.cipher.startswith("TLS_ECDHE_ECDSA_WITH_")
    assert row.key_group == "x25519"
    assert row.offered_alpn == ["h2", "http/1.1"]
    assert row.offered_versions == ["TLS 1.2"]
    assert (row.subject, row.issuer, row.self_signed) == ("CN=server.example", "CN=server.example", True)
    assert row.sans == ["www.example.org", "*.example.org"]
    assert row.not_before == 1_704_164_645_000_000_000
    assert row.not_after == row.not_before + 90 * 86_400 * 10**9
    real = x509.load_pem_x509_certificate(server_pem()[0])
    assert row.cert_sha256 == real.fingerprint(hashes.SHA256()).hex()
    assert (row.cert_key_type, row.cert_key_bits, row.cert_signature) == ("EC", 256, "ecdsaWithSha256")
    assert (row.cert_serial, row.chain_length) == ("1234567890", 1)
    assert (row.established, row.resumed, row.hello_retry) == (True, False, False)
    assert row.server_hello_ms == 1.0
    assert (row.alert, row.client_subject) == (None, None)
    assert (flow.talk.hostname, flow.talk.hostname_source) == ("www.example.org", "sni")
    assert (flow.talk.finished, flow.talk.state) == (True, "ESTABLISHED")
    assert flow.sink.stamps == [(1_001_000_000, 1)]


def test_genuine_tls_13() -> None:
    flow, (row,) = talk(tls_talk(13), close=False)
    assert (row.sni, row.version, row.cipher) == ("www.example.org", "TLS 1.3", "TLS_AES_256_GCM_SHA384")
    assert (row.key_group, row.alpn, row.subject) == ("x25519", None, None)
    assert (row.resumed, row.early_data, row.ech, row.esni) == (False, False, False, False)
    assert row.ja4 is not None
    assert row.ja4.startswith("t13d")
    assert flow.talk.finished


def test_hello_retry_is_the_same_row() -> None:
    said = Peers(V13, curve="secp384r1").shake()
    assert sum(1 for side, data in said if side and data[5] == 1) == 2
    flow, (row,) = talk(said)
    assert (row.hello_retry, row.version, row.key_group) == (True, "TLS 1.3", "secp384r1")
    assert flow.sink.anomalies == []


def test_client_certificate() -> None:
    _, (row,) = talk(Peers(V12, mutual=True).shake())
    assert (row.subject, row.client_subject) == ("CN=server.example", "CN=Some Client")
    assert row.client_cert_sha256 == x509.load_pem_x509_certificate(client_pem()[0]).fingerprint(hashes.SHA256()).hex()


@pytest.mark.parametrize("version", [V12, V13])
def test_resumption(version: ssl.TLSVersion) -> None:
    peers = Peers(version)
    peers.shake()
    assert peers.session is not None
    _, (row,) = talk(peers.shake(reuse=True))
    assert (row.resumed, row.subject) == (True, None)


@pytest.mark.parametrize("version", [12, 13])
def test_one_sided_captures(version: int) -> None:
    said = tls_talk(version)
    _, (row,) = talk([s for s in said if s[0] == CLIENT])
    assert (row.sni, row.version) == ("www.example.org", None)
    _, (row,) = talk([s for s in said if s[0] == SERVER])
    assert (row.sni, row.version, row.ja3) == (None, f"TLS 1.{version - 10}", None)
    assert row.ja3s is not None


def test_client_data_is_waited_out_only_a_while() -> None:
    flow = Flow(TLS)
    flow.feed(tls_talk(13)[0][1])
    for _ in range(40):
        flow.feed(tls_record(23, bytes(50)))
    assert flow.talk.finished
    assert len(flow.rows) == 1


def test_handshake_in_tiny_records() -> None:
    message = handshake_message(1, chrome())
    small = b"".join(tls_record(22, message[i : i + 1]) for i in range(len(message)))
    _, (row,) = talk([(CLIENT, small)])
    assert row.ja4 == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_a_hello_of_64_kib() -> None:
    message = handshake_message(1, client_hello((0x1301,), (SNI, (21, bytes(65_000)))))
    records = b"".join(tls_record(22, message[i : i + 16_384]) for i in range(0, len(message), 16_384))
    flow = Flow(TLS)
    flow.feed(records, chunk=1460)
    flow.close()
    assert [r.sni for r in flow.rows] == ["www.example.org"]  # type: ignore[attr-defined]


def test_alerts() -> None:
    hello = tls_talk(13)[0][1]
    flow, (row,) = talk([(CLIENT, hello), (SERVER, tls_record(21, b"\x02\x28"))], close=False)
    assert (row.alert, row.alert_level, row.alert_from_client) == ("handshake_failure", "fatal", False)
    assert flow.talk.finished
    _, (row,) = talk([(CLIENT, hello), (SERVER, tls_record(21, b"\x01\x70")), *tls_talk(13)[1:]])
    assert (row.alert, row.alert_level, row.version) == ("unrecognized_name", "warning", "TLS 1.3")
    _, (row,) = talk([(SERVER, tls_record(21, b"\x02\x46"))])
    assert (row.alert, row.alert_from_client) == ("protocol_version", None)


def test_ssl_2_hellos() -> None:
    ciphers = bytes.fromhex("0100800700c000c02f")
    body = b"\x01\x03\x01" + numbers(len(ciphers), 0, 16) + ciphers + bytes(16)
    record = numbers(0x8000 | len(body)) + body
    flow = Flow(TLS)
    assert [flow.probe(record[:n]) for n in (1, 5, 11, len(record))] == [MORE, MORE, YES, YES]
    _, (row,) = talk([(CLIENT, record), *tls_talk(12)[1:]])
    assert (row.offered_versions, row.version) == (["TLS 1.0"], "TLS 1.2")
    old = record.replace(b"\x01\x03\x01", b"\x01\0\x02")
    _, (row,) = talk([(CLIENT, old), (SERVER, b"\x84\x00\x04\x00\x01\x00\x02")])
    assert (row.offered_versions, row.version) == (["SSL 2.0"], "SSL 2.0")


def test_a_capture_that_begins_behind_the_handshake() -> None:
    flow, rows = talk([(CLIENT, tls_record(23, bytes(100), 0x0303) * 2)])
    assert rows == []
    assert flow.talk.finished
    assert flow.sink.anomalies == []


def test_malformed() -> None:
    with pytest.raises(DissectError):
        Flow(TLS).feed(b"hello, world")
    hello = tls_talk(12)[0][1]
    flow, (row,) = talk([(CLIENT, hello), (SERVER, b"HTTP/1.1 400 Bad Request\r\n\r\n")])
    assert row.sni == "www.example.org"
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_tls"]
    broken = handshake_message(1, client_hello((1,), (SNI,))[:-3])
    flow, (row,) = talk([(CLIENT, tls_record(22, broken))])
    assert (row.sni, row.ja3) == (None, None)
    assert flow.sink.anomalies == [("malformed_tls", "extensions exceed their hello")]


def test_a_malformed_certificate_does_not_cost_the_row() -> None:
    said = list(tls_talk(12))
    flow = Flow(TLS)
    flow.feed(said[0][1])
    server_hello = b"\x03\x03" + bytes(32) + b"\0" + numbers(0xC02F) + b"\0"
    chain = handshake_message(11, vector(vector(b"\x30\x03\x02\x01\x00", 3), 3))
    flow.feed(tls_record(22, handshake_message(2, server_hello) + chain + handshake_message(14, b"")), SERVER)
    flow.close()
    (row,) = flow.rows
    assert isinstance(row, Tls)
    assert (row.version, row.chain_length, row.subject) == ("TLS 1.2", 1, None)
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_certificate"]


def test_gap_tells_what_is_known() -> None:
    flow = Flow(TLS)
    flow.feed(tls_talk(12)[0][1])
    flow.lose(100, SERVER)
    assert len(flow.rows) == 1


def test_encrypted_client_hello_is_noted() -> None:
    _, (row,) = talk(
        [(CLIENT, tls_record(22, handshake_message(1, client_hello((1,), ((0xFE0D, b"x"), (0xFFCE, b""))))))]
    )
    assert (row.ech, row.esni) == (True, True)


def test_names() -> None:
    assert cipher_name(0xC02F) == "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    assert cipher_name(0xC0B5) == "TLS_SHA384_SHA384"
    assert cipher_name(0x00A6) == "TLS_DH_anon_WITH_AES_128_GCM_SHA256"
    assert cipher_name(0xC09B) == "TLS_ECDHE_PSK_WITH_CAMELLIA_256_CBC_SHA384"
    assert cipher_name(0x4711) == "0x4711"
    assert len(CIPHERS) == len(set(CIPHERS.values()))
    assert [version_name(v) for v in (0x0300, 0x7F1C, 0x9999)] == ["SSL 3.0", "TLS 1.3 draft 28", "0x9999"]


def test_names_agree_with_the_tls_library() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    for known in context.get_ciphers():
        number = known["id"] & 0xFFFF
        if known["name"].startswith("TLS_"):
            assert CIPHERS[number] == known["name"]
        assert number in CIPHERS


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (tls_record(22, handshake_message(1, chrome())), 9999, YES),
        (tls_record(22, handshake_message(2, bytes.fromhex("0303") + bytes(40))), 9999, YES),
        (b"\x16", 9999, MORE),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9999, MORE),
        (b"\x16\x02\x01", 9999, NO),
        (b"\x16\x03\x01\xff\xff\x01\x00\x01\xfc\x03\x03", 443, NO),
        (tls_record(21, b"\x02\x28"), 9999, YES),
        (tls_record(21, b"\x09\x28"), 9999, NO),
        (tls_record(20, b"\x01"), 9999, YES),
        (tls_record(23, bytes(40)), 443, YES),
        (tls_record(23, bytes(40)), 9999, NO),
        (tls_record(23, bytes(40), 0x0303) * 2, 9999, YES),
        (tls_record(22, b"\x99" * 40), 9999, NO),
        (tls_record(22, b"\x99" * 40), 443, YES),
        (b"\x80\x2e\x01", 9999, MORE),
        (b"\xff" * 40, 443, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(TLS, dst_port=port).probe(data) == verdict
