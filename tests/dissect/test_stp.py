import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.stp import STP, Stp
from tests.dissect import samples_layer2 as s
from tests.dissect.harness import Flow, parsed, rows
from tests.dissect.samples_layer2 import said


def test_configuration_and_notification() -> None:
    first, note = rows(Stp, STP, *said(s.STP_CONFIGURATION, s.STP_CONFIGURATION, s.STP_NOTIFICATION), transport="stp")
    assert (first.protocol, first.message) == ("stp", "configuration")
    assert (first.root_mac, first.root_priority, first.root_extension) == ("02:00:00:00:00:01", 0x6000, 1)
    assert (first.bridge_mac, first.bridge_priority, first.bridge_extension) == ("02:00:00:00:00:02", 0x8000, 1)
    assert (first.root_cost, first.stp_port, first.flags) == (4, 0x800C, 0x81)
    assert (first.topology_change, first.topology_change_ack, first.port_role, first.forwarding) == (
        True,
        True,
        None,
        None,
    )
    assert (first.message_age_s, first.max_age_s, first.hello_time_s, first.forward_delay_s) == (1.0, 20.0, 2.0, 15.0)
    assert (note.protocol, note.message, note.root_mac) == ("stp", "topology_change_notification", None)


def test_rapid() -> None:
    (row,) = rows(Stp, STP, *said(s.RSTP), transport="stp")
    assert (row.protocol, row.port_role, row.topology_change) == ("rstp", "designated", False)
    assert (row.proposal, row.learning, row.forwarding, row.agreement) == (False, True, True, False)


def test_trees_of_vlans() -> None:
    first, second, again = rows(
        Stp, STP, *said(s.PVST, s.RAPID_PVST, s.PVST, s.bpdu(0, 0, 1, s.PVST[35:], vlan=10)), transport="stp"
    )
    assert (first.protocol, first.pvst_vlan, first.root_extension) == ("pvst+", 10, 10)
    assert (second.protocol, second.pvst_vlan, second.port_role, second.agreement) == (
        "rpvst+",
        300,
        "designated",
        True,
    )
    assert (again.pvst_vlan, again.topology_change) == (10, True)


def test_regions() -> None:
    (row,) = rows(Stp, STP, *said(s.MSTP), transport="stp")
    assert (row.protocol, row.mst_region, row.mst_revision, row.mst_internal_cost) == ("mstp", "campus", 3, 20000)
    assert (row.mst_bridge_mac, row.mst_bridge_priority, row.mst_hops) == ("02:00:00:00:00:03", 0x8000, 19)
    assert (row.mst_instances, row.mst_digest) == (1, bytes(range(16)).hex())
    (cut,) = rows(Stp, STP, *said(s.MSTP[:90]), transport="stp")
    assert (cut.protocol, cut.root_cost, cut.mst_region) == ("mstp", 4, None)


def test_malformed() -> None:
    for message in (b"", b"\0\1\0\0", b"\0\0\0\7" + bytes(40), s.RSTP[:34]):
        with pytest.raises(DissectError):
            parsed(STP, said(message), "stp")


def test_probe() -> None:
    flow = Flow(STP, "stp")
    assert {flow.probe(m) for m in (s.STP_CONFIGURATION, s.STP_NOTIFICATION, s.RSTP, s.MSTP, s.PVST)} == {YES}
    assert {flow.probe(m) for m in (bytes(64), s.RSTP[:34], b"\1" + s.RSTP[1:], b"\0\0\x09" + s.RSTP[3:])} == {NO}
