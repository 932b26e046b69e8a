"""What protocols disclose of hosts becomes facts, each with its evidence; a router's address is not a host's."""

import socket
import struct
from pathlib import Path

import duckdb
import pytest

from rustnet.cli.main import main
from rustnet.derive import hosts
from rustnet.derive.host_evidence import EVIDENCE
from rustnet.derive.hosts import MOST_VALUES, discover
from rustnet.derive.hosts_page import FACTS, hosts_page
from rustnet.derive.passes import Span
from rustnet.ingest import options as options_module
from rustnet.ingest.live import LivePasses
from rustnet.store.cadence import Cadence
from tests.derive.test_passes import SAMPLES, rows
from tests.dissect.samples_domain import AS_REP, AS_REQ, SMB1_TALK, SMB2_TALK
from tests.dissect.samples_layer2 import (
    CDP_SWITCH,
    LLDP_PHONE,
    LLDP_SWITCH,
    REDIRECT,
    ROUTERS,
    STP_CONFIGURATION,
    TIME_EXCEEDED,
    icmp6,
    lacp,
    nd_option,
)
from tests.dissect.samples_services import (
    DHCP_ACK,
    DHCP_REQUEST,
    DHCPV6_REPLY,
    DHCPV6_SOLICIT,
    NETBIOS_DATAGRAM,
    NETBIOS_REGISTRATION,
    SSDP_ANSWER,
    SSDP_SEARCH,
)
from tests.dissect.samples_web import SSH_TALK
from tests.support.conversations import dns_labels
from tests.support.hosts import ANSWER, framed, request, routed, stream
from tests.support.packets import (
    MAC_A,
    MAC_B,
    MAC_C,
    NEAREST,
    SLOW,
    SYN,
    TYPE_ARP,
    TYPE_LLDP,
    arp,
    bridge,
    ethernet,
    ip,
    ip_frame,
    snap,
    tcp,
    udp,
    udp_frame,
)
from tests.support.paths import ROOT
from tests.support.pcap import write_pcap
from tests.support.sessions import ReplayedSession, replay

A, B, C = (":".join(f"{byte:02x}" for byte in mac) for mac in (MAC_A, MAC_B, MAC_C))
QEMU = bytes.fromhex("525400000001")
VRRP = bytes.fromhex("00005e000107")

Fact = tuple[str | None, str | None, str, str, str]


def session_of(tmp_path: Path, frames: list[bytes]) -> ReplayedSession:
    return replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "x.pcap", frames))


def facts(tmp_path: Path, frames: list[bytes], *sources: str) -> set[Fact]:
    """Facts of a capture: address, hardware address, fact, value, source; without those of every capture."""
    found = session_of(tmp_path, frames).ask("SELECT ip, mac, fact, value, source FROM host_facts")
    return {row for row in found if row[4] in sources or (not sources and row[4] not in ("address", "ieee"))}


def test_arp_binds_an_address_and_keeps_the_evidence(tmp_path: Path) -> None:
    frames = [
        ethernet(arp(1, "10.0.0.5", "10.0.0.1", MAC_A), TYPE_ARP, [7]),
        ethernet(arp(2, "10.0.0.1", "10.0.0.5", MAC_B, MAC_A), TYPE_ARP, [7], src=MAC_B, dst=MAC_A),
        ethernet(arp(1, "10.0.0.5", "10.0.0.1", MAC_A), TYPE_ARP, [7]),
        ethernet(arp(1, "0.0.0.0", "10.0.0.9", MAC_C), TYPE_ARP, src=MAC_C),  # a probe claims nothing
    ]
    found = session_of(tmp_path, frames)
    columns = "ip, mac, value, count, packet, epoch_ns(last_seen) - epoch_ns(first_seen)"
    assert found.ask(f"SELECT {columns} FROM host_facts WHERE fact = 'mac' ORDER BY ip") == [
        ("10.0.0.1", B, B, 1, 2, 0),
        ("10.0.0.5", A, A, 1, 1, 2_000_000),  # a repetition has no row, and is the flow's last packet
    ]
    assert found.ask("SELECT ip, value FROM host_facts WHERE fact = 'vlan' ORDER BY ip") == [
        ("10.0.0.1", "7"), ("10.0.0.5", "7"),
    ]  # fmt: skip
    assert found.ask("SELECT DISTINCT f.src_ip FROM host_facts h JOIN flows f USING (flow_id) WHERE h.ip = '10.0.0.5'")


