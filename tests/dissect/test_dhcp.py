import pytest

from rustnet.dissect.dhcp import DHCP, Dhcp
from rustnet.dissect.framework.conversation import NO, YES, DissectError
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_services import DHCP_ACK, DHCP_REQUEST, dhcp_message, option


def test_request() -> None:
    (row,) = rows(Dhcp, DHCP, (CLIENT, DHCP_REQUEST))
    assert (row.message, row.hostname, row.client_mac) == ("REQUEST", "laptop", "08:00:27:9b:d2:11")
    assert (row.requested_ip, row.fqdn, row.vendor_class) == ("192.168.1.50", "laptop.lan", "MSFT 5.0")
    assert (row.parameters, row.client_id) == ("1,3,6,15", "010800279bd211")
    assert (row.client_ip, row.assigned_ip, row.broadcast, row.xid) == (None, None, True, 0x12345678)


def test_ack_names_the_address() -> None:
    flow = parsed(DHCP, [(SERVER, DHCP_ACK), (SERVER, DHCP_ACK)], "udp")
    row = flow.rows[0]
    assert isinstance(row, Dhcp)
    assert (row.message, row.assigned_ip, row.server_ip, row.lease_seconds) == (
        "ACK",
        "192.168.1.50",
        "192.168.1.1",
        3600,
    )
    assert (row.subnet_mask, row.routers, row.dns_servers) == (
        "255.255.255.0",
        ["192.168.1.1"],
        ["192.168.1.1", "8.8.8.8"],
    )
    assert row.domain == "lan"
    assert flow.sink.names == [("192.168.1.50", "laptop", "dhcp", 3600)]


def test_long_options_are_joined_and_overloaded_fields_read() -> None:
    message = bytearray(
        dhcp_message(1, option(53, b"\1") + option(12, b"host") + option(12, b"name") + option(52, b"\3") + b"\xff")
    )
    message[108:120] = option(60, b"in-file") + b"\xff\0\0"
    message[44:54] = option(77, b"iPXE") + b"\xff\0\0\0"
    (row,) = rows(Dhcp, DHCP, (CLIENT, bytes(message)))
    assert (row.hostname, row.vendor_class, row.user_class) == ("hostname", "in-file", "iPXE")
    assert (row.boot_file, row.boot_server) == (None, None)


def test_options_of_other_forms() -> None:
    message = dhcp_message(
        1, option(81, b"\x04\0\0\x02pc\x03lan\0") + option(82, b"\x01\x04eth1") + option(50, b"\1") + b"\xff"
    )
    (row,) = rows(Dhcp, DHCP, (CLIENT, message))
    assert (row.message, row.fqdn, row.relay_circuit, row.requested_ip) == ("BOOTREQUEST", "pc.lan", "eth1", None)


def test_options_that_run_over_the_end() -> None:
    flow = parsed(DHCP, [(CLIENT, dhcp_message(1, option(12, b"pc") + b"\x0f\x40abc"))], "udp")
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_dhcp"]
    assert isinstance(flow.rows[0], Dhcp)
    assert flow.rows[0].hostname == "pc"


def test_too_short() -> None:
    with pytest.raises(DissectError):
        parsed(DHCP, [(CLIENT, b"\1\1\6\0" * 20)], "udp")


def test_rows_are_bounded() -> None:
    flow = Flow(DHCP, "udp")
    for _ in range(1100):
        flow.datagram(DHCP_REQUEST)
    assert len(flow.rows) == 1000
    assert flow.talk.finished
    assert [kind for kind, _ in flow.sink.anomalies] == ["many_messages"]


@pytest.mark.parametrize(
    ("data", "ports", "verdict"),
    [
        (DHCP_REQUEST, (68, 67), YES),
        (DHCP_REQUEST, (50000, 9999), YES),
        (DHCP_REQUEST[:236] + bytes(64), (68, 67), YES),
        (DHCP_REQUEST[:236] + bytes(64), (50000, 67), NO),
        (DHCP_REQUEST[:200], (68, 67), NO),
        (b"\3" + DHCP_REQUEST[1:], (68, 67), NO),
    ],
)
def test_probe(data: bytes, ports: tuple[int, int], verdict: int) -> None:
    assert Flow(DHCP, "udp", src_port=ports[0], dst_port=ports[1]).probe(data) == verdict
