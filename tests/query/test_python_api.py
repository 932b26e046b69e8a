"""The Python API over a session's file."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import rustnet
from rustnet.errors import RustnetError, UsageError
from rustnet.query.execute import QueryError, QueryStoppedError, QueryTimeoutError
from rustnet.query.session import FileSession, Session

ENDLESS = (
    "SELECT count(*) FROM range(100000000000) t(a) WHERE a % 7 = 3",
    "SELECT * FROM range(100000000000) t(a) WHERE a < 0",
)


@pytest.fixture(scope="module")
def opened(con: FileSession, session_path: Path) -> Session:
    return con


def test_open_gives_a_session_that_closes_itself(session_path: Path, ids: dict[str, int]) -> None:
    with rustnet.open(session_path) as s:
        assert isinstance(s, rustnet.Session)
        assert s.path == str(session_path)
        assert s.sql("SELECT count(*) FROM flows WHERE flow_id = ?", [ids["web"]]).rows == [(1,)]
    with pytest.raises(RustnetError):
        s.sql("SELECT 1")


def test_flows_by_filter(opened: Session, ids: dict[str, int]) -> None:
    found = opened.flows("app:tls")
    assert [row[found.columns.index("flow_id")] for row in found.rows] == [ids["web"]]
    assert {"source", "bytes", "src_ip", "end_reason", "started_at"} <= set(found.columns)
    few = opened.flows("", columns=["flow_id", "bytes"], sort=["-bytes"], limit=2)
    assert (few.columns, len(few.rows), few.truncated) == (("flow_id", "bytes"), 2, True)
    assert few.rows[0][1] >= few.rows[1][1]
    with pytest.raises(UsageError, match="unknown keyword"):
        opened.flows("nothing:x")


def test_saved_queries_take_parameters(opened: Session) -> None:
    assert opened.query("slow-dns", least="1ms").rows
    assert [row[4] for row in opened.query("slow-dns", least="151ms").rows] == ["no answer in the capture"]
    assert len(opened.query("top-talkers", limit=1).rows) == 1
    with pytest.raises(UsageError, match="unknown parameter"):
        opened.query("slow-dns", lest="1ms")


def test_a_flow_and_what_belongs_to_it(opened: Session, ids: dict[str, int]) -> None:
    web = opened.flow(ids["web"])
    assert web.flow["flow_id"] == ids["web"]
    assert [m.table for m in opened.messages(ids["web"])] == [m.table for m in web.messages]
    assert web.messages
    assert opened.packets(ids["web"]).columns[:3] == ("number", "ts", "from_src")
    with pytest.raises(RustnetError, match="no flow 999999"):
        opened.flow(999_999)


def test_lists(opened: Session) -> None:
    assert opened.captures().rows
    assert "process" in opened.processes().columns
    assert opened.hosts().rows


def test_a_question_ends_at_its_time(opened: Session) -> None:
    for sql in ENDLESS:
        begun = time.monotonic()
        with pytest.raises(QueryTimeoutError, match=r"longer than 0\.3 s"):
            opened.sql(sql, seconds=0.3)
        assert time.monotonic() - begun < 5
    assert opened.sql("SELECT 1").rows == [(1,)]


def test_the_time_is_that_of_the_query_and_not_of_its_reader(opened: Session) -> None:
    with opened.stream("SELECT * FROM range(10000)", seconds=0.5) as rows:
        rows.fetch(10)
        time.sleep(0.7)
        assert len(rows.fetch(5000)) == 5000


def test_closing_ends_what_works(session_path: Path, ids: dict[str, int]) -> None:
    s = FileSession(session_path)
    threading.Timer(0.3, s.interrupt_all).start()
    with pytest.raises(QueryStoppedError):
        s.sql(ENDLESS[0])
    s.close()


@pytest.mark.parametrize("sql", ENDLESS)
def test_ctrl_c_ends_a_query_at_once(session_path: Path, ids: dict[str, int], sql: str) -> None:
    code = "import sys; from rustnet.cli.main import main; print('begins', flush=True); sys.exit(main(sys.argv[1:]))"
    arguments = [sys.executable, "-c", code, "query", str(session_path), "--sql", sql]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        time.sleep(1.5)
        begun = time.monotonic()
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
        assert time.monotonic() - begun < 3
        assert child.stderr.read() == "rustnet: interrupted\n"


def test_frames_need_their_library(opened: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    result = opened.sql("SELECT 1 AS a")
    for library, method, advice in (("pandas", "df", r"rustnet\[notebook\]"), ("pyarrow", "arrow", "pyarrow"),
                                    ("polars", "pl", "polars")):  # fmt: skip
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(RustnetError, match=f"{library} is not installed; install it with 'pip install {advice}'"):
            getattr(result, method)()


TYPES = """SELECT make_timestamp_ns(1714557600123456789) AS t, 1::UTINYINT AS a, NULL::BIGINT AS b, 'x' AS c, true AS d,
    1.5::DOUBLE AS e, (1::UHUGEINT << 100) AS h, [1, 2] AS l