def test_neighbour_discovery(tmp_path: Path) -> None:
    target = socket.inet_pton(socket.AF_INET6, "2001:db8::5")
    solicited = icmp6(136, 0, b"\x60\0\0\0" + target + nd_option(2, MAC_C))
    router = icmp6(134, 0, b"\x40\x00\x07\x08" + bytes(8) + nd_option(1, MAC_B) + nd_option(
        25, b"\0\0" + struct.pack(">I", 600) + socket.inet_pton(socket.AF_INET6, "2001:db8::53")))  # fmt: skip
    not_default = icmp6(134, 0, b"\x40\x00\0\0" + bytes(8) + nd_option(1, MAC_A))
    frames = [
        ip_frame("2001:db8::5", "ff02::1", 58, solicited, ttl=255),
        ip_frame("fe80::b", "ff02::1", 58, router, ttl=255),
        ip_frame("fe80::a", "ff02::1", 58, not_default, ttl=255),
    ]
    assert facts(tmp_path, frames, "ndp") == {
        ("2001:db8::5", C, "mac", C, "ndp"), ("fe80::b", B, "mac", B, "ndp"), ("fe80::a", A, "mac", A, "ndp"),
        ("fe80::b", B, "role", "router", "ndp"), ("fe80::b", B, "role", "default gateway", "ndp"),
        ("fe80::a", A, "role", "router", "ndp"), ("2001:db8::53", None, "role", "dns server", "ndp"),
    }  # fmt: skip


def test_messages_of_routers(tmp_path: Path) -> None:
    frames = [
        ip_frame("192.0.2.1", "192.0.2.7", 1, REDIRECT),
        ip_frame("192.0.2.3", "192.0.2.7", 1, TIME_EXCEEDED),
        ip_frame("192.0.2.4", "224.0.0.1", 1, ROUTERS),
    ]
    assert facts(tmp_path, frames, "icmp") == {
        (address, None, "role", "router", "icmp") for address in ("192.0.2.1", "192.0.2.254", "192.0.2.3", "192.0.2.2")
    }


def test_dhcp(tmp_path: Path) -> None:
    frames = [
        udp_frame(("0.0.0.0", 68), ("255.255.255.255", 67), DHCP_REQUEST),
        udp_frame(("192.168.1.1", 67), ("192.168.1.50", 68), DHCP_ACK),
    ]
    client = "08:00:27:9b:d2:11"
    assert facts(tmp_path, frames) == {
        ("192.168.1.50", client, "mac", client, "dhcp"), (None, client, "hostname", "laptop", "dhcp"),
        (None, client, "hostname", "laptop.lan", "dhcp"), ("192.168.1.50", client, "domain", "lan", "dhcp"),
        (None, client, "software", "MSFT 5.0", "dhcp"), (None, client, "operating_system", "Windows", "dhcp"),
        ("192.168.1.1", None, "role", "dhcp server", "dhcp"), ("192.168.1.1", None, "role", "dns server", "dhcp"),
        ("192.168.1.1", None, "role", "default gateway", "dhcp"), ("8.8.8.8", None, "role", "dns server", "dhcp"),
        ("192.168.1.50", None, "hostname", "laptop", "dhcp"),
    }  # fmt: skip


def test_dhcpv6(tmp_path: Path) -> None:
    frames = [
        udp_frame(("fe80::5", 546), ("ff02::1:2", 547), DHCPV6_SOLICIT),
        udp_frame(("fe80::1", 547), ("fe80::5", 546), DHCPV6_REPLY),
    ]
    assert ("fe80::1", None, "role", "dhcp server", "dhcpv6") in facts(tmp_path, frames)


def mdns(*records: tuple[str, int, bytes]) -> bytes:
    body = b"".join(dns_labels(name) + struct.pack(">HHIH", kind, 0x8001, 120, len(data)) + data
                    for name, kind, data in records)  # fmt: skip
    head = struct.pack(">HHHHHH", 0, 0x8400, 0, len(records), 0, 0)
    return udp_frame(("10.0.0.9", 5353), ("224.0.0.251", 5353), head + body)


