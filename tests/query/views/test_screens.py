"""Screens over whole samples against statements of their own."""

from pathlib import Path
from typing import Any

import pytest

from rustnet.query.session import Session, open_session
from rustnet.query.views import health, host_list, machine, network
from rustnet.query.views.activity import NOW_SECONDS, activity
from rustnet.query.views.flow_order import LOOPBACK
from rustnet.query.views.host_page import host_page
from rustnet.query.views.listed import Listing
from rustnet.query.views.scoped import scoped
from rustnet.query.views.spec import ViewSpec
from rustnet.query.views.traffic import LAYERS, STACKS, Wanted, traffic
from tests.support.packets import udp_frame
from tests.support.pcap import write_pcap
from tests.support.sessions import replay

ALL = ("web.pcap", "network.pcapng", "contested.pcap", "ssh.pcap")
FILTERS = ("", "proto:tcp", "owned:yes", "bytes:>500 OR app:dns", "nothing-has-this")


def _one(session: Session, sql: str, *values: object) -> Any:
    return session.execute_own(sql, list(values)).rows[0]


def _matching(session: Session, text: str) -> set[int]:
    return {row[0] for row in session.flows(text, columns="flow_id").rows}


def _rows(listing: Listing) -> list[dict[str, Any]]:
    return [dict(zip([f.name for f in listing.fields], row, strict=True)) for row in listing.rows]


@pytest.mark.parametrize("name", ALL)
def test_activity_is_the_view_activity(samples: dict[str, Session], name: str) -> None:
    session = samples[name]
    answer = activity(session, ViewSpec())
    stored = session.sql(
        "SELECT process_id, flows, contested_flows, bytes_sent, bytes_received, remote_hosts FROM activity"
    )
    own = {(r.process_id, r.flows, r.contested, r.sent, r.received, r.destinations) for r in answer.rows if r.known}
    assert own == set(stored.rows)
    assert answer.flows == _one(session, "SELECT count(*) FROM flows")[0]
    assert sum(r.sent + r.received for r in answer.rows) == answer.bytes == _one(
        session, "SELECT sum(src_bytes + dst_bytes) FROM flows")[0]  # fmt: skip
    reasons = session.sql("SELECT unowned_reason, count(*) FROM flows WHERE process_id IS NULL GROUP BY 1")
    assert {(u.reason, u.flows) for u in answer.unowned} == set(reasons.rows)


@pytest.mark.parametrize("name", ALL)
def test_rates_are_of_the_last_seconds(samples: dict[str, Session], name: str) -> None:
    session = samples[name]
    answer = activity(session, ViewSpec())
    recent, minute = _one(
        session,
        "SELECT sum(length) FILTER (ts > make_timestamp_ns(? - 10000000000)), "
        "sum(length) FILTER (ts > make_timestamp_ns(? - 60000000000)) FROM packets WHERE flow_id IS NOT NULL",
        answer.head, answer.head,
    )  # fmt: skip
    totals = answer.totals
    assert (totals.sent_now + totals.received_now) * NOW_SECONDS == recent
    assert totals.sent_minute + totals.received_minute == minute
    for row in answer.rows:
        assert sum(row.sent_history) == row.sent_minute
        assert max(row.received_history, default=0) == row.received_peak


def test_the_peer_is_the_one_with_most_bytes(samples: dict[str, Session]) -> None:
    for session in samples.values():
        for row in activity(session, ViewSpec()).rows:
            if row.peer is None:
                continue
            sums = session.execute_own(
                "SELECT remote_addr, sum(bytes_sent + bytes_received) FROM connections "
                "WHERE process_id IS NOT DISTINCT FROM ? AND remote_addr IS NOT NULL GROUP BY ALL", [row.process_id]
            ).rows  # fmt: skip
            sizes: dict[str, int] = dict(sums)
            assert sizes[row.peer] == max(size for _ip, size in sums)


def test_tree_holds_the_list(samples: dict[str, Session]) -> None:
    session = samples["web.pcap"]
    plain, tree = activity(session, ViewSpec()), activity(session, ViewSpec(), tree=True)
    owners = [(r.process_id, r.sent) for r in plain.rows if r.known]
    assert sorted(owners) == sorted((r.process_id, r.sent) for r in tree.rows if r.known and r.process_id)
    assert any(r.stem for r in tree.rows)
    roots = [r for r in tree.rows if r.known and not r.stem]
    assert sum(r.tree_bytes for r in roots) == sum(r.sent + r.received for r in plain.rows if r.known)
    assert not tree.rows[-1].known


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", ALL)
def test_layers_add_up_to_all_packets(samples: dict[str, Session], name: str, stack: str) -> None:
    session = samples[name]
    answer = traffic(session, ViewSpec(), Wanted(50, stack))
    assert sum(layer.bytes for layer in answer.layers) == _one(session, "SELECT sum(length) FROM packets")[0]
    for layer in answer.layers:
        assert sum(value or 0.0 for value in layer.values) * answer.column_seconds == pytest.approx(layer.bytes)
    assert len(answer.layers) <= LAYERS + 2


