"""Sequence numbers that jump: what is a loss, and what are the numbers of another stream."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.conversations import Event, Events, Kind, Segment, conversation, frames
from tests.engine.tracking import track
from tests.support.effort import examples
from tests.support.packets import ACK, FIN, RST, SECOND, START
from tests.support.uncompiled import RUNS_PURE

QUICK = settings(max_examples=examples(100) if not RUNS_PURE else 20)
seeds = st.integers(0, 1 << 32)
KINDS = [Kind(), Kind(version=6), Kind(server_first=True)]
MEGA = 1 << 20


def follow(segments: Sequence[Segment], version: int = 4) -> tuple[dict[str, object], list[Event]]:
    """The one flow of a conversation, and what was delivered."""
    reader = Events()
    (flow,) = track(frames(segments, version), reader=reader).flows
    return flow, reader.events.get(1, [])


def sent(segments: Sequence[Segment]) -> list[Event]:
    return [(s.client, s.payload) for s in segments if s.payload]


def harmless(flow: dict[str, object]) -> None:
    """Nothing is missing, and nothing was sent again."""
    for name in ("missed", "retransmissions", "out_of_order", "duplicate_acks"):
        assert (flow[f"src_{name}"], flow[f"dst_{name}"]) == (0, 0), name


def renumbered(segments: Sequence[Segment], shifts: tuple[int, int]) -> list[Segment]:
    """Each packet twice, as both sides of a device see it that shifts the numbers of the client and of the server."""
    made: list[Segment] = []
    for s in segments:
        mine, theirs = shifts if s.client else shifts[::-1]
        ack = (s.ack + theirs) & 0xFFFF_FFFF if s.flags & ACK else 0
        copy = replace(s, ts=s.ts + 5_000, seq=(s.seq + mine) & 0xFFFF_FFFF, ack=ack)
        made += [s] if (copy.seq, copy.ack) == (s.seq, s.ack) else [s, copy]
    return made


@pytest.mark.parametrize(
    ("kind", "shifts"),
    [
        *((kind, (99_999_000, 0)) for kind in KINDS),
        *((kind, (0, 1 << 31)) for kind in KINDS),
        *((kind, (99_999_000, 199_995_000)) for kind in (*KINDS, Kind(opening=False))),
        *((kind, (-3_000_000, 3_000_000)) for kind in (*KINDS, Kind(opening=False))),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_a_device_that_renumbers_is_seen_on_both_sides(kind: Kind, shifts: tuple[int, int], seed: int) -> None:
    whole = conversation(seed, kind)
    doubled = renumbered(whole, shifts)
    flow, events = follow(doubled, kind.version)
    harmless(flow)
    assert events == sent(whole)
    assert flow["jumps"] == len(doubled) - len(whole)
    assert flow["syn_tries"] == kind.opening
    if kind.opening:
        assert (flow["conn_state"], flow["history"]) == (follow(whole)[0]["conn_state"], follow(whole)[0]["history"])


def test_a_repeated_syn_that_is_renumbered() -> None:
    """Both SYNs are sent again a second later: two tries."""
    whole = conversation(1, Kind())
    syn = [
        replace(whole[0], ts=START - SECOND),
        replace(whole[0], ts=START - SECOND + 10, seq=whole[0].seq + 5_000_000),
    ]
    again = [replace(s, ts=s.ts + SECOND) for s in syn]
    flow, events = follow([*syn, *again, *whole[1:]])
    assert (flow["syn_tries"], flow["jumps"], flow["first_syn"]) == (2, 2, START - SECOND)
    assert events == sent(whole)


def test_a_syn_with_another_number_begins_another_connection_later() -> None:
    whole = conversation(1, Kind())
    other = replace(whole[0], ts=START - SECOND, seq=whole[0].seq - 123_456)
    flows = track(frames([other, *whole])).flows
    assert [(flow["conn_state"], flow["syn_tries"]) for flow in flows] == [("S0", 1), ("SF", 1)]


@pytest.mark.parametrize("shift", [-2_000_000_000, -7_000, 7_000, 500_000_000])
def test_the_second_of_two_syn_acks_is_accepted(shift: int) -> None:
    """A server that lost its state answers the repeated SYN with another number; what follows goes on there."""
    syn, answer, *rest = conversation(2, Kind())
    first = replace(answer, ts=answer.ts - 1, seq=(answer.seq + shift) & 0xFFFF_FFFF)
    flow, events = follow([syn, first, answer, *rest])
    harmless(flow)
    assert events == sent(rest)
    assert (flow["conn_state"], flow["jumps"]) == ("SF", 1)


@QUICK
@given(
    seeds, st.integers(MEGA + 2_000, (1 << 31) - MEGA), st.booleans(), st.sampled_from((ACK, ACK | FIN, RST, RST | ACK))
)
def test_a_wild_number_is_no_loss(seed: int, shift: int, empty: bool, flags: int) -> None:
    """One segment of an attacker's or a broken device's, anywhere after the beginning."""
    chance = random.Random(seed)
    whole = conversation(seed, Kind(exchanges=3, closing=not flags & RST))
    at = chance.randrange(4, len(whole))
    near = whole[at - 1]
    seq = (near.seq + chance.choice((-1, 1)) * shift) & 0xFFFF_FFFF
    wild = Segment(near.ts + 1, near.client, seq, near.ack, flags, b"" if empty else b"forged")
    flow, events = follow([*whole[:at], wild, *whole[at:]])
    harmless(flow)
    assert events == sent(whole)
    assert flow["jumps"] == 1


def test_a_stream_that_goes_on_with_other_numbers() -> None:
    """What was not read until that was certain is a gap for the parser, and nothing is missing in the capture."""
    whole = conversation(4, Kind(exchanges=0, closing=False))
    seq, ack = whole[2].seq, whole[2].ack
    parts = [Segment(START + SECOND + n, True, seq + n * 10, ack, ACK, b"%010d" % n) for n in range(10)]
    after = [replace(s, seq=(s.seq + 700_000_000) & 0xFFFF_FFFF) for s in parts[4:]]
    end = Segment(START + 2 * SECOND, False, ack, (after[-1].seq + 10) & 0xFFFF_FFFF, ACK)
    flow, events = follow([*whole, *parts[:4], *after, end, replace(end, ts=end.ts + SECOND)])
    harmless(flow)
    assert flow["jumps"] == 3
    assert events == [*sent(parts[:4]), (True, 20), *sent(after[2:])]


def upload(jump: int, pause: int, parts: int, acknowledged: bool) -> list[Segment]:
    """A client's stream of which ``jump`` bytes were not captured."""
    made = conversation(3, Kind(exchanges=0, closing=False))
    seq, ack = made[2].seq, made[2].ack
    made.append(Segment(START + SECOND, True, seq, ack, ACK, bytes(100)))
    seq += 100 + jump
    for part in range(parts):
        made.append(Segment(START + SECOND + pause + part, True, seq, ack, ACK, bytes(100)))
        seq += 100
    if acknowledged:
        made.append(Segment(START + SECOND + pause + parts, False, ack, seq, ACK))
    return made


