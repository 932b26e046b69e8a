"""`replay` of a capture in which every packet comes twice: what is counted, said, and left out on request."""

import json
from pathlib import Path
from typing import Any

import pytest

import rustnet
from tests.engine.test_contexts import http
from tests.engine.test_copies import MICROSECOND, twice
from tests.support.command_line import Run
from tests.support.packets import START, ethernet, ip, paced, udp
from tests.support.pcap import pcap_file

QUERY = bytes.fromhex("12340100000100000000000003777777076578616d706c6503636f6d0000010001")
ANSWER = bytes.fromhex(
    "12348180000100010000000003777777076578616d706c6503636f6d0000010001c00c00010001000000050004c6336414"
)


def capture(folder: Path) -> tuple[Path, int]:
    """A connection, one that is tunnelled, and a query, all twice; and how many packets there were before."""
    frames = http((), ()) + http("vxlan5", "vxlan5", (("10.0.0.1", 7_000), ("10.0.0.2", 80)))
    for src, dst, ports, body in (
        ("10.0.0.1", "10.0.0.3", (5_000, 53), QUERY),
        ("10.0.0.3", "10.0.0.1", (53, 5_000), ANSWER),
    ):
        frames.append(ethernet(ip(src, dst, 17, udp(*ports, body))))
    packets = paced(frames, START)
    path = folder / "twice.pcap"
    path.write_bytes(pcap_file(twice(packets, lambda: 5 * MICROSECOND)))
    return path, len(packets)


def rows(session: Path, sql: str) -> list[tuple[Any, ...]]:
    with rustnet.open(session) as opened:
        return [tuple(row) for row in opened.sql(sql).rows]


FLOWS = """SELECT protocol, dst_port, tunnel, conn_state, history, src_packets, dst_packets, src_payload, dst_payload,
    src_retransmissions + dst_retransmissions + src_duplicate_acks + dst_duplicate_acks, duplicates
    FROM flows WHERE app IS DISTINCT FROM 'vxlan' ORDER BY flow_id"""


def expected(counted: int) -> list[tuple[Any, ...]]:
    tcp = ["SF", "ShADdFf", 5 * counted, 3 * counted, 18, 19, 0, 8]
    return [
        ("tcp", 80, None, *tcp),
        ("tcp", 80, "vxlan", *tcp),
        ("udp", 53, None, "SF", "Dd", counted, counted, len(QUERY), len(ANSWER), 0, 2),
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_copies_are_counted_and_not_analysed(run: Run, tmp_path: Path, workers: int) -> None:
    path, packets = capture(tmp_path)
    session = tmp_path / "s.duckdb"
    result = run("replay", "--no-sidecar", "--workers", workers, "--db", session, path)
    assert result.code == 0
    assert f"50.0 % of packets are copies of others ({packets})" in result.out
    assert rows(session, FLOWS) == expected(2)
    assert rows(session, "SELECT count(*), count(*) FILTER (duplicate) FROM packets") == [(2 * packets, packets)]
    assert rows(session, "SELECT number FROM packets WHERE duplicate AND number % 2 = 1") == []
    assert rows(session, "SELECT response, rtt_ms FROM dns ORDER BY packet") == [(False, None), (True, 1.0)]
    assert rows(session, "SELECT packets, duplicates FROM captures") == [(2 * packets, packets)]
    health = json.loads(run("query", session, "capture-health", "--format", "json").out)
    assert (health[0]["duplicates"], health[0]["without_duplicates"]) == (packets, False)


def test_they_can_be_left_out_of_the_counts(run: Run, tmp_path: Path) -> None:
    path, packets = capture(tmp_path)
    session = tmp_path / "s.duckdb"
    result = run("replay", "--no-sidecar", "--drop-duplicates", "--db", session, path)
    assert f"({packets}): left out of the counts of flows" in " ".join(result.out.split())
    assert rows(session, FLOWS) == expected(1)
    assert rows(session, "SELECT count(*), count(*) FILTER (duplicate) FROM packets") == [(2 * packets, packets)]


@pytest.mark.parametrize("option", [(), ("--drop-duplicates",)])
def test_the_past_is_counted_alike(run: Run, tmp_path: Path, option: tuple[str, ...]) -> None:
    """`flows_at` a moment within the first connection, after six of its packets and their copies."""
    path, _packets = capture(tmp_path)
    session = tmp_path / "s.duckdb"
    run("replay", "--no-sidecar", *option, "--db", session, path)
    moment = f"make_timestamp_ns({START + 5_500_000})"
    sql = f"SELECT src_packets, dst_packets, src_payload, dst_payload, duplicates FROM flows_at({moment})"
    counted = 1 if option else 2
    assert rows(session, sql) == [(4 * counted, 2 * counted, 18, 19, 6)]
