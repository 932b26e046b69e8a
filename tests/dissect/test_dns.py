import struct
from socket import AF_INET6, inet_ntop, inet_pton

import pytest

from rustnet.dissect.dns.message import parse
from rustnet.dissect.dns.parser import DNS, LLMNR, MDNS, Dns
from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError, Dissector
from rustnet.engine import flow as engine_flow
from tests.dissect.harness import Flow
from tests.dissect.samples_web import DNS_QUERY, DNS_RESPONSE, HERE, MDNS_RESPONSE, answer, dns, framed, name, question
from tests.support.effort import assert_linear


def read(*messages: bytes, dissector: Dissector = DNS, transport: str = "udp") -> tuple[Flow, list[Dns]]:
    flow = Flow(dissector, transport)
    for message in messages:
        flow.datagram(message)
    return flow, [row for row in flow.rows if isinstance(row, Dns)]


def text_of(kind: int, data: bytes) -> str:
    _, rows = read(dns(0x8180, (question("q.test", kind),), (answer(HERE, kind, data),)))
    assert rows[0].answers is not None
    return rows[0].answers[0]


def test_query_and_response() -> None:
    flow, (query, response) = read(DNS_QUERY, DNS_RESPONSE)
    assert (query.query, query.qtype, query.qclass, query.opcode) == ("www.example.com", "A", "IN", "QUERY")
    assert (query.response, query.rcode, query.answers) == (False, None, None)
    assert (query.edns_version, query.edns_udp_size, query.dnssec_ok) == (0, 1232, True)
    assert response.response
    assert response.rcode == "NOERROR"
    assert response.answers == ["cdn.net", "93.184.216.34", "2001:db8::1"]
    assert response.answer_types == ["CNAME", "A", "AAAA"]
    assert response.answer_names is None
    assert response.cnames == ["cdn.net"]
    assert response.ttl == 60
    assert response.rtt_ms == 1.0
    assert (response.questions, response.answer_count) == (1, 3)
    assert flow.sink.names == [
        ("93.184.216.34", "www.example.com", "dns", 60),
        ("2001:db8::1", "www.example.com", "dns", 90),
    ]
    assert flow.talk.state == "DNS_RESPONSE"
    assert flow.sink.anomalies == []


def test_only_the_same_question_and_id_answers() -> None:
    other = dns(0x8180, (question("other.test"),))
    _, rows = read(DNS_QUERY, other, dns(0x8180, (question("www.Example.com"),), txid=9))
    assert [row.rtt_ms for row in rows] == [None, None, None]


def test_outstanding_queries_are_bounded() -> None:
    flow, rows = read(*(dns(questions=(question(f"n{i}.test"),)) for i in range(500)))
    assert len(rows) == 500
    assert len(flow.parser.asked) <= 64  # type: ignore[attr-defined]


def test_tcp_several_messages_in_a_segment() -> None:
    flow = Flow(DNS, "tcp")
    flow.feed(framed(DNS_QUERY) + framed(dns(questions=(question("b.test", 252),))))
    assert [(row.query, row.qtype) for row in flow.rows] == [("www.example.com", "A"), ("b.test", "AXFR")]  # type: ignore[attr-defined]


def test_tcp_message_of_64_kib() -> None:
    flow = Flow(DNS, "tcp")
    many = tuple(answer(HERE, 16, b"\xff" + b"x" * 255) for _ in range(240))
    message = dns(0x8180, (question("big.test", 16),), many)
    assert len(message) > 64_000
    flow.feed(framed(message), False, 1460)
    assert len(flow.rows) == 1


def test_tcp_malformed_message_does_not_end_the_stream() -> None:
    flow = Flow(DNS, "tcp")
    flow.feed(framed(DNS_QUERY) + framed(b"short") + framed(DNS_QUERY))
    assert len(flow.rows) == 2
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_dns"]


