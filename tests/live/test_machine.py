"""What the probe says of the machine, while real programs change it in a namespace of the test's own."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rustnet.ingest.machine_rows import MachineRows
from rustnet.probe import machine_network
from rustnet.probe.machine import Machine, MachineCompanion
from rustnet.probe.machine_network import NetworkTables
from rustnet.probe.machine_sockets import OwnSockets
from rustnet.probe.processes import Processes
from rustnet.probe.sources import KernelSockets
from tests.live.namespaces import Namespace

pytestmark = pytest.mark.root

SLOWEST = 10.0
Line = dict[str, Any]

LISTENER = """
import socket, sys
tcp = socket.create_server(("127.0.0.1", 0))
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.bind(("::1", 0))
print(tcp.getsockname()[1], udp.getsockname()[1], flush=True)
sys.stdin.read()
"""


class Watched:
    """A machine whose lines are collected."""

    def __init__(self, interfaces: list[str] | None, *, sockets: bool = False) -> None:
        own = OwnSockets(KernelSockets(), Processes()) if sockets else None
        self.machine = Machine(interfaces, own=own)
        self.all: list[Line] = []
        self.rows = MachineRows(1)

    def look(self) -> None:
        for line in self.machine.lines(time.monotonic()):
            self.all.append(json.loads(json.dumps(line)))
            self.rows.add(self.all[-1])
        assert self.rows.invalid == 0, self.all[-1]

    def until(self, wanted: Callable[[Line], bool]) -> Line:
        """The first line that is wanted, among those that have come and those that come."""
        checked, began = 0, time.monotonic()
        while True:
            self.look()
            for line in self.all[checked:]:
                if wanted(line):
                    return line
            checked = len(self.all)
            assert time.monotonic() < began + SLOWEST, self.all
            time.sleep(0.02)

    def change(self, record: str, change: str, **keys: Any) -> Line:
        return self.until(
            lambda line: (
                line["record"] == record
                and line.get("change") == change
                and all(line[name] == value for name, value in keys.items())
            )
        )

    def of(self, record: str) -> list[Line]:
        return [line for line in self.all if line["record"] == record]


def tables(seen: Watched) -> NetworkTables:
    assert isinstance(seen.machine.network, NetworkTables)
    return seen.machine.network


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def begin(interfaces: list[str] | None = None, *, sockets: bool = False) -> Watched:
        made.append(Watched(interfaces, sockets=sockets))
        made[-1].look()
        return made[-1]

    yield begin
    for one in made:
        one.machine.close()


Begin = Callable[..., Watched]


def test_the_beginning(namespace: Namespace, watch: Begin) -> None:
    namespace.veth("a", "b")
    namespace.run("ip link set dev a address 02:00:00:00:00:0a")
    namespace.run("ip addr add 10.1.0.1/24 dev a")
    namespace.run("ip route add 10.2.0.0/16 via 10.1.0.9 metric 7")
    namespace.run("ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev a")
    seen = watch(["a"])
    host = seen.of("host")[0]
    assert host["hostname"] == socket.gethostname()
    assert host["kernel"] == os.uname().release
    assert host["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert host["cpus"] == os.cpu_count()
    assert host["network_namespace"] == Path("/proc/thread-self/ns/net").stat().st_ino
    own = Path("/etc/machine-id").read_text().strip() if Path("/etc/machine-id").exists() else "?"
    assert own not in json.dumps(seen.all)
    interfaces = {line["name"]: line for line in seen.of("interface")}
    assert interfaces.keys() >= {"lo", "a", "b"}
    a = interfaces["a"]
    assert (a["kind"], a["mtu"], a["up"], a["state"], a["change"]) == ("veth", 1500, True, "up", "present")
    assert a["addresses"] == ["10.1.0.1/24"]
    assert a["mac"] == "02:00:00:00:00:0a"
    assert interfaces["lo"]["mac"] is None
    routes = {line["destination"]: line for line in seen.of("route")}
    assert routes.keys() == {"10.1.0.0/24", "10.2.0.0/16"}, "those of addresses are left out"
    link, static = routes["10.1.0.0/24"], routes["10.2.0.0/16"]
    assert (link["gateway"], link["protocol"], link["source"]) == (None, "kernel", "10.1.0.1")
    assert [static[k] for k in ("gateway", "interface", "metric", "table", "type", "change")] == [
        "10.1.0.9", "a", 7, "main", "unicast", "present",
    ]  # fmt: skip
    assert [(n["address"], n["mac"], n["state"], n["interface"], n["change"]) for n in seen.of("neighbour")] == [
        ("10.1.0.9", "02:00:00:00:00:09", "permanent", "a", "present")
    ]


def test_routes_that_come_and_go(namespace: Namespace, watch: Begin) -> None:
    namespace.veth("a", "b")
    namespace.run("ip addr add 10.1.0.1/24 dev a")
    seen = watch([])
    before = time.time_ns()
    namespace.run("ip route add 10.3.0.0/16 via 10.1.0.9")
    added = seen.change("route", "added", destination="10.3.0.0/16")
    assert before < added["at"] < time.time_ns()
    namespace.run("ip route replace 10.3.0.0/16 via 10.1.0.8")
    removed = seen.change("route", "removed", destination="10.3.0.0/16")
    assert (removed["gateway"], removed["route"]) == ("10.1.0.9", added["route"])
    assert seen.change("route", "added", gateway="10.1.0.8")["route"] != added["route"]
    namespace.run("ip route del 10.3.0.0/16")
    seen.change("route", "removed", gateway="10.1.0.8")
    namespace.run("ip route add blackhole 10.4.0.0/16 table 77")
    assert seen.change("route", "added", destination="10.4.0.0/16", type="blackhole")["table"] == "77"
    namespace.run("ip route add 10.5.0.0/16 nexthop via 10.1.0.5 weight 3 nexthop via 10.1.0.6")
    assert seen.change("route", "added", gateway="10.1.0.5")["weight"] == 3
    assert seen.change("route", "added", gateway="10.1.0.6")["weight"] == 1


def test_routes_that_go_with_their_interface_without_notice(namespace: Namespace, watch: Begin) -> None:
    namespace.veth("a", "b")
    namespace.run("ip addr add 10.1.0.1/24 dev a")
    namespace.run("ip route add 10.6.0.0/16 via 10.1.0.9")
    seen = watch([])
    namespace.run("ip link set dev a down")
    assert seen.change("interface", "changed", name="a")["up"] is False
    seen.change("route", "removed", destination="10.6.0.0/16")
    seen.change("route", "removed", destination="10.1.0.0/24")
    namespace.run("ip link set dev a up")
    seen.until(lambda line: line["record"] == "interface" and line["name"] == "a" and line["state"] == "up")
    seen.change("route", "added", destination="10.1.0.0/24")
    namespace.run("ip link del dev a")
    seen.change("interface", "removed", name="a")
    seen.change("interface", "removed", name="b")


def test_ipv6_routes_and_neighbours(namespace: Namespace, watch: Begin) -> None:
    namespace.veth("a", "b")
    Path("/proc/sys/net/ipv6/conf/a/disable_ipv6").write_text("0")
    namespace.run("ip addr add fd00:1::1/64 dev a nodad")
    seen = watch([])
    namespace.run("ip -6 route add fd00:2::/48 via fd00:1::9 metric 5")
    added = seen.change("route", "added", destination="fd00:2::/48")
    assert (added["gateway"], added["metric"], added["interface"]) == ("fd00:1::9", 5, "a")
    namespace.run("ip -6 neigh add fd00:1::9 lladdr 02:00:00:00:00:09 dev a router")
    neighbour = seen.change("neighbour", "added", address="fd00:1::9")
    assert (neighbour["mac"], neighbour["state"], neighbour["router"]) == ("02:00:00:00:00:09", "permanent", True)
    namespace.run("ip -6 route del fd00:2::/48 metric 5")
    seen.change("route", "removed", destination="fd00:2::/48")
    assert not [r for r in seen.of("route") if r["destination"].startswith("ff00:") or r["type"] == "local"]


def test_neighbours_that_change(namespace: Namespace, watch: Begin) -> None:
    namespace.veth("a", "b")
    namespace.run("ip addr add 10.1.0.1/24 dev a")
    seen = watch([])
    namespace.run("ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev a nud reachable")
    seen.change("neighbour", "added", address="10.1.0.9", state="resolved")
    for state in ("stale", "delay", "reachable"):
        namespace.run(f"ip neigh change 10.1.0.9 lladdr 02:00:00:00:00:09 dev a nud {state}")
    namespace.run("ip neigh change 10.1.0.9 lladdr 02:00:00:00:00:aa dev a nud reachable")
    assert seen.change("neighbour", "changed", address="10.1.0.9")["mac"] == "02:00:00:00:00:aa"
    namespace.run("ip neigh change 10.1.0.9 dev a nud failed")
    failed = seen.change("neighbour", "changed", state="failed")
    assert failed["mac"] is None
    namespace.run("ip neigh del 10.1.0.9 dev a")
    seen.change("neighbour", "removed", address="10.1.0.9")
    assert len(seen.of("neighbour")) == 4, "what is only confirmed is no change"


def test_counters_each_second(namespace: Namespace, watch: Begin) -> None:
    namespace.veth("a", "b")
    seen = watch(["a", "nothing"])
    first = seen.of("interface_stats")
    assert [line["interface"] for line in first] == ["a"]
    assert "rx_packets" not in first[0]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind(("b", 0))
        for _ in range(25):
            out.send(bytes(12) + b"\x88\xb5" + bytes(86))
    seen.until(lambda _: len(seen.of("interface_stats")) == 3)
    _, second, third = seen.of("interface_stats")
    assert (second["rx_packets"], second["rx_bytes"], second["tx_packets"]) == (25, 2500, 0)
    assert second["total_rx_packets"] == first[0]["total_rx_packets"] + 25
    assert third["rx_packets"] == 0
    assert 0.9e9 < third["span_ns"] < 1.5e9
    namespace.run("ip link del dev a")
    namespace.veth("a", "b")
    time.sleep(0.1)
    seen.until(lambda _: len(seen.of("interface_stats")) == 4)
    assert seen.of("interface_stats")[3]["total_rx_packets"] < 25
    assert "rx_packets" not in seen.of("interface_stats")[3]


def test_sockets_with_their_owners(namespace: Namespace, watch: Begin) -> None:
    seen = watch([], sockets=True)
    program = [sys.executable, "-I", "-c", LISTENER]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        tcp, udp = map(int, process.stdout.readline().split())
        seen.machine.sockets_due = 0
        opened = seen.change("socket", "opened", local=f"127.0.0.1:{tcp}")
        assert (opened["listening"], opened["state"], opened["remote"]) == (True, "LISTEN", None)
        assert opened["pid"] == process.pid
        assert opened["exe"] == os.path.realpath(sys.executable)
        assert opened["holders"] == [[opened["process_name"], process.pid]]
        assert opened["before"] < opened["at"]
        bound = seen.change("socket", "opened", local=f"[::1]:{udp}")
        assert (bound["protocol"], bound["listening"], bound["pid"]) == ("UDP", False, process.pid)
        with socket.create_connection(("127.0.0.1", tcp)) as connection:
            seen.machine.sockets_due = 0
            own = seen.change("socket", "opened", local=f"127.0.0.1:{connection.getsockname()[1]}")
            assert (own["pid"], own["state"], own["remote"]) == (os.getpid(), "ESTABLISHED", f"127.0.0.1:{tcp}")
        process.stdin.close()
    seen.machine.sockets_due = 0
    assert seen.change("socket", "closed", local=f"127.0.0.1:{tcp}")["socket"] == opened["socket"]


def test_notices_without_room_are_said_and_made_good(namespace: Namespace, watch: Begin) -> None:
    namespace.veth("a", "b")
    namespace.run("ip addr add 10.1.0.1/24 dev a")
    seen = watch([])
    tables(seen).notices.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    batch = "".join(f"route add 10.9.{i}.0/24 dev a\n" for i in range(250))
    batch += "".join(f"route del 10.9.{i}.0/24 dev a\n" for i in range(200))
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
    gap = seen.until(lambda line: line["record"] == "machine_gap")
    assert (gap["what"], gap["reason"]) == ("notices", "overrun")
    seen.until(lambda _: len(tables(seen).routes) == 51)
    said: dict[int, str] = {}
    for line in seen.of("route"):
        said[line["route"]] = line["destination"] if line["change"] != "removed" else ""
    assert sorted(filter(None, said.values())) == sorted(["10.1.0.0/24", *(f"10.9.{i}.0/24" for i in range(200, 250))])


def test_very_many_changes_and_entries_are_bounded(
    namespace: Namespace, watch: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_network, "CHANGES", 20)
    monkeypatch.setattr(machine_network, "BUSY_SECONDS", 0.3)
    monkeypatch.setattr(machine_network, "MOST_ROUTES", 100)
    namespace.veth("a", "b")
    seen = watch([])
    batch = "".join(f"route add 10.9.{i}.0/24 dev a\n" for i in range(130))
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
    limit = seen.until(lambda line: line["record"] == "machine_gap" and line["reason"] == "limit")
    assert (limit["what"], limit["count"]) == ("routes", 30)
    assert len(seen.of("route")) == 100
    assert {gap["reason"] for gap in seen.of("machine_gap")} == {"rate", "limit"}


def test_a_thread_of_the_probe(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    stop, wake = socket.socketpair()
    written: list[Line] = []
    companion = MachineCompanion(["a"])
    thread = threading.Thread(target=companion.run, args=(stop, written.append))
    thread.start()
    began = time.monotonic()
    while sum(line["record"] == "interface_stats" for line in written) < 2 and time.monotonic() < began + SLOWEST:
        time.sleep(0.05)
    wake.send(b"x")
    thread.join(SLOWEST)
    assert not thread.is_alive()
    stop.close()
    wake.close()
    records = [line["record"] for line in written]
    assert records.count("host") == 1
    assert records.count("interface_stats") == 3, "the last ones come at the end"
    assert {line["interface"] for line in written if line["record"] == "interface_stats"} == {"a"}
