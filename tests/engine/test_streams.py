"""Reassembly: order, overlaps, holes that are filled late or never, cut segments, bounds, and skipping."""

import random

import pytest

from rustnet.engine.flow import Flow
from rustnet.engine.tracker import Tracker
from rustnet.policy.timeouts import IDLE_TIMEOUTS
from tests.engine.tracking import WANTED_SIZE, Listener, Tracked, batch, server_ports, track
from tests.support.packets import ACK, FIN, PSH, RST, START, SYN, Captured, paced, tcp_frame
from tests.support.uncompiled import RUNS_PURE

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
DATA = random.Random(2).randbytes(10_000)
HELD = 256 << 10
HELD_TOTAL = 64 << 20
SEGMENTS = 256
WAIT = 50_000_000


def say(at: int, payload: bytes, isn: int = 1_000, flags: int = ACK, port: int = 40_000) -> bytes:
    """Client's segment whose first byte has offset ``at`` in its stream."""
    return tcp_frame((CLIENT, port), (SERVER, 80), isn + 1 + at, 501, flags, payload)


def confirm(at: int, isn: int = 1_000, port: int = 40_000) -> bytes:
    """Server's acknowledgement of the client's first ``at`` bytes."""
    return tcp_frame((SERVER, 80), (CLIENT, port), 501, isn + 1 + at, ACK)


def opening(isn: int = 1_000, port: int = 40_000) -> list[bytes]:
    """Three-way handshake."""
    return [
        tcp_frame((CLIENT, port), (SERVER, 80), isn, 0, SYN),
        tcp_frame((SERVER, 80), (CLIENT, port), 500, isn + 1, SYN | ACK),
        tcp_frame((CLIENT, port), (SERVER, 80), isn + 1, 501, ACK),
    ]


