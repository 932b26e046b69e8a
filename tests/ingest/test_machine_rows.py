"""Rows about the machine from the probe's lines, and lines that are none."""

import random
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.ingest import machine_rows
from rustnet.ingest.machine_rows import MachineRows
from rustnet.store.batches import count
from rustnet.store.live_tables import InterfaceStats
from rustnet.store.tables import Anomaly
from tests.support.machine import HOST, SSHD, STORY, Line, neighbour, route, socket, stats, write_machine
from tests.support.packets import START


def stored(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("machine") / "s.duckdb"
    write_machine(path)
    return path


def test_the_machine_itself(session: Path) -> None:
    assert stored(session, "SELECT * EXCLUDE (ts) FROM machine") == [
        (1, "desk", "Linux", "6.1.0", "Debian 12", "x86_64", "b0", "m0", "tsc", "Europe/Paris", 4, 8 << 30, 4026531840,
         ["127.0.0.53"], ["192.0.2.53", "2001:db8::53"], ["lan.example"])
    ]  # fmt: skip


def test_interfaces_and_counters(session: Path) -> None:
    assert stored(session, "SELECT change, name, mac, ip_addresses, up, state FROM machine_interfaces ORDER BY ts") == [
        (change, "eth0", "02:00:00:00:00:01", ["10.0.0.5/24", "fe80::1/64"], True, state)
        for change, state in (("present", "up"), ("changed", "down"), ("changed", "up"))
    ]
    growth = "span_ms, rx_packets, rx_drops, tx_bytes, total_rx_bytes"
    assert stored(session, f"SELECT interface_name, {growth} FROM interface_stats ORDER BY ts") == [
        ("eth0", None, None, None, None, 90_000),
        ("eth0", 1000.0, 100, 0, 5000, 190_000),
        ("eth0", 1000.0, 10, 5, 100, 191_000),
    ]


def test_routes_have_a_beginning_and_an_end(session: Path) -> None:
    seconds = "(epoch_ns({0}) - {1}) // 1000000000"
    first, added, removed = (seconds.format(name, START) for name in ("first_seen", "added_at", "removed_at"))
    sql = f"SELECT route, destination, gateway, protocol, {first}, {added}, {removed} FROM routes ORDER BY route"
    assert stored(session, sql) == [
        (1, "0.0.0.0/0", "10.0.0.1", "dhcp", 0, None, None),
        (2, "10.0.0.0/24", None, "kernel", 0, None, None),
        (3, "10.8.0.0/16", "10.0.0.66", "static", 8, 8, 16),
        (4, "::/0", "fe80::99", "ra", 0, None, None),
    ]


def test_neighbours_have_spans(session: Path) -> None:
    sql = f"""SELECT ip, mac, (epoch_ns(since) - {START}) // 1000000000, (epoch_ns(until) - {START}) // 1000000000
        FROM neighbours ORDER BY ip, since"""
    assert stored(session, sql) == [
        ("10.0.0.1", "02:00:00:00:00:99", 0, 9), ("10.0.0.1", "02:00:00:00:00:66", 9, None),
        ("10.0.0.7", "02:00:00:00:00:07", 3, 11),
    ]  # fmt: skip


def test_sockets_have_owners_and_a_life(session: Path) -> None:
    sql = f"""SELECT socket, protocol, local_addr, local_port, remote_addr, listening, state, pid, process_name,
        process_id, holders, (epoch_ns(opened_at) - {START}) // 1000000000,
        (epoch_ns(opened_after) - {START}) // 1000000000, (epoch_ns(closed_at) - {START}) // 1000000000
        FROM sockets ORDER BY socket"""
    sshd = (811, "sshd", 1, ["sshd(811)"])
    assert stored(session, sql) == [
        (1, "tcp", "0.0.0.0", 22, None, True, "LISTEN", *sshd, None, None, None),
        (2, "tcp", "::", 22, None, True, "LISTEN", *sshd, None, None, None),
        (3, "tcp", "10.0.0.5", 22, "10.0.0.6", False, "CLOSE_WAIT", *sshd, None, None, 15),
        (4, "tcp", "0.0.0.0", 4444, None, True, "LISTEN", 9021, "nc", None, ["nc(9021)"], 5, 0, 15),
        (5, "udp", "127.0.0.53", 53, None, False, "UDP_ACTIVE", 640, "systemd-resolve", None,
         ["systemd-resolve(640)"], 5, 0, None),
        (6, "tcp", "10.0.0.5", 39000, "192.0.2.9", False, "ESTABLISHED", None, None, None, None, 15, 10, None),
    ]  # fmt: skip


def test_what_is_missing_is_an_anomaly() -> None:
    rows = MachineRows(1)
    rows.add({"record": "machine_gap", "at": START, "what": "routes", "reason": "limit", "count": 12})
    (batch,) = rows.take()
    (anomaly,) = batch.records  # type: ignore[union-attr]
    assert (anomaly.kind, anomaly.detail, anomaly.count) == ("machine_not_recorded", "routes: limit", 12)


def missing(rows: MachineRows) -> list[tuple[str, int]]:
    """What anomalies state about rows that are missing, if these are all that is to be taken."""
    (batch,) = rows.take()
    return [(each.detail, each.count) for each in batch.records]  # type: ignore[union-attr]


WRONG: list[Line] = [
    {},
    {"record": "host"},
    {"record": 5},
    {"record": []},
    {"record": "nothing", "at": START},
    {**HOST, "at": -1},
    {**HOST, "at": 1 << 63},
    {**HOST, "at": True},
    {**HOST, "at": str(START)},
    {**HOST, "cpus": 70_000},
    {**HOST, "memory_bytes": 1e9},
    {**HOST, "dns_servers": ["nowhere"]},
    {**HOST, "dns_servers": "192.0.2.1"},
    {**HOST, "hostname": {}},
    stats(1, [-1] * 8),
    stats(1, [1 << 64] * 8),
    stats(1, [1] * 8, [1 << 63] * 8),
    {**stats(1, [1] * 8), "span_ns": 5},
    route(1, "opened?", 1, "10.0.0.0/8", None),
    route(1, "added", 1, "10.0.0.0", None),
    route(1, "added", 1, "10.0.0.0/33", None),
    route(1, "added", 1 << 64, "10.0.0.0/8", None),
    route(1, "added", 1, "10.0.0.0/8", "gateway"),
    route(1, "added", 1, "10.0.0.0/8", None, metric=None),
    neighbour(1, "added", "10.0.0.1", "zz:zz"),
    neighbour(1, "added", "10.0.0.1", "02" * 100),
    neighbour(1, "added", "10.0.0.1/8", None),
    neighbour(1, "added", "9" * 5000, None),
    neighbour(1, "added", "10.0.0.1", None, router="yes"),
    socket(1, "opened", 1, "10.0.0.1"),
    socket(1, "opened", 1, "10.0.0.1:70000"),
    socket(1, "opened", 1, "10.0.0.1:1", "10.0.0.2:-1"),
    socket(1, "opened", 1, "10.0.0.1:1", protocol="SCTP"),
    socket(1, "opened", 1, "10.0.0.1:1", listening=1),
    socket(1, "opened", 1, "10.0.0.1:1", pid=1 << 40),
    socket(1, "opened", 1, "10.0.0.1:1", holders=["sshd"]),
    socket(1, "opened", 1, "10.0.0.1:1", holders=[["sshd", "1"]]),
    socket(1, "opened", 1, "10.0.0.1:1", process_started="yesterday"),
    {"record": "machine_gap", "at": START, "what": "<script>", "reason": "limit", "count": 1},
]


@pytest.mark.parametrize("line", WRONG, ids=str)
def test_wrong_lines_are_counted(line: Line) -> None:
    rows = MachineRows(1)
    rows.add(line)
    assert rows.invalid == 1
    assert missing(rows) == [("lines: invalid", 1)]
    assert rows.take() == []


def test_texts_and_lists_are_bounded(tmp_path: Path) -> None:
    long = socket(1, "opened", 1, "10.0.0.1:1", **owned_by("x" * 100_000))
    long["holders"] = [["y" * 100_000, 1]] * 5000
    write_machine(tmp_path / "s.duckdb", [{**HOST, "hostname": "a\0\ud800b", "dns_search": ["d"] * 5000}, long])
    assert stored(tmp_path / "s.duckdb", "SELECT hostname, len(dns_search) FROM machine") == [
        ("a\ufffd\ufffd\ufffd\ufffdb", 64)
    ]
    sql = "SELECT len(process_name), len(cmdline), len(holders), max(len(holders[1])) FROM socket_changes GROUP BY ALL"
    assert stored(tmp_path / "s.duckdb", sql) == [(256, 4094, 61, 259)]


def owned_by(name: str) -> Line:
    return {**SSHD, "process_name": name, "cmdline": name * 2}


def test_rows_that_nobody_takes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_rows, "WAITING", 10)
    rows = MachineRows(1)
    for second in range(15):
        rows.add(stats(second, [second] * 8))
    assert rows.dropped == 5
    assert [(batch.cls, count(batch)) for batch in rows.take()] == [(Anomaly, 1), (InterfaceStats, 10)]
    rows.add(stats(20, [20] * 8))
    assert [count(batch) for batch in rows.take()] == [1]


def test_lines_with_odd_values_never_raise() -> None:
    chance = random.Random(5)
    odd: list[Any] = [
        None,
        True,
        -1,
        1 << 200,
        1.5,
        float("nan"),
        "",
        "x",
        "\ud800",
        [],
        [[]],
        {},
        {"a": 1},
        "::1",
        b"x",
    ]
    rows = MachineRows(1)
    for _ in range(4000):
        line = dict(chance.choice(STORY))
        for name in chance.sample(sorted(line), 3):
            line[name] = chance.choice(odd)
        rows.add(line)
    assert rows.invalid > 1000
    assert sum(count(batch) for batch in rows.take() if batch.cls is not Anomaly) + rows.invalid == 4000