@pytest.mark.parametrize("text", FILTERS)
def test_filters_hold_everywhere(samples: dict[str, Session], text: str) -> None:
    """Every screen counts exactly the flows that the filter leaves."""
    for session in samples.values():
        ids = _matching(session, text)
        spec = ViewSpec(filter=text)
        assert activity(session, spec).flows == len(ids)
        answer = traffic(session, spec, Wanted(30))
        if text:
            bytes_of = session.execute_own(
                "SELECT coalesce(sum(length), 0) FROM packets WHERE flow_id IN (SELECT unnest(?::BIGINT[]))",
                [list(ids)],
            ).rows[0][0]  # fmt: skip
            assert sum(layer.bytes for layer in answer.layers) == bytes_of
        assert sum(state.flows for state in answer.states) == len(ids)
        assert sum(row["flows"] for row in _rows(network.vlans(session, spec))) == len(ids)
        sent = session.execute_own(
            "SELECT count(DISTINCT ip) FROM (SELECT src_ip AS ip FROM flows WHERE src_packets > 0 AND flow_id IN "
            "(SELECT unnest($1::BIGINT[])) UNION SELECT dst_ip FROM flows WHERE dst_packets > 0 AND flow_id IN "
            "(SELECT unnest($1::BIGINT[]))) WHERE ip NOT IN ('0.0.0.0', '::')", [list(ids)]
        ).rows[0][0]  # fmt: skip
        assert len(host_list.hosts(session, spec).rows) == sent


def test_hosts_are_those_of_the_view(samples: dict[str, Session]) -> None:
    for session in samples.values():
        rows = _rows(host_list.hosts(session, ViewSpec()))
        assert {(r["ip"], r["mac"], r["hostname"]) for r in rows} == set(
            session.sql("SELECT ip, mac, hostname FROM hosts").rows
        )
        local = _rows(host_list.hosts(session, ViewSpec(), local=True))
        assert {r["ip"] for r in local} == {r["ip"] for r in rows if r["mac"]}


def test_names_have_source_and_time(samples: dict[str, Session]) -> None:
    session = samples["web.pcap"]
    rows = _rows(host_list.names(session, ViewSpec()))
    stored = session.sql("SELECT name, ip, source, min(ts), count(*) FROM names GROUP BY ALL").rows
    assert {(r["name"], r["ip"], r["source"], r["first"], r["times"]) for r in rows if r["times"]} == set(stored)
    flows = session.sql(
        "SELECT DISTINCT hostname, dst_ip, hostname_source FROM flows WHERE hostname_source = 'sni'"
    ).rows
    assert {(r["name"], r["ip"], r["source"]) for r in rows if r["source"] == "sni"} == set(flows)
    assert [r["first"] for r in rows] == sorted(r["first"] for r in rows)


def test_listeners_answered(samples: dict[str, Session]) -> None:
    session = samples["web.pcap"]
    rows = _rows(host_list.sockets(session, ViewSpec()))
    assert rows
    for row in rows:
        assert _one(
            session,
            "SELECT count(*) FROM flows WHERE dst_ip = ? AND dst_port = ? AND protocol = ? AND dst_packets > 0",
            row["ip"], row["port"], row["protocol"],
        )[0] >= row["flows"]  # fmt: skip
    assert not machine.recorded(session, "socket_changes")


def test_page_of_a_host(samples: dict[str, Session]) -> None:
    session = samples["web.pcap"]
    ip = _one(session, "SELECT ip FROM hosts ORDER BY ip LIMIT 1")[0]
    page = host_page(session, ip)
    assert [host["ip"] for host in page.hosts] == [ip]
    assert set(page.lists) == {"facts", "offered", "used", "names", "owners"}
    for listing in page.lists.values():
        session.sql(listing.statement.text())
        assert all(len(row) == len(listing.fields) for row in listing.rows)
    assert host_page(session, "203.0.113.254").missing is not None


