"""Messages of DNS with other opcodes than QUERY, and multicast DNS and LLMNR over TCP."""

import pytest

from rustnet.dissect.dns.parser import Dns
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.samples_web import DNS_QUERY, HERE, MDNS_RESPONSE, answer, dns, framed, name, question

IQUERY, STATUS, NOTIFY, UPDATE, DSO = (opcode << 11 for opcode in (1, 2, 4, 5, 6))
NONE, ANY = 254, 255
HOST = name("Host.Example.com")
V4, V6 = bytes([192, 0, 2, 7]), bytes.fromhex("20010db8") + bytes(11) + b"\7"
INVERSE = dns(IQUERY, (), (answer(b"\0", 1, V4),))


def read(*messages: bytes, transport: str = "udp", port: int = 53) -> tuple[DispatchedFlow, list[Dns]]:
    """Rows of messages that are asked and answered in turn."""
    said = [(i % 2 == 0, framed(one) if transport == "tcp" else one) for i, one in enumerate(messages)]
    flow = DispatchedFlow(said, port, transport)
    return flow, [row for row in flow.sink.rows if isinstance(row, Dns)]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("asked", "answered", "opcode", "query", "rcode"),
    [
        (INVERSE, dns(0x8000 | IQUERY | 4), "IQUERY", None, "NOTIMP"),
        (dns(STATUS), dns(0x8000 | STATUS | 4), "STATUS", None, "NOTIMP"),
        (
            dns(NOTIFY | 0x400, (question("example.com", 6),)),
            dns(0x8400 | NOTIFY, (question("example.com", 6),)),
            "NOTIFY",
            "example.com",
            "NOERROR",
        ),
        (
            dns(UPDATE, (question("example.com", 6),)),
            dns(0x8000 | UPDATE | 9, (question("example.com", 6),)),
            "UPDATE",
            "example.com",
            "NOTAUTH",
        ),
        (dns(DSO) + b"\0\1\0\10" + bytes(8), dns(0x8000 | DSO | 11), "DSO", None, "DSOTYPENI"),
        (dns(3 << 11, (question("a.test"),)), dns(0x8000 | 3 << 11 | 4), "OPCODE3", "a.test", "NOTIMP"),
        (dns(15 << 11, (question("a.test"),)), dns(0x8000 | 15 << 11 | 1), "OPCODE15", "a.test", "FORMERR"),
    ],
)
def test_every_opcode_is_a_row(
    transport: str, asked: bytes, answered: bytes, opcode: str, query: str | None, rcode: str
) -> None:
    flow, rows = read(asked, answered, transport=transport)
    assert [(row.opcode, row.query) for row in rows][:1] == [(opcode, query)]
    assert [(row.opcode, row.response, row.rcode) for row in rows] == [(opcode, False, None), (opcode, True, rcode)]
    assert flow.talk.app == "dns"
    assert flow.sink.anomalies == []
    assert [row.opcode for row in read(answered, transport=transport)[1]] == [opcode]


def test_an_inverse_query_asks_for_an_address() -> None:
    (row,) = read(INVERSE)[1]
    assert (row.answers, row.answer_types, row.questions, row.answer_count) == (["192.0.2.7"], ["A"], 0, 1)


