"""The list of flows: pages, order, ends, groups and counts against statements over the whole tables."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.query.filters import FilterError
from rustnet.query.session import Session, open_session
from rustnet.query.views import flow_list
from rustnet.query.views.flow_list import Context, End, ListedFlow
from rustnet.query.views.flow_order import SORTS, Group, Order, Sides, is_wide
from rustnet.query.views.session_numbers import session_numbers
from rustnet.query.views.spec import ViewSpec
from tests.support.packets import SYN, tcp_frame
from tests.support.paths import ROOT
from tests.support.pcap import pcap

NOW = ViewSpec()
ALL = 100_000


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session of all samples, some of whose flows have owners, at either end."""
    path = tmp_path_factory.mktemp("list") / "s.duckdb"
    samples = (ROOT / "sample_pcaps").iterdir()
    captures = sorted(str(p) for p in samples if ".pcap" in p.name and ".connections." not in p.name)
    assert not ingest(captures, str(path), Options(workers=0)).failed
    with open_session(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def known(session: Session) -> Context:
    """What lists of the session need first."""
    return flow_list.context(session, NOW)


def every(session: Session, spec: ViewSpec, known: Context, order: Order, group: Group | None = None) -> list[int]:
    """Numbers of all flows of a list."""
    return flow_list.page_ids(session, spec, known, order, limit=ALL, group=group)


def rows(session: Session, known: Context, ids: list[int]) -> list[ListedFlow]:
    """Rows of many flows."""
    step = flow_list.MOST_ROWS
    return [flow for at in range(0, len(ids), step) for flow in flow_list.flows_of(session, known, ids[at : at + step])]


def test_the_session_has_what_the_tests_are_about(session: Session, known: Context) -> None:
    assert known.sides == Sides(reversed=True, inbound=True)
    assert known.gateways
    assert known.total == session.execute("SELECT count(*) FROM flows").rows[0][0] > 1000
    assert known.loopback == 0
    assert not known.being_written


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("key", SORTS)
def test_pages_ends_and_the_index_agree(session: Session, known: Context, key: str, descending: bool) -> None:
    others = [Order(key, descending, names=False, services=False)] if key in ("remote", "service") else []
    for order in (Order(key, descending), *others):
        ids = every(session, NOW, known, order)
        assert sorted(ids) == [row[0] for row in session.execute("SELECT flow_id FROM flows ORDER BY flow_id").rows]
        index = flow_list.index(session, NOW, known, order)
        assert len(index) == len(ids)
        assert index.part(0, len(ids)) == ids
        assert flow_list.page_ids(session, NOW, known, order, first=500, limit=60) == ids[500:560]
        assert flow_list.page_ids(session, NOW, known, order, limit=40, from_end=True) == ids[-40:]
        assert index.place(ids[77]) == 77
        assert index.place(0) is None


VALUES: dict[str, Callable[[ListedFlow], Any]] = {
    "time": lambda f: f.started_ns,
    "process": lambda f: f.process,
    "remote": lambda f: f.hostname if f.remote_is_dst else None,
    "country": lambda f: f.remote.country,
    "service": lambda f: f.service,
    "app": lambda f: f.app,
    "state": lambda f: f.state or f.conn_state,
    "rtt": lambda f: f.rtt_ms,
    "bytes": lambda f: f.bytes,
    "sent": lambda f: f.local.bytes,
    "received": lambda f: f.remote.bytes,
    "packets": lambda f: f.local.packets + f.remote.packets,  # type: ignore[operator]
    "duration": lambda f: f.ended_ns - f.started_ns,
    "ended": lambda f: f.ended_ns,
    "protocol": lambda f: f.protocol,
    "direction": lambda f: f.direction,
    "as": lambda f: f.remote.asn,
    "retransmissions": lambda f: f.local.retransmissions + f.remote.retransmissions,  # type: ignore[operator]
    "user": lambda f: f.user,
    "pid": lambda f: f.pid,
    "flow": lambda f: f.flow_id,
}


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("key", [*VALUES, "local"])
def test_lists_are_sorted_by_what_they_show(session: Session, known: Context, key: str, descending: bool) -> None:
    flows = rows(session, known, every(session, NOW, known, Order(key, descending)))
    if key == "local":
        numbers: dict[str | None, int] = dict(
            session.execute("SELECT src_ip, src_num FROM flows UNION SELECT dst_ip, dst_num FROM flows").rows
        )
        values = [numbers.get(flow.local.ip) for flow in flows]
    else:
        values = [VALUES[key](flow) for flow in flows]
    present = [value for value in values if value is not None]
    assert values == present + [None] * (len(values) - len(present))
    assert present == sorted(present, reverse=descending)
    assert len(set(present)) > 1 or key in ("country", "as")


def test_ends_are_those_of_the_view_connections(session: Session, known: Context) -> None:
    flows = {flow.flow_id: flow for flow in rows(session, known, every(session, NOW, known, Order()))}
    expected = session.execute(
        "SELECT flow_id, local_addr, local_port, remote_addr, remote_port, bytes_sent, bytes_received, packets_sent, "
        "packets_received, pid, process_name FROM connections"
    ).rows
    swapped = 0
    for flow_id, *values in expected:
        flow = flows[flow_id]
        assert values == [
            flow.local.ip, flow.local.port, flow.remote.ip, flow.remote.port, flow.local.bytes, flow.remote.bytes,
            flow.local.packets, flow.remote.packets, flow.pid, flow.process,
        ]  # fmt: skip
        swapped += not flow.remote_is_dst
    assert len(expected) == len(flows)
    assert swapped > 5


def test_filters_count_and_page(session: Session, known: Context) -> None:
    for text in ("app:dns", "port:443", "process:curl", "198.51", "host:shop", "-app:dns bytes:>1k"):
        spec = ViewSpec(text)
        ids = every(session, spec, known, Order("bytes", descending=True))
        assert (
            len(ids)
            == flow_list.count(session, spec, known)
            == len(session.flows(text, columns=["flow_id"], limit=None))
        )
        assert len(ids) > 0, text
        assert flow_list.index(session, spec, known, Order("bytes", descending=True)).part(0, ALL) == ids
    with pytest.raises(FilterError):
        flow_list.page_ids(session, ViewSpec("port:x"), known, Order())


def test_only_filters_that_look_everywhere_are_wide(session: Session) -> None:
    wide = {
        text
        for text in ("port:443", "app:dns", "shop", "/sh.p/", "host:shop")
        if is_wide(ViewSpec(text), session.scope())
    }
    assert wide == {"shop", "/sh.p/", "host:shop"}


def test_groups_are_processes_by_name(session: Session, known: Context) -> None:
    for text in ("", "app:tls"):
        spec = ViewSpec(text)
        found = flow_list.groups(session, spec, known)
        where = "WHERE app = 'tls'" if text else ""
        expected = session.execute(
            "SELECT process_name, count(*), count(*) FILTER (protocol = 'tcp'), count(*) FILTER (protocol = 'udp'), "
            f"sum(bytes_sent)::BIGINT, sum(bytes_received)::BIGINT, count(DISTINCT pid) FROM connections {where} "
            "GROUP BY process_name ORDER BY lower(process_name) NULLS LAST"
        ).rows
        assert [dataclasses.astuple(group)[:7] for group in found.groups] == expected
        assert {group.sent_rate for group in found.groups} == {None}
        assert found.more == 0
        assert found.flows == flow_list.count(session, spec, known)
        for group in found.groups:
            ids = every(session, spec, known, Order("process"), Group(group.name))
            assert len(ids) == group.flows == flow_list.count(session, spec, known, Group(group.name))
            assert {flow.process for flow in rows(session, known, ids[:50])} == {group.name}
    assert len(found.groups) > 1


def test_statements_that_are_shown_give_the_list(session: Session, known: Context) -> None:
    order = Order("remote", descending=True)
    shown = flow_list.statement(session, ViewSpec("app:tls"), known, order, 5)
    assert [row[0] for row in session.execute(shown.text()).rows] == flow_list.page_ids(
        session, ViewSpec("app:tls"), known, order, limit=5
    )
    groups = flow_list.groups(session, NOW, known)
    assert len(session.execute(groups.statement.text()).rows) == len(groups.groups)


def moments(session: Session) -> list[int]:
    """Some packet times."""
    sql = "SELECT epoch_ns(ts) FROM (SELECT ts, row_number() OVER (ORDER BY ts) AS n FROM packets) WHERE n % 4001 = 7"
    return [int(row[0]) for row in session.execute(sql).rows]


def test_lists_as_of_a_time_are_those_of_flows_at(session: Session) -> None:
    assert len(moments(session)) > 3
    for at in moments(session):
        for closed in (True, False):
            spec = ViewSpec(at=at, closed=closed)
            known = flow_list.context(session, spec)
            where = "" if closed else "WHERE end_reason = 'open'"
            expected = session.execute(
                "SELECT flow_id, src_bytes, dst_bytes, state, end_reason, rtt_ms, hostname, "
                "epoch_ns(ended_at), src_rate + dst_rate "
                f"FROM flows_at(make_timestamp_ns({at})) {where} "
                "ORDER BY src_bytes + dst_bytes DESC NULLS LAST, flow_id"
            ).rows
            order = Order("bytes", descending=True)
            flows = rows(session, known, every(session, spec, known, order))
            assert [flow.flow_id for flow in flows] == [row[0] for row in expected]
            assert flow_list.count(session, spec, known) == len(expected)
            groups = flow_list.groups(session, spec, known)
            assert groups.flows == len(expected)
            rates = sum((group.sent_rate or 0) + (group.received_rate or 0) for group in groups.groups)
            assert rates == pytest.approx(sum(row[-1] for row in expected))
            assert len(session.execute(groups.statement.text()).rows) == len(groups.groups)
            for flow, (_, src, dst, state, reason, rtt, name, ended, rate) in zip(flows, expected, strict=True):
                ends = (flow.local, flow.remote) if flow.remote_is_dst else (flow.remote, flow.local)
                assert (ends[0].bytes, ends[1].bytes, flow.state, flow.end_reason) == (src, dst, state, reason)
                assert (flow.rtt_ms, flow.hostname, flow.ended_ns) == (rtt, name, ended)
                if reason == "open":
                    assert ends[0].rate is not None
                    assert ends[1].rate is not None
                    assert ends[0].rate + ends[1].rate == pytest.approx(rate)
                else:
                    assert ends[0].rate is None


def test_rows_may_lack_every_value() -> None:
    names = ("flow_id", "capture_id", "started_at", "ended_at", "protocol", "end_reason", "local_is_dst")
    flow = flow_list._listed(dict.fromkeys(names))
    assert (flow.started_ns, flow.protocol, flow.end_reason, flow.open) == (0, "", "", False)
    assert flow.bytes is None
    assert flow.remote.cast == ""


def test_flows_since_a_time_had_packets_since(session: Session, known: Context) -> None:
    since = moments(session)[2]
    spec = ViewSpec(since=since)
    flows = rows(session, known, every(session, spec, known, Order()))
    assert 0 < len(flows) < known.total
    assert all(flow.ended_ns >= since for flow in flows)
    assert flow_list.known_count(spec, known) is None
    assert flow_list.known_count(NOW, known) == known.total


def test_numbers_of_the_session(session: Session) -> None:
    numbers = session_numbers(session, NOW, None)
    captures = session.execute("SELECT count(*), sum(packets) FROM captures").rows[0]
    assert (numbers.captures, numbers.packets) == captures
    assert (numbers.flows, numbers.owned) == session.execute("SELECT count(*), count(process_id) FROM flows").rows[0]
    assert 0 < (numbers.attributed or 0) < 1
    assert numbers.open == 0
    at = moments(session)[3]
    then = session_numbers(session, ViewSpec(at=at), flow_list.context(session, ViewSpec(at=at)).moment)
    assert then.flows == flow_list.count(session, ViewSpec(at=at), flow_list.context(session, ViewSpec(at=at)))
    assert then.last_ns == at
    assert then.flows < numbers.flows


@pytest.mark.parametrize(
    ("ip", "mac", "cast"),
    [
        ("224.0.0.251", None, "multicast"), ("ff02::fb", None, "multicast"), ("255.255.255.255", None, "broadcast"),
        ("192.168.1.255", "ff:ff:ff:ff:ff:ff", "broadcast"), (None, "ff:ff:ff:ff:ff:ff", "broadcast"),
        ("192.0.2.1", "02:00:00:00:00:01", ""), (None, None, ""), ("not an address", None, ""),
    ],
)  # fmt: skip
def test_casts(ip: str | None, mac: str | None, cast: str) -> None:
    assert End(ip, 1, mac, None, None, None, 0, 0, 0, None).cast == cast


def test_staleness_is_the_part_of_the_timeout_that_passed(session: Session, known: Context) -> None:
    flow = dataclasses.replace(rows(session, known, [1])[0], ended_ns=1_000, idle_timeout_ms=100, end_reason="open")
    assert flow.staleness(1_000 + 75_000_000) == 0.75
    assert flow.staleness(1_000) == 0
    assert flow.staleness(None) is None
    assert dataclasses.replace(flow, end_reason="idle").staleness(2_000) is None
    assert dataclasses.replace(flow, idle_timeout_ms=None).staleness(2_000) is None


def test_loopback_flows_are_hidden_unless_there_are_no_others(tmp_path: Path) -> None:
    def frames(*pairs: tuple[str, str]) -> list[bytes]:
        return [tcp_frame((a, 40_000 + n), (b, 80), 1, 0, SYN) for n, (a, b) in enumerate(pairs)]

    home, far, six = ("127.0.0.1", "127.0.0.9"), ("127.0.0.1", "192.0.2.1"), ("::1", "::1")
    for name, pairs, hidden, shown in (
        ("mixed", (home, far, six), 2, 1),
        ("only", (home, six), 2, 2),
    ):
        path = tmp_path / f"{name}.pcap"
        path.write_bytes(pcap(frames(*pairs)))
        assert not ingest([str(path)], str(tmp_path / f"{name}.duckdb"), Options(workers=0)).failed
        with open_session(tmp_path / f"{name}.duckdb") as session:
            known = flow_list.context(session, NOW)
            assert known.loopback == hidden
            assert len(every(session, NOW, known, Order())) == shown == flow_list.count(session, NOW, known)
            assert flow_list.known_count(NOW, known) == shown
            assert len(every(session, ViewSpec(loopback=True), known, Order())) == len(pairs)
