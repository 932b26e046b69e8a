"""Passes: twice is once, later evidence is as good as early evidence, a small span costs little."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from rustnet.cli.main import main
from rustnet.derive.names import name_flows
from rustnet.derive.order import PASSES
from rustnet.derive.passes import Span, run_live
from rustnet.derive.relations import relate
from rustnet.dissect.registry import tables
from rustnet.records import table_name
from rustnet.store.schema import LEADING, create_table_sql
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN
from tests.attribute.conftest import SECOND, T0, Session

FOLDER = Path(__file__).parents[2] / "sample_pcaps"
SAMPLES = sorted(path for path in FOLDER.iterdir() if ".pcap" in path.name and ".json" not in path.name)
ORDER = {"processes": "* EXCLUDE (process_id)", "captures": "* EXCLUDE (ingested_at)"}

Rows = dict[str, list[str]]


def rows(session: Path) -> Rows:
    """Every base table's rows as text, in a fixed order."""
    con = duckdb.connect(str(session), read_only=True)
    try:
        tables = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
        return {
            table: sorted(map(repr, con.execute(f"SELECT {ORDER.get(table, '*')} FROM {table}").fetchall()))
            for table in tables
            if table not in ("meta", "migrations")
        }
    finally:
        con.close()


def owners(session: Path) -> list[tuple[object, ...]]:
    """Who owns each flow, by what a person sees of it."""
    con = duckdb.connect(str(session), read_only=True)
    try:
        return con.execute(
            "SELECT flow_id, p.pid, p.name, p.exe, p.cmdline, f.process_source, f.process_contested, f.unowned_reason "
            "FROM flows f LEFT JOIN processes p USING (process_id) ORDER BY flow_id"
        ).fetchall()
    finally:
        con.close()


@pytest.mark.parametrize("capture", SAMPLES, ids=lambda path: path.name)
def test_every_pass_again_changes_no_row(capture: Path, tmp_path: Path) -> None:
    session = tmp_path / "s.duckdb"
    assert main(["replay", str(capture), "--db", str(session), "--no-tui", "--json"]) in (0, 3)
    once = rows(session)
    assert main(["refresh", str(session)]) == 0
    assert rows(session) == once
    assert main(["refresh", str(session), "names", "relations", "ownership"]) == 0
    assert rows(session) == once


@pytest.mark.parametrize("capture", SAMPLES, ids=lambda path: path.name)
def test_a_later_sidecar_gives_the_same_owners(capture: Path, tmp_path: Path) -> None:
    sidecar = Path(f"{capture}.connections.jsonl")
    assert sidecar.exists()
    early, late = tmp_path / "early.duckdb", tmp_path / "late.duckdb"
    assert main(["replay", str(capture), "--sidecar", str(sidecar), "--db", str(early), "--json"]) in (0, 3)
    assert main(["replay", str(capture), "--no-sidecar", "--db", str(late), "--json"]) in (0, 3)
    assert all(pid is None for _flow, pid, *_rest in owners(late))
    assert main(["refresh", str(late), "--sidecar", str(sidecar)]) == 0
    assert any(pid is not None for _flow, pid, *_rest in owners(early))
    assert owners(late) == owners(early)
    assert rows(late) == rows(early)


def test_refresh_finds_the_sidecar_next_to_the_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = tmp_path / "web.pcap"
    shutil.copy(SAMPLES[-1].with_name("web.pcap"), capture)
    session = tmp_path / "s.duckdb"
    assert main(["replay", str(capture), "--db", str(session), "--json"]) == 0
    shutil.copy(SAMPLES[-1].with_name("web.pcap.connections.jsonl"), tmp_path / "web.pcap.connections.jsonl")
    capsys.readouterr()
    assert main(["refresh", str(session), "ownership"]) == 0
    shown = capsys.readouterr().out
    assert "ownership: " in shown
    assert "web.pcap.connections.jsonl: records" in shown


def test_an_unknown_pass_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = tmp_path / "s.duckdb"
    assert main(["replay", str(SAMPLES[0]), "--db", str(session), "--json"]) in (0, 3)
    assert main(["refresh", str(session), "nmes"]) == 2
    assert "unknown pass nmes" in capsys.readouterr().err
    assert main(["refresh", str(tmp_path / "none.duckdb")]) == 1