def test_mdns_teaches_names_of_every_section() -> None:
    flow, (row,) = read(MDNS_RESPONSE, dissector=MDNS)
    assert row.query is None
    assert row.transport == "mdns"
    assert row.answers == ["My Printer._ipp._tcp.local", "0 0 631 printer.local", "10.0.0.9"]
    assert row.answer_names == ["_ipp._tcp.local", "My Printer._ipp._tcp.local"]
    assert flow.sink.names == [("10.0.0.9", "printer.local", "mdns", 120)]


def test_every_question_is_a_row() -> None:
    message = dns(0, (question("a.local", 12, 0x8001), question("b.local", 255)))
    _, rows = read(message, dissector=MDNS)
    assert [(r.query, r.qtype, r.qclass) for r in rows] == [("a.local", "PTR", "IN"), ("b.local", "ANY", "IN")]
    assert [r.questions for r in rows] == [2, 2]


def test_llmnr_in_utf8() -> None:
    _, (row,) = read(dns(0, (question("小佛專機"),)), dissector=LLMNR)
    assert (row.query, row.transport) == ("小佛專機", "llmnr")


def test_escapes_and_root() -> None:
    odd = b"\x05a.b\\\x01\x02\xffz\0"
    _, rows = read(dns(questions=(odd + bytes([0, 1, 0, 1]),)), dns(questions=(question("", 2),)))
    assert rows[0].query == r"a\.b\\\001.\255z"
    assert rows[1].query == ""


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (2, name("ns.test"), "ns.test"),
        (6, name("ns.test") + name("root.test") + struct.pack(">5I", 1, 2, 3, 4, 5), "ns.test root.test 1 2 3 4 5"),
        (12, b"\x03ptr" + HERE, "ptr.q.test"),
        (15, b"\0\x0a" + name("mx.test"), "mx.test"),
        (15, b"\0\0\0", "."),
        (16, b"\x06v=spf1", "v=spf1"),
        (16, b"\x01a\x02b\0", '"a" "b\\000"'),
        (16, b'\x02a"\x02\\b', '"a\\"" "\\\\b"'),
        (33, struct.pack(">HHH", 1, 2, 443) + name("srv.test"), "1 2 443 srv.test"),
        (257, b"\0\x05issueca.test", '0 issue "ca.test"'),
        (65280, b"\x01\x02", "\\# 2 0102"),
        (1, b"\x01", "\\# 1 01"),
    ],
)
def test_record_texts(kind: int, data: bytes, text: str) -> None:
    assert text_of(kind, data) == text


@pytest.mark.parametrize(
    "ip",
    [
        "2001:db8::1",
        "2001:db8::",
        "2001:db8:0:1::1",
        "2001:0:0:1::1",
        "2001:db8:1:0:0:1:0:0",
        "fe80::1234:0:ffff:a0",
        "ff02:1:2:3:4:5:6:7",
        "1:0:2:0:3:0:4:0",
        "::",
        "::1",
        "::1.2.3.4",
        "::ffff:1.2.3.4",
        "0:1::",
    ],
)
def test_ipv6_texts(ip: str) -> None:
    raw = inet_pton(AF_INET6, ip)
    assert text_of(28, raw) == inet_ntop(AF_INET6, raw)


@pytest.mark.parametrize("raw", [b"\0\1\x63\x64", b"\xff\x0a\x09\xc8"])
def test_ipv4_texts(raw: bytes) -> None:
    assert text_of(1, raw) == ".".join(map(str, raw))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"tab\tbell\x7f", "tab\\009bell\\127"),
        ("é€😀\t".encode(), "é€😀\\009"),
        ("\x85".encode(), "\\194\\133"),
        (b"\xff\xc3\xa9\xed\xb2\x80", "\\255é\\237\\178\\128"),
        (b"\x01" * 255, "\\001" * 255),
    ],
)
def test_texts_that_are_not_plain(raw: bytes, text: str) -> None:
    assert text_of(16, bytes((len(raw),)) + raw) == text


def test_answers_find_their_queries_in_any_number() -> None:
    asked = [dns(questions=(question(name, kind),), txid=txid) for name, kind, txid in _ASKED]
    answered = [dns(0x8180, (question(name, kind),), txid=txid) for name, kind, txid in _ASKED]
    _, rows = read(*asked, *reversed(answered), asked[0], answered[0], answered[0])
    times = [row.rtt_ms is not None for row in rows]
    assert times == [False] * len(asked) + [True] * len(asked) + [False, True, False]


