"""Objects and arrays through a channel, and what happens when an end is gone."""

import itertools
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.analysis.channel import AREA_BYTES, HEAD, Area, Channel, channels
from rustnet.columnar import lists, texts


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    one, other = channels()
    yield one, other
    one.close()
    other.close()


def exchanged(message: object) -> object:
    """What arrives of a message; it is sent by another thread, since the system holds only a part of a large one."""
    one, other = channels()
    sending = threading.Thread(target=one.send, args=(message,))
    sending.start()
    try:
        return other.recv()
    finally:
        sending.join()
        one.close()
        other.close()


def test_arrays_of_all_sizes_arrive_aligned_and_equal() -> None:
    sent = [np.arange(size, dtype=dtype) for size in (0, 1, 3, 8, 1000, 1 << 20) for dtype in (np.uint8, np.int64)]
    got = exchanged((1, "text", sent, b"bytes"))
    assert isinstance(got, tuple)
    assert (got[0], got[1], got[3]) == (1, "text", b"bytes")
    for before, after in zip(sent, got[2], strict=True):
        assert after.dtype == before.dtype
        assert np.array_equal(after, before)
        assert after.flags.aligned


def test_large_arrays_lie_in_memory_that_both_ends_share_until_they_are_gone() -> None:
    receiving, sending = channels()
    size = AREA_BYTES // 4
    assert sending.area is not None
    kept = []
    for number in range(4):
        sending.send(np.full(size, number, np.uint8))
        kept.append(receiving.recv())
    assert sending.area.free == []
    del kept[1:3]
    receiving.send("two places are free again")
    sending.recv()
    assert sending.area.free == [(size, 2 * size)]
    sending.send([np.full(size, 7, np.uint8), np.full(8, 8, np.uint8)])
    kept.append(receiving.recv())
    assert [array[-1] for array in (kept[0], kept[1], *kept[2])] == [0, 3, 7, 8]
    receiving.close()
    sending.close()


def test_an_array_that_finds_no_place_is_sent() -> None:
    receiving, sending = channels()
    assert sending.area is not None
    sending.send(np.zeros(AREA_BYTES - 64, np.uint8))
    kept = receiving.recv()
    thread = threading.Thread(target=sending.send, args=(np.arange(100_000),))
    thread.start()
    got = receiving.recv()
    thread.join()
    assert np.array_equal(got, np.arange(100_000))
    assert sending.area.free == [(AREA_BYTES - 64, 64)]
    assert len(kept) == AREA_BYTES - 64
    receiving.close()
    sending.close()


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=60))
def test_places_never_overlap_and_none_is_lost(steps: list[tuple[bool, int]]) -> None:
    area = Area(64)
    for take, number in steps:
        if take:
            before = list(area.free)
            if area.allocate(number) < 0:
                assert all(room < number for _, room in before)
        elif area.taken:
            area.release(sorted(area.taken)[number % len(area.taken)])
        places = sorted([*area.taken.items(), *area.free])
        assert sum(size for _, size in places) == 64
        assert all(start + size == later for (start, size), (later, _) in itertools.pairwise(places))
        assert all(start + size < later for (start, size), (later, _) in itertools.pairwise(area.free))


def test_more_arrays_than_the_system_takes_at_once() -> None:
    sent = [np.full(3, i, np.int32) for i in range(2_000)]
    got = exchanged(sent)
    assert isinstance(got, list)
    assert [array.tolist() for array in got] == [array.tolist() for array in sent]


def test_columns_of_texts_arrive() -> None:
    column, several = texts(["a", None, "ü"] * 5_000), lists([["x", "y"], None, []])
    got = exchanged((column, several))
    assert isinstance(got, tuple)
    assert bytes(got[0].data) == bytes(column.data)
    assert got[0].ends.tolist() == column.ends.tolist()
    assert column.valid is not None
    assert bytes(got[0].valid) == bytes(column.valid)
    assert bytes(got[1].items.data) == b"xy"


def test_messages_keep_their_order_and_one_can_ask_whether_there_are_any(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    assert not other.poll()
    for number in range(3):
        one.send(number)
    assert other.poll()
    assert [other.recv() for _ in range(3)] == [0, 1, 2]
    assert not other.poll()


def test_the_end_of_the_other_side_is_told(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.send("last")
    one.close()
    assert other.recv() == "last"
    assert other.poll()
    with pytest.raises(EOFError):
        other.recv()
    with pytest.raises(BrokenPipeError):
        other.send("nobody")


def test_an_end_within_a_message_is_told(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.socket.sendall(HEAD.pack(100, 0, -1, 0) + b"ten bytes.")
    one.close()
    with pytest.raises(EOFError):
        other.recv()
