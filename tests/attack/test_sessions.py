"""Sessions as hostile input: objects that somebody put into one, and files that somebody put next to it."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

import rustnet
from rustnet.errors import SessionError
from rustnet.query.session import FileSession
from rustnet.store import objects, schema, spill
from rustnet.store import session as store
from tests.support.command_line import Run, child
from tests.support.conversations import dns_flow, http_flow
from tests.support.pcap import pcap

SECRET = "the-content-of-another-file"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run command lines in this process."""
    return Run(monkeypatch)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("capture") / "web.pcap"
    path.write_bytes(pcap(dns_flow() + http_flow()))
    return path


@pytest.fixture(scope="module")
def sound(capture: Path) -> Path:
    path = capture.with_name("sound.duckdb")
    made = child("replay", capture, "--no-sidecar", "--db", path)
    assert made.returncode == 0, made.stderr
    return path


Change = Callable[..., Path]


@pytest.fixture
def change(tmp_path: Path, sound: Path) -> Change:
    """Copies the sound session and changes the copy by SQL, in which SECRET_FILE is a file that nobody may read."""

    def make(*statements: str) -> Path:
        path = tmp_path / "s.duckdb"
        shutil.copy(sound, path)
        secret = tmp_path / "secret.txt"
        secret.write_text(SECRET)
        with duckdb.connect(str(path)) as con:
            for statement in statements:
                con.execute(statement.replace("SECRET_FILE", f"'{secret}'"))
        return path

    return make