def read(frames: list[bytes], step: int = 1_000_000, **more: object) -> list[bytes | int]:
    """What was read of the client's stream."""
    return track(paced(frames, step=step), **more).streams()[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("isn", [1_000, 0xFFFF_FFFF, 0xFFFF_F000, 0x7FFF_FF00])
def test_in_order(isn: int) -> None:
    pieces = [say(at, DATA[at : at + 1_000], isn) for at in range(0, 10_000, 1_000)]
    assert read(opening(isn) + pieces) == [DATA]


@pytest.mark.parametrize("seed", range(5))
def test_any_order(seed: int) -> None:
    pieces = [say(at, DATA[at : at + 1_000], 0xFFFF_F000) for at in range(0, 10_000, 1_000)]
    random.Random(seed).shuffle(pieces)
    assert read(opening(0xFFFF_F000) + pieces) == [DATA]


def test_the_first_segment_comes_second() -> None:
    """Behind a captured SYN the stream's beginning is known, so an early second segment waits for the first."""
    assert read([*opening(), say(100, DATA[100:200]), say(0, DATA[:100])]) == [DATA[:200]]


def test_a_beginning_that_was_not_captured_is_a_gap() -> None:
    assert read([*opening(), say(100, DATA[100:200]), confirm(200)]) == [100, DATA[100:200]]


def test_mid_stream_begins_where_the_capture_does() -> None:
    assert read([say(100, DATA[100:200]), say(200, DATA[200:300])]) == [DATA[100:300]]


def test_data_with_the_syn() -> None:
    """TCP Fast Open (RFC 7413)."""
    syn = tcp_frame((CLIENT, 40_000), (SERVER, 80), 1_000, 0, SYN, DATA[:50])
    assert read([syn, say(50, DATA[50:80])]) == [DATA[:80]]
    sent_again = say(0, DATA[:80])
    assert read([syn, sent_again]) == [DATA[:80]]


def test_data_with_the_fin() -> None:
    assert read([*opening(), say(0, DATA[:50], flags=FIN | ACK), say(0, DATA[:50], flags=FIN | ACK)]) == [DATA[:50]]


def test_payload_of_resets_is_not_data() -> None:
    assert read([*opening(), say(0, DATA[:50]), say(50, b"connection refused", flags=RST)]) == [DATA[:50]]


def test_overlaps() -> None:
    """What was read stays; of what waits, each byte is read once."""
    frames = [*opening(), say(0, DATA[:100]), say(50, DATA[50:150]), say(0, DATA[:150]), say(120, DATA[120:300])]
    assert read(frames) == [DATA[:300]]
    held = [say(200, DATA[200:300]), say(250, DATA[250:400]), say(200, DATA[200:260]), say(210, DATA[210:230])]
    assert read([*opening(), *held, say(0, DATA[:220])]) == [DATA[:400]]


def test_overlapping_bytes_that_differ() -> None:
    """The first version of a byte that was read is the one that counts."""
    forged = say(0, b"\xee" * 150)
    assert read([*opening(), say(0, DATA[:100]), forged]) == [DATA[:100] + b"\xee" * 50]


def test_a_hole_that_is_filled_late() -> None:
    late = [*opening(), say(0, DATA[:100]), *(say(at, DATA[at : at + 100]) for at in range(200, 2_000, 100))]
    assert read([*late, confirm(100), say(100, DATA[100:200])]) == [DATA[:2_000]]


def test_a_hole_that_is_acknowledged_is_filled_soon_or_never() -> None:
    """The missing segment may stand a little later in the capture than what acknowledges it."""
    late = say(100, DATA[100:150])
    frames = [*opening(), say(0, DATA[:100]), say(150, DATA[150:200]), confirm(100), confirm(200), confirm(200), late]
    assert read(frames, step=20_000_000) == [DATA[:200]]
    assert read(frames, step=WAIT + 1) == [DATA[:100], 50, DATA[150:200]]
    assert read([*frames[:-1], say(200, DATA[200:210])], step=WAIT + 1) == [DATA[:100], 50, DATA[150:210]]


def test_several_holes_are_acknowledged_at_once() -> None:
    frames = [*opening(), say(10, DATA[10:20]), say(30, DATA[30:40]), say(50, DATA[50:60]), confirm(40)]
    assert read(frames) == [10, DATA[10:20], 10, DATA[30:40], 10, DATA[50:60]]
    got = track(paced([*frames, confirm(40)], step=WAIT + 1)).reader
    assert got.pieces[1, True][:4] == [10, DATA[10:20], 10, DATA[30:40]]


def test_the_end_of_a_flow_hands_on_what_waits() -> None:
    got = track(paced([*opening(), say(10, DATA[10:20]), say(30, DATA[30:40])]))
    assert got.streams()[0] == [10, DATA[10:20], 10, DATA[30:40]]
    assert got.reader.closed == [1]
    assert got.tracker.streams.total == 0


def test_segments_cut_by_the_snap_length() -> None:
    """What was not captured of a segment is a gap at once: nobody will send it again."""
    frames = [Captured(START + i, data) for i, data in enumerate(opening())]
    for i, at in enumerate(range(0, 400, 100)):
        data = say(at, DATA[at : at + 100])
        frames.append(Captured(START + 10 + i, data[: 54 + 30], length=len(data)))
    got = track(frames)
    assert got.streams()[0] == [piece for at in range(0, 400, 100) for piece in (DATA[at : at + 30], 70)]
    assert got.flows[0]["src_payload"] == 400


def test_cut_segments_out_of_order() -> None:
    first, second = say(0, DATA[:100]), say(100, DATA[100:200])
    frames = paced(opening())
    frames.append(Captured(START + 10**8, second[: 54 + 30], length=len(second)))
    frames.append(Captured(START + 2 * 10**8, first[: 54 + 20], length=len(first)))
    assert track(frames).streams()[0] == [DATA[:20], 80, DATA[100:130], 70]


def test_headers_only() -> None:
    """A snap length that leaves no payload at all: one gap, and all lengths counted."""
    data = say(0, DATA[:100])
    got = track([*paced(opening()), Captured(START + 10**8, data[:54], length=len(data))])
    assert got.streams()[0] == [100]
    assert got.flows[0]["src_payload"] == 100


def test_held_bytes_are_bounded() -> None:
    """Behind a hole, 256 KiB wait; then the hole counts as lost."""
    size = 1_400
    frames = opening() + [say(1_000 + at, bytes(size)) for at in range(0, HELD + 10 * size, size)]
    got = track(paced(frames), range(0, len(frames), 5))
    pieces = got.streams()[0]
    assert pieces[0] == 1_000
    assert len(pieces) == 2
    assert got.tracker.streams.total == 0


def test_held_segments_are_bounded() -> None:
    """A segment of one byte in two waits; memory for them is bounded by their number."""
    frames = opening() + [say(at, DATA[at : at + 1]) for at in range(1, 2_000, 2)]
    seen: list[int] = []

    class Counting(Listener):
        def gap(self, flow: Flow, from_src: bool, size: int, ts: int, number: int) -> None:
            seen.append(len(flow.src_stream.held))
            super().gap(flow, from_src, size, ts, number)

    track(paced(frames), reader=Counting())
    assert max(seen) <= SEGMENTS + 1


def test_held_bytes_are_bounded_over_all_flows() -> None:
    """Thousands of flows that each hold a little: together they stay below 64 MiB."""
    flows = 2_200 if not RUNS_PURE else 50
    frames = []
    for port in range(1_025, 1_025 + flows):
        frames += opening(port=port)
        frames += [say(at, bytes(16_000), port=port) for at in range(100, 48_000, 16_000)]
    got = track_peak(frames)
    assert got <= HELD_TOTAL + (64 << 10)


def track_peak(frames: list[bytes]) -> int:
    """Most bytes that waited at the end of any batch."""
    tracker = Tracker(Listener(), bytes([1]) * WANTED_SIZE, server_ports(), IDLE_TIMEOUTS)
    peak = 0
    for start in range(0, len(frames), 200):
        tracker.feed(batch(paced(frames[start : start + 200], START + start * 1_000), start + 1))
        tracker.index.take()
        peak = max(peak, tracker.streams.total)
    return peak


def test_skipping_beyond_the_data() -> None:
    """A parser that skips a body is offered what follows, whether or not the body was captured."""
    parts = [say(at, DATA[at : at + 100]) for at in range(0, 1_000, 100)]
    assert read([*opening(), *parts], reader=Listener(skip=450)) == [DATA[:100] + DATA[550:1_000]]
    without = [part for i, part in enumerate(parts) if i not in (2, 3)]
    assert read([*opening(), *without, confirm(1_000)], reader=Listener(skip=450)) == [DATA[:100] + DATA[550:1_000]]


def test_skipping_into_a_hole() -> None:
    frames = [*opening(), say(0, DATA[:100]), say(300, DATA[300:400]), confirm(400)]
    assert read(frames, reader=Listener(skip=150)) == [DATA[:100], 50, DATA[300:400]]


def test_skipping_within_a_cut_segment() -> None:
    data = say(0, DATA[:1_000])
    after = say(1_000, DATA[1_000:1_100])
    frames = [
        *paced(opening()),
        Captured(START + 10**8, data[: 54 + 100], length=len(data)),
        Captured(START + 2 * 10**8, after),
    ]
    assert track(frames, reader=Listener(skip=900)).streams()[0] == [DATA[:100] + DATA[1_000:1_100]]
    assert track(frames, reader=Listener(skip=500)).streams()[0] == [DATA[:100], 400, DATA[1_000:1_100]]


def test_a_flow_that_is_no_longer_wanted_holds_nothing() -> None:
    class Sated(Listener):
        def stream(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> int:
            flow.wants = False
            return super().stream(flow, from_src, data, ts, number)

    frames = [*opening(), say(100, DATA[100:200]), say(0, DATA[:50]), say(50, DATA[50:100]), say(300, DATA[300:400])]
    got = track(paced(frames), reader=Sated())
    assert got.streams()[0] == [DATA[:50]]
    assert got.tracker.streams.total == 0


def test_both_directions_are_separate() -> None:
    answer = tcp_frame((SERVER, 80), (CLIENT, 40_000), 501, 1_101, ACK, b"answer")
    got: Tracked = track(paced([*opening(), say(0, DATA[:100]), answer]))
    assert got.streams() == ([DATA[:100]], [b"answer"])


def test_keep_alives_are_not_data() -> None:
    """RFC 9293 section 3.8.4: one byte of garbage before the next expected one."""
    frames = [*opening(), say(-1, b"\0"), say(0, DATA[:100]), say(99, b"\0"), say(100, DATA[100:200])]
    got = track(paced(frames))
    assert got.streams()[0] == [DATA[:200]]
    assert got.flows[0]["src_retransmissions"] == 0


@pytest.mark.parametrize("probe", [b"\0", b"G"])
@pytest.mark.parametrize("before", [0, 3])
def test_a_capture_may_begin_with_a_keep_alive(probe: bytes, before: int) -> None:
    frames = [say(-1, probe)] * (1 + before) + [confirm(0), say(0, DATA[:100])]
    assert read(frames, step=WAIT + 1) == [DATA[:100]]
    assert read([say(0, b""), *frames], step=WAIT + 1) == [DATA[:100]]
    written = say(0, DATA[:1], flags=PSH | ACK)
    assert read([written, say(1, DATA[1:100])], step=WAIT + 1) == [DATA[:100]]
    assert read([*opening(), say(0, DATA[:1]), say(1, DATA[1:100])]) == [DATA[:100]]
