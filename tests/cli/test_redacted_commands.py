"""Reading commands under ``--redact``: nothing of a session's own values is printed, in any format, nor its path."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from rustnet.cli.main import COMMANDS, main
from rustnet.cli.redaction_options import KEY_FILE
from rustnet.dissect.registry import tables
from rustnet.policy.redaction import POLICIES
from rustnet.private_files import create_private
from rustnet.records import Kind
from rustnet.store.meanings import kind_of
from rustnet.store.schema import VIEWS, existing_columns
from rustnet.store.session import close, create_or_open

MARK = "kezurimodavo"
ADDRESS, NUMBER, AS = "81.2.69.142", (0xFFFF << 32) + 0x51024_58E, 64_487_321
MARKS = (MARK, MARK[:6], MARK[6:], ADDRESS, "69.142", str(NUMBER), "9c:5a:44:7d:be:e1", "7dbee1", "7d:be:e1", str(AS))
VALUES: dict[Kind, Any] = {
    Kind.ADDRESS: ADDRESS,
    Kind.ADDRESS_NUMBER: NUMBER,
    Kind.MAC: "9c:5a:44:7d:be:e1",
    Kind.HOST: f"{MARK}.{MARK[::-1]}x.com",
    Kind.USER: MARK,
    Kind.PATH: f"/home/{MARK}/{MARK}.pcap",
    Kind.COMMAND_LINE: f"/usr/bin/{MARK} --{MARK}={MARK} http://{MARK}.com/",
    Kind.URI: f"http://{MARK}:{MARK}@{MARK}.com/{MARK}?{MARK}={MARK}#{MARK}",
    Kind.SOFTWARE: f"{MARK}/1.0",
    Kind.DISTINGUISHED_NAME: f"CN={MARK}.com,O={MARK}",
    Kind.FINGERPRINT: "t13d1516h2",
    Kind.DIGEST: MARK,
    Kind.IDENTIFIER: MARK,
    Kind.OBJECT: MARK,
    Kind.PLACE: MARK,
    Kind.AUTONOMOUS_SYSTEM: MARK,
    Kind.WORD: "word",
    Kind.TERM: MARK,
    Kind.SECRET: MARK,
    Kind.MIXED: f"{MARK} {ADDRESS} {MARK}@{MARK}.com",
    Kind.FREE_TEXT: f"no {MARK} at {ADDRESS}, /home/{MARK}",
}
WORDS = {"protocol": "tcp", "severity": "high", "app": "http", "source": "proc"}
"""Values of columns that the program reads itself."""


def planted(table: str, column: str, sql_type: str) -> Any:
    """A value of a column; of a text it has a mark."""
    kind = kind_of(table, column)
    if (table, column) == ("route_changes", "destination"):
        return f"{ADDRESS}/32"
    if column == "lineage":
        return [f"{MARK}(7)"]
    value: Any = {"BOOLEAN": True, "DOUBLE": 1.0, "TIMESTAMP_NS": 1_700_000_000_000_000_000}.get(sql_type, 1)
    if sql_type in ("VARCHAR", "VARCHAR[]"):
        value = WORDS.get(column, VALUES[kind]) if kind in (Kind.WORD, Kind.PATH) else VALUES[kind or Kind.FREE_TEXT]
        return [value, value] if sql_type == "VARCHAR[]" else value
    if kind is Kind.ADDRESS_NUMBER:
        return NUMBER
    return AS if kind is Kind.AUTONOMOUS_SYSTEM or (kind is Kind.IDENTIFIER and sql_type != "USMALLINT") else value


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A session with a row in each table, and a mark in each text."""
    folder = tmp_path_factory.mktemp("home") / MARK
    folder.mkdir()
    path = folder / f"{MARK}.duckdb"
    con = create_or_open(path, tables())
    for table, existing in existing_columns(con).items():
        if table in VIEWS or table in ("meta", "migrations", "flows_open"):
            continue
        values = [planted(table, column, sql_type) for column, sql_type in existing.items()]
        shown = ", ".join(
            "make_timestamp_ns(?)" if sql_type == "TIMESTAMP_NS" else f"?::{sql_type}" for sql_type in existing.values()
        )
        con.execute(f'INSERT INTO "{table}" SELECT {shown}', values)
    con.execute("INSERT INTO meta VALUES (?, ?)", [f"input /home/{MARK}", f"/home/{MARK}"])
    close(con)
    return str(path)


@pytest.fixture(autouse=True)
def _own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Always the same key, so that no mark occurs in a replacement by chance."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    create_private(tmp_path / "settings" / "rustnet" / KEY_FILE, f"redaction key of rustnet\n{'5a' * 32}\n".encode())


READING: dict[str, list[list[str]]] = {
    "flows": [[], ["-c", "all"], ["app:http", "-s", "hostname"]],
    "show": [["1"], ["1", "--json"]],
    "stats": [[], *([["--by", by] for by in ("host", "as", "country", "name", "process", "user", "source")]),
              ["--show", "endpoints"], ["--show", "conversations"], ["--show", "response-times"]],
    "processes": [[], ["--claimed"]],
    "hosts": [[]],
    "sockets": [[]],
    "routes": [[]],
    "alerts": [[], ["--checks"]],
    "query": [["--sql", "SELECT hostname AS method, src_ip AS port, min(dst_mac) AS x FROM flows GROUP BY ALL"],
              ["--sql", "SELECT src_ip || hostname AS app, [hostname] AS l, {'a': hostname} AS s FROM flows"],
              ["--sql", "SELECT * FROM meta"]],
}  # fmt: skip
FORMATS = ("table", "csv", "json", "jsonl", "markdown")


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capfd.readouterr()
    code = main([*words])
    shown = capfd.readouterr()
    return code, shown.out + shown.err


