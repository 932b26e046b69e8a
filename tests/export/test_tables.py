"""All tables as Parquet, CSV and lines of JSON: the same values, whichever way they are written."""

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.export import tables
from rustnet.export.folder import ExportFolder
from rustnet.export.formats import write_result
from rustnet.query.session import FileSession, Session, open_session
from rustnet.store.meanings import protocol_tables
from rustnet.store.session import close, create_or_open
from tests.support import filled
from tests.support.sessions import replay

HOSTILE = [
    "",
    " x ",
    "a,b",
    'say "x"',
    "l\nm\r\n",
    "\x1b[31m\x07\x7f",
    "\u202eevil\u200b",
    "=1+1",
    "é 猫 😀",
    "\u00a0x",
    "NaN",
    "null",
    "\\",
]


@pytest.fixture(scope="module")
def session_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with values in every column, and with hostile texts."""
    path = tmp_path_factory.mktemp("tables") / "s.duckdb"
    filled.write_filled(path)
    con = create_or_open(path, protocol_tables())
    for at, text in enumerate(HOSTILE):
        con.execute(
            "INSERT INTO http(flow_id, ts, method, uri) VALUES (?, make_timestamp_ns(?), NULL, ?)",
            [at, -1_000_000_001 + at * 7 * 10**17, text],
        )
        con.execute("INSERT INTO dns(flow_id, query, answers) VALUES (?, ?, ?)", [at, text, [text, None, "b"]])
    for number in (float("nan"), float("inf"), 1e-7, 0.1, 1e22, 5.0, None):
        con.execute("INSERT INTO dns(rtt_ms) VALUES (?)", [number])
    con.execute("CHECKPOINT")
    close(con)
    return path


def written(session: Session, folder: Path) -> Path:
    with ExportFolder(folder) as export:
        assert tables.write_csv(session, export) == []
        assert tables.write_jsonl(session, export) == []
        assert tables.write_parquet(session, export) == []
        export.publish()
    return folder


class Reading(Session):
    """A session that is read statement by statement, as one that is being written."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = str(path)
        self._file = FileSession(path)

    def stream(self, *arguments: Any, **options: Any) -> Any:
        return self._file.stream(*arguments, **options)

    def close(self) -> None:
        self._file.close()


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


def parquet(path: Path) -> tuple[list[str], list[tuple[Any, ...]]]:
    with duckdb.connect() as con:
        rows = [tuple(map(repr, row)) for row in con.execute(f"FROM '{path}'").fetchall()]
        return [f"{name} {kind}" for name, kind, *_ in con.execute(f"DESCRIBE FROM '{path}'").fetchall()], rows


def test_both_ways_of_writing_have_the_same_values(session_path: Path, tmp_path: Path) -> None:
    with open_session(session_path) as session:
        assert isinstance(session, FileSession)
        fast = written(session, tmp_path / "fast")
    with Reading(session_path) as reading:
        slow = written(reading, tmp_path / "slow")
    names = {path.relative_to(fast) for path in fast.rglob("*.*")}
    assert names == {path.relative_to(slow) for path in slow.rglob("*.*")}
    assert len(names) > 3 * 60
    for name in sorted(names):
        one, two = fast / name, slow / name
        if name.suffix == ".csv":
            with one.open(newline="", encoding="utf-8") as first, two.open(newline="", encoding="utf-8") as second:
                assert [*csv.reader(first)] == [*csv.reader(second)], name
        elif name.suffix == ".parquet":
            assert parquet(one) == parquet(two), name
        elif name.suffix == ".jsonl":
            assert lines_of(one) == lines_of(two), name
        else:
            assert json.loads(one.read_text()) == json.loads(two.read_text()), name


def test_null_and_empty_text_stay_apart_and_lines_are_those_of_results(session_path: Path, tmp_path: Path) -> None:
    with open_session(session_path) as session:
        out = written(session, tmp_path / "out")
        with session.stream("FROM http") as rows, (tmp_path / "http.csv").open("w", newline="") as stream:
            write_result(rows, "csv", stream)
    assert (out / "csv" / "http.csv").read_bytes() == (tmp_path / "http.csv").read_bytes()
    raw = (out / "jsonl" / "http.jsonl").read_text()
    assert not {"\x1b", "\x07", "\x7f", "\u202e", "\u200b"} & set(raw)
    assert "😀" in raw


def test_a_spreadsheet_runs_no_formula(session_path: Path, tmp_path: Path) -> None:
    with open_session(session_path) as session, ExportFolder(tmp_path / "out") as folder:
        tables.write_csv(session, folder, spreadsheet=True)
        folder.publish()
    with (tmp_path / "out" / "csv" / "http.csv").open(newline="") as lines:
        assert "'=1+1" in {row["uri"] for row in csv.DictReader(lines)}


def test_schema_describes_every_file_and_column(tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "sample_pcaps" / "web.pcap"
    replay(tmp_path / "s.duckdb", sample).con.close()
    with open_session(tmp_path / "s.duckdb") as session:
        out = written(session, tmp_path / "out")
    for form in ("csv", "jsonl", "parquet"):
        data = json.loads((out / form / "schema.json").read_text())
        files = {entry["file"]: entry for entry in data["tables"]}
        assert {path.name for path in (out / form).iterdir()} == {*files, "schema.json"}
        assert data["redaction"] is None
        assert "flows_ended.csv" not in files
        for entry in files.values():
            assert entry["meaning"]
            assert entry["rows"] > 0
            assert all(column["meaning"] and column["kind"] for column in entry["columns"]), entry["table"]
    with (out / "csv" / "flows.csv").open(newline="") as lines:
        assert next(csv.reader(lines)) == [column["name"] for column in files["flows.parquet"]["columns"]]
