"""The writer stores every row once, with one thread and with two, and reports errors of both."""

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.dissect import registry
from rustnet.errors import SessionError
from rustnet.records import table_name
from rustnet.store import finish, session
from rustnet.store import storing as module
from rustnet.store.batches import Rows, insert
from rustnet.store.cadence import BATCH
from rustnet.store.finish import SHARED_TABLES
from rustnet.store.tables import Capture
from rustnet.store.writer import Writer

TABLES = [table for table in registry.tables() if table_name(table) != "dns"]
(LARGE,) = [table for table in registry.tables() if table_name(table) == "dns"]


def store(path: str, small: int, rows: int) -> Writer:
    """A writer with a complete capture: a few rows of ``small`` tables, and ``rows`` of a large one."""
    writer = Writer(path, registry.tables())
    capture = Capture(1, "made.pcap", "file", "pcap")
    writer.begin_capture(capture)
    for number, table in enumerate(TABLES[:small]):
        writer.put([Rows(table, [(table(), 1, 1_000, packet) for packet in range(1, number + 2)])])
    writer.put([Rows(LARGE, [(LARGE(), 1, 1_000, packet) for packet in range(1, rows + 1)])])
    capture.complete = True
    writer.end_capture(capture)
    return writer


def nothing(con: object) -> None:
    """No work."""


@pytest.mark.parametrize("small", [SHARED_TABLES - 1, SHARED_TABLES + 3, len(TABLES)])
@pytest.mark.parametrize("rows", [10, BATCH.held_rows + 1])
def test_every_row_is_stored_once_and_visible_afterwards(tmp_path: Path, small: int, rows: int) -> None:
    path = str(tmp_path / "s.duckdb")
    writer = store(path, small, rows)
    writer.finish((), (), ())
    counts = writer.execute(
        lambda con: [con.execute(f"SELECT count(*) FROM {table_name(t)}").fetchall()[0][0] for t in (*TABLES, LARGE)]
    )
    writer.close()
    expected = [number + 1 if number < small else 0 for number in range(len(TABLES))] + [rows]
    assert counts == expected
    with duckdb.connect(path, read_only=True) as con:
        again = [con.execute(f"SELECT count(*) FROM {table_name(t)}").fetchall()[0][0] for t in (*TABLES, LARGE)]
        assert again == expected
        assert con.execute("SELECT complete FROM captures").fetchall() == [(True,)]


def test_the_last_batches_of_a_capture_are_inserted_after_the_next_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = insert
    inserted = []

    def count_rows(con: duckdb.DuckDBPyConnection, kind: tuple[Any, ...], batches: list[Any], *rest: Any) -> None:
        if kind[0] is LARGE:
            inserted.append(sum(len(batch["flow_id"]) for batch in batches))
        real(con, kind, batches, *rest)

    for each in (module, finish):
        monkeypatch.setattr(each, "insert", count_rows)
    writer = Writer(str(tmp_path / "s.duckdb"), registry.tables())
    rows = [(LARGE(), 1, 1_000, packet) for packet in range(1, BATCH.held_rows + 1)]
    for capture_id in (1, 2, 3):
        writer.begin_capture(Capture(capture_id, "made.pcap", "file", "pcap"))
        writer.put([Rows(LARGE, rows)], last=True)
    writer.finish((), (), ())
    assert writer.query("SELECT capture_id, count(*) FROM dns GROUP BY ALL ORDER BY ALL") == [
        (capture_id, BATCH.held_rows) for capture_id in (1, 2, 3)
    ]
    assert inserted == [BATCH.held_rows] * 3
    writer.close()


@pytest.mark.parametrize("table", ["kerberos", "dns"])  # the second thread's, the first one's
def test_a_session_is_incomplete_after_an_error_of_either_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    path = str(tmp_path / "s.duckdb")
    real = insert

    def fails(con: duckdb.DuckDBPyConnection, kind: tuple[Any, ...], batches: list[Any], *rest: Any) -> None:
        if kind[0].__table__ == table:
            raise duckdb.IOException("No space left on device")
        real(con, kind, batches, *rest)

    for each in (module, finish):
        monkeypatch.setattr(each, "insert", fails)
    monkeypatch.setattr(finish, "PLANNING", 1)  # all small tables are the second thread's
    writer = store(path, len(TABLES), BATCH.held_rows - 1)
    ran = []
    writer.finish([("names", lambda _: ran.append("first"))], [("relations", lambda _: ran.append("second"))], (LARGE,))
    with pytest.raises(SessionError, match="free some space"):
        writer.commit()
    writer.close()
    assert ran == ["first"] * (table == "kerberos")
    with duckdb.connect(path, read_only=True) as con:
        assert con.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]
        assert con.execute("SELECT complete FROM captures").fetchall() == [(False,)]


