"""Readers of a session that is being written: over the socket of its writer."""

import contextlib
import json
import os
import select
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rustnet
from rustnet.dissect import registry
from rustnet.errors import SessionError
from rustnet.ingest import serving
from rustnet.query import remote, server, wire
from rustnet.query.execute import QueryError, QueryFailedError, QueryStoppedError, QueryTimeoutError
from rustnet.query.remote import RemoteSession
from rustnet.query.session import FileSession
from rustnet.records import table_name
from rustnet.store.batches import Rows
from rustnet.store.session import SessionLockedError
from rustnet.store.tables import Capture
from rustnet.store.writer import Writer

(DNS,) = [table for table in registry.tables() if table_name(table) == "dns"]
ENDLESS = "SELECT count(*) FROM range(100000000000) t(a) WHERE a % 7 = 3"


def until(what: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


class Writing:
    """A session that is being written in this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.serving: serving.Serving | None = None
        self.rows = 0

        def serve(con: object) -> serving.Serving:
            self.serving = serving.Serving(str(path), con)  # type: ignore[arg-type]
            return self.serving

        self.writer = Writer(str(path), registry.tables(), on_open=serve)
        self.writer.begin_capture(Capture(1, "made.pcap", "file", "pcap"))
        self.put(10)
        until(lambda: self.serving is not None and self.serving.server is not None)

    @property
    def server(self) -> server.SessionServer:
        assert self.serving is not None
        assert self.serving.server is not None
        return self.serving.server

    def put(self, count: int) -> None:
        """Store so many rows, for readers to see."""
        self.writer.put([Rows(DNS, [(DNS(), 1, 1_000, self.rows + n) for n in range(1, count + 1)])])
        self.writer.commit()
        self.rows += count

    def idle(self) -> bool:
        return not self.server._session._working and not self.server._clients


@pytest.fixture
def writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writing]:
    monkeypatch.setattr(serving, "DELAY", 0.0)
    made = Writing(tmp_path / "s.duckdb")
    yield made
    made.writer.close()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writing]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(serving, "DELAY", 0.0)
        made = Writing(tmp_path_factory.mktemp("written") / "s.duckdb")
    yield made
    made.writer.close()


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may look into."""
    with tempfile.TemporaryDirectory(prefix="rustnet.") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def count(s: rustnet.Session) -> int:
    return int(s.sql("SELECT count(*) FROM dns").rows[0][0])


def test_a_reader_sees_what_is_stored_from_moment_to_moment(writing: Writing) -> None:
    with rustnet.open(writing.path) as s:
        assert isinstance(s, RemoteSession)
        assert count(s) == 10
        writing.put(5)
        assert count(s) == 15
        assert s.captures().rows[0][:2] == (1, "made.pcap")
        assert s.flows("port:53").rows == []
        assert s.columns()["dns"]["query"] == "VARCHAR"
        writing.writer.close()
        assert count(s) == 15  # the file answers now
        assert s.sql("SELECT complete FROM captures").rows == [(False,)]
    assert not writing.server.path.exists()


def test_open_flows_are_open_while_somebody_writes(writing: Writing) -> None:
    required = writing.writer.query(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'flows_open' AND NOT is_nullable"
    )
    values = {name: "'x'" if kind == "VARCHAR" else "make_timestamp_ns(1)" if kind == "TIMESTAMP_NS" else "0"
              for name, kind in required}  # fmt: skip
    sql = f"INSERT INTO flows_open ({', '.join(values)}) VALUES ({', '.join(values.values())})"
    writing.writer.execute(lambda con: con.execute(sql))
    writing.writer.commit()
    with rustnet.open(writing.path) as s:
        assert [row[0] for row in s.flows(columns=["end_reason"]).rows] == ["open"]
        writing.writer.close()
        assert [row[0] for row in s.flows(columns=["end_reason"]).rows] == ["interrupted"]


VALUES = """SELECT make_timestamp_ns(1714557600123456789) AS a, TIMESTAMP '2024-05-01 10:00:00.000001' AS b,
    DATE '2024-05-01' AS c, TIME '10:00:00.5' AS d, 12.50::DECIMAL(9, 3) AS e, '\\x00\\xFF'::BLOB AS f,
    (1::UHUGEINT << 127) AS g, -(1::HUGEINT << 120) AS h, [1, NULL, 3] AS i, {'x': 1, 'y': 'é\\n"'} AS j,
    MAP {'k': [1.5]} AS k, '84d1f1a2-1f57-4d4e-8a7c-7a1f6a3a4d5e'::UUID AS l, 'nan'::DOUBLE AS m, '-inf'::DOUBLE AS n,
    true AS o, NULL AS p, INTERVAL 1 DAY AS q, array_value(1, 2) AS r, '101'::BIT AS s, 0.1::FLOAT AS t,
    [DATE '2024-05-01'] AS u, TIMESTAMPTZ '2024-05-01 12:00:00+02' AS v, chr(127) || '😀' AS w"""


def test_values_and_types_come_as_from_a_file(lasting: Writing, con: FileSession) -> None:
    with rustnet.open(lasting.path) as s:
        there, here = s.sql(VALUES), con.sql(VALUES)
        assert there.types == here.types
        assert there.columns == here.columns
        assert [repr(value) for value in there.rows[0]] == [repr(value) for value in here.rows[0]]
        given = [1 << 100, "é", None, 1.5, b"\0\xff", True, [1, 2]]
        asked = "SELECT " + ", ".join("?" for _ in given)
        assert s.sql(asked, given).rows == con.sql(asked, given).rows
        assert s.sql("SELECT $a + 1", {"a": 1}).rows == [(2,)]


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.dates()
    | st.times() | st.datetimes() | st.decimals(allow_nan=False) | st.uuids(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
))  # fmt: skip
def test_every_value_survives_the_wire(value: object) -> None:
    again = wire.decode(json.loads(json.dumps(wire.encode(value))))
    assert again == value
    assert type(again) is type(value)


