"""`unanswered` and `failed-connections`: ICMP errors are answers, and want none themselves."""

import socket
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from rustnet.query.catalogue import load
from rustnet.query.session import FileSession
from tests.support.packets import ACK, SYN, arp_frame, ethernet, ip, ip_frame, kind_of, tcp, tcp_frame, udp
from tests.support.pcap import write_pcap
from tests.support.sessions import replay

QUERIES = load()
CLIENT, HOST, ROUTER = "192.0.2.10", "198.51.100.20", "203.0.113.1"
CLIENT6, HOST6, ROUTER6 = "2001:db8::10", "2001:db8:1::20", "2001:db8::1"

Rows = list[dict[str, Any]]
Ask = Callable[[str, Iterable[bytes]], Rows]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def run(name: str, frames: Iterable[bytes]) -> Rows:
        replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "c.pcap", frames)).con.close()
        session = FileSession(tmp_path / "s.duckdb")
        try:
            result = QUERIES[name].execute(session)
        finally:
            session.close()
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows]

    return run


def frame(packet: bytes) -> bytes:
    return ethernet(packet, kind_of(packet))


def datagram(client: str = CLIENT, host: str = HOST, port: int = 9999) -> bytes:
    return ip(client, host, 17, udp(50_000, port, b"anyone?"))


def attempt(client: str = CLIENT, host: str = HOST) -> bytes:
    return ip(client, host, 6, tcp(40_000, 25, 1, 0, SYN))


def error(sender: str, receiver: str, kind: int, code: int, about: bytes, rest: int = 0) -> bytes:
    """An ICMP or ICMPv6 error."""
    number = 58 if ":" in sender else 1
    return ip_frame(sender, receiver, number, struct.pack(">BBHI", kind, code, 0, rest) + about)