_ASKED = [("a.test", 1, 1), ("a.test", 28, 1), ("a.test", 1, 2), ("b.test", 1, 1)]


def test_unknown_numbers() -> None:
    _, rows = read(dns(0x8180 | 0x7800 | 11, (question("q.test", 65280, 9),)))
    assert (rows[0].qtype, rows[0].qclass, rows[0].opcode, rows[0].rcode) == (
        "TYPE65280",
        "CLASS9",
        "OPCODE15",
        "DSOTYPENI",
    )


def test_extended_rcode_and_client_subnet() -> None:
    subnet = b"\0\x08\0\x07\0\x01\x18\0\xcb\0\x71"
    opt = b"\0" + struct.pack(">HHIH", 41, 512, 0x01000000, len(subnet)) + subnet
    _, rows = read(dns(0x8180, (question("q.test"),), (), (), (opt,)))
    assert (rows[0].rcode, rows[0].client_subnet, rows[0].dnssec_ok) == ("BADVERS", "203.0.113.0/24", False)


def test_mapped_address_is_learned_as_ipv4() -> None:
    mapped = bytes(10) + b"\xff\xff\x01\x02\x03\x04"
    flow, rows = read(dns(0x8180, (question("q.test", 28),), (answer(HERE, 28, mapped),)))
    assert rows[0].answers == ["::ffff:1.2.3.4"]
    assert flow.sink.names[0][0] == "1.2.3.4"


def test_failed_answers_teach_nothing() -> None:
    flow, _ = read(dns(0x8183, (question("q.test"),), (answer(HERE, 1, bytes(4)),)))
    assert flow.sink.names == []


@pytest.mark.parametrize(
    "bad",
    [
        b"\xc0\x0c",  # points to itself
        b"\xc0\x40",  # points forward
        b"\x01a\xc0\x0c",  # loops
        b"\x41" + bytes(70),  # reserved label type
        (b"\x3f" + b"a" * 63) * 4 + b"\0",  # longer than 255
        b"\x05abc",  # cut off
        b"",
    ],
)
def test_bad_question_names(bad: bytes) -> None:
    message = struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + bad + bytes([0, 1, 0, 1])
    with pytest.raises(DissectError):
        parse(message[: len(message) if bad not in {b"", b"\x05abc"} else 12 + len(bad)])


def test_fault_behind_the_question_keeps_the_row() -> None:
    good = answer(HERE, 1, bytes([1, 2, 3, 4]))
    bad = answer(b"\xc0\xff", 1, bytes([5, 6, 7, 8]))
    flow, rows = read(dns(0x8180, (question("q.test"),), (bad, good)))
    assert rows[0].answers == ["5.6.7.8", "1.2.3.4"]
    assert flow.sink.anomalies[0][0] == "malformed_dns"
    flow, rows = read(dns(0x8180, (question("q.test"), b"\xc0\xff\0\1\0\1")))
    assert [row.query for row in rows] == ["q.test"]
    assert len(flow.sink.anomalies) == 1
    long = b"\x3f" + b"a" * 63
    flow, rows = read(dns(0x8180, (question("q.test"), long * 4 + b"\0\0\1\0\1"), (good,)))
    assert (rows[0].query, rows[0].answers) == ("q.test", ["1.2.3.4"])
    assert flow.sink.anomalies == [("malformed_dns", "name is longer than 255 bytes")]
    flow, rows = read(DNS_RESPONSE[:-20])
    assert rows[0].answers == ["cdn.net", "93.184.216.34"]
    assert len(flow.sink.anomalies) == 1


