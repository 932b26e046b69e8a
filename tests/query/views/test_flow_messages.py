"""Messages, packets and traffic of a flow: pages join without gaps, and sums are those of the tables."""

import pytest

from rustnet.query.detail import messages as all_messages
from rustnet.query.session import Session
from rustnet.query.views import flow_messages
from rustnet.query.views.spec import ViewSpec
from tests.query.views.conftest import SAMPLES

NOW = ViewSpec()


@pytest.mark.parametrize("sample", SAMPLES)
def test_pages_of_messages_join(samples: dict[str, Session], sample: str) -> None:
    session = samples[sample]
    for (flow_id,) in session.execute("SELECT flow_id FROM flows ORDER BY src_bytes + dst_bytes DESC LIMIT 15").rows:
        whole, _more = all_messages(session, flow_id, 1_000)
        pages: list[flow_messages.FlowMessage] = []
        offset = 0
        while True:
            page = flow_messages.messages(session, NOW, flow_id, offset, 3)
            pages += page.messages
            offset += len(page.messages)
            assert page.total == len(whole)
            assert page.more == (offset < len(whole))
            if not page.more:
                break
        assert [(m.table, m.ts, m.packet, m.set_fields()) for m in whole] == [
            (m.table, m.ts, m.packet, m.fields) for m in pages
        ]


@pytest.mark.parametrize("sample", SAMPLES)
def test_packets_and_traffic(samples: dict[str, Session], sample: str) -> None:
    session = samples[sample]
    flows = session.execute(
        "SELECT flow_id, src_bytes, dst_bytes, src_packets + dst_packets FROM flows "
        "WHERE duplicates = 0 AND outer_flow_id IS NULL AND flow_id NOT IN "
        "(SELECT outer_flow_id FROM flows WHERE outer_flow_id IS NOT NULL) ORDER BY 2 DESC LIMIT 8"
    ).rows
    for flow_id, src_bytes, dst_bytes, count in flows:
        first = flow_messages.packets(session, NOW, flow_id, 0, 5)
        rest = flow_messages.packets(session, NOW, flow_id, 5, 100_000)
        assert first.more == (count > 5)
        assert not rest.more
        numbers = [row[0] for row in (*first.rows.rows, *rest.rows.rows)]
        assert len(numbers) == count
        assert numbers == sorted(numbers)
        for width in (1, 7, 60):
            seen = flow_messages.traffic(session, NOW, flow_id, width)
            assert (len(seen.src), sum(seen.src), sum(seen.dst)) == (width, src_bytes, dst_bytes)


def test_up_to_a_time(samples: dict[str, Session]) -> None:
    session = samples["web.pcap"]
    flow_id = session.execute("SELECT flow_id FROM http GROUP BY 1 ORDER BY count(*) DESC LIMIT 1").rows[0][0]
    whole = flow_messages.messages(session, NOW, flow_id)
    at = whole.messages[0].ts
    assert at is not None
    until = flow_messages.messages(session, ViewSpec(at=at), flow_id)
    assert until.messages == whole.messages[:1]
    assert (until.total, until.more) == (1, False)
    packets = flow_messages.packets(session, ViewSpec(at=at), flow_id)
    expected = session.execute("SELECT number FROM packets WHERE flow_id = ? AND ts <= make_timestamp_ns(?) ORDER BY 1",
                               [flow_id, at]).rows  # fmt: skip
    assert [row[0] for row in packets.rows.rows] == [row[0] for row in expected]
    seen = flow_messages.traffic(session, ViewSpec(at=at), flow_id, 10)
    assert sum(seen.src) + sum(seen.dst) < sum(
        map(sum, ((t := flow_messages.traffic(session, NOW, flow_id, 10)).src, t.dst))
    )
    assert not flow_messages.messages(session, ViewSpec(at=at - 10**12), flow_id).messages


def test_the_shown_statement_runs(samples: dict[str, Session]) -> None:
    session = samples["web.pcap"]
    flow_id = session.execute("SELECT flow_id FROM http LIMIT 1").rows[0][0]
    for statement in (
        flow_messages.messages(session, NOW, flow_id).statement,
        flow_messages.packets(session, NOW, flow_id).statement,
        flow_messages.traffic(session, NOW, flow_id, 9).statement,
        flow_messages.traffic(session, ViewSpec(at=1_800_000_000_000_000_000), flow_id, 9).statement,
    ):
        assert session.sql(statement.text()).rows


def test_round_trips_over_time(samples: dict[str, Session]) -> None:
    for session in samples.values():
        for (flow_id,) in session.execute("SELECT DISTINCT flow_id FROM tcp_intervals LIMIT 3").rows:
            seen = flow_messages.traffic(session, NOW, flow_id, 20).round_trips
            stored = session.execute(
                "SELECT from_src, rtt_ms FROM tcp_intervals WHERE flow_id = ? AND rtt_ms IS NOT NULL ORDER BY ts",
                [flow_id],
            ).rows
            assert [(row[0], row[5]) for row in seen.rows] == stored


def test_a_flow_without_messages(samples: dict[str, Session]) -> None:
    page = flow_messages.messages(samples["web.pcap"], NOW, 10**9)
    assert (page.messages, page.total, page.more) == ((), 0, False)
    assert flow_messages.traffic(samples["web.pcap"], NOW, 10**9, 5).src == (0,) * 5
