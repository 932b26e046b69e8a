"""The page of a flow: its values are those of the tables, and its rows do not move."""

from typing import Any

import pytest

from rustnet.dissect.registry import DISSECTORS
from rustnet.query.filter_for import filter_for, with_term
from rustnet.query.session import Session
from rustnet.query.views.flow_cards import APP_COLUMNS, APP_TABLES
from rustnet.query.views.flow_page import FlowPage, Row, Value, flow_page
from rustnet.query.views.spec import ViewSpec
from rustnet.records import Kind, columns, table_name
from tests.query.views.conftest import SAMPLES

NOW = ViewSpec()


def numbers(session: Session) -> list[int]:
    return [row[0] for row in session.execute("SELECT flow_id FROM flows ORDER BY flow_id").rows]


def row(page: FlowPage, card: str, name: str) -> Row:
    return next(r for c in page.cards if c.name == card for r in c.rows if r.name == name)


def values(page: FlowPage, card: str, name: str) -> list[Any]:
    return [each.value for each in row(page, card, name).values]


@pytest.mark.parametrize("sample", SAMPLES)
def test_values_are_those_of_the_flow(samples: dict[str, Session], sample: str) -> None:
    session = samples[sample]
    for flow_id in numbers(session):
        page = flow_page(session, NOW, flow_id)
        result = session.execute("SELECT * FROM flows WHERE flow_id = ?", [flow_id])
        stored = dict(zip(result.columns, result.rows[0], strict=True))
        shown = [v for c in page.cards for r in c.rows for v in r.values if v.column in stored and r.name != "before"]
        assert len(shown) > 30
        for each in shown:
            if each.column == "flow_id" or (each.column == "hostname" and each.value != stored["hostname"]):
                continue  # of another flow, or a name that the host states of itself
            assert each.value == stored[each.column], (flow_id, each.column)


@pytest.mark.parametrize("sample", SAMPLES)
def test_rows_depend_on_the_protocols_alone(samples: dict[str, Session], sample: str) -> None:
    rows: dict[tuple[str, str | None], list[tuple[str, str]]] = {}
    session = samples[sample]
    for flow_id in numbers(session):
        page = flow_page(session, NOW, flow_id)
        if page.flow["app"] is None:
            continue
        names = [(c.name, r.name) for c in page.cards for r in c.rows]
        assert names == rows.setdefault((page.flow["protocol"], page.flow["app"]), names)
        assert len(names) == len(set(names))


def test_http_flow(samples: dict[str, Session]) -> None:
    session = samples["web.pcap"]
    flow_id = session.execute("SELECT flow_id FROM flows WHERE app = 'http' ORDER BY 1").rows[0][0]
    page = flow_page(session, NOW, flow_id)
    first = session.execute(
        "SELECT method, host, uri, status, packet, ts FROM http WHERE flow_id = ? ORDER BY ts, packet LIMIT 1",
        [flow_id],
    ).rows[0]
    shown = [values(page, "application", f"http.{name}")[0] for name in ("method", "host", "uri", "status")]
    assert shown == list(first[:4])
    uri = row(page, "application", "http.uri")
    assert (uri.packet, uri.learned_at, uri.source) == (first[4], first[5], "http")
    assert uri.remark == "the first of several values"
    assert row(page, "application", "http.method").remark == ""
    assert page.messages == {"http": 3}
    name = row(page, "network", "remote_name")
    assert (name.values[0].value, name.source) == ("www.shop.example", "http")
    assert name.learned_at == page.flow["hostname_ts"]
    # The lookup of its name, by the client, before it began.
    lookup = row(page, "related", "lookup")
    assert lookup.values[0].value == "www.shop.example"
    assert lookup.learned_at is not None
    assert lookup.learned_at <= page.flow["started_at"]
    question = session.execute(
        "SELECT f.src_ip, list_contains(d.answers, ?) FROM dns d JOIN flows f USING (flow_id) WHERE d.packet = ?",
        [page.flow["dst_ip"], lookup.packet],
    ).rows
    assert question == [(page.flow["src_ip"], True)]


def test_owner_and_its_reasons(samples: dict[str, Session]) -> None:
    session = samples["contested.pcap"]
    owned = session.execute("SELECT flow_id FROM flows WHERE process_id IS NOT NULL ORDER BY 1").rows
    for (flow_id,) in owned[:10]:
        page = flow_page(session, NOW, flow_id)
        process = session.execute(
            "SELECT p.name, p.pid, p.exe FROM flows f JOIN processes p USING (process_id) WHERE flow_id = ?",
            [flow_id],
        ).rows[0]
        assert tuple(values(page, "ownership", "name")) == process[:2]
        assert values(page, "ownership", "exe") == [process[2]]
        assert row(page, "ownership", "name").source == page.flow["process_source"]
        assert any("owns the flow" in sentence for sentence in page.explanation().why)
        assert page.claims[0]["won"]
    contested = session.execute("SELECT flow_id FROM flows WHERE unowned_reason = 'contested' ORDER BY 1").rows[0][0]
    page = flow_page(session, NOW, contested)
    assert values(page, "ownership", "unowned_reason") == ["contested"]
    assert len(page.claims) > 1
    assert len(page.explanation().claims) == len(page.claims)


