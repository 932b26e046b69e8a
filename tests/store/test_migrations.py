from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.errors import SessionError
from rustnet.store import migrations, session
from rustnet.store.migrations import Migration


def add_label(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("ALTER TABLE demo ADD COLUMN label VARCHAR")
    con.execute("UPDATE demo SET label = 'label of ' || query")


def break_off(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("DELETE FROM demo")
    con.execute("SELECT * FROM nowhere")


SECOND = Migration(2, "label demos", add_label)
BROKEN = Migration(3, "break off", break_off)


@pytest.fixture
def path(tmp_path: Path, demo: type) -> Path:
    path = tmp_path / "s.duckdb"
    con = session.create_or_open(path, [demo])
    con.execute("INSERT INTO demo(query) VALUES ('a')")
    con.close()
    return path


def history(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return con.execute("SELECT version, name FROM migrations ORDER BY version").fetchall()


def test_a_new_session_records_the_latest_schema(path: Path) -> None:
    con = session.open_readonly(path)
    meta = dict(con.execute("SELECT * FROM meta").fetchall())
    assert meta["schema_version"] == "1" == str(migrations.latest())
    assert meta["rustnet_version"]
    assert meta["created"].endswith("Z")
    assert history(con) == [(1, "created")]
    con.close()


def test_opening_for_writing_migrates_once(path: Path, demo: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "MIGRATIONS", (SECOND,))
    monkeypatch.setattr(migrations, "latest", lambda: 2)
    monkeypatch.setattr(migrations.migrate, "__defaults__", ((SECOND,),))
    with pytest.raises(SessionError, match="older schema 1"):
        session.open_readonly(path)
    for _ in range(2):
        con = session.create_or_open(path, [demo])
        assert con.execute("SELECT label FROM demo").fetchall() == [("label of a",)]
        assert history(con) == [(1, "created"), (2, "label demos")]
        con.close()
    session.open_readonly(path).close()


def test_a_newer_session_is_refused_with_its_version(path: Path, demo: type) -> None:
    con = session.create_or_open(path, [demo])
    migrations.migrate(con, 1, [SECOND])
    con.execute("UPDATE meta SET value = '9.9' WHERE key = 'rustnet_version'")
    con.close()
    for open_it in (session.open_readonly, lambda p: session.create_or_open(p, [demo])):
        with pytest.raises(SessionError, match=r"written by rustnet 9\.9 \(schema 2\), newer than this one"):
            open_it(path)


def test_a_failed_migration_leaves_nothing_and_keeps_those_before(path: Path, demo: type) -> None:
    con = session.create_or_open(path, [demo])
    with pytest.raises(SessionError, match=r"schema 3 \(break off\).*nowhere"):
        migrations.migrate(con, 1, [SECOND, BROKEN])
    assert con.execute("SELECT query, label FROM demo").fetchall() == [("a", "label of a")]
    assert history(con) == [(1, "created"), (2, "label demos")]
    assert con.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchall() == [("2",)]
    con.close()


def test_migrations_are_numbered_without_gaps(path: Path, demo: type) -> None:
    con = session.create_or_open(path, [demo])
    with pytest.raises(ValueError, match="without gaps"):
        migrations.migrate(con, 1, [BROKEN])
    con.close()
    assert migrations.latest(()) == 1
    assert migrations.latest([SECOND]) == 2
