import gzip
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import duckdb
import pytest

from rustnet.errors import SessionError
from rustnet.store import schema, session


@pytest.fixture
def path(tmp_path: Path, demo: type) -> Path:
    path = tmp_path / "s.duckdb"
    session.create_or_open(path, [demo]).close()
    return path


def in_child(code: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def failure(path: Path, demo: type, writing: bool) -> str:
    with pytest.raises(SessionError) as caught:
        session.create_or_open(path, [demo]) if writing else session.open_readonly(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.mark.parametrize(
    ("holder", "words"),
    [("/usr/bin/python3.11 (PID 17)", "python3.11, process 17"), ("PID 17", "PID 17")],
)
def test_the_process_that_has_a_session_is_named(holder: str, words: str) -> None:
    text = f'Could not set lock on file "s": Conflicting lock is held in {holder}. See also https://duckdb.org'
    error = session._explain(Path("s"), text)
    assert isinstance(error, session.SessionLockedError)
    assert f"in use by another process ({words});" in str(error)
    assert error.pid == 17


def test_missing(tmp_path: Path, demo: type) -> None:
    assert "no such session" in failure(tmp_path / "no.duckdb", demo, False)
    assert "there is no directory" in failure(tmp_path / "no" / "no.duckdb", demo, True)
    assert "no such session" in failure(tmp_path / "no" / "no.duckdb", demo, False)


@pytest.mark.parametrize("writing", [False, True])
def test_what_is_not_a_session_is_named(tmp_path: Path, demo: type, writing: bool) -> None:
    made = {
        "is a directory": None,
        "is a capture": b"\x0a\x0d\x0d\x0a" + bytes(40),
        "use 'rustnet replay": b"\xd4\xc3\xb2\xa1" + bytes(40),
        "compressed": gzip.compress(b"x"),
        "is empty": b"",
        "not a DuckDB file": b"SQLite format 3\0" + bytes(100),
        "is damaged": bytes(8) + b"DUCK" + bytes(20_000),
    }
    for number, (words, content) in enumerate(made.items()):
        path = tmp_path / f"f{number}.duckdb"
        path.mkdir() if content is None else path.write_bytes(content)
        assert words in failure(path, demo, writing)
        assert content is None or path.read_bytes() == content
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert "not a regular file" in failure(fifo, demo, writing)


def test_another_duckdb_file_is_not_a_session(tmp_path: Path, demo: type) -> None:
    path = tmp_path / "other.duckdb"
    con = duckdb.connect(str(path))
    con.execute("CREATE TABLE meta(a INT)")
    con.close()
    before = path.read_bytes()
    for writing in (False, True):
        assert "not a rustnet session" in failure(path, demo, writing)
    assert path.read_bytes() == before
    con = duckdb.connect(str(path))
    con.execute("CREATE OR REPLACE TABLE meta(key VARCHAR, value INT); INSERT INTO meta VALUES ('schema_version', -4)")
    con.close()
    assert "names no schema" in failure(path, demo, False)


@pytest.mark.parametrize("keep", [0.3, 0.6])
def test_a_cut_off_session_is_damaged_not_a_traceback(path: Path, demo: type, keep: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    assert "damaged" in failure(path, demo, False)


def test_flipped_bytes_are_damage(path: Path, demo: type) -> None:
    whole = bytearray(path.read_bytes())
    for at in range(12_288, len(whole), 97):
        whole[at] ^= 0xFF
    path.write_bytes(whole)
    assert "damaged" in failure(path, demo, False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_permission(path: Path, demo: type) -> None:
    path.chmod(0o400)
    assert "cannot be written" in failure(path, demo, True)
    path.chmod(0)
    assert "cannot be read" in failure(path, demo, False)


def test_a_session_held_by_a_writer_names_its_process(path: Path, demo: type) -> None:
    child = in_child(
        """
        import duckdb, sys
        con = duckdb.connect(sys.argv[1])
        print("open", flush=True)
        sys.stdin.read()
        """,
        path,
    )
    assert child.stdout is not None
    try:
        child.stdout.readline()
        for writing in (False, True):
            assert f"process {child.pid}" in failure(path, demo, writing)
        with pytest.raises(session.SessionLockedError) as caught:
            session.open_readonly(path)
        assert caught.value.pid == child.pid
    finally:
        child.communicate()
    session.open_readonly(path).close()


def test_opening_twice_in_one_process_is_a_clear_line(path: Path, demo: type) -> None:
    con = session.create_or_open(path, [demo])
    assert "already open in this process" in failure(path, demo, False)
    con.close()
    one, two = session.open_readonly(path), session.open_readonly(path)
    assert two.execute("SELECT count(*) FROM flows").fetchall() == [(0,)]
    one.close()
    two.close()


KILLED = """
    import os, sys, signal
    from rustnet.store import schema, session
    con = session.create_or_open(sys.argv[1], [])
    con.execute("INSERT INTO names SELECT 1, '', 'n' || i, 'dns', make_timestamp_ns(0), 9, NULL FROM range(500) t(i)")
    con.execute("BEGIN")
    con.execute("INSERT INTO names VALUES (1, 'ip', 'uncommitted', 'dns', make_timestamp_ns(0), NULL, NULL)")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    path = tmp_path / "killed.duckdb"
    child = in_child(KILLED, path)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert path.with_name("killed.duckdb.wal").exists()
    return path


def test_a_killed_writers_session_opens_for_readers_and_writers(killed: Path, demo: type) -> None:
    for _ in range(2):
        con = session.open_readonly(killed)
        assert con.execute("SELECT count(*) FROM names").fetchall() == [(500,)]
        con.close()
    con = session.create_or_open(killed, [demo])
    con.execute("INSERT INTO demo(query) VALUES ('after')")
    con.close()
    con = session.open_readonly(killed)
    assert con.execute("SELECT count(*) FROM names").fetchall() == [(500,)]
    assert con.execute("SELECT query FROM demo").fetchall() == [("after",)]
    con.close()


def test_a_lost_or_cut_log_leaves_a_session(killed: Path) -> None:
    wal = killed.with_name("killed.duckdb.wal")
    whole = wal.read_bytes()
    for cut in (len(whole) - 7, len(whole) // 2, 3):
        wal.write_bytes(whole[:cut])
        session.open_readonly(killed).close()
    wal.unlink()
    con = session.open_readonly(killed)
    assert con.execute("SELECT count(*) FROM names").fetchall() == [(0,)]
    con.close()


def test_a_damaged_log_is_an_error_with_advice(killed: Path, demo: type) -> None:
    wal = killed.with_name("killed.duckdb.wal")
    whole = bytearray(wal.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    wal.write_bytes(whole)
    for writing in (False, True):
        text = failure(killed, demo, writing)
        assert "log of its last writes is damaged" in text
        assert f"move {wal} away" in text


def test_a_log_without_its_session_is_not_swallowed(tmp_path: Path, demo: type) -> None:
    (tmp_path / "s.duckdb.wal").write_bytes(b"x" * 100)
    assert "its log" in failure(tmp_path / "s.duckdb", demo, True)


def test_readers_cannot_reach_files_settings_or_the_network(path: Path, tmp_path: Path) -> None:
    con = session.open_readonly(path)
    other = tmp_path / "x.csv"
    other.write_text("a\n1\n")
    for sql in (
        f"SELECT * FROM read_csv('{other}')",
        f"COPY flows TO '{tmp_path}/out.csv'",
        f"ATTACH '{tmp_path}/y.duckdb'",
        "INSTALL httpfs",
        "SET threads = 1",
        "INSERT INTO meta VALUES ('a', 'b')",
        "SELECT * FROM other",
    ):
        with pytest.raises(duckdb.Error):
            session.session_cursor(con).execute(sql)
    assert con.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
    session.close(con)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.duckdb", "x.csv"]


def test_files_stay_readable_by_the_oldest_accepted_duckdb(path: Path) -> None:
    con = session.create_or_open(path, [], threads=1)
    tags = con.execute("SELECT tags['storage_version'] FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()
    assert "v1.5" in str(tags[0][0])
    assert con.execute("SELECT current_setting('threads')").fetchall() == [(1,)]
    con.close()


@pytest.mark.parametrize("small_groups", [False, True])
def test_a_session_of_another_block_size_is_written_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo: type, small_groups: bool
) -> None:
    size = "SELECT block_size FROM pragma_database_size() WHERE database_name <> 'memory'"
    path = tmp_path / "s.duckdb"
    con = session.create_or_open(path, [demo], small_groups=small_groups)
    assert con.execute(size).fetchall() == [(session.BLOCK_SIZE,)]
    con.close()
    path.unlink()
    monkeypatch.setattr(session, "BLOCK_SIZE", 262_144)
    session.create_or_open(path, [demo]).close()
    monkeypatch.undo()
    con = session.create_or_open(path, [demo], small_groups=small_groups)
    con.execute("INSERT INTO meta VALUES ('a', 'b')")
    con.execute("CHECKPOINT")
    assert con.execute(size).fetchall() == [(262_144,)]
    con.close()
    con = session.open_readonly(path)
    assert con.execute("SELECT value FROM meta WHERE key = 'a'").fetchall() == [("b",)]
    con.close()


def test_a_session_that_cannot_be_created_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise duckdb.IOException("IO Error: No space left on device")

    monkeypatch.setattr(schema, "reconcile", fail)
    with pytest.raises(SessionError, match="the disk is full"):
        session.create_or_open(tmp_path / "s.duckdb", [])
    assert list(tmp_path.iterdir()) == []


def test_importing_the_room_does_not_import_duckdb() -> None:
    code = "import sys, rustnet.store.session; print('duckdb' in sys.modules, 'numpy' in sys.modules)"
    child = in_child(code)
    assert child.communicate()[0].split() == ["False", "False"]


def test_a_locked_reader_still_spills_and_removes_its_files(path: Path) -> None:
    con = session.open_readonly(path, memory_limit="40MB", threads=1)
    sql = "SELECT m FROM (SELECT md5(range::VARCHAR) AS m FROM range(1500000)) ORDER BY m LIMIT 1 OFFSET 1499999"
    assert con.execute(sql).fetchall()[0][0].startswith("ffff")
    session.close(con)
    assert [p.name for p in path.parent.iterdir()] == ["s.duckdb"]


def test_a_file_without_any_table_is_one_whose_writer_was_killed_early(tmp_path: Path, demo: type) -> None:
    path = tmp_path / "s.duckdb"
    duckdb.connect(str(path)).close()
    assert "was killed before it began" in failure(path, demo, False)
    session.create_or_open(path, [demo]).close()
    with session.open_readonly(path) as con:
        assert con.execute("SELECT count(*) FROM demo").fetchall() == [(0,)]