@pytest.mark.parametrize(
    ("about", "sent", "outcome"),
    [
        (datagram(), (HOST, CLIENT, 3, 3), "port unreachable"),
        (datagram(), (ROUTER, CLIENT, 3, 1), "host unreachable"),
        (datagram(), (ROUTER, CLIENT, 11, 0), "ttl exceeded"),
        (datagram(), (ROUTER, CLIENT, 12, 0), "parameter problem"),
        (attempt(), (ROUTER, CLIENT, 3, 13), "communication prohibited"),
        (attempt(), (HOST, CLIENT, 3, 2), "protocol unreachable"),
        (datagram(CLIENT6, HOST6), (HOST6, CLIENT6, 1, 4), "port unreachable"),
        (attempt(CLIENT6, HOST6), (ROUTER6, CLIENT6, 1, 1), "communication prohibited"),
        (attempt(CLIENT6, HOST6), (ROUTER6, CLIENT6, 3, 0), "ttl exceeded"),
        (ip(CLIENT, HOST, 132, struct.pack(">HHII", 50_000, 36_412, 0, 0) + bytes(20)), (HOST, CLIENT, 3, 2),
         "protocol unreachable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_an_error_is_the_answer_and_not_unanswered_itself(
    ask: Ask, about: bytes, sent: tuple[str, str, int, int], outcome: str
) -> None:
    frames = [frame(about), error(*sent, about)]
    for name in ("unanswered", "failed-connections"):
        (row,) = ask(name, frames)
        assert row["outcome"] == f"answered by ICMP {outcome}"
        assert row["reporters"] == [sent[0]]
        assert row["dst_ip"] in (HOST, HOST6)


@pytest.mark.parametrize(
    ("about", "sent"),
    [(attempt(), (ROUTER, CLIENT, 3, 4)), (datagram(CLIENT6, HOST6), (ROUTER6, CLIENT6, 2, 0)),
     (datagram(), (ROUTER, CLIENT, 4, 0)), (datagram(), (ROUTER, CLIENT, 5, 1))],
    ids=["fragmentation needed", "packet too big", "source quench", "redirect"],
)  # fmt: skip
def test_messages_that_fail_nothing_are_no_answers(ask: Ask, about: bytes, sent: tuple[str, str, int, int]) -> None:
    (row,) = ask("unanswered", [frame(about), error(*sent, about, 1400)])
    assert row["outcome"] == "no answer"


def test_a_connection_that_opened_later_did_not_fail(ask: Ask) -> None:
    frames = [
        frame(attempt()),
        error(ROUTER, CLIENT, 3, 1, attempt()),
        tcp_frame((CLIENT, 40_000), (HOST, 25), 1, 0, SYN),
        tcp_frame((HOST, 25), (CLIENT, 40_000), 7, 2, SYN | ACK),
        tcp_frame((CLIENT, 40_000), (HOST, 25), 2, 8, ACK),
    ]
    assert ask("failed-connections", frames) == []
    assert ask("unanswered", frames) == []


def test_an_error_through_a_router_that_translates_addresses(ask: Ask) -> None:
    """It quotes the public address, but goes to the private one."""
    private = datagram("10.0.0.5")
    public = datagram("203.0.113.77")
    (row,) = ask("unanswered", [frame(private), error(HOST, "10.0.0.5", 3, 3, public)])
    assert row["outcome"] == "answered by ICMP port unreachable"
    hidden = datagram(CLIENT, "10.9.9.9")  # the host behind a published address
    (row,) = ask("unanswered", [frame(datagram()), error(HOST, CLIENT, 3, 3, hidden)])
    assert row["outcome"] == "answered by ICMP port unreachable"


def test_an_error_stored_ahead_of_its_packet(ask: Ask) -> None:
    (row,) = ask("unanswered", [error(HOST, CLIENT, 3, 3, datagram()), frame(datagram())])
    assert row["outcome"] == "answered by ICMP port unreachable"


def test_a_traceroute_has_a_row_for_each_outcome(ask: Ask) -> None:
    frames = []
    for hop in range(3):
        probe = datagram(port=33_434 + hop)
        sender = HOST if hop == 2 else f"203.0.113.{hop}"
        frames += [frame(probe), error(sender, CLIENT, 3 if hop == 2 else 11, 3 if hop == 2 else 0, probe)]
    rows = {row["dst_port"]: row["outcome"] for row in ask("unanswered", frames)}
    assert rows == {
        33_434: "answered by ICMP ttl exceeded",
        33_435: "answered by ICMP ttl exceeded",
        33_436: "answered by ICMP port unreachable",
    }


def test_an_error_about_a_tunnel(ask: Ask) -> None:
    """The outer packet is quoted: its flow is answered."""
    carrier = ip(CLIENT, HOST, 47, struct.pack(">HH", 0, 0x0800) + datagram("10.0.0.1", "10.0.0.2"))
    rows = ask("unanswered", [frame(carrier), error(HOST, CLIENT, 3, 2, carrier)])
    assert {row["protocol"]: row["outcome"] for row in rows} == {
        "gre": "answered by ICMP protocol unreachable",
        "udp": "no answer",
    }


def test_an_error_inside_a_tunnel(ask: Ask) -> None:
    def carried(packet: bytes, ends: tuple[str, str]) -> bytes:
        return frame(ip(*ends, 47, struct.pack(">HH", 0, 0x0800) + packet))

    probe = datagram("10.0.0.1", "10.0.0.2")
    answer = error("10.0.0.2", "10.0.0.1", 3, 3, probe)[14:]
    (row,) = ask("unanswered", [carried(probe, (CLIENT, HOST)), carried(answer, (HOST, CLIENT))])
    assert (row["protocol"], row["outcome"]) == ("udp", "answered by ICMP port unreachable")


def solicitation(kind: int, source: str, target: str) -> bytes:
    body = struct.pack(">BBHI", kind, 0, 0, 0) + socket.inet_pton(socket.AF_INET6, target)
    return ip_frame(source, target if kind == 135 else CLIENT6, 58, body)


def test_questions_about_neighbours_are_answered_by_flows_of_their_own(ask: Ask) -> None:
    assert ask("unanswered", [arp_frame("192.0.2.1", "192.0.2.2"), arp_frame("192.0.2.2", "192.0.2.1", 2)]) == []
    (row,) = ask("unanswered", [arp_frame("192.0.2.1", "192.0.2.2")])
    assert (row["protocol"], row["outcome"]) == ("arp", "no answer")
    asked = solicitation(135, CLIENT6, ROUTER6)
    assert ask("unanswered", [asked, solicitation(136, ROUTER6, ROUTER6)]) == []
    (row,) = ask("unanswered", [asked])
    assert row["dst_ip"] == ROUTER6


def test_where_the_other_direction_is_not_captured_nothing_is_called_unanswered(ask: Ask) -> None:
    frames = [
        tcp_frame((CLIENT, 40_000), (HOST, 25), 1, 0, SYN),
        tcp_frame((CLIENT, 40_000), (HOST, 25), 2, 8, ACK),
        tcp_frame((CLIENT, 40_000), (HOST, 25), 2, 8, ACK, b"HELO x\r\n"),
    ]
    (row,) = ask("unanswered", frames)
    assert row["outcome"] == "unknown: acknowledges what is not in the capture"
    assert ask("failed-connections", frames) == []