def test_mdns(tmp_path: Path) -> None:
    def texts(*items: bytes) -> bytes:
        return b"".join(bytes([len(item)]) + item for item in items)

    service = "_ipp._tcp.local"
    frames = [
        mdns(
            (service, 12, b"\x0bBig Printer" + dns_labels(service)),
            (f"Big Printer.{service}", 16, texts(b"txtvers=1", b"ty=Laser 9000")),
            ("printer.local", 1, socket.inet_aton("10.0.0.9")),
            ("_services._dns-sd._udp.local", 12, dns_labels(service)),
        )
    ]
    assert facts(tmp_path, frames) == {
        ("10.0.0.9", None, "service", "_ipp._tcp", "mdns"), ("10.0.0.9", None, "name", "Big Printer", "mdns"),
        ("10.0.0.9", None, "model", "Laser 9000", "mdns"), ("10.0.0.9", None, "hostname", "printer.local", "mdns"),
    }  # fmt: skip


def test_ssdp(tmp_path: Path) -> None:
    gateway = (
        b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
        b"NT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
        b"NTS: ssdp:alive\r\nSERVER: Linux/3.14 UPnP/1.0 MiniUPnPd/2.1\r\nUSN: uuid:2\r\n\r\n"
    )
    frames = [
        udp_frame(("10.0.0.5", 40000), ("239.255.255.250", 1900), SSDP_SEARCH),
        udp_frame(("10.0.0.7", 1900), ("10.0.0.5", 40000), SSDP_ANSWER),
        udp_frame(("10.0.0.1", 1900), ("239.255.255.250", 1900), gateway),
    ]
    assert facts(tmp_path, frames) == {
        ("10.0.0.5", None, "software", "Test/1.0", "ssdp"),
        ("10.0.0.7", None, "software", "Linux UPnP/1.0 Hue/1.0", "ssdp"),
        ("10.0.0.7", None, "operating_system", "Linux", "ssdp"),
        ("10.0.0.1", None, "software", "Linux/3.14 UPnP/1.0 MiniUPnPd/2.1", "ssdp"),
        ("10.0.0.1", None, "operating_system", "Linux 3.14", "ssdp"),
        ("10.0.0.1", None, "device_type", "InternetGatewayDevice", "ssdp"),
        ("10.0.0.1", None, "role", "internet gateway", "ssdp"),
    }  # fmt: skip


def test_netbios(tmp_path: Path) -> None:
    frames = [
        udp_frame(("192.0.2.1", 137), ("192.0.2.255", 137), NETBIOS_REGISTRATION),
        udp_frame(("192.0.2.1", 138), ("192.0.2.255", 138), NETBIOS_DATAGRAM),
    ]
    assert facts(tmp_path, frames) == {
        ("192.0.2.1", None, "hostname", "WS1", "netbios"), ("192.0.2.1", None, "os_version", "10.0", "netbios"),
        ("192.0.2.1", None, "description", "Reception", "netbios"),
    }  # fmt: skip


def test_lldp(tmp_path: Path) -> None:
    frames = [ethernet(LLDP_SWITCH, TYPE_LLDP, dst=NEAREST)]
    expected = {
        (address, A, fact, value, "lldp")
        for address in ("192.0.2.10", "2001:db8::10")
        for fact, value in (
            ("hostname", "access-1.example.org"), ("description", "Example OS 15.2\nCopyright"),
            ("role", "switch"), ("port", "uplink to core"), ("vlan", "10"),
        )
    }  # fmt: skip
    assert facts(tmp_path, frames) == expected, "router is a capability that is not enabled"


def test_a_device_without_an_address_is_known_by_its_hardware_address(tmp_path: Path) -> None:
    found = facts(tmp_path, [ethernet(LLDP_PHONE, TYPE_LLDP, dst=NEAREST)], "lldp")
    assert {row[:2] for row in found} == {(None, A)}
    assert {row[2:4] for row in found} == {
        ("hostname", "SEP020000000002"), ("vendor", "Example"), ("model", "Phone 7"), ("serial_number", "FCH1234ABCD"),
        ("software", "SIP62.8-5-3"), ("software", "tnp62"), ("role", "switch"), ("role", "telephone"), ("port", B),
    }  # fmt: skip


