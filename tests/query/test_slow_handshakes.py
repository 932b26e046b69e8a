"""`slow-handshakes` on replayed captures: time counts from the first SYN, and what never opened is listed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from rustnet.query.catalogue import load
from rustnet.query.session import FileSession
from tests.support.packets import ACK, PSH, RST, START, SYN, Captured, tcp_frame
from tests.support.pcap import pcap_file
from tests.support.sessions import replay

MS = 1_000_000
ENDS = {4: ("192.0.2.10", "198.51.100.20"), 6: ("2001:db8::10", "2001:db8::20")}
Step = tuple[float, str]
"""Milliseconds after the beginning, and what is sent: S(YN), A(CK), D(ata) in capitals by the client, h, d, r by the
server (SYN-ACK, data, RST)."""

OPENINGS: dict[str, list[Step]] = {
    "at once": [(0, "S"), (20, "h"), (31, "A"), (32, "D"), (40, "d")],
    "slow answer": [(0, "S"), (300, "h"), (311, "A"), (312, "D")],
    "one SYN lost": [(0, "S"), (1_000, "S"), (1_020, "h"), (1_031, "A"), (1_032, "D")],
    "three SYNs lost": [(0, "S"), (1_000, "S"), (3_000, "S"), (7_000, "S"), (7_020, "h"), (7_031, "A")],
    "two SYN-ACKs lost": [(0, "S"), (20, "h"), (1_020, "h"), (3_020, "h"), (3_031, "A"), (3_032, "D")],
    "every packet twice": [(0, "S"), (0.1, "S"), (600, "h"), (600.1, "h"), (611, "A"), (611.1, "A")],
    "no ACK but data": [(0, "S"), (400, "h"), (450, "D")],
    "no answer": [(0, "S"), (1_000, "S"), (3_000, "S")],
    "refused at last": [(0, "S"), (1_000, "S"), (1_500, "r")],
    "refused": [(0, "S"), (500, "r")],
    "answer in vain": [(0, "S"), (20, "h"), (1_020, "h"), (3_020, "h")],
    "within": [(0, "A"), (900, "D"), (1_800, "d")],
}


def opening(steps: Iterable[Step], port: int, version: int) -> list[Captured]:
    """The packets of one connection."""
    client, server = (ENDS[version][0], port), (ENDS[version][1], 80)
    made = []
    for after, what in steps:
        frame = {
            "S": tcp_frame(client, server, 1_000, 0, SYN),
            "A": tcp_frame(client, server, 1_001, 5_001, ACK),
            "D": tcp_frame(client, server, 1_001, 5_001, ACK | PSH, b"ask"),
            "h": tcp_frame(server, client, 5_000, 1_001, SYN | ACK),
            "d": tcp_frame(server, client, 5_001, 1_004, ACK | PSH, b"answer"),
            "r": tcp_frame(server, client, 0, 1_001, RST | ACK),
        }[what]
        made.append(Captured(START + port * 20_000 * MS + round(after * MS), frame))
    return made


def listed(path: Path, version: int, **given: str) -> list[dict[str, Any]]:
    """Rows of the query, with the name of the opening for the port."""
    packets = [p for port, steps in enumerate(OPENINGS.values(), 1) for p in opening(steps, port, version)]
    (path / "a.pcap").write_bytes(pcap_file(packets))
    replay(path / "s.duckdb", path / "a.pcap").con.close()
    session = FileSession(path / "s.duckdb")
    result = load()["slow-handshakes"].execute(session, given)
    names: dict[int, int] = dict(session.execute("SELECT flow_id, src_port FROM flows").rows)
    session.close()
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    return [row | {"name": list(OPENINGS)[names[row["flow_id"]] - 1]} for row in rows]


@pytest.mark.parametrize("version", [4, 6])
def test_time_counts_from_the_first_try(tmp_path: Path, version: int) -> None:
    rows = listed(tmp_path, version)
    assert [(r["name"], r["took_ms"], r["outcome"], r["syn_tries"]) for r in rows] == [
        ("three SYNs lost", 7_031.0, "opened", 4),
        ("two SYN-ACKs lost", 3_031.0, "opened", 1),
        ("answer in vain", 3_020.0, "not completed", 1),
        ("no answer", 3_000.0, "no answer", 3),
        ("refused at last", 1_500.0, "refused", 2),
        ("one SYN lost", 1_031.0, "opened", 2),
        ("every packet twice", 611.0, "opened", 1),
        ("refused", 500.0, "refused", 1),
        ("no ACK but data", 450.0, "opened", 1),
        ("slow answer", 311.0, "opened", 1),
    ]
    karn = {r["name"]: r["handshake_rtt_ms"] for r in rows}
    assert karn["slow answer"] == 311.0
    assert {karn[name] for name in ("three SYNs lost", "two SYN-ACKs lost", "one SYN lost")} == {None}


def test_the_least_duration(tmp_path: Path) -> None:
    assert [row["name"] for row in listed(tmp_path, 4, least="3.01s")] == [
        "three SYNs lost",
        "two SYN-ACKs lost",
        "answer in vain",
    ]
