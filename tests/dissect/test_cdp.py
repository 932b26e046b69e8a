from pathlib import Path

from rustnet.dissect.cdp import CDP, Cdp, parse
from rustnet.dissect.framework.conversation import NO, YES
from tests.dissect.harness import Flow, parsed, rows
from tests.dissect.samples_layer2 import CDP_OLD, CDP_PHONE, CDP_SWITCH, cdp, cdp_tlv, said
from tests.support.packets import CHDLC, CISCO_SNAP, COOKED, cooked, snap
from tests.support.pcap import write_pcap
from tests.support.sessions import replay


def test_a_switch() -> None:
    flow = parsed(CDP, said(CDP_SWITCH, CDP_SWITCH), "cdp")
    (row,) = flow.rows
    assert isinstance(row, Cdp)
    assert (row.version, row.ttl, row.device_id, row.port_id) == ("2", 180, "core-1.example.org", "GigabitEthernet0/1")
    assert (row.platform, row.software_version) == ("example WS-C3560", "Example IOS Software, Version 12.2(55)")
    assert row.capabilities == ["router", "switch", "igmp"]
    assert (row.addresses, row.management_addresses) == (["192.0.2.1", "192.0.2.2"], ["192.0.2.9"])
    assert (row.native_vlan, row.voice_vlan, row.duplex, row.mtu) == (99, 200, "full", 1500)
    assert (row.vtp_domain, row.system_name, row.location) == ("campus", "core-1", "room 12")
    assert [(ip, name) for ip, name, _, _ in flow.sink.names] == [
        (ip, "core-1.example.org") for ip in ("192.0.2.1", "192.0.2.2", "192.0.2.9")
    ]


def test_a_telephone_and_an_old_router() -> None:
    phone, old = rows(Cdp, CDP, *said(CDP_PHONE, CDP_OLD), transport="cdp")
    assert (phone.addresses, phone.duplex, phone.power_mw) == (["fe80::7"], "half", 6300)
    assert phone.capabilities == ["host", "telephone"]
    assert (old.version, old.device_id, old.prefixes) == ("1", "R1", ["10.0.1.0/24", "10.0.2.0/25"])


def test_a_port_item_whose_length_leaves_out_its_head() -> None:
    message = bytearray(cdp(1, 60, cdp_tlv(1, b"old"), cdp_tlv(3, b"Ethernet0/1"), cdp_tlv(6, b"platform")))
    at = message.index(b"Ethernet") - 1
    message[at] -= 3
    row = parse(bytes(message))
    assert (row.device_id, row.port_id, row.platform) == ("old", "Ethernet0/1", "platform")


def test_items_that_lie_are_left_out() -> None:
    many = cdp_tlv(2, b"\xff\xff\xff\xff\1\1\xcc\0\4\x0a\0\0\1\1\1\xcc\0\4\x0a\0")
    row = parse(cdp(2, 1, cdp_tlv(1, b"x"), many, b"\0\6\0\3"))
    assert (row.device_id, row.addresses, row.platform) == ("x", ["10.0.0.1"], None)
    assert parse(cdp(2, 1, b"\0\1\0\xff" + b"name")).device_id is None


def test_probe() -> None:
    flow = Flow(CDP, "cdp")
    assert flow.probe(CDP_OLD) == YES
    assert {
        flow.probe(data) for data in (b"", CDP_OLD[:7], b"\7" + CDP_OLD[1:], CDP_OLD[:6] + b"\0\3" + CDP_OLD[8:])
    } == {NO}


def test_through_the_engine(tmp_path: Path) -> None:
    ethernet = write_pcap(tmp_path / "a.pcap", [snap(0x2000, CDP_SWITCH), snap(0x2000, CDP_PHONE, vlans=(9,))])
    linux = write_pcap(tmp_path / "b.pcap", [cooked(4, CISCO_SNAP + b"\x20\0" + CDP_OLD)], COOKED)
    serial = write_pcap(tmp_path / "c.pcap", [b"\x8f\0\x20\0" + CDP_OLD], CHDLC)
    con = replay(tmp_path / "s.duckdb", ethernet, linux, serial)
    found = con.ask("SELECT protocol, app, vlan_id, device_id FROM flows JOIN cdp USING (flow_id) ORDER BY flow_id")
    assert found == [
        ("cdp", "cdp", None, "core-1.example.org"), ("cdp", "cdp", 9, "SEP020000000003"), ("cdp", "cdp", None, "R1"),
        ("cdp", "cdp", None, "R1"),
    ]  # fmt: skip
