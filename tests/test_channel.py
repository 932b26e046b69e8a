"""Objects and arrays through a channel, and what happens when an end is gone."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from rustnet.channel import HEAD, Channel, channels
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
    assert got[0].valid == column.valid
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
    one.socket.sendall(HEAD.pack(100, 0) + b"ten bytes.")
    one.close()
    with pytest.raises(EOFError):
        other.recv()
