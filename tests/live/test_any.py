"""``rustnet live -i any``: interfaces that appear, go away and come back, and what is stored of them while it runs."""

import os
from pathlib import Path

import pytest

from tests.live.namespaces import Namespace, sender
from tests.live.running import Live
from tests.live.test_ring import A, B, numbered
from tests.support.packets import ip, udp

pytestmark = pytest.mark.root


def send(interface: str, count: int, first: int = 0) -> None:
    with sender(interface) as out:
        for i in range(count):
            out.send(numbered(first + i))


def test_interfaces_that_appear_and_come_back_are_stored_as_it_happens(namespace: Namespace, tmp_path: Path) -> None:
    namespace.veth("a", "b")
    with Live(tmp_path / "s.duckdb", "-i", "any") as live:
        send("a", 10)
        live.wait_for("SELECT 1 FROM interfaces WHERE name = 'b'")
        namespace.veth("c", "d")
        live.wait_for("SELECT 1 FROM anomalies WHERE kind = 'interface_added' AND detail LIKE 'd:%'")
        send("c", 20, 100)
        namespace.run("ip link del dev a")
        live.wait_for("SELECT 1 FROM anomalies WHERE kind = 'interface_gone' AND detail LIKE 'b:%'")
        namespace.veth("a", "b")
        live.wait_for("SELECT 1 FROM anomalies WHERE kind = 'interface_up' AND detail LIKE 'b:%'")
        send("a", 5, 200)
        live.wait_for("SELECT 1 FROM capture_stats JOIN interfaces USING (capture_id, interface) "
                      "WHERE name = 'b' GROUP BY ALL HAVING sum(capture_stats.packets) = 15")  # fmt: skip
        assert live.rows("SELECT count(*), count(DISTINCT interface) FROM interfaces WHERE name = 'b'") == [(1, 1)]
        live.stop()
    assert live.rows("SELECT source, dropped_kernel FROM captures") == [("any", 0)]
    sent = {"a": 15, "b": 15, "c": 20, "d": 20}
    seen = "SELECT name, i.packets, count(*) FROM packets AS p JOIN interfaces AS i USING (capture_id, interface) "
    rows = live.rows(f"{seen} GROUP BY ALL")
    assert {str(name): packets for name, packets, _ in rows if name in sent} == sent
    assert all(packets == stored for _, packets, stored in rows), "packets of each interface, as counted and as stored"
    totals = "SELECT sum(packets)::BIGINT, sum(bytes)::BIGINT FROM capture_stats"
    assert live.rows(totals) == live.rows("SELECT packets, wire_bytes FROM captures")


def test_a_ppp_like_interface_is_stored_cooked(namespace: Namespace, tmp_path: Path) -> None:
    try:
        tun = namespace.tun("ppp0", hardware=512)
    except OSError as error:
        pytest.skip(f"no tun interface: {error}")
    with Live(tmp_path / "s.duckdb", "-i", "ppp0", "-f", "udp port 5") as live:
        for port in (5, 6, 5):
            os.write(tun, ip(A, B, 17, udp(1024 + port, port, b"inside")))
        live.wait_for("SELECT 1 FROM flows")
        live.stop()
    assert live.rows("SELECT src_ip, dst_ip, dst_port, src_packets FROM flows") == [(A, B, 5, 2)]
    assert live.rows("SELECT link_types, undecoded FROM captures") == [(["LINUX_SLL2"], 0)]