UNION ALL SELECT NULL, NULL, 9007199254740993, NULL, NULL, NULL, NULL, NULL"""


def test_pandas_keeps_nanoseconds_and_integers(opened: Session) -> None:
    pandas = pytest.importorskip("pandas")
    frame = opened.sql(TYPES).df()
    assert str(frame["t"].dtype) == "datetime64[ns, UTC]"
    assert frame["t"][0].value == 1714557600123456789
    assert frame["t"][1] is pandas.NaT
    assert (str(frame["a"].dtype), str(frame["b"].dtype)) == ("UInt8", "Int64")
    assert frame["b"][1] == 9007199254740993
    assert frame["h"][0] == 1 << 100
    assert list(frame["c"]) == ["x", None]
    assert len(opened.flows().df()) == len(opened.flows().rows)
    assert list(opened.sql("SELECT 1 AS a WHERE false").df().columns) == ["a"]


def test_arrow_and_polars_keep_them_too(opened: Session) -> None:
    pytest.importorskip("pyarrow")
    table = opened.sql(TYPES).arrow()
    assert table["t"].cast("int64").to_pylist() == [1714557600123456789, None]
    assert table["b"].to_pylist() == [None, 9007199254740993]
    pytest.importorskip("polars")
    frame = opened.sql(TYPES).pl()
    assert frame["b"].to_list() == [None, 9007199254740993]
    assert frame["t"].dt.timestamp("ns").to_list() == [1714557600123456789, None]


def test_notebooks_show_text_as_text(opened: Session) -> None:
    shown = opened.sql("SELECT '<script>' || chr(27) AS a, make_timestamp_ns(0) AS t")._repr_html_()
    assert "&lt;script&gt;\\x1b" in shown
    assert "<script>" not in shown
    assert "1970-01-01 00:00:00.000000Z" in shown


def test_every_column_of_a_result_has_a_kind_or_none(opened: Session) -> None:
    result = opened.flows(limit=1)
    assert len(result.kinds) == len(result.columns)


def test_a_query_that_does_more_than_read_is_refused(opened: Session) -> None:
    with pytest.raises(QueryError, match="only reads"):
        opened.sql("DROP TABLE flows_ended")


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."}
    )
    return done.stdout.strip()


def test_importing_rustnet_loads_nothing_heavy() -> None:
    code = """
import sys, time
begun = time.perf_counter()
import rustnet
took = time.perf_counter() - begun
heavy = {"duckdb", "numpy", "pandas", "click", "rustnet.query", "rustnet.ingest"}
assert took < 0.1, took
print(sorted(heavy & sys.modules.keys()), rustnet.__version__)
"""
    assert run(code) == f"[] {rustnet.__version__}"


def test_readers_load_no_engine(session_path: Path, ids: dict[str, int]) -> None:
    code = f"""
import sys, rustnet
with rustnet.open({str(session_path)!r}) as s:
    s.flows("app:tls"); s.hosts(); s.processes(); s.captures(); s.messages(1); s.query("slow-dns")
rooms = ("engine", "dissect", "sources", "analysis", "ingest", "attribute", "derive")
print(sorted(name for name in sys.modules if name.startswith(tuple(f"rustnet.{{room}}" for room in rooms))))
"""
    assert run(code) == "[]"
