"""Captures that begin within a connection, lose its beginning, or hold TLS behind words of its own protocol."""

import pytest

from rustnet.dissect.http.record import Http
from rustnet.dissect.kerberos import Kerberos
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER
from tests.dissect.samples import SAMPLES
from tests.dissect.samples_domain import AS_REP, prefixed
from tests.dissect.samples_web import client_hello, handshake_message, tls_record

HELLO = tls_record(22, handshake_message(1, client_hello((0x1301, 0xC02F), ((23, b""),))))
TAIL = bytes.fromhex("b44682a6850d31011c46ef2b5cbf9f9519295cf847b9d9ed7bb8ee6a801e4cbb")
"""The end of a message whose beginning was not captured."""


@pytest.mark.parametrize("name", ["kerberos", "ldap", "smb", "dcerpc", "postgresql", "mongodb"])
def test_one_side_begins_within_a_message(name: str) -> None:
    sample = next(s for s in SAMPLES[name] if s.transport == "tcp")
    answer = next(data for from_src, data in sample.talk if not from_src)
    dispatched = DispatchedFlow([(CLIENT, TAIL), (SERVER, answer)], sample.port)
    assert dispatched.talk.app == name
    assert not dispatched.sink.anomalies


def test_the_side_that_was_cut_is_read_on() -> None:
    talk = [(CLIENT, TAIL), (SERVER, prefixed(AS_REP)), (CLIENT, prefixed(AS_REP)), (SERVER, prefixed(AS_REP))]
    assert len(DispatchedFlow(talk, 88).rows(Kerberos)) == 3


def test_a_hello_behind_words_of_another_protocol() -> None:
    said = [(CLIENT, b"NXSH-7.1.1\r\n"), (SERVER, b"NXSH-7.2.2\n"), (CLIENT, HELLO)]
    dispatched = DispatchedFlow(said)
    assert dispatched.talk.app == "tls"
    (row,) = dispatched.rows(Tls)
    assert row["ja4"] == "t12i020100_c1929292aa6b_1ca028f07214"


def test_a_lost_beginning_is_no_end() -> None:
    dispatched = DispatchedFlow([])
    dispatched.flow.wants = True
    dispatched.flow.talk = None
    dispatched.dispatcher.gap(dispatched.flow, CLIENT, 1460, 1, 1)
    assert dispatched.flow.wants
    dispatched.flow.talk = dispatched.talk
    dispatched.offer(TAIL, CLIENT, "tcp")
    dispatched.dispatcher.gap(dispatched.flow, CLIENT, 1460, 2, 2)
    dispatched.offer(HELLO, CLIENT, "tcp")
    assert dispatched.talk.app == "tls"


def test_what_comes_in_small_pieces_is_waited_for() -> None:
    (sample, *_) = SAMPLES["mysql"]
    assert DispatchedFlow(sample.talk, sample.port, chunk=3).talk.app == "mysql"
    endless = DispatchedFlow([(CLIENT, b"\x00")] * 200, 9999)
    assert endless.talk.finished


PUBLISH = b"\x32\x10\0\x09home/temp\0\x07" + b"-3.5"[:3]


@pytest.mark.parametrize(
    ("said", "port", "app"),
    [
        (PUBLISH, 17501, "mqtt"),
        (PUBLISH * 3, 1883, "mqtt"),
        (b"\x82\x08\0\1\0\3a/#\0", 1883, "mqtt"),
        (b"\x90\3\0\1\0\xd0\0", 1883, "mqtt"),
        (b"\xc0\0", 1883, "mqtt"),
        (b"\xc0\0", 17501, None),
        (PUBLISH[:-1], 17501, None),
        (PUBLISH.replace(b"home", b"ho\1e"), 17501, None),
        (b"0\x0c\2\1\1`\7\2\1\3\4\0\x80\0", 17501, "ldap"),
        (b"\3\1\0\x0c\0\0\1\0abcd", 1433, "tds"),
        (b"\6\1\0\x08\0\0\1\0", 1433, "tds"),
        (b"\1\0\x10\0\0\0\1\0" + bytes(1452), 1433, "tds"),
        (b"\3\1\0\x0c\0\0\1\0abcd", 9999, None),
        (b"\3\1\0\x0d\0\0\1\0abcd", 1433, None),
        (b"\x08\0\0\0\0\0\0\xce", 5672, "amqp"),
        (b"\2\0\1\0\0\0\x0e\0<\0\0\0\0\0\0\0\0\0\5\0\0\xce\3\0\1\0\0\0\5hello\xce", 5672, "amqp"),
        (b"\x08\0\0\0\0\0\0\xcf", 5672, None),
    ],
)
def test_single_messages_of_earlier_connections(said: bytes, port: int, app: str | None) -> None:
    dispatched = DispatchedFlow([(CLIENT, said)], port)
    assert dispatched.talk.app == app
    assert not dispatched.sink.anomalies