def test_cdp(tmp_path: Path) -> None:
    found = facts(tmp_path, [snap(0x2000, CDP_SWITCH)])
    assert {row[0] for row in found} == {"192.0.2.1", "192.0.2.2", "192.0.2.9"}
    assert {row[2:4] for row in found} == {
        ("hostname", "core-1.example.org"), ("hostname", "core-1"), ("model", "example WS-C3560"),
        ("operating_system", "Example IOS Software, Version 12.2(55)"), ("role", "router"), ("role", "switch"),
        ("port", "GigabitEthernet0/1"), ("vlan", "99"),
    }  # fmt: skip


def test_bridges_and_aggregated_ports(tmp_path: Path) -> None:
    frames = [bridge(STP_CONFIGURATION), ethernet(lacp(0x3D), 0x8809, dst=SLOW)]
    found = {row[1:4] for row in facts(tmp_path, frames)}
    assert (A, "role", "switch") in found
    assert any(fact == "lacp_system" for _mac, fact, _value in found)
    assert not any(value == "root bridge" for _mac, _fact, value in found), "its way to the root has costs"


def test_streams(tmp_path: Path) -> None:
    frames = [
        *stream(SMB2_TALK, ("10.0.0.5", 50000), ("10.0.0.7", 445)),
        *stream(SMB1_TALK, ("10.0.0.6", 50000), ("10.0.0.8", 139)),
        *stream(SSH_TALK, ("10.0.0.5", 50001), ("10.0.0.9", 22)),
    ]
    found = facts(tmp_path, frames)
    assert found >= {
        ("10.0.0.5", None, "hostname", "DESK1", "smb"), ("10.0.0.7", None, "os_version", "10.0.17763", "smb"),
        ("10.0.0.7", None, "operating_system", "Windows 10.0.17763", "smb"),
        ("10.0.0.7", None, "hostname", "files.example.com", "smb"), ("10.0.0.7", None, "domain", "example.com", "smb"),
        ("10.0.0.5", None, "user", "EXAMPLE\\jane", "smb"), ("10.0.0.8", None, "operating_system", "Samba", "smb"),
        ("10.0.0.6", None, "operating_system", "W", "smb"),
    }  # fmt: skip
    assert {(ip, fact) for ip, _mac, fact, _value, source in found if source == "ssh"} >= {
        ("10.0.0.9", "software"), ("10.0.0.5", "software"),
    }  # fmt: skip


def test_kerberos(tmp_path: Path) -> None:
    ends = ("10.0.0.5", 50000), ("10.0.0.7", 88)
    found = facts(tmp_path, [udp_frame(*ends, AS_REQ), udp_frame(ends[1], ends[0], AS_REP)], "kerberos")
    assert ("10.0.0.7", None, "role", "kerberos server", "kerberos") in found
    assert any(row[2] == "user" and "@" in row[3] for row in found)


def test_http_but_not_through_a_proxy(tmp_path: Path) -> None:
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) X/1"
    frames = [
        *stream([(True, request(agent)), (False, ANSWER)], ("10.0.0.5", 50000), ("10.0.0.8", 80)),
        *stream([(True, request("a/1", path="http://h/")), (False, ANSWER)], ("10.0.0.6", 50000), ("10.0.0.9", 3128)),
        *stream([(True, request("b/1", "X-Forwarded-For: 1.2.3.4\r\n")), (False, ANSWER)],
                ("10.0.0.7", 50000), ("10.0.0.9", 80)),
    ]  # fmt: skip
    assert facts(tmp_path, frames, "http") == {
        ("10.0.0.5", None, "user_agent", agent, "http"), ("10.0.0.8", None, "software", "nginx/1.24", "http"),
        ("10.0.0.5", None, "operating_system", "Windows NT 10.0", "http"),
    }  # fmt: skip


