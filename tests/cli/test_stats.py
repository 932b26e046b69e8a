"""``rustnet stats``: pages of a terminal, formats for programs, options that exclude each other."""

import csv
import io
import json
from pathlib import Path

import pytest

from rustnet.cli.commands.stats import SHOW
from rustnet.query.statistics import QUERIES
from tests.support.command_line import Run
from tests.support.conversations import CLIENT, RESOLVER, SERVER, dns_flow, http_flow
from tests.support.packets import udp_frame
from tests.support.pcap import pcap


@pytest.fixture
def busy(run: Run, tmp_path: Path) -> Path:
    """Twelve HTTP conversations and one of DNS: 98 packets, one per millisecond."""
    path = tmp_path / "busy.pcap"
    path.write_bytes(pcap(dns_flow() + [f for port in range(40000, 40012) for f in http_flow(port)]))
    run("replay", path, "--db", tmp_path / "busy.duckdb")
    return tmp_path / "busy.duckdb"


def test_every_statistic_is_there_in_every_format(busy: Path, run: Run, tmp_path: Path) -> None:
    assert set(SHOW) == set(QUERIES)
    for name in SHOW:
        made = run("stats", busy, "--show", name, "-f", "json")
        assert made.code == 0, made.err
        rows = json.loads(made.out)
        assert rows, name
        assert next(csv.reader(io.StringIO(run("stats", busy, "--show", name, "-f", "csv").out))) == list(rows[0])
        assert run("stats", busy, "--show", name, "-f", "markdown").out.count("\n") == len(rows) + 2
        assert run("stats", busy, "--show", name, "-o", tmp_path / f"{name}.parquet").code == 0


@pytest.mark.parametrize("columns", [50, 80, 132])
@pytest.mark.parametrize("name", SHOW)
def test_pages_fit_the_terminal(busy: Path, run: Run, name: str, columns: int) -> None:
    out = run("stats", busy, "--show", name, "--no-color", tty=True, columns=columns).out
    assert max(map(len, out.splitlines())) <= columns


def test_the_hierarchy_is_a_tree(busy: Path, run: Run) -> None:
    lines = run("stats", busy, "--show", "hierarchy", "--no-color", columns=60).out.splitlines()
    cells = [(line[: len(line) - len(line.lstrip())], *line.split()[:4]) for line in lines[1:]]
    assert [(len(indent), name, frames) for indent, name, frames, *_ in cells] == [
        (0, "eth", "98"), (2, "ip", "98"), (4, "tcp", "96"), (6, "http", "24"), (4, "udp", "2"), (6, "dns", "2"),
    ]  # fmt: skip
    assert [float(share) for *_, share, _ in cells] == [100.0, 100.0, 97.96, 24.49, 2.04, 2.04]
    only = run("stats", busy, "app:dns", "--show", "hierarchy", "-f", "json").out
    assert [row["layers"] for row in json.loads(only)] == ["eth", "eth:ip", "eth:ip:udp", "eth:ip:udp:dns"]


def test_a_guess_is_marked(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "odd.pcap"
    path.write_bytes(pcap([udp_frame((CLIENT, 40_000), (SERVER, 443), bytes(range(64)))]))
    run("replay", path, "--db", tmp_path / "odd.duckdb")
    out = run("stats", tmp_path / "odd.duckdb", "--show", "hierarchy").out
    assert "quic?" in out
    assert "guessed from the port" in out


def test_rates_in_buckets(busy: Path, run: Run) -> None:
    rows = json.loads(run("stats", busy, "--show", "rates", "--bucket", "20ms", "-f", "json").out)
    assert [row["packets"] for row in rows] == [20, 20, 20, 20, 18]
    assert [row["packets_per_s"] for row in rows] == [1000, 1000, 1000, 1000, 900]
    assert [row["partial"] for row in rows] == [False, False, False, False, True]
    assert rows == json.loads(run("stats", busy, "--show", "rates", "-p", "interval=20ms", "-f", "json").out)
    page = run("stats", busy, "--show", "rates", "--bucket", "20ms", columns=120).out
    assert "2023-11-14 22:13:20.080~" in page
    assert "the mean of 20 ms, too low where the traffic begins or ends in it (~)" in page
    assert "rustnet stats" not in page


def test_percentiles_stand_below_distributions(busy: Path, run: Run) -> None:
    out = run("stats", busy, "--show", "packets", columns=120).out
    assert out.splitlines()[-1] == "13 flows: p50 8 · p90 8 · largest 8; too few for others (p90 needs 10, p99 100)"
    one = run("stats", busy, "app:dns", "--show", "packets", columns=120).out
    assert one.splitlines()[-1] == "1 flow: largest 2; too few for percentiles"
    assert "flows:" not in run("stats", busy, "--show", "packets", "-f", "csv").out


def test_response_times_name_what_is_missing(busy: Path, run: Run) -> None:
    out = run("stats", busy, "--show", "response-times", columns=120).out
    http = next(line for line in out.splitlines() if line.startswith("http"))
    assert "12" in http
    assert http.count("1 ms") == 4  # min, p50, p90, max
    assert "- too few samples: p50 needs 2, p90 10, p95 20, p99 100" in out
    servers = run("stats", busy, "--show", "response-times", "-p", "by_server=yes", columns=120).out
    assert f"{SERVER}:80" in servers
    assert f"{RESOLVER}:53" in servers


def test_the_overview_has_span_rates_and_course(busy: Path, run: Run) -> None:
    lines = run("stats", busy, "--no-color", columns=120).out.splitlines()
    assert lines[0].strip() == "13 flows · 98 packets · 6.6 kB on the wire"
    assert lines[1].strip() == "2023-11-14 22:13:20.000000Z → 2023-11-14 22:13:20.097000Z (97.0 ms)"
    assert "mean 1,010.3 packets/s" in lines[2]
    assert lines[3].strip().startswith("▕")
    assert "By app" in lines
    assert "By host" in lines
    assert run("stats", busy, "app:dns").out.splitlines()[0].strip().startswith("1 flow · 2 packets")
    assert "▕" not in run("stats", busy, "-f", "markdown").out


def test_an_empty_selection_has_pages_too(busy: Path, run: Run) -> None:
    for name in SHOW:
        made = run("stats", busy, "app:ssh", "--show", name)
        assert made.code == 0, (name, made.err)
    assert "0 flows · 0 packets · 0 B" in run("stats", busy, "app:ssh").out


@pytest.mark.parametrize(
    ("options", "words"),
    [(("--by", "app", "--show", "rates"), "exclude each other"), (("--bucket", "1s"), "--show rates"),
     (("-p", "limit=1"), "--show"), (("--show", "rates", "-p", "x"), "KEY=VALUE"),
     (("--show", "rates", "--bucket", "soon"), "interval='soon'"),
     (("--show", "sizes", "-p", "x=1"), "unknown parameter"),
     (("--show", "weather"), "weather"), (("nonsense:1", "--show", "rates"), "unknown keyword")],
)  # fmt: skip
def test_wrong_options_are_named(busy: Path, run: Run, options: tuple[str, ...], words: str) -> None:
    made = run("stats", busy, *options)
    assert made.code == 2
    assert words in made.err


def test_a_limit_is_named(busy: Path, run: Run) -> None:
    made = run("stats", busy, "--show", "endpoints", "-p", "ports=yes", "-n", "3", "-f", "csv")
    assert len(made.out.splitlines()) == 4
    assert "more rows follow" in made.err
    assert len(run("stats", busy, "--show", "endpoints", "-p", "ports=yes", "-f", "csv").out.splitlines()) == 1 + 15
