"""Statistics: values checked by hand, against tshark's own, and restricted by filters."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.dissect.registry import tables
from rustnet.query import catalogue, statistics
from rustnet.query.compile import Scope
from rustnet.query.functions import check_functions
from rustnet.query.session import FileSession, Session, open_session
from rustnet.query.statistics import QUERIES, filtered, result_of, totals
from rustnet.records import columns, table_name
from tests.query.conftest import BEGIN, SECOND, Rows
from tests.support.paths import SAMPLES
from tests.support.sessions import replay

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
MS = SECOND // 1000


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("web") / "web.duckdb"
    replay(path, SAMPLES / "web.pcap").con.close()
    return path


Written = Callable[[Callable[[Rows], object]], FileSession]


@pytest.fixture
def written(tmp_path: Path, scratch: Callable[..., duckdb.DuckDBPyConnection]) -> Written:
    """Open a session with given rows."""

    def write(fill: Callable[[Rows], object]) -> FileSession:
        con = scratch(*tables())
        fill(Rows(con))
        con.close()
        return FileSession(tmp_path / "0.duckdb")

    return write


def ask(session: Session, name: str, text: str = "", **given: str) -> list[dict[str, Any]]:
    result = result_of(session, name, text, Scope.of(session), given)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def packet(rows: Rows, number: int, at: int, length: int, flow: int | None = None) -> None:
    rows.insert("packets", capture_id=1, number=number, ts=at, flow_id=flow, from_src=True, length=length,
                captured=length, payload=0, tcp_flags=0, file_offset=0, interface=0)  # fmt: skip


def test_rates_have_no_gaps_and_name_partial_intervals(written: Written) -> None:
    def fill(rows: Rows) -> None:
        for number, (at, length) in enumerate(((0, 1000), (900, 250), (1000, 125), (3999, 500)), 1):
            packet(rows, number, BEGIN + 500 * MS + at * MS, length)
        rows.flow(at=0)

    with written(fill) as session:
        rates = ask(session, "rates", interval="1s")
        keys = ("begins", "seconds", "packets", "bytes", "packets_per_s", "bits_per_s", "new_flows", "partial")
        assert [tuple(row[key] for key in keys) for row in rates] == [
            (BEGIN, 1.0, 1, 1000, 1.0, 8000.0, 1, True),
            (BEGIN + SECOND, 1.0, 2, 375, 2.0, 3000.0, 0, False),
            (BEGIN + 2 * SECOND, 1.0, 0, 0, 0.0, 0.0, 0, False),
            (BEGIN + 3 * SECOND, 1.0, 0, 0, 0.0, 0.0, 0, False),
            (BEGIN + 4 * SECOND, 1.0, 1, 500, 1.0, 4000.0, 0, True),
        ]
        assert [row["bits_per_s"] for row in ask(session, "rates", interval="500ms")][:3] == [16000.0, 4000.0, 2000.0]


@pytest.mark.parametrize(
    ("span", "seconds"),
    [(0, 1e-6), (40 * MS, 1e-3), (SECOND, 0.05), (60 * SECOND, 2.0), (3600 * SECOND, 120.0),
     (86_400 * SECOND, 1800.0), (400 * 86_400 * SECOND, 2_592_000.0)],
)  # fmt: skip
def test_the_interval_follows_from_the_span(written: Written, span: int, seconds: float) -> None:
    def fill(rows: Rows) -> None:
        packet(rows, 1, BEGIN, 60)
        packet(rows, 2, BEGIN + span, 60)

    with written(fill) as session:
        rates = ask(session, "rates")
        assert {row["seconds"] for row in rates} == {seconds}
        assert len(rates) <= 50
        assert sum(row["packets"] for row in rates) == 2


def test_many_intervals_are_those_with_packets(written: Written) -> None:
    def fill(rows: Rows) -> None:
        packet(rows, 1, BEGIN, 60)
        packet(rows, 2, BEGIN + 10_000 * SECOND, 60)

    with written(fill) as session:
        assert len(ask(session, "rates", interval="1s")) == 2
        assert len(ask(session, "rates", interval="2s")) == 5001


def test_sizes_fall_between_their_bounds(written: Written) -> None:
    sizes = (0, 1, 2, 4, 5, 9, 10, 19, 20, 49, 50, 99, 100, 999, 1000, 10**15)
    with written(lambda rows: [rows.flow(src_bytes=size, dst_bytes=0) for size in sizes]) as session:
        distribution = ask(session, "sizes")
    counted = {(row["at_least_bytes"], row["below_bytes"]): row["flows"] for row in distribution if row["flows"]}
    assert counted == {
        (0, 1): 1, (1, 2): 1, (2, 5): 2, (5, 10): 2, (10, 20): 2, (20, 50): 2, (50, 100): 2, (100, 200): 1,
        (500, 1000): 1, (1000, 2000): 1, (10**15, 2 * 10**15): 1,
    }  # fmt: skip
    for row in distribution:
        held = [size for size in sizes if row["at_least_bytes"] <= size < row["below_bytes"]]
        assert (row["flows"], row["bytes"]) == (len(held), sum(held))
    assert [row["below_bytes"] for row in distribution[1:-1]] == [row["at_least_bytes"] for row in distribution[2:]]
    assert distribution[-1]["cumulative_percent"] == 100


def test_durations_and_packets_fall_between_their_bounds(written: Written) -> None:
    def fill(rows: Rows) -> None:
        for lasted, packets in ((0, 1), (0.001, 2), (0.0011, 5), (30, 1000)):
            rows.flow(lasted=lasted, src_packets=packets, dst_packets=0)

    with written(fill) as session:
        durations = [(row["at_least_ms"], row["below_ms"], row["flows"]) for row in ask(session, "durations")]
        packets = [(row["at_least_packets"], row["flows"]) for row in ask(session, "packets")]
    assert [row for row in durations if row[2]] == [(0, 0.001, 1), (1, 2, 2), (20_000, 50_000, 1)]
    assert [row for row in packets if row[1]] == [(1, 1), (2, 1), (5, 1), (1000, 1)]


@pytest.mark.parametrize(
    ("flows", "expected"),
    [(1, (None, None, None, 1)), (2, (1, None, None, 2)), (9, (5, None, None, 9)), (10, (5, 9, None, 10)),
     (99, (50, 90, None, 99)), (100, (50, 90, 99, 100))],
)  # fmt: skip
def test_percentiles_are_values_of_flows_if_there_are_enough(
    written: Written, flows: int, expected: tuple[int | None, ...]
) -> None:
    with written(lambda rows: [rows.flow(src_bytes=n, dst_bytes=0, app="x") for n in range(1, flows + 1)]) as session:
        (row,) = ask(session, "percentiles")
        (by_app,) = ask(session, "percentiles", by_app="yes")
    assert tuple(row[f"bytes_{key}"] for key in ("p50", "p90", "p99", "max")) == expected
    assert row["flows"] == flows
    assert {**by_app, "app": None, "protocol": None} == row


def test_response_times_of_services_and_servers(written: Written) -> None:
    def fill(rows: Rows) -> None:
        near, far = rows.flow(dst="192.0.2.53", dst_port=53), rows.flow(dst="192.0.2.54", dst_port=53)
        for ms in range(1, 100):
            rows.message("dns", near, transport="dns", answer_ms=float(ms))
        rows.message("dns", far, transport="dns", answer_ms=5000.0)
        rows.message("dns", far, transport="dns", answer_ms=-3.0)
        rows.message("dns", far, transport="dns")
        rows.message("http", near, response_ms=7.0)
        rows.flow(open_ms=30.0)

    with written(fill) as session:
        rows = {row["service"]: row for row in ask(session, "response-times")}
        servers = ask(session, "response-times", by_server="yes", service="DNS")
        (filtered_row,) = ask(session, "response-times", "dst:192.0.2.54")
    assert set(rows) == {"dns", "http", "tcp"}
    dns = rows["dns"]
    assert (dns["samples"], dns["servers"], dns["negative"], dns["slowest_flow"]) == (100, 2, 1, 2)
    assert [dns[f"{key}_ms"] for key in ("min", "p50", "p90", "p95", "p99", "max")] == [1, 50, 90, 95, 99, 5000]
    assert [rows["http"][f"{key}_ms"] for key in ("min", "p50", "p99", "max")] == [7, None, None, 7]
    assert [(row["server"], row["port"], row["samples"], row["p95_ms"], row["p99_ms"]) for row in servers] == [
        ("192.0.2.53", 53, 99, 95, None),
        ("192.0.2.54", 53, 1, None, None),
    ]
    assert (filtered_row["samples"], filtered_row["max_ms"]) == (1, 5000)


def test_response_times_know_every_table_with_one() -> None:
    """A table with a new time of this kind belongs into the query."""
    sql = catalogue.load()["response-times"].sql
    timed = {
        (table_name(cls), column.name)
        for cls in tables()
        for column in columns(cls)
        if column.name in ("rtt_ms", "response_ms", "answer_ms", "server_hello_ms")
    } - {("dns", "rtt_ms")}  # of the last try: answer_ms is what was waited
    assert {(table, column) for column, table in re.findall(r"(\w+) FROM (\w+)", sql)} - {("flows", "open_ms")} == timed


def endpoints_of(capture: Path) -> dict[str, list[int]]:
    """Packets and bytes of each address, and of these what it sent and received, by the fields that tshark reads.

    Its own table of endpoints leaves out fragments of IPv6.
    """
    fields = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "frame.len")
    command = ["tshark", "-n", "-r", str(capture), "-T", "fields", "-E", "occurrence=f"]
    command += [word for field in fields for word in ("-e", field)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, list[int]] = {}
    for line in text.splitlines():
        src4, dst4, src6, dst6, length = line.split("\t")
        for end, at in ((src4 or src6, 2), (dst4 or dst6, 4)):
            if end:
                counts = found.setdefault(end, [0] * 6)
                for place in (0, at):
                    counts[place] += 1
                    counts[place + 1] += int(length)
    return found


@needs_tshark
@pytest.mark.parametrize("name", ["web.pcap", "dns.pcap", "ssh.pcap", "network.pcapng", "slow-link.pcap"])
def test_endpoints_are_those_of_tshark(name: str, tmp_path: Path) -> None:
    replay(tmp_path / "s.duckdb", SAMPLES / name).con.close()
    with open_session(str(tmp_path / "s.duckdb")) as session:
        rows = ask(session, "endpoints")
    keys = ("packets", "bytes", "packets_sent", "bytes_sent", "packets_received", "bytes_received")
    assert {row["ip"]: [row[key] for key in keys] for row in rows} == endpoints_of(SAMPLES / name)


def test_endpoints_of_a_sample_with_ports(web: Path) -> None:
    with open_session(str(web)) as session:
        rows = ask(session, "endpoints", "app:tls", ports="yes")
    keys = ("ip", "protocol", "port", "hostnames", "peers", "flows", "flows_initiated", "packets", "bytes")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("192.0.2.80", "tcp", 443, ["api.shop.example", "www.shop.example"], 1, 2, 0, 38, 10977),
        ("192.0.2.12", "tcp", 58468, None, 1, 1, 1, 23, 8411),
        ("192.0.2.12", "tcp", 58476, None, 1, 1, 1, 15, 2566),
    ]


def test_a_flow_from_an_address_to_itself_counts_once(written: Written) -> None:
    with written(lambda rows: rows.flow(src="10.0.0.1", dst="10.0.0.1")) as session:
        (row,) = ask(session, "endpoints")
        assert (row["flows"], row["peers"], row["bytes_sent"], row["bytes_received"]) == (1, 1, 4500, 4500)
        assert [row["flows"] for row in ask(session, "endpoints", ports="yes")] == [1, 1]


def test_lengths_of_packets_as_tshark_counts_them(web: Path) -> None:
    with open_session(str(web)) as session:
        rows = ask(session, "lengths")
    keys = ("at_least_bytes", "below_bytes", "packets", "mean_bytes", "smallest_bytes", "largest_bytes")
    assert [tuple(row[key] for key in keys) for row in rows] == [  # tshark -q -z plen,tree
        (0, 20, 0, None, None, None), (20, 40, 0, None, None, None), (40, 80, 53, 65.1, 42, 76),
        (80, 160, 22, 112.9, 90, 159), (160, 320, 6, 216.0, 168, 293), (320, 640, 7, 441.7, 367, 583),
        (640, 1280, 3, 997.3, 800, 1263), (1280, 2560, 5, 1468.2, 1285, 1514), (2560, 5120, 0, None, None, None),
        (5120, None, 0, None, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "app:tls OR host:shop"])
@pytest.mark.parametrize("name", QUERIES)
def test_statistics_run_in_the_process_that_writes_a_session(
    web: Path, scratch: Callable[..., duckdb.DuckDBPyConnection], name: str, text: str
) -> None:
    with open_session(str(web)) as session:
        saved = catalogue.load()[QUERIES[name]]
        sql, _ = filtered(saved.sql, saved.bind({}), text, Scope.of(session))
    check_functions(scratch(*tables()), sql)


@pytest.mark.parametrize("name", QUERIES)
def test_filters_restrict_flows_and_packets(web: Path, name: str) -> None:
    with open_session(str(web)) as session:
        everything = ask(session, name)
        assert ask(session, name, "packets:>0") == everything
        assert ask(session, name, "!app:tls OR app:tls") == everything
        assert ask(session, name, "app:tls") != everything


@pytest.mark.parametrize(
    "text", ["app:tls", "host:/.?shop/ port:443,80", "!(dst:192.0.2.80 app:http)", "'a ? b' OR packets:>3"]
)
def test_a_filtered_statement_counts_what_the_filter_finds(web: Path, text: str) -> None:
    with open_session(str(web)) as session:
        scope = Scope.of(session)
        flows = [row[0] for row in session.flows(text, columns=["flow_id"]).rows]
        marks = ", ".join(map(str, flows)) or "NULL"
        counted = session.sql(f"SELECT count(*), sum(length) FROM packets WHERE flow_id IN ({marks})").rows[0]
        found = totals(session, text, scope)
        assert (found.flows, found.packets, found.bytes) == (len(flows), *counted)
        sql, params = filtered(
            "-- a comment\nWITH x AS (SELECT 1 AS one) SELECT count(*), one FROM flows, x GROUP BY one", {}, text, scope
        )
        assert session.sql(sql, params).rows == [(len(flows), 1)]
        assert len(params) == sql.count("$filter_")


def test_totals_of_a_session_without_packets(empty: FileSession) -> None:
    assert totals(empty, "", Scope.of(empty)) == statistics.Totals(0, 0, 0, None, None)
