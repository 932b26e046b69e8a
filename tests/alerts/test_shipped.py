"""Each shipped alert is raised for the traffic that it is about, and not for innocent traffic."""

from collections.abc import Callable
from typing import Any

import pytest

from rustnet.ingest import capture as capture_module
from rustnet.ingest.capture import CaptureIngest
from rustnet.sources.frames import Damage
from tests.alerts.scene import AMERICA, EUROPE, HOST, KNOWN, Scene, Timed, chosen, owner, talk
from tests.support.packets import MAC_A, MAC_B, SYN, TYPE_ARP, arp, ethernet, tcp_frame

OTHER, ROUTER = "10.0.0.6", "10.0.0.1"


def claims(at: float, ip: str, mac: bytes, asked: str = ROUTER) -> list[tuple[float, bytes]]:
    """An ARP request of a host for another's address."""
    return [(at, ethernet(arp(1, ip, asked, mac), TYPE_ARP, src=mac, dst=b"\xff" * 6))]


def innocent() -> tuple[list[tuple[float, bytes]], list[dict[str, Any]]]:
    """Three minutes in which two hosts do what they did in the first minute; with owners."""
    packets: list[tuple[float, bytes]] = []
    owners = []
    for minute in range(3):
        at, port = minute * 60.0, 40000 + minute
        packets += talk(at + 1, port, AMERICA) + talk(at + 2, port + 100, ROUTER, 53) + claims(at + 3, HOST, MAC_A)
        packets += claims(at + 4, OTHER, MAC_B) + talk(at + 5, port + 200, HOST, 22, client=OTHER)
        owners += [owner(at + 1, port, AMERICA, "curl"), owner(at + 2, port + 100, ROUTER, "systemd-resolved", 53)]
    return packets, owners


def test_innocent_traffic_raises_nothing(scene: Scene) -> None:
    assert scene.replay(scene.capture(*innocent()), *chosen("all")) == []
    states = scene.states()
    assert states.pop("new-listener") == ("impossible", "the session has nothing in its table sockets")
    assert states == dict.fromkeys(KNOWN.keys() - {"new-listener"}, ("checked", None))
    assert scene.ask("SELECT * FROM alerts") == []
    where = "alert <> 'new-listener'"
    assert scene.ask(f"SELECT DISTINCT checks, stopped, epoch_ns(checked_until) FROM alert_checks WHERE {where}") == [
        (1, 0, scene.ask("SELECT epoch_ns(max(ts)) FROM packets")[0][0])
    ]


def test_programs_without_owners_are_not_checked_and_say_so(scene: Scene) -> None:
    assert scene.replay(scene.capture(innocent()[0]), *chosen("new-process", "new-country")) == []
    words = ("impossible", "the session has nothing in its table processes")
    assert scene.states() == {"new-process": words, "new-country": words}


@pytest.mark.parametrize(
    ("name", "packets", "owners", "expected"),
    [
        (
            "new-process", talk(130, 41000, AMERICA, 8443), [owner(130, 41000, AMERICA, "beacon", 8443)],
            (130.0, "beacon (/usr/bin/beacon) talks to the internet for the first time: 8.8.8.8, port 8443"),
        ),
        (
            "new-country", talk(130, 41000, EUROPE), [owner(130, 41000, EUROPE, "curl")],
            (130.0, "curl (/usr/bin/curl) talks to NL for the first time: 193.0.6.139"),
        ),
        (
            "new-service", talk(130, 41000, HOST, 4444, client=OTHER), [],
            (130.0, "10.0.0.5 answers on tcp port 4444 for the first time (-)"),
        ),
        (
            "scan",
            [(130 + n / 100, tcp_frame((OTHER, 50000), (ROUTER, 1000 + n), 1, 0, SYN)) for n in range(40)], [],
            (130.39, "10.0.0.6 scans many ports of one host: 10.0.0.1, 40 in 40 attempts (SYN or connect)"),
        ),
        (
            "arp-conflict", claims(130, HOST, MAC_B) + claims(131, HOST, MAC_A, asked=OTHER), [],
            (131.0, "10.0.0.5 is claimed by 02:00:00:00:00:01, 02:00:00:00:00:02: at the same time"),
        ),
        (
            "clear-text-credentials",
            talk(130, 41000, OTHER, 80, said=b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic c2VjcmV0\r\n\r\n"), [],
            (130.003, "http credentials of - in the clear to 10.0.0.6, port 80 (GET)"),
        ),
    ],
)  # fmt: skip
def test_raised(
    scene: Scene, name: str, packets: Timed, owners: list[dict[str, Any]], expected: tuple[float, str]
) -> None:
    usual, known = innocent()
    raised = scene.replay(scene.capture([*usual, *packets], [*known, *owners]), *chosen(name))
    assert raised == [(name, *expected)]
    row = scene.ask("SELECT alert, severity, summary, flow_id, saved_query, capture_id FROM alerts")
    flow = scene.raised[0].flow_id
    assert row == [(name, KNOWN[name].severity, expected[1], flow, KNOWN[name].query, 1)]
    began = scene.ask(f"SELECT epoch_ns(started_at) FROM flows WHERE flow_id = {flow}")
    assert began[0][0] >= 1_700_000_000_000_000_000 + (0 if name == "arp-conflict" else 130_000_000_000)


def test_the_password_is_in_no_table(scene: Scene) -> None:
    said = b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic c2VjcmV0d29yZA==\r\n\r\n"
    scene.replay(scene.capture(talk(1, 41000, OTHER, 80, said=said)), *chosen("all"))
    assert scene.raised
    assert "c2VjcmV0d29yZA" not in repr(scene.raised) + repr(scene.ask("SELECT * FROM alerts"))


def with_what_the_source_states(monkeypatch: pytest.MonkeyPatch, change: Callable[[CaptureIngest], None]) -> None:
    real = capture_module.CaptureIngest.finish

    def finish(self: CaptureIngest, interrupted: bool) -> capture_module.Outcome:
        change(self)
        return real(self, interrupted)

    monkeypatch.setattr(capture_module.CaptureIngest, "finish", finish)


def test_drops(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(capture: CaptureIngest) -> None:
        capture.source.interfaces[0].dropped_kernel = 120
        capture.source.interfaces[0].dropped_interface = 3

    with_what_the_source_states(monkeypatch, change)
    path = scene.capture(talk(0, 40000, AMERICA))
    assert [row[0] for row in scene.replay(path, *chosen("drops"))] == ["drops"]
    assert scene.raised[0].summary.startswith("123 packets of ")
    assert '"at_least":100' in scene.raised[0].keys


def test_an_interface_that_goes_down(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(capture: CaptureIngest) -> None:
        when = 1_700_000_000_000_000_000
        capture.source.damage.append(Damage("interface_down", 1, 0, "veth0: went down", when))

    with_what_the_source_states(monkeypatch, change)
    assert scene.replay(scene.capture(talk(0, 40000, AMERICA)), *chosen("interface-down")) == [
        ("interface-down", 0.0, "veth0: went down")
    ]


def test_addresses_that_routers_share_are_no_conflict(scene: Scene) -> None:
    virtual = bytes.fromhex("00005e000101")
    packets = claims(0, ROUTER, virtual, OTHER) + claims(1, ROUTER, MAC_A, OTHER) + claims(2, ROUTER, virtual, HOST)
    path = scene.capture([*packets, *claims(3, OTHER, MAC_B)])
    assert scene.replay(path, *chosen("arp-conflict")) == []
    if scene.ask("SELECT count(*) FROM host_facts WHERE value LIKE 'virtual router%'")[0][0] == 0:
        pytest.fail("the capture shows no shared address")
