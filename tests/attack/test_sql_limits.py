"""Readers' SQL that takes all the memory, disk or time it can get."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import rustnet
from rustnet.query import limits
from rustnet.query.execute import QueryError, QueryFailedError
from rustnet.query.session import FileSession
from rustnet.store import session as store
from tests.support.command_line import Run
from tests.support.effort import wait_until

HUGE = (
    "SELECT repeat('x', 2000000000)",
    "SELECT length(repeat('x', 2000000000))",
    "SELECT rpad('x', 1000000000, 'a')",
    "SELECT lpad('x', 1000000000, 'a')",
    "SELECT list_resize([1], 1000000000)",
    "SELECT array_resize([1], 1000000000)",
    "SELECT list_sum(range(0, 400000000))",
    "SELECT len(generate_series(1, 400000000))",
    "SELECT format('{:2000000000}', 1)",
    "SELECT printf('%2000000000d', 1)",
    "SELECT hex(repeat('x', 1000000000))",
    "SELECT replace(repeat('x', 60000), 'x', repeat('x', 60000))",
    "SELECT regexp_replace(repeat('x', 60000), 'x', repeat('x', 60000), 'g')",
    "SELECT list_reduce(list_transform(range(1, 36), lambda i: 'x'), lambda a, b: a || a)",
    "SELECT repeat('x', 1000000) FROM range(100000)",
    "SELECT [repeat('x', 1000) FOR i IN range(10000000)]",
    "SELECT sum(length(repeat('x', (1000000 + range)::BIGINT))) FROM range(100000)",
)
"""Functions that make much of little, in one step."""

DOUBLED = ", ".join(
    ["a0 AS (SELECT 1 AS v)", *(f"a{n} AS (SELECT * FROM a{n - 1} x, a{n - 1} y)" for n in range(1, 41))]
)
HUGE_PLANS = (
    f"WITH {DOUBLED} SELECT count(*) FROM a40",
    "SELECT " + " || ".join(["sni"] * 100) + " FROM tls",
)
"""Statements that are planned for as long as their results would take."""

GROWING = (
    "SELECT string_agg(repeat('x', 1000)) FROM range(100000000)",
    "SELECT list(repeat('x', 1000)) FROM range(100000000)",
    "WITH RECURSIVE t(s) AS (SELECT 'xx' UNION ALL SELECT s || s FROM t WHERE length(s) < 4e9) SELECT max(s) FROM t",
    "WITH RECURSIVE t(s) AS (SELECT [1, 2] UNION ALL SELECT s || s FROM t WHERE len(s) < 4e9) SELECT max(s) FROM t",
    "WITH RECURSIVE t(s) AS (SELECT 1 UNION ALL SELECT 1 FROM t, range(10) WHERE s = 1) SELECT count(*) FROM t",
    "SELECT a.range FROM range(100000000) a, range(100000) b ORDER BY hash(a.range + b.range)",
)
"""Statements whose memory grows step by step."""

SPILLING = "SELECT a.range, b.range FROM range(30000) a, range(30000) b ORDER BY hash(a.range + b.range)"
ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE hash(a.range + b.range) = 1"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("session") / "s.duckdb"
    store.close(store.create_or_open(path, []))
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run command lines in this process."""
    return Run(monkeypatch)


ASK_ALL = """
import json, sys
import rustnet
from rustnet.errors import RustnetError
from rustnet.query.execute import QueryError
with rustnet.open(sys.argv[1]) as s:
    for sql in json.loads(sys.argv[2]):
        try:
            rows = s.sql(sql, seconds=4, limit=10_000).rows
        except RustnetError as error:
            assert '\\n' not in str(error)
            print(json.dumps(type(error).__name__))
        else:
            print(json.dumps(len(rows)))
        assert s.sql('SELECT 42').rows == [(42,)]
for line in open('/proc/self/status'):
    if line.startswith('VmHWM'):
        print(line.split()[1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux bounds memory of this kind")
def test_a_reader_has_a_bounded_amount_of_memory(path: Path) -> None:
    statements = [*HUGE, *GROWING]
    command = [sys.executable, "-c", ASK_ALL, str(path), json.dumps(statements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    *outcomes, most = done.stdout.split("\n")[:-1]
    failed = {"QueryFailedError", "QueryTimeoutError", "QueryStoppedError"}
    assert {
        sql: json.loads(o) for sql, o in zip(statements, outcomes, strict=True) if json.loads(o) not in failed
    } == {}
    # In kB: 1 GiB more than before for each statement, and what the allocator keeps of earlier ones; 6 GB without.
    assert int(most) < 3_000_000


BOUND_OF_STATEMENTS = """
import resource, sys
from rustnet.query.session import FileSession
def bounded():
    return resource.getrlimit(resource.RLIMIT_DATA) != usual
