"""A session of a live capture's machine, from lines as the probe writes them."""

from pathlib import Path
from typing import Any

from rustnet.ingest.machine_rows import MachineRows
from rustnet.store.batches import Records
from rustnet.store.tables import Capture, Process
from rustnet.store.writer import Writer
from tests.support.packets import SECOND, START

Line = dict[str, Any]

HOST: Line = {
    "record": "host", "at": START, "hostname": "desk", "system": "Linux", "kernel": "6.1.0", "os": "Debian 12",
    "architecture": "x86_64", "boot_id": "b0", "machine_id": "m0", "clock_source": "tsc", "timezone": "Europe/Paris",
    "cpus": 4, "memory_bytes": 8 << 30, "network_namespace": 4026531840, "dns_servers": ["127.0.0.53"],
    "dns_upstreams": ["192.0.2.53", "2001:db8::53"], "dns_search": ["lan.example"],
}  # fmt: skip

COUNTERS = ("rx_packets", "rx_bytes", "rx_errors", "rx_drops", "tx_packets", "tx_bytes", "tx_errors", "tx_drops")


def stats(second: int, totals: list[int], growth: list[int] | None = None, interface: str = "eth0") -> Line:
    """Counters of an interface."""
    line: Line = {"record": "interface_stats", "at": START + second * SECOND, "interface": interface}
    line.update((f"total_{name}", value) for name, value in zip(COUNTERS, totals, strict=True))
    if growth is not None:
        line["span_ns"] = SECOND
        line.update(zip(COUNTERS, growth, strict=True))
    return line


def interface(second: int, change: str, **keys: Any) -> Line:
    """An interface's state."""
    own = {"ifindex": 2, "name": "eth0", "kind": "ethernet", "mac": "02:00:00:00:00:01", "mtu": 1500,
           "addresses": ["10.0.0.5/24", "fe80::1/64"], "up": True, "state": "up", "master": None, "parent": None,
           "network_namespace": 4026531840}  # fmt: skip
    return {"record": "interface", "at": START + second * SECOND, "change": change, **own, **keys}


def route(second: int, change: str, number: int, destination: str, gateway: str | None, **keys: Any) -> Line:
    """A change of a route."""
    own = {"table": "main", "from_network": None, "tos": 0, "interface": "eth0", "metric": 100, "type": "unicast",
           "protocol": "dhcp", "source": "10.0.0.5", "weight": 1}  # fmt: skip
    ends = {"route": number, "destination": destination, "gateway": gateway}
    return {"record": "route", "at": START + second * SECOND, "change": change, **ends, **own, **keys}


def neighbour(second: int, change: str, address: str, mac: str | None, **keys: Any) -> Line:
    """A change of a neighbour."""
    own = {"ifindex": 2, "interface": "eth0", "state": "resolved" if mac else "failed", "router": False}
    return {"record": "neighbour", "at": START + second * SECOND, "change": change, "address": address, "mac": mac,
            **own, **keys}  # fmt: skip


def owned(pid: int, name: str, **keys: Any) -> Line:
    """The process that holds a socket."""
    own = {"pid": pid, "process_name": name, "process_started": START - 100 * SECOND, "exe": f"/usr/sbin/{name}",
           "cmdline": f"{name} -D", "username": "root", "holders": [[name, pid]], "holder_count": 1}  # fmt: skip
    return {**own, **keys}


def socket(second: int, change: str, number: int, local: str, remote: str | None = None, **keys: Any) -> Line:
    """A change of a socket."""
    listening = remote is None and keys.get("protocol", "TCP") == "TCP"
    own = {"protocol": "TCP", "listening": listening, "state": "LISTEN" if listening else "ESTABLISHED", "uid": 0,
           "inode": 7000 + number, "ipv6_only": None, "network_namespace": None}  # fmt: skip
    before = None if change == "present" else START + (second - 5) * SECOND
    return {"record": "socket", "at": START + second * SECOND, "before": before, "change": change, "socket": number,
            "local": local, "remote": remote, **own, **keys}  # fmt: skip


SSHD = owned(811, "sshd")
STORY: list[Line] = [
    HOST,
    interface(0, "present"),
    interface(12, "changed", state="down"),
    interface(14, "changed"),
    stats(0, [1000, 90_000, 0, 3, 500, 40_000, 0, 0]),
    stats(1, [1100, 190_000, 0, 3, 550, 45_000, 0, 0], [100, 100_000, 0, 0, 50, 5_000, 0, 0]),
    stats(2, [1110, 191_000, 2, 8, 551, 45_100, 0, 0], [10, 1_000, 2, 5, 1, 100, 0, 0]),
    route(0, "present", 1, "0.0.0.0/0", "10.0.0.1"),
    route(0, "present", 2, "10.0.0.0/24", None, protocol="kernel"),
    route(8, "added", 3, "10.8.0.0/16", "10.0.0.66", protocol="static", metric=0, source=None),
    route(16, "removed", 3, "10.8.0.0/16", "10.0.0.66", protocol="static", metric=0, source=None),
    route(0, "present", 4, "::/0", "fe80::99", protocol="ra", source=None, metric=1024),
    neighbour(0, "present", "10.0.0.1", "02:00:00:00:00:99"),
    neighbour(9, "changed", "10.0.0.1", "02:00:00:00:00:66"),
    neighbour(3, "added", "10.0.0.7", "02:00:00:00:00:07"),
    neighbour(11, "removed", "10.0.0.7", "02:00:00:00:00:07"),
    socket(0, "present", 1, "0.0.0.0:22", **SSHD),
    socket(0, "present", 2, "[::]:22", ipv6_only=True, **SSHD),
    socket(0, "present", 3, "10.0.0.5:22", "10.0.0.6:50022", **SSHD),
    socket(5, "opened", 4, "0.0.0.0:4444", uid=1000, **owned(9021, "nc", username="ann", exe="/tmp/nc")),
    socket(5, "opened", 5, "127.0.0.53:53", protocol="UDP", state="UDP_ACTIVE", **owned(640, "systemd-resolve")),
    socket(10, "changed", 3, "10.0.0.5:22", "10.0.0.6:50022", **{**SSHD, "state": "CLOSE_WAIT"}),
    socket(15, "closed", 4, "0.0.0.0:4444", uid=1000, **owned(9021, "nc", username="ann", exe="/tmp/nc")),
    socket(15, "closed", 3, "10.0.0.5:22", "10.0.0.6:50022", **{**SSHD, "state": "CLOSE_WAIT"}),
    socket(15, "opened", 6, "10.0.0.5:39000", "192.0.2.9:443", uid=None),
]
"""sshd waits for connections all the time, `nc` from second 5 to second 15; the gateway's card changes in second 9."""


def write_machine(path: Path, lines: list[Line] | None = None) -> None:
    """A session whose only capture has these lines, and sshd as a process."""
    rows = MachineRows(1)
    for line in STORY if lines is None else lines:
        rows.add(line)
    assert rows.invalid == 0
    writer = Writer(str(path), ())
    capture = Capture(1, "eth0", "live", "ring", first_ts=START, last_ts=START + 20 * SECOND)
    writer.begin_capture(capture)
    writer.put(rows.take())
    started = SSHD["process_started"] + SECOND // 100
    processes = [Process(1, "desk", 811, name="sshd", started_at=started), Process(2, "desk", 811, started_at=1)]
    writer.put([Records(Process, processes)])
    capture.complete = capture.finished = True
    writer.end_capture(capture)
    writer.finish((), (), ())
    writer.close()
