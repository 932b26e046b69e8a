"""What the writer stores at the end of the captures, with its helper and without."""

import duckdb
import pytest

from rustnet.dissect import registry
from rustnet.errors import SessionError
from rustnet.store import writer as module
from rustnet.store.tables import Capture
from rustnet.store.writer import HOLD_ROWS, SHARED_TABLES, Rows, Writer

TABLES = [table for table in registry.tables() if table.__table__ != "dns"]
(LARGE,) = [table for table in registry.tables() if table.__table__ == "dns"]


def store(path: str, small: int, rows: int) -> Writer:
    """A writer that has got a few rows of ``small`` tables, and ``rows`` of a large one, and been told of the end."""
    writer = Writer(path, registry.tables())
    capture = Capture(1, "made.pcap", "file", "pcap")
    writer.begin_capture(capture)
    for number, table in enumerate(TABLES[:small]):
        writer.put([Rows(table, [(table(), 1, 1_000, packet) for packet in range(1, number + 2)])])
    writer.put([Rows(LARGE, [(LARGE(), 1, 1_000, packet) for packet in range(1, rows + 1)])])
    capture.complete = True
    writer.end_capture(capture)
    writer.ending()
    return writer


@pytest.mark.parametrize("small", [SHARED_TABLES - 1, SHARED_TABLES + 3, len(TABLES)])
@pytest.mark.parametrize("rows", [10, HOLD_ROWS + 1])
def test_every_row_is_stored_once_and_seen_by_what_follows(tmp_path, small, rows):
    path = str(tmp_path / "s.duckdb")
    writer = store(path, small, rows)
    counts = writer.run(
        lambda con: [con.execute(f"SELECT count(*) FROM {t.__table__}").fetchall()[0][0] for t in (*TABLES, LARGE)]
    )
    writer.close()
    expected = [number + 1 if number < small else 0 for number in range(len(TABLES))] + [rows]
    assert counts == expected
    with duckdb.connect(path, read_only=True) as con:
        again = [con.execute(f"SELECT count(*) FROM {t.__table__}").fetchall()[0][0] for t in (*TABLES, LARGE)]
        assert again == expected
        assert con.execute("SELECT complete FROM captures").fetchall() == [(True,)]


def test_the_last_batches_of_a_capture_wait_for_the_next_item_alone(tmp_path, monkeypatch):
    real = module.insert
    inserted = []

    def counts(con, sql, batches):
        if '"dns"' in sql:
            inserted.append(sum(len(batch["flow_id"]) for batch in batches))
        real(con, sql, batches)

    monkeypatch.setattr(module, "insert", counts)
    writer = Writer(str(tmp_path / "s.duckdb"), registry.tables())
    rows = [(LARGE(), 1, 1_000, packet) for packet in range(1, HOLD_ROWS + 1)]
    for capture_id in (1, 2, 3):
        writer.begin_capture(Capture(capture_id, "made.pcap", "file", "pcap"))
        writer.put([Rows(LARGE, rows)], last=True)
    writer.ending()
    assert writer.query("SELECT capture_id, count(*) FROM dns GROUP BY ALL ORDER BY ALL") == [
        (capture_id, HOLD_ROWS) for capture_id in (1, 2, 3)
    ]
    assert inserted == [HOLD_ROWS] * 3
    writer.close()


def test_a_helper_that_fails_leaves_a_session_that_says_it_is_incomplete(tmp_path, monkeypatch):
    path = str(tmp_path / "s.duckdb")
    real = module.insert

    def fails(con, sql, batches):
        if '"kerberos"' in sql:
            raise duckdb.IOException("No space left on device")
        real(con, sql, batches)

    monkeypatch.setattr(module, "insert", fails)
    writer = store(path, len(TABLES), HOLD_ROWS + 1)
    with pytest.raises(SessionError, match="free some space"):
        writer.commit()
    writer.close()
    with duckdb.connect(path, read_only=True) as con:
        assert con.execute("SELECT count(*) FROM kerberos").fetchall() == [(0,)]
        assert con.execute("SELECT complete FROM captures").fetchall() == [(False,)]


def test_a_later_writer_begins_when_there_is_something_to_store(tmp_path):
    path = tmp_path / "s.duckdb"
    writer = Writer(str(path), registry.tables(), later=True)
    writer.begin_capture(Capture(1, "made.pcap", "file", "pcap"))
    assert not writer.thread.is_alive()
    writer.put([Rows(LARGE, [(LARGE(), 1, 1_000, 1)])])
    assert writer.query("SELECT (SELECT count(*) FROM captures), (SELECT count(*) FROM dns)") == [(1, 1)]
    writer.close()


def test_a_later_writer_keeps_the_beginning_of_a_capture(tmp_path):
    path = str(tmp_path / "s.duckdb")
    writer = Writer(path, registry.tables(), later=True)
    writer.begin_capture(Capture(1, "made.pcap", "file", "pcap"))
    writer.close()
    with duckdb.connect(path, read_only=True) as con:
        assert con.execute("SELECT source, complete FROM captures").fetchall() == [("made.pcap", False)]


@pytest.mark.parametrize("later", [False, True])
def test_a_writer_that_was_given_nothing_can_be_closed(tmp_path, later):
    Writer(str(tmp_path / "s.duckdb"), registry.tables(), later=later).close()


@pytest.mark.parametrize("small", [1, SHARED_TABLES])
def test_both_works_are_done_and_committed(tmp_path, small):
    path = str(tmp_path / "s.duckdb")
    writer = store(path, small, 10)
    writer.run_both(
        lambda con: con.execute("UPDATE dns SET query = 'a' WHERE packet < 4"),
        lambda con: con.execute(
            "INSERT INTO anomalies (capture_id, kind, detail, count) SELECT 1, 'a', 'b', count(*) FROM dns"
        ),
    )
    writer.commit()
    asked: list[object] = []
    writer.ask(
        lambda con: asked.extend(
            con.execute("SELECT (SELECT count(query) FROM dns), (SELECT sum(count)::INT FROM anomalies)").fetchall()
        )
    )
    assert asked == [(3, 10)]
    assert writer.shared == (small >= SHARED_TABLES)
    writer.close()
    assert not (tmp_path / "s.duckdb.wal").exists()
    with duckdb.connect(path, read_only=True) as con:
        assert con.execute("SELECT count(query), (SELECT sum(count)::INT FROM anomalies) FROM dns").fetchall() == asked


@pytest.mark.parametrize("small", [1, SHARED_TABLES])
def test_either_of_both_works_may_fail(tmp_path, small):
    def fails(con):
        raise duckdb.IOException("No space left on device")

    for number, works in enumerate([(fails, lambda _: None), (lambda _: None, fails)]):
        writer = store(str(tmp_path / f"{number}.duckdb"), small, 10)
        with pytest.raises(SessionError, match="free some space"):
            writer.run_both(*works)
        writer.close()
