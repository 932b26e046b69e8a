"""Connections that go on after their idle timeout: what their later flows inherit, and which flows inherit nothing."""

from typing import Any

import pytest

from rustnet.derive.continuations import inherit, name_all
from rustnet.derive.passes import Span
from tests.attribute.conftest import Session

QUARTER = 900.0


class Chain:
    """Flows between the same ends, one after another."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.generation = 0

    def add(self, begin: float, end_reason: str = "idle", protocol: str = "tcp", **more: Any) -> int:
        flow = self.session.flow("10.0.0.1:40000", "93.184.216.34:443", begin, begin + 3, protocol)
        values: dict[str, Any] = {"generation": self.generation, "community_id": "1:x", "end_reason": end_reason}
        values |= {"history": "DadA" if protocol == "tcp" else "Dd"} | more
        self.generation += 1
        self.session.con.execute(
            f"UPDATE flows_ended SET {', '.join(f'{name} = ?' for name in values)} WHERE flow_id = ?",
            [*values.values(), flow],
        ).fetchall()
        return flow

    def first(self, **more: Any) -> int:
        named: dict[str, Any] = {"hostname": "a.example", "hostname_source": "sni", "app": "tls"}
        return self.add(0, **{"history": "ShADad", **named, "app_source": "payload", "service": "https"} | more)

    def asked(self, flow: int) -> tuple[Any, ...]:
        sql = "SELECT app, app_source, hostname, hostname_source, service FROM flows WHERE flow_id = ?"
        return self.session.ask(sql, flow)[0]


@pytest.fixture
def chain(session: Session) -> Chain:
    return Chain(session)


SPAN = Span((1,))
INHERITED = ("tls", "inherited", "a.example", "inherited", "https")


def test_all_later_flows_inherit_once(chain: Chain) -> None:
    first = chain.first()
    later = [chain.add(QUARTER * (n + 1), app="tls", app_source="port") for n in range(4)]
    assert inherit(chain.session.con, SPAN) == 4
    assert [chain.asked(flow) for flow in later] == [INHERITED] * 4
    assert chain.asked(first)[1::2] == ("payload", "sni")
    assert inherit(chain.session.con, SPAN) == 0


def test_what_a_flow_has_itself_it_keeps(chain: Chain) -> None:
    chain.first()
    own = chain.add(QUARTER, app="tls", app_source="payload", hostname="b.example", hostname_source="sni")
    inherit(chain.session.con, SPAN)
    assert chain.asked(own)[:4] == ("tls", "payload", "b.example", "sni")


def test_a_better_name_of_an_earlier_flow_replaces_one_of_another_source(chain: Chain) -> None:
    """The DNS answer that the pass before would choose names the address; the SNI named the connection."""
    chain.first()
    later = chain.add(QUARTER, app="tls", app_source="payload")
    sql = "INSERT INTO names VALUES (1, '93.184.216.34', 'cdn.example', 'dns', make_timestamp_ns(?), 60, '10.0.0.1')"
    chain.session.con.execute(sql, [(1_780_000_000 + 899) * 1_000_000_000]).fetchall()
    name_all(chain.session.con, SPAN)
    assert chain.asked(later)[2:4] == ("a.example", "inherited")
    name_all(chain.session.con, SPAN)
    assert chain.asked(later)[2:4] == ("a.example", "inherited")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"history": "ShADad"}),  # a connection of its own
        ({}, {"history": "hADad"}),  # the same, of which the SYN was not captured
        ({"end_reason": "fin"}, {}),
        ({"end_reason": "rst"}, {}),
        ({}, {"generation": 2}),  # one between them is not known
        ({}, {"vlan_id": 7}),
        ({}, {"capture_id": 2}),
        ({}, {"community_id": "1:y"}),
    ],
)
def test_another_connection_inherits_nothing(chain: Chain, first: dict[str, Any], second: dict[str, Any]) -> None:
    chain.first(**first)
    flow = chain.add(QUARTER, **second)
    inherit(chain.session.con, Span((1, 2)))
    assert chain.asked(flow) == (None, None, None, None, None)


def test_datagrams_go_on_for_half_an_hour(chain: Chain) -> None:
    chain.first(protocol="udp", history="Dd", app="quic")
    soon = chain.add(QUARTER, protocol="udp")
    late = chain.add(QUARTER + 3 + 1_801, protocol="udp")
    inherit(chain.session.con, SPAN)
    assert chain.asked(soon)[:4] == ("quic", "inherited", "a.example", "inherited")
    assert chain.asked(late)[:4] == (None, None, None, None)


def test_a_new_connection_in_between_begins_again(chain: Chain) -> None:
    chain.first()
    other = chain.add(QUARTER, history="ShADad", app="tls", app_source="payload")
    later = chain.add(2 * QUARTER)
    inherit(chain.session.con, SPAN)
    assert chain.asked(other)[2] is None
    assert chain.asked(later)[:3] == ("tls", "inherited", None)
