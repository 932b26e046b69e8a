"""Causal order: what was acknowledged is delivered first, whatever the order of packets in the capture."""

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.conversations import Event, Events, Kind, Segment, conversation, disordered, frames
from tests.engine.tracking import join, track
from tests.support.effort import examples
from tests.support.packets import ACK, SYN
from tests.support.uncompiled import RUNS_PURE

QUICK = settings(max_examples=examples(200) if not RUNS_PURE else 30)
kinds = st.builds(Kind, st.booleans(), st.just(True), st.booleans(), st.sampled_from((4, 6)), st.integers(1, 8))
halves = st.builds(Kind, st.booleans(), st.just(False), st.booleans(), st.sampled_from((4, 6)), st.integers(1, 8))
seeds = st.integers(0, 1 << 32)


def read(segments: Sequence[Segment], version: int = 4) -> tuple[list[Event], Events]:
    """What was delivered of one conversation, in order."""
    reader = Events()
    got = track(frames(segments, version), reader=reader)
    assert len(got.flows) == 1
    assert got.tracker.streams.total == 0
    return reader.events.get(1, []), reader


def runs(events: Sequence[Event]) -> list[Event]:
    """Events with neighbouring chunks of one direction joined."""
    made: list[Event] = []
    for from_src, piece in events:
        if made and made[-1][0] == from_src and isinstance(made[-1][1], bytes) and isinstance(piece, bytes):
            made[-1] = (from_src, made[-1][1] + piece)
        else:
            made.append((from_src, piece))
    return made


def sent(segments: Sequence[Segment]) -> list[Event]:
    """What was sent, in order."""
    return [(s.client, s.payload) for s in segments if s.payload]


def check_order(segments: Sequence[Segment], events: Sequence[Event]) -> None:
    """Whoever sent a chunk had acknowledged bytes that were delivered, or reported as missing, before it."""
    starts = {s.client: (s.seq + 1) & 0xFFFF_FFFF for s in reversed(segments) if s.flags & SYN}
    acks: dict[bytes, int] = {}
    for s in segments:
        if s.payload and s.flags & ACK:
            had = (s.ack - starts[not s.client]) & 0xFFFF_FFFF
            acks[s.payload] = min(acks.get(s.payload, had), had)
    done = {True: 0, False: 0}
    for from_src, piece in events:
        if isinstance(piece, bytes):
            assert done[not from_src] >= acks[piece], (piece, events)
        done[from_src] += piece if isinstance(piece, int) else len(piece)


@QUICK
@given(kinds, seeds, seeds, st.booleans())
def test_any_order_of_packets_is_one_order_of_events(kind: Kind, seed: int, order: int, restamped: bool) -> None:
    whole = conversation(seed, kind)
    events, _ = read(disordered(whole, order, restamped), kind.version)
    assert runs(events) == runs(sent(whole))


@QUICK
@given(halves, seeds, seeds, st.booleans())
def test_bytes_of_a_capture_that_begins_within(kind: Kind, seed: int, order: int, restamped: bool) -> None:
    whole = conversation(seed, kind)
    events, reader = read(disordered(whole, order, restamped), kind.version)
    for client in (True, False):
        bytes_sent = b"".join(s.payload for s in whole if s.client == client)
        assert join(piece for from_src, piece in events if from_src == client) == ([bytes_sent] if bytes_sent else [])
    del reader


@QUICK
@given(kinds, seeds, seeds, st.booleans())
def test_copies_and_segments_that_are_sent_again(kind: Kind, seed: int, order: int, restamped: bool) -> None:
    whole = conversation(seed, kind)
    chance = random.Random(order)
    more = [replace(s, ts=s.ts + chance.randint(0, 30_000_000)) for s in whole if chance.random() < 0.3]
    events, _ = read(disordered(whole + more, order, restamped), kind.version)
    assert runs(events) == runs(sent(whole))


@QUICK
@given(kinds, seeds, seeds, st.booleans())
def test_lost_segments_are_gaps_before_what_acknowledges_them(
    kind: Kind, seed: int, order: int, restamped: bool
) -> None:
    whole = conversation(seed, kind)
    chance = random.Random(order)
    left = whole[:2] + [s for s in whole[2:] if chance.random() < 0.8]
    events, _ = read(disordered(left, order, restamped), kind.version)
    check_order(whole, events)
    for client in (True, False):
        delivered = b"".join(p for from_src, p in events if from_src == client and isinstance(p, bytes))
        assert delivered == b"".join(s.payload for s in left if s.client == client)
