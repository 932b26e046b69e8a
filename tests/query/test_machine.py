"""What the machine was, as sessions answer: sockets, routes, counters, neighbours, at a time and over the recording."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rustnet.errors import RustnetError, UsageError
from rustnet.query.execute import ResultSet
from rustnet.query.session import FileSession
from tests.support.machine import HOST, owned, socket, write_machine
from tests.support.packets import SECOND, START


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileSession]:
    path = tmp_path_factory.mktemp("machine") / "s.duckdb"
    write_machine(path)
    with FileSession(path) as session:
        yield session


def rows(result: ResultSet, *names: str) -> list[tuple[Any, ...]]:
    places = [result.columns.index(name) for name in names]
    return [tuple(row[place] for place in places) for row in result.rows]


def ports(result: ResultSet) -> list[tuple[Any, ...]]:
    return rows(result, "local_port", "process_name")


def query(session: FileSession, name: str, *names: str, **given: Any) -> list[tuple[Any, ...]]:
    return rows(session.query(name, **given), *names)


def test_those_that_wait_for_peers_come_first(machine: FileSession) -> None:
    assert rows(machine.sockets(), "protocol", "local_addr", "local_port", "remote_addr", "pid") == [
        ("tcp", "0.0.0.0", 22, None, 811), ("tcp", "::", 22, None, 811), ("tcp", "0.0.0.0", 4444, None, 9021),
        ("udp", "127.0.0.53", 53, None, 640), ("tcp", "10.0.0.5", 22, "10.0.0.6", 811),
        ("tcp", "10.0.0.5", 39000, "192.0.2.9", None),
    ]  # fmt: skip
    assert ports(machine.sockets(listening=True)) == [
        (22, "sshd"), (22, "sshd"), (4444, "nc"), (53, "systemd-resolve")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port:22", [22, 22, 22]),
        ("process:nc", [4444]),
        ("pid:811 -state:LISTEN", [22]),
        ("user:ann", [4444]),
        ("uid:1000", [4444]),
        ("-owned:yes", [39000]),
        ("dst:192.0.2.0/24", [39000]),
        ("src:10.0.0.0/8", [22, 39000]),
        ("ip:::", [22]),
        ("proto:udp", [53]),
        ("cmd:'nc -D'", [4444]),
        ("4444", [4444]),
        ("sshd or nc", [22, 22, 4444, 22]),
        ("scope:loopback", [53]),
        ("process:nosuch", []),
    ],
)
def test_filters(machine: FileSession, text: str, expected: list[int]) -> None:
    assert [port for port, _ in ports(machine.sockets(text))] == expected


def test_filters_about_flows_are_refused(machine: FileSession) -> None:
    with pytest.raises(UsageError, match="sockets have nothing that bytes: could look at; there are after"):
        machine.sockets("port:22 bytes:>5")
    with pytest.raises(UsageError, match="sockets have nothing that ja4:"):
        machine.sockets("port:22 or not (ja4:t13)")


def test_sockets_as_they_were(machine: FileSession) -> None:
    def at(second: float) -> list[tuple[Any, ...]]:
        return rows(machine.sockets("proto:tcp", at=START + int(second * SECOND)), "local_port", "remote_port", "state")

    waiting = [(22, None, "LISTEN"), (22, None, "LISTEN")]
    assert at(4.9) == [*waiting, (22, 50022, "ESTABLISHED")]
    assert at(5) == [*waiting, (4444, None, "LISTEN"), (22, 50022, "ESTABLISHED")]
    assert at(12) == [*waiting, (4444, None, "LISTEN"), (22, 50022, "CLOSE_WAIT")]
    assert at(15) == [*waiting, (39000, 443, "ESTABLISHED")]
    assert at(20) == at(15)


def test_times_in_words(machine: FileSession) -> None:
    by_number = ports(machine.sockets(at=START + 7 * SECOND))
    assert ports(machine.sockets(at="+7s")) == by_number
    assert ports(machine.sockets(at=dt.datetime.fromtimestamp(START // SECOND + 7, dt.UTC))) == by_number
    assert ports(machine.sockets(at="35%")) == by_number
    assert ports(machine.sockets(at="end")) == ports(machine.sockets(at=START + 20 * SECOND))
    assert len(machine.routes(at="50%").rows) == 4
    with pytest.raises(UsageError, match="gibberish: expected one of"):
        machine.sockets(at="gibberish")
    with pytest.raises(UsageError, match="at: needs a time"):
        machine.sockets(at=True)


def test_times_without_a_record_are_refused(machine: FileSession, empty: FileSession) -> None:
    with pytest.raises(RustnetError, match="not recorded at 2023-11-14 22:14:20"):
        machine.sockets(at="+60s")
    with pytest.raises(RustnetError, match="not recorded at 2020-01-01"):
        machine.routes(at="2020-01-01")
    with pytest.raises(RustnetError, match="no record of a machine"):
        empty.sockets(at="+1s")
    assert empty.sockets().rows == []
    assert empty.routes().rows == []


def test_sockets_are_unknown_before_they_were_looked_at_first(tmp_path: Path) -> None:
    write_machine(tmp_path / "s.duckdb", [HOST, socket(2, "present", 1, "0.0.0.0:22")])
    with FileSession(tmp_path / "s.duckdb") as session:
        with pytest.raises(RustnetError, match=r"not recorded at .*22:13:21"):
            session.sockets(at=START + SECOND)
        assert len(session.sockets(at=START + 2 * SECOND).rows) == 1


def test_routes(machine: FileSession) -> None:
    assert rows(machine.routes(), "destination", "gateway", "metric", "protocol") == [
        ("0.0.0.0/0", "10.0.0.1", 100, "dhcp"), ("10.8.0.0/16", "10.0.0.66", 0, "static"),
        ("10.0.0.0/24", None, 100, "kernel"), ("::/0", "fe80::99", 1024, "ra"),
    ]  # fmt: skip
    there = [[row[0] for row in rows(machine.routes(at=START + s * SECOND), "destination")] for s in (7, 8, 15, 16)]
    assert ["10.8.0.0/16" in each for each in there] == [False, True, True, False]


def test_an_owner_is_the_process_with_that_start(tmp_path: Path) -> None:
    lines = [HOST, socket(0, "present", 1, "0.0.0.0:22", **owned(811, "sshd", process_started=START - 50 * SECOND))]
    write_machine(tmp_path / "s.duckdb", lines)
    with FileSession(tmp_path / "s.duckdb") as session:
        assert rows(session.sockets(), "pid", "process_id") == [(811, None)], "another process that had this pid"


def test_a_socket_that_gets_another_owner(tmp_path: Path) -> None:
    two = [["nginx", 70], ["nginx", 71]]
    lines = [
        HOST,
        socket(0, "present", 1, "0.0.0.0:80", **owned(5, "systemd")),
        socket(5, "changed", 1, "0.0.0.0:80", **owned(70, "nginx", holders=two, holder_count=2)),
    ]
    write_machine(tmp_path / "s.duckdb", lines)
    with FileSession(tmp_path / "s.duckdb") as session:
        assert rows(session.sockets(at="+1s"), "process_name", "holders") == [("systemd", ["systemd(5)"])]
        assert rows(session.sockets(at="+5s"), "process_name", "holders", "holder_count") == [
            ("nginx", ["nginx(70)", "nginx(71)"], 2)
        ]


def test_rates_and_errors_of_interfaces(machine: FileSession) -> None:
    rates = query(
        machine, "interface-rates", "interface_name", "seconds", "rx_bits_per_s", "tx_packets_per_s", interval="1s"
    )
    assert rates == [("eth0", 1.0, 800_000.0, 50.0), ("eth0", 1.0, 8_000.0, 1.0)]
    assert query(machine, "interface-rates", "rx_packets", interface="eth1") == []
    assert query(machine, "interface-errors", "interface_name", "rx_errors", "rx_drops", "seconds_with_any") == [
        ("eth0", 2, 5, 1)
    ]


def test_listeners(machine: FileSession) -> None:
    names = ("protocol", "port", "addresses", "reach", "process_name", "pids")
    ssh = ("tcp", 22, ["0.0.0.0", "::"], "all addresses", "sshd", [811])
    assert query(machine, "listening-ports", *names, at="2023-11-14T22:13:22Z") == [ssh]
    assert query(machine, "listening-ports", *names) == [
        ssh, ("tcp", 4444, ["0.0.0.0"], "all addresses", "nc", [9021]),
        ("udp", 53, ["127.0.0.53"], "this machine only", "systemd-resolve", [640]),
    ]  # fmt: skip
    assert query(machine, "new-listeners", "local_port", "process_name", "also_before") == [(4444, "nc", False)]
    assert query(machine, "new-listeners", "local_port", protocol="any") == [(4444,), (53,)]


def test_changes_of_routes(machine: FileSession) -> None:
    names = ("change", "destination", "default_route", "present_before")
    assert query(machine, "route-changes", *names) == [
        ("added", "10.8.0.0/16", False, False), ("removed", "10.8.0.0/16", False, False)
    ]  # fmt: skip


def test_neighbours_at_a_time(machine: FileSession) -> None:
    names = ("ip", "mac", "others")
    assert query(machine, "neighbours-at", *names, at="2023-11-14T22:13:22Z") == [("10.0.0.1", "02:00:00:00:00:99", 1)]
    assert query(machine, "neighbours-at", *names, at="2023-11-14T22:13:30Z") == [
        ("10.0.0.1", "02:00:00:00:00:66", 1), ("10.0.0.7", "02:00:00:00:00:07", 0)
    ]  # fmt: skip
    assert len(query(machine, "neighbours-at", "ip")) == 3
