"""Screens at a packet time against a replay of the packets up to then, and counted from a time on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rustnet.query.session import Session, open_session
from rustnet.query.views import health, host_list, network
from rustnet.query.views.activity import activity
from rustnet.query.views.listed import Listing
from rustnet.query.views.spec import ViewSpec
from rustnet.query.views.traffic import Wanted, traffic
from tests.query.views.cut_captures import first_packets, whole

CASES = [("web.pcap", 40), ("web.pcap", 77), ("contested.pcap", 150), ("mail-ftp.pcap", 100), ("dns.pcap", 30)]


@dataclass
class Pair:
    """A session of a whole sample, the time of one of its packets, and a session of the packets up to that one."""

    whole: Session
    at: int
    part: Session

    @property
    def spec(self) -> ViewSpec:
        return ViewSpec(at=self.at)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    name, count = request.param
    folder: Path = tmp_path_factory.mktemp("cut")
    with open_session(whole(folder, name)) as every, open_session(first_packets(folder, name, count)) as part:
        at = every.execute_own("SELECT epoch_ns(ts) FROM packets WHERE number = ?", [count]).rows[0][0]
        yield Pair(every, at, part)


def _columns(listing: Listing, *names: str) -> set[tuple[Any, ...]]:
    return {tuple(listing.value(row, name) for name in names) for row in listing.rows}


def test_processes(pair: Pair) -> None:
    def seen(session: Session, spec: ViewSpec) -> Any:
        answer = activity(session, spec)
        rows = {
            (row.host, row.name, row.pid): (
                row.sent, row.received, row.flows, row.destinations, row.sent_now, row.received_now, row.sent_minute,
                row.received_peak, row.sent_history, row.first_seen, row.last_seen,
            )
            for row in answer.rows
        }  # fmt: skip
        return rows, answer.head, answer.flows, answer.bytes, answer.owned_bytes, answer.totals.sent

    assert seen(pair.whole, pair.spec) == seen(pair.part, ViewSpec())


def test_traffic(pair: Pair) -> None:
    for stack in ("protocol", "direction", "process"):
        wanted = Wanted(60, stack)
        one, other = traffic(pair.whole, pair.spec, wanted), traffic(pair.part, ViewSpec(), wanted)
        assert one.times == other.times
        layers = [sorted((x.name or "", x.kind, x.bytes, tuple(x.values)) for x in y.layers) for y in (one, other)]
        assert layers[0] == layers[1]
        assert one.opened == other.opened
        assert [(t.ip, t.flows, t.sent, t.received) for t in one.talkers] == [
            (t.ip, t.flows, t.sent, t.received) for t in other.talkers
        ]


def test_interfaces_vlans_and_listeners(pair: Pair) -> None:
    for ask, names in (
        (network.interfaces, ("interface", "packets", "bytes", "rate", "first", "last")),
        (network.vlans, ("vlan_id", "flows", "packets", "bytes", "addresses", "first", "last")),
        (host_list.hosts, ("ip", "flows", "sent", "received", "first_seen", "last_seen")),
        (host_list.names, ("name", "ip", "source", "first", "last")),
    ):
        assert _columns(ask(pair.whole, pair.spec), *names) == _columns(ask(pair.part, ViewSpec()), *names), ask


def test_anomalies(pair: Pair) -> None:
    names = ("kind", "times", "flows", "first_packet")
    there = _columns(health.anomalies(pair.part, ViewSpec()), *names)
    assert _columns(health.anomalies(pair.whole, pair.spec), *names) <= there


def test_packets_so_far(pair: Pair) -> None:
    answer = health.captures(pair.whole, pair.spec)
    (own,) = health.captures(pair.part, ViewSpec()).captures
    assert [(s.packets, s.bytes, s.truncated) for s in answer.so_far.values()] == [
        (own.packets, own.wire_bytes, own.truncated)
    ]


def test_the_end_is_the_present(pair: Pair) -> None:
    """At the last packet's time totals are those without a time."""
    last = pair.whole.execute_own("SELECT epoch_ns(max(ts)) FROM packets").rows[0][0]
    for spec in (ViewSpec(at=last), ViewSpec(at=last, filter="proto:tcp")):
        here, there = activity(pair.whole, spec), activity(pair.whole, ViewSpec(filter=spec.filter))
        assert here.totals == there.totals
        assert (here.flows, here.bytes, here.unowned) == (there.flows, there.bytes, there.unowned)
        wanted = Wanted(50)
        assert (
            traffic(pair.whole, spec, wanted).layers == traffic(pair.whole, ViewSpec(filter=spec.filter), wanted).layers
        )


def test_counted_from_a_time_on(pair: Pair) -> None:
    """What is counted before a packet and from it on adds up to all."""
    begin = pair.at + 1
    before, after, every = (
        {(r.host, r.name, r.pid): (r.sent, r.received) for r in activity(pair.whole, spec).rows}
        for spec in (ViewSpec(at=pair.at), ViewSpec(since=begin), ViewSpec())
    )
    for key, (sent, received) in every.items():
        one, two = before.get(key, (0, 0)), after.get(key, (0, 0))
        assert (one[0] + two[0], one[1] + two[1]) == (sent, received), key
    moved = pair.whole.execute_own(
        "SELECT count(*), sum(length)::BIGINT FROM packets WHERE ts >= make_timestamp_ns(?)", [begin]
    ).rows[0]
    counted = network.interfaces(pair.whole, ViewSpec(since=begin))
    assert _columns(counted, "packets", "bytes") == {moved}
    assert sum(layer.bytes for layer in traffic(pair.whole, ViewSpec(since=begin), Wanted(40)).layers) == moved[1]


def test_a_tunnel_that_goes_on_is_not_counted(tmp_path: Path) -> None:
    """The packet index gives a tunnel's packets to the flows inside: at a time within it its bytes are unknown."""
    with open_session(whole(tmp_path, "dns.pcap")) as session:
        at = session.execute_own("SELECT epoch_ns(ts) FROM packets WHERE number = 50").rows[0][0]
        unknown = session.execute_own(
            "SELECT count(*) FROM flows_at(make_timestamp_ns(?)) WHERE src_bytes IS NULL", [at]
        ).rows[0][0]
        assert unknown
        assert activity(session, ViewSpec(at=at)).uncounted == unknown
        assert activity(session, ViewSpec()).uncounted == 0
