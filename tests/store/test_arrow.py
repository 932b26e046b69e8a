"""Columns as an Arrow stream: what goes in is what DuckDB reads, for every type and over several batches."""

import gc
import math
import pickle
import sys
import weakref
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.columnar import NULL, Column, TextBuilder, doubles, integers, length, lists, texts
from rustnet.records import U8, U16, U32, FreeText, Word, record, table_name
from rustnet.store.arrow import ArrowStream
from rustnet.store.rows import insert_sql, protocol_batch, record_batch
from rustnet.store.schema import LEADING, create_table_sql
from tests.support.effort import examples

TEXT = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["", "\0", "\x1f", "a\x1eb", "é", "漢字", "🦀"]))


def read(*batches: dict[str, Column]) -> list[tuple[Any, ...]]:
    """What DuckDB reads from a stream of batches."""
    con = duckdb.connect()
    batch = ArrowStream(batches)
    rows = con.execute("SELECT * FROM batch").fetchall()
    assert rows == con.execute("SELECT * FROM batch").fetchall(), "a stream may be read again"
    batch.close()
    con.close()
    return rows


@given(st.lists(st.lists(TEXT, max_size=40), min_size=1, max_size=3))
@settings(max_examples=examples(60))
def test_texts(parts: list[list[str | None]]) -> None:
    batches: list[dict[str, Column]] = [{"x": texts(part)} for part in parts]
    rows = read(*batches)
    assert [value for (value,) in rows] == [value for part in parts for value in part]


@given(st.lists(st.one_of(st.none(), st.lists(st.text(max_size=5), max_size=4)), max_size=40))
@settings(max_examples=examples(60))
def test_lists(values: list[list[str] | None]) -> None:
    assert [value for (value,) in read({"x": lists(values)})] == values


def test_half_a_surrogate_pair_is_escaped() -> None:
    assert read({"x": texts(["\ud800a", "b"])}) == [("\\ud800a",), ("b",)]


def test_integers() -> None:
    values = [0, None, -5, 2**63 - 1, 2**63, -(2**70), 7]
    made = integers(values)
    assert [v for (v,) in read({"x": made})] == [0, None, -5, 2**63 - 1, None, None, 7]
    assert made[1] == NULL


def test_numbers_with_a_fraction() -> None:
    rows = read({"x": doubles([1.5, None, math.nan, -0.0])[0]})
    assert rows == [(1.5,), (None,), (None,), (-0.0,)]


def test_every_type_of_numpy_and_more_than_a_vector_of_rows() -> None:
    n = 5_000
    stamps = np.arange(n, dtype=np.int64)
    stamps[7] = NULL
    batch: dict[str, Column] = {
        "flags": np.arange(n) % 3 == 0,
        "u8": (np.arange(n) % 256).astype(np.uint8),
        "u16": (np.arange(n) % 65_536).astype(np.uint16),
        "i32": np.full(n, -4, np.int32),
        "u64": np.full(n, 2**64 - 1, np.uint64),
        "sliced": np.arange(2 * n, dtype=np.int64)[::2],
        "ts": stamps.view("datetime64[ns]"),
        "text": texts([str(i) if i % 2 else None for i in range(n)]),
    }
    con = duckdb.connect()
    stream = ArrowStream([batch, batch])
    con.execute("CREATE TABLE t AS SELECT * FROM stream")
    stream.close()
    found = con.execute(
        "SELECT count(*), sum(flags::INT), sum(u8::INT), max(u16), min(i32), min(u64), max(sliced), "
        "count(ts), max(epoch_ns(ts)), count(text), max(text::INT) FROM t"
    ).fetchone()
    assert found == (
        2 * n, 2 * sum(i % 3 == 0 for i in range(n)), 2 * sum(i % 256 for i in range(n)), n - 1, -4, 2**64 - 1,
        2 * n - 2, 2 * n - 2, n - 1, n, n - 1,
    )  # fmt: skip


def test_columns_travel_between_processes() -> None:
    batch: dict[str, Column] = {"x": texts(["a", None]), "y": lists([["b"], None]), "z": integers([1, None])}
    there = pickle.loads(pickle.dumps(batch, -1))
    assert read(there) == read(batch) == [("a", ["b"], 1), (None, None, None)]
    assert [length(column) for column in there.values()] == [2, 2, 2]


@record("everything")
class Everything:
    """A record with a field of each type."""

    text: FreeText | None = None
    small: U8 | None = None
    port: U16 = 0
    size: U32 | None = None
    yes: bool = False
    perhaps: bool | None = None
    seconds: float | None = None
    words: list[Word] | None = None
    numbers: list[U16] | None = None


def test_records_become_rows() -> None:
    con = duckdb.connect()
    con.execute(create_table_sql(Everything, table_name(Everything), LEADING))
    full = Everything("é", 255, 65_535, 4_000_000_000, True, False, 0.5, ["a\x1fb", ""], [1, 65_535])
    batch = ArrowStream([protocol_batch(Everything, 3, [(full, 9, 10, 11), (Everything(), 0, 12, 13)])])
    con.execute(insert_sql(Everything, tuple(batch.batches[0])))
    rows = con.execute("SELECT * REPLACE (epoch_ns(ts) AS ts) FROM everything ORDER BY packet").fetchall()
    assert rows == [
        (3, 9, 10, 11, "é", 255, 65_535, 4_000_000_000, True, False, 0.5, ["a\x1fb", ""], [1, 65_535]),
        (3, None, 12, 13, None, None, 0, None, False, None, None, None, None),
    ]


def test_a_slip_of_type_does_not_lose_the_batch() -> None:
    batch = record_batch(Everything, [Everything(text=5), Everything("a")])  # type: ignore[arg-type]
    assert read({"text": batch["text"]}) == [("5",), ("a",)]


@pytest.mark.parametrize("count", [0, 1])
def test_small_batches(count: int) -> None:
    assert len(read({"x": texts(["a"] * count), "y": lists([[]] * count)})) == count


@given(st.lists(TEXT, max_size=30))
@settings(max_examples=examples(60))
def test_texts_written_one_by_one(values: list[str | None]) -> None:
    column = TextBuilder(len(values))
    for value in values:
        column.put(value)
    assert [value for (value,) in read({"x": column.take()})] == values


def insert(con: duckdb.DuckDBPyConnection, columns: dict[str, Column]) -> "weakref.ref[ArrowStream]":
    batch = ArrowStream([columns])
    con.execute("INSERT INTO t SELECT * FROM batch")
    batch.close()
    return weakref.ref(batch)


def test_memory_is_freed_without_the_garbage_collector() -> None:
    """It is off while a capture is read: a cycle would keep every buffer."""
    con = duckdb.connect()
    con.execute("CREATE TABLE t (x VARCHAR, y VARCHAR[], z BIGINT)")
    data = texts(["a" * 20])
    before = sys.getrefcount(data.data), sys.getrefcount(data.ends)
    gc.collect()
    gc.disable()
    try:
        stream = insert(con, {"x": data, "y": lists([["b"]]), "z": integers([1])})
        con.execute("SELECT 1")  # the connection lets go of its last statement
        assert stream() is None
        assert (sys.getrefcount(data.data), sys.getrefcount(data.ends)) == before
    finally:
        gc.enable()
