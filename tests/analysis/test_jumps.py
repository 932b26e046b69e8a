"""Flows with sequence numbers of another stream are anomalies, with their count and the first such packet."""

from pathlib import Path

from tests.support.packets import ACK, PSH, START, SYN, Captured, tcp_frame
from tests.support.pcap import pcap_file
from tests.support.sessions import replay

C, S = ("192.0.2.10", 40_000), ("198.51.100.20", 80)
ASK = b"GET /f HTTP/1.1\r\nHost: a.example\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def talk(client: int, server: int) -> list[bytes]:
    """A request and its response, with these first numbers."""
    return [
        tcp_frame(C, S, client, 0, SYN),
        tcp_frame(S, C, server, client + 1, SYN | ACK),
        tcp_frame(C, S, client + 1, server + 1, ACK),
        tcp_frame(C, S, client + 1, server + 1, ACK | PSH, ASK),
        tcp_frame(S, C, server + 1, client + 1 + len(ASK), ACK | PSH, ANSWER),
    ]


def test_both_sides_of_a_device_that_renumbers(tmp_path: Path) -> None:
    pairs = zip(talk(1_000, 5_000), talk(100_000_000, 200_000_000), strict=True)
    packets = [
        Captured(START + i * 1_000_000 + k * 300_000, frame)
        for i, pair in enumerate(pairs)
        for k, frame in enumerate(pair)
    ]
    (tmp_path / "a.pcap").write_bytes(pcap_file(packets))
    done = replay(tmp_path / "s.duckdb", tmp_path / "a.pcap")
    assert done.ask("SELECT flow_id, packet, kind, count FROM anomalies") == [(1, 2, "sequence_jump", 5)]
    assert done.ask("SELECT src_packets, dst_packets, src_missed_bytes, dst_missed_bytes FROM flows") == [(6, 4, 0, 0)]
    assert done.ask("SELECT method, uri, status FROM http ORDER BY packet")[0][:2] == ("GET", "/f")
    assert done.ask("SELECT count(*) FROM http WHERE status = 200") == [(1,)]
