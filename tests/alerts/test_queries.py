"""The saved queries that were made for alerts."""

from typing import Any

import pytest

from rustnet.query.session import FileSession
from rustnet.sources.frames import Damage
from tests.alerts.scene import AMERICA, EUROPE, HOST, Scene, owner, talk
from tests.alerts.test_shipped import with_what_the_source_states
from tests.support.packets import SECOND, START

OTHER = "10.0.0.6"


def rows(scene: Scene, query: str, *names: str, **given: Any) -> list[tuple[Any, ...]]:
    with FileSession(scene.session) as session:
        result = session.query(query, **given)
    places = [result.columns.index(name) for name in names]
    return [tuple(row[place] for place in places) for row in result.rows]


@pytest.fixture
def owned(scene: Scene) -> Scene:
    """Three programs: one in the local network only, one in one country, one in two."""
    talks = [
        (1, AMERICA, "curl"),
        (2, OTHER, "backup"),
        (3, EUROPE, "wget"),
        (4, AMERICA, "wget"),
        (5, AMERICA, "curl"),
    ]
    packets = [p for at, server, _name in talks for p in talk(at, 40000 + at, server)]
    scene.replay(scene.capture(packets, [owner(at, 40000 + at, server, name) for at, server, name in talks]))
    return scene


def test_programs_that_talk_to_the_internet(owned: Scene) -> None:
    names = ("process_name", "exe", "flows", "first_seen", "first_destination", "first_port", "example_flow")
    assert rows(owned, "outbound-processes", *names) == [
        ("curl", "/usr/bin/curl", 2, START + SECOND, AMERICA, 443, 1),
        ("wget", "/usr/bin/wget", 2, START + 3 * SECOND, EUROPE, 443, 3),
    ]
    assert len(rows(owned, "outbound-processes", "flows", limit=1)) == 1


def test_countries_of_programs(owned: Scene) -> None:
    names = ("process_name", "country", "addresses", "flows", "first_destination", "example_flow")
    assert rows(owned, "process-countries", *names) == [
        ("curl", "US", 1, 2, AMERICA, 1), ("wget", "NL", 1, 1, EUROPE, 3), ("wget", "US", 1, 1, AMERICA, 4),
    ]  # fmt: skip


def test_services_of_this_side_only(owned: Scene) -> None:
    assert rows(owned, "services-offered", "server", local="yes") == [(OTHER,)]
    assert {row[0] for row in rows(owned, "services-offered", "server")} == {OTHER, AMERICA, EUROPE}


@pytest.mark.parametrize(("kernel", "card", "at_least"), [(1, 0, 1), (9, None, 1), (900, 100, 1000), (999, 0, 100)])
def test_lost_packets(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, kernel: int, card: int | None, at_least: int
) -> None:
    def change(capture: Any) -> None:
        capture.source.interfaces[0].dropped_kernel, capture.source.interfaces[0].dropped_interface = kernel, card

    with_what_the_source_states(monkeypatch, change)
    scene.replay(scene.capture(talk(0, 1, HOST)))
    assert rows(scene, "capture-drops", "dropped", "at_least") == [(kernel + (card or 0), at_least)]


def test_captures_without_losses_have_no_row(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with_what_the_source_states(monkeypatch, lambda c: setattr(c.source.interfaces[0], "dropped_kernel", 0))
    scene.replay(scene.capture(talk(0, 1, HOST)))
    assert rows(scene, "capture-drops", "dropped") == []


def test_interfaces_that_went_down(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(capture: Any) -> None:
        for second, kind, name in ((1, "interface_down", "a"), (2, "interface_up", "a"), (3, "interface_down", "a"),
                                   (4, "interface_gone", "b")):  # fmt: skip
            capture.source.damage.append(Damage(kind, 1, 0, f"{name}: {kind}", START + second * SECOND))

    with_what_the_source_states(monkeypatch, change)
    scene.replay(scene.capture(talk(0, 1, HOST)))
    assert rows(scene, "interfaces-down", "detail", "times", "first_seen", "last_seen") == [
        ("a: interface_down", 2, START + SECOND, START + 3 * SECOND),
        ("b: interface_gone", 1, START + 4 * SECOND, START + 4 * SECOND),
    ]