def test_blanks_state_nothing_and_captured_text_is_kept_exactly(tmp_path: Path) -> None:
    hostile = "a\x1b[31m'; DROP TABLE host_facts; --\u202e"
    message = DHCP_REQUEST.replace(b"\x0c\x06laptop", b"\x0c\x06      ").replace(b"MSFT 5.0", b"\xffSFT '%$")
    frames = [
        udp_frame(("0.0.0.0", 68), ("255.255.255.255", 67), message),
        *stream([(True, request(hostile)), (False, ANSWER)], ("10.0.0.5", 50000), ("10.0.0.8", 80)),
    ]
    found = facts(tmp_path, frames)
    assert not [row for row in found if row[2:4] == ("hostname", "")]
    assert [row[3] for row in found if row[2] == "user_agent"] == [hostile]
    assert any(row[2] == "software" and "SFT '%$" in row[3] for row in found)


def test_values_are_bounded_and_the_others_counted(tmp_path: Path) -> None:
    talk = [part for n in range(MOST_VALUES + 9) for part in ((True, request(f"agent/{n}")), (False, ANSWER))]
    talk += [(True, request("agent/70")), (False, ANSWER)]
    found = session_of(tmp_path, stream(talk, ("10.0.0.5", 50000), ("10.0.0.8", 80)))
    kept = found.ask("SELECT value, count FROM host_facts WHERE fact = 'user_agent' ORDER BY count DESC, first_seen")
    assert len(kept) == MOST_VALUES
    assert kept[0] == ("agent/70", 2), "the most frequent are kept"
    left = found.ask("SELECT count, detail FROM anomalies WHERE kind = 'host_facts_left_out'")
    assert left == [(9, f"further values of user_agent by http of addresses that have more than {MOST_VALUES}")]


def test_the_next_hop_of_traffic_to_several_networks_is_a_router(tmp_path: Path) -> None:
    assert facts(tmp_path, routed(), "traffic") == {(None, B, "role", "next hop", "traffic")}


@pytest.mark.parametrize(
    "frames",
    [
        routed(number=2),
        [framed(ip(f"203.0.{n}.5", "10.0.0.5", 6, tcp(1, 2, 1, 0, SYN)), MAC_A) for n in range(9)],  # one network
        [framed(ip(f"10.{n}.0.5", "10.0.0.5", 6, tcp(1, 2, 1, 0, SYN)), MAC_A) for n in range(9)],  # no global ones
        [udp_frame((f"1{n}.0.0.1", 9), ("255.255.255.255", 9), b"x") for n in range(1, 3)],
    ],
)
def test_other_hardware_addresses_are_not(tmp_path: Path, frames: list[bytes]) -> None:
    assert facts(tmp_path, frames, "traffic") == set()


def test_a_shared_address_shows_itself(tmp_path: Path) -> None:
    frames = [ethernet(arp(1, "10.0.0.1", "10.0.0.1", VRRP), TYPE_ARP, src=VRRP)]
    assert {row for row in facts(tmp_path, frames, "address") if row[1] != B} == {
        (None, "00:00:5e:00:01:07", "vendor", "(virtual router: VRRP)", "address"),
        (None, "00:00:5e:00:01:07", "role", "virtual router (VRRP)", "address"),
    }


def test_vendors_are_facts_of_the_hardware_address(tmp_path: Path) -> None:
    apple = bytes.fromhex("d8306256001c")
    frames = [framed(ip("10.0.0.5", "10.0.0.6", 17, udp(9, 9, b"x")), apple, QEMU)]
    assert facts(tmp_path, frames, "ieee", "address") == {
        (None, "d8:30:62:56:00:1c", "vendor", "Apple, Inc.", "ieee"),
        (None, "52:54:00:00:00:01", "vendor", "(virtual network card: QEMU)", "address"),
    }


def test_a_flood_of_hardware_addresses_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "MOST_CARDS", 4)
    frames = [
        framed(ip("10.0.0.5", f"10.0.1.{n}", 17, udp(9, 9, b"x")), MAC_A, b"\0\0\x0c\0\0%c" % n) for n in range(9)
    ]
    found = session_of(tmp_path, frames)
    assert len(found.ask("SELECT mac FROM host_facts WHERE fact = 'vendor'")) == 4
    assert found.ask("SELECT DISTINCT value FROM host_facts WHERE fact = 'vendor' AND mac = ?", A), "it has most flows"
    left = found.ask("SELECT detail, count FROM anomalies WHERE kind = 'host_facts_left_out'")
    assert left == [("vendors: too many hardware addresses", 6)]


