"""The Python API over a session's file."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

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


def test_a_flow_is_a_page(opened: Session, ids: dict[str, int]) -> None:
    shown = opened.flow(ids["web"])._repr_html_()
    for text in (f"Flow {ids['web']}: tcp", "tls", "www.example.com (learned from sni)", "firefox (4242) of alice",
                 "sni = www.example.com", "Both ends"):  # fmt: skip
        assert text in shown, text
    assert "www.example.com" in opened.messages(ids["web"])._repr_html_()
    for flow_id in ids.values():
        assert "<script" not in opened.flow(flow_id)._repr_html_()


def test_a_session_is_an_overview(opened: Session) -> None:
    shown = opened._repr_html_()
    assert "x.pcap" in shown
    assert f"{opened.sql('SELECT count(*) FROM flows').rows[0][0]} flows" in shown
    assert repr(opened) == f"<FileSession {Path(opened.path).name}>"
    assert not opened.being_written


def test_what_a_session_contains(opened: Session) -> None:
    tables = {row[0]: row for row in opened.tables().rows}
    assert tables["flows"][1] == opened.sql("SELECT count(*) FROM flows").rows[0][0]
    assert tables["hosts"][1] is None
    assert "flows_ended" not in tables
    assert "dnp3" not in tables
    assert "dnp3" in {row[0] for row in opened.tables(empty=True).rows}
    assert all(row[3] for row in opened.tables(empty=True).rows)
    described = {row[0]: row for row in opened.describe("dns").rows}
    assert described["rtt_ms"][1:3] == ("DOUBLE", "duration")
    assert all(row[3] for row in opened.describe("connections").rows)
    queries = {row[0]: row for row in opened.queries().rows}
    assert any("least=100ms (duration)" in text for text in queries["slow-dns"][queries_parameters(opened)])


def queries_parameters(opened: Session) -> int:
    return opened.queries().columns.index("parameters")


def test_numbers_of_frames_are_values(opened: Session) -> None:
    numpy = pytest.importorskip("numpy")
    sql = "SELECT flow_id FROM flows WHERE flow_id = $n AND $f > 1 AND $b"
    values = {"n": numpy.int32(2), "f": numpy.float32(1.5), "b": numpy.bool_(True)}
    assert opened.sql(sql, values).rows == [(2,)]
    assert opened.sql("SELECT ?", [numpy.uint8(200)]).rows == [(200,)]
    assert opened.flow(numpy.int64(2)).flow["flow_id"] == 2


def test_a_saved_query_that_was_cut_says_so(opened: Session) -> None:
    every = opened.query("top-talkers")
    assert not every.truncated
    some = opened.query("top-talkers", limit=len(every) - 1)
    assert (some.rows, some.truncated) == (every.rows[:-1], True)
    exact = opened.query("top-talkers", limit=len(every))
    assert (exact.rows, exact.truncated) == (every.rows, False)


MISTAKES: tuple[tuple[Callable[[Any], object], str], ...] = (
    (lambda s: s.flow("x"), "flow_id: needs a whole number from 0 on, not 'x'"),
    (lambda s: s.flow(1.5), "flow_id: needs"),
    (lambda s: s.messages(-1), "flow_id: needs"),
    (lambda s: s.packets(999_999), "there is no flow 999999"),
    (lambda s: s.flows(3), "filter: is text"),
    (lambda s: s.flows(columns="flow_id,bites"), "unknown column 'bites': did you mean bytes"),
    (lambda s: s.flows(limit=-1), "limit: needs a whole number"),
    (lambda s: s.sql(3), "SQL: a statement is text"),
    (lambda s: s.sql("SELECT 1", seconds=0), "seconds: needs a number above 0"),
    (lambda s: s.sql("SELECT ?"), "SQL: "),
    (lambda s: s.query("slow-dsn"), "did you mean slow-dns"),
    (lambda s: s.query("slow-dns", least="soon"), "is not a duration"),
    (lambda s: s.processes("x:y"), "unknown keyword"),
    (lambda s: s.describe("dnss"), "there is 'dns'"),
    (lambda _s: rustnet.replay(db="x.duckdb"), "at least one capture"),
    (lambda _s: rustnet.replay("x.pcap", db="x.duckdb", speed=-1), "speed is a number above 0"),
    (lambda _s: rustnet.replay("x.pcap", db="x.duckdb", join=cast("Any", "maybe")), "join is auto, always or never"),
    (lambda _s: rustnet.open("/nowhere/x.duckdb"), "no such session"),
)


@pytest.mark.parametrize(("ask", "words"), MISTAKES, ids=[words for _, words in MISTAKES])
def test_a_mistake_is_an_error_of_one_sentence(opened: Session, ask: Callable[[Any], object], words: str) -> None:
    with pytest.raises(RustnetError) as caught:
        ask(opened)
    assert words in str(caught.value)


def test_a_query_that_does_more_than_read_is_refused(opened: Session) -> None:
    with pytest.raises(QueryError, match="only reads"):
        opened.sql("DROP TABLE flows_ended")


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."}
    )
    return done.stdout.strip()


def test_importing_rustnet_costs_and_starts_nothing() -> None:
    code = """
import sys, threading, time
before, begun, used = set(sys.modules), time.perf_counter(), time.process_time()
import rustnet
took, used = time.perf_counter() - begun, time.process_time() - used
assert min(took, used) < 0.1, (took, used)
loaded = {name.partition(".")[0] for name in sys.modules.keys() - before}
print(sorted(loaded - {"importlib", "warnings"}), threading.active_count(), rustnet.__version__)
"""
    assert run(code) == f"['rustnet'] 1 {rustnet.__version__}"


def test_help_and_completion_show_what_there_is() -> None:
    assert {"open", "replay", "Session", "ResultSet", "RustnetError", "QueryTimeoutError"} <= set(dir(rustnet))
    assert not {name for name in dir(rustnet) if name.startswith("_") and not name.startswith("__")}
    shown = run("import pydoc, rustnet; print(pydoc.render_doc(rustnet, renderer=pydoc.plaintext))")
    for text in ("class Session", "class ResultSet", "replay(*captures", "a capture becomes a DuckDB session"):
        assert text in shown, text
    for name in rustnet.__all__:
        assert getattr(rustnet, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        rustnet.opne  # type: ignore[attr-defined]  # noqa: B018


def test_readers_load_no_engine(session_path: Path, ids: dict[str, int]) -> None:
    code = f"""
import sys, rustnet
with rustnet.open({str(session_path)!r}) as s:
    s.flows("app:tls"); s.hosts(); s.processes(); s.captures(); s.messages(1); s.query("slow-dns")
rooms = ("engine", "dissect", "sources", "analysis", "ingest", "attribute", "derive")
print(sorted(name for name in sys.modules if name.startswith(tuple(f"rustnet.{{room}}" for room in rooms))))
"""
    assert run(code) == "[]"
