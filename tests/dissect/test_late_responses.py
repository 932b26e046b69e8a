"""A response that was given up as missing and comes after all is not taken for that of a later request."""

from pathlib import Path

import pytest

from tests.support.packets import ACK, PSH, START, SYN, Captured, tcp_frame
from tests.support.pcap import pcap_file
from tests.support.sessions import replay

CLIENT, SERVER = ("10.0.0.2", 40_000), ("192.0.2.80", 80)
MS = 1_000_000


@pytest.mark.parametrize("second", [True, False])
def test_a_response_that_comes_too_late_is_nobodys(second: bool, tmp_path: Path) -> None:
    first, later = (f"GET /{n} HTTP/1.1\r\nHost: h.example\r\n\r\n".encode() for n in (1, 2))
    found, missing = (
        f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode() for status in ("200 OK", "404 Not Found")
    )
    mine, theirs = 101 + len(first), 501 + len(found)
    packets = [
        (0, tcp_frame(CLIENT, SERVER, 100, 0, SYN)),
        (1, tcp_frame(SERVER, CLIENT, 500, 101, SYN | ACK)),
        (2, tcp_frame(CLIENT, SERVER, 101, 501, ACK)),
        (3, tcp_frame(CLIENT, SERVER, 101, 501, PSH | ACK, first)),
        (10, tcp_frame(CLIENT, SERVER, mine, theirs, ACK)),
        (20, tcp_frame(CLIENT, SERVER, mine, theirs, PSH | ACK, later)),
        (200, tcp_frame(CLIENT, SERVER, mine + len(later), theirs, ACK)),
        (300, tcp_frame(SERVER, CLIENT, 501, mine, PSH | ACK, found)),
    ]
    if second:
        packets.append((310, tcp_frame(SERVER, CLIENT, theirs, mine + len(later), PSH | ACK, missing)))
    capture = tmp_path / "late.pcap"
    capture.write_bytes(pcap_file([Captured(START + ms * MS, data) for ms, data in packets]))
    rows = replay(tmp_path / "s.duckdb", capture).ask("SELECT uri, status, pair_unknown FROM http ORDER BY ALL")
    assert {(uri, status) for uri, status, _ in rows if uri and status} <= {("/1", 200), ("/2", 404)}
    assert ("/2", 200, False) not in rows
    assert [uri for uri, _status, unknown in rows if unknown and uri] == ["/1", "/2"]