def test_large_answers_come_in_bounded_messages(lasting: Writing) -> None:
    with rustnet.open(lasting.path) as s:
        long = " || ".join(["repeat('x', 1000)"] * 5)
        rows = s.sql(f"SELECT range AS a, left({long}, range % 5000) AS b FROM range(20000)").rows
        assert [row[0] for row in rows] == list(range(20000))
        assert sum(len(row[1]) for row in rows) == sum(n % 5000 for n in range(20000))
        with s.stream("SELECT range FROM range(1000000000)") as few:
            assert few.fetch(5000) == [(n,) for n in range(5000)]
        until(lasting.idle)
        first = s.sql("SELECT range FROM range(1000000000)", limit=3)
        assert (first.rows, first.truncated) == ([(0,), (1,), (2,)], True)
        with pytest.raises(QueryFailedError, match="a row is larger"):
            s.sql(f"SELECT string_agg(repeat('x', 1000), '') FROM range({wire.MAX_MESSAGE // 1000 + 1})")


REFUSED = [
    "DROP TABLE dns",
    "INSERT INTO meta VALUES ('a', 'b')",
    "SET threads = 8",
    "SELECT 1; SELECT 2",
    "CHECKPOINT",
    "FROM checkpoint()",
    "FROM force_checkpoint('session')",
    "WITH a AS (FROM FORCE_checkpoint()) FROM a",
    "SELECT * FROM \"enable_logging\"('QueryLog')",
    "FROM query('FROM force_' || 'checkpoint()')",
    "FROM json_execute_serialized_sql(json_serialize_sql('FROM checkpoint()'))",
    "EXPLAIN ANALYZE SELECT * FROM checkpoint()",
    "SELECT write_log('x')",
    "SELECT (SELECT sleep_ms(1000))",
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM '/etc/passwd'",
    "FROM glob('/*')",
    "FROM pandas_scan(1)",
    "SELECT * FROM sys",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
]


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("sql", REFUSED)
def test_what_does_more_than_read_is_refused(lasting: Writing, sql: str, own: bool) -> None:
    with rustnet.open(lasting.path) as s:
        with pytest.raises(QueryError) as caught, s.stream(sql, own=own) as rows:
            rows.fetch()
        assert "\n" not in str(caught.value)
        assert count(s) == lasting.rows


def test_every_way_of_reading_works(lasting: Writing) -> None:
    with rustnet.open(lasting.path) as s:
        for sql in ("FROM dns LIMIT 1;", "WITH x AS (SELECT 1) SELECT * FROM x -- end", "VALUES (1)", "DESCRIBE dns",
                    "SHOW TABLES", "SUMMARIZE dns", "EXPLAIN SELECT * FROM dns", "explain analyze select 1",
                    "PIVOT dns ON query IN ('a') USING count(*) GROUP BY packet", "FROM range(3)",
                    "SELECT unnest([1, 2])", "FROM duckdb_columns()"):  # fmt: skip
            assert s.sql(sql).columns
        with pytest.raises(QueryError, match=r"SQL, line 2, column 6:.*nothing_there"):
            s.sql("SELECT *\nFROM nothing_there")


