import pytest

from rustnet.dissect.dhcpv6 import DHCPV6, Dhcpv6
from rustnet.dissect.framework.conversation import NO, YES, DissectError
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_services import DHCPV6_RELAYED, DHCPV6_REPLY, DHCPV6_SOLICIT, option6


def test_solicit() -> None:
    (row,) = rows(Dhcpv6, DHCPV6, (CLIENT, DHCPV6_SOLICIT))
    assert (row.message, row.client_mac, row.parameters, row.xid) == ("SOLICIT", "08:00:27:e6:e5:59", "23,24", 0x010203)


def test_reply() -> None:
    flow = parsed(DHCPV6, [(SERVER, DHCPV6_REPLY)], "udp")
    (row,) = flow.rows
    assert isinstance(row, Dhcpv6)
    assert (row.addresses, row.networks, row.lease_seconds) == (["2001:db8::42"], ["2001:db8::/56"], 1800)
    assert (row.dns_servers, row.domains, row.result) == (["2001:db8::42"], ["lan", "example.org"], "Success")
    assert row.server_duid == "00030001aabbccddeeff"
    assert flow.sink.names == [("2001:db8::42", "laptop.lan", "dhcp", 1800)]


def test_relayed() -> None:
    (row,) = rows(Dhcpv6, DHCPV6, (CLIENT, DHCPV6_RELAYED))
    assert (row.message, row.hops, row.relay_ip, row.relay_interface) == ("SOLICIT", 1, "2001:db8::42", "eth0")
    assert row.client_mac == "0a:0b:0c:0d:0e:0f"


def test_relays_within_relays_are_bounded() -> None:
    message = DHCPV6_SOLICIT
    for _ in range(20):
        message = b"\x0c\x01" + bytes(32) + option6(9, message)
    (row,) = rows(Dhcpv6, DHCPV6, (CLIENT, message))
    assert row.message == "RELAY-FORW"


@pytest.mark.parametrize("size", range(1, 8))
def test_cut_off(size: int) -> None:
    with pytest.raises(DissectError):
        parsed(DHCPV6, [(CLIENT, DHCPV6_SOLICIT[:size] if size < 4 else DHCPV6_SOLICIT[: 4 + size])], "udp")


def test_probe() -> None:
    assert Flow(DHCPV6, "udp").probe(DHCPV6_SOLICIT) == YES
    assert Flow(DHCPV6, "udp", dst_port=9999).probe(DHCPV6_SOLICIT) == NO
    assert Flow(DHCPV6, "udp").probe(DHCPV6_SOLICIT + b"\0") == NO
    assert Flow(DHCPV6, "udp").probe(b"\x63" + DHCPV6_SOLICIT[1:]) == NO
