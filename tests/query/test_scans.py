"""`scans`: probes of every kind count, traffic of hosts that scan nothing does not."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from rustnet.query.catalogue import load
from rustnet.query.session import FileSession
from tests.support.packets import ACK, FIN, PSH, RST, SECOND, SYN, arp_frame, ip_frame, tcp_frame, udp_frame
from tests.support.pcap import pcap, write_pcap
from tests.support.sessions import replay

URG = 32
SCANNER, VICTIM = "192.0.2.66", "198.51.100.20"
SCANNER6, VICTIM6 = "2001:db8::66", "2001:db8:1::20"
PORTS = range(1, 41)
QUERY = load()["scans"]

Scan = tuple[str, str, str, str | None, int]
Ask = Callable[..., list[Scan]]


@pytest.fixture
def scans(tmp_path: Path) -> Ask:
    def ask(frames: Iterable[bytes], step: int = 1_000_000, **given: Any) -> list[Scan]:
        replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "c.pcap", frames, step=step)).con.close()
        session = FileSession(tmp_path / "s.duckdb")
        try:
            result = QUERY.execute(session, {name: str(value) for name, value in given.items()})
        finally:
            session.close()
        rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
        return [(row["kind"], row["scan"], row["src_ip"], row["target"], row["width"]) for row in rows]

    return ask


def probes(
    flags: int, answer: int | None, ends: tuple[str, str] = (SCANNER, VICTIM), port: int = 50_000
) -> list[bytes]:
    """A segment to each port, and an RST as the answer of each that is closed."""
    frames = []
    for number in PORTS:
        source, target = (ends[0], port), (ends[1], number)
        frames.append(tcp_frame(source, target, 100, 200 if flags & ACK else 0, flags))
        if answer is not None:
            frames.append(tcp_frame(target, source, 0, 101, answer))
    return frames


@pytest.mark.parametrize("answer", [RST | ACK, RST, None], ids=["closed", "reset", "filtered"])
@pytest.mark.parametrize("ends", [(SCANNER, VICTIM), (SCANNER6, VICTIM6)], ids=["v4", "v6"])
@pytest.mark.parametrize(
    ("flags", "scan"),
    [
        (FIN, "FIN"), (0, "NULL"), (FIN | PSH | URG, "XMAS"), (ACK, "ACK"), (FIN | ACK, "Maimon"), (PSH, "other flags"),
        (SYN, "SYN or connect"),
    ],
)  # fmt: skip
def test_a_vertical_scan_is_listed_with_its_kind(
    scans: Ask, flags: int, scan: str, ends: tuple[str, str], answer: int | None
) -> None:
    assert scans(probes(flags, answer, ends)) == [("many ports of one host", scan, *ends, len(PORTS))]


@pytest.mark.parametrize("port", [20, 53, 80])
def test_probes_from_a_servers_port_are_the_scanners(scans: Ask, port: int) -> None:
    """The flow table takes the end with the well-known port for the server."""
    assert scans(probes(FIN, RST | ACK, port=port)) == [("many ports of one host", "FIN", SCANNER, VICTIM, len(PORTS))]


@pytest.mark.parametrize(
    ("flags", "scan"), [(FIN, "FIN"), (ACK, "ACK"), (FIN | ACK, "Maimon"), (SYN, "SYN or connect")]
)
def test_a_sweep_of_one_port_is_listed(scans: Ask, flags: int, scan: str) -> None:
    frames = [tcp_frame((SCANNER, 50_000), (f"198.51.100.{n}", 443), 1, 0, flags) for n in range(1, 31)]
    assert scans(frames) == [("one port of many hosts", scan, SCANNER, "port 443", 30)]


def test_a_slow_scan_is_listed(scans: Ask) -> None:
    assert [row[1] for row in scans(probes(FIN, RST | ACK), step=100 * SECOND)] == ["FIN"]


def test_half_open_and_completed_attempts_are_told_apart(scans: Ask) -> None:
    opened = [
        tcp_frame((SCANNER, 50_000), (VICTIM, 500), 1, 0, SYN),
        tcp_frame((VICTIM, 500), (SCANNER, 50_000), 7, 2, SYN | ACK),
    ]
    half = [tcp_frame((SCANNER, 50_000), (VICTIM, 500), 2, 0, RST)]
    full = [
        tcp_frame((SCANNER, 50_000), (VICTIM, 500), 2, 8, ACK),
        tcp_frame((SCANNER, 50_000), (VICTIM, 500), 2, 8, RST | ACK),
    ]
    assert [row[1] for row in scans(probes(SYN, RST | ACK) + opened + half)] == ["SYN"]
    assert [row[1] for row in scans(probes(SYN, RST | ACK) + opened + full)] == ["connect"]


def test_a_sweep_that_finds_open_ports_only_is_half_open(scans: Ask) -> None:
    frames = []
    for n in range(1, 31):
        target = (f"198.51.100.{n}", 22)
        frames += [
            tcp_frame((SCANNER, 50_000), target, 1, 0, SYN),
            tcp_frame(target, (SCANNER, 50_000), 7, 2, SYN | ACK),
            tcp_frame((SCANNER, 50_000), target, 2, 0, RST),
        ]
    assert scans(frames) == [("one port of many hosts", "SYN", SCANNER, "port 22", 30)]


def test_datagrams_pings_and_arp_requests_are_scans_too(scans: Ask) -> None:
    udp = [udp_frame((SCANNER, 50_000), (VICTIM, port), b"x") for port in PORTS]
    assert scans(udp) == [("many ports of one host", "UDP", SCANNER, VICTIM, len(PORTS))]
    echo = b"\x08\0\0\0\0\1\0\1" + bytes(8)
    ping = [ip_frame(SCANNER, f"198.51.100.{n}", 1, echo) for n in range(1, 31)]
    assert scans(ping) == [("many hosts", "ping", SCANNER, None, 30)]
    arp = [arp_frame("192.0.2.66", f"192.0.2.{n}") for n in range(100, 130)]
    assert scans(arp) == [("many hosts", "ARP", "192.0.2.66", None, 30)]
    answers = [arp_frame(f"192.0.2.{n}", "192.0.2.66", 2) for n in range(100, 130)]
    assert scans([*arp, *answers]) == []


def test_a_scan_of_ip_protocols_is_listed(scans: Ask) -> None:
    frames = [ip_frame(SCANNER, VICTIM, number, bytes(20)) for number in range(60, 160)]
    (row,) = scans(frames)
    assert row[:4] == ("many protocols of one host", "IP protocol", SCANNER, VICTIM)
    assert row[4] > 50


def connection(client: tuple[str, int], server: tuple[str, int]) -> list[bytes]:
    return [
        tcp_frame(client, server, 1, 0, SYN),
        tcp_frame(server, client, 7, 2, SYN | ACK),
        tcp_frame(client, server, 2, 8, ACK),
        tcp_frame(client, server, 2, 8, PSH | ACK, b"question"),
        tcp_frame(server, client, 8, 10, PSH | ACK, b"answer"),
    ]


def test_a_busy_client_is_no_scanner(scans: Ask) -> None:
    frames = []
    for n in range(1, 61):
        frames += connection(("192.0.2.10", 40_000 + n), (f"198.51.100.{n}", 443))
    assert scans(frames) == []
    one_way = [frame for n, frame in enumerate(frames) if n % 5 in (0, 2, 3)]
    assert scans(one_way) == []  # of an asymmetric route, only the client's packets


@pytest.mark.parametrize("answer", [None, RST, FIN | ACK, ACK])
@pytest.mark.parametrize("flags", [FIN | ACK, ACK])
def test_connections_captured_from_their_ends_on_are_no_scans(scans: Ask, flags: int, answer: int | None) -> None:
    """A client closes connections with many servers, and a server those of many ports of one client."""
    frames = []
    for n in range(1, 61):
        ends = [
            (("192.0.2.10", 40_000 + n), (f"198.51.100.{n}", 443)),
            (("198.51.100.99", 443), ("192.0.2.10", 50_000 + n)),
        ]
        for source, target in ends:
            frames.append(tcp_frame(source, target, 100, 200, flags))
            if answer is not None:
                frames.append(tcp_frame(target, source, 200, 101, answer))
    assert scans(frames) == []


def test_answers_of_flooded_servers_are_no_scans(scans: Ask) -> None:
    """SYN-ACKs and RSTs to addresses that someone forged."""
    frames = [tcp_frame((VICTIM, 80), ("192.0.2.10", 1024 + n), 1, 2, SYN | ACK) for n in range(60)]
    frames += [tcp_frame((VICTIM, 81), ("192.0.2.10", 1024 + n), 1, 2, RST | ACK) for n in range(60)]
    assert scans(frames) == []


def test_segments_without_their_flags_are_no_null_scan(tmp_path: Path) -> None:
    frames = [tcp_frame((SCANNER, 50_000), (VICTIM, port), 1, 0, SYN) for port in PORTS]
    (tmp_path / "c.pcap").write_bytes(pcap(frames, snaplen=42))
    replay(tmp_path / "s.duckdb", tmp_path / "c.pcap").con.close()
    session = FileSession(tmp_path / "s.duckdb")
    assert QUERY.execute(session).rows == []
    session.close()