def test_sentences_are_redacted(samples: dict[str, Session]) -> None:
    session = samples["contested.pcap"]
    flow_id = session.execute("SELECT flow_id FROM flows WHERE process_id IS NOT NULL ORDER BY 1").rows[0][0]
    page = flow_page(session, NOW, flow_id)
    asked: list[tuple[str, Kind | None]] = []

    def redact(value: Any, column: str, kind: Kind | None) -> str:
        asked.append((column, kind))
        return "HIDDEN"

    names = {claim["process"] for claim in page.claims} | {claim["host"] for claim in page.claims}
    sentences = " ".join(page.explanation(redact).why + page.explanation(redact).claims)
    assert "HIDDEN" in sentences
    assert not any(name in sentences.split() for name in names if name)
    assert ("name", Kind.SOFTWARE) in asked


def test_tunnel_error_and_other_conversations(samples: dict[str, Session]) -> None:
    session = samples["network.pcapng"]
    about = session.execute("SELECT about_flow_id, flow_id FROM icmp WHERE about_flow_id IS NOT NULL LIMIT 1").rows
    page = flow_page(session, NOW, about[0][0])
    error = row(page, "related", "error")
    assert error.flow_id is not None
    assert error.values[0].value
    assert (about[0][0], error.flow_id) in set(
        session.execute("SELECT about_flow_id, flow_id FROM icmp WHERE about_flow_id IS NOT NULL").rows
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_at_a_packet_time(samples: dict[str, Session], sample: str) -> None:
    session = samples[sample]
    rows = session.execute(
        "SELECT flow_id, epoch_ns(started_at), epoch_ns(ended_at) FROM flows WHERE ended_at > started_at "
        "ORDER BY epoch_ns(ended_at) - epoch_ns(started_at) DESC LIMIT 5"
    ).rows
    for flow_id, begun, ended in rows:
        assert not flow_page(session, ViewSpec(at=begun - 1), flow_id).exists
        at = (begun + ended) // 2
        page = flow_page(session, ViewSpec(at=at), flow_id)
        result = session.execute("SELECT * FROM flows_at(make_timestamp_ns(?)) WHERE flow_id = ?", [at, flow_id])
        stored = dict(zip(result.columns, result.rows[0], strict=True))
        assert page.flow == stored
        assert page.explanation() == flow_page(session, NOW, flow_id).explanation()
        counted = session.execute(
            "SELECT count(*) FROM packets WHERE flow_id = ? AND ts <= make_timestamp_ns(?)", [flow_id, at]
        ).rows[0][0]
        if stored["src_packets"] is not None:
            assert stored["src_packets"] + stored["dst_packets"] == counted
        for each in (r for c in page.cards for r in c.rows if c.name == "application" and r.source in page.messages):
            assert each.learned_at is not None
            assert each.learned_at <= at


def test_no_such_flow(samples: dict[str, Session]) -> None:
    page = flow_page(samples["web.pcap"], NOW, 10**9)
    assert not page.exists
    assert page.cards == ()


def test_applications_and_their_columns_exist() -> None:
    tables = {table_name(each) for d in DISSECTORS for each in d.records}
    for dissector in DISSECTORS:
        if dissector.records:
            assert APP_TABLES.get(dissector.name, dissector.name) in tables, dissector.name
    schema = {table_name(each): {c.name for c in columns(each)} for d in DISSECTORS for each in d.records}
    for table, names in APP_COLUMNS.items():
        assert set(names) <= schema[table], table


@pytest.mark.parametrize("sample", SAMPLES)
def test_filter_for_a_value_selects_its_flow(samples: dict[str, Session], sample: str) -> None:
    session = samples[sample]
    tried: set[str] = set()
    for flow_id in numbers(session)[:60]:
        page = flow_page(session, NOW, flow_id)
        for each in (r for c in page.cards for r in c.rows if c.name != "related" and r.known):
            value = each.values[0] if each.form != "end" else None
            port = each.values[1].value if value is None and len(each.values) > 1 else None
            term = filter_for_row(each, value or each.values[0], port)
            if term is None:
                continue
            if term in tried:
                continue
            tried.add(term)
            assert flow_id in [r[0] for r in session.flows(term, columns="flow_id").rows], (term, each)
            out = with_term("", term, out=True)
            assert flow_id not in [r[0] for r in session.flows(out, columns="flow_id").rows], (out, each)
    assert len(tried) > 20


def filter_for_row(each: Row, value: Value, port: int | None) -> str | None:
    return filter_for(value.column, value.value, port)


@pytest.mark.parametrize(
    ("column", "value", "term"),
    [
        ("src_ip", "10.0.0.1", "src:10.0.0.1"),
        ("dst_ip", "2001:db8::1", "dst:2001:db8::1"),
        ("hostname", 'a "b" c\\', 'host:="a \\"b\\" c\\\\"'),
        ("app", "tls", "app:=tls"),
        ("vlan_id", 7, "vlan:7"),
        ("processes.exe", "/usr/bin/x y", 'process:="/usr/bin/x y"'),
        ("src_country", "DE", "country:DE"),
        ("rtt_ms", 10.378208740234374, "rtt:10.378ms"),
        ("hostname", "x\0y", None),
        ("hostname", None, None),
        ("ssh.kex", "curve25519", None),
        ("dns.answers", ["192.0.2.1", "x"], "dns:192.0.2.1"),
    ],
)
def test_filter_text(column: str, value: Any, term: str | None) -> None:
    assert filter_for(column, value) == term


def test_filter_of_an_end_and_with_others() -> None:
    assert filter_for("src_ip", "2001:db8::1", 443) == "src:[2001:db8::1]:443"
    assert with_term("app:tls OR app:http", "port:80", out=True) == "(app:tls OR app:http) NOT port:80"
    assert with_term("app:tls", "port:80") == "app:tls port:80"
