"""flows, stats, show, query over one session."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from rustnet.cli.commands.stats import BY
from rustnet.query.listing import DIMENSIONS
from tests.support.command_line import Run
from tests.support.conversations import CLIENT, SERVER, dns_flow, http_flow
from tests.support.pcap import pcap


@pytest.fixture
def many(run: Run, tmp_path: Path) -> Path:
    path = tmp_path / "many.pcap"
    path.write_bytes(pcap([f for port in range(40000, 40060) for f in http_flow(port)] + dns_flow()))
    run("replay", path, "--db", tmp_path / "many.duckdb")
    return tmp_path / "many.duckdb"


def test_flows_in_every_format(session: Path, run: Run, tmp_path: Path) -> None:
    assert len(run("flows", session).out.splitlines()) == 4
    rows = list(csv.DictReader(io.StringIO(run("flows", session, "-f", "csv").out)))
    assert [row["app"] for row in rows] == ["dns", "http"]
    assert rows[1]["source"] == f"{CLIENT}:40000"
    assert rows[1]["started_at"] == "2023-11-14T22:13:20.002000000Z"
    data = json.loads(run("flows", session, "-f", "json").out)
    assert data[1]["hostname"] == "shop.example"
    assert len(run("flows", session, "-f", "jsonl").out.splitlines()) == 2
    assert run("flows", session, "-f", "markdown").out.startswith("| flow_id |")
    target = tmp_path / "flows.parquet"
    assert run("flows", session, "-o", target).code == 0
    assert target.read_bytes()[:4] == b"PAR1"


def test_filter_sort_and_columns(session: Path, run: Run) -> None:
    made = run("flows", session, "app:http", "host:shop", "-f", "csv", "-c", "flow_id,bytes")
    assert made.out.splitlines()[0] == "flow_id,bytes"
    assert len(made.out.splitlines()) == 2
    up = run("flows", session, "--sort", "bytes", "-f", "csv", "-c", "app").out.split()
    down = run("flows", session, "--sort", "-bytes", "-f", "csv", "-c", "app").out.split()
    assert (up[1:], down[1:]) == (["dns", "http"], ["http", "dns"])
    assert "community_id" in run("flows", session, "-c", "?").out
    assert "community_id" in run("flows", session, "-c", "all", "-f", "csv").out
    assert "no flow matches" in run("flows", session, "app:ssh").err


@pytest.mark.parametrize("arguments", [["-c", "nothing"], ["--sort", "byts"]])
def test_mistakes_exit_2(session: Path, run: Run, arguments: list[str]) -> None:
    made = run("flows", session, *arguments)
    assert made.code == 2
    assert made.err.count("\n") == 1


@pytest.mark.parametrize(("text", "word"), [("app:http bytes:many", "many"), ("app:http prt:80", "prt:"), ("(a", "(")])
def test_a_wrong_filter_is_shown_with_the_word_underlined(session: Path, run: Run, text: str, word: str) -> None:
    made = run("flows", session, text)
    assert made.code == 2
    _, shown, carets = made.err.splitlines()
    start = carets.index("^")
    assert shown.strip() == text
    assert shown[start : start + carets.count("^")].startswith(word)


def test_a_terminal_gets_fifty_rows_and_a_note(many: Path, run: Run) -> None:
    made = run("flows", many, tty=True, columns=100)
    assert len(made.out.splitlines()) == 51
    assert "11 more flows" in made.err
    assert len(run("flows", many, "--all", tty=True).out.splitlines()) == 62
    assert len(run("flows", many).out.splitlines()) == 63
    assert len(run("flows", many, "-n", "3").out.splitlines()) == 5


@pytest.mark.parametrize("columns", [50, 80, 120, 200])
def test_flows_fit_the_terminal(many: Path, run: Run, columns: int) -> None:
    out = run("flows", many, "--no-color", tty=True, columns=columns).out
    assert max(map(len, out.splitlines())) <= columns
    assert f"{SERVER}:80" in out


def test_stats_by_everything(session: Path, run: Run) -> None:
    assert set(BY) == set(DIMENSIONS)
    for by in BY:
        made = run("stats", session, "--by", by, "-f", "json")
        assert made.code == 0, made.err
        rows = json.loads(made.out)
        # By host, each flow counts at both of its ends.
        assert sum(row["flows"] for row in rows) == (4 if by == "host" else 2), by


def test_stats_overview_and_filter(session: Path, run: Run) -> None:
    out = run("stats", session).out
    assert "By app" in out
    assert "By host" in out
    rows = json.loads(run("stats", session, "app:dns", "--by", "host", "-f", "json").out)
    assert {row["host"] for row in rows} == {CLIENT, "10.0.0.53"}
    assert run("stats", session, "-f", "csv").code == 2


def test_show_a_flow(session: Path, run: Run) -> None:
    made = run("show", session, "2")
    assert made.code == 0
    for words in (f"flow 2: tcp {CLIENT}:40000 → {SERVER}:80", "http", "uri=/", "status=200", "Owner",
                  "none: no sidecar",
                  "Packets", "src →", "SA", "fin"):  # fmt: skip
        assert words in made.out, words
    data = json.loads(run("show", session, "2", "--json", "--packets", "3").out)
    assert [p["number"] for p in data["packets"]] == [3, 4, 5]
    assert data["messages"][0]["table"] == "http"
    community = data["flow"]["community_id"]
    assert "flow 2" in run("show", session, community).out


def test_show_what_is_not_there(session: Path, run: Run) -> None:
    assert run("show", session, "99").code == 1
    assert run("show", session, "1:AAAA").code == 1
    made = run("show", session, "no")
    assert made.code == 2
    assert "community id" in made.err
    assert run("show", session, "1", "--packet", "9999").code == 1


def test_show_several_flows_of_one_community_id(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "again.pcap"
    path.write_bytes(pcap(http_flow() + http_flow(), step=100_000_000))
    run("replay", path, "--db", tmp_path / "s.duckdb")
    ids = run("flows", tmp_path / "s.duckdb", "-f", "csv", "-c", "community_id").out.split()
    assert len(ids) == 3
    made = run("show", tmp_path / "s.duckdb", ids[1])
    assert "matches 2 flows" in made.err
    assert "flow 1:" in made.out


def test_saved_queries(session: Path, run: Run) -> None:
    listing = run("query", session, "--list").out
    assert "slow-dns" in listing
    assert listing == run("query", "--list").out
    assert "-p least=" in run("query", session, "slow-dns", "--list").out
    for name in [line.split()[0] for line in listing.splitlines()[1:] if line.startswith("  ")]:
        made = run("query", session, name, "-f", "jsonl")
        assert made.code == 0, (name, made.err)
    assert "shop.example" in run("query", session, "slow-dns", "-p", "least=0ms").out


def test_saved_queries_are_explained(run: Run) -> None:
    out = run("query", "--explain", "slow-dns").out
    for words in ("slow-dns: Slow DNS answers (dns)", "-p least=…  duration  100ms",
                  "waited_ms  DOUBLE        duration", "  FROM dns LEFT JOIN flows",
                  "  rustnet query session.duckdb slow-dns -p least=100ms",
                  "rustnet.open('session.duckdb').query('slow-dns', least='100ms').df()"):  # fmt: skip
        assert words in out
    assert "did you mean slow-dns" in run("query", "--explain", "slow-dn").err
    listed = [json.loads(line) for line in run("query", "--list", "-f", "jsonl").out.splitlines()]
    assert listed[0]["subject"] == "overview"
    assert {"subject": "overview", "name": "conversations", "title": "Conversations", "parameters": ["limit"],
            "folder": None, "replaces_shipped": False} in listed  # fmt: skip


def test_queries_of_ones_own(session: Path, run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    header = "-- title: Mine\n-- description: Only mine.\n"
    (own / "mine.sql").write_text(header + "SELECT count(*) AS flows FROM flows")
    (own / "protocols.sql").write_text(header + "SELECT 1 AS one")
    (own / "writes.sql").write_text(header + "DROP TABLE flows_ended")
    (own / "reads.sql").write_text(header + f"SELECT * FROM read_text('{own / 'mine.sql'}')")
    (own / "broken\x1b.sql").write_text(header + "SELECT 1")
    made = run("query", "--list", "--queries", own)
    assert made.code == 0
    assert re.search(r"^  mine\* +Mine", made.out, re.MULTILINE)
    assert re.search(r"^  protocols\*\* +Mine", made.out, re.MULTILINE)
    assert made.err.splitlines()[0] == f"* from {own}; ** replaces the shipped query"
    assert len(made.err.splitlines()) == 2
    assert "\x1b" not in made.err
    assert run("query", session, "protocols", "--queries", own, "-f", "csv").out == "one\r\n1\r\n"
    assert run("query", session, "mine", "--queries", own, "-f", "csv").out.startswith("flows\r\n")
    explained = run("query", "--explain", "mine", "--queries", own)
    assert f"rustnet query session.duckdb mine --queries {own}" in explained.out
    for name, words in (("writes", "a query only reads its session"), ("reads", "a query reads its session only")):
        for command in ([session, name], ["--explain", name]):
            refused = run("query", *command, "--queries", own)
            assert refused.code == 2
            assert words in refused.err
    (tmp_path / "c.toml").write_text(f'queries = "{own}"')
    assert "\n  mine* " in run("--config", tmp_path / "c.toml", "query", "--list").out
    (tmp_path / "c.toml").write_text(f'queries = "{tmp_path / "nowhere"}"')
    made = run("--config", tmp_path / "c.toml", "query", "--list")
    assert made.code == 0
    assert "nowhere: saved queries cannot be read" in made.err
    assert "give a session" in run("query").err
    assert run("query", "--list", "--queries", tmp_path / "nowhere").code == 2


def test_any_sql_that_reads(session: Path, run: Run, tmp_path: Path) -> None:
    assert run("query", session, "--sql", "SELECT 1 AS one, NULL AS none", "-f", "csv").out == "one,none\r\n1,\r\n"
    assert run("query", session, "--sql", "-", "-f", "csv", stdin=b"SELECT 7 AS n").out == "n\r\n7\r\n"
    made = run("query", session, "--sql", "FROM range(10)", "-n", "3", "-f", "csv")
    assert len(made.out.splitlines()) == 4
    assert "more rows than 3" in made.err
    target = tmp_path / "out.csv"
    assert run("query", session, "--sql", "SELECT 1 AS a", "-o", target).code == 0
    assert target.read_text() == "a\n1\n"


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM flows", "COPY flows TO '/tmp/x.csv'", "SELECT * FROM read_csv('/etc/passwd')", "INSTALL httpfs",
        "ATTACH '/tmp/x.db'", "SET threads = 1", "SELECT 1; SELECT 2", "SELECT nothing", "",
    ],
)  # fmt: skip
def test_sql_that_does_more_or_is_wrong(session: Path, run: Run, sql: str) -> None:
    made = run("query", session, "--sql", sql)
    assert made.code == 2
    assert made.err.startswith("rustnet: error: SQL")
    assert made.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [[], ["no-such"], ["slow-dns", "--sql", "SELECT 1"], ["slow-dns", "-p", "least"], ["slow-dns", "-p", "x=1"],
     ["--sql", "SELECT 1", "-p", "a=1"]],
)  # fmt: skip
def test_mistakes_with_queries(session: Path, run: Run, arguments: list[str]) -> None:
    made = run("query", session, *arguments)
    assert made.code == 2
    assert made.err.count("\n") == 1


def test_an_output_that_fails_leaves_no_file(session: Path, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    assert run("query", session, "--sql", "SELECT error('stop') FROM range(3)", "-o", target).code != 0
    assert list(tmp_path.glob("*out.csv*")) == []
    assert run("flows", session, "-o", tmp_path / "no" / "out.csv").code == 1
