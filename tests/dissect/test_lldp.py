from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.lldp import LLDP, Lldp, parse
from tests.dissect.harness import Flow, parsed, rows
from tests.dissect.samples_layer2 import LLDP_BYE, LLDP_PHONE, LLDP_SWITCH, org, said, tlv
from tests.support.packets import NEAREST, TYPE_LLDP, cooked, ethernet, padded
from tests.support.pcap import write_pcap
from tests.support.sessions import replay


def test_a_switch() -> None:
    flow = parsed(LLDP, said(LLDP_SWITCH), "lldp")
    (row,) = flow.rows
    assert isinstance(row, Lldp)
    assert (row.chassis_id, row.chassis_id_kind) == ("02:00:00:00:00:01", "mac")
    assert (row.port_id, row.port_id_kind, row.ttl) == ("Gi1/0/12", "interface_name", 120)
    assert (row.system_name, row.port_description) == ("access-1.example.org", "uplink to core")
    assert row.system_description == "Example OS 15.2\nCopyright"
    assert (row.capabilities, row.enabled_capabilities) == (["bridge", "router"], ["bridge"])
    assert row.management_addresses == ["192.0.2.10", "2001:db8::10"]
    assert (row.port_vlan, row.vlans, row.max_frame) == (10, ["10 users", "20 voice"], 1522)
    assert flow.sink.names == [
        ("192.0.2.10", "access-1.example.org", "lldp", 120), ("2001:db8::10", "access-1.example.org", "lldp", 120),
    ]  # fmt: skip


def test_a_telephone() -> None:
    (row,) = rows(Lldp, LLDP, *said(LLDP_PHONE), transport="lldp")
    assert (row.chassis_id, row.chassis_id_kind) == ("192.0.2.77", "network")
    assert (row.port_id, row.port_id_kind) == ("02:00:00:00:00:02", "mac")
    assert (row.device_class, row.voice_vlan, row.capabilities) == ("endpoint_3", 100, ["bridge", "telephone"])
    assert (row.manufacturer, row.model, row.serial_number, row.asset) == ("Example", "Phone 7", "FCH1234ABCD", "inv-9")
    assert (row.hardware_revision, row.firmware_revision, row.software_revision) == ("7", "tnp62", "SIP62.8-5-3")


def test_identifiers_that_are_no_text() -> None:
    (row,) = rows(Lldp, LLDP, *said(LLDP_BYE), transport="lldp")
    assert (row.chassis_id, row.port_id, row.ttl, row.system_name) == ("host é", "00:01:ff", 0, None)
    odd = tlv(1, b"\5\x06\1\2\3") + tlv(2, b"\x09x")
    assert (parse(odd).chassis_id, parse(odd).port_id, parse(odd).port_id_kind) == ("01:02:03", "x", "kind9")


def test_a_row_for_each_change() -> None:
    other = LLDP_SWITCH.replace(b"uplink", b"UPLINK")
    flow = parsed(LLDP, said(LLDP_SWITCH, LLDP_SWITCH, LLDP_PHONE, LLDP_SWITCH, other, other, LLDP_SWITCH), "lldp")
    found = [row.port_description for row in flow.rows if isinstance(row, Lldp)]
    assert found == ["uplink to core", None, "UPLINK to core", "uplink to core"]


def test_cut_off_messages_tell_what_is_whole() -> None:
    at = LLDP_SWITCH.index(b"access-1")
    assert parse(LLDP_SWITCH[: at + 3]).system_name is None
    assert parse(LLDP_SWITCH[: at + 3]).port_description == "uplink to core"
    assert parse(LLDP_SWITCH[: at + 20]).system_name == "access-1.example.org"
    with pytest.raises(DissectError):
        parsed(LLDP, said(tlv(5, b"name")), "lldp")


@given(st.integers(0, 255), st.binary(max_size=40))
def test_items_of_organisations(kind: int, body: bytes) -> None:
    for owner in ("0080c2", "00120f", "0012bb", "000ecf"):
        row = parse(tlv(1, b"\4abcdef") + org(owner, kind, body))
        assert row.chassis_id == "61:62:63:64:65:66"


def test_probe() -> None:
    flow = Flow(LLDP, "lldp")
    assert flow.probe(LLDP_SWITCH) == YES
    assert flow.probe(LLDP_SWITCH[9:]) == NO
    assert flow.probe(LLDP_SWITCH[:8]) == NO
    assert flow.probe(b"\x02\x07\x09" + LLDP_SWITCH[3:]) == NO


def test_through_the_engine(tmp_path: Path) -> None:
    def frame(message: bytes, *vlans: int) -> bytes:
        return padded(ethernet(message, TYPE_LLDP, vlans, dst=NEAREST))

    plain = write_pcap(tmp_path / "a.pcap", [frame(LLDP_SWITCH), frame(LLDP_PHONE, 7)])
    linux = write_pcap(tmp_path / "b.pcap", [cooked(0x88CC, LLDP_PHONE)], 113)
    con = replay(tmp_path / "s.duckdb", plain, linux)
    found = con.ask(
        "SELECT app, app_source, vlan_id, src_mac, system_name FROM flows JOIN lldp USING (flow_id) ORDER BY flow_id",
    )
    mac = "02:00:00:00:00:01"
    assert found == [
        ("lldp", "payload", None, mac, "access-1.example.org"), ("lldp", "payload", 7, mac, "SEP020000000002"),
        ("lldp", "payload", None, mac, "SEP020000000002"),
    ]  # fmt: skip
    assert ("192.0.2.77",) not in con.ask("SELECT ip FROM names")
    assert len(con.ask("SELECT * FROM names WHERE source = 'lldp'")) == 2