def test_commands_of_an_update() -> None:
    message = dns(
        UPDATE,
        (question("example.com", 6),),
        (
            answer(HOST, 255, b"", 0, NONE),
            answer(HERE, 255, b"", 0, ANY),
            answer(HOST, 28, b"", 0, ANY),
            answer(HOST, 5, b"", 0, NONE),
            answer(HOST, 1, V4, 0),
        ),
        (
            answer(HOST, 1, b"", 0, ANY),
            answer(HOST, 255, b"", 0, ANY),
            answer(HOST, 16, b"\3old", 0, NONE),
            answer(HOST, 1, V4, 1200),
            answer(HOST, 28, V6, 1200),
            answer(b"\5alias" + HERE, 5, HOST, 60),
            answer(HOST, 44, b"\4\2\xcd", 60),
        ),
    )
    flow, (row,) = read(message)
    assert (row.query, row.qtype, row.questions, row.answer_count, row.authority_count) == (
        "example.com", "SOA", 1, 5, 7,
    )  # fmt: skip
    assert row.updates == [
        "prereq nxdomain host.example.com",
        "prereq yxdomain example.com",
        "prereq yxrrset host.example.com AAAA",
        "prereq nxrrset host.example.com CNAME",
        "prereq yxrrset host.example.com A 192.0.2.7",
        "update delete host.example.com A",
        "update delete host.example.com",
        "update delete host.example.com TXT old",
        "update add host.example.com 1200 A 192.0.2.7",
        "update add host.example.com 1200 AAAA 2001:db8::7",
        "update add alias.example.com 60 CNAME host.example.com",
        "update add host.example.com 60 SSHFP 4 2 cd",
    ]
    assert row.cnames is None
    assert flow.sink.anomalies == []
    assert flow.sink.names == []


def test_only_an_update_has_commands() -> None:
    (row,) = read(dns(NOTIFY, (question("example.com", 6),)))[1]
    assert row.updates is None
    (row,) = read(dns(UPDATE, (question("example.com", 6),)))[1]
    assert row.updates == []


def test_an_update_cut_short() -> None:
    changes = (answer(HOST, 1, V4, 60), answer(HOST, 28, V6, 60))
    flow, (row,) = read(dns(UPDATE, (question("example.com", 6),), (), changes)[:-3])
    assert row.updates == ["update add host.example.com 60 A 192.0.2.7"]
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_dns"]


def test_commands_are_bounded() -> None:
    many = tuple(answer(HERE, 16, b"\xff" + b"x" * 255) for _ in range(200))
    _, (row,) = read(dns(UPDATE, (question("example.com", 6),), (), many), transport="tcp")
    assert row.updates is not None
    assert 16_000 < sum(map(len, row.updates)) < 18_000  # the writer cuts the last one, and reports it


@pytest.mark.parametrize(
    "data",
    [
        dns(IQUERY, (), (answer(b"\0", 1, V4),)) + b"x",
        dns(STATUS) + b"x",
        dns(STATUS | 0x10),
        dns(DSO) + b"\0\1\0\10",
        dns(DSO) + bytes(4),
        dns(UPDATE),
        dns(7 << 11),
        dns(0x8000 | 7 << 11),
        dns(7 << 11, (question("a.test"), question("b.test"))),
        bytes(12),
    ],
)
def test_too_little_evidence(data: bytes) -> None:
    assert read(data)[1] == []


@pytest.mark.parametrize(("port", "label"), [(5353, "mdns"), (5355, "llmnr")])
def test_multicast_protocols_over_tcp(port: int, label: str) -> None:
    asked = dns(0, (question("Printer.local", 1),), txid=0)
    answered = dns(0x8400, (question("Printer.local", 1),), (answer(HERE, 1, V4),), txid=0)
    flow, rows = read(asked, answered, transport="tcp", port=port)
    assert [(row.transport, row.response, row.answers) for row in rows] == [
        (label, False, None), (label, True, ["192.0.2.7"]),
    ]  # fmt: skip
    assert flow.talk.app == label
    assert flow.sink.names[0][2] == label


def test_multicast_dns_over_tcp_in_pieces() -> None:
    said = [(True, framed(dns(0x100, (question("printer.LOCAL", 255),)))), (False, framed(MDNS_RESPONSE))]
    flow = DispatchedFlow(said, 5353, chunk=3)
    assert [row["transport"] for row in flow.rows(Dns)] == ["mdns", "mdns"]


def test_a_server_of_dns_on_the_port_of_multicast_dns() -> None:
    flow, (row,) = read(DNS_QUERY, transport="tcp", port=5353)
    assert (row.transport, row.tries, flow.talk.app) == ("dns", 1, "dns")


def test_what_is_not_multicast_dns_over_tcp() -> None:
    other = dns(0x0017, (question("printer.local"),))
    assert read(other, transport="tcp", port=5353)[1] == []
