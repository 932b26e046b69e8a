"""How long a question took counts from its first try, from whatever port, id, server or transport the others were."""

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from rustnet.cli.main import main
from rustnet.query.catalogue import load
from rustnet.query.session import FileSession
from tests.dissect.samples_web import answer, dns, framed, question
from tests.support.packets import ACK, PSH, START, SYN, Captured, End, tcp_frame, udp_frame
from tests.support.pcap import pcap_file
from tests.support.sessions import ReplayedSession, replay

MS = 1_000_000
CLIENT, SERVER, OTHER = "192.0.2.10", "192.0.2.53", "192.0.2.54"
CLIENT6, SERVER6 = "2001:db8::10", "2001:db8::53"
NAME = "www.example.com"

Ask = Callable[[Iterable[Captured]], ReplayedSession]


@pytest.fixture
def replayed(tmp_path: Path) -> Ask:
    def run(packets: Iterable[Captured]) -> ReplayedSession:
        (tmp_path / "c.pcap").write_bytes(pcap_file(packets))
        session = replay(tmp_path / "s.duckdb", tmp_path / "c.pcap")
        assert not session.report.not_stored
        return session

    return run


def query(ms: float, port: int = 50_000, *, txid: int = 7, name: str = NAME, client: str = CLIENT, server: str = SERVER,
          kind: int = 1) -> Captured:  # fmt: skip
    message = dns(0x0100, (question(name, kind),), txid=txid)
    return Captured(START + round(ms * MS), udp_frame((client, port), (server, 53), message))


def response(ms: float, port: int = 50_000, *, txid: int = 7, name: str = NAME, client: str = CLIENT,
             server: str = SERVER, flags: int = 0x8180, kind: int = 1) -> Captured:  # fmt: skip
    answers = (answer(b"\xc0\x0c", 1, b"\xc6\x33\x64\x07"),) if kind == 1 and flags == 0x8180 else ()
    message = dns(flags, (question(name, kind),), answers, txid=txid)
    return Captured(START + round(ms * MS), udp_frame((server, 53), (client, port), message))


def values(session: ReplayedSession) -> list[tuple[Any, ...]]:
    """Of each message in packet order: response, RTT, tries, time to answer, time without an answer."""
    return session.ask("SELECT response, rtt_ms, tries, answer_ms, unanswered_ms FROM dns ORDER BY packet")


def test_names_compare_without_case(replayed: Ask) -> None:
    """0x20: an answer may have another spelling than its query."""
    session = replayed(
        [query(0, name="wWw.ExAmPle.com"), response(20, name="www.example.COM"),
         query(30, 1234, name="WWW.example.com"), response(50, 1234, name="WWW.example.com")]
    )  # fmt: skip
    assert {row[0] for row in session.ask("SELECT query FROM dns")} == {NAME}
    assert [row[1] for row in values(session)] == [None, 20, None, 20]
    assert session.ask("SELECT DISTINCT name FROM names") == [(NAME,)]
    assert session.ask("SELECT DISTINCT answer_names FROM dns") == [(None,)]


def test_a_single_question_took_its_round_trip(replayed: Ask) -> None:
    assert values(replayed([query(0), response(20)])) == [(False, None, 1, None, None), (True, 20, 1, 20, None)]


@pytest.mark.parametrize(
    ("ports", "ids", "servers"),
    [
        ((50_000, 50_000, 50_000), (7, 7, 7), (SERVER, SERVER, SERVER)),
        ((50_000, 50_000, 50_000), (7, 8, 9), (SERVER, SERVER, SERVER)),
        ((50_000, 50_001, 50_002), (7, 7, 7), (SERVER, SERVER, SERVER)),
        ((50_000, 50_001, 50_002), (7, 8, 9), (SERVER, SERVER, SERVER)),
        ((50_000, 50_001, 50_002), (7, 7, 7), (SERVER, OTHER, SERVER)),
        ((50_000, 50_000, 50_000), (7, 7, 7), (SERVER, OTHER, SERVER)),
    ],
    ids=["same", "other ids", "other ports", "other ids and ports", "another server", "another server, one port"],
)
def test_three_tries(replayed: Ask, ports: tuple[int, ...], ids: tuple[int, ...], servers: tuple[str, ...]) -> None:
    tries = zip((0, 5000, 10_000), ports, ids, servers, strict=True)
    packets = [query(ms, port, txid=txid, server=server) for ms, port, txid, server in tries]
    packets.append(response(10_020, ports[2], txid=ids[2], server=servers[2]))
    assert values(replayed(packets)) == [
        (False, None, 1, None, None), (False, None, 2, None, None), (False, None, 3, None, None),
        (True, 20, 3, 10_020, None),
    ]  # fmt: skip


