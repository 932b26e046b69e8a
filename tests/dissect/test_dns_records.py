"""Texts of the types of DNS records that have a presentation form."""

import struct
from base64 import b64decode, b64encode

import pytest

from rustnet.bounds import MARK
from rustnet.dissect.dns.parser import DNS, Dns
from tests.dissect.harness import Flow
from tests.dissect.samples_web import HERE, answer, dns, name, question


def read(kind: int, data: bytes) -> tuple[Flow, Dns]:
    flow = Flow(DNS, "udp")
    flow.datagram(dns(0x8180, (question("q.test", kind),), (answer(HERE, kind, data),)))
    (row,) = flow.rows
    assert isinstance(row, Dns)
    return flow, row


def text_of(kind: int, data: bytes) -> str:
    flow, row = read(kind, data)
    assert row.answers is not None
    assert flow.sink.anomalies == []
    return row.answers[0]


def strings(*items: bytes) -> bytes:
    return b"".join(bytes([len(item)]) + item for item in items)


def parameter(key: int, value: bytes = b"") -> bytes:
    return struct.pack(">HH", key, len(value)) + value


V6 = bytes.fromhex("20010db8000000000000000000000001")
HASH = bytes.fromhex("174eb2409fe28bcb4887a1836f957f0a8425e27b")
BITMAP = b"\0\x04\x40\0\0\x08" + b"\x01\x01\x40"  # A, AAAA, CAA
SIGNED = struct.pack(">HBBIIIH", 1, 8, 2, 300, 1_700_000_000, 1_699_000_000, 2642) + name("s.test")
KEY = b64decode("AQPSKmynfzW4kyBv015MUG2DeIQ3")
BOSTON = struct.pack(
    ">3I", (1 << 31) + ((42 * 60 + 21) * 60 + 54) * 1000, (1 << 31) - ((71 * 60 + 6) * 60 + 18) * 1000, 9_997_600
)
SERVICE = b"\0\x01\0"


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (11, bytes([192, 0, 2, 1, 6]) + b"\0\0\0\x40" + bytes(6) + b"\x80", "192.0.2.1 6 25 80"),
        (14, name("a.test") + name("b.test"), "a.test b.test"),
        (17, name("admin.test") + b"\0", "admin.test ."),
        (18, b"\0\x01" + name("afs.test"), "1 afs.test"),
        (19, strings(b"311061700956"), '"311061700956"'),
        (20, strings(b"150862028003217", b"004"), '"150862028003217" "004"'),
        (21, b"\0\x0a" + name("rt.test"), "10 rt.test"),
        (22, bytes.fromhex("470005"), "0x470005"),
        (24, SIGNED + b"sig", "A 8 2 300 20231114221320 20231103082640 2642 s.test c2ln"),
        (25, b"\x02\0\x03\x05" + KEY, "512 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3"),
        (26, b"\0\x0a" + name("a.test") + name("b.test"), "10 a.test b.test"),
        (27, strings(b"-32.6882", b"116.8652", b"10.0"), "-32.6882 116.8652 10.0"),
        (29, b"\0\x33\x16\x13" + BOSTON, "42 21 54.000 N 71 6 18.000 W -24.00m 30m 10000m 10m"),
        (29, b"\0\x51\0\0" + struct.pack(">3I", (1 << 31) - 1, (1 << 31) - 3_600_000, 10_000_150),
            "0 0 0.001 S 1 0 0.000 W 1.50m 0.50m 0m 0m"),
        (29, b"\x01rest", "\\# 5 0172657374"),
        (30, name("next.test") + b"\x60\0\0\x08", "next.test A NS AAAA"),
        (35, b"\0\x64\0\x0a" + strings(b"u", b"E2U+sip", b"!^.*$!sip:info@example.com!") + b"\0",
            '100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .'),
        (35, b"\0\x01\0\x02" + strings(b"", b"", b'a\\b"c\x07') + name("n.test"), '1 2 "" "" "a\\\\b\\"c\\007" n.test'),
        (36, b"\0\x01" + name("kx.test"), "1 kx.test"),
        (37, b"\0\x01\0\x07\x08" + b"cert", "PKIX 7 8 Y2VydA=="),
        (37, b"\0\x63\0\x07\x08" + b"cert", "99 7 8 Y2VydA=="),
        (38, b"\0" + V6, "0 2001:db8::1"),
        (38, b"\x40" + V6[8:] + name("p.test"), "64 ::1 p.test"),
        (42, bytes.fromhex("00011803c000020002208420010db800010000"),
            "1:192.0.2.0/24 !2:2001:db8::/32 1:0.0.0.0/0"),
        (43, struct.pack(">HBB", 60485, 5, 1) + b"\xab" * 20, "60485 5 1 " + "ab" * 20),
        (44, b"\x04\x02" + b"\xcd" * 32, "4 2 " + "cd" * 32),
        (45, b"\x0a\x01\x02\xc0\0\x02\x26key", "10 1 2 192.0.2.38 a2V5"),
        (45, b"\x0a\0\0", "10 0 0 ."),
        (45, b"\x0a\x02\x02" + V6 + b"key", "10 2 2 2001:db8::1 a2V5"),
        (45, b"\x0a\x03\x02" + name("gw.test") + b"key", "10 3 2 gw.test a2V5"),
        (46, SIGNED + b"sig", "A 8 2 300 20231114221320 20231103082640 2642 s.test c2ln"),
        (47, name("next.test") + BITMAP, "next.test A AAAA CAA"),
        (48, b"\x01\x01\x03\x08" + KEY, "257 3 8 AQPSKmynfzW4kyBv015MUG2DeIQ3"),
        (49, b"\0\x01\x02digest", b64encode(b"\0\x01\x02digest").decode()),
        (50, b"\x01\x01\0\x0c\x04\xaa\xbb\xcc\xdd\x14" + HASH + BITMAP,
            "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr A AAAA CAA"),
        (51, b"\x01\0\0\x0a\0", "1 0 10 -"),
        (52, b"\x03\x01\x01" + b"\xab" * 32, "3 1 1 " + "ab" * 32),
        (53, b"\0\0\0", "0 0 0"),
        (55, b"\x04\x02\0\x03\x01\x02\x03\x04key" + name("rvs.test"), "2 01020304 a2V5 rvs.test"),
        (56, strings(b"status", b"x y"), '"status" "x y"'),
        (59, struct.pack(">HBB", 0, 0, 0) + b"\0", "0 0 0 00"),
        (60, b"\0\0\x03\0\0", "0 3 0 AA=="),
        (61, b"pgp", "cGdw"),
        (62, struct.pack(">IH", 66, 3) + BITMAP, "66 3 A AAAA CAA"),
        (63, struct.pack(">IBB", 2018031900, 1, 1) + b"\xc6" * 12, "2018031900 1 1 " + "c6" * 12),
        (66, b"\0\x3b\x01\x14\xef" + name("n.test"), "CDS 1 5359 n.test"),
        (104, b"\0\x0a" + bytes.fromhex("00144fffff20ee64"), "10 0014:4fff:ff20:ee64"),
        (105, b"\0\x0a\x0a\x01\x02\0", "10 10.1.2.0"),
        (106, b"\0\x0a" + bytes.fromhex("20010db811401000"), "10 2001:0db8:1140:1000"),
        (107, b"\0\x0a" + name("l64.test"), "10 l64.test"),
        (108, bytes.fromhex("00005e00532a"), "00-00-5e-00-53-2a"),
        (109, bytes.fromhex("00005eef1000002a"), "00-00-5e-ef-10-00-00-2a"),
        (249, name("gss-tsig") + struct.pack(">IIHHH", 1_699_000_000, 1_700_000_000, 3, 0, 5) + b"token\0\0",
            "gss-tsig 20231103082640 20231114221320 3 0 5"),
        (250, name("hmac-sha256") + struct.pack(">HIHH4s", 0, 1_700_000_000, 300, 4, b"mac!") + b"\x12\x34\0\x10\0\0",
            "hmac-sha256 1700000000 300 4 4660 16"),
        (256, b"\0\x0a\0\x01ftp://ftp1.example.com/public", '10 1 "ftp://ftp1.example.com/public"'),
        (260, b"\x0a\x81\xcb\0\x71\x0f", "10 1 1 203.0.113.15"),
        (261, strings(b"qnamemin", b"exterr=15,16"), '"qnamemin" "exterr=15,16"'),
        (32769, struct.pack(">HBB", 1, 8, 2) + b"\x01", "1 8 2 01"),
    ],
)  # fmt: skip
def test_presentation_forms(kind: int, data: bytes, text: str) -> None:
    assert text_of(kind, data) == text


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (b"", "1 ."),
        (parameter(1, strings(b"h2", b"h3")) + parameter(4, b"\x01\x02\x03\x04"), "1 . alpn=h2,h3 ipv4hint=1.2.3.4"),
        (parameter(0, b"\0\x01\0\x04\x02\x9b") + parameter(2), "1 . mandatory=alpn,ipv4hint,key667 no-default-alpn"),
        (parameter(1, strings(rb"f\oo,bar", b"h2")), r"1 . alpn=f\\\\oo\\,bar,h2"),
        (parameter(3, b"\x20\xfb") + parameter(5, b"ECHCONFIG"), "1 . port=8443 ech=RUNIQ09ORklH"),
        (parameter(6, V6 + bytes(16)), "1 . ipv6hint=2001:db8::1,::"),
        (parameter(7, b"/dns-query{?dns}") + parameter(8), "1 . dohpath=/dns-query{?dns} ohttp"),
        (parameter(9, b"\0\x1d\x11\xec"), "1 . tls-supported-groups=29,4588"),
        (parameter(7, b"/a b\"c"), '1 . dohpath="/a b\\"c"'),
        (parameter(667, b"hello") + parameter(65400, b"x\0y\xd2"), r"1 . key667=hello key65400=x\000y\210"),
        (parameter(3, b"\x01"), r"1 . key3=\001"),  # not a port
        (parameter(4, b"abc"), "1 . key4=abc"),
        (parameter(1, b"\x05h2"), r"1 . key1=\005h2"),
    ],
)  # fmt: skip
def test_service_bindings(parameters: bytes, text: str) -> None:
    assert text_of(65, SERVICE + parameters) == text
    assert text_of(64, SERVICE + parameters) == text