def test_gateways_are_those_of_the_saved_query(samples: dict[str, Session]) -> None:
    session = samples["network.pcapng"]
    stored = session.query("gateways")
    rows = _rows(network.gateways(session, ViewSpec()))
    assert [(r["ip"], r["confidence"], r["senders"]) for r in rows] == [(row[0], row[3], row[5]) for row in stored.rows]
    assert rows


def test_vlans_tunnels_and_interfaces(samples: dict[str, Session]) -> None:
    session = samples["network.pcapng"]
    vlans = _rows(network.vlans(session, ViewSpec()))
    assert {r["vlan_id"] for r in vlans} == {row[0] for row in session.sql("SELECT DISTINCT vlan_id FROM flows").rows}
    tunnels = _rows(network.tunnels(session, ViewSpec()))
    assert sum(r["inner"] for r in tunnels) == _one(session, "SELECT count(*) FROM flows WHERE tunnel IS NOT NULL")[0]
    (interface,) = _rows(network.interfaces(session, ViewSpec()))
    assert (interface["packets"], interface["bytes"]) == _one(session, "SELECT count(*), sum(length) FROM packets")
    assert interface["link_type"] == "ETHERNET"


def test_anomalies_lead_to_their_packets(tmp_path: Path) -> None:
    replay(tmp_path / "s.duckdb", Path(__file__).resolve().parents[3] / "sample_pcaps" / "damaged.pcap").con.close()
    with open_session(tmp_path / "s.duckdb") as session:
        kinds = _rows(health.anomalies(session, ViewSpec()))
        assert [k["kind"] for k in kinds] == ["cut_off"]
        places = _rows(health.places(session, ViewSpec(), "cut_off"))
        assert sum(p["count"] for p in places) == kinds[0]["times"]
        answer = health.captures(session, ViewSpec())
        assert not answer.captures[0].complete
        assert answer.meta["schema_version"]
        findings = health.checks(session)
        assert [f.check for f in findings if not f.ok] == ["capture 1: completeness"]


@pytest.mark.parametrize("spec", [ViewSpec(), ViewSpec(filter="proto:tcp bytes:>1", since=5), ViewSpec(at=2**61)])
def test_statements_can_be_run_as_they_are_shown(samples: dict[str, Session], spec: ViewSpec) -> None:
    """What `v` shows and `y` copies gives what the screen shows."""
    session = samples["contested.pcap"]
    for ask in (host_list.hosts, host_list.names, host_list.sockets, network.interfaces, network.gateways,
                network.tunnels, health.anomalies, health.quality, health.sources):  # fmt: skip
        listing = ask(session, spec)
        assert len(session.sql(listing.statement.text()).rows) == len(listing.rows), ask
    processes = activity(session, spec)
    assert len(session.sql(processes.statement.text()).rows) == len(processes.rows)
    stack = traffic(session, spec, Wanted(20)).statement
    assert stack is not None
    assert session.sql(stack.text()).rows


def test_a_plain_spec_changes_no_statement(samples: dict[str, Session]) -> None:
    sql = "WITH x AS (SELECT 1) SELECT count(*) FROM flows, x"
    assert scoped(samples["web.pcap"], ViewSpec(), sql).sql == sql
    narrowed = scoped(samples["web.pcap"], ViewSpec(filter="proto:udp"), sql)
    assert narrowed.rows(samples["web.pcap"])[0][0] == len(_matching(samples["web.pcap"], "proto:udp"))


def test_loopback_is_left_out_if_there_is_anything_else(tmp_path: Path) -> None:
    """As in the list of flows: hidden, unless there are no others."""
    both, lonely = tmp_path / "both.pcap", tmp_path / "lonely.pcap"
    local = udp_frame(("127.0.0.1", 1000), ("127.0.0.1", 2000), b"x")
    write_pcap(both, [local, udp_frame(("10.0.0.1", 1000), ("10.0.0.2", 2000), b"y")])
    write_pcap(lonely, [local])
    for path, shown, every in ((both, 1, 2), (lonely, 1, 1)):
        replay(path.with_suffix(".duckdb"), path).con.close()
        with open_session(path.with_suffix(".duckdb")) as session:
            assert _one(session, f"SELECT count(*) FROM flows WHERE {LOOPBACK}")[0] == 1
            assert activity(session, ViewSpec()).flows == shown
            assert activity(session, ViewSpec(loopback=True)).flows == every
            assert sum(state.flows for state in traffic(session, ViewSpec(), Wanted(9)).states) == shown
