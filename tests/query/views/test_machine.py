"""What the browser shows of the machine of a live capture, at the end and at a time."""

from collections.abc import Iterator
from typing import Any

import pytest

from rustnet.query.session import FileSession
from rustnet.query.views import machine
from rustnet.query.views.listed import Listing
from rustnet.query.views.spec import ViewSpec
from tests.support.machine import write_machine
from tests.support.packets import SECOND, START


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileSession]:
    path = tmp_path_factory.mktemp("machine") / "s.duckdb"
    write_machine(path)
    with FileSession(path) as opened:
        yield opened


def at(second: float) -> ViewSpec:
    return ViewSpec(at=START + int(second * SECOND))


def values(listing: Listing, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(listing.value(row, name) for name in names) for row in listing.rows]


def test_interfaces_with_their_counters(session: FileSession) -> None:
    names = ("name", "state", "received_rate", "received", "errors", "drops")
    assert values(machine.counters(session, ViewSpec()), *names) == [("eth0", "up", 50_500.0, 101_000, 2, 5)]
    assert values(machine.counters(session, at(1)), *names) == [("eth0", "up", 100_000.0, 100_000, 0, 0)]
    assert values(machine.counters(session, at(0)), *names) == [("eth0", "up", None, None, None, None)]
    assert values(machine.counters(session, at(13)), "state") == [("down",)]


def test_routes_and_neighbours(session: FileSession) -> None:
    def destinations(spec: ViewSpec) -> list[str]:
        return [row[0] for row in values(machine.routes(session, spec), "destination")]

    assert destinations(ViewSpec()) == ["0.0.0.0/0", "10.0.0.0/24", "::/0"]
    assert destinations(at(8)) == ["0.0.0.0/0", "10.8.0.0/16", "10.0.0.0/24", "::/0"]
    assert values(machine.neighbours(session, at(8)), "ip", "mac", "macs") == [
        ("10.0.0.1", "02:00:00:00:00:99", 1), ("10.0.0.7", "02:00:00:00:00:07", 1)
    ]  # fmt: skip
    assert values(machine.neighbours(session, ViewSpec()), "ip", "mac", "macs") == [
        ("10.0.0.1", "02:00:00:00:00:66", 2)
    ]


def test_sockets(session: FileSession) -> None:
    names = ("local_port", "remote_port", "state", "process")
    waiting = [(22, None, "LISTEN", "sshd"), (22, None, "LISTEN", "sshd")]
    resolver = (53, None, "UDP_ACTIVE", "systemd-resolve")
    assert values(machine.open_sockets(session, ViewSpec()), *names) == [
        *waiting, resolver, (39000, 443, "ESTABLISHED", None)
    ]  # fmt: skip
    assert values(machine.open_sockets(session, at(7)), *names) == [
        *waiting, (4444, None, "LISTEN", "nc"), resolver, (22, 50022, "ESTABLISHED", "sshd")
    ]  # fmt: skip


def test_nothing_is_shown_of_times_without_a_record(session: FileSession, empty: FileSession) -> None:
    for view in (machine.counters, machine.routes, machine.neighbours, machine.open_sockets):
        for second in (-1, 60):
            assert view(session, at(second)).rows == []
        assert view(empty, ViewSpec()).rows == []
        shown = view(session, at(7))
        assert len(session.sql(shown.statement.text()).rows) == len(shown.rows), "a person can run it"
    assert machine.recorded(session, "socket_changes")
    assert not machine.recorded(empty, "socket_changes")


def test_a_filter_of_flows_leaves_out_nothing(session: FileSession) -> None:
    spec = ViewSpec(filter="port:4444 app:tls")
    assert len(machine.open_sockets(session, spec).rows) == 4