def test_an_endless_query_ends_at_its_time_and_the_writer_goes_on(writing: Writing) -> None:
    with rustnet.open(writing.path) as s:
        begun = time.monotonic()
        with pytest.raises(QueryTimeoutError, match=r"longer than 0\.5 s"):
            s.sql(ENDLESS, seconds=0.5)
        assert time.monotonic() - begun < 5
        writing.put(10)
        assert count(s) == 20


def test_a_query_is_interrupted_from_another_thread(writing: Writing) -> None:
    with rustnet.open(writing.path) as s:
        timer = threading.Timer(0.5, s.interrupt_all)
        timer.start()
        begun = time.monotonic()
        with pytest.raises(QueryStoppedError):
            s.sql(ENDLESS)
        assert time.monotonic() - begun < 5
        timer.join()
        until(writing.idle)
        assert s.being_written
        assert count(s) == 10
        assert s.interrupt_all() == 0


def ask(path: Path, sql: str) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.connect(str(wire.socket_path(path)))
    link.sendall(wire.pack({"sql": sql}))
    return link


def test_a_reader_that_goes_away_ends_its_query(writing: Writing) -> None:
    link = ask(writing.path, ENDLESS)
    until(lambda: bool(writing.server._session._working))
    link.close()
    until(writing.idle)
    link = ask(writing.path, "SELECT range, repeat('x', 1000) FROM range(100000000)")  # never read
    until(lambda: bool(writing.server._session._working))
    time.sleep(0.5)
    link.close()
    until(writing.idle)


def test_a_reader_that_does_not_read_is_given_up(writing: Writing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "READER_SECONDS", 0.3)
    with ask(writing.path, "SELECT range, repeat('x', 1000) FROM range(100000000)"):
        until(writing.idle)


def test_a_connection_without_a_request_is_closed(writing: Writing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.3)
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(wire.socket_path(writing.path)))
        begun = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - begun < 10:  # a byte now and then does not make the time longer
                link.sendall(b"\0")
                time.sleep(0.1)
        assert time.monotonic() - begun < 5


def test_too_many_readers_are_refused_and_the_writer_may_end_them_all(writing: Writing) -> None:
    links = [ask(writing.path, ENDLESS) for _ in range(server.CLIENTS)]
    until(lambda: len(writing.server._session._working) == server.CLIENTS)
    with pytest.raises(remote.BusyError, match="too many readers"):
        rustnet.open(writing.path)
    writing.put(10)
    assert writing.server.interrupt_all() == server.CLIENTS
    for link in links:
        answer = wire.receive(link, wire.MAX_MESSAGE)
        assert answer["error"] == "QueryStoppedError"
        link.close()
    until(writing.idle)
    with rustnet.open(writing.path) as s:
        assert count(s) == 20


def test_the_writer_ends_while_somebody_asks(writing: Writing) -> None:
    """What has no answer yet is asked of the file; what was half answered is an error."""
    answers: list[object] = []

    def reader() -> None:
        with rustnet.open(writing.path) as s:
            answers.append(s.sql("SELECT count(*), max(sin(a)) > 2 FROM range(50000000) t(a), dns LIMIT 1").rows)

    with rustnet.open(writing.path) as s, s.stream("SELECT range FROM range(1000000000)") as half:
        half.fetch(10)
        writing.writer.execute(lambda con: con.execute("DELETE FROM dns WHERE packet > 1"))
        writing.writer.commit()
        thread = threading.Thread(target=reader)
        thread.start()
        until(lambda: len(writing.server._session._working) == 2)
        begun = time.monotonic()
        writing.writer.close()
        assert time.monotonic() - begun < 10
        with pytest.raises(QueryStoppedError, match=r"the answer ended early|stopped before its end"):
            for _ in half.batches():
                pass
    thread.join(60)
    assert answers == [[(50_000_000, False)]]


def test_the_socket_is_the_users_alone(lasting: Writing) -> None:
    there = os.lstat(lasting.server.path)
    assert stat.S_ISSOCK(there.st_mode)
    assert stat.S_IMODE(there.st_mode) == 0o600


ASK = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.path.insert(0, sys.argv[2])
from rustnet.errors import RustnetError
from rustnet.query.session import open_session
try:
    print(open_session(sys.argv[1]).sql("SELECT 1").rows)
except RustnetError as error:
    print(type(error).__name__, str(error).partition(": ")[2])
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs a second user")
@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_a_second_user_is_refused(public: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    """By the socket's mode; and where somebody opened that up, by what the system says of the peer."""
    monkeypatch.setattr(serving, "DELAY", 0.0)
    writing = Writing(public / "s.duckdb")
    writing.path.chmod(0o644)
    writing.server.path.chmod(mode)
    copy = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(writing.path), str(copy)], capture_output=True, text=True, check=False
    )
    if "Traceback" in done.stderr and "Permission" in done.stderr:
        pytest.skip("the second user cannot read the program")
    assert done.stdout.startswith("RefusedError"), done.stderr
    assert "is being written by another user" in done.stdout
    with rustnet.open(writing.path) as s:
        assert count(s) == 10
    writing.writer.close()


