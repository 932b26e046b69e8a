"""Saved queries about hosts, on captures whose hosts are known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rustnet.query.catalogue import load
from rustnet.query.session import FileSession
from tests.dissect.samples_layer2 import REDIRECT
from tests.dissect.samples_services import DHCP_ACK, DHCP_REQUEST, encoded
from tests.dissect.samples_web import SSH_TALK
from tests.support.hosts import ANSWER, framed, request, routed, stream
from tests.support.packets import (
    ACK,
    MAC_A,
    MAC_B,
    MAC_C,
    RST,
    SYN,
    TYPE_ARP,
    arp,
    ethernet,
    ip,
    ip_frame,
    tcp,
    tcp_frame,
    udp_frame,
)
from tests.support.pcap import write_pcap
from tests.support.sessions import replay

A, B, C = (":".join(f"{byte:02x}" for byte in mac) for mac in (MAC_A, MAC_B, MAC_C))
VRRP = bytes.fromhex("00005e000107")
LOCAL = "(locally administered, perhaps random)"
QUERIES = load()

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Replays frames and runs a saved query."""

    def run(name: str, frames: list[bytes], **given: str) -> list[dict[str, Any]]:
        replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "x.pcap", frames)).con.close()
        session = FileSession(tmp_path / "s.duckdb")
        try:
            result = QUERIES[name].execute(session, given)
            return [dict(zip(result.columns, row, strict=True)) for row in result.rows]
        finally:
            session.close()

    return run


def claim(address: str, mac: bytes, operation: int = 1) -> bytes:
    return ethernet(arp(operation, address, "10.0.0.77", mac), TYPE_ARP, src=mac)


DHCP = [
    udp_frame(("0.0.0.0", 68), ("255.255.255.255", 67), DHCP_REQUEST),
    udp_frame(("192.168.1.1", 67), ("192.168.1.50", 68), DHCP_ACK),
]


def test_a_gateway_that_is_announced_and_used(ask: Ask) -> None:
    frames = [*DHCP, claim("192.168.1.1", MAC_B, 2), *routed("192.168.1.50"), claim("192.168.1.50", MAC_A)]
    (row,) = ask("gateways", frames)
    assert (row["ip"], row["mac"], row["vendor"]) == ("192.168.1.1", B, LOCAL)
    assert row["confidence"] == "high: announced, and carries traffic to other networks"
    assert row["evidence"] == ["announced by DHCP", "next hop of traffic to several networks"]
    assert (row["senders"], row["destinations"], row["asked_by"]) == (1, 4, 0)


def test_a_gateway_that_is_only_used(ask: Ask) -> None:
    asking = ethernet(arp(1, "10.0.0.5", "10.0.0.1", MAC_A), TYPE_ARP)
    (row,) = ask("gateways", [asking, claim("10.0.0.1", MAC_B, 2), *routed()])
    assert (row["ip"], row["mac"], row["asked_by"]) == ("10.0.0.1", B, 1)
    assert row["confidence"] == "medium: carries traffic to several networks, and is not announced"
    (row,) = ask("gateways", routed())
    assert (row["ip"], row["mac"], row["senders"], row["destinations"]) == (None, B, 1, 4), "its address is not known"


def test_a_gateway_that_is_only_announced(ask: Ask) -> None:
    (row,) = ask("gateways", DHCP)
    assert (row["ip"], row["mac"], row["evidence"]) == ("192.168.1.1", None, ["announced by DHCP"])
    assert row["confidence"].startswith("medium: announced; this capture has no traffic")


def test_a_router_of_which_nothing_more_is_known(ask: Ask) -> None:
    frames = [claim("192.0.2.1", MAC_A), ip_frame("192.0.2.1", "192.0.2.7", 1, REDIRECT), claim("10.0.0.1", VRRP)]
    found = {row["ip"]: row for row in ask("gateways", frames)}
    assert set(found) == {"192.0.2.1", "10.0.0.1"}, "192.0.2.254 sent nothing, so that it may not be on this link"
    assert all(row["confidence"].startswith("low: a router") for row in found.values())
    assert found["10.0.0.1"]["evidence"] == ["address shared by routers (VRRP)"]