def test_three_tries_in_ipv6_with_other_spellings(replayed: Ask) -> None:
    ends: dict[str, Any] = {"client": CLIENT6, "server": SERVER6}
    packets = [
        query(1000 * n, 50_000 + n, txid=n, name=name, **ends) for n, name in enumerate(("A.test", "a.TEST", "a.tESt"))
    ]
    packets.append(response(2005, 50_002, txid=2, name="a.tESt", **ends))
    assert values(replayed(packets))[-1] == (True, 5, 3, 2005, None)


def test_an_answer_to_the_first_try_that_came_after_the_second(replayed: Ask) -> None:
    packets = [query(0), query(5000, 50_001, txid=8), response(5500), response(5520, 50_001, txid=8)]
    assert values(replayed(packets)) == [
        (False, None, 1, None, None), (False, None, 2, None, None), (True, 5500, 2, 5500, None),
        (True, 520, 2, None, None),
    ]  # fmt: skip


def test_a_question_that_nothing_answered(replayed: Ask) -> None:
    packets = [query(0), query(5000, 50_001), query(10_000, 50_002), query(20, 1000, name="fine.test"),
               response(40, 1000, name="fine.test")]  # fmt: skip
    session = replayed(sorted(packets, key=lambda packet: packet.ts))
    assert session.ask("SELECT query, tries, unanswered_ms FROM dns WHERE unanswered_ms IS NOT NULL") == [
        (NAME, 3, 10_000)
    ]


def test_later_questions_of_the_same_name_are_their_own(replayed: Ask) -> None:
    packets = [query(0), response(20), query(100, 50_001), response(120, 50_001), query(60_000), query(90_000)]
    rows = values(replayed(packets))
    assert [row[2] for row in rows] == [1, 1, 1, 1, 1, 1]
    assert [row[4] for row in rows] == [None, None, None, None, 0, 0]


def test_another_client_or_type_is_another_question(replayed: Ask) -> None:
    packets = [query(0), query(1000, client="192.0.2.11"), query(2000, 50_005, kind=28)]
    assert [row[2] for row in values(replayed(packets))] == [1, 1, 1]


def stream(ms: int, client: End, server: End, asked: bytes, answered: bytes) -> list[Captured]:
    size = len(asked)
    frames = [
        tcp_frame(client, server, 1, 0, SYN), tcp_frame(server, client, 7, 2, SYN | ACK),
        tcp_frame(client, server, 2, 8, ACK), tcp_frame(client, server, 2, 8, PSH | ACK, asked),
        tcp_frame(server, client, 8, 2 + size, PSH | ACK, answered),
    ]  # fmt: skip
    return [Captured(START + (ms + n) * MS, data) for n, data in enumerate(frames)]


def test_a_cut_answer_is_asked_for_again_over_tcp(replayed: Ask) -> None:
    asked = framed(dns(0x0100, (question(NAME),), txid=9))
    answered = framed(dns(0x8180, (question(NAME),), (answer(b"\xc0\x0c", 1, b"\xc6\x33\x64\x07"),), txid=9))
    packets = [query(0), response(20, flags=0x8380), *stream(30, (CLIENT, 40_000), (SERVER, 53), asked, answered)]
    assert values(replayed(packets)) == [
        (False, None, 1, None, None), (True, 20, 1, None, None), (False, None, 2, None, None), (True, 1, 2, 34, None),
    ]  # fmt: skip


