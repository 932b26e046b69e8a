"""No row is too large, and a row that cannot be stored costs no other one."""

import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.analysis.capture import Analysis
from rustnet.analysis.collector import Collector
from rustnet.bounds import ITEM_BYTES, LIST_BYTES, MARK, NAME_BYTES, ROW_BYTES, TEXT_BYTES, cut_list, cut_text
from rustnet.columnar import Column, Lists, Texts, lists, part, texts
from rustnet.dissect import registry
from rustnet.errors import ExitCode
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.records import columns, table_name
from rustnet.store import finish
from rustnet.store import writer as writing
from rustnet.store.batches import INSERT_BYTES, Columns, Records, Rows, byte_count, halves, insert, pieces, row_count
from rustnet.store.finish import SHARED_TABLES
from rustnet.store.rows import protocol_batch, record_batch
from rustnet.store.schema import LEADING, create_table_sql
from rustnet.store.session import create_or_open
from rustnet.store.tables import CORE_TABLES, Address, Anomaly, Capture, FlowRow
from rustnet.store.writer import Writer
from tests.support.effort import examples
from tests.support.packets import udp_frame
from tests.support.pcap import write_pcap

TABLES = registry.tables()
DNS = next(table for table in TABLES if table_name(table) == "dns")
OTHERS = [table for table in TABLES if table is not DNS]
RECORDS = [table for table in (*TABLES, *CORE_TABLES) if table is not FlowRow]
BOMBS, HONEST = 600, 20_000


def bomb(number: int) -> bytes:
    """A DNS response whose thousand answers are pointers to a name of 250 bytes."""
    name = b"".join(bytes([61]) + b"%061d" % number for _ in range(4)) + b"\0"
    head = struct.pack(">6H", number, 0x8180, 1, 1000, 0, 0)
    answer = b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 60, 2) + b"\xc0\x0c"
    return head + name + struct.pack(">HH", 5, 1) + answer * 1000