def learn(session: Session, name: str, ip: str, seconds: float = 0.0) -> None:
    session.con.execute(
        "INSERT INTO names (capture_id, ip, name, source, ts, ttl, client) "
        "VALUES (1, ?, ?, 'dns', make_timestamp_ns(?), 3600, '10.0.0.1')",
        [ip, name, round((T0 + seconds) * SECOND)],
    ).fetchall()


def test_only_rows_of_the_span_are_named(session: Session) -> None:
    first, second = session.flow(begin=1), session.flow(begin=2)
    learn(session, "shop.example", "93.184.216.34")
    assert name_flows(session.con, Span((1,), {FLOWS_ENDED: 1})) == 1
    assert session.ask("SELECT flow_id FROM flows WHERE hostname = 'shop.example'") == [(second,)]
    assert name_flows(session.con, Span((2,))) == 0
    assert name_flows(session.con, Span((1,))) == 1
    assert session.ask("SELECT flow_id FROM flows WHERE hostname = 'shop.example' ORDER BY 1") == [(first,), (second,)]


def test_open_flows_are_named_by_the_live_passes(session: Session) -> None:
    flow = session.flow(begin=1)
    session.con.execute(f"INSERT INTO {FLOWS_OPEN} FROM {FLOWS_ENDED}; DELETE FROM {FLOWS_ENDED}")
    learn(session, "shop.example", "93.184.216.34")
    for table in ("arp", "icmp"):
        session.con.execute(empty(table))
    run_live(PASSES, session.con, Span((1,), flows=FLOWS_OPEN))
    assert session.ask("SELECT flow_id, hostname, end_reason FROM flows") == [(flow, "shop.example", "interrupted")]


def empty(table: str) -> str:
    """CREATE TABLE of a protocol."""
    (cls,) = [cls for cls in tables() if table_name(cls) == table]
    return create_table_sql(cls, table, LEADING)


def arp(session: Session, packet: int, ip: str, mac: str) -> None:
    session.con.execute(
        "INSERT INTO arp (capture_id, flow_id, ts, packet, operation, sender_ip, sender_mac) "
        "VALUES (1, NULL, make_timestamp_ns(?), ?, 'reply', ?, ?)",
        [(T0 + packet) * SECOND, packet, ip, mac],
    ).fetchall()


def test_relations_over_spans_equal_relations_at_the_end(session: Session) -> None:
    session.con.execute(empty("arp"))
    asked = "SELECT packet, duplicate, duplicate_mac FROM arp ORDER BY packet"
    reported = "SELECT detail, packet, count FROM anomalies ORDER BY ALL"
    macs = ["a", "b", "a", "c", "c", "b"]
    for packet, mac in enumerate(macs, 1):
        arp(session, packet, f"10.0.0.{packet % 2}", f"00:00:00:00:00:0{mac}")
        relate(session.con, Span((1,), {"arp": packet - 1}), ("arp",))
    by_spans = session.ask(asked), session.ask(reported)
    session.con.execute("UPDATE arp SET duplicate = NULL, duplicate_mac = NULL; DELETE FROM anomalies").fetchall()
    relate(session.con, Span((1,)), ("arp",))
    assert (session.ask(asked), session.ask(reported)) == by_spans
    assert by_spans[1]


def timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def test_a_small_span_of_a_large_session_is_quick(session: Session) -> None:
    session.flow()
    session.con.execute(
        f"INSERT INTO {FLOWS_ENDED} SELECT * EXCLUDE (i) REPLACE (flow_id + i AS flow_id, "
        f"'10.' || (i % 200) || '.' || (i // 200 % 250) || '.9' AS dst_ip) FROM {FLOWS_ENDED}, range(1, 150001) r(i)"
    )
    session.con.execute(
        "INSERT INTO names (capture_id, ip, name, source, ts, ttl, client) SELECT 1, dst_ip, 'n' || dst_ip, 'dns', "
        "started_at - INTERVAL 1 SECOND, 3600, src_ip FROM flows GROUP BY ALL"
    )
    small = timed(lambda: name_flows(session.con, Span((1,), {FLOWS_ENDED: 149_900})))
    whole = timed(lambda: name_flows(session.con, Span((1,))))
    assert session.ask("SELECT count(*) FROM flows WHERE hostname IS NULL") == [(0,)]
    assert small < whole / 3, (small, whole)
