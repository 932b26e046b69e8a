import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rustnet.errors import ExitCode, RustnetError, UsageError
from rustnet.query.execute import QueryError, QueryFailedError, unique
from rustnet.query.session import CursorSession, FileSession
from rustnet.store import session
from tests.support.effort import examples


def test_rows_columns_and_types(con: FileSession) -> None:
    result = con.execute("SELECT 1::BIGINT AS a, 'x' AS b, NULL::DOUBLE AS c")
    assert (result.columns, result.types) == (("a", "b", "c"), ("BIGINT", "VARCHAR", "DOUBLE"))
    assert result.rows == [(1, "x", None)]
    assert not result.truncated
    assert result.elapsed > 0


def test_nanoseconds_survive(con: FileSession) -> None:
    result = con.execute("SELECT make_timestamp_ns(1714557600123456789) AS t, [make_timestamp_ns(1)] AS l")
    assert result.rows == [(1714557600123456789, ["1970-01-01 00:00:00.000000001"])]
    assert result.types == ("TIMESTAMP_NS", "VARCHAR[]")


def test_times_need_no_time_zone_package(con: FileSession) -> None:
    result = con.execute("SELECT TIMESTAMPTZ '2024-05-01 12:00:00+02' AS t, INTERVAL 1 MONTH AS i, TIME '01:02' AS d")
    assert str(result.rows[0][0]) == "2024-05-01 10:00:00"
    assert result.types == ("TIMESTAMP", "VARCHAR", "TIME")
    assert result.rows[0][1] == "1 month"


def test_a_limit_truncates_and_sets_truncated(con: FileSession) -> None:
    for limit, count, truncated in ((0, 0, True), (2, 2, True), (3, 3, False), (None, 3, False)):
        result = con.execute("SELECT range FROM range(3) ORDER BY 1", limit=limit)
        assert (len(result.rows), result.truncated) == (count, truncated)
    assert con.execute("SELECT 1 WHERE false", limit=0).truncated is False


def test_our_own_questions_give_what_those_of_others_give(con: FileSession) -> None:
    asked = "SELECT flow_id, started_at, src_ip FROM flows ORDER BY flow_id"
    ours = "SELECT flow_id, epoch_ns(started_at) AS started_at, src_ip FROM flows ORDER BY flow_id"
    for limit in (None, 0, 2, 10_000):
        theirs, own = con.execute(asked, limit=limit), con.execute_own(ours, limit=limit, times=("started_at",))
        assert (own.columns, own.types, own.rows) == (theirs.columns, theirs.types, theirs.rows)
        assert own.truncated == theirs.truncated
    assert con.execute_own("SELECT count(*) FROM flows WHERE flow_id = ?", [1]).rows == [(1,)]
    with pytest.raises(QueryError, match="nothing_of_the_kind"):
        con.execute_own("SELECT nothing_of_the_kind FROM flows")


def test_order_is_kept_through_the_wrapping(con: FileSession) -> None:
    result = con.execute("SELECT make_timestamp_ns(range) AS t FROM range(300000) ORDER BY md5(range::VARCHAR), t")
    again = con.execute("SELECT range AS t FROM range(300000) ORDER BY md5(range::VARCHAR), t")
    assert result.rows == again.rows


def test_values_are_bound_by_place_and_by_name(con: FileSession) -> None:
    assert con.execute("SELECT ?::INT + ?::INT", [1, 2]).rows == [(3,)]
    assert con.execute("SELECT $a || $b", {"a": "'; --", "b": "x"}).rows == [("'; --x",)]
    with pytest.raises(QueryError, match="not provided"):
        con.execute("SELECT $a")


def test_column_names_become_unique(con: FileSession) -> None:
    assert con.execute("SELECT 1 AS a, 2 AS a").columns == ("a", "a_1")
    assert unique(["a", "a", "a_1", "b"]) == ("a", "a_1", "a_1_1", "b")


def test_a_stream_hands_out_rows_as_they_come(con: FileSession) -> None:
    with con.stream("SELECT range AS a FROM range(100000000000)") as rows:
        assert rows.columns == ("a",)
        batch = next(rows.batches())
        assert batch[0] == (0,)
        assert con.execute("SELECT 1").rows == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM flows LIMIT 1;",
        "WITH x AS (SELECT 1) SELECT * FROM x -- end",
        "VALUES (1)",
        "DESCRIBE flows",
        "SHOW TABLES",
        "SUMMARIZE flows",
        "TABLE flows",
        "(SELECT 1)",
        "SELECT 1;;  -- a; b",
        "/* a */ SELECT ';--' AS é; -- é",
        "EXPLAIN SELECT * FROM flows",
        "explain analyze select 1",
        "/* x */ EXPLAIN -- y\n SELECT 1",
        "PIVOT flows ON app IN ('tls') USING count(*) GROUP BY protocol",
    ],
)
def test_every_way_of_reading_works(con: FileSession, sql: str) -> None:
    assert con.execute(sql).columns