@pytest.mark.parametrize(
    ("jump", "pause", "parts", "acknowledged", "missed"),
    [
        (1_000, 0, 1, False, 0),
        (1_000, 0, 1, True, 1_000),
        (1_000, 0, 2, False, 1_000),
        (5_000_000, SECOND, 1, False, 0),
        (5_000_000, SECOND, 1, True, 5_000_000),
        (5_000_000, SECOND, 3, False, 5_000_000),
        (5_000_000, 1_000, 3, True, 0),
        (2_000_000_000, SECOND, 3, True, 2_000_000_000),
    ],
)
def test_what_proves_a_loss(jump: int, pause: int, parts: int, acknowledged: bool, missed: int) -> None:
    """An acknowledgement, or more than one segment, for what a network can have carried in the time."""
    flow, _ = follow(upload(jump, pause, parts, acknowledged))
    assert (flow["src_missed"], flow["dst_missed"], flow["src_retransmissions"]) == (missed, 0, 0)
    assert bool(flow["jumps"]) == (jump > MEGA and not missed)


def test_the_end_of_a_stream_that_was_acknowledged_and_not_captured() -> None:
    """A number more may be a FIN."""
    whole = conversation(3, Kind(exchanges=1, closing=False))
    last = whole[-1]
    for more, missed in ((1, 0), (500, 500), (3 * MEGA, 0)):
        end = (last.seq + len(last.payload) + more) & 0xFFFF_FFFF
        flow, _ = follow([*whole, Segment(last.ts + 1, not last.client, last.ack, end, ACK)])
        assert flow["src_missed" if last.client else "dst_missed"] == missed


@pytest.mark.parametrize("version", [4, 6])
def test_more_than_four_gigabytes(version: int) -> None:
    """Of which one segment in a megabyte was captured."""
    opening = conversation(3, Kind(exchanges=0, closing=False))
    seq, ack = opening[2].seq, opening[2].ack
    parts, size, step = (5_000, 1_000, 1_000_000) if not RUNS_PURE else (50, 1_000, 1_000_000)
    made = list(opening)
    for part in range(parts):
        at = (seq + part * step) & 0xFFFF_FFFF
        made.append(Segment(START + SECOND + part * 1_000_000, True, at, ack, ACK, bytes(size)))
        made.append(Segment(START + SECOND + part * 1_000_000 + 9, False, ack, (at + size) & 0xFFFF_FFFF, ACK))
    flow, _ = follow(made, version)
    assert flow["src_missed"] == (parts - 1) * (step - size)
    assert (flow["jumps"], flow["src_retransmissions"], flow["src_payload"]) == (0, 0, parts * size)


def test_a_packet_in_three_megabytes() -> None:
    """Where only some packets are captured, what lies between them is a loss none the less."""
    opening = conversation(3, Kind(exchanges=0, closing=False))
    seq, ack = opening[2].seq, opening[2].ack
    parts = [
        Segment(START + SECOND * (n + 1), True, (seq + n * 3_000_000) & 0xFFFF_FFFF, ack, ACK, bytes(100))
        for n in range(10)
    ]
    flow, _ = follow([*opening, *parts])
    assert flow["src_missed"] == 2 * (3 * 3_000_000 - 100)
    assert flow["jumps"] == 0
