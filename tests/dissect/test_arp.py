from pathlib import Path

import pytest

from rustnet.dissect.arp import ARP, Arp
from rustnet.dissect.framework.conversation import NO, YES, DissectError
from tests.dissect.harness import CLIENT, Flow, fields, parsed, rows
from tests.dissect.samples_layer2 import said
from tests.support.packets import MAC_A, MAC_B, MAC_C, TYPE_ARP, arp, ethernet, padded
from tests.support.pcap import write_pcap
from tests.support.sessions import replay


def frames(*claims: tuple[bytes, str], vlan: int | None = None) -> list[bytes]:
    """Replies in which a hardware address claims an address, each to another asker."""
    tags = () if vlan is None else (vlan,)
    replies = [(mac, arp(2, ip, f"10.9.9.{i}", mac)) for i, (mac, ip) in enumerate(claims)]
    return [padded(ethernet(reply, TYPE_ARP, tags, src=mac)) for mac, reply in replies]


def test_request_and_padding() -> None:
    (row,) = rows(Arp, ARP, (CLIENT, arp(1, "192.0.2.1", "192.0.2.2") + b"\xee" * 18))
    assert fields(row) == {
        "operation": "request", "sender_ip": "192.0.2.1", "sender_mac": "02:00:00:00:00:01", "target_ip": "192.0.2.2",
        "target_mac": "00:00:00:00:00:00", "hardware_type": 1, "gratuitous": False, "probe": False,
        "announcement": False, "duplicate": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("message", "gratuitous", "probe", "announcement"),
    [
        (arp(1, "192.0.2.1", "192.0.2.1"), True, False, True),
        (arp(2, "192.0.2.1", "192.0.2.1"), True, False, False),
        (arp(1, "0.0.0.0", "192.0.2.1"), False, True, False),
        (arp(2, "0.0.0.0", "192.0.2.1"), False, False, False),
        (arp(8, "192.0.2.1", "192.0.2.1"), False, False, False),
    ],
)
def test_kinds_of_message(message: bytes, gratuitous: bool, probe: bool, announcement: bool) -> None:
    (row,) = rows(Arp, ARP, (CLIENT, message))
    assert (row.gratuitous, row.probe, row.announcement) == (gratuitous, probe, announcement)


def test_repetitions_have_no_row() -> None:
    first, other = arp(1, "192.0.2.1", "192.0.2.2"), arp(1, "192.0.2.1", "192.0.2.2", MAC_B)
    flow = parsed(ARP, said(first, first, other, first, other), "arp")
    assert [row.sender_mac for row in flow.rows if isinstance(row, Arp)] == ["02:00:00:00:00:01", "02:00:00:00:00:02"]
    assert len(flow.rows) == 2


def test_addresses_of_other_kinds() -> None:
    message = b"\0\x06\x08\x06\x02\x03\0\x63" + b"\1\2" + b"abc" + b"\3\4" + b"def"
    (row,) = rows(Arp, ARP, (CLIENT, message))
    assert (row.operation, row.sender_ip, row.sender_mac, row.target_mac) == ("operation99", None, "01:02", "03:04")
    with pytest.raises(DissectError):
        parsed(ARP, said(message[:-1]), "arp")


def test_probe() -> None:
    message = arp(1, "192.0.2.1", "192.0.2.2")
    flow = Flow(ARP, "arp")
    assert flow.probe(message) == YES
    assert {flow.probe(message[:size]) for size in range(len(message))} == {NO}
    assert flow.probe(b"\0\0" + message[2:]) == NO


def test_duplicate_addresses(tmp_path: Path) -> None:
    claims = [(MAC_A, "10.0.0.1"), (MAC_B, "10.0.0.2"), (MAC_C, "10.0.0.1"), (MAC_C, "10.0.0.3"), (MAC_A, "10.0.0.1")]
    path = write_pcap(tmp_path / "a.pcap", frames(*claims))
    con = replay(tmp_path / "s.duckdb", path)
    found = con.ask("SELECT packet, duplicate, duplicate_mac FROM arp ORDER BY packet")
    a, c = "02:00:00:00:00:01", "02:00:00:00:00:03"
    assert found == [(1, False, None), (2, False, None), (3, True, a), (4, False, None), (5, True, c)]
    reported = con.ask(
        "SELECT packet, flow_id, detail, count FROM anomalies WHERE kind = 'arp_duplicate_address' ORDER BY 1"
    )
    flows = dict(con.ask("SELECT packet, flow_id FROM arp"))
    assert reported == [
        (3, flows[3], f"10.0.0.1 is claimed by {c}, and was claimed by {a} before", 1),
        (5, flows[5], f"10.0.0.1 is claimed by {a}, and was claimed by {c} before", 1),
    ]


def test_probes_other_vlans_and_other_captures_are_no_conflict(tmp_path: Path) -> None:
    probe = padded(ethernet(arp(1, "0.0.0.0", "10.0.0.1", MAC_B), TYPE_ARP))
    first = write_pcap(tmp_path / "a.pcap", [*frames((MAC_A, "10.0.0.1")), probe, *frames((MAC_B, "10.0.0.1"), vlan=5)])
    second = write_pcap(tmp_path / "b.pcap", frames((MAC_C, "10.0.0.1")))
    con = replay(tmp_path / "s.duckdb", first, second)
    assert con.ask("SELECT count(*), count(*) FILTER (duplicate) FROM arp") == [(4, 0)]
    assert not con.ask("SELECT * FROM anomalies WHERE kind = 'arp_duplicate_address'")


def test_conflicts_of_one_capture_are_bounded(tmp_path: Path) -> None:
    claims = [(bytes([2, 0, 0, 0, i >> 8, i & 255]), "10.0.0.1") for i in range(400)]
    con = replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "a.pcap", frames(*claims[:250])))
    assert con.ask("SELECT count(*) FILTER (duplicate) FROM arp") == [(249,)]
    assert con.ask("SELECT count(*), min(packet), max(packet) FROM anomalies") == [(200, 2, 201)]


def test_the_flow_is_named(tmp_path: Path) -> None:
    con = replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "a.pcap", frames((MAC_A, "10.0.0.1"))))
    assert con.ask("SELECT protocol, app, app_source, src_ip FROM flows") == [("arp", "arp", "payload", "10.0.0.1")]