def test_a_response_ahead_of_its_query(replayed: Ask) -> None:
    """In the file alone, or in its times, too: then the time is unknown, and no later pair is off by one."""
    first, later = query(0), response(0.4)
    assert values(replayed([later, first])) == [(True, 0.4, 1, 0.4, None), (False, None, 1, None, None)]
    rows = values(replayed([response(0), query(0.4), query(2000), response(2020)]))
    assert rows == [
        (True, None, 1, None, None), (False, None, 1, None, None), (False, None, 1, None, None),
        (True, 20, 1, 20, None),
    ]  # fmt: skip


def test_a_second_copy_of_a_response_pairs_with_nothing(replayed: Ask) -> None:
    other = dns(0x8180, (question(NAME),), (answer(b"\xc0\x0c", 1, b"\xc6\x33\x64\x08"),), txid=7)
    second = Captured(START + 21 * MS, udp_frame((SERVER, 53), (CLIENT, 50_000), other))
    rows = values(replayed([query(0), response(20), second, query(25), response(65)]))
    assert [(row[1], row[3]) for row in rows] == [(None, None), (20, 20), (None, None), (None, None), (40, 40)]


def test_again_changes_nothing(replayed: Ask, tmp_path: Path) -> None:
    packets = [
        query(0),
        query(5000, 50_001),
        response(5020, 50_001),
        query(9000, 1),
        response(9000.1, 2),
        query(9000.2, 2),
    ]
    session = replayed(packets)
    before = values(session)
    session.con.close()
    assert main(["refresh", str(tmp_path / "s.duckdb"), "relations"]) == 0
    reader = FileSession(tmp_path / "s.duckdb")
    after = reader.execute("SELECT response, rtt_ms, tries, answer_ms, unanswered_ms FROM dns ORDER BY packet").rows
    reader.close()
    assert list(after) == before


def test_slow_dns_lists_them_slowest_first(replayed: Ask, tmp_path: Path) -> None:
    packets = [
        query(0, 1001, name="tried.test"), query(5000, 1002, name="tried.test"), query(10_000, 1003, name="tried.test"),
        response(10_020, 1003, name="tried.test"), query(1, 1004, name="slow.test"),
        response(301, 1004, name="slow.test"),
        query(2, 1005, name="fast.test"), response(22, 1005, name="fast.test"), query(3, 1006, name="lost.test"),
        query(8003, 1007, name="lost.test"),
    ]  # fmt: skip
    replayed(sorted(packets, key=lambda packet: packet.ts)).con.close()
    session = FileSession(tmp_path / "s.duckdb")
    try:
        result = load()["slow-dns"].execute(session)
        rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
        assert [(row["query"], row["waited_ms"], row["tries"], row["outcome"]) for row in rows] == [
            ("tried.test", 10_020, 3, "answered"), ("lost.test", 8000, 2, "no answer in the capture"),
            ("slow.test", 300, 1, "answered"),
        ]  # fmt: skip
        failures = load()["dns-failures"].execute(session)
        assert [row[:4] for row in failures.rows] == [("lost.test", "A", "no answer", 1)]
    finally:
        session.close()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ports", [1, 7], ids=["one flow", "seven flows"])
def test_any_order_within_ten_milliseconds_pairs_rightly_or_not_at_all(replayed: Ask, seed: int, ports: int) -> None:
    """Packets keep their times; cards with several queues store them in another order. Some answers come twice."""
    chance = random.Random(seed)
    truth: dict[int, float] = {}
    packets: list[Captured] = []
    for number in range(150):
        at, took = number * 3.0, chance.choice((0.25, 2.0, 9.5, 40.0))
        name, port = f"n{number % 11}.test", 40_000 + number % ports
        truth[number] = took
        packets.append(query(at, port, txid=number, name=name))
        packets += [response(at + took, port, txid=number, name=name)] * chance.choice((1, 1, 1, 2))
    delays = {id(packet): chance.random() * 9.9 * MS for packet in packets}
    session = replayed(sorted(packets, key=lambda packet: packet.ts + delays[id(packet)]))
    pairs = session.ask("SELECT txid, rtt_ms FROM dns WHERE rtt_ms IS NOT NULL")
    assert {(txid, rtt) for txid, rtt in pairs} <= set(truth.items())
    assert len(dict(pairs)) > 140
