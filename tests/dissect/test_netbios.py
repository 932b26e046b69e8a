import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.netbios import NETBIOS, Netbios, decode_name
from rustnet.dissect.smb.parser import SmbParser
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_domain import SMB1_TALK
from tests.dissect.samples_services import (
    ANNOUNCEMENT,
    NETBIOS_DATAGRAM,
    NETBIOS_QUERY,
    NETBIOS_REGISTRATION,
    NETBIOS_SESSION,
    NETBIOS_STATUS,
    NETBIOS_WIDE_DATAGRAM,
    browser,
    encoded,
)


def test_registration() -> None:
    flow = parsed(NETBIOS, [(CLIENT, NETBIOS_REGISTRATION)], "udp")
    (row,) = flow.rows
    assert isinstance(row, Netbios)
    assert (row.kind, row.operation, row.name, row.suffix) == ("name", "registration", "WS1", 0)
    assert (row.addresses, row.group, row.response) == (["192.0.2.1"], False, False)
    assert flow.sink.names == [("192.0.2.1", "WS1", "netbios", None)]


def test_status_of_a_node() -> None:
    flow = parsed(NETBIOS, [(SERVER, NETBIOS_STATUS)], "udp")
    (row,) = flow.rows
    assert isinstance(row, Netbios)
    assert (row.operation, row.names, row.mac) == ("status", ["SERVER<00>", "WORKGROUP<00>"], "08:00:27:9b:d2:11")
    assert flow.sink.names == [("198.51.100.2", "SERVER", "netbios", None)]


def test_query() -> None:
    (row,) = rows(Netbios, NETBIOS, (CLIENT, NETBIOS_QUERY))
    assert (row.operation, row.name, row.suffix, row.rcode) == ("query", "SERVER", 0x20, None)


@pytest.mark.parametrize("datagram", [NETBIOS_DATAGRAM, NETBIOS_WIDE_DATAGRAM])
def test_announcement_in_a_datagram(datagram: bytes) -> None:
    (row,) = rows(Netbios, NETBIOS, (CLIENT, datagram))
    assert (row.kind, row.operation, row.name, row.destination_name) == (
        "datagram", "host_announcement", "WS1", "WORKGROUP",
    )  # fmt: skip
    assert (row.mailslot, row.comment, row.os_version) == ("\\MAILSLOT\\BROWSE", "Reception", "10.0")


def test_announced_domain() -> None:
    data = NETBIOS_DATAGRAM.replace(browser(ANNOUNCEMENT), browser(b"\x0c" + ANNOUNCEMENT[1:]))
    (row,) = rows(Netbios, NETBIOS, (CLIENT, data))
    assert row.operation == "domain_announcement"


def test_session_that_is_refused() -> None:
    asked, refused = rows(Netbios, NETBIOS, *NETBIOS_SESSION, transport="tcp")
    assert (asked.kind, asked.name, asked.destination_name) == ("session", "WS1", "SERVER")
    assert (refused.operation, refused.error) == ("negative_response", "called name not present")


def test_session_is_handed_to_smb() -> None:
    flow = parsed(NETBIOS, [NETBIOS_SESSION[0], (SERVER, b"\x82\0\0\0"), SMB1_TALK[0]], port=139)
    assert isinstance(flow.talk.parser, SmbParser)
    assert flow.talk.service == "smb"
    assert flow.pending[True] == SMB1_TALK[0][1]


def test_names() -> None:
    assert decode_name(encoded("FRED", 0x1B), 0) == ("FRED", 0x1B)
    for data in (b"", b"\x20" + b"A" * 31, b"\x20" + b"Q" * 32, b"\x1f" + b"A" * 32):
        with pytest.raises(DissectError):
            decode_name(data, 0)


@pytest.mark.parametrize(
    ("data", "transport", "port", "verdict"),
    [
        (NETBIOS_QUERY, "udp", 137, YES),
        (NETBIOS_QUERY, "udp", 53, NO),
        (NETBIOS_QUERY[:40], "udp", 137, NO),
        (NETBIOS_DATAGRAM, "udp", 138, YES),
        (NETBIOS_DATAGRAM, "udp", 137, NO),
        (NETBIOS_SESSION[0][1], "tcp", 9999, YES),
        (NETBIOS_SESSION[0][1][:3], "tcp", 139, MORE),
        (b"\x82\0\0\0", "tcp", 139, YES),
        (b"\x82\0\0\0", "tcp", 9999, NO),
        (b"\x82\0\0\1", "tcp", 139, NO),
    ],
)
def test_probe(data: bytes, transport: str, port: int, verdict: int) -> None:
    assert Flow(NETBIOS, transport, dst_port=port).probe(data) == verdict
