"""Intervals of bulk TCP flows: their sums, their pace, and round-trip times of a known path; compiled and not."""

from collections.abc import Sequence

import pytest

from rustnet.engine import tally
from rustnet.engine.listener import Listener
from rustnet.engine.tracker import Tracker
from rustnet.policy.timeouts import IDLE_TIMEOUTS
from tests.engine.tracking import WANTED_SIZE, batch, server_ports
from tests.support.packets import ACK, PSH, START, SYN, Captured, tcp_frame
from tests.support.transfer import MSS, Path, Sender, Transfer

MS = 1_000_000
EARLY_PACKETS, EARLY_INTERVALS, BULK_PACKETS, SHORTEST_NS = 8, 64, 32, 5 * MS
Interval = dict[str, int]


def intervals(packets: Sequence[Captured], step: int = 1_000) -> list[Interval]:
    """Intervals of a capture that comes in batches of ``step`` packets."""
    tracker = Tracker(Listener(), bytes(WANTED_SIZE), server_ports(), IDLE_TIMEOUTS)
    rows = []
    for at in range(0, len(packets), step):
        tracker.feed(batch(packets[at : at + step], at + 1))
        rows += tracker.take_intervals()
        tracker.index.take()
    tracker.finish()
    rows += tracker.take_intervals()
    assert tracker.take_intervals() == []
    return [dict(zip(tally.COLUMNS, row, strict=True)) for row in rows]


def of_data(rows: list[Interval], upload: bool = False) -> list[Interval]:
    """Those of the direction of the data."""
    return [row for row in rows if row["from_src"] == upload]


@pytest.fixture(scope="module", params=[True, False], ids=["sender", "receiver"])
def transfer(request: pytest.FixtureRequest) -> Transfer:
    """A transfer over a link of 8 Mbit/s with a queue of 0.1 s, captured at either end."""
    made = Transfer(Path(rate=8e6, queue=0.1, delay=0.03), Sender(seconds=3), at_sender=request.param)
    made.run()
    return made


def test_sums_are_those_of_the_flow(transfer: Transfer) -> None:
    rows = of_data(intervals(transfer.packets))
    payload = {packet.wire for packet in transfer.packets}
    assert payload == {66, 66 + MSS}
    data = sum(1 for packet in transfer.packets if packet.wire > 66)
    segments = sum(row["sent"] for row in rows) // MSS
    assert sum(row["sent"] for row in rows) == sum(row["acknowledged"] for row in rows)
    if transfer.at_sender:
        assert segments == data - transfer.retransmitted
        assert sum(row["retransmissions"] for row in rows) == transfer.retransmitted
    assert rows[-1]["in_flight"] == 0
    assert rows[0]["began_at"] == transfer.packets[0].ts


def test_intervals_follow_each_other(transfer: Transfer) -> None:
    rows = intervals(transfer.packets)
    assert {row["flow_id"] for row in rows} == {1}
    for direction in (True, False):
        own = of_data(rows, direction)
        assert [row["began_at"] for row in own[1:]] == [row["ts"] for row in own[:-1]]
        assert all(row["ts"] > row["began_at"] for row in own)
        packets = len(transfer.packets)
        assert len(own) <= packets // EARLY_PACKETS
        assert len(own) <= 3_300 * MS / SHORTEST_NS


def test_round_trips_are_those_of_the_path(transfer: Transfer) -> None:
    rows = intervals(transfer.packets)
    far = of_data(rows, upload=not transfer.at_sender)  # what goes towards the far end
    sampled = [row for row in far if row["rtt_samples"]]
    assert len(sampled) >= 10
    for row in sampled:
        assert 29 * MS <= row["rtt_low"] <= row["rtt_sum"] // row["rtt_samples"] <= row["rtt_high"] <= 140 * MS
    assert max(row["rtt_high"] for row in sampled) > 110 * MS
    assert all(30 * MS <= row["least_rtt"] < 31 * MS for row in far)
    assert all(row["least_rtt"] <= row["rtt_low"] for row in sampled)


def test_where_batches_end_does_not_matter(transfer: Transfer) -> None:
    assert intervals(transfer.packets, 1_000) == intervals(transfer.packets, 97)


def test_a_receiver_without_timestamps_has_no_far_round_trips() -> None:
    path = Path(rate=8e6, queue=0.1, delay=0.03)
    rows = intervals(Transfer(path, Sender(seconds=2), at_sender=False, stamps=False).run())
    assert all(row["rtt_high"] < 5 * MS for row in rows if row["rtt_samples"])


def ping_pong(exchanges: int, gap_ms: int) -> list[Captured]:
    """Requests of 100 bytes, each answered after 10 ms with 100 bytes."""
    a, b = ("10.0.0.2", 40_000), ("192.0.2.80", 443)
    made = [
        (0, tcp_frame(a, b, 99, 0, SYN)),
        (10, tcp_frame(b, a, 499, 100, SYN | ACK)),
        (10, tcp_frame(a, b, 100, 500, ACK)),
    ]
    for n in range(exchanges):
        at, mine, theirs = 20 + n * gap_ms, 100 + n * 100, 500 + n * 100
        made.append((at, tcp_frame(a, b, mine, theirs, PSH | ACK, bytes(100))))
        made.append((at + 10, tcp_frame(b, a, theirs, mine + 100, PSH | ACK, bytes(100))))
    return [Captured(START + at * MS, frame) for at, frame in made]


def test_short_flows_have_none() -> None:
    assert intervals(ping_pong(29, 20)) == []
    assert intervals(ping_pong(40, 20)) != []


def test_long_flows_have_few() -> None:
    rows = intervals(ping_pong(3_000, 1_000))
    for direction in (True, False):
        own = of_data(rows, direction)
        later = own[EARLY_INTERVALS + 1 : -1]
        assert len(own) <= EARLY_INTERVALS + 1 + 3_000 // BULK_PACKETS
        assert all(row["sent"] > BULK_PACKETS * 90 for row in later)
        assert sum(row["sent"] for row in own) >= 3_000 * 100
    assert {row["rtt_sum"] // row["rtt_samples"] for row in of_data(rows, True) if row["rtt_samples"]} == {10 * MS}


def test_times_that_go_back_do_no_harm() -> None:
    packets = Transfer(Path(rate=8e6, queue=0.1, delay=0.03), Sender(seconds=1)).run()
    shuffled = [Captured(2 * START - packet.ts if n % 7 == 0 else packet.ts, packet.data, length=packet.length)
                for n, packet in enumerate(packets)]  # fmt: skip
    rows = of_data(intervals(shuffled))
    assert sum(row["sent"] for row in rows) > 0
    assert all(row["rtt_samples"] == 0 or row["rtt_low"] >= 0 for row in rows)