HOSTILE = {
    "macro 'string_split'": ("CREATE MACRO string_split(a, b) AS (SELECT [content] FROM read_text(SECRET_FILE))",),
    "macro '||'": ('CREATE MACRO "||"(a, b) AS (SELECT content FROM read_text(SECRET_FILE))',),
    "macro 'count'": ("CREATE MACRO count(a) AS (SELECT content FROM read_text(SECRET_FILE))",),
    "macro 'duckdb_views'": ("CREATE MACRO duckdb_views() AS TABLE SELECT * FROM read_text(SECRET_FILE)",),
    "view 'meta'": (
        "ALTER TABLE meta RENAME TO stored",
        "CREATE VIEW meta AS FROM stored UNION ALL SELECT filename, content FROM read_text(SECRET_FILE)",
    ),
    "view 'packets'": ("DROP TABLE packets", "CREATE VIEW packets AS FROM read_text(SECRET_FILE)"),
    "view 'captures'": (
        "ALTER TABLE captures RENAME TO stored",
        "CREATE VIEW captures AS SELECT * REPLACE ((SELECT content FROM read_text(SECRET_FILE)) AS source) FROM stored",
    ),
    "view 'flows'": ("CREATE OR REPLACE VIEW flows AS FROM read_text(SECRET_FILE)",),
    "view 'hosts'": ("DROP VIEW hosts",),
    "view 'talkers'": ("CREATE OR REPLACE VIEW talkers AS SELECT ip FROM (SELECT src_ip AS ip FROM flows)",),
    "macro 'flows_at'": ("CREATE OR REPLACE MACRO flows_at(t, seconds := 10) AS TABLE FROM read_text(SECRET_FILE)",),
    "view 'mine'": ("CREATE VIEW mine AS SELECT 1 AS a",),
    "view 'a\\nb\\x1b[31m\\u202e'": ('CREATE VIEW "a\nb\x1b[31m\u202e" AS SELECT 1',),
    "table 'activity'": ("DROP VIEW activity", "CREATE TABLE activity(a INTEGER)"),
    "schema 'other'": ("CREATE SCHEMA other", "CREATE TABLE other.meta(a INTEGER)"),
    "sequence 'numbers'": ("CREATE SEQUENCE numbers",),
    "type 'mood'": ("CREATE TYPE mood AS ENUM ('a')",),
    "index 'by_key'": ("CREATE INDEX by_key ON meta(key)",),
    "constraint of table 'checked'": ("CREATE TABLE checked(a INTEGER CHECK (a > 1))",),
    "constraint of table 'keyed'": ("CREATE TABLE keyed(a INTEGER PRIMARY KEY)",),
    "expression of column 'names.ip'": ("ALTER TABLE names ALTER ip SET DEFAULT current_setting('temp_directory')",),
    "expression of column 'made.b'": ("CREATE TABLE made(a INTEGER, b INTEGER GENERATED ALWAYS AS (a + 1))",),
    "column 'flows_ended.src_packets'": (
        "DROP VIEW IF EXISTS flows", "ALTER TABLE flows_ended ALTER src_packets TYPE VARCHAR", schema.FLOWS_SQL,
    ),
    "column 'meta.forced'": (
        "ALTER TABLE meta ADD COLUMN forced INTEGER", "UPDATE meta SET forced = 1",
        "ALTER TABLE meta ALTER forced SET NOT NULL",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_foreign_object_is_refused_by_readers_and_writers(
    name: str, change: Change, capture: Path, run: Run, tmp_path: Path
) -> None:
    path = change(*HOSTILE[name])
    before = path.read_bytes()
    for command in (
        ("flows", path), ("query", path, "--sql", "SELECT 1"), ("refresh", path),
        ("replay", capture, "--no-sidecar", "--db", path),
    ):  # fmt: skip
        result = run(*command)
        assert result.code == 1, command
        assert name in result.err, result.err
        assert result.err.count("\n") == 1
        assert SECRET not in result.out + result.err
    verified = run("verify", path, "--no-hash")
    assert verified.code == 1
    assert name in verified.out.replace("\n", " ") + verified.err
    assert SECRET not in verified.out + verified.err
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["s.duckdb", "secret.txt"]


def test_every_reader_refuses_and_verify_lists_all(change: Change, run: Run, tmp_path: Path) -> None:
    path = change(*HOSTILE["macro 'count'"], *HOSTILE["view 'mine'"], *HOSTILE["view 'flows'"], "CREATE SEQUENCE n")
    for command in ("stats", "hosts", "processes", "show 1", "export --as jsonl", "extract -o x.pcap", "query --list"):
        name, *options = command.split()
        result = run(name, path, *options)
        assert SECRET not in result.out + result.err
        assert (result.code == 0) == (options == ["--list"]), command
    listed = run("verify", path, "--no-hash", "--json").out
    for each in ("sequence 'n'", "view 'mine'", "macro 'count'", "view 'flows'"):
        assert each in listed
    with pytest.raises(objects.ForeignObjectsError):
        store.open_readonly(path)


def test_views_of_an_older_version_are_replaced_before_they_are_used(change: Change, run: Run) -> None:
    path = change("ALTER TABLE packets DROP COLUMN tcp_flags", *HOSTILE["view 'flows'"], *HOSTILE["macro 'flows_at'"])
    result = run("flows", path)
    assert result.code == 1
    assert "has no packets.tcp_flags" in result.err
    assert run("refresh", path).code == 0
    result = run("flows", path, "--columns", "flow_id", "-f", "csv")
    assert result.out.split() == ["flow_id", "1", "2"]
    with store.open_readonly(path) as con:
        assert objects.read_contents(con, store.ATTACHED).differing == ()


def test_tables_that_this_version_does_not_know_are_kept(change: Change, run: Run) -> None:
    path = change("CREATE TABLE later(flow_id BIGINT, names VARCHAR[])", "INSERT INTO later VALUES (1, ['a'])")
    assert run("refresh", path).code == 0
    assert run("query", path, "--sql", "SELECT names FROM later", "-f", "csv").out.split()[0] == "names"
    assert run("verify", path, "--no-hash").code == 0


@pytest.mark.skipif(int(duckdb.__version__.partition(".")[0]) < 2, reason="triggers are new in DuckDB 2.0")
def test_a_trigger_is_refused(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{sound}' AS old (READ_ONLY); ATTACH '{path}' AS new (STORAGE_VERSION 'v2.0.0')")
        con.execute("COPY FROM DATABASE old TO new; USE new")
        con.execute("CREATE TRIGGER counted AFTER INSERT ON names INSERT INTO meta VALUES ('a', 'b')")
    with pytest.raises(SessionError, match="trigger 'counted'"):
        store.create_or_open(path, [])


def test_a_new_session_is_what_it_has_to_be(sound: Path) -> None:
    con = store.open_readonly(sound)
    contents = objects.read_contents(con, store.ATTACHED)
    store.close(con)
    assert (contents.foreign, contents.differing) == ((), ())
    assert objects.missing_columns(contents.shapes) == []


def test_writers_reach_no_other_file(sound: Path, tmp_path: Path) -> None:
    shutil.copy(sound, tmp_path / "s.duckdb")
    other = tmp_path / "other.txt"
    other.write_text(SECRET)
    for small_groups in (False, True):
        con = store.create_or_open(tmp_path / "s.duckdb", [], small_groups=small_groups)
        for sql in (
            f"SELECT * FROM read_text('{other}')", f"ATTACH '{tmp_path}/x.duckdb'", "INSTALL httpfs", "LOAD httpfs",
            "SET enable_external_access = true", f"COPY meta TO '{tmp_path}/x.csv'",
        ):  # fmt: skip
            with pytest.raises(duckdb.Error):
                con.execute(sql)
        con.execute("SET VARIABLE a = 1; INSERT INTO meta VALUES ('a', 'b'); CHECKPOINT")
        con.execute("SET memory_limit = '40MB'; SET threads = 1")
        spilled = "SELECT m FROM (SELECT md5(range::VARCHAR) AS m FROM range(1000000)) ORDER BY m LIMIT 1 OFFSET 999999"
        assert con.execute(spilled).fetchall()[0][0].startswith("ffff")
        store.close(con)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["other.txt", "s.duckdb"]


# ---- files next to a session -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [".wal", ".wal.checkpoint", ".wal.recovery"])
@pytest.mark.parametrize("kind", ["link", "dangling", "hard", "fifo", "directory"])
def test_what_duckdb_would_follow_is_refused(
    end: str, kind: str, sound: Path, capture: Path, run: Run, tmp_path: Path
) -> None:
    path, victim = tmp_path / "s.duckdb", tmp_path / "victim"
    shutil.copy(sound, path)
    victim.write_text("not a log\n" * 60)
    placed = Path(f"{path}{end}")
    if kind == "hard":
        placed.hardlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(placed)
    elif kind == "directory":
        placed.mkdir()
    else:
        placed.symlink_to(victim if kind == "link" else tmp_path / "absent")
    for command in (("flows", path), ("replay", capture, "--no-sidecar", "--db", path), ("refresh", path)):
        result = run(*command)
        assert result.code == 1
        assert f"{end}, is a link" in result.err
    path.unlink()
    result = run("replay", capture, "--no-sidecar", "--db", path)
    assert result.code == 1
    assert "its log" in result.err
    assert victim.read_text() == "not a log\n" * 60
    assert not (tmp_path / "absent").exists()
    assert os.path.lexists(placed)


@pytest.mark.parametrize("end", [".wal", ".wal.checkpoint", ".wal.recovery"])
def test_a_capture_with_the_name_of_a_log_is_kept(
    end: str, sound: Path, capture: Path, run: Run, tmp_path: Path
) -> None:
    """DuckDB would ignore it and remove it."""
    path = tmp_path / "s.duckdb"
    shutil.copy(sound, path)
    placed = Path(f"{path}{end}")
    for content in (capture.read_bytes(), sound.read_bytes()):
        placed.write_bytes(content)
        for command in (("flows", path), ("replay", capture, "--no-sidecar", "--again", "--db", path)):
            result = run(*command)
            assert result.code == 1
            assert f"{end} has the name of its log" in result.err
        with pytest.raises(SessionError, match="is an input"):
            rustnet.replay(placed, db=path)
        assert placed.read_bytes() == content


@pytest.mark.parametrize("name", ["s.duckdb", "s.duckdb.sock", "link.duckdb"])
def test_a_program_cannot_replay_a_file_into_itself(name: str, capture: Path, tmp_path: Path) -> None:
    shutil.copy(capture, tmp_path / name)
    if name == "link.duckdb":
        (tmp_path / "s.duckdb").symlink_to(name)
    with pytest.raises(SessionError, match="is an input"):
        rustnet.replay(tmp_path / name, db=tmp_path / "s.duckdb")
    assert (tmp_path / name).read_bytes() == capture.read_bytes()


@pytest.mark.parametrize("version", ["9" * 5000, "\u0663", "\u00b2", "-1", "", "1e3"])
def test_a_version_that_is_no_number_is_refused(version: str, change: Change, run: Run, capture: Path) -> None:
    path = change(f"UPDATE meta SET value = '{version}' WHERE key = 'schema_version'")
    for command in (("flows", path), ("verify", path), ("replay", capture, "--again", "--db", path)):
        result = run(*command)
        assert result.code == 1
        assert "names no schema" in result.err


def test_names_of_tables_and_columns_are_escaped(change: Change, run: Run) -> None:
    name = "\x1b[31m\u202e"
    path = change(
        f'CREATE TABLE "t{name}" (capture_id INTEGER, flow_id BIGINT, ts TIMESTAMP_NS, packet BIGINT, "c{name}" TEXT)',
        f"INSERT INTO \"t{name}\" SELECT capture_id, flow_id, started_at, 1, 'v' FROM flows",
    )
    for command in (("show", path, "1"), ("stats", path), ("verify", path), ("query", path, "--sql", "SHOW TABLES")):
        result = run(*command)
        assert result.code == 0, result.err
        assert not {"\x1b", "\u202e"} & set(result.out + result.err), command
    assert "\\x1b[31m\\u202e=v" in run("show", path, "1").out


def test_rows_twice_or_without_values_are_no_internal_error(change: Change, run: Run) -> None:
    path = change("INSERT INTO captures SELECT * FROM captures", "UPDATE flows_ended SET src_ip = NULL, dst_ip = NULL")
    for command in (("refresh", path), ("export", path, "--sidecar", "-o", "-"), ("verify", path), ("flows", path)):
        assert "internal error" not in run(*command).err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_log_of_another_user_is_refused(sound: Path, tmp_path: Path) -> None:
    shutil.copy(sound, tmp_path / "s.duckdb")
    log = tmp_path / "s.duckdb.wal"
    log.write_bytes(b"")
    os.chown(log, 12345, 12345)
    with pytest.raises(SessionError, match="another user's"):
        store.open_readonly(tmp_path / "s.duckdb")


NAMES = ("case:x", "md:x", "s3://x", "http://192.0.2.1/x", ":memory:", "postgres:x", "it's", "sqlite:x.db", "a;b", "~x")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_file(
    name: str, sound: Path, capture: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = run("flows", name)
    assert missing.code == 1
    assert "no such session" in missing.err
    if "/" not in name:
        assert run("replay", capture, "--no-sidecar", "--db", name).code == 0
        assert run("flows", name, "--columns", "flow_id", "-f", "csv").out.split() == ["flow_id", "1", "2"]
        assert [each.name for each in tmp_path.iterdir()] == [name]


def test_a_session_that_is_a_dangling_link_is_refused(run: Run, capture: Path, tmp_path: Path) -> None:
    (tmp_path / "s.duckdb").symlink_to(tmp_path / "absent")
    result = run("replay", capture, "--no-sidecar", "--db", tmp_path / "s.duckdb")
    assert result.code == 1
    assert "is a link to" in result.err
    assert not (tmp_path / "absent").exists()


def test_a_file_that_is_exchanged_while_it_is_opened_is_refused(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "s.duckdb", tmp_path / "other.duckdb"
    shutil.copy(sound, path)
    shutil.copy(sound, other)
    create = spill.create

    def exchange(file: Path) -> spill.Spill | None:
        other.replace(path)
        return create(file)

    monkeypatch.setattr(spill, "create", exchange)
    with pytest.raises(SessionError, match="was replaced by another file"):
        store.open_readonly(path)


def test_a_file_that_appears_while_a_session_is_created_is_refused(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.duckdb"
    create = spill.create

    def plant(file: Path) -> spill.Spill | None:
        shutil.copy(sound, path)
        return create(file)

    monkeypatch.setattr(spill, "create", plant)
    with pytest.raises(SessionError, match="was replaced by another file"):
        store.create_or_open(path, [])
    assert path.read_bytes() == sound.read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_socket_of_another_user_is_not_asked(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    shutil.copy(sound, path)
    code = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); os.setuid(12345); s.listen();"
        "print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, f"{path}.sock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as impostor:
        assert impostor.stdout is not None
        impostor.stdout.readline()
        with rustnet.open(path) as session:
            assert isinstance(session, FileSession)
        impostor.communicate("")


# ---- modes and directories -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("small_groups", [False, True])
def test_a_new_session_is_private_and_an_old_one_keeps_its_mode(small_groups: bool, tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    store.close(store.create_or_open(path, [], small_groups=small_groups))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    store.close(store.create_or_open(path, [], small_groups=small_groups))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    store.close(store.create_or_open(tmp_path / "group.duckdb", [], mode=0o640))
    assert stat.S_IMODE((tmp_path / "group.duckdb").stat().st_mode) == 0o640


def test_a_log_is_private_too(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    code = (
        "import os, sys; from rustnet.store import session; con = session.create_or_open(sys.argv[1], []);"
        "con.execute(\"INSERT INTO meta VALUES ('a', 'b')\"); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", f"import os; os.umask(0o077); {code}", path], check=False)
    for each in tmp_path.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) & 0o077 == 0, each.name


def test_directories_of_dead_processes_are_swept_and_no_other(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    shutil.copy(sound, path)
    code = (
        "import os, sys; from rustnet.store import session; con = session.open_readonly(sys.argv[1]);"
        "open(next(e.path for e in os.scandir(sys.argv[2]) if '.tmp.' in e.name) + '/evidence', 'w').write('x');"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, path, tmp_path], check=False)
    (dead,) = tmp_path.glob("s.duckdb.tmp.*")
    assert stat.S_IMODE(dead.stat().st_mode) == 0o700
    kept, other = tmp_path / "kept", tmp_path / f"s.duckdb.tmp.{'0' * 16}"
    kept.mkdir()
    (kept / "file").write_text("x")
    other.symlink_to(kept)
    named = tmp_path / "s.duckdb.tmp.notes"
    named.mkdir()
    con = store.open_readonly(path)
    (living,) = {each for each in tmp_path.glob("s.duckdb.tmp.*") if each not in (other, named)}
    assert living != dead
    assert stat.S_IMODE(living.stat().st_mode) == 0o700
    second = store.open_readonly(path)  # does not take the living one for a dead one
    assert living.exists()
    store.close(second)
    store.close(con)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept", "s.duckdb", other.name, named.name]
    assert (kept / "file").read_text() == "x"