def test_the_initial_ttl_of_hosts_on_the_link_only(tmp_path: Path) -> None:
    frames = [ethernet(arp(1, "10.0.0.5", "10.0.0.1", MAC_A), TYPE_ARP), *routed()]
    assert facts(tmp_path, frames, "ip") == {("10.0.0.5", None, "initial_ttl", "64", "ip")}


def test_the_view_shows_what_is_known(tmp_path: Path) -> None:
    frames = [
        ethernet(arp(1, "192.168.1.50", "192.168.1.1", bytes.fromhex("0800279bd211")), TYPE_ARP),
        ethernet(arp(2, "192.168.1.1", "192.168.1.50", MAC_B), TYPE_ARP, src=MAC_B),
        udp_frame(("0.0.0.0", 68), ("255.255.255.255", 67), DHCP_REQUEST),
        udp_frame(("192.168.1.1", 67), ("192.168.1.50", 68), DHCP_ACK),
        *routed("192.168.1.50", bytes.fromhex("0800279bd211")),
    ]
    found = session_of(tmp_path, frames)
    columns = "mac, vendor, learned_from, hostname, os, os_source, systems, roles, scope"
    assert found.ask(f"SELECT {columns} FROM hosts WHERE ip = '192.168.1.50'") == [
        (A, "(locally administered, perhaps random)", "arp", "laptop", None, None, 0, None, "private")
    ]  # the frame's sender counts, which is another than the message says
    assert found.ask("SELECT roles FROM hosts WHERE ip = '192.168.1.1'") == [
        (["default gateway", "dhcp server", "dns server", "next hop"],)
    ]
    far = found.ask("SELECT mac, vendor, learned_from, roles, scope FROM hosts WHERE ip = '8.8.8.8'")
    assert far == [(None, None, "traffic", ["dns server"], "global")], "the router's address is not that of the server"


@pytest.mark.parametrize("capture", SAMPLES, ids=lambda path: path.name)
def test_facts_of_parts_are_those_of_the_whole(capture: Path, tmp_path: Path) -> None:
    """The live pass over parts of the rows, one after another, states what one pass over all of them does."""
    session = tmp_path / "s.duckdb"
    assert main(["replay", str(capture), "--db", str(session), "--no-tui", "--json"]) in (0, 3)
    whole = rows(session)["host_facts"]
    con = duckdb.connect(str(session))
    con.execute("DELETE FROM host_facts")
    tables = ("flows_ended", *hosts.TABLES)
    last = {name: con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in tables}
    everything = dict.fromkeys(tables, 0)
    discover(con, Span((1,), everything))
    discover(con, Span((1,), last))  # nothing is new
    con.close()
    assert rows(session)["host_facts"] == whole


def test_a_session_that_is_being_written_has_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the flushes before the end; the end has what a quick replay has."""
    seen: list[int] = []
    real = LivePasses.__call__

    def watched(self: LivePasses, con: duckdb.DuckDBPyConnection, capture_id: int) -> None:
        real(self, con, capture_id)
        seen.append(con.execute("SELECT count(*) FROM host_facts").fetchall()[0][0])

    monkeypatch.setattr(LivePasses, "__call__", watched)
    monkeypatch.setattr(options_module, "LIVE", Cadence(seconds=0.0, packets=1, rows=1, share=1.0))
    monkeypatch.setattr("rustnet.ingest.live.SELDOM", 2)
    capture = ROOT / "sample_pcaps" / "network.pcapng"
    replay(tmp_path / "paced.duckdb", capture, speed=20.0).con.close()
    replay(tmp_path / "quick.duckdb", capture).con.close()
    assert len(seen) > 2
    assert 0 < seen[0] <= seen[-1]
    assert len(set(seen)) > 1, "later flushes add to those of the first"
    assert rows(tmp_path / "paced.duckdb")["host_facts"] == rows(tmp_path / "quick.duckdb")["host_facts"]


def test_the_page_is_current_and_complete() -> None:
    assert (ROOT / "docs" / "hosts.md").read_text("utf-8") == hosts_page(), (
        "run: python -m rustnet.derive.hosts_page > docs/hosts.md"
    )
    stated = [stated for each in EVIDENCE for stated in each.stated]
    assert all(each.text for each in stated)
    assert {each.fact for each in stated} <= FACTS.keys()