KEYS = ["sql", "params", "own", "seconds", "rows", "b", "n", "t", "m", "p", "u"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(lambda body: struct.pack(">I", len(body)) + body),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS), inner),
        max_leaves=10,
    ).map(wire.pack),  # type: ignore[arg-type]
    st.fixed_dictionaries({"sql": st.text(max_size=50), "params": st.lists(st.integers()), "rows": st.just(3)})
    .map(wire.pack),
    st.fixed_dictionaries({"sql": st.sampled_from(["SELECT ?", "SELECT $a", "FROM dns"]), "params": st.dictionaries(
        st.sampled_from(["a", "b"]), st.dictionaries(st.sampled_from("bntdhupm"), st.text() | st.integers()))})
    .map(wire.pack),
), st.booleans())  # fmt: skip
def test_any_bytes_cost_one_connection_and_nothing_else(lasting: Writing, sent: bytes, cut: bool) -> None:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(20)
        link.connect(str(lasting.server.path))
        link.sendall(sent)
        if cut:
            link.shutdown(socket.SHUT_WR)
        elif len(sent) >= 4 and struct.unpack(">I", sent[:4])[0] <= len(sent) - 4:
            while link.recv(1 << 16):
                pass
    assert lasting.server._thread.is_alive()
    assert lasting.writer.error is None


def test_the_writer_lives_on_after_all_that(lasting: Writing) -> None:
    with socket.socket(socket.AF_UNIX) as link:  # a request that claims to be large is not waited for
        link.connect(str(lasting.server.path))
        link.sendall(struct.pack(">I", wire.MAX_REQUEST + 1))
        assert wire.receive(link, wire.MAX_MESSAGE)["error"] == "QueryError"
    until(lasting.idle)
    before = lasting.rows
    lasting.put(7)
    with rustnet.open(lasting.path) as s:
        assert count(s) == before + 7


def test_a_crashed_writers_socket_is_seen_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DELAY", 0.0)
    path = tmp_path / "s.duckdb"
    Writer(str(path), registry.tables()).close()
    code = f"import socket; s = socket.socket(socket.AF_UNIX); s.bind({str(wire.socket_path(path))!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert wire.socket_path(path).is_socket()
    with rustnet.open(path) as s:
        assert isinstance(s, FileSession)
    made = Writing(path)
    with rustnet.open(path) as s:
        assert isinstance(s, RemoteSession)
        assert count(s) == 10
    made.writer.close()


