"""Columns of flows, ended or open, and which flows are open."""

from rustnet.engine import columns
from rustnet.engine.flow import Flow
from rustnet.engine.tracker import Tracker
from rustnet.policy.timeouts import IDLE_TIMEOUTS
from tests.engine.test_table import A, B, ask, at, syn
from tests.engine.tracking import WANTED_SIZE, Listener, batch
from tests.support.packets import ACK, FIN, RST, SECOND, SYN, Captured, arp_frame, ethernet, ip, paced, tcp_frame

# ---- columns -------------------------------------------------------------------------------------------------------


def test_the_column_of_idle_timeouts() -> None:
    """What applied at the end: the opening's timeout, an established HTTP connection's, that of a closed one."""
    opening = [
        syn(100),
        tcp_frame((B, 80), (A, 40_000), 500, 101, SYN | ACK),
        tcp_frame((A, 40_000), (B, 80), 101, 501, ACK),
    ]
    for frames, seconds in (
        (opening[:1], 60),
        (opening, 600),
        ([*opening, tcp_frame((A, 40_000), (B, 80), 101, 501, RST)], 15),
    ):
        tracker = Tracker(Listener(), bytes(WANTED_SIZE), bytes(65_536), IDLE_TIMEOUTS)
        tracker.feed(batch(paced(frames)))
        made = columns.FlowColumns({}, {}, {}, {}).build(tracker.finish(), tracker.last_ts)
        assert made["idle_timeout_ms"].tolist() == [seconds * 1_000]


# ---- open flows ----------------------------------------------------------------------------------------------------


def fresh() -> Tracker:
    return Tracker(Listener(), bytes(WANTED_SIZE), bytes(65_536), IDLE_TIMEOUTS)


def plain(flows: list[Flow], now: int, still_open: bool) -> dict[str, list[object]]:
    """Columns of flows but for how they ended, as comparable values."""
    made = columns.FlowColumns({80: "http"}, {53: "domain"}, {}, {}).build(flows, now, still_open)
    made.pop("end_reason")
    parts = {name: column if isinstance(column, tuple) else (column,) for name, column in made.items()}
    return {name: [repr(None if part is None else part.tolist()) for part in each] for name, each in parts.items()}


def talk() -> list[Captured]:
    """Connections in all states, a ping, ARP, UDP that falls silent, and fragments; times go on by themselves."""
    frames = [
        syn(100),
        ask(40_001, 53),
        tcp_frame((B, 80), (A, 40_000), 500, 101, SYN | ACK),
        arp_frame(A, B),
        tcp_frame((A, 40_000), (B, 80), 101, 501, ACK),
        ethernet(ip(A, B, 1, b"\x08\0\0\0\0\1\0\1")),
        syn(100, sport=40_002),
        ethernet(ip(A, B, 17, b"\0" * 8, ident=9, offset=8)),
        tcp_frame((A, 40_000), (B, 80), 101, 501, ACK, b"GET"),
        tcp_frame((A, 40_000), (B, 80), 110, 501, ACK, b"late"),
        tcp_frame((B, 80), (A, 40_002), 0, 101, RST | ACK),
        tcp_frame((A, 40_000), (B, 80), 114, 501, FIN | ACK),
        tcp_frame((B, 80), (A, 40_000), 501, 115, FIN | ACK),
    ]
    chatter = [at(seconds, ask(50_000, 9_999)) for seconds in (39.5, 40.3) for _ in range(300)]
    return [*paced(frames, step=SECOND // 10), *chatter]


def test_open_flows_have_the_rows_that_the_end_would_give_them() -> None:
    """At any packet; the silent UDP flow is stale although no sweep has seen it."""
    packets = talk()
    for cut in (*range(1, 14), 313, len(packets)):
        tracker = fresh()
        for start, stop in ((0, min(cut, 313)), (313, cut)):
            if start < stop:
                tracker.feed(batch(packets[start:stop], start + 1))
        tracker.close_ended()
        table = tracker.table
        before = table.count
        shown = plain(table.open_flows(), tracker.last_ts, still_open=True)
        assert plain(table.open_flows(), tracker.last_ts, still_open=True) == shown
        assert table.count == before > 0
        now = tracker.last_ts
        final = sorted(tracker.finish(), key=lambda flow: flow.flow_id)
        assert len(final) == before
        assert plain(final, now, still_open=False) == shown
    assert "UDP_STALE" in bytes(columns.FlowColumns({}, {}, {}, {}).build(final, now)["state"].data).decode()
    assert {flow.end_reason for flow in final} >= {"idle", "end"}
    assert table.open_flows() == []
    assert table.take_touched() == []


def test_end_reasons_of_open_flows() -> None:
    tracker = fresh()
    tracker.feed(batch(talk()[:13]))
    made = columns.FlowColumns({}, {}, {}, {}).build(tracker.table.open_flows(), tracker.last_ts, True)
    assert bytes(made["end_reason"].data) == b"open" * tracker.table.count
    assert {flow.end_reason for flow in tracker.table.open_flows()} == {"end"}


def test_touched_flows() -> None:
    """Each packet touches its flow, also where a new flow takes the slot and the packet count of an ended one."""
    tracker = fresh()
    steps = (
        (at(0, ask(40_000, 53)), [1]),
        (at(1, ask(40_001, 53)), [2]),
        (at(2, ask(40_000, 53)), [1]),
        (at(200, ask(40_001, 53)), [3]),
        (at(200, ask(40_001, 53)), [3]),
        (at(400, ask(40_001, 53)), [4]),
    )
    for number, (packet, flow_ids) in enumerate(steps, 1):
        tracker.feed(batch([packet], number))
        assert [flow.flow_id for flow in tracker.table.take_touched()] == flow_ids
        assert tracker.table.take_touched() == []
    tracker = fresh()
    tracker.feed(batch([at(0, ask(1_024 + i, 9_999)) for i in range(3_000)]))
    assert [flow.flow_id for flow in tracker.table.take_touched()] == list(range(1, 3_001))