def test_hostile_messages_take_little_time() -> None:
    labels = b"".join(b"\x01a" for _ in range(120)) + b"\0"

    def messages(size: int) -> None:
        chain = b"".join(struct.pack(">H", 0xC000 | (12 + 2 * max(0, i - 1))) for i in range(size))
        many = struct.pack(">6H", 1, 0x8180, 1, 0xFFFF, 0, 0) + question("a.b")
        many += (HERE + struct.pack(">HHIH", 5, 1, 1, 2) + HERE) * (size // 2)
        long = struct.pack(">6H", 1, 0x8180, 1, size, 0, 0) + labels + bytes([0, 1, 0, 1])
        long += b"".join(struct.pack(">HHHIH", 0xC000 | (12 + 2 * (i % 110)), 16, 1, 1, 0) for i in range(size))
        for message in (struct.pack(">6H", 1, 0x8180, 0xFFFF, 0, 0, 0) + chain, many, long):
            flow = Flow(DNS, "udp")
            try:
                flow.datagram(message)
            except DissectError:
                continue
            assert flow.sink.anomalies

    assert_linear(messages, 1_250)


@pytest.mark.parametrize(
    ("data", "ends", "verdict"),
    [
        (DNS_QUERY, {"dst_port": 9999}, YES),
        (DNS_RESPONSE, {"dst_port": 9999}, YES),
        (DNS_QUERY, {"dst_port": 137}, NO),
        (dns(questions=(question("CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 33),)), {"dst_port": 9999}, NO),
        (DNS_QUERY + b"trailing", {"dst_port": 9999}, YES),
        (dns(questions=(question("a.b"),)) + b"x", {"dst_port": 9999}, YES),
        (dns(questions=(question("a.b", 4711),)), {"dst_port": 9999}, NO),
        (dns(questions=(question("a.b", 1, 77),)), {"dst_port": 9999}, NO),
        (dns(questions=(question("a.b", 4711, 77),)), {"dst_port": 53}, YES),
        (dns(0x7800, (question("a.b"),)), {"dst_port": 53}, YES),
        (dns(0x7800, (question("a.b"),)) + b"trailing", {"dst_port": 53}, NO),
        (dns(0x7800, (question("a.b", 1, 77),)), {"dst_port": 53}, NO),
        (dns(0x7800, (question("a.b"),)), {"dst_port": 9999}, NO),
        (dns(0x8181), {"dst_port": 53}, YES),
        (b"\0" * 12, {"dst_port": 53}, NO),
    ],
)
def test_probe(data: bytes, ends: dict[str, int], verdict: int) -> None:
    if data.endswith(b"x"):
        verdict = NO  # a lone question must fill its message
    assert Flow(DNS, "udp", **ends).probe(data) == verdict  # type: ignore[arg-type]


def test_probe_tcp() -> None:
    flow = Flow(DNS, "tcp", dst_port=9999)
    assert flow.probe(framed(DNS_QUERY)) == YES
    assert flow.probe(framed(DNS_QUERY)[:9]) == MORE
    assert flow.probe(framed(DNS_QUERY)[:20]) == MORE
    assert flow.probe(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == NO
    assert flow.probe(b"SSH-2.0-OpenSSH_9.2p1\r\n") == NO


def test_mdns_and_llmnr_stay_on_their_ports() -> None:
    assert Flow(MDNS, "udp", dst_port=9999).probe(DNS_QUERY) == NO
    assert Flow(LLMNR, "udp", dst_port=9999).probe(DNS_QUERY) == NO
    assert Flow(MDNS, "udp", src_port=5353, dst_port=9999).probe(MDNS_RESPONSE) == YES
    assert Flow(LLMNR, "tcp").probe(framed(DNS_QUERY)) == YES


def test_idle_timeout() -> None:
    """30 seconds over UDP, on any port; TCP's own timeouts stay. What only looked like DNS sets none."""
    for transport, message, expected in (("udp", DNS_QUERY, 30.0), ("tcp", framed(DNS_QUERY), 0.0)):
        flow = Flow(DNS, transport, dst_port=9999)
        flow.talk.flow = engine_flow.Flow()
        (flow.datagram if transport == "udp" else flow.feed)(message)
        assert flow.talk.flow.timeout / 1e9 == expected
    flow = Flow(DNS, "udp")
    flow.talk.flow = engine_flow.Flow()
    with pytest.raises(DissectError):
        flow.datagram(DNS_QUERY[:14])
    assert flow.talk.flow.timeout == 0