def marks(text: str) -> list[str]:
    return [mark for mark in MARKS if mark in text.lower()]


def has_option(name: str) -> bool:
    command = importlib.import_module(f"rustnet.cli.commands.{name.replace('-', '_')}").command
    return any("--redact" in parameter.opts for parameter in command.params)


def test_every_reading_command_is_here() -> None:
    others = {"browse", "replay", "live", "export", "report", "scan-leaks"}
    assert {name for name in COMMANDS if has_option(name)} - others == set(READING)


@pytest.mark.parametrize("command", READING)
def test_the_marks_are_shown_without_it(command: str, session: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, shown = run(capfd, command, session, *READING[command][0])
    assert code == 0, shown
    assert marks(shown)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("command", READING)
def test_nothing_of_the_session_is_shown(
    command: str, policy: str, session: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for words in READING[command] if policy == "share" else READING[command][:1]:
        if command == "show":
            forms = [""]
        elif command == "stats" and not words:
            forms = ["table", "markdown"]
        else:
            forms = ["table", "json"] if policy == "share" else ["json"]
            forms = list(FORMATS) if policy == "share" and command == "flows" else forms
        for form in forms:
            chosen = ["-f", form] if form else []
            code, shown = run(capfd, command, session, *words, *chosen, f"--redact={policy}")
            assert code == 0, shown
            assert not marks(shown), (words, form, shown)
    if command == "show":
        return
    if command != "stats":
        code, shown = run(
            capfd, command, session, *READING[command][0], "-o", str(tmp_path / "x.parquet"), "--redact", policy
        )
        assert code == 0, shown
        assert not marks(shown + (tmp_path / "x.parquet").read_bytes().decode("latin-1"))


def test_every_table_and_saved_query(session: str) -> None:
    import rustnet  # noqa: PLC0415
    from rustnet.query.catalogue import load  # noqa: PLC0415

    for policy in POLICIES:
        with rustnet.open(session, redact=policy, key="new") as s:
            for table in s.columns():
                assert not marks(str(s.sql(f'SELECT * FROM "{table}"').rows)), table
            for name, query in load().items():
                if not any(parameter.required for parameter in query.parameters):
                    assert not marks(str(s.query(name).rows)), name
            assert not marks(repr(s) + s._repr_html_() + str(s.tables().rows) + str(s.captures().rows))
            assert not marks(repr(s.flow(1)) + s.flow(1)._repr_html_() + str(s.messages(1).rows))


@pytest.mark.parametrize(
    "sql",
    [
        "FROM session.main.flows",
        'FROM "session".flows',
        "SELECT * FROM query_table('session.flows')",
        "FROM Session . flows",
    ],
)
def test_the_originals_are_not_named(session: str, capfd: pytest.CaptureFixture[str], sql: str) -> None:
    code, shown = run(capfd, "query", session, "--redact", "--sql", sql)
    assert code == 2
    assert "has the originals" in shown
    assert not marks(shown)


def test_a_replacement_is_what_commands_take(session: str, capfd: pytest.CaptureFixture[str]) -> None:
    import rustnet  # noqa: PLC0415

    with rustnet.open(session, redact="share", key=None) as s:
        address, name, community = s.sql("SELECT src_ip, hostname, community_id FROM flows").rows[0]
        assert len(s.flows(f"src:{address} host:{name}")) == 1
        assert len(s.flows(f"src:{address}/16")) == 1
        assert len(s.flows(f"host:{MARK}")) == len(s.flows(f"src:{ADDRESS}")) == 0
    code, shown = run(capfd, "hosts", session, address, "--redact")
    assert code == 0, shown
    assert address in shown
    assert not marks(shown)
    assert not marks(run(capfd, "hosts", session, address, "--redact", "-f", "json")[1])
    code, _shown = run(capfd, "flows", session, f"host:{name}", "--redact")
    assert code == 0
    assert community.startswith("hash-")


def test_errors_show_no_path(session: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = str(Path(session).with_name(f"{MARK}-2.duckdb"))
    (tmp_path / MARK).write_text("x")
    for words in (["flows", missing], ["flows", str(tmp_path / MARK)], ["show", missing, "1"],
                  ["flows", session, "-o", session], ["flows", session, "-o", f"{session}/x.csv"],
                  ["query", session, "--sql", "SELECT hostname::INT FROM flows"],
                  ["query", session, "--sql", "SELECT error(hostname) FROM flows"]):  # fmt: skip
        code, shown = run(capfd, *words, "--redact")
        assert code != 0
        assert not marks(shown), (words, shown)


def test_the_bytes_of_a_packet_are_not_shown(session: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, shown = run(capfd, "show", session, "1", "--packet", "1", "--redact")
    assert code == 2
    assert "--packet shows the bytes" in shown


def test_the_first_of_a_list_are_those_of_the_whole(capture: Path, tmp_path: Path) -> None:
    import rustnet  # noqa: PLC0415

    rustnet.replay(str(capture), db=str(tmp_path / "web.duckdb"))
    with (
        rustnet.open(tmp_path / "web.duckdb", redact="share", key="new") as s,
        rustnet.open(tmp_path / "web.duckdb") as own,
    ):
        for sort in ("-bytes", "hostname,-flow_id", "src_ip"):
            whole = s.flows(sort=sort).rows
            assert len(whole) > 1
            assert s.flows(sort=sort, limit=1).rows == whole[:1]
        numbers = s.flows(columns="flow_id,bytes,packets,started_at,src_port", sort="-bytes").rows
        assert numbers == own.flows(columns="flow_id,bytes,packets,started_at,src_port", sort="-bytes").rows
        assert s.flows(columns="src_ip").rows != own.flows(columns="src_ip").rows
