import struct

import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.rtp import Rtp
from rustnet.dissect.stun import MAX_ROWS, STUN, Stun
from rustnet.dissect.tls.parser import Tls
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_udp_secure import (
    CLASSIC,
    CLASSIC_ANSWER,
    STUN_REQUEST,
    STUN_RESPONSE,
    STUN_RESPONSE_6,
    dtls_talk,
    framed,
    rtp,
    stun,
)


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[Stun]]:
    flow = Flow(STUN, "udp")
    for from_src, data in said:
        if not flow.talk.finished:
            flow.datagram(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Stun)]


def test_vectors_of_the_rfc() -> None:
    _, (asked, answer, other) = talk((CLIENT, STUN_REQUEST), (SERVER, STUN_RESPONSE), (SERVER, STUN_RESPONSE_6))
    assert (asked.method, asked.message_class, asked.software) == ("Binding", "request", "STUN test client")
    assert (asked.username, asked.ice_role, asked.txid_hex) == ("evtj:h6vY", "controlled", "b7e7a701bc34d686fa87dfae")
    assert (answer.message_class, answer.mapped_ip, answer.mapped_port) == ("success", "192.0.2.1", 32853)
    assert answer.response_ms == 1.0
    assert (other.mapped_ip, other.mapped_port) == ("2001:db8:1234:5678:11:2233:4455:6677", 32853)
    assert other.response_ms is None


def test_without_the_cookie() -> None:
    _, (asked, answer) = talk((CLIENT, CLASSIC), (SERVER, CLASSIC_ANSWER))
    assert asked.classic
    assert (answer.mapped_ip, answer.mapped_port, answer.response_ms) == ("192.0.2.1", 0x1234, 1.0)
    assert len(answer.txid_hex or "") == 32


def test_turn() -> None:
    plain = (
        b"\0\x01"
        + struct.pack(">H", 5000 ^ 0x2112)
        + bytes(a ^ b for a, b in zip(b"\xc6\x33\x64\7", b"\x21\x12\xa4\x42", strict=True))
    )
    _, rows = talk(
        (CLIENT, stun(0x003, (0x19, b"\x11\0\0\0"))),
        (SERVER, stun(0x113, (9, b"\0\0\4\1Unauthorized"), (0x14, b"turn.test"), (0x15, b"nonce"))),
        (CLIENT, stun(0x003, (6, b"someone"), (0x14, b"turn.test"), (8, bytes(20)), txid=bytes(12))),
        (SERVER, stun(0x103, (0x16, plain), (0x0D, b"\0\0\2\x58"), txid=bytes(12))),
        (CLIENT, stun(0x009, (0x0C, b"\x40\x01\0\0"), (0x12, plain))),
        (CLIENT, b"\x40\x01\0\x04data"),
        (CLIENT, b"\x40\x01\0\x04data"),
        (SERVER, b"\x40\x01\0\x04data"),
    )
    methods = [(row.method, row.message_class) for row in rows]
    assert methods[:5] == [
        ("Allocate", "request"),
        ("Allocate", "error"),
        ("Allocate", "request"),
        ("Allocate", "success"),
        ("ChannelBind", "request"),
    ]
    assert methods[5:] == [("ChannelData", None), ("ChannelData", None)]
    assert (rows[1].error_code, rows[1].error_reason, rows[1].realm) == (401, "Unauthorized", "turn.test")
    assert rows[2].username == "someone"
    assert (rows[3].relayed_ip, rows[3].relayed_port, rows[3].lifetime) == ("198.51.100.7", 5000, 600)
    assert (rows[4].channel, rows[4].peer_ip, rows[4].peer_port) == (0x4001, "198.51.100.7", 5000)


def test_dtls_and_media_on_one_flow() -> None:
    flow = Flow(STUN, "udp")
    flow.datagram(STUN_REQUEST)
    for from_src, data in dtls_talk():
        flow.datagram(data, from_src)
    assert flow.talk.app == "dtls"
    assert not flow.talk.finished
    for n in range(3):
        flow.datagram(rtp(n, 111), CLIENT)
    flow.datagram(STUN_RESPONSE, SERVER)
    kinds = [type(row) for row in flow.rows]
    assert kinds == [Stun, Tls, Rtp, Stun]
    for n in range(3, 500):
        if not flow.talk.finished:
            flow.datagram(rtp(n, 111), CLIENT)
    assert flow.talk.finished


def test_dtls_that_never_ends_is_told_at_the_end() -> None:
    flow, _ = talk((CLIENT, STUN_REQUEST), dtls_talk()[0])
    assert [type(row) for row in flow.rows] == [Stun, Tls]


def test_rows_are_bounded() -> None:
    flow, rows = talk(*((CLIENT, STUN_REQUEST) for _ in range(MAX_ROWS + 1000)))
    assert len(rows) == MAX_ROWS
    assert flow.talk.finished


def test_over_a_stream() -> None:
    for said in (
        ((CLIENT, STUN_REQUEST), (SERVER, STUN_RESPONSE)),
        framed(((CLIENT, STUN_REQUEST), (SERVER, STUN_RESPONSE))),
    ):
        flow = Flow(STUN, "tcp")
        for from_src, data in said:
            flow.feed(data, from_src, 7)
        assert [row.message_class for row in flow.rows if isinstance(row, Stun)] == ["request", "success"]
    with pytest.raises(DissectError):
        Flow(STUN, "tcp").feed(b"\xff" * 40)


def test_malformed() -> None:
    with pytest.raises(DissectError):
        talk((CLIENT, b"\x05" * 5))
    _, (row,) = talk((CLIENT, stun(1, (0x20, b"\0\1\2"), (9, b"x"), (0x20, b"\0\7" + bytes(20)))))
    assert row.mapped_ip is None


@pytest.mark.parametrize(
    ("data", "port", "transport", "verdict"),
    [
        (STUN_REQUEST, 9999, "udp", YES),
        (STUN_REQUEST + b"x", 9999, "udp", NO),
        (stun(1), 9999, "udp", YES),
        (stun(1, cookie=b"abcd"), 3478, "udp", YES),
        (stun(1, cookie=b"abcd"), 9999, "udp", NO),
        (CLASSIC, 9999, "udp", YES),
        (stun(1, (0x77, bytes(4)), cookie=b"abcd"), 3478, "udp", NO),
        (stun(1, (0x101, b"123456"), cookie=b"abcd"), 3478, "udp", NO),
        (STUN_REQUEST[:6], 3478, "tcp", MORE),
        (STUN_REQUEST[:6], 9999, "tcp", NO),
        (STUN_REQUEST[:30], 9999, "tcp", YES),
        (b"\0\x6c" + STUN_REQUEST, 9999, "tcp", YES),
        (b"GET / HTTP/1.1\r\n\r\n", 3478, "tcp", NO),
    ],
)
def test_probe(data: bytes, port: int, transport: str, verdict: int) -> None:
    assert Flow(STUN, transport, dst_port=port).probe(data) == verdict