usual = resource.getrlimit(resource.RLIMIT_DATA)
with FileSession(sys.argv[1]) as one, FileSession(sys.argv[1]) as two:
    first, second = one.stream("SELECT 1"), two.stream("SELECT 1")
    assert bounded()
    first.close()
    first.close()
    assert bounded()
    second.close()
    assert not bounded()
    one.stream("SELECT 1")  # closed with its session
assert not bounded()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux bounds memory of this kind")
def test_the_bound_ends_with_the_statement(path: Path) -> None:
    # in a process of its own: a statement of another test may still be working in this one
    command = [sys.executable, "-c", BOUND_OF_STATEMENTS, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_what_is_spilled_is_bounded_and_removed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "READER_SPILL", 60 << 20)
    reader = FileSession(path, memory_limit="60MB", threads=1)
    with pytest.raises(QueryFailedError, match="more memory or disk"):
        reader.sql(SPILLING)
    reader.close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "command", ["query", "flows", "stats", "hosts", "processes", "show", "export", "extract", "verify"]
)
def test_every_reading_command_has_a_time_limit(command: str, run: Run) -> None:
    text = run(command, "--help").out
    assert "--timeout SECONDS" in text
    assert run(command, "x.duckdb", "--timeout", "-1").code == 2


def test_the_time_limit_ends_a_query(path: Path, run: Run) -> None:
    begun = time.monotonic()
    result = run("query", path, "--sql", ENDLESS, "--timeout", "0.5")
    assert result.code == 1
    assert "longer than 0.5 s" in result.err
    assert time.monotonic() - begun < 5
    assert run("query", path, "--sql", "SELECT 1", "--timeout", "0").code == 0


@pytest.mark.parametrize(("sql", "signals"), [(ENDLESS, 1), ("SELECT length(rpad('x', 300000000, 'ab'))", 2)])
def test_an_interrupt_ends_a_query_and_a_second_one_at_once(path: Path, sql: str, signals: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "rustnet", "query", path, "--sql", sql], stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 -- tests may ignore it
    )  # fmt: skip
    time.sleep(2)
    begun = time.monotonic()
    for _ in range(signals):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - begun < 2
    assert "internal" not in err


# ---- while the session is being written ------------------------------------------------------------------------------

WRITE = """
import sys, threading, time
from rustnet.dissect import registry
from rustnet.ingest import serving
from rustnet.records import table_name
from rustnet.store.batches import Rows
from rustnet.store.tables import Capture
from rustnet.store.writer import Writer
serving.DELAY = 0.0
path = sys.argv[1]
(dns,) = [table for table in registry.tables() if table_name(table) == 'dns']
writer = Writer(path, registry.tables(), on_open=lambda con: serving.Serving(path, con))
writer.begin_capture(Capture(1, 'made.pcap', 'file', 'pcap'))
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
rows = 0
while not ended.wait(0.02):
    writer.put([Rows(dns, [(dns(), 1, 1_000, rows + n) for n in range(1, 101)])])
    writer.commit()
    rows += 100
writer.close()
for line in open('/proc/self/status'):
    if line.startswith('VmHWM'):
        print(rows, line.split()[1])
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WRITE, str(tmp_path / "w.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        wait_until((tmp_path / "w.duckdb.sock").exists)
        yield process
        process.kill()


def idle(s: rustnet.Session) -> bool:
    """Whether a reader is answered: a busy machine needs time to end the others' queries."""
    try:
        return s.sql("SELECT 1").rows == [(1,)]
    except QueryFailedError:
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux bounds memory of this kind")
def test_readers_cannot_end_a_recording(writer: subprocess.Popen[str], tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with rustnet.open(path) as s:
        for sql in (*HUGE, *HUGE_PLANS):
            wait_until(lambda: idle(s), 60)
            with pytest.raises(QueryError, match=r"while the session is being written|joined"):
                s.sql(sql)

        def ask(sql: str) -> None:
            for _ in range(2):
                with pytest.raises(QueryFailedError):
                    s.sql(sql, seconds=3, limit=100)

        threads = [threading.Thread(target=ask, args=(sql,)) for sql in GROWING]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: idle(s), 60)
        assert s.sql("SELECT count(*) > 0 FROM dns").rows == [(True,)]
        assert s.sql("WITH a AS (SELECT 1 AS v), b AS (FROM a x, a y) SELECT count(*) FROM b x, b y").rows == [(1,)]
        assert s.sql("SELECT repeat('x', 10), lpad('7', 3, '0'), format('{:5.1f}', 2.5), replace('aa', 'a', 'b')").rows
    out, _ = writer.communicate("", timeout=60)
    assert writer.returncode == 0
    rows, most = map(int, out.split())
    assert most < 1_800_000  # kB
    with rustnet.open(path) as s:
        assert s.sql("SELECT count(*) FROM dns").rows == [(rows,)]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["w.duckdb"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_resident_memory_is_known() -> None:
    before = limits.resident_bytes()
    taken = bytearray(os.urandom(1)) * (64 << 20)
    assert limits.resident_bytes() - before > 32 << 20
    del taken
