import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from rustnet.errors import UsageError
from rustnet.export.formats import FORMATS, fit, write_result
from rustnet.present.text import width
from rustnet.present.values import humanised, timestamp_ns
from rustnet.query.execute import ResultSet
from rustnet.query.session import FileSession

HOSTILE = '\x1b]0;x\x07=HYPERLINK("http://x")|\n<img src=x> ![a](b) 日本\x9b2J\u202e'

SQL = """SELECT * FROM (VALUES
    (1, 'plain', make_timestamp_ns(1714557600123456789), 1500000::BIGINT, 0.5::DOUBLE, ['a', NULL, 'b'], true),
    (2, $hostile, NULL, NULL, 'nan'::DOUBLE, NULL, NULL),
    (3, '', make_timestamp_ns(-1), 9007199254740993::BIGINT, 1e-9, [], false)
) AS t(id, name, ts, bytes, share, list, flag) ORDER BY id"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def result(con: FileSession) -> ResultSet:
    return con.execute(SQL, {"hostile": HOSTILE})


def written(result: ResultSet, fmt: str, stream: io.StringIO | io.BytesIO | None = None, **options: Any) -> Any:
    out = io.StringIO(newline="") if stream is None else stream
    assert write_result(result, fmt, out, **options) == len(result.rows)
    return out.getvalue()


def test_json_is_exact(result: ResultSet) -> None:
    rows = json.loads(written(result, "json"))
    assert rows[0] == {
        "id": 1, "name": "plain", "ts": "2024-05-01T10:00:00.123456789Z", "bytes": 1500000, "share": 0.5,
        "list": ["a", None, "b"], "flag": True,
    }  # fmt: skip
    assert rows[1]["name"] == HOSTILE
    assert rows[1]["share"] is None
    assert rows[2]["bytes"] == 9007199254740993
    assert rows[2]["ts"] == "1969-12-31T23:59:59.999999999Z"
    lines = written(result, "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_json_holds_nothing_that_a_terminal_obeys(result: ResultSet) -> None:
    for fmt in ("json", "jsonl"):
        text = written(result, fmt)
        assert not set(text) & {chr(c) for c in (*range(10), *range(11, 32), *range(127, 160), 0x202E)}


def test_csv_round_trips(result: ResultSet) -> None:
    text = written(result, "csv")
    assert text.count("\r\n") == 4
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert rows[1]["name"] == HOSTILE
    assert rows[0]["ts"] == "2024-05-01T10:00:00.123456789Z"
    assert rows[2]["bytes"] == "9007199254740993"
    assert json.loads(rows[0]["list"]) == ["a", None, "b"]
    assert text.splitlines()[-1].startswith('3,"",')
    assert rows[0]["flag"] == "true"


def test_csv_is_safe_where_it_is_looked_at(con: FileSession) -> None:
    result = con.execute("SELECT '=1+1' AS a, '-1' AS b, -1 AS c, chr(27) || '[2J' AS d")
    assert written(result, "csv").splitlines()[1] == "=1+1,-1,-1,\x1b[2J"
    assert written(result, "csv", spreadsheet=True).splitlines()[1] == "'=1+1,'-1,-1,\\x1b[2J"
    assert "\x1b" not in written(result, "csv", Terminal(newline=""))


def test_a_table_is_aligned_safe_and_readable(result: ResultSet) -> None:
    lines = written(result, "table").splitlines()
    assert lines[0].split() == ["id", "name", "ts", "bytes", "share", "list", "flag"]
    assert "1.5 MB" in lines[2]
    assert "2024-05-01T10:00:00.123456789Z" in lines[2]
    assert "a, -, b" in lines[2]
    assert "\\x1b]0;x\\x07" in lines[3]
    assert "\x1b" not in "".join(lines)
    assert lines[3].count(" - ") >= 2
    assert "1500000" in written(result, "table", humanise=False)
    start = width(lines[0][: lines[0].index("ts")])
    assert all(lines[n][_at(lines[n], start)] in "2-1─" for n in (1, 2, 3, 4))


def _at(line: str, column: int) -> int:
    for index in range(len(line)):
        if width(line[:index]) >= column:
            return index
    return len(line)


@pytest.mark.parametrize("columns", [1, 10, 40, 80, 133])
def test_a_table_fits_its_terminal(result: ResultSet, columns: int) -> None:
    for line in written(result, "table", columns=columns).splitlines():
        assert width(line) <= columns


def test_a_terminal_says_how_wide_it_is(result: ResultSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert max(width(line) for line in written(result, "table", Terminal()).splitlines()) <= 50
    assert max(width(line) for line in written(result, "table").splitlines()) > 50


def test_widths_are_taken_from_the_widest_columns() -> None:
    assert fit([3, 50, 10], 100) == [3, 50, 10]
    assert fit([3, 50, 10], 40) == [3, 23, 10]
    assert fit([50, 50], 42) == [20, 20]
    assert fit([8, 8, 8], 10) == [6, 6, 6]


def test_markdown_is_a_table_and_nothing_else(result: ResultSet) -> None:
    lines = written(result, "markdown").splitlines()
    assert lines[1] == "| ---: | --- | --- | ---: | ---: | --- | --- |"
    assert all(line.replace("\\|", "").count("|") == 8 for line in lines)
    assert "\\<img src=x\\> !\\[a\\](b)" in lines[3]


def test_truncation_is_stated(con: FileSession) -> None:
    result = con.execute("SELECT range AS a FROM range(10)", limit=3)
    assert written(result, "table").endswith("(3 rows; there are more)\n")
    assert len(json.loads(written(result, "json"))) == 3


def test_results_without_rows_are_whole(con: FileSession) -> None:
    result = con.execute("SELECT 1 AS a, make_timestamp_ns(1) AS t WHERE false")
    assert json.loads(written(result, "json")) == []
    assert written(result, "jsonl") == ""
    assert written(result, "csv") == "a,t\r\n"
    assert written(result, "table").splitlines()[0] == "a  t"
    assert written(result, "markdown").splitlines()[0] == "| a | t |"


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_stream_writes_what_a_result_does(con: FileSession, fmt: str, tmp_path: Path) -> None:
    sql = "SELECT range AS a, 'x' || range AS b, make_timestamp_ns(range) AS t FROM range(5000)"
    whole, streamed = io.BytesIO(), io.BytesIO()
    for out, source in ((whole, con.execute(sql)), (streamed, con.stream(sql))):
        text = out if fmt == "parquet" else io.TextIOWrapper(out, "utf-8", write_through=True)
        assert write_result(source, fmt, text) == 5000
        if fmt != "parquet":
            text.detach()
    if fmt == "parquet":
        assert len(whole.getvalue()) == len(streamed.getvalue())
    else:
        assert whole.getvalue() == streamed.getvalue()


def read_parquet(data: bytes, tmp_path: Path, sql: str) -> list[tuple[Any, ...]]:
    (tmp_path / "r.parquet").write_bytes(data)
    con = duckdb.connect(str(tmp_path / "r.db"))
    try:
        return con.execute(sql.format(f"'{tmp_path}/r.parquet'")).fetchall()
    finally:
        con.close()


def test_parquet_keeps_every_nanosecond_and_type(result: ResultSet, tmp_path: Path) -> None:
    out = io.BytesIO()
    assert write_result(result, "parquet", out) == 3
    rows = read_parquet(out.getvalue(), tmp_path, "SELECT id, name, epoch_us(ts), ts_ns, bytes, list, flag FROM {}")
    assert rows[0] == (1, "plain", 1714557600123456, 1714557600123456789, 1500000, ["a", None, "b"], True)
    assert rows[1] == (2, HOSTILE, None, None, None, None, None)
    assert rows[2] == (3, "", -1, -1, 9007199254740993, [], False)
    types = dict(read_parquet(out.getvalue(), tmp_path, "SELECT column_name, column_type FROM (DESCRIBE FROM {})"))
    assert types["ts"] == "TIMESTAMP"
    assert types["ts_ns"] == "BIGINT"
    share = read_parquet(out.getvalue(), tmp_path, "SELECT share, isnan(share) FROM {}")
    assert [row[1] for row in share] == [False, True, False]
    assert share[2][0] == 1e-9


def test_other_engines_read_parquet(result: ResultSet, tmp_path: Path) -> None:
    with (tmp_path / "r.parquet").open("wb") as out:
        write_result(result, "parquet", out)
    wanted = [row[result.columns.index("ts")] for row in result.rows]
    micros = [value and value // 1000 for value in wanted]
    frame = pl.read_parquet(tmp_path / "r.parquet")
    assert frame.schema["ts"] == pl.Datetime("us")
    assert frame["ts_ns"].to_list() == wanted
    assert frame["ts"].dt.epoch("us").to_list() == micros
    exact = frame.select(pl.from_epoch("ts_ns", time_unit="ns")).to_series()
    assert exact.dt.epoch("ns").to_list() == wanted
    table = pa.parquet.read_table(tmp_path / "r.parquet")
    assert table.schema.field("ts").type == pa.timestamp("us")
    assert table.column("ts").cast(pa.int64()).to_pylist() == micros
    assert table.column("ts_ns").to_pylist() == wanted
    whole = pd.read_parquet(tmp_path / "r.parquet")
    times = whole["ts"].astype("datetime64[ns]")
    assert [None if pd.isna(time) else time.value // 1000 for time in times] == micros


def test_parquet_of_odd_types(con: FileSession, tmp_path: Path) -> None:
    result = con.execute(
        "SELECT 'a'::BLOB || '\\x00'::BLOB AS b, 12.34::DECIMAL(9,2) AS d, "
        "340282366920938463463374607431768211455::UHUGEINT AS u, (-5)::HUGEINT AS h, {'x': [1]} AS s, "
        "DATE '2024-05-01' AS day, "
        "TIMESTAMP '2024-05-01 10:00:00.5' AS t, INTERVAL 1 DAY AS i, uuid() AS id, TIME '01:02:03' AS c, "
        "1 AS ts, make_timestamp_ns(5) AS ts, [1.5, 'inf'::DOUBLE] AS l, NULL AS n, ['2024-05-01'::DATE] AS days",
    )
    out = io.BytesIO()
    write_result(result, "parquet", out)
    row = read_parquet(out.getvalue(), tmp_path, "SELECT * REPLACE (t::VARCHAR AS t, d::VARCHAR AS d) FROM {}")[0]
    assert row[0] == b"a\x00"
    assert row[1:5] == ("12.34", "340282366920938463463374607431768211455", "-5", '{"x": [1]}')
    assert str(row[5]) == "2024-05-01"
    assert row[6] == "2024-05-01 10:00:00.5"


def test_parquet_without_rows_has_its_columns(con: FileSession, tmp_path: Path) -> None:
    out = io.BytesIO()
    assert write_result(con.execute("SELECT 1 AS a, 'x' AS b WHERE false"), "parquet", out) == 0
    assert read_parquet(out.getvalue(), tmp_path, "SELECT column_name FROM (DESCRIBE FROM {})") == [("a",), ("b",)]


def test_parquet_goes_to_no_terminal_and_no_text(result: ResultSet) -> None:
    with pytest.raises(UsageError, match="cannot be shown on a terminal"):
        write_result(result, "parquet", Terminal())
    with pytest.raises(UsageError, match="needs a file"):
        write_result(result, "parquet", io.StringIO())
    with pytest.raises(UsageError, match="unknown format 'xml'"):
        write_result(result, "xml", io.StringIO())


def test_numbers_for_people() -> None:
    assert [humanised(n) for n in (0, 999, 1000, 1_234_567, 999_960, 5e18)] == [
        "0 B", "999 B", "1.0 kB", "1.2 MB", "1.0 MB", "5000.0 PB",
    ]  # fmt: skip
    assert timestamp_ns(2**63 - 1) == "2262-04-11T23:47:16.854775807Z"
    assert timestamp_ns(-(2**63)) == "1677-09-21T00:12:43.145224192Z"
