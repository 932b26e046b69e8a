"""Rows as messages: they arrive as they were, and no other message becomes rows."""

import json
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.analysis.capture import Analysis
from rustnet.columnar import Array, Column, Lists, Texts, arrays_of, lists, texts
from rustnet.dissect import registry
from rustnet.ingest import encoding
from rustnet.ingest.encoding import (
    decode_batches,
    decode_record,
    divided,
    dumps,
    encode_batches,
    encode_record,
    loads,
    tables_by_name,
)
from rustnet.ingest.transport import HEAD, Receiver, Ring, Sender, TransportError, padded
from rustnet.sources.files import FileSource
from rustnet.store.arrow import ArrowStream
from rustnet.store.batches import Batch, Columns, as_columns
from rustnet.store.tables import Anomaly, Capture, CaptureStat, FlowRow, InterfaceRow, Name, Packet, TcpInterval
from tests.support.paths import SAMPLES

TABLES = tables_by_name((Packet, FlowRow, TcpInterval, Name, Anomaly, InterfaceRow, CaptureStat), registry.tables())
NAMES = ("web.pcap", "dns.pcap", "network.pcapng", "mail-ftp.pcap", "damaged.pcap", "scan.pcap.zst")


def batches(name: str) -> list[Batch]:
    """All rows of a sample."""
    analysis = Analysis(3, 1)
    taken: list[Batch] = []
    with FileSource(str(SAMPLES / name), hashing=False) as source:
        for frames in source.batches():
            analysis.feed(frames)
            taken.append(Columns(Packet, analysis.index.take()))
    analysis.finish()
    return [*taken, *analysis.take_all(final=True)]


def block_of(arrays: list[Array]) -> Array:
    """Arrays as they are sent."""
    parts = [array.tobytes() + bytes(padded(array.nbytes) - array.nbytes) for array in arrays]
    return np.frombuffer(bytearray(b"".join(parts)), np.uint8)


def values(column: Column) -> list[object]:
    if isinstance(column, Texts):
        found = [bytes(column.data[a:b]) for a, b in zip(column.ends, column.ends[1:], strict=False)]
        if column.valid is None:
            return list(found)
        flags = np.unpackbits(column.valid, count=len(found), bitorder="little")
        return [value if flag else None for value, flag in zip(found, flags, strict=True)]
    if isinstance(column, Lists):
        items = values(column.items)
        found_lists = [items[a:b] for a, b in zip(column.ends, column.ends[1:], strict=False)]
        flags = np.ones(len(found_lists), np.uint8)
        if column.valid is not None:
            flags = np.unpackbits(column.valid, count=len(found_lists), bitorder="little")
        return [value if flag else None for value, flag in zip(found_lists, flags, strict=True)]
    return list(np.asarray(column).astype(str))


def by_table(parts: list[tuple[type, dict[str, Column]]]) -> dict[tuple[str, str], list[object]]:
    """Values of each table's columns, those of all batches one after another."""
    together: dict[tuple[str, str], list[object]] = {}
    for cls, batch in parts:
        for name, column in batch.items():
            together.setdefault((cls.__name__, name), []).extend(values(column))
    return together