def test_what_is_no_socket_is_neither_replaced_nor_followed(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    precious = tmp_path / "precious"
    precious.write_text("kept")
    place = wire.socket_path(path)
    for make in (lambda: place.write_text("kept"), lambda: place.symlink_to(precious), place.mkdir):
        make()
        with pytest.raises(SessionError, match="another file has this name"):
            server.SessionServer(path, lambda: None).start()  # type: ignore[arg-type, return-value]
        assert place.is_dir() or place.read_text() == "kept"
        if place.is_dir():
            place.rmdir()
        else:
            place.unlink()
    assert precious.read_text() == "kept"
    precious.chmod(0o600)


def test_long_paths_have_a_socket_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DELAY", 0.0)
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    for name in ("s.duckdb", "n" * 200 + ".duckdb"):
        made = Writing(folder / name)
        with rustnet.open(folder / name) as s:
            assert isinstance(s, RemoteSession)
            assert count(s) == 10
        made.writer.close()
        assert [p.name for p in folder.iterdir() if p.is_socket()] == []


def test_a_writer_without_a_socket_is_waited_for_and_then_named(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    code = (
        "import sys; from rustnet.store.session import create_or_open; c = create_or_open(sys.argv[1], []); "
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(SessionLockedError, match=f"process {child.pid}"):
            rustnet.open(path)
        assert child.stdin is not None
        threading.Timer(0.5, child.stdin.close).start()
        with rustnet.open(path) as s:
            assert isinstance(s, FileSession)


def test_many_questions_cost_the_writer_no_row(writing: Writing) -> None:
    stop = threading.Event()
    asked: list[int] = []

    def reader() -> None:
        with rustnet.open(writing.path) as s:
            while not stop.is_set():
                asked.append(count(s))

    threads = [threading.Thread(target=reader) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        writing.put(1000)
    stop.set()
    for thread in threads:
        thread.join()
    assert asked
    assert set(asked) <= {10 + 1000 * n for n in range(21)}
    with rustnet.open(writing.path) as s:
        assert count(s) == 20_010


REPLAY = """
import sys
from rustnet.ingest import serving
serving.DELAY = 0.0
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest

def wait(session):
    print("stored", flush=True)
    sys.stdin.read()

ingest([sys.argv[1]], sys.argv[2], Options(), ask=wait)
"""
SAMPLE = Path(__file__).parents[2] / "sample_pcaps" / "web.pcap"
COMMANDS = (
    ("flows", "{s}"), ("flows", "{s}", "app:tls", "--format", "json"), ("flows", "{s}", "host:/a[b-z]/", "-f", "csv"),
    ("stats", "{s}", "--by", "app"), ("stats", "{s}"), ("processes", "{s}"), ("hosts", "{s}"), ("show", "{s}", "1"),
    ("show", "{s}", "1", "--json"), ("query", "{s}", "top-talkers", "-f", "json"), ("verify", "{s}"),
    ("query", "{s}", "--sql", "SELECT * FROM packets", "-f", "csv"), ("query", "{s}", "--sql", "SELEC"),
    ("flows", "{s}", "nothing:1"), ("flows", "{s}", "host:/(/"), ("export", "{s}", "--sidecar", "-o", "-"),
    ("extract", "{s}", "app:tls", "-o", "{s}.pcapng"), ("stats", "{s}", "app:tls", "--show", "hierarchy"),
    ("stats", "{s}", "--show", "rates", "-f", "csv"), ("stats", "{s}", "--show", "response-times"),
)  # fmt: skip


def test_every_command_has_the_same_output_while_a_session_is_written(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"

    def outputs() -> list[tuple[int, bytes, bytes]]:
        made = []
        for words in COMMANDS:
            command = [sys.executable, "-m", "rustnet", *(word.format(s=path) for word in words)]
            done = subprocess.run(command, capture_output=True, check=False, timeout=120)
            written = Path(f"{path}.pcapng")
            made.append(
                (done.returncode, done.stdout + (written.read_bytes() if written.exists() else b""), done.stderr)
            )
            written.unlink(missing_ok=True)
        return made

    with subprocess.Popen(
        [sys.executable, "-c", REPLAY, str(SAMPLE), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert select.select([child.stdout], [], [], 60)[0]
        child.stdout.readline()
        assert wire.socket_path(path).is_socket()
        while_written = outputs()
        child.stdin.close()
        assert child.wait(60) == 0
    assert not wire.socket_path(path).exists()
    for words, before, after in zip(COMMANDS, while_written, outputs(), strict=True):
        assert before == after, words
    assert sum(code == 0 for code, _, _ in while_written) >= 12


GREEDY = (
    "SELECT list(md5(range::VARCHAR)) FROM range(5000000)",
    "SELECT count(*) FROM (SELECT DISTINCT md5(range::VARCHAR) FROM range(20000000))",
)


def test_the_memory_of_readers_is_not_the_writers(writing: Writing) -> None:
    """Several queries that want all memory there is end with a line each; the writer stores all its rows."""
    stop = threading.Event()
    ends: list[str] = []

    def reader(sql: str) -> None:
        with rustnet.open(writing.path) as s:
            while not stop.is_set():
                try:
                    s.sql(sql, limit=1, seconds=20)
                except QueryFailedError as error:
                    ends.append(str(error))

    threads = [threading.Thread(target=reader, args=(sql,)) for sql in GREEDY * 2]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    while not any("more memory" in words for words in ends) and time.monotonic() - begun < 60:
        writing.put(20_000)
    writing.put(20_000)
    stop.set()
    writing.server.interrupt_all()
    for thread in threads:
        thread.join()
    assert any("more memory" in words for words in ends)
    with rustnet.open(writing.path) as s:
        assert count(s) == writing.rows
    limit = "SELECT current_setting('memory_limit')"
    until(lambda: "244" in writing.writer.query(limit)[0][0])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs a second user")
def test_another_users_stale_socket_is_seen_through(public: Path) -> None:
    path = public / "s.duckdb"
    Writer(str(path), registry.tables()).close()
    path.chmod(0o644)
    with socket.socket(socket.AF_UNIX) as link:
        link.bind(str(wire.socket_path(path)))
    wire.socket_path(path).chmod(0o600)
    copy = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(path), str(copy)], capture_output=True, text=True, check=False
    )
    if "Traceback" in done.stderr and "Permission" in done.stderr:
        pytest.skip("the second user cannot read the program")
    assert done.stdout == "[(1,)]\n", done.stderr