WRITES = [
    "INSERT INTO names SELECT * FROM names",
    "UPDATE flows SET app = 'x'",
    "DELETE FROM flows",
    "DROP TABLE flows",
    "CREATE TABLE t(a INT)",
    "CREATE TEMP TABLE t AS SELECT 1",
    "ALTER TABLE flows ADD COLUMN x INT",
    "TRUNCATE flows",
    "ATTACH ':memory:' AS m",
    "DETACH m",
    "COPY flows TO 'x.csv'",
    "COPY flows FROM 'x.csv'",
    "EXPORT DATABASE 'x'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "RESET threads",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "COMMIT",
    "USE memory",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "EXPLAIN INSERT INTO names SELECT * FROM names",
    "EXPLAIN ANALYZE DELETE FROM flows",
    "WITH x AS (SELECT 1) DELETE FROM flows",
    "SELECT 1; DROP TABLE flows",
    "EXPLAIN SELECT 1; DROP TABLE flows",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_parquet('https://192.0.2.1/x')",
    "FROM duckdb_secrets()",
    "SELECT getenv('HOME')",
    "SELECT * FROM sys",
    "SELECT 1) ; DROP TABLE flows; SELECT (1",
]


@pytest.mark.parametrize("writable", [False, True])
def test_what_does_more_than_read_is_one_clear_line(
    con: FileSession,
    scratch: Callable[..., duckdb.DuckDBPyConnection],
    writable: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    target: CursorSession | FileSession = con
    if writable:
        target = CursorSession("", partial(session.session_cursor, scratch()))
    target_rows = "SELECT count(*) FROM duckdb_tables()"
    before = target.execute(target_rows).rows
    for sql in WRITES:
        with pytest.raises(QueryError) as caught:
            target.execute(sql)
        assert re.match(r"SQL(, line \d+(, column \d+)?)?: ", str(caught.value)), sql
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == ExitCode.USAGE
    assert target.execute(target_rows).rows == before
    assert [p for p in tmp_path.iterdir() if p.suffix != ".duckdb" and ".duckdb." not in p.name] == []


def test_a_writer_without_files_still_writes_and_checkpoints(scratch: Callable[..., duckdb.DuckDBPyConnection]) -> None:
    con = scratch()
    con.execute(
        "INSERT INTO names SELECT 1, 'a', 'b' || range, 'dns', make_timestamp_ns(range), 1, NULL FROM range(100000)"
    )
    con.execute("CHECKPOINT")
    reader = CursorSession("", partial(session.session_cursor, con))
    assert reader.execute("SELECT count(*) FROM names").rows == [(100000,)]


@pytest.mark.parametrize(
    ("sql", "line", "column", "words"),
    [
        ("SELEC 1", 1, 1, "syntax error"),
        ("SELECT\n  nothing FROM flows", 2, 3, "nothing"),
        ("SELECT 1,\n2 FROM nowhere", 2, 8, "nowhere does not exist"),
        ("SELECT " + "flow_id, " * 100 + "nothing FROM flows", 1, 908, "nothing"),
        ("SELECT flow_id FROM flows\nWHERE app = = 1", 2, 13, "syntax error"),
    ],
)
def test_errors_name_line_and_column_of_what_was_typed(
    con: FileSession, sql: str, line: int, column: int, words: str
) -> None:
    with pytest.raises(QueryError) as caught:
        con.execute(sql)
    assert f"line {line}, column {column}: " in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_and_no_text_are_named(con: FileSession) -> None:
    for sql in ("", "  \n", "-- only this", ";"):
        with pytest.raises(QueryError, match="no statement"):
            con.execute(sql)
    for sql in ("SELECT '\ud800'", "SELECT '\0'"):
        with pytest.raises(QueryError, match="not text"):
            con.execute(sql)
    with pytest.raises(QueryError, match="longer than"):
        con.execute("SELECT 1 " + " " * (1 << 20))
    with pytest.raises(QueryError, match="PIVOT needs its values"):
        con.execute("PIVOT flows ON app")


def test_too_much_memory_is_an_error(tmp_path: Path) -> None:
    session.create_or_open(tmp_path / "s.duckdb", []).close()
    con = FileSession(tmp_path / "s.duckdb", memory_limit="20MB", threads=1)
    with pytest.raises(QueryFailedError, match="needs more memory") as caught:
        con.execute("SELECT list(md5(range::VARCHAR)) FROM range(3000000)")
    assert "\n" not in str(caught.value)
    con.close()


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sql=st.lists(
        st.sampled_from(
            [
                "SELECT ",
                "FROM ",
                "flows ",
                "1 ",
                "* ",
                ", ",
                "(",
                ")",
                ";",
                "--",
                "/*",
                "*/",
                "'",
                '"',
                "\n",
                "app ",
                "$a ",
                "? ",
                "EXPLAIN ",
                "ORDER BY ",
                "WHERE ",
                "é",
                "=",
                "DROP TABLE flows ",
            ]
        ),
        max_size=10,
    ).map("".join)
)
def test_any_text_gives_rows_or_one_line(con: FileSession, sql: str) -> None:
    try:
        con.execute(sql, limit=3)
    except RustnetError as error:
        wrong = error
    else:
        wrong = UsageError("")
    assert "\n" not in str(wrong)
    assert isinstance(wrong, UsageError | QueryFailedError)


def test_importing_the_room_does_not_import_duckdb() -> None:
    code = (
        "import sys, rustnet.query.catalogue, rustnet.query.compile, rustnet.export.formats; "
        "print(sorted({'duckdb', 'numpy', 'pandas'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
