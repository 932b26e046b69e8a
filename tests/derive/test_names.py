"""Names for flows that no parser named: the order of the sources, and the time for which their names hold."""

import re
from typing import Any

import pytest

from rustnet.derive.names import name_flows
from rustnet.derive.passes import Span
from rustnet.dissect.framework.conversation import Conversation
from rustnet.policy.names import (
    GRACE_SECONDS,
    GROUPS,
    HOST_SECONDS,
    LEARNED,
    RANKS,
    SOURCES,
    group,
    names_page,
)
from tests.attribute.conftest import SECOND, T0, Session
from tests.support.paths import ROOT

CLIENT, OTHER, SERVER = "10.0.0.1", "10.0.0.2", "93.184.216.34"


class Named:
    """A session in memory with names."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def learn(
        self,
        name: str,
        at: float = -1.0,
        source: str = "dns",
        ttl: int | None = 60,
        client: str | None = None,
        ip: str = SERVER,
        capture: int = 1,
    ) -> None:
        sql = "INSERT INTO names VALUES (?, ?, ?, ?, make_timestamp_ns(?), ?, ?)"
        given = [capture, ip, name, source, round((T0 + at) * SECOND), ttl, client]
        self.session.con.execute(sql, given).fetchall()

    def flow(self, hostname: str | None = None, source: str | None = None, **more: Any) -> int:
        flow = self.session.flow(f"{CLIENT}:40000", f"{SERVER}:443", **more)
        self.session.con.execute(
            "UPDATE flows_ended SET hostname = ?, hostname_source = ? WHERE flow_id = ?", [hostname, source, flow]
        ).fetchall()
        return flow

    def name(self, flow: int, first: int = 1) -> tuple[str | None, str | None, float | None]:
        """Name the flows; name, source and seconds between the learning and `T0`."""
        name_flows(self.session.con, Span(tuple(range(first, 10))))
        sql = "SELECT hostname, hostname_source, epoch_ns(hostname_ts) FROM flows WHERE flow_id = ?"
        name, source, ts = self.session.ask(sql, flow)[0]
        return name, source, None if ts is None else (ts - T0 * SECOND) / SECOND


@pytest.fixture
def named(session: Session) -> Named:
    return Named(session)


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "names.md").read_text("utf-8")
    assert page == names_page(), "run: python -m rustnet.policy.names > docs/names.md"


def test_the_order_is_one() -> None:
    ranks = [named.rank for named in SOURCES]
    assert ranks == sorted(set(ranks))
    assert {rank // 10 * 10 for rank in ranks} == {g.first for g in GROUPS}
    assert RANKS["smb"] == 43, "said in the flow itself goes before what was heard elsewhere"
    assert all(group(named.rank).after for named in LEARNED)


def test_every_source_that_a_parser_names_has_a_rank() -> None:
    said = set()
    for path in (ROOT / "rustnet" / "dissect").rglob("*.py"):
        text = path.read_text("utf-8")
        said |= set(re.findall(r'(?:name_host|learn|learn_name)\([^\n]*?, "([a-z]+)"[,)]', text))
    assert said >= {"sni", "http", "cert", "smtp", "netbios", "dhcp"}
    assert said <= {named.source for named in SOURCES}


def test_an_answer_to_the_same_client_goes_before_a_later_one_to_another(named: Named) -> None:
    named.learn("mine.example", -30, client=CLIENT)
    named.learn("theirs.example", -1, client=OTHER)
    assert named.name(named.flow()) == ("mine.example", "dns", -30.0)


def test_an_answer_to_another_client_is_better_than_none(named: Named) -> None:
    named.learn("theirs.example", -1, client=OTHER)
    assert named.name(named.flow()) == ("theirs.example", "dns", -1.0)


def test_the_latest_answer_before_the_flow_wins(named: Named) -> None:
    named.learn("old.example", -20, client=CLIENT)
    named.learn("new.example", -10, client=CLIENT)
    named.learn("after.example", 1, client=CLIENT)
    assert named.name(named.flow()) == ("new.example", "dns", -10.0)


def test_an_answer_behind_the_beginning_names_nothing(named: Named) -> None:
    named.learn("after.example", 0.5, client=CLIENT)
    assert named.name(named.flow(end=100)) == (None, None, None)


@pytest.mark.parametrize(("age", "holds"), [(60 + GRACE_SECONDS, True), (60 + GRACE_SECONDS + 0.001, False)])
def test_an_answer_holds_for_its_ttl_and_a_while(named: Named, age: float, holds: bool) -> None:
    named.learn("shop.example", -age, client=CLIENT)
    assert (named.name(named.flow())[0] == "shop.example") is holds


def test_of_the_same_instant_the_choice_is_stated(named: Named) -> None:
    for name in ("b.example", "a.example", "c.example"):
        named.learn(name, -1, client=CLIENT)
    assert named.name(named.flow())[0] == "a.example"


@pytest.mark.parametrize("source", ["sni", "http", "socks", "xmpp", "coap"])
def test_what_the_initiator_asked_for_stays(named: Named, source: str) -> None:
    named.learn("dns.example", client=CLIENT)
    assert named.name(named.flow("asked.example", source))[:2] == ("asked.example", source)


def test_an_answer_goes_before_what_the_server_says_of_itself(named: Named) -> None:
    named.learn("www.example", client=CLIENT)
    assert named.name(named.flow("*.example", "cert"))[:2] == ("www.example", "dns")


def test_what_the_server_says_goes_before_what_was_heard_elsewhere(named: Named) -> None:
    named.learn("WS1", source="kerberos")
    assert named.name(named.flow("mail.example", "smtp"))[:2] == ("mail.example", "smtp")


@pytest.mark.parametrize("at", [-HOST_SECONDS, HOST_SECONDS])
def test_a_host_keeps_its_name_before_and_after(named: Named, at: int) -> None:
    named.learn("printer.local", at, "mdns", None)
    assert named.name(named.flow()) == ("printer.local", "mdns", float(at))


@pytest.mark.parametrize("at", [-HOST_SECONDS - 1, HOST_SECONDS + 1])
def test_but_not_for_ever(named: Named, at: int) -> None:
    named.learn("printer.local", at, "mdns", None)
    assert named.name(named.flow())[0] is None


def test_the_order_of_local_names(named: Named) -> None:
    for source in ("nrb", "kerberos", "llmnr", "netbios", "mdns", "dhcp"):
        named.learn(f"by-{source}", -5, source)
        assert named.name(named.flow())[1] == source
        named.session.con.execute("DELETE FROM flows_ended").fetchall()


def test_a_name_heard_before_goes_before_one_heard_after(named: Named) -> None:
    named.learn("after", 1, "dhcp")
    named.learn("before", -500, "dhcp")
    assert named.name(named.flow())[0] == "before"


def test_local_names_hold_in_their_own_capture_and_answers_in_all(named: Named) -> None:
    named.learn("printer.local", source="mdns", capture=2)
    assert named.name(named.flow())[0] is None
    named.learn("shop.example", client=CLIENT, capture=2)
    assert named.name(named.flow())[0] == "shop.example"


def test_flows_of_earlier_runs_stay_as_they_are(named: Named) -> None:
    named.learn("shop.example", client=CLIENT)
    early, late = named.flow(), named.flow(capture=2)
    assert named.name(late, first=2)[0] == "shop.example"
    assert named.session.ask("SELECT hostname FROM flows WHERE flow_id = ?", early) == [(None,)]


def test_arp_is_not_named_and_ping_is(named: Named) -> None:
    named.learn("shop.example", client=CLIENT)
    arp, ping = named.flow(protocol="arp"), named.flow(protocol="icmp")
    assert named.name(arp)[0] is None
    assert named.name(ping)[0] == "shop.example"


def test_many_names_of_one_address_stay_quick(named: Named) -> None:
    con = named.session.con
    con.execute(
        "INSERT INTO names SELECT 1, ?, 'n' || range, 'dns', make_timestamp_ns(?::BIGINT + range), 60, ? "
        "FROM range(100000)",
        [SERVER, T0 * SECOND, CLIENT],
    ).fetchall()
    named.flow(begin=0.00005)  # in the middle of them
    con.execute(
        "INSERT INTO flows_ended SELECT * EXCLUDE (i) REPLACE (flow_id + i AS flow_id) FROM flows, range(1, 50001) r(i)"
    ).fetchall()
    assert name_flows(con, Span((1,))) == 50_001
    since = named.session.ask("SELECT epoch_ns(min(started_at)) FROM flows")[0][0] - T0 * SECOND
    assert named.session.ask("SELECT DISTINCT hostname FROM flows") == [(f"n{since}",)]


def test_nothing_is_left_behind(named: Named) -> None:
    named.learn("shop.example", client=CLIENT)
    named.flow()
    assert name_flows(named.session.con, Span((1,))) == 1
    assert name_flows(named.session.con, Span((1,))) == 0
    assert named.session.ask("SELECT count(*) FROM duckdb_tables() WHERE temporary") == [(0,)]


def test_within_a_flow_the_best_source_stays() -> None:
    class Sink:
        def record(self, *given: object) -> None: ...
        def anomaly(self, *given: object, count: int = 1) -> None: ...
        def name(self, *given: object) -> None: ...

    talk = Conversation(Sink(), 1, "tcp", CLIENT, 40000, SERVER, 25)

    def name() -> tuple[str, str | None, int] | None:
        return None if talk.hostname is None else (talk.hostname, talk.hostname_source, talk.hostname_ts)

    talk.ts = 1
    talk.name_host("", "sni")
    talk.name_host("192.0.2.1", "http")
    talk.name_host("2001:db8::1", "http")
    assert name() is None
    talk.name_host("mx.example", "smtp")
    talk.ts = 2
    talk.name_host("other.example", "smtp")
    assert name() == ("mx.example", "smtp", 1)
    talk.name_host("mail.example", "sni")
    talk.name_host("mx.example", "cert")
    assert name() == ("mail.example", "sni", 2)