def test_the_alias_form_of_a_service_binding() -> None:
    assert text_of(65, b"\0\0" + name("real.example.net")) == "0 real.example.net"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (35, b"\0\x01\0\x02\x01a\x01"),
        (35, b"\0\x01\0\x02" + strings(b"a", b"b")),
        (43, b"\0\x01\x05"),
        (29, b"\0\x12\x16\x13"),
        (29, b"\0\xf2\0\0" + bytes(12)),
        (42, b"\0\x01\x18\x04\xc0"),
        (42, b"\0\x03\x18\0"),
        (45, b"\x0a\x07\x02"),
        (50, b"\x01\x01\0\x0c\x09\xaa"),
        (50, b"\x01\x01\0\x0c\0\x09\xaa"),
        (55, b"\xff\x02\0\x03\x01"),
        (38, b"\xff"),
        (108, bytes(5)),
        (106, b"\0\x0a" + bytes(4)),
        (105, b"\0\x0a" + bytes(8)),
        (27, strings(b"1", b"2")),
        (250, name("hmac-sha256") + bytes(8) + b"\xff\xff"),
    ],
)
def test_malformed_data_remains_as_bytes(kind: int, data: bytes) -> None:
    flow, row = read(kind, data)
    assert row.answers == [f"\\# {len(data)} {data.hex()}"]
    assert [anomaly for anomaly, _ in flow.sink.anomalies] == ["malformed_dns"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (48, b"\x01\x01\x03\x08" + bytes(9000)),
        (46, SIGNED + bytes(9000)),
        (52, bytes(9000)),
        (61, bytes(9000)),
        (16, strings(*[b"x" * 255] * 9)),
        (20, strings(*[b""] * 300)),
        (42, bytes.fromhex("00010000") * 300),
        (47, name("next.test") + b"".join(bytes([window, 32]) + b"\xff" * 32 for window in range(200))),
        (65, SERVICE + parameter(4, bytes(9000))),
        (65, SERVICE + b"".join(parameter(key, b"v") for key in range(1000, 1300))),
        (65, SERVICE + parameter(1, strings(*[b"h2"] * 300))),
        (256, b"\0\x01\0\x01" + b"\xff" * 9000),
        (257, b"\0\x05issue" + b"\x01" * 9000),
        (11, bytes([192, 0, 2, 1, 6]) + b"\xff" * 8192),
    ],
)
def test_what_was_cut_ends_with_a_mark(kind: int, data: bytes) -> None:
    text = text_of(kind, data)
    assert text.endswith(MARK)
    assert len(text) <= 1024


def test_a_key_that_was_negotiated_is_not_stored() -> None:
    token = b"NTLMSSP-very-secret"
    data = name("gss-tsig") + struct.pack(">IIHHH", 0, 0, 3, 0, len(token)) + token + b"\0\0"
    assert "secret" not in text_of(249, data)
    assert b64encode(token).decode()[:12] not in text_of(249, data)


def test_ports_of_a_long_map_of_services() -> None:
    bits = bytearray(8192)
    bits[0], bits[3], bits[8191] = 0x01, 0x80, 0x01
    assert text_of(11, b"\xc0\0\2\x07\6" + bits) == "192.0.2.7 6 7 24 65535"
    assert text_of(11, b"\xc0\0\2\x07\x11" + b"\xff" * 8192).endswith(f" 62 63 {MARK}")