@pytest.mark.parametrize("size", [1 << 23, 2_000])
@pytest.mark.parametrize("name", NAMES)
def test_rows_arrive_as_they_were(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MESSAGE_BYTES", size)
    sent = batches(name)
    received: list[Columns] = []
    for described, arrays in encode_batches(sent, 3):
        received += decode_batches(loads(dumps(described)), block_of(arrays), TABLES, 3)
    assert by_table([(b.cls, b.batch) for b in received]) == by_table([(b.cls, as_columns(b, 3)) for b in sent])


def test_a_capture_can_send_no_rows_of_another_one() -> None:
    for described, arrays in encode_batches(batches("web.pcap"), 3):
        for batch in decode_batches(loads(dumps(described)), block_of(arrays), TABLES, 8):
            assert np.unique(np.asarray(batch.batch["capture_id"])).tolist() == [8]


def test_large_batches_are_divided_at_any_size() -> None:
    words: list[str | None] = [None if n % 7 == 0 else "é" * (n % 50) for n in range(3_000)]
    nested: list[list[str] | None] = [None if n % 11 == 0 else ["a" * (n % 9)] * (n % 4) for n in range(3_000)]
    batch: dict[str, Column] = {"n": np.arange(3_000), "t": texts(words), "l": lists(nested)}
    for most in (100, 1_000, 10_000, 1 << 30):
        parts = list(divided(batch, most))
        whole = by_table([(int, part) for part in parts])
        assert whole == by_table([(int, batch)])
        if most == 1_000:
            assert max(sum(array.nbytes for c in part.values() for array in arrays_of(c)) for part in parts) < 4_000


PIECES = (b"0", b"-1", b"9999999", b'"x"', b"[]", b"null", b"true")


def garbled(described: Any, block: Array, randoms: random.Random) -> tuple[Any, Array]:
    """A message with a few things changed."""
    text = bytearray(json.dumps(described).encode())
    data = block.copy()
    for _ in range(randoms.randint(0, 2)):
        at = randoms.randrange(len(text))
        text[at : at + randoms.randint(0, 3)] = randoms.choice(
            [b"0", b"-1", b"9999999", b'"x"', b"[]", b"null", b"true"]
        )
    for _ in range(randoms.randint(0, 40)):
        if len(data):
            data[randoms.randrange(len(data))] = randoms.randrange(256)
    if randoms.random() < 0.2:
        data = data[: randoms.randrange(len(data) + 1)].copy()
    return loads(bytes(text)), data


@pytest.fixture(scope="module")
def messages() -> list[tuple[Any, Array]]:
    return [
        (loads(dumps(described)), block_of(arrays))
        for name in NAMES
        for described, arrays in encode_batches(batches(name), 1)
    ]


@given(seed=st.integers(0, 1 << 32))
def test_what_is_accepted_can_be_stored(messages: list[tuple[Any, Array]], seed: int) -> None:
    randoms = random.Random(seed)
    try:
        described, block = garbled(*randoms.choice(messages), randoms)
        accepted = decode_batches(described, block, TABLES, 1)
    except (TransportError, TypeError, ValueError):
        return
    with duckdb.connect() as con:
        for batch in accepted:
            stream = ArrowStream([batch.batch])
            try:
                con.register("batch", stream)
                con.execute("CREATE OR REPLACE TABLE t AS FROM batch")
            finally:
                stream.close()


def changed(column: str, kind: str) -> Any:
    return [["packets", [["capture_id", "int32", 1], [column, kind, 1]]]]


@pytest.mark.parametrize(
    "described",
    [
        [["meta", [["key", "texts", 1, 0, False]]]],
        [["captures", [["capture_id", "int32", 1]]]],
        changed("nothing", "int64"),
        changed("ts", "int64"),
        changed("length", "texts"),
        changed("length", "object"),
        changed("length", "O"),
        [["packets", [["capture_id", "int32", 1], ["length", "uint32", -1]]]],
        [["packets", [["capture_id", "int32", 1], ["length", "uint32", 1 << 40]]]],
        [["packets", [["capture_id", "int32", 1], ["length", "uint32", 2]]]],
        [["packets", [["length", "uint32", 1]]]],
        [["packets", []]],
        [["packets"]],
        "packets",
        {"packets": 1},
        None,
    ],
)
def test_messages_of_another_form_are_refused(described: Any) -> None:
    with pytest.raises((TransportError, TypeError, ValueError)):
        decode_batches(described, np.zeros(64, np.uint8), TABLES, 1)


def text_message(ends: list[int], data: bytes) -> tuple[Any, Array]:
    described = [
        ["names", [["capture_id", "int32", len(ends) - 1], ["name", "texts", len(ends) - 1, len(data), False]]]
    ]
    return described, block_of(
        [np.zeros(len(ends) - 1, np.int32), np.array(ends, np.int64), np.frombuffer(data, np.uint8)]
    )


@pytest.mark.parametrize(
    ("ends", "data"),
    [
        ([0, 5, 2], b"ab"), ([0, -3, 2], b"ab"), ([1, 1, 2], b"ab"), ([0, 1, 3], b"ab"), ([0, 1, 1], b"ab"),
        ([0, 1, 2], b"\xff\xff"), ([0, 1, 2], b"\xc3\xa9"), ([0, 0, 1], b"\x80"),
    ],
)  # fmt: skip
def test_texts_that_are_none_are_refused(ends: list[int], data: bytes) -> None:
    described, block = text_message(ends, data)
    with pytest.raises(TransportError):
        decode_batches(described, block, TABLES, 1)


def test_records_arrive_as_they_were_or_not_at_all() -> None:
    row = Capture(1, "a.pcap", "file", "pcap", comments=["x"], first_ts=5, complete=True)
    sent = loads(dumps(encode_record(row)))
    assert encode_record(decode_record(Capture, sent)) == encode_record(row)
    for at in range(len(sent)):
        for value in ({"a": 1}, [1], 1.5):
            with pytest.raises(TransportError):
                decode_record(Capture, [*sent[:at], value, *sent[at + 1 :]])
    with pytest.raises(TransportError):
        decode_record(Capture, sent[:-1])


@pytest.fixture
def ends() -> Iterator[tuple[Sender, Receiver]]:
    one, other = socket.socketpair()
    ring = Ring(1 << 16)
    yield Sender(one, ring), Receiver(other, ring)
    one.close()
    other.close()


def test_blocks_of_all_sizes_arrive_in_order(ends: tuple[Sender, Receiver]) -> None:
    sender, receiver = ends
    sizes = [0, 1, 7, 8, 100, 20_000, 30_000, 32_768, 32_769, 70_000, 16_384, 25_000] * 4
    sent = [np.random.default_rng(size).integers(0, 256, size, np.uint8) for size in sizes]

    def send() -> None:
        for number, array in enumerate(sent):
            sender.send(dumps(number), [array[: len(array) // 2], array[len(array) // 2 :]])

    sending = threading.Thread(target=send)
    sending.start()
    for number, array in enumerate(sent):
        text, block = receiver.receive()
        half = len(array) // 2
        assert loads(text) == number
        assert (block[:half] == array[:half]).all()
        assert (block[padded(half) : padded(half) + len(array) - half] == array[half:]).all()
    sending.join()


@pytest.mark.parametrize(
    "head", [(10, 1 << 40, -1), (1 << 40, 8, -1), (1, 1 << 15, 1 << 15 | 8), (1, 64, 3), (1, 1 << 17, 0)]
)
def test_positions_outside_of_the_ring_are_refused(ends: tuple[Sender, Receiver], head: tuple[int, int, int]) -> None:
    sender, receiver = ends
    sender.socket.sendall(HEAD.pack(*head) + b"x" * 64)
    with pytest.raises(TransportError):
        receiver.receive()


def test_a_sender_whose_receiver_is_gone_does_not_wait(ends: tuple[Sender, Receiver]) -> None:
    sender, receiver = ends
    sender.send(b"1", [np.zeros(30_000, np.uint8)])
    sender.send(b"2", [np.zeros(30_000, np.uint8)])
    receiver.socket.close()
    with pytest.raises(OSError, match=r".*"):
        sender.send(b"3", [np.zeros(30_000, np.uint8)])