@pytest.mark.parametrize(
    "frames",
    [
        [claim("10.0.0.5", MAC_A), *stream(SSH_TALK, ("10.0.0.5", 50000), ("10.0.0.9", 22))],
        routed(number=2),
        [framed(ip(f"203.0.{n}.5", "10.0.0.5", 6, tcp(1, 2, 1, 0, SYN)), MAC_A) for n in range(9)],
    ],
    ids=["traffic on the link", "few networks", "many addresses of one network"],
)
def test_other_hosts_are_no_gateways(ask: Ask, frames: list[bytes]) -> None:
    assert ask("gateways", frames) == []


def test_leases(ask: Ask) -> None:
    (row,) = ask("dhcp-leases", [*DHCP, DHCP[1]])
    assert (row["ip"], row["client_mac"], row["server_ip"]) == ("192.168.1.50", "08:00:27:9b:d2:11", "192.168.1.1")
    assert (row["vendor"], row["hostnames"]) == ("PCS Systemtechnik GmbH (VirtualBox)", ["laptop.lan"])
    assert (row["confirmations"], row["lease_seconds"], row["domain"]) == (2, 3600, "lan")
    assert row["ends_at"] - row["last_seen"] == 3600 * 10**9
    assert (row["routers"], row["vendor_classes"]) == (["192.168.1.1"], ["MSFT 5.0"])
    assert ask("dhcp-leases", DHCP[:1]) == [], "a request is no lease"


def test_addresses_that_change_their_hardware_address(ask: Ask) -> None:
    def claims(*macs: bytes) -> list[bytes]:
        return [ethernet(arp(1, "10.0.0.1", f"10.0.0.{n + 7}", mac), TYPE_ARP, src=mac) for n, mac in enumerate(macs)]

    (row,) = ask("mac-changes", claims(MAC_B, MAC_C, MAC_B))
    assert (row["ip"], row["macs"], row["remark"]) == ("10.0.0.1", [B, C], "at the same time")
    assert row["claims"] == 3
    repeated = [claim("10.0.0.1", MAC_B), claim("10.0.0.1", MAC_C, 2), claim("10.0.0.1", MAC_B)]
    (row,) = ask("mac-changes", repeated)
    assert row["remark"] == "perhaps at the same time: messages were repeated", "the third message has no row"
    (row,) = ask("mac-changes", claims(MAC_B, MAC_C))
    assert row["remark"] == "one after another"
    (row,) = ask("mac-changes", claims(VRRP, MAC_C, VRRP))
    assert row["remark"] == "routers share it"
    assert ask("mac-changes", [claim("10.0.0.1", MAC_B), claim("10.0.0.2", MAC_B)]) == []
    in_vlans = [ethernet(arp(1, "10.0.0.1", "10.0.0.9", mac), TYPE_ARP, [vlan], src=mac)
                for vlan, mac in ((1, MAC_A), (2, MAC_B))]  # fmt: skip
    assert ask("mac-changes", in_vlans) == [], "an address of each VLAN"


def registers(name: str, address: str) -> bytes:
    resource = b"\xc0\x0c\0\x20\0\1" + (300_000).to_bytes(4, "big") + b"\0\6\0\0" + bytes(map(int, address.split(".")))
    message = bytes.fromhex("0007291000010000 00000001") + encoded(name, 0) + b"\0\x20\0\1" + resource
    return udp_frame((address, 137), ("10.0.0.255", 137), message)


