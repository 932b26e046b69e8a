import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.lacp import LACP, Lacp
from tests.dissect.harness import Flow, parsed, rows
from tests.dissect.samples_layer2 import lacp, said
from tests.support.packets import MAC_C


def test_both_ends_and_changes() -> None:
    first, second = rows(
        Lacp, LACP, *said(lacp(0x3D), lacp(0x3D), lacp(0x45, MAC_C), lacp(0x45, MAC_C)), transport="lacp"
    )
    assert (first.actor_system, first.actor_system_priority, first.actor_key) == ("02:00:00:00:00:01", 32768, 13)
    assert (first.actor_port, first.actor_port_priority) == (22, 32769)
    assert first.actor_state == ["activity", "aggregation", "synchronization", "collecting", "distributing"]
    assert (first.partner_system, first.partner_system_priority, first.partner_key) == ("02:00:00:00:00:02", 32767, 14)
    assert (first.partner_port, first.partner_port_priority, first.collector_max_delay) == (23, 32770, 50)
    assert first.partner_state == ["aggregation", "synchronization", "collecting", "distributing"]
    assert (second.actor_state, second.partner_system) == (
        ["activity", "aggregation", "defaulted"],
        "02:00:00:00:00:03",
    )


def test_cut_off_and_odd() -> None:
    with pytest.raises(DissectError):
        parsed(LACP, said(lacp(1)[:41]), "lacp")
    (row,) = rows(Lacp, LACP, *said(lacp(1)[:22] + bytes(20)), transport="lacp")
    assert (row.actor_key, row.partner_key, row.collector_max_delay) == (13, None, None)


def test_probe() -> None:
    flow = Flow(LACP, "lacp")
    assert flow.probe(lacp(1)) == YES
    assert {flow.probe(m) for m in (lacp(1)[:41], b"\2" + lacp(1)[1:], b"\1\1\1\x10" + lacp(1)[4:])} == {NO}
