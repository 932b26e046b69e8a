"""What psutil shows of a machine: on this one, and as it answers on other systems."""

import os
import socket
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from rustnet.cli.psutil_machine import PsutilInterfaces, PsutilMachine, psutil_counters
from rustnet.ingest.machine_rows import MachineRows
from rustnet.probe.options import Options
from rustnet.store.batches import Records
from rustnet.store.live_tables import InterfaceStats, MachineInterface, SocketChange

LINK, V4, V6 = psutil.AF_LINK, socket.AF_INET, socket.AF_INET6


def nic(family: int, address: str, netmask: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(family=family, address=address, netmask=netmask, broadcast=None, ptp=None)


MAC_OS = {
    "lo0": [nic(V4, "127.0.0.1", "255.0.0.0"), nic(V6, "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            nic(V6, "fe80::1%lo0", "ffff:ffff:ffff:ffff::")],
    "en0": [nic(LINK, "3c:22:fb:01:02:03"), nic(V6, "fe80::18a9:1%en0", "ffff:ffff:ffff:ffff::"),
            nic(V4, "192.168.1.20", "255.255.255.0")],
    "utun3": [nic(V4, "10.9.0.2", "255.255.255.255")],
}  # fmt: skip
WINDOWS = {
    "Ethernet": [nic(LINK, "00-15-5D-01-02-03"), nic(V4, "172.20.1.5", "255.255.240.0"),
                 nic(V6, "fe80::8d1:2", None)],
    "Loopback Pseudo-Interface 1": [nic(V4, "127.0.0.1", "255.0.0.0"), nic(V6, "::1", None)],
}  # fmt: skip
STATES = {
    "lo0": SimpleNamespace(isup=True, mtu=16384, flags="up,loopback,running,multicast"),
    "en0": SimpleNamespace(isup=True, mtu=1500, flags="up,broadcast,running"),
    "utun3": SimpleNamespace(isup=False, mtu=1380, flags=""),
    "Ethernet": SimpleNamespace(isup=True, mtu=1500),
}
"""As psutil answers on macOS and on Windows, where older versions have no flags."""


def answer(monkeypatch: pytest.MonkeyPatch, addresses: dict[str, Any]) -> None:
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: addresses)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: STATES)


def test_interfaces_of_mac_os(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, MAC_OS)
    lines: list[dict[str, Any]] = []
    interfaces = PsutilInterfaces(lines.append)
    interfaces.follow()
    by_name = {line["name"]: line for line in lines}
    assert {name: line["addresses"] for name, line in by_name.items()} == {
        "lo0": ["127.0.0.1/8", "::1/128", "fe80::1/64"],
        "en0": ["192.168.1.20/24", "fe80::18a9:1/64"],
        "utun3": ["10.9.0.2/32"],
    }
    assert [(by_name[n]["kind"], by_name[n]["mac"], by_name[n]["state"]) for n in ("lo0", "en0", "utun3")] == [
        ("loopback", None, "up"), (None, "3c:22:fb:01:02:03", "up"), (None, None, "down")
    ]  # fmt: skip
    assert {line["change"] for line in lines} == {"present"}
    lines.clear()
    answer(monkeypatch, {name: MAC_OS[name] for name in ("lo0", "en0")} | {"en7": MAC_OS["en0"][:1]})
    interfaces.follow()
    assert lines == [], "not due"
    interfaces.due = 0
    interfaces.follow()
    assert [(line["name"], line["change"]) for line in lines] == [("utun3", "removed"), ("en7", "added")]


def test_interfaces_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, WINDOWS)
    lines: list[dict[str, Any]] = []
    PsutilInterfaces(lines.append).follow()
    assert [(line["name"], line["mac"], line["mtu"], line["state"], line["addresses"]) for line in lines] == [
        ("Ethernet", "00:15:5d:01:02:03", 1500, "up", ["172.20.1.5/20", "fe80::8d1:2"]),
        ("Loopback Pseudo-Interface 1", None, None, "unknown", ["127.0.0.1/8", "::1"]),
    ]
    rows = MachineRows(1)
    for line in lines:
        rows.add(line)
    assert rows.invalid == 0


def test_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    one = SimpleNamespace(
        bytes_sent=1, bytes_recv=2, packets_sent=3, packets_recv=4, errin=5, errout=6, dropin=7, dropout=8
    )
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: {"en0": one, "lo0": one})
    assert list(psutil_counters(["en0", "en9"])) == [("en0", [4, 2, 5, 7, 3, 1, 6, 8])]
    assert [name for name, _ in psutil_counters(None)] == ["en0", "lo0"]


def test_this_machine() -> None:
    options = Options(
        program="test", output="-", meta=None, interval=1, duration=0, rescan=1, early=0, host=None, netns=None,
        cmdline=True, full_cmdline=False, hashes=False, packets=False, nat=False, udp=False, realtime=False,
        force=False, group=None,
    )  # fmt: skip
    rows = MachineRows(1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        machine = PsutilMachine(["lo"], options)
        assert machine.descriptors() == []
        for line in machine.lines(machine.counters_due):
            assert rows.takes(line)
            rows.add(line)
        machine.close()
        port = server.getsockname()[1]
    assert rows.invalid == 0
    by_table = {batch.cls: batch.records for batch in rows.take() if isinstance(batch, Records)}
    assert [stats.interface_name for stats in by_table[InterfaceStats]] == ["lo"]
    loopback = next(each for each in by_table[MachineInterface] if each.name == "lo")
    assert "127.0.0.1/8" in loopback.ip_addresses
    own = [each for each in by_table[SocketChange] if each.local_port == port]
    assert [(each.pid, each.listening, each.inode) for each in own] == [(os.getpid(), True, None)]