def test_datagrams_that_keep_a_path_open_are_not_counted() -> None:
    (sample, *_) = SAMPLES["sip"]
    said = [(CLIENT, b"hello" + bytes(9))] * 20 + list(sample.talk)
    assert DispatchedFlow(said, sample.port, "udp").talk.app == "sip"
    assert not DispatchedFlow([(CLIENT, b"hello" + bytes(9))] * 64, sample.port, "udp").flow.wants
    assert not DispatchedFlow([(CLIENT, b"hello" + bytes(19))] * 4, 9999, "udp").flow.wants
    assert not DispatchedFlow([(CLIENT, b"hello" + bytes(19))] * 11, sample.port, "udp").flow.wants


@pytest.mark.parametrize(
    ("said", "port", "app"),
    [
        (b"331 Please specify the password.\r\n", 21, "ftp"),
        (b"530 Login incorrect.\r\n", 21, "ftp"),
        (b"250 2.1.5 Ok\r\n", 25, "smtp"),
        (b"354 End data with <CR><LF>.<CR><LF>\r\n", 587, "smtp"),
        (b"331 Please specify the password.\r\n", 9999, None),
        (b"250 2.1.5 Ok\r\n", 9999, None),
        (b"999 nothing\r\n", 21, None),
    ],
)
def test_replies_of_earlier_sessions(said: bytes, port: int, app: str | None) -> None:
    assert DispatchedFlow([(SERVER, said), (SERVER, said)], port).talk.app == app


def cut(dispatched: DispatchedFlow, from_src: bool, data: bytes, size: int = 1000) -> None:
    """Offer a segment that the snap length cut: the rest of it is a gap."""
    dispatched.flow.wants = True
    dispatched.offer(data, from_src, "tcp")
    dispatched.dispatcher.gap(dispatched.flow, from_src, size, 2_000_000_000, dispatched.talk.packet)


def test_heads_cut_by_the_snap_length_are_read_as_far_as_they_go() -> None:
    dispatched = DispatchedFlow([], 80)
    dispatched.flow.talk = dispatched.talk
    for path in (b"/a", b"/b"):
        cut(dispatched, CLIENT, b"GET " + path + b" HTTP/1.1\r\nHost: h.example\r\nUser-Agent: Moz")
        cut(dispatched, SERVER, b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Le")
    dispatched.dispatcher.close(dispatched.flow)
    rows = dispatched.rows(Http)
    assert [(r["uri"], r["host"], r["user_agent"], r["status"], r["server"]) for r in rows] == [
        ("/a", "h.example", "Moz", 404, "nginx"),
        ("/b", "h.example", "Moz", 404, "nginx"),
    ]
    assert not dispatched.sink.anomalies


def test_a_server_hello_in_a_record_that_was_cut() -> None:
    server_hello = bytes.fromhex("0303") + bytes(32) + b"\0\xc0\x2f\0"
    flight = tls_record(22, handshake_message(2, server_hello) + handshake_message(11, bytes(3000)))
    for first in (HELLO, HELLO[:40]):  # the client's hello whole, and cut itself
        dispatched = DispatchedFlow([], 443)
        dispatched.flow.talk = dispatched.talk
        cut(dispatched, CLIENT, first)
        cut(dispatched, SERVER, flight[:150])
        dispatched.dispatcher.close(dispatched.flow)
        (row,) = dispatched.rows(Tls)
        assert (row["cipher"], "ja3s" in row, "ja4" in row) == (
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            True,
            first is HELLO,
        )
        assert not dispatched.sink.anomalies


def test_a_head_behind_a_body_whose_beginning_is_missing() -> None:
    body = [(SERVER, bytes(range(128, 256)) * 11)] * 5
    request = [(CLIENT, b"GET /next HTTP/1.1\r\nHost: h.example\r\n\r\n"), (SERVER, b"HTTP/1.1 204 No Content\r\n\r\n")]
    (row,) = DispatchedFlow([*body, *request], 80).rows(Http)
    assert (row["uri"], row["status"]) == ("/next", 204)
    assert DispatchedFlow(body, 9999).flow.wants == 0
    assert DispatchedFlow(body * 2, 80).flow.wants == 0