def honest(number: int) -> bytes:
    """A datagram of a flow of its own."""
    return udp_frame((f"10.1.{number >> 8 & 255}.{number & 255}", 5_000 + number % 7), ("192.0.2.9", 9_999), b"honest")


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a session."""
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.mark.parametrize("workers", [0, 2])
def test_huge_answers_cost_neither_their_capture_nor_the_next(tmp_path: Path, workers: int) -> None:
    frames = [udp_frame(("192.0.2.53", 53), ("192.0.2.1", 5_353), bomb(number)) for number in range(BOMBS)]
    frames += [honest(number) for number in range(HONEST)]
    first = write_pcap(tmp_path / "first.pcap", frames)
    second = write_pcap(tmp_path / "second.pcap", [honest(number) for number in range(100)])
    session = tmp_path / "s.duckdb"
    report = ingest([str(first), str(second)], str(session), Options(workers=workers))
    assert report.exit_code(strict=True) is ExitCode.DONE
    assert query(session, "SELECT packets, complete FROM captures ORDER BY 1") == [(100, True), (BOMBS + HONEST, True)]
    assert query(session, "SELECT count(*) FROM flows WHERE dst_port = 9999") == [(HONEST + 100,)]
    longest = "max(list_sum(list_transform(answers, lambda x: strlen(x))))"
    ((rows, bytes_, last, claimed),) = query(
        session, f"SELECT count(*), {longest}, any_value(answers[-1]), max(answer_count) FROM dns"
    )
    assert (rows, last, claimed) == (BOMBS, MARK, 1000)
    assert LIST_BYTES / 2 < bytes_ <= LIST_BYTES
    ((cut, example),) = query(
        session, "SELECT sum(count)::INT, min(detail) FROM anomalies WHERE kind = 'row_cut' AND detail LIKE '%answers%'"
    )
    assert cut >= 100
    assert "dns" in example
    assert query(session, "SELECT sum(count)::INT >= 600 FROM anomalies WHERE kind = 'row_cut'") == [(True,)]


def longest_value(sql_type: str) -> Any:
    """A value far beyond the bounds of its column."""
    if sql_type == "VARCHAR":
        return "é" * 100_000
    if sql_type == "VARCHAR[]":
        return ["x" * 300] * 10_000
    return 1.5 if sql_type == "DOUBLE" else True if sql_type == "BOOLEAN" else 2**70


@pytest.mark.parametrize("table", TABLES, ids=table_name)
def test_no_table_has_a_row_over_the_bounds(table: type) -> None:
    record = table(**{column.name: longest_value(column.sql_type) for column in columns(table)})
    collector = Collector(1)
    collector.record(record, 1, 1_000, 1)
    assert collector.bytes <= 2 * ROW_BYTES
    kinds = {column.sql_type for column in columns(table)}
    batches = collector.take(1)
    (batch,) = [batch.batch for batch in batches if isinstance(batch, Columns)]
    size = 0
    for column in batch.values():
        if isinstance(column, Lists):
            own = len(column.items.data) + ITEM_BYTES * (len(column.items.ends) - 1)
            assert own <= LIST_BYTES
        elif isinstance(column, Texts):
            own = len(column.data)
            assert own <= TEXT_BYTES
        else:
            continue
        size += own
    assert size <= ROW_BYTES
    reported = {row.kind: row for each in batches if isinstance(each, Records) for row in each.records}
    assert ("row_cut" in reported) == bool(kinds & {"VARCHAR", "VARCHAR[]"})
    assert ("value_not_stored" in reported) == bool(kinds - {"VARCHAR", "VARCHAR[]", "DOUBLE", "BOOLEAN"})
    if "row_cut" in reported:
        assert (reported["row_cut"].flow_id, reported["row_cut"].packet) == (1, 1)


def test_a_row_within_the_bounds_is_stored_as_it_is() -> None:
    whole = DNS(query="a" * TEXT_BYTES, answers=["漢" * 400] * 12, cnames=["x" * 240] * 48)
    collector = Collector(1)
    collector.record(whole, 1, 1_000, 1)
    assert (whole.query, whole.answers, whole.cnames) == ("a" * TEXT_BYTES, ["漢" * 400] * 12, ["x" * 240] * 48)
    assert not collector.anomalies


def test_long_names_are_cut_where_they_are_learned() -> None:
    collector = Collector(1)
    collector.name("192.0.2.1", "n" * 70_000, "dns", 1, None)
    (row,) = collector.names
    assert len(row.name.encode()) == NAME_BYTES
    assert row.name.endswith(MARK)


@given(st.text(max_size=40), st.integers(0, 60))
@settings(max_examples=examples(200))
def test_a_cut_text_is_its_beginning_and_says_that_it_is_cut(text: str, most: int) -> None:
    cut = cut_text(text, most)
    whole = text.encode("utf-8", "backslashreplace")
    assert len(cut.encode("utf-8", "backslashreplace")) <= most
    if len(whole) <= most:
        assert cut == text
    elif cut:
        assert cut[-1] == MARK
        assert whole.startswith(cut[:-1].encode())


@given(st.lists(st.text(max_size=9), max_size=9), st.integers(0, 150))
@settings(max_examples=examples(200))
def test_a_cut_list_is_its_beginning_and_says_that_it_is_cut(items: list[str], most: int) -> None:
    cut = cut_list(items, most)
    assert sum(len(item.encode()) + ITEM_BYTES for item in cut) <= most
    if cut != items:
        assert cut == [] or (cut[-1] == MARK and items[: len(cut) - 1] == cut[:-1])


HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, 2**64, -(2**63), 2**70, -1, 256, 65_536, 2**32]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["\0", "a\0b", "\ud800", "\udcff" * 3, "漢", "é" * 5_000, "x" * 40_000]),
    st.binary(max_size=9),
    st.lists(st.one_of(st.none(), st.text(max_size=9), st.integers(), st.just("\ud800y"), st.binary(max_size=3))),
    st.tuples(st.text(max_size=3)),
    st.builds(object),
    st.just({"a": 1}),
)


@pytest.fixture(scope="module")
def tables() -> duckdb.DuckDBPyConnection:
    """A database with the tables of every record class."""
    con = duckdb.connect()
    for cls in RECORDS:
        con.execute(create_table_sql(cls, table_name(cls), () if cls in CORE_TABLES else LEADING))
    return con


@given(st.data())
@settings(max_examples=examples(120), deadline=None)
def test_whatever_a_record_holds_its_row_is_stored(tables: duckdb.DuckDBPyConnection, data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from(RECORDS))
    names = [column.name for column in columns(cls)]
    records = [cls(**{name: data.draw(HOSTILE) for name in names}) for _ in range(2)]
    if cls in CORE_TABLES:
        batch = record_batch(cls, records)
    else:
        collector = Collector(1)
        for record in records:
            collector.record(record, 1, 1_000, 1)
        batch = next(each.batch for each in collector.take(1) if isinstance(each, Columns))
    before = tables.execute(f'SELECT count(*) FROM "{table_name(cls)}"').fetchall()[0][0]
    insert(tables, (cls, tuple(batch)), [batch], table_name(cls))
    assert tables.execute(f'SELECT count(*) FROM "{table_name(cls)}"').fetchall() == [(before + 2,)]


def test_a_required_number_of_128_bits_that_is_not_known_is_zero(tables: duckdb.DuckDBPyConnection) -> None:
    missing: dict[str, Any] = {column.name: None for column in columns(Address)}
    batch = record_batch(Address, [Address(**missing), Address(**(missing | {"num": 1 << 64}))])
    tables.execute("DELETE FROM addresses")
    insert(tables, (Address, tuple(batch)), [batch], "addresses")
    assert tables.execute("SELECT num FROM addresses ORDER BY num").fetchall() == [(0,), (1 << 64,)]


@given(st.lists(st.one_of(st.none(), st.lists(st.text(max_size=5), max_size=4)), min_size=2, max_size=40), st.data())
@settings(max_examples=examples(60))
def test_a_batch_may_be_divided_anywhere(values: list[list[str] | None], data: st.DataObject) -> None:
    words = [None if value is None else "".join(value) for value in values]
    whole: dict[str, Column] = {"n": np.arange(len(values)), "words": texts(words), "lists": lists(values)}
    start = data.draw(st.integers(0, len(values) - 1))
    stop = data.draw(st.integers(start, len(values)))
    con = duckdb.connect()
    con.execute("CREATE TABLE demo (n BIGINT, words VARCHAR, lists VARCHAR[])")
    chosen = {name: part(column, start, stop) for name, column in whole.items()}
    insert(con, (DNS, tuple(chosen)), [chosen, *halves(whole)], "demo")
    rows = list(zip(range(len(values)), words, values, strict=True))
    assert con.execute("FROM demo").fetchall() == rows[start:stop] + rows


def test_an_insert_has_a_bounded_number_of_bytes() -> None:
    rows = [(DNS(query="q" * 4_000), 1, 1_000, packet) for packet in range(1, 15_001)]
    batch = protocol_batch(DNS, 1, rows)
    divided = list(pieces([batch, batch]))
    assert len(divided) >= 8
    assert all(sum(map(byte_count, piece)) <= INSERT_BYTES for piece in divided)
    packets = [n for piece in divided for each in piece for n in np.asarray(each["packet"]).tolist()]
    assert packets == [*range(1, 15_001)] * 2


# ---- DuckDB refuses ----------------------------------------------------------------------------------------------


def unique_packets(writer: Writer) -> None:
    """Let DuckDB refuse a second DNS row of the same packet."""
    writer.execute(lambda con: con.execute("CREATE UNIQUE INDEX one ON dns(packet)"))


def begun(path: Path) -> tuple[Writer, Capture]:
    """A writer with a capture that is being read."""
    writer = Writer(str(path), TABLES)
    unique_packets(writer)
    capture = Capture(1, "made.pcap", "file", "pcap")
    writer.begin_capture(capture)
    return writer, capture


def dns_rows(*packets: int) -> Rows:
    return Rows(DNS, [(DNS(query=str(packet)), 1, 1_000, packet) for packet in packets])


def others(number: int) -> list[Any]:
    """One row of each of some other tables."""
    return [Rows(table, [(table(), 1, 1_000, 1)]) for table in OTHERS[:number]]


def close(writer: Writer, capture: Capture, *, second: Callable[..., object] = lambda con: None) -> None:
    capture.complete = True
    writer.end_capture(capture)
    names = [("names", lambda con: con.execute("UPDATE dns SET rcode = 'named'"))]
    writer.finish(names, [("relations", second), ("hosts", lambda con: None)], (DNS,))
    writer.commit()
    writer.close()


NOT_STORED = "SELECT kind, sum(count)::INT, any_value(capture_id) FROM anomalies GROUP BY kind ORDER BY kind"


@pytest.mark.parametrize("small", [2, SHARED_TABLES + 3])
@pytest.mark.parametrize("when", ["insert", "flush", "finish"])
def test_a_row_that_duckdb_refuses_costs_no_other_row(tmp_path: Path, small: int, when: str) -> None:
    path = tmp_path / "s.duckdb"
    writer, capture = begun(path)
    good = list(range(1, 1_001))
    if when == "insert":
        writer.put([*others(small), dns_rows(*good)])
        writer.query("SELECT 1")  # everything is inserted, not committed
        writer.put([dns_rows(1_001, 500, 1_002)])
        writer.query("SELECT 1")
    elif when == "flush":
        writer.flush(capture, [*others(small), dns_rows(*good, 500, 1_001, 1_002)], open_flows())
    writer.put([dns_rows(1_003)] if when != "finish" else [*others(small), dns_rows(*good, 500, *range(1_001, 1_004))])
    close(writer, capture)
    assert query(path, "SELECT count(*), count(DISTINCT packet), count(*) FILTER (rcode = 'named') FROM dns") == [
        (1_003, 1_003, 1_003)
    ]
    for table in OTHERS[:small]:
        assert query(path, f'SELECT count(*) FROM "{table_name(table)}"') == [(1,)]
    assert query(path, "SELECT capture_id, complete FROM captures") == [(1, True)]
    assert query(path, NOT_STORED) == [("row_not_stored", 1, 1)]
    (loss,) = writer.losses
    assert "1 rows of dns could not be stored" in loss


def open_flows() -> list[Columns]:
    """No flow is open."""
    return Analysis(1, 1).open_flows()


def test_a_row_of_the_second_thread_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finish, "PLANNING", 1)  # the large table is the first thread's otherwise
    path = tmp_path / "s.duckdb"
    writer, capture = begun(path)
    writer.put([*others(SHARED_TABLES + 3), dns_rows(*range(1, 101), 50)])
    capture.complete = True
    writer.end_capture(capture)
    ran: list[str] = []

    def record(name: str, con: object) -> None:
        ran.append(name)

    second = [(name, partial(record, name)) for name in ("second", "third")]
    writer.finish([("first", partial(record, "first"))], second, (OTHERS[0],))
    writer.commit()
    writer.close()
    assert ran == ["first", "second", "third"]
    assert query(path, "SELECT count(*) FROM dns") == [(100,)]
    assert query(path, "SELECT complete FROM captures") == [(True,)]
    assert query(path, NOT_STORED) == [("row_not_stored", 1, 1)]


@pytest.mark.parametrize("small", [2, SHARED_TABLES + 3])
def test_a_pass_that_fails_costs_no_row(tmp_path: Path, small: int) -> None:
    path = tmp_path / "s.duckdb"
    writer, capture = begun(path)
    writer.put([*others(small), dns_rows(1, 2, 3)])
    close(writer, capture, second=lambda con: con.execute("INSERT INTO dns (packet) VALUES (2)"))
    assert query(path, "SELECT count(*), count(*) FILTER (rcode = 'named') FROM dns") == [(3, 3)]
    assert query(path, NOT_STORED) == [("pass_failed", 1, 1)]
    assert "relations" in writer.losses[0]


def test_a_pass_of_its_own_that_fails_returns_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    writer, capture = begun(path)
    writer.put([dns_rows(1)])
    fails = partial(lambda con: con.execute("SELECT error('no memory')"))
    assert writer.execute_pass("ownership", fails, 1) is None
    assert writer.execute_pass("ownership", lambda con: con.execute("SELECT 7").fetchall(), 1) == [(7,)]
    close(writer, capture)
    assert query(path, "SELECT count(*) FROM dns") == [(1,)]
    assert query(path, NOT_STORED) == [("pass_failed", 1, 1)]


def wide_rows(start: int, stop: int) -> Rows:
    """Rows of 15 kB."""
    return Rows(DNS, [(DNS(answers=["x" * 1_000] * 15), 1, 1_000, packet) for packet in range(start, stop)])


@pytest.mark.parametrize(("memory", "rows"), [("12MB", 1_000), ("16MB", 1_000), ("24MB", 3_000)])
def test_without_memory_rows_are_stored_one_by_one_or_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: str, rows: int
) -> None:
    monkeypatch.setattr(writing, "create_or_open", partial(create_or_open, memory_limit=memory))
    path = tmp_path / "s.duckdb"
    writer = Writer(str(path), TABLES)
    for number in (1, 2):
        capture = Capture(number, "made.pcap", "file", "pcap")
        writer.begin_capture(capture)
        writer.put(others(3))
        for start in range(0, rows if number == 1 else 0, 500):
            writer.put([wide_rows(start, start + 500)])
        capture.complete = True
        writer.end_capture(capture)
        writer.commit()
    writer.finish((), (), ())
    writer.commit()
    writer.close()
    assert writer.storing.aborts
    ((stored,),) = query(path, "SELECT count(*) FROM dns")
    ((lost,),) = query(
        path, "SELECT coalesce(sum(count), 0)::INT FROM anomalies WHERE kind = 'row_not_stored' AND detail LIKE 'dns:%'"
    )
    assert stored + lost == rows
    assert stored == rows or rows > 1_000
    assert query(path, "SELECT complete FROM captures ORDER BY capture_id") == [(True,), (True,)]
    for table in OTHERS[:3]:
        captures = query(path, f'SELECT capture_id FROM "{table_name(table)}" ORDER BY ALL')
        assert captures[-1] == (2,)
        assert len(captures) == 2 or stored < rows


def test_what_waits_in_the_writer_is_bounded_in_bytes(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path / "s.duckdb"), TABLES)
    writer.begin_capture(Capture(1, "made.pcap", "file", "pcap"))
    crowded = False
    for start in range(0, 10_000, 500):
        writer.put([wide_rows(start, start + 500)])
        writer.query("SELECT 1")
        crowded = crowded or writer.crowded
        assert sum(writer.waiting_bytes.values()) <= writer.cadence.held_total_bytes
    assert crowded  # a flush is due
    writer.commit()
    assert not writer.crowded
    writer.close()


def test_anomalies_of_the_writer_are_rows(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    writer, capture = begun(path)
    writer.put([Rows(DNS, [(DNS(txid=70_000), 1, 1_000, 1)])])
    close(writer, capture)
    assert query(path, "SELECT txid FROM dns") == [(None,)]
    assert query(path, "SELECT kind, detail FROM anomalies") == [
        ("value_not_stored", "dns.txid: 1 values are out of range or of another type")
    ]
    assert row_count(record_batch(Anomaly, [Anomaly(None, 1, None, None, "a", "b", None, 1)])) == 1