def test_names_of_several_hosts(ask: Ask) -> None:
    (row,) = ask("name-conflicts", [registers("WS1", "10.0.0.5"), registers("WS1", "10.0.0.6")])
    assert (row["name"], row["evidence"], row["hosts"]) == ("ws1", "several addresses of IPv4", 2)
    assert (row["ips"], row["sources"]) == (["10.0.0.5", "10.0.0.6"], ["netbios"])
    known = [claim("10.0.0.5", MAC_A), claim("10.0.0.6", MAC_C)]
    (row,) = ask("name-conflicts", [*known, registers("WS1", "10.0.0.5"), registers("WS1", "10.0.0.6")])
    assert (row["evidence"], row["macs"]) == ("several hardware addresses", [A, C])
    assert ask("name-conflicts", [registers("WS1", "10.0.0.5"), registers("WS2", "10.0.0.6")]) == []
    same = claim("192.168.1.50", bytes.fromhex("0800279bd211"))
    assert ask("name-conflicts", [*DHCP, same]) == [], "stated with one hardware address"


def test_services_that_answer(ask: Ask) -> None:
    refused = [tcp_frame(("10.0.0.5", 50001), ("10.0.0.9", 23), 1, 0, SYN),
               tcp_frame(("10.0.0.9", 23), ("10.0.0.5", 50001), 0, 2, RST | ACK)]  # fmt: skip
    frames = [
        *stream(SSH_TALK, ("10.0.0.5", 50000), ("10.0.0.9", 22)),
        *stream([(True, request("a/1")), (False, ANSWER)], ("10.0.0.5", 50002), ("10.0.0.9", 80)),
        *stream([(True, request("a/1")), (False, ANSWER)], ("10.0.0.6", 50002), ("10.0.0.9", 80)),
        *refused,
        udp_frame(("10.0.0.5", 9), ("10.0.0.9", 9), b"x"),
    ]
    found = ask("services-offered", frames)
    assert [(r["server"], r["protocol"], r["port"], r["app"], r["flows"], r["clients"]) for r in found] == [
        ("10.0.0.9", "tcp", 80, "http", 2, 2), ("10.0.0.9", "tcp", 22, "ssh", 1, 1),
    ]  # fmt: skip
    assert found[0]["software"] == ["nginx/1.24"]
    assert ask("services-offered", frames, server="10.0.0.5") == []


def test_vendors_and_facts(ask: Ask) -> None:
    frames = [claim("10.0.0.5", bytes.fromhex("d8306256001c")), claim("10.0.0.6", bytes.fromhex("d8306256001d"))]
    apple = next(row for row in ask("vendors", frames) if row["vendor"] == "Apple, Inc.")
    assert (apple["cards"], apple["addresses"], apple["ips"]) == (2, 2, ["10.0.0.5", "10.0.0.6"])
    found = ask("host-facts", frames, host="D8:30:62:56:00:1C")
    assert [(row["ip"], row["fact"], row["value"]) for row in found] == [
        ("10.0.0.5", "mac", "d8:30:62:56:00:1c"), (None, "vendor", "Apple, Inc."),
    ]  # fmt: skip
    assert [row["ip"] for row in ask("host-facts", frames, fact="mac", source="arp")] == ["10.0.0.5", "10.0.0.6"]


def test_hosts_since_a_moment(ask: Ask) -> None:
    frames = [claim("10.0.0.5", MAC_A), claim("10.0.0.6", MAC_C), *routed(number=1)]
    everyone = ask("new-hosts", frames)
    assert [row["ip"] for row in everyone] == ["8.8.8.8", "10.0.0.6", "10.0.0.5"]
    assert [row["ip"] for row in ask("new-hosts", frames, local="yes")] == ["10.0.0.6", "10.0.0.5"]
    assert [row["ip"] for row in ask("new-hosts", frames, after="2023-11-14T22:13:20.001Z")] == ["8.8.8.8", "10.0.0.6"]
    assert (everyone[1]["mac"], everyone[1]["vendor"]) == (C, LOCAL)