def test_a_deferred_writer_starts_with_the_first_batch(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    writer = Writer(str(path), registry.tables(), deferred=True)
    writer.begin_capture(Capture(1, "made.pcap", "file", "pcap"))
    assert not writer.thread.is_alive()
    writer.put([Rows(LARGE, [(LARGE(), 1, 1_000, 1)])])
    assert writer.query("SELECT (SELECT count(*) FROM captures), (SELECT count(*) FROM dns)") == [(1, 1)]
    writer.close()


def test_a_deferred_writer_stores_the_beginning_of_a_capture(tmp_path: Path) -> None:
    path = str(tmp_path / "s.duckdb")
    writer = Writer(path, registry.tables(), deferred=True)
    writer.begin_capture(Capture(1, "made.pcap", "file", "pcap"))
    writer.close()
    with duckdb.connect(path, read_only=True) as con:
        assert con.execute("SELECT source, complete FROM captures").fetchall() == [("made.pcap", False)]


@pytest.mark.parametrize("deferred", [False, True])
def test_a_writer_without_captures_can_be_closed(tmp_path: Path, deferred: bool) -> None:
    Writer(str(tmp_path / "s.duckdb"), registry.tables(), deferred=deferred).close()


@pytest.mark.parametrize("small", [1, SHARED_TABLES])
def test_all_final_passes_run_and_are_permanent(tmp_path: Path, small: int) -> None:
    path = str(tmp_path / "s.duckdb")
    writer = store(path, small, 10)
    count = "INSERT INTO anomalies (capture_id, kind, detail, count) SELECT 1, 'a', 'b', count(*) FROM dns"
    update = "UPDATE dns SET query = 'a' WHERE packet = ?"
    writer.finish(
        [
            (str(packet), partial(duckdb.DuckDBPyConnection.execute, query=update, parameters=[packet]))
            for packet in (1, 2, 3)
        ],
        [
            ("count", lambda con: con.execute(count)),
            ("again", lambda con: con.execute("UPDATE anomalies SET count = 10")),
        ],
        (LARGE,),
    )
    results: list[object] = []
    writer.execute_last(
        lambda con: results.extend(
            con.execute("SELECT (SELECT count(query) FROM dns), (SELECT sum(count)::INT FROM anomalies)").fetchall()
        )
    )
    assert results == [(3, 10)]
    writer.close()
    assert not (tmp_path / "s.duckdb.wal").exists()
    with duckdb.connect(path, read_only=True) as con:
        assert (
            con.execute("SELECT count(query), (SELECT sum(count)::INT FROM anomalies) FROM dns").fetchall() == results
        )


@pytest.mark.parametrize("small", [1, SHARED_TABLES])
def test_an_error_of_any_final_pass_is_raised(tmp_path: Path, small: int) -> None:
    def fails(con: duckdb.DuckDBPyConnection) -> None:
        raise duckdb.IOException("No space left on device")

    passes = [("nothing", nothing), ("fails", fails)]
    for number, (first, second) in enumerate([(passes, passes[:1]), (passes[:1], passes)]):
        writer = store(str(tmp_path / f"{number}.duckdb"), small, 10)
        writer.finish(first, second, ())
        with pytest.raises(SessionError, match="free some space"):
            writer.commit()
        writer.close()


_KILLED = """
import os, signal, sys
from rustnet.dissect import registry
from rustnet.store.batches import Rows
from rustnet.store.tables import Capture
from rustnet.store.writer import Writer

(dns,) = [table for table in registry.tables() if table.__table__ == "dns"]
writer = Writer(sys.argv[1], registry.tables())
writer.begin_capture(Capture(1, "made.pcap", "file", "pcap"))
writer.put([Rows(dns, [(dns(), 1, 1_000, 1)])])
writer.commit()
writer.put([Rows(dns, [(dns(), 1, 1_000, 2)])])
writer.execute(lambda con: None)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("existing", [False, True])
def test_the_beginning_of_a_capture_is_permanent_at_once(tmp_path: Path, existing: bool) -> None:
    path = tmp_path / "s.duckdb"
    if existing:
        Writer(str(path), registry.tables()).close()
    writer = Writer(str(path), registry.tables())
    first, _ = writer.next_ids()
    writer.begin_capture(Capture(first, "made.pcap", "file", "pcap"))
    writer.put([Rows(LARGE, [(LARGE(), 1, 1_000, 1)])])
    assert writer.query("SELECT count(*) FROM dns") == [(1,)]
    (tmp_path / "copy.duckdb").write_bytes(path.read_bytes())
    with duckdb.connect(str(tmp_path / "copy.duckdb"), read_only=True) as con:
        assert con.execute("SELECT capture_id, complete FROM captures").fetchall() == [(first, False)]
    writer.close()


def test_the_commits_of_a_killed_writer_are_in_the_file_without_a_log(tmp_path: Path) -> None:
    path = str(tmp_path / "s.duckdb")
    child = subprocess.run([sys.executable, "-c", _KILLED, path], check=False)
    assert child.returncode == -signal.SIGKILL
    # The next opening removes the directory for spilled rows.
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith("s.duckdb.tmp.")] == ["s.duckdb"]
    with duckdb.connect(path, read_only=True) as con:
        assert con.execute("SELECT packet FROM dns").fetchall() == [(1,)]
        assert con.execute("SELECT complete FROM captures").fetchall() == [(False,)]


def test_a_reader_delays_a_checkpoint_and_does_not_fail_it(tmp_path: Path) -> None:
    """DuckDB refuses a checkpoint while a statement works that began before rows were changed."""
    path = str(tmp_path / "s.duckdb")
    con = session.create_or_open(path, registry.tables(), threads=1, small_groups=True)
    storing = module.Storing(con, lambda: None)
    reader = session.reading_cursor(con)

    def change(value: str) -> None:
        con.execute("UPDATE meta SET value = ? WHERE key = 'created'", [value])

    def permanent() -> bool:
        return storing.permanent

    def in_file() -> bytes:
        return Path(path).read_bytes()

    con.execute("BEGIN")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM meta").fetchall()
    change("while it is read")
    assert storing.commit()
    assert not permanent()
    assert b"while it is read" not in in_file()
    assert reader.execute("SELECT count(*) FROM meta WHERE value = 'while it is read'").fetchall() == [(0,)]
    reader.execute("COMMIT")
    assert reader.execute("SELECT count(*) FROM meta WHERE value = 'while it is read'").fetchall() == [(1,)]
    assert storing.commit()
    assert permanent()
    assert b"while it is read" in in_file()
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM meta").fetchall()
    change("at its end")
    assert storing.commit()
    assert not permanent()
    reader.close()
    storing.finish()
    assert permanent()
    assert b"at its end" in in_file()
    session.close(con)
