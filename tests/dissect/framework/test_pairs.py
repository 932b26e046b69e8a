"""Pairs under loss: whatever is lost of a conversation, a pair that is stated is a true one."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.dissect.framework.pairs import Pairs, elapsed
from tests.support.effort import examples

CLIENT, SERVER = True, False


class Row:
    def __init__(self, number: int | None) -> None:
        self.number = number
        self.pair_unknown = False


@dataclass
class Segment:
    from_client: bool
    number: int
    start: int
    size: int
    ack: int


def lock_step(count: int) -> list[tuple[bool, int]]:
    return [(side, number) for number in range(count) for side in (CLIENT, SERVER)]


def batches(*sizes: int) -> list[tuple[bool, int]]:
    """A client that sends several requests, and the next ones when all of their responses have come."""
    order = []
    first = 0
    for size in sizes:
        order += [(CLIENT, n) for n in range(first, first + size)] + [(SERVER, n) for n in range(first, first + size)]
        first += size
    return order


def window(count: int, width: int) -> list[tuple[bool, int]]:
    """A client that keeps ``width`` requests outstanding."""
    order = [(CLIENT, n) for n in range(min(width, count))]
    for n in range(count):
        order.append((SERVER, n))
        if n + width < count:
            order.append((CLIENT, n + width))
    return order


def segments(order: list[tuple[bool, int]], sizes: list[int]) -> list[Segment]:
    """Segments with the acknowledgements that their senders give."""
    sent = {CLIENT: 0, SERVER: 0}
    made = []
    for i, (side, number) in enumerate(order):
        size = sizes[i % len(sizes)]
        made.append(Segment(side, number, sent[side], size, sent[not side]))
        sent[side] += size
    return made


class Delivery:
    """Delivers what was captured in causal order, as the engine does."""

    def __init__(self) -> None:
        self.pairs = Pairs()
        self.expected = {CLIENT: 0, SERVER: 0}
        self.held: dict[bool, list[Segment]] = {CLIENT: [], SERVER: []}
        self.stated: list[tuple[int, int]] = []
        self.unknown: list[Row] = []

    def take(self, segment: Segment) -> None:
        side = segment.from_client
        self.acknowledged(not side, segment.ack)
        self.held[side].append(segment)
        while self.held[side] and self.held[side][0].start <= self.expected[side]:
            self.message(self.held[side].pop(0))

    def acknowledged(self, side: bool, position: int) -> None:
        while self.expected[side] < position:
            held = self.held[side]
            until = min(held[0].start if held else position, position)
            if until > self.expected[side]:
                size = until - self.expected[side]
                self.expected[side] = until
                if side == CLIENT:
                    self.pairs.lose_requests(size)
                else:
                    self.pairs.lose_responses()
            else:
                self.message(held.pop(0))

    def message(self, segment: Segment) -> None:
        self.expected[segment.from_client] = segment.start + segment.size
        if segment.from_client == CLIENT:
            self.unknown += [e[0] for e in self.pairs.request(Row(segment.number), 1, 1, segment.size)]
            return
        entry = self.pairs.response()
        if entry is not None:
            self.stated.append((entry[0].number, segment.number))
            return
        row = Row(segment.number)
        self.pairs.orphan(row)
        self.unknown.append(row)

    def finish(self) -> None:
        while any(self.held.values()):
            side = CLIENT if self.held[CLIENT] else SERVER
            self.acknowledged(side, self.held[side][0].start + self.held[side][0].size)
        self.unknown += [e[0] for e in self.pairs.drain()]


def delivered(order: list[tuple[bool, int]], lost: set[int], sizes: list[int]) -> Delivery:
    delivery = Delivery()
    for i, segment in enumerate(segments(order, sizes)):
        if i not in lost:
            delivery.take(segment)
    delivery.finish()
    return delivery


@given(st.integers(1, 8), st.lists(st.integers(20, 90), min_size=1, max_size=16), st.data())
@settings(max_examples=examples(300), deadline=None)
def test_any_loss_of_a_conversation_in_lock_step(count: int, sizes: list[int], data: st.DataObject) -> None:
    lost = data.draw(st.sets(st.integers(0, 2 * count - 1)))
    delivery = delivered(lock_step(count), lost, sizes)
    assert all(request == response for request, response in delivery.stated)
    if not lost:
        assert len(delivery.stated) == count


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
@settings(max_examples=examples(500), deadline=None)
def test_any_loss_of_batches(sizes: list[int], data: st.DataObject) -> None:
    order = batches(*sizes)
    lost = data.draw(st.sets(st.integers(0, len(order) - 1)))
    delivery = delivered(order, lost, [40])
    assert all(request == response for request, response in delivery.stated)
    if not lost:
        assert len(delivery.stated) == sum(sizes)


@given(st.integers(2, 10), st.integers(2, 4), st.data())
@settings(max_examples=examples(500), deadline=None)
def test_any_loss_of_a_pipeline(count: int, width: int, data: st.DataObject) -> None:
    order = window(count, width)
    lost = data.draw(st.sets(st.integers(0, len(order) - 1)))
    delivery = delivered(order, lost, [40])
    assert all(request == response for request, response in delivery.stated)
    if not lost:
        assert len(delivery.stated) == count


@pytest.mark.parametrize("lost", range(12))
def test_one_lost_segment_costs_one_pair(lost: int) -> None:
    delivery = delivered(lock_step(6), {lost}, [40])
    assert delivery.stated == [(n, n) for n in range(6) if n != lost // 2]
    known_lost = lost < 11  # nobody acknowledges the last response
    assert [row.pair_unknown for row in delivery.unknown] == [known_lost]
    assert delivery.pairs.unknown == known_lost


def test_times_in_another_order_give_no_duration() -> None:
    assert elapsed(1_000_000, 3_500_000) == 2.5
    assert elapsed(5, 5) == 0
    assert elapsed(2, 1) is None
